//! What is asked of TLS clients.
use std::path::PathBuf;

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
    /// Without a certificate there is no connection: `MUTUAL`, and `OPTIONAL_MUTUAL` with one of the lists below. Else
    /// there is one, but not with a bad certificate.
    pub required: bool,
    /// Who must have signed it.
    pub ca: CaSource,
    /// `caCrl`: a PEM file of revocation lists, beside those in the CA's secret. With any list the chain up to the CA must
    /// be in lists that are signed and not out of date.
    pub crl: Option<PathBuf>,
    /// `subjectAltNames`: it must have one of these DNS names or URIs. Empty: any.
    pub subject_alt_names: Vec<String>,
    /// `verifyCertificateHash`: SHA-256 values of good certificates. If this and `key_hashes` are empty: any; else it
    /// must be in one of the two.
    pub certificate_hashes: Vec<[u8; 32]>,
    /// `verifyCertificateSpki`: SHA-256 values of good public keys.
    pub key_hashes: Vec<[u8; 32]>,
    /// `insecureSkipVerify`: also certificates that `ca` has not signed, or that have ended. Not revoked ones, and the
    /// lists count.
    pub insecure_skip_verify: bool,
}
