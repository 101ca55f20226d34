//! How TLS is terminated.
use std::{fmt, path::PathBuf, sync::Arc};

use super::{CipherSuite, ClientAuth};

/// The TLS settings of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTls {
    /// Of several the client's signature schemes choose. None: the server has an error, and its handshakes fail.
    pub certificates: Vec<CertificateSource>,
    /// What is asked of the client.
    pub client_auth: ClientAuth,
    /// Oldest version.
    pub min_version: TlsVersion,
    /// Newest version.
    pub max_version: TlsVersion,
    /// For TLS 1.2, most wanted first. Empty: all, as the client wants.
    pub cipher_suites: Vec<CipherSuite>,
}

/// TLS versions that the gateway speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2
    V1_2,
    /// TLS 1.3
    V1_3,
}

/// Where a server certificate and its key come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateSource {
    /// `credentialName`. If it is missing or of no use, only this server's handshakes fail.
    Secret(SecretName),
    /// `serverCertificate` and `privateKey`.
    Files {
        /// PEM chain, leaf first.
        chain: PathBuf,
        /// PEM key.
        key: PathBuf,
    },
}

/// Where the CA for client certificates comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaSource {
    /// The first of these secrets that exists: `NAME-cacert`, then `NAME`.
    Secrets(Vec<SecretName>),
    /// `caCertificates`.
    File(PathBuf),
}

/// A secret: namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretName {
    /// The namespace.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A credential as it was found: PEM texts, not looked into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Its name.
    pub name: SecretName,
    /// Chain and key: the first pair of keys of which neither is empty.
    pub certificate: Option<(Pem, Pem)>,
    /// The client CA.
    pub ca: Option<Pem>,
    /// Which of its certificates are revoked.
    pub crl: Option<Pem>,
}

/// One PEM text of a credential: what a message about it can point at.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Credential {
    /// A value of a secret.
    Secret(SecretName, PemRole),
    /// A file that is named by its path.
    File(PathBuf, PemRole),
}

/// What a PEM text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PemRole {
    /// The server's certificate and what it was signed with, leaf first.
    Chain,
    /// Its private key.
    Key,
    /// The CA of client certificates.
    ClientCa,
    /// Which of its certificates are revoked.
    ClientCrl,
}

/// A PEM text. Never shown: it may be a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Pem(pub Arc<[u8]>);

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pem({} bytes)", self.0.len())
    }
}
