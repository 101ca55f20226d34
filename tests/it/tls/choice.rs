//! What server and client agree on: certificate, suite, key exchange.
use rustls::{CipherSuite, NamedGroup, SignatureScheme, crypto::aws_lc_rs::kx_group};

use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256};

use super::{
    certs::{self, Identity},
    client::{Client, WAYS},
    gateway, routes,
};
use crate::support::{Running, named};

const HOST: &str = "a.test";

/// The client's order counts (rustls has no other): what can do it has it first, as browsers, curl and Go do.
#[tokio::test(flavor = "multi_thread")]
async fn the_key_exchange_is_safe_from_quantum_computers_if_the_client_can() {
    let (a, _) = named("a").await;
    let pair = certs::server(&certs::authority("ca"), HOST);
    let server = gateway(&[(HOST, "mode: SIMPLE, credentialName: pair")]);
    let running = Running::start(&[server, routes("a", HOST, a), certs::secret("pair", &pair, &[])].concat());
    for way in [WAYS[2], WAYS[3]] {
        for (groups, expected) in [
            (vec![kx_group::X25519MLKEM768, kx_group::X25519], NamedGroup::X25519MLKEM768),
            (vec![kx_group::X25519, kx_group::X25519MLKEM768], NamedGroup::X25519),
            (vec![kx_group::SECP256R1, kx_group::X25519], NamedGroup::secp256r1),
            (vec![kx_group::SECP256R1], NamedGroup::secp256r1),
        ] {
            let client = Client::new(HOST, way).speaking(|provider| provider.kx_groups = groups);
            let answer = client.get(running.address(443), HOST).await.expect("let in");
            assert_eq!((answer.status, answer.group), (200, Some(expected)));
        }
    }
}

/// The list is TLS 1.2's, and its order goes before the client's.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_listed_cipher_suites_are_spoken() {
    let (a, _) = named("a").await;
    let pair = certs::server(&certs::authority("ca"), HOST);
    let list = "NOT-A-CIPHER, AES128-SHA, ECDHE-ECDSA-CHACHA20-POLY1305, ECDHE-RSA-AES256-GCM-SHA384, \
                ECDHE-ECDSA-AES128-GCM-SHA256";
    let server = gateway(&[(HOST, &format!("mode: SIMPLE, credentialName: pair, cipherSuites: [{list}]"))]);
    let running = Running::start(&[server, routes("a", HOST, a), certs::secret("pair", &pair, &[])].concat());
    let [aes, long, chacha] = [
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ];
    let to = running.address(443);
    for way in WAYS {
        for (offered, expected) in
            [(vec![aes, long, chacha], Some(chacha)), (vec![long, aes], Some(aes)), (vec![long], None)]
        {
            let is_offered = |suite: CipherSuite| {
                suite.as_str().is_some_and(|it| it.starts_with("TLS13")) || offered.contains(&suite)
            };
            let client = Client::new(HOST, way).speaking(|it| it.cipher_suites.retain(|it| is_offered(it.suite())));
            let answer = client.get(to, HOST).await;
            if way == WAYS[0] || way == WAYS[1] {
                assert_eq!(answer.ok().and_then(|answer| answer.suite), expected, "{offered:?}");
            } else {
                assert_eq!(answer.expect("let in").status, 200);
            }
        }
    }
}

/// RSA and ECDSA side by side: each client gets what it can check, ECDSA if it can check both.
#[tokio::test(flavor = "multi_thread")]
async fn the_certificate_is_one_that_the_client_can_check() {
    let (a, _) = named("a").await;
    let ca = certs::authority("ca");
    let rsa = certs::server_with(&ca, HOST, &PKCS_RSA_SHA256);
    let ecdsa = certs::server_with(&ca, HOST, &PKCS_ECDSA_P256_SHA256);
    let dir = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let pair = |name: &str, identity: &Identity| {
        let (chain, key) = (file(&format!("{name}.crt"), &identity.chain), file(&format!("{name}.key"), &identity.key));
        format!("{{serverCertificate: {chain}, privateKey: {key}}}")
    };
    let secrets = [certs::secret("rsa", &rsa, &[]), certs::secret("ecdsa", &ecdsa, &[])].concat();
    let by_files = format!("mode: SIMPLE, tlsCertificates: [{}, {}]", pair("rsa", &rsa), pair("ecdsa", &ecdsa));
    let old = SignatureScheme::RSA_PKCS1_SHA256;
    let (pss, p256) = (SignatureScheme::RSA_PSS_SHA256, SignatureScheme::ECDSA_NISTP256_SHA256);
    let p384 = SignatureScheme::ECDSA_NISTP384_SHA384;
    for tls in ["mode: SIMPLE, credentialNames: [rsa, ecdsa]", "mode: SIMPLE, credentialNames: [ecdsa, rsa]", &by_files]
    {
        let running = Running::start(&[gateway(&[(HOST, tls)]), routes("a", HOST, a), secrets.clone()].concat());
        for way in WAYS {
            for (schemes, expected) in [
                (&[old, pss, p256, p384][..], &ecdsa),
                (&[old, pss], &rsa),
                (&[p256], &ecdsa),
                (&[pss, old, p256], &ecdsa),
            ] {
                let client = Client::new(HOST, way).checking(schemes);
                let answer = client.get(running.address(443), HOST).await.expect("let in");
                assert_eq!((answer.status, answer.certificate), (200, expected.leaf()), "{tls} {schemes:?}");
            }
            let neither = Client::new(HOST, way).checking(&[SignatureScheme::ED25519]);
            assert!(neither.get(running.address(443), HOST).await.is_err());
        }
        // With TLS 1.2 the suites say it too.
        for (suite, expected) in [
            (CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, &rsa),
            (CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, &ecdsa),
        ] {
            let client = Client::new(HOST, WAYS[0]).speaking(|it| it.cipher_suites.retain(|it| it.suite() == suite));
            let answer = client.get(running.address(443), HOST).await.expect("let in");
            assert_eq!(answer.certificate, expected.leaf(), "{tls}");
        }
    }
}

