//! What server and client agree on: certificate, suite, key exchange.
use rustls::{CipherSuite, NamedGroup, crypto::aws_lc_rs::kx_group};

use super::{
    certs,
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
