//! [`TlsLayer`]: terminates TLS; the server is chosen by the name that the client asks for.
//!
//! A name that no server has ends the connection: there is no default but the server for `*`. The table is read
//! anew for each handshake, so certificates can be replaced while the gateway runs.
//!
//! ```
//! use std::sync::Arc;
//! use gateway_layers::{body::Body, conn::{HttpServer, tls::{TlsLayer, TlsServer, TlsTable, server_config}}, live::Live};
//! use http::{Request, Response};
//! use tower::Layer as _;
//!
//! # fn run(chain: &[u8], key: &[u8]) -> Result<(), gateway_layers::BoxError> {
//! let app = tower::service_fn(async |_: Request<Body>| {
//!     Ok::<_, std::convert::Infallible>(Response::new(String::from("hello")))
//! });
//! let server = TlsServer::new(server_config(&[(chain, key)], None)?);
//! let table = Arc::new(Live::new(TlsTable::default().server("*.example.com", server)));
//! let conn = TlsLayer::new(table).layer(HttpServer::new(app));
//! # let _: Box<dyn tower::Service<gateway_layers::conn::Conn<tokio::net::TcpStream>, Response = (), Error = _, Future = _>> = Box::new(conn);
//! # Ok(())
//! # }
//! ```
mod client;
mod client_auth;
mod config;
mod layer;
mod table;

pub use self::{
    client_auth::ClientCertificates,
    config::{CertificateError, certified_key, client_roots, expiry, server_config, server_config_with},
    layer::{Tls, TlsLayer},
    table::{Nothing, TlsServer, TlsTable},
};