/// The clients' CA is that of the first name.
#[tokio::test(flavor = "multi_thread")]
async fn of_several_credentials_the_first_has_the_ca() {
    let (a, seen) = named("a").await;
    let (ca, other) = (certs::authority("ca"), certs::authority("other"));
    let one = certs::server_with(&ca, HOST, &PKCS_RSA_SHA256);
    let two = certs::server_with(&ca, HOST, &PKCS_ECDSA_P384_SHA384);
    let running = Running::start(
        &[
            gateway(&[(HOST, "mode: MUTUAL, credentialNames: [one, two]")]),
            routes("a", HOST, a),
            certs::secret("one", &one, &[("ca.crt", &ca.pem())]),
            certs::secret("two", &two, &[("ca.crt", &other.pem())]),
        ]
        .concat(),
    );
    for way in WAYS {
        let client = Client::new(HOST, way);
        let refused =
            client.clone().with(&certs::client(&other, &["client.test"])).get(running.address(443), HOST).await;
        assert!(refused.is_err(), "{refused:?}");
        let good = client.with(&certs::client(&ca, &["client.test"]));
        assert_eq!(good.get(running.address(443), HOST).await.expect("let in").certificate, two.leaf());
    }
    assert_eq!(seen.heads().len(), WAYS.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_those_of_the_server() {
    let (a, _) = named("a").await;
    let pair = certs::server(&certs::authority("ca"), HOST);
    for (versions, old, new) in [
        ("minProtocolVersion: TLS_AUTO", true, true),
        ("minProtocolVersion: TLSV1_0", true, true),
        ("minProtocolVersion: TLSV1_2, maxProtocolVersion: TLSV1_3", true, true),
        ("minProtocolVersion: TLSV1_3", false, true),
        ("maxProtocolVersion: TLSV1_2", true, false),
        ("minProtocolVersion: TLSV1_3, cipherSuites: [ECDHE-RSA-AES128-GCM-SHA256]", false, true),
    ] {
        let server = gateway(&[(HOST, &format!("mode: SIMPLE, credentialName: pair, {versions}"))]);
        let running = Running::start(&[server, routes("a", HOST, a), certs::secret("pair", &pair, &[])].concat());
        for (way, expected) in WAYS.into_iter().zip([old, old, new, new]) {
            let answer = Client::new(HOST, way).get(running.address(443), HOST).await;
            assert_eq!(answer.is_ok(), expected, "{versions}: {answer:?}");
        }
    }
}

/// What a client could do in a version that the server does not speak says nothing of the certificates that it checks.
#[tokio::test(flavor = "multi_thread")]
async fn suites_of_another_version_do_not_choose_the_certificate() {
    let (a, _) = named("a").await;
    let ca = certs::authority("ca");
    let rsa = certs::server_with(&ca, HOST, &PKCS_RSA_SHA256);
    let server = gateway(&[(HOST, "mode: SIMPLE, credentialNames: [ecdsa, rsa], maxProtocolVersion: TLSV1_2")]);
    let secrets = [certs::secret("rsa", &rsa, &[]), certs::secret("ecdsa", &certs::server(&ca, HOST), &[])].concat();
    let running = Running::start(&[server, routes("a", HOST, a), secrets].concat());
    let offered = [CipherSuite::TLS13_AES_128_GCM_SHA256, CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256];
    let client = Client::new(HOST, WAYS[0]).of_any_version();
    let client = client.speaking(|it| it.cipher_suites.retain(|it| offered.contains(&it.suite())));
    let answer = client.get(running.address(443), HOST).await.expect("let in");
    assert_eq!(answer.certificate, rsa.leaf());
}
