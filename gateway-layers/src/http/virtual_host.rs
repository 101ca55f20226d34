//! [`VirtualHostLayer`]: one address, many names. Each host has its own service; the wrapped one answers the rest.
//!
//! The most specific host wins: the name itself, then the longest `*suffix`, then `*`. Case and port do not count.
//! The choice is final: a chosen service that answers 404 is not followed by a less specific one.
//!
//! ```
//! use gateway_layers::http::VirtualHostLayer;
//! use http::{Request, Response};
//! use tower::{Layer as _, ServiceExt as _, util::BoxCloneSyncService};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), std::convert::Infallible> {
//! let says = |text: &'static str| {
//!     BoxCloneSyncService::new(tower::service_fn(move |_: Request<()>| async move {
//!         Ok::<_, std::convert::Infallible>(Response::new(text))
//!     }))
//! };
//! let hosts = VirtualHostLayer::new().host("api.example.com", says("api")).host("*.example.com", says("site"));
//! let app = hosts.layer(says("nobody"));
//! for (host, answer) in [("API.example.com:8080", "api"), ("www.example.com", "site"), ("example.com", "nobody")] {
//!     let req = Request::builder().header("host", host).body(()).expect("a valid request");
//!     assert_eq!(*app.clone().oneshot(req).await?.body(), answer);
//! }
//! # Ok(()) }
//! ```
use std::sync::Arc;

use gateway_core::{
    host_table::{HostTable, without_port},
    model::HostPattern,
};
use http::Request;
use tower_layer::Layer;

use super::{
    request::authority,
    select::{Dispatch, Select},
};

/// Makes a [`Dispatch`] over hosts. Cheap to clone.
#[derive(Debug)]
pub struct VirtualHostLayer<T>(Arc<HostTable<T>>);

/// The choice by host.
#[derive(Debug)]
pub struct ByHost<T>(Arc<HostTable<T>>);

impl<T> VirtualHostLayer<T> {
    /// No host yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone> VirtualHostLayer<T> {
    /// Adds a host: a name, `*suffix` or `*`.
    #[must_use]
    pub fn host(mut self, host: &str, service: T) -> Self {
        Arc::make_mut(&mut self.0).insert(&HostPattern::new(host), service);
        self
    }
}

impl<T> Default for VirtualHostLayer<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for VirtualHostLayer<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Clone for ByHost<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T, S> Layer<S> for VirtualHostLayer<T> {
    type Service = Dispatch<ByHost<T>, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Dispatch::new(ByHost(self.0.clone()), inner)
    }
}

impl<T: Clone, B> Select<B> for ByHost<T> {
    type Service = T;

    fn select(&self, req: &mut Request<B>) -> Option<T> {
        self.0.find(without_port(authority(req)?)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use http::{Response, Version};
    use tower::{ServiceExt as _, util::BoxCloneSyncService};

    use super::*;

    type Answer = BoxCloneSyncService<Request<()>, Response<&'static str>, std::convert::Infallible>;

    fn says(text: &'static str) -> Answer {
        BoxCloneSyncService::new(tower::service_fn(move |_| async move { Ok(Response::new(text)) }))
    }

    #[tokio::test]
    async fn takes_the_authority_before_the_host_header() {
        let app = VirtualHostLayer::new().host("a.com", says("a")).host("b.com", says("b")).layer(says("none"));
        let h2 = Request::builder().version(Version::HTTP_2).uri("https://a.com/").header("host", "b.com");
        let answer = app.clone().oneshot(h2.body(()).expect("valid")).await.expect("infallible");
        assert_eq!(*answer.body(), "a");
        let nobody = app.oneshot(Request::new(())).await.expect("infallible");
        assert_eq!(*nobody.body(), "none");
    }
}
