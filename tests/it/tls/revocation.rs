//! Revoked client certificates, and lists that cannot be used.
use gateway_core::model::Pem;
use gateway_layers::stack::check_credentials;

use super::{
    certs::{self, Authority, Identity},
    client::{Client, WAYS},
    gateway, routes,
};
use crate::support::{Running, Seen, named, read};

const HOST: &str = "admin.test";

/// A server whose Secret has this CA and these revocation lists.
async fn served(mode: &str, ca: &str, lists: &str) -> (Running, Seen) {
    let (admin, seen) = named("admin").await;
    let pair = certs::server(&certs::authority("server"), HOST);
    let secret = certs::secret("pair", &pair, &[("ca.crt", ca), ("ca.crl", lists)]);
    let server = gateway(&[(HOST, &format!("mode: {mode}, credentialName: pair"))]);
    (Running::start(&[server, routes("admin", HOST, admin), secret].concat()), seen)
}

async fn comes_in(running: &Running, identity: &Identity) -> bool {
    let mut all = Vec::new();
    for way in WAYS {
        all.push(Client::new(HOST, way).with(identity).get(running.address(443), HOST).await.is_ok());
    }
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{all:?}");
    all[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_certificate_is_refused() {
    let ca = certs::authority("ca");
    let below = certs::intermediate("below", &ca);
    let indirect = |number| certs::numbered(&below, number).with_chain(&[below.pem()]);
    let lists = [certs::crl(&ca, &[7], 2043), certs::crl(&below, &[8], 2043)].concat();
    for mode in ["MUTUAL", "OPTIONAL_MUTUAL", "MUTUAL, insecureSkipVerify: true"] {
        let (running, seen) = served(mode, &ca.pem(), &lists).await;
        for (identity, expected) in [
            (certs::numbered(&ca, 7), false),
            (certs::numbered(&ca, 8), true),
            (indirect(7), true),
            (indirect(8), false),
        ] {
            assert_eq!(comes_in(&running, &identity).await, expected);
        }
        assert_eq!(seen.heads().len(), 2 * WAYS.len());
    }
}

/// Of whom it is not known whether he is revoked, he is not let in.
#[tokio::test(flavor = "multi_thread")]
async fn lists_that_say_nothing_of_a_certificate_let_it_not_in() {
    let ca = certs::authority("ca");
    let twin = certs::authority("ca");
    let below = certs::intermediate("below", &ca);
    let indirect = certs::numbered(&below, 1).with_chain(&[below.pem()]);
    let direct = certs::numbered(&ca, 1);
    for (lists, identity) in [
        (certs::crl(&ca, &[], 2024), &direct),
        (certs::crl(&twin, &[], 2043), &direct),
        (certs::crl(&certs::authority("other"), &[], 2043), &direct),
        (certs::crl(&ca, &[], 2043), &indirect),
        (certs::crl(&below, &[], 2043), &indirect),
    ] {
        let (running, seen) = served("MUTUAL", &ca.pem(), &lists).await;
        assert!(!comes_in(&running, identity).await);
        assert_eq!(seen.heads().len(), 0);
    }
}

/// The Secret's server alone fails, with a warning that names the list.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_list_lets_nobody_in() {
    let ca = certs::authority("ca");
    let good = certs::crl(&ca, &[], 2043);
    let garbage = "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n";
    for lists in ["nothing", garbage, &good[..good.len() / 2], &format!("{good}{garbage}"), &ca.pem()] {
        for mode in ["MUTUAL", "OPTIONAL_MUTUAL"] {
            let (running, seen) = served(mode, &ca.pem(), lists).await;
            assert!(!comes_in(&running, &certs::numbered(&ca, 1)).await, "{lists}");
            assert!(Client::new(HOST, WAYS[0]).get(running.address(443), HOST).await.is_err(), "{lists}: none");
            let problems = running.gateway.problems();
            assert!(problems[0].message.contains("revocation list") && !problems[0].error, "{problems:?}");
            assert_eq!(seen.heads().len(), 0);
        }
    }
}

/// `caCrl`, beside certificates in files.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_in_a_file_counts_too() {
    let dir = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let ca: Authority = certs::authority("ca");
    let pair = certs::server(&ca, HOST);
    let (chain, key, roots) = (write("c", &pair.chain), write("k", &pair.key), write("a", &ca.pem()));
    let lists = write("r", &certs::crl(&ca, &[7], 2043));
    let server = |crl: &str| {
        let files = format!("serverCertificate: {chain}, privateKey: {key}, caCertificates: {roots}, caCrl: {crl}");
        gateway(&[(HOST, &format!("mode: MUTUAL, {files}"))])
    };
    let (admin, seen) = named("admin").await;
    let running = Running::start(&[server(&lists), routes("admin", HOST, admin)].concat());
    assert!(!comes_in(&running, &certs::numbered(&ca, 7)).await);
    assert_eq!(seen.heads().len(), 0);
    assert!(comes_in(&running, &certs::numbered(&ca, 8)).await);
    for bad in [write("broken", "nothing"), dir.path().join("missing").display().to_string()] {
        let problems = check_credentials(&read(&server(&bad)).0);
        assert!(problems[0].error && problems[0].message.contains(&bad), "{problems:?}: the gateway does not start");
    }
}

/// At the next handshake, also of who has a session of the time before.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_revoked_later_is_refused_from_then_on() {
    let ca = certs::authority("ca");
    let (running, seen) = served("MUTUAL", &ca.pem(), &certs::crl(&ca, &[], 2043)).await;
    let to = running.address(443);
    let identity = certs::numbered(&ca, 7);
    let client = |way| Client::new(HOST, way).with(&identity).resuming();
    let clients = WAYS.map(client);
    for client in &clients {
        for resumed in [false, true] {
            assert_eq!(client.get(to, HOST).await.expect("let in").resumed, resumed);
        }
    }
    let before = seen.heads().len();
    let renewed = |lists: &str| {
        let mut secrets = running.gateway.config().secrets.clone();
        secrets[0].crl = Some(Pem(lists.as_bytes().into()));
        running.gateway.renew(secrets)
    };
    assert_eq!(renewed(&certs::crl(&ca, &[7], 2043)).changed, 1);
    // What is broken does not bring back the list of before.
    for lists in [None, Some("nothing")] {
        if let Some(lists) = lists {
            let renewal = renewed(lists);
            assert_eq!((renewal.changed, renewal.problems.len()), (0, 1));
        }
        for client in &clients {
            assert!(client.get(to, HOST).await.is_err());
        }
    }
    assert_eq!(seen.heads().len(), before);
}
