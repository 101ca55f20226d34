//! What the examples beside `src` share: certificates, a service to forward to, and curl for their tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

use std::{net::SocketAddr, path::Path, process::Stdio};

use axum::{Router, extract::Request};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};

/// A PEM certificate and its key.
#[derive(Clone)]
pub struct Pair {
    /// The chain.
    pub chain: String,
    /// The key.
    pub key: String,
}

/// A CA, a server for these names, and a client, made on the spot.
pub struct Certificates {
    /// The CA's certificate.
    pub ca: String,
    /// Of the server.
    pub server: Pair,
    /// Of the client.
    pub client: Pair,
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Certificates")
    }
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pair")
    }
}

impl Certificates {
    /// For a server of these names.
    ///
    /// # Errors
    /// If a name is none.
    pub fn new(names: &[&str]) -> Result<Self, rcgen::Error> {
        let mut params = CertificateParams::new([])?;
        // A name of its own: with that of its leaves these would look self-signed.
        params.distinguished_name.push(DnType::CommonName, "example CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let leaf = |names: &[&str], usage| {
            let mut params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>())?;
            params.extended_key_usages = vec![usage];
            let key = KeyPair::generate()?;
            Ok::<_, rcgen::Error>(Pair { chain: params.signed_by(&key, &ca)?.pem(), key: key.serialize_pem() })
        };
        let server = leaf(names, ExtendedKeyUsagePurpose::ServerAuth)?;
        let client = leaf(&["client.example"], ExtendedKeyUsagePurpose::ClientAuth)?;
        Ok(Self { ca: ca.pem(), server, client })
    }

    /// Writes `ca.pem`, `client.pem` and `client.key`, as curl wants them.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn write(&self, folder: &Path) -> std::io::Result<()> {
        std::fs::write(folder.join("ca.pem"), &self.ca)?;
        std::fs::write(folder.join("client.pem"), &self.client.chain)?;
        std::fs::write(folder.join("client.key"), &self.client.key)
    }
}

/// A service to forward to: says its name, and the path and client address that it saw.
///
/// # Errors
/// If no port is free.
pub async fn upstream(name: &'static str) -> std::io::Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let app = Router::new().fallback(async move |req: Request| {
        let client = req.headers().get("x-forwarded-for").and_then(|value| value.to_str().ok()).unwrap_or("-");
        format!("{name} {} {client}", req.uri())
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(address)
}

/// Runs curl and gives what it printed.
///
/// # Panics
/// If there is no curl.
pub async fn curl(arguments: &[&str]) -> String {
    let command = tokio::process::Command::new("curl").arg("-s").args(arguments).stdin(Stdio::null()).output().await;
    let done = command.expect("curl is needed for this test: install it");
    String::from_utf8_lossy(&done.stdout).into_owned()
}
