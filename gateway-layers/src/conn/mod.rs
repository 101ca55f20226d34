//! Floor 1: one connection. Everything here is a `Service<Conn<I>, Response = (), Error = Error>`.
//!
//! From the outside in: [`serve`] accepts, `TlsLayer` (feature `tls`) terminates or passes through by the server name,
//! [`HttpServer`] makes requests of the bytes and hands them to any tower service. `upstream::TcpProxy` is the other end:
//! it hands the bytes themselves to a cluster.
//!
//! ```
//! use gateway_layers::{body::Body, conn::{Drain, HttpServer, TcpAcceptor, serve}};
//! use http::{Request, Response};
//!
//! # async fn run() -> std::io::Result<()> {
//! let app = tower::service_fn(async |_: Request<Body>| {
//!     Ok::<_, std::convert::Infallible>(Response::new(String::from("hello")))
//! });
//! let drain = Drain::new();
//! let acceptor = TcpAcceptor::bind("127.0.0.1:0".parse().expect("an address"))?;
//! serve(acceptor, HttpServer::new(app), drain.watch()).await;
//! # Ok(())
//! # }
//! ```
mod activity;
mod client_hello;
mod drain;
mod http;
pub(crate) mod http1;
mod info;
mod io;
mod limit;
mod listener;
mod metrics;
mod per_request;
mod proxy_protocol;
mod refuse;
mod rewind;
mod serve;
pub(crate) mod streams;
#[cfg(feature = "tls")]
pub mod tls;
mod tunnel;

pub use self::{
    client_hello::{ClientHello, MAX_CLIENT_HELLO, NoClientHello},
    drain::{Drain, Phase, Watch},
    http::{HttpOptions, HttpServer},
    info::{ConnInfo, ServerId, TlsInfo},
    limit::{ConnLimit, ConnLimitLayer},
    listener::{Listener, TcpAcceptor},
    metrics::ConnMetrics,
    proxy_protocol::{ProxyProtocol, ProxyProtocolLayer},
    refuse::Refuse,
    rewind::Rewind,
    serve::serve,
};
pub(crate) use self::{io::LINGER, per_request::ResetStream, tunnel::join};

/// One accepted connection on its way through the floor.
#[derive(Debug)]
pub struct Conn<I> {
    /// The bytes.
    pub io: I,
    /// What is known about it; grows on the way.
    pub info: ConnInfo,
    /// Tells when the connection should come to its end. It travels along, for only the HTTP server can say GOAWAY.
    pub drain: Watch,
}
