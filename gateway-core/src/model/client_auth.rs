//! What is asked of TLS clients.
use super::tls::CaSource;

/// Whether a client certificate is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// `SIMPLE`.
    None,
    /// `MUTUAL` and `OPTIONAL_MUTUAL`.
    Asked(ClientPolicy),
}

/// Which client certificates are good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientPolicy {
    /// `MUTUAL`: without a certificate there is no connection. `OPTIONAL_MUTUAL`: without one there is, but not with a
    /// bad one.
    pub required: bool,
    /// Who must have signed it.
    pub ca: CaSource,
}
