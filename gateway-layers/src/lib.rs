//! The gateway's functions as tower layers, and their assembly.
//!
//! Three floors, in the order in which a request walks through them, and a roof:
//!
//! * [`conn`]: one connection. Accept, TLS, HTTP codec, drain: services over `Conn<I>` (feature `conn`, `tls`).
//! * [`http`]: one request. Virtual hosts, routes, redirects, header operations ...: layers for any tower service.
//! * [`upstream`]: one destination. Cluster, balance, pool, connect (feature `upstream`).
//! * [`stack`]: the assembled gateway, configured by `gateway_core::model` (feature `stack`).
//!
//! A layer knows no configuration format, no listener and, but for a few, no concrete body: each can be used alone,
//! on axum, tonic or bare hyper. Without features only the layers that answer by themselves or choose among
//! services are compiled.
#[cfg(feature = "conn")]
pub mod body;
#[cfg(feature = "conn")]
pub mod conn;
#[cfg(feature = "conn")]
pub mod error;
#[cfg(feature = "conn")]
pub mod exchange;
pub mod http;
#[cfg(feature = "conn")]
pub mod http1;
#[cfg(feature = "conn")]
pub mod live;
#[cfg(feature = "conn")]
pub mod random;
#[cfg(feature = "conn")]
mod rare;
pub mod service;
#[cfg(feature = "stack")]
pub mod stack;
#[cfg(feature = "upstream")]
pub mod upstream;
#[cfg(feature = "conn")]
pub mod worker;

use std::pin::Pin;

/// Any error, as tower and hyper use it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// A future on the heap.
pub type BoxFuture<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;
/// A finished HTTP service of the assembled gateway.
#[cfg(feature = "conn")]
pub type HttpService = service::SharedService<::http::Request<body::Body>, ::http::Response<body::Body>, error::Error>;
