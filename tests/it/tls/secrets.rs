//! Secrets that are of no use: only their own server's handshakes fail (rows S19, S20; Istio's faults of TLS secrets).
use super::{
    certs::{self, secret_of},
    client::{Client, WAYS},
    gateway, routes,
};
use crate::support::{Running, named};

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_no_use_closes_its_server_and_no_other() {
    let ((good, _), (bad, seen)) = (named("good").await, named("bad").await);
    let ca = certs::authority("ca");
    let (pair, other) = (certs::server(&ca, "bad.test"), certs::server(&ca, "bad.test"));
    let authority = ca.pem();
    let (chain, key) = (("tls.crt", pair.chain.as_str()), ("tls.key", pair.key.as_str()));
    let trust = ("ca.crt", authority.as_str());
    let half = &pair.key[..pair.key.len() / 2];
    let (simple, mutual) = ("SIMPLE", "MUTUAL");
    for (fault, mode, values) in [
        ("no key", simple, vec![chain]),
        ("no certificate", simple, vec![key]),
        ("empty key", simple, vec![chain, ("tls.key", "")]),
        ("key of another certificate", simple, vec![chain, ("tls.key", &other.key)]),
        ("garbage as certificate", simple, vec![("tls.crt", "nothing"), key]),
        ("half a key", simple, vec![chain, ("tls.key", half)]),
        ("garbage in the keys that go first", simple, vec![chain, key, ("cert", "nothing"), ("key", "nothing")]),
        ("no CA", mutual, vec![chain, key]),
        ("empty CA", mutual, vec![chain, key, ("ca.crt", "")]),
        ("garbage as CA", mutual, vec![chain, key, ("ca.crt", "nothing")]),
        ("a key as CA", mutual, vec![chain, key, ("ca.crt", &pair.key)]),
        ("half a CA", mutual, vec![chain, key, ("ca.crt", &authority[..authority.len() / 2])]),
        ("garbage in the CA's keys that go first", mutual, vec![chain, key, trust, ("cacert", "nothing")]),
        ("no CA, optional", "OPTIONAL_MUTUAL", vec![chain, key]),
        ("garbage as CA, optional", "OPTIONAL_MUTUAL", vec![chain, key, ("ca.crt", "nothing")]),
        ("no CA, unverified", "MUTUAL, insecureSkipVerify: true", vec![chain, key]),
    ] {
        let running = Running::start(
            &[
                gateway(&[
                    ("bad.test", &format!("mode: {mode}, credentialName: bad")),
                    ("good.test, '*'", "mode: SIMPLE, credentialName: good"),
                ]),
                routes("good", "good.test", good),
                routes("bad", "bad.test", bad),
                certs::secret("good", &pair, &[]),
                secret_of("bad", &values),
            ]
            .concat(),
        );
        let to = running.address(443);
        for way in WAYS {
            let nobody = Client::new("bad.test", way);
            for client in [nobody.clone().with(&certs::client(&ca, &["client.test"])), nobody] {
                let refused = client.get(to, "bad.test").await;
                assert!(refused.is_err(), "{fault}: {refused:?}");
            }
            let guest = Client::new("good.test", way);
            assert_eq!(guest.get(to, "good.test").await.expect("let in").status, 200, "{fault}");
            assert_eq!(guest.get(to, "bad.test").await.expect("let in").status, 421, "{fault}");
        }
        let problems = running.gateway.problems();
        assert!(problems.iter().all(|it| !it.error && it.message.contains("istio-system/bad")), "{problems:?}");
        assert_eq!(problems.len(), 1, "{fault}");
    }
    assert_eq!(seen.heads().len(), 0);
}
