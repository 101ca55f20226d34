//! A session is never resumed under another policy (rows S11 to S14).
use std::net::SocketAddr;

use super::{
    certs::{self, Authority, Identity},
    client::{Client, WAYS},
    gateway, routes,
};
use crate::support::{Running, named};

/// The Secrets of a server: its own pair, and the CA of its clients.
fn secret(pair: &Identity, clients: &Authority) -> String {
    certs::secret("pair", pair, &[("ca.crt", &clients.pem())])
}

/// A gateway with one server, in this mode.
fn one(mode: &str, pair: &Identity, clients: &Authority, service: SocketAddr) -> Running {
    let server = gateway(&[("admin.test", &format!("mode: {mode}, credentialName: pair"))]);
    Running::start(&[server, routes("admin", "admin.test", service), secret(pair, clients)].concat())
}

/// A client's session is resumed at the same server: else the tests below would show nothing.
async fn resumed(client: &Client, to: SocketAddr, host: &str) {
    for expected in [false, true] {
        let answer = client.get(to, host).await.expect("let in");
        assert_eq!((answer.status, answer.resumed), (200, expected));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_the_guests_server_opens_no_other() {
    let ((guest, _), (admin, seen)) = (named("guest").await, named("admin").await);
    let ca = certs::authority("ca");
    let running = Running::start(
        &[
            gateway(&[
                ("guest.test", "mode: SIMPLE, credentialName: pair"),
                ("admin.test", "mode: MUTUAL, credentialName: pair"),
            ]),
            routes("guest", "guest.test", guest),
            routes("admin", "admin.test", admin),
            secret(&certs::server(&ca, "guest.test"), &ca),
        ]
        .concat(),
    );
    let to = running.address(443);
    for way in WAYS {
        let client = Client::new("guest.test", way).resuming();
        resumed(&client, to, "guest.test").await;
        let refused = client.named(Some("admin.test")).get(to, "admin.test").await;
        assert!(refused.is_err(), "{refused:?}");
    }
    assert_eq!(seen.heads().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_with_the_certificate_of_one_ca_opens_no_server_of_another_ca() {
    let ((one, _), (two, seen)) = (named("one").await, named("two").await);
    let (ca, other) = (certs::authority("ca"), certs::authority("other"));
    let pair = certs::server(&ca, "admin.test");
    let mutual = "mode: MUTUAL, credentialName";
    let running = Running::start(
        &[
            gateway(&[("admin.test", &format!("{mutual}: one")), ("admin2.test", &format!("{mutual}: two"))]),
            routes("one", "admin.test", one),
            routes("two", "admin2.test", two),
            certs::secret("one", &pair, &[("ca.crt", &ca.pem())]),
            certs::secret("two", &pair, &[("ca.crt", &other.pem())]),
        ]
        .concat(),
    );
    let to = running.address(443);
    for way in WAYS {
        let client = Client::new("admin.test", way).with(&certs::client(&ca, &["client.test"])).resuming();
        resumed(&client, to, "admin.test").await;
        let refused = client.named(Some("admin2.test")).get(to, "admin2.test").await;
        assert!(refused.is_err(), "{refused:?}");
    }
    assert_eq!(seen.heads().len(), 0);
}

/// Before and after a change of the policy, with the same name, certificate and client.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_does_not_outlive_its_policy() {
    let ((before, _), (after, seen)) = (named("before").await, named("after").await);
    let (ca, other) = (certs::authority("ca"), certs::authority("ca"));
    let pair = certs::server(&ca, "admin.test");
    let simple = one("SIMPLE", &pair, &ca, before);
    let optional = one("OPTIONAL_MUTUAL", &pair, &ca, before);
    let mutual = one("MUTUAL", &pair, &ca, before);
    let now_mutual = one("MUTUAL", &pair, &ca, after);
    let now_other_ca = one("MUTUAL", &pair, &other, after);
    for way in WAYS {
        let nobody = Client::new("admin.test", way).resuming();
        let somebody = Client::new("admin.test", way).with(&certs::client(&ca, &["client.test"])).resuming();
        let open = Client::new("admin.test", way).resuming();
        for (client, old, new) in
            [(nobody, &simple, &now_mutual), (open, &optional, &now_mutual), (somebody, &mutual, &now_other_ca)]
        {
            resumed(&client, old.address(443), "admin.test").await;
            let refused = client.get(new.address(443), "admin.test").await;
            assert!(refused.is_err(), "{refused:?}");
        }
    }
    assert_eq!(seen.heads().len(), 0);
}

/// Row S15: a client that would send early data has no leave to.
#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_taken_before_the_handshake_is_done() {
    let (admin, seen) = named("admin").await;
    let ca = certs::authority("ca");
    let running = one("SIMPLE", &certs::server(&ca, "admin.test"), &ca, admin);
    let client = Client::new("admin.test", WAYS[2]).resuming();
    resumed(&client, running.address(443), "admin.test").await;
    assert!(!client.may_send_early_data(running.address(443)).await);
    assert_eq!(seen.heads().len(), 2);
}
