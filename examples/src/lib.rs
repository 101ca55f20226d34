//! What the examples beside `src` share: who the client is, certificates, a service to forward to, and curl for their
//! tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

use std::{convert::Infallible, fmt, net::SocketAddr, path::Path, process::Stdio, sync::Arc};

use axum::{
    Router,
    extract::{ConnectInfo, FromRequestParts, Request},
};
use gateway_layers::{body::Body, error::Error, exchange::Exchange};
use http::{Extensions, Response, request::Parts};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair};

/// Who is at the other end of a request's connection. An axum handler takes it as an argument, any other service asks
/// for it with [`of`](Self::of).
///
/// Under this library's server all of it comes from the request's record; under `axum::serve` from `ConnectInfo`, which
/// has the address alone and is there only if the app was served `into_make_service_with_connect_info`.
#[derive(Clone, Debug, Default)]
pub struct Client {
    /// Its address.
    pub peer: Option<SocketAddr>,
    /// The name that it asked for in the TLS handshake. None without TLS.
    pub server_name: Option<Arc<str>>,
    /// Its certificate, DER. None if it was not asked for one.
    pub certificate: Option<Arc<[u8]>>,
}

impl Client {
    /// The client of a request.
    #[must_use]
    pub fn of<B>(req: &http::Request<B>) -> Self {
        Self::find(req.extensions())
    }

    fn find(extensions: &Extensions) -> Self {
        if let Some(exchange) = extensions.get::<Arc<Exchange>>() {
            let (conn, tls) = (exchange.conn(), exchange.conn().tls.as_ref());
            return Self {
                peer: Some(conn.peer),
                server_name: exchange.conn().server_name.clone(),
                certificate: tls.and_then(|tls| tls.client_certificate.clone()),
            };
        }
        let peer = extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| *peer);
        Self { peer, ..Self::default() }
    }
}

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::find(&parts.extensions))
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peer = self.peer.map_or_else(|| "-".to_owned(), |peer| peer.ip().to_string());
        let name = self.server_name.as_deref().unwrap_or("-");
        let certificate = if self.certificate.is_some() { "a certificate" } else { "no certificate" };
        write!(f, "{peer}, server name {name}, {certificate}")
    }
}

/// A service that says who its client is.
///
/// # Errors
/// Never.
pub async fn whoami<B>(req: http::Request<B>) -> Result<Response<Body>, Error> {
    Ok(Response::new(Body::from(bytes::Bytes::from(Client::of(&req).to_string()))))
}

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

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificates")
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
