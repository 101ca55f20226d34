//! Harness of the end-to-end tests: clients, upstreams, certificates.
//!
//! `case` reads the recorded cases, `run` asks them of a gateway of `gateway`, `compare` says what differs from the
//! recording, `ledger` keeps the account of what is not as recorded.

pub mod case;
pub mod client;
pub mod compare;
pub mod gateway;
pub mod ledger;
pub mod observe;
pub mod pki;
pub mod run;
pub mod upstreams;
pub mod wire;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};

/// The cryptography of clients and services.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
