//! Server name and Host: no name leads around a client certificate.
use std::{net::SocketAddr, process::Stdio};

use tokio::{io::AsyncWriteExt as _, process::Command};

use super::{
    certs,
    client::{Client, WAYS},
    gateway, routes,
};
use crate::support::{Running, Seen, named};

const SIMPLE: &str = "mode: SIMPLE, credentialName: pair";
const MUTUAL: &str = "mode: MUTUAL, credentialName: pair";

/// Gateway API's table of misdirected requests: server name, Host, status.
const TABLE: [(&str, &str, u16); 15] = [
    ("example.org", "example.org", 200),
    ("example.org", "second-example.org", 421),
    ("example.org", "unknown-example.org", 404),
    ("second-example.org", "second-example.org", 200),
    ("second-example.org", "example.org", 421),
    ("second-example.org", "unknown-example.org", 421),
    ("third-example.wildcard.org", "third-example.wildcard.org", 200),
    ("third-example.wildcard.org", "fith-example.wildcard.org", 200),
    ("third-example.wildcard.org", "fourth-example.wildcard.org", 421),
    ("third-example.wildcard.org", "second-example.org", 421),
    ("third-example.wildcard.org", "unknown-example.org", 421),
    ("fourth-example.wildcard.org", "fourth-example.wildcard.org", 200),
    ("fourth-example.wildcard.org", "fith-example.wildcard.org", 421),
    ("unknown-example.org", "example.org", 200),
    ("unknown-example.org", "unknown-example.org", 404),
];

#[tokio::test(flavor = "multi_thread")]
async fn misdirected_requests_are_answered_as_in_the_gateway_api() {
    let (service, seen) = named("service").await;
    let pair = certs::server(&certs::authority("ca"), "example.org");
    let running = Running::start(
        &[
            gateway(&[
                ("'*'", SIMPLE),
                ("second-example.org", SIMPLE),
                ("'*.wildcard.org'", SIMPLE),
                ("fourth-example.wildcard.org", SIMPLE),
            ]),
            routes("service", "example.org, second-example.org, '*.wildcard.org'", service),
            certs::secret("pair", &pair, &[]),
        ]
        .concat(),
    );
    for way in WAYS {
        for (name, host, status) in TABLE {
            let answer = Client::new(name, way).get(running.address(443), host).await.expect("let in");
            assert_eq!(answer.status, status, "{name} -> {host}");
            assert_eq!(answer.body.is_empty(), status != 200, "{name} -> {host}: {}", answer.body);
        }
    }
    let routed = TABLE.iter().filter(|(_, _, status)| *status == 200).count();
    assert_eq!(seen.heads().len(), WAYS.len() * routed);
}

/// `admin.test` and `*.secure.test` want a certificate; `guest.test` and what has no entry do not.
async fn guarded() -> (Running, Seen) {
    let ((guest, _), (admin, seen)) = (named("guest").await, named("admin").await);
    let ca = certs::authority("ca");
    let more: Vec<_> = (0..150).map(|n| format!("n{n}.many.test")).collect();
    let many = more.join(", ");
    let running = Running::start(
        &[
            gateway(&[
                ("guest.test", SIMPLE),
                ("'*'", SIMPLE),
                (&format!("{many}, admin.test"), MUTUAL),
                ("'*.secure.test'", MUTUAL),
            ]),
            routes("guest", "'*'", guest),
            routes("admin", &format!("{many}, admin.test, '*.secure.test'"), admin),
            certs::secret("pair", &certs::server(&ca, "guest.test"), &[("ca.crt", &ca.pem())]),
        ]
        .concat(),
    );
    (running, seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_name_leads_around_the_client_certificate() {
    let (running, seen) = guarded().await;
    let to = running.address(443);
    let hosts = [
        "admin.test",
        "aDmin.Test",
        "admin.test:443",
        "admin.test.",
        "x.secure.test",
        "y.x.Secure.test.",
        "n149.many.test",
    ];
    for way in WAYS {
        let client = Client::new("guest.test", way);
        // A server name of the guest's, of nobody, none.
        for name in [Some("guest.test"), Some("unknown.test"), Some("secure.test"), None] {
            for host in hosts {
                let answer = client.clone().named(name).get(to, host).await.expect("let in");
                assert_eq!(answer.status, 421, "{name:?} -> {host}");
            }
        }
        for name in ["admin.test", "ADMIN.test", "x.secure.test", "x.SECURE.test", "n0.many.test", "N149.many.test"] {
            for host in ["admin.test", "guest.test", name] {
                let refused = client.clone().named(Some(name)).get(to, host).await;
                assert!(refused.is_err(), "{name} -> {host}: {refused:?}");
            }
        }
        assert_eq!(client.get(to, "guest.test").await.expect("let in").body, "guest /");
    }
    assert_eq!(seen.heads().len(), 0);
}

/// What OpenSSL's client gets for a request, with any text as server name.
async fn openssl(to: SocketAddr, name: &str, version: &str, host: &str) -> String {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-quiet", "-connect", &to.to_string(), "-servername", name, version]);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut client = command.spawn().expect("it is there");
    let request = format!("GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    // One that was refused takes no request.
    let mut stdin = client.stdin.take().expect("piped");
    let _ = stdin.write_all(request.as_bytes()).await;
    let done = client.wait_with_output().await.expect("ended");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// Server names that other clients would not send. No other client of ours can be made to send them: where OpenSSL is
/// not installed the unit tests of the table must do.
#[tokio::test(flavor = "multi_thread")]
async fn odd_server_names_do_not_either() {
    if Command::new("openssl").arg("version").stdout(Stdio::null()).status().await.is_err() {
        eprintln!("not tested: openssl is not installed");
        return;
    }
    let (running, seen) = guarded().await;
    let to = running.address(443);
    for version in ["-tls1_2", "-tls1_3"] {
        let guest = openssl(to, "guest.test", version, "guest.test").await;
        assert!(guest.ends_with("guest /"), "{guest}");
        for name in ["127.0.0.1", "admin.test.", "ADMIN.TEST.", "x.secure.test.", "[::1]"] {
            for host in ["admin.test", "x.secure.test"] {
                let answer = openssl(to, name, version, host).await;
                assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 421 "), "{name} -> {host}: {answer}");
            }
        }
    }
    assert_eq!(seen.heads().len(), 0);
}
