//! What server and client agree on: certificate, suite, key exchange.
use rustls::{NamedGroup, crypto::aws_lc_rs::kx_group};

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
