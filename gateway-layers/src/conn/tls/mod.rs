//! [`TlsLayer`]: terminates TLS, or passes it through; the server name that the client asks for chooses.
//!
//! The exact name goes before the longest `*.suffix`, and that before `*`, which is also for a client that names none. A
//! name that nothing is there for ends the connection, and so does clear text: without an answer, an alert neither. The
//! table is read anew for each connection, so certificates can be replaced while the gateway runs.
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
//!
//! Some names can be passed through on the same port: their service gets the connection as it came, and never its plain
//! bytes.
//!
//! ```
//! use std::sync::Arc;
//! use gateway_layers::{conn::{Conn, Rewind, tls::{TlsLayer, TlsServer, TlsTable}}, error::Error, live::Live, upstream::TcpProxy};
//! use tower::Layer as _;
//!
//! # fn run<S>(http: S, server: TlsServer, proxy: TcpProxy) -> impl tower::Service<Conn<tokio::net::TcpStream>, Response = (), Error = Error>
//! # where S: tower::Service<Conn<tokio_rustls::server::TlsStream<Rewind<tokio::net::TcpStream>>>, Response = (), Error = Error, Future: Send> + Clone + Send + 'static {
//! let table = TlsTable::empty()
//!     .server("shop.example.com", server) // TLS ends here
//!     .passthrough("*.db.example.com", proxy); // a `TcpProxy`, say
//! TlsLayer::new(Arc::new(Live::new(table))).layer(http)
//! # }
//! ```
mod client;
mod client_auth;
mod config;
mod layer;
mod table;
#[cfg(test)]
mod tests;

pub use self::{
    client_auth::ClientCertificates,
    config::{CertificateError, certified_key, client_roots, server_config, server_config_with},
    layer::{Tls, TlsLayer},
    table::{Nothing, TlsServer, TlsTable},
};
