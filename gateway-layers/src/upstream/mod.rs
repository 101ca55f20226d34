//! Floor 3: one destination. A [`Cluster`] knows the endpoints of a service, picks one for each request and sends
//! it over a pooled connection. A [`TcpProxy`] sends it whole connections.
//!
//! ```no_run
//! use gateway_core::model::{Cluster as Model, ClusterName, Endpoint, Endpoints, Protocol};
//! use gateway_layers::{body::Body, error::Error, upstream::{Cluster, Context}};
//! use http::Request;
//! use tower::ServiceExt as _;
//!
//! # async fn run() -> Result<(), Error> {
//! let cluster = Cluster::new(
//!     Model {
//!         name: ClusterName { host: "app".into(), port: 80, subset: "".into() },
//!         namespace: None,
//!         protocol: Protocol::Http1,
//!         endpoints: Endpoints::Static(vec![Endpoint::new(([127, 0, 0, 1], 8080).into())]),
//!         connect_timeout: std::time::Duration::from_secs(10),
//!     },
//!     &Context::default(),
//! );
//! let req = Request::builder().uri("/").header("host", "app").body(Body::empty()).expect("a valid request");
//! let answer = cluster.service().oneshot(req).await?;
//! # let _ = answer; Ok(()) }
//! ```
mod balance;
mod cluster;
mod connect;
mod endpoint;
mod pool;
mod resolve;
mod tcp_proxy;

pub use self::{
    cluster::{Cluster, Context},
    connect::ConnectTo,
    resolve::{Resolve, SystemResolver},
    tcp_proxy::TcpProxy,
};
