//! From PEM to a rustls configuration.
use std::sync::Arc;

use rustls::{
    CipherSuite, RootCertStore, ServerConfig, SignatureAlgorithm, SupportedProtocolVersion,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject as _},
};

use super::ClientCertificates;

/// Why a credential is of no use. No text of the key is in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The PEM text has no certificate, or a broken one.
    #[error("no readable certificate: {0}")]
    Certificate(String),
    /// The PEM text has no private key, or a broken one.
    #[error("no readable private key: {0}")]
    Key(String),
    /// The key is not that of the certificate.
    #[error("certificate and key do not belong together: {0}")]
    Mismatch(rustls::Error),
    /// The CA has no usable certificate.
    #[error("no usable CA certificate: {0}")]
    Authority(String),
    /// A list of revoked certificates is broken, or none.
    #[error("no usable revocation list: {0}")]
    Revocation(String),
    /// rustls refuses the whole.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

/// With the suites of these versions alone: those of another would make a certificate look usable that is not.
fn provider(versions: &[&'static SupportedProtocolVersion], tls12: &[CipherSuite]) -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|suite| {
        let chosen = tls12.is_empty() || suite.tls13().is_some() || tls12.contains(&suite.suite());
        versions.contains(&suite.version()) && chosen
    });
    provider.cipher_suites.sort_by_key(|suite| tls12.iter().position(|chosen| *chosen == suite.suite()));
    provider
}

/// Reads a chain (leaf first) and its key, and checks that they belong together.
///
/// # Errors
/// If either cannot be read, or they do not fit.
pub fn certified_key(chain: &[u8], key: &[u8]) -> Result<CertifiedKey, CertificateError> {
    let chain = certificates(chain).map_err(CertificateError::Certificate)?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
        pem::Error::NoItemsFound => CertificateError::Key("no PRIVATE KEY block".to_owned()),
        error => CertificateError::Key(error.to_string()),
    })?;
    CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map_err(CertificateError::Mismatch)
}

/// Reads the CA that client certificates must come from.
///
/// # Errors
/// If there is none, or one cannot be read: a client check is never left out.
pub fn client_roots(pem: &[u8]) -> Result<RootCertStore, CertificateError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem).map_err(CertificateError::Authority)? {
        roots.add(certificate).map_err(|error| CertificateError::Authority(error.to_string()))?;
    }
    Ok(roots)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err("no CERTIFICATE block".to_owned()),
        Ok(found) => Ok(found),
        Err(error) => Err(error.to_string()),
    }
}

/// TLS 1.2 and 1.3, ALPN `h2` and `http/1.1`, one ticket. `pairs` are PEM chains with their keys; `client_ca`
/// demands a certificate of this CA.
///
/// # Errors
/// If a part cannot be read.
pub fn server_config(pairs: &[(&[u8], &[u8])], client_ca: Option<&[u8]>) -> Result<ServerConfig, CertificateError> {
    let keys = pairs.iter().map(|(chain, key)| certified_key(chain, key)).collect::<Result<_, _>>()?;
    let clients = client_ca.map(client_roots).transpose()?.map(ClientCertificates::of);
    server_config_with(keys, clients, rustls::DEFAULT_VERSIONS, &[])
}

/// The same from parts that were read already. `cipher_suites` are those of TLS 1.2, most wanted first; if empty all
/// are spoken, as the client wants.
///
/// # Errors
/// If rustls refuses it.
pub fn server_config_with(
    mut keys: Vec<CertifiedKey>,
    clients: Option<ClientCertificates>,
    versions: &[&'static SupportedProtocolVersion],
    cipher_suites: &[CipherSuite],
) -> Result<ServerConfig, CertificateError> {
    let provider = Arc::new(provider(versions, cipher_suites));
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(versions)?;
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => builder.with_client_cert_verifier(clients.verifier(provider)?),
    };
    // As Envoy: RSA is for who cannot check anything else.
    keys.sort_by_key(|key| key.key.algorithm() == SignatureAlgorithm::RSA);
    let keys = keys.into_iter().map(Arc::new).collect();
    let mut config = builder.with_cert_resolver(Arc::new(BySignatureScheme(keys)));
    config.ignore_client_order = !cipher_suites.is_empty();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // A ticketer of its own for each configuration: a session of one policy is never resumed under another.
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    config.send_tls13_tickets = 1;
    Ok(config)
}

/// Of several certificates the first that the client can check. With TLS 1.2 rustls leaves only the schemes that fit the
/// client's suites.
#[derive(Debug)]
struct BySignatureScheme(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for BySignatureScheme {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let schemes = hello.signature_schemes();
        let fits = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(schemes).is_some();
        self.0.iter().find(fits).or_else(|| self.0.first()).cloned()
    }
}
