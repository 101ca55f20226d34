//! Client certificates: good ones, bad ones, none.
use std::net::SocketAddr;

use base64::Engine as _;
use rcgen::{ExtendedKeyUsagePurpose, SanType, date_time_ymd};

use super::{
    certs::{self, Authority, Identity},
    client::{Client, WAYS},
    gateway, routes,
};
use crate::support::{Running, Seen, curl, header, named, pem};

const HOST: &str = "admin.test";

/// One server with these settings, whose Secret `pair` has this CA for clients, and the service behind it.
async fn served(tls: &str, ca: &Authority) -> (Running, SocketAddr, Seen) {
    let (admin, seen) = named("admin").await;
    let pair = certs::server(ca, HOST);
    let secret = certs::secret("pair", &pair, &[("ca.crt", &ca.pem())]);
    let yaml = [gateway(&[(HOST, tls)]), routes("admin", HOST, admin), secret].concat();
    let running = Running::start(&yaml);
    let address = running.address(443);
    (running, address, seen)
}

/// Bad certificates by their vice (rows S21 to S24).
fn bad(ca: &Authority) -> Vec<(&'static str, Identity)> {
    let good = || certs::params("client.test", ExtendedKeyUsagePurpose::ClientAuth);
    let mut expired = good();
    expired.not_after = date_time_ymd(2025, 1, 1);
    let mut later = good();
    later.not_before = date_time_ymd(2043, 1, 1);
    let own = certs::key();
    let self_signed = good().self_signed(&own).expect("sound");
    let mut with_nul = good();
    with_nul.subject_alt_names = vec![SanType::DnsName("client.test\0.evil.test".try_into().expect("ASCII"))];
    let mut deep = vec![certs::intermediate("0", ca)];
    for n in 1..200 {
        deep.push(certs::intermediate(&n.to_string(), &deep[n - 1]));
    }
    let chain: Vec<_> = deep.iter().rev().map(|ca| ca.pem()).collect();
    vec![
        ("expired", certs::signed(&expired, ca)),
        ("not valid yet", certs::signed(&later, ca)),
        ("other CA", certs::client(&certs::authority("other"), &["client.test"])),
        ("other CA of the same name", certs::client(&certs::authority("ca"), &["client.test"])),
        ("for servers only", certs::server(ca, "client.test")),
        ("self-signed", Identity { chain: self_signed.pem(), key: own.serialize_pem() }),
        ("200 deep", certs::signed(&good(), &deep[199]).with_chain(&chain)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn mutual_lets_in_who_has_a_good_certificate_and_nobody_else() {
    let ca = certs::authority("ca");
    let (_running, to, seen) = served("mode: MUTUAL, credentialName: pair", &ca).await;
    let bad = bad(&ca);
    for way in WAYS {
        let client = Client::new(HOST, way);
        for (vice, identity) in &bad {
            let refused = client.clone().with(identity).get(to, HOST).await;
            assert!(refused.is_err(), "{vice}: {refused:?}");
        }
        assert!(client.get(to, HOST).await.is_err(), "none");
    }
    assert_eq!(seen.heads().len(), 0);
    let direct = certs::client(&ca, &["client.test"]);
    let below = certs::intermediate("below", &ca);
    let indirect = certs::client(&below, &["client.test"]).with_chain(&[below.pem()]);
    for way in WAYS {
        for identity in [&direct, &indirect] {
            let answer = Client::new(HOST, way).with(identity).get(to, HOST).await.expect("let in");
            assert_eq!((answer.status, answer.body.as_str()), (200, "admin /"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn optional_mutual_takes_none_and_refuses_bad_ones() {
    let ca = certs::authority("ca");
    let (_running, to, seen) = served("mode: OPTIONAL_MUTUAL, credentialName: pair", &ca).await;
    for way in WAYS {
        let client = Client::new(HOST, way);
        for (vice, identity) in &bad(&ca)[..4] {
            let refused = client.clone().with(identity).get(to, HOST).await;
            assert!(refused.is_err(), "{vice}: {refused:?}");
        }
        assert_eq!(seen.heads().len(), 0);

        let answer = client.send(to, HOST, "Hash=forged").await.expect("none is good");
        assert_eq!(answer.status, 200);
        let head = seen.heads().pop().expect("a request");
        assert_eq!(header(&head, "x-forwarded-client-cert"), None, "removed: {head}");

        let good = client.with(&certs::client(&ca, &["client.test", "spiffe://test/client"]));
        assert_eq!(good.send(to, HOST, "Hash=forged").await.expect("let in").status, 200);
        let head = seen.heads().pop().expect("a request");
        let told = header(&head, "x-forwarded-client-cert").expect("set");
        assert!(told.starts_with("Hash=") && !told.contains("forged"), "{told}");
        assert!(told.ends_with("Subject=\"CN=client.test\";URI=spiffe://test/client;DNS=client.test"), "{told}");
        seen.heads.lock().expect("not poisoned").clear();
    }
}

/// The certificate's SHA-256, as OpenSSL writes fingerprints: with colons.
fn fingerprint(identity: &Identity) -> String {
    let certificate = identity.der().0.remove(0);
    let bytes = sha256(&certificate).into_iter().map(|byte| format!("{byte:02X}"));
    bytes.collect::<Vec<_>>().join(":")
}

/// That of its public key, in base64.
fn public_key_hash(identity: &Identity) -> String {
    let key = rcgen::KeyPair::from_pem(&identity.key).expect("a key");
    base64::engine::general_purpose::STANDARD.encode(sha256(&rcgen::PublicKeyData::subject_public_key_info(&key)))
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    let suite = rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
    let suite = suite.tls13().expect("of TLS 1.3");
    suite.common.hash_provider.hash(bytes).as_ref().to_vec()
}

/// Names and hashes of good certificates, each list alone and together: by the CA's signature alone nobody gets in, and
/// with a list nobody without a certificate.
#[tokio::test(flavor = "multi_thread")]
async fn of_the_cas_certificates_only_the_listed_ones_are_let_in() {
    let ca = certs::authority("ca");
    let one = certs::client(&ca, &["one.test", "spiffe://test/One"]);
    let two = certs::client(&ca, &["two.test", "x.one.test", "spiffe://test/one", "spiffe://test/One/x"]);
    // Its name is that of its subject alone.
    let mut subject = certs::params("one.test", ExtendedKeyUsagePurpose::ClientAuth);
    subject.subject_alt_names.clear();
    let subject = certs::signed(&subject, &ca);
    let forged = certs::client(&certs::authority("ca"), &["one.test", "spiffe://test/One"]);
    let (hash, other_hash) = (fingerprint(&one), fingerprint(&two));
    let (spki, other_spki) = (public_key_hash(&one), public_key_hash(&two));
    let plain = hash.replace(':', "").to_lowercase();
    let lists = [
        "subjectAltNames: [spiffe://test/One]".to_owned(),
        "subjectAltNames: [nobody.test, One.Test]".to_owned(),
        format!("verifyCertificateHash: ['{hash}']"),
        format!("verifyCertificateHash: ['{}', {plain}]", "0".repeat(64)),
        format!("verifyCertificateSpki: ['{spki}']"),
        format!("verifyCertificateHash: ['{}'], verifyCertificateSpki: ['{spki}']", "0".repeat(64)),
        format!("subjectAltNames: [one.test], verifyCertificateSpki: ['{spki}', '{other_spki}']"),
        format!("subjectAltNames: [one.test, two.test], verifyCertificateHash: ['{hash}']"),
    ];
    for list in lists {
        for mode in ["MUTUAL", "OPTIONAL_MUTUAL"] {
            let (_running, to, seen) = served(&format!("mode: {mode}, credentialName: pair, {list}"), &ca).await;
            for way in WAYS {
                let client = Client::new(HOST, way);
                for identity in [&two, &subject, &forged] {
                    let refused = client.clone().with(identity).get(to, HOST).await;
                    assert!(refused.is_err(), "{list}: {refused:?}");
                }
                assert!(client.get(to, HOST).await.is_err(), "{list}: none");
                assert_eq!(client.with(&one).get(to, HOST).await.expect("let in").status, 200, "{list}");
            }
            assert_eq!(seen.heads().len(), WAYS.len());
        }
    }
    for contradiction in [
        format!("subjectAltNames: [one.test], verifyCertificateHash: ['{other_hash}']"),
        "subjectAltNames: ['']".to_owned(),
        "subjectAltNames: ['*.test']".to_owned(),
    ] {
        let (_running, to, seen) = served(&format!("mode: MUTUAL, credentialName: pair, {contradiction}"), &ca).await;
        for way in WAYS {
            assert!(Client::new(HOST, way).with(&one).get(to, HOST).await.is_err(), "{contradiction}");
        }
        assert_eq!(seen.heads().len(), 0);
    }
}

/// DEV: also where Istio forgets them.
#[tokio::test(flavor = "multi_thread")]
async fn lists_count_with_certificates_of_files_too() {
    let (a, seen) = named("a").await;
    let [chain, key, ca] = ["a-cert.pem", "a-cert.key", "ca.pem"].map(pem);
    let tls = format!(
        "mode: MUTUAL, serverCertificate: {chain}, privateKey: {key}, caCertificates: {ca}, \
         verifyCertificateHash: ['{}']",
        "0".repeat(64)
    );
    let running = Running::start(&[gateway(&[("a.com", &tls)]), routes("a", "a.com", a)].concat());
    let to = format!("::{}", running.address(443));
    let [cert, key] = ["client-good.pem", "client-good.key"].map(pem);
    let (answer, code) =
        curl(&["--connect-to", &to, "--cacert", &ca, "--cert", &cert, "--key", &key, "https://a.com/"]).await;
    assert!(answer.is_empty() && code != 0, "{answer}");
    assert_eq!(seen.heads().len(), 0);
}

/// Anything goes that is a certificate with its key; lists count all the same.
#[tokio::test(flavor = "multi_thread")]
async fn without_verification_any_certificate_is_let_in_and_told_of() {
    let ca = certs::authority("ca");
    let skip = "credentialName: pair, insecureSkipVerify: true";
    for mode in ["MUTUAL", "OPTIONAL_MUTUAL"] {
        let (_running, to, seen) = served(&format!("mode: {mode}, {skip}"), &ca).await;
        for way in WAYS {
            for (vice, identity) in &bad(&ca)[..6] {
                let answer = Client::new(HOST, way).with(identity).get(to, HOST).await.expect("let in");
                assert_eq!(answer.status, 200, "{vice}");
                let head = seen.heads().pop().expect("a request");
                assert!(header(&head, "x-forwarded-client-cert").is_some_and(|it| it.starts_with("Hash=")), "{head}");
            }
            let without = Client::new(HOST, way).get(to, HOST).await;
            assert_eq!(without.is_ok(), mode == "OPTIONAL_MUTUAL", "{without:?}");
        }
    }
    let (_running, to, seen) = served(&format!("mode: MUTUAL, {skip}, subjectAltNames: [other.test]"), &ca).await;
    for way in WAYS {
        assert!(Client::new(HOST, way).with(&certs::client(&ca, &["client.test"])).get(to, HOST).await.is_err());
    }
    assert_eq!(seen.heads().len(), 0);
}
