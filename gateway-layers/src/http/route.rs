//! [`RouteLayer`]: the first rule that fits a request decides which service answers; the wrapped one answers the
//! rest.
//!
//! Rules are tried in the order in which they were added: there is no order by specificity (Istio's rule). A prefix
//! is a prefix of the text, not of segments: `/foo` takes `/foobar`.
//!
//! ```
//! use gateway_core::model::{PathMatch, RequestMatch, StringMatch};
//! use gateway_layers::http::RouteLayer;
//! use http::{Request, Response};
//! use tower::{Layer as _, ServiceExt as _, util::BoxCloneSyncService};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), std::convert::Infallible> {
//! let says = |text: &'static str| {
//!     BoxCloneSyncService::new(tower::service_fn(move |_: Request<()>| async move {
//!         Ok::<_, std::convert::Infallible>(Response::new(text))
//!     }))
//! };
//! let post = RequestMatch { method: Some(StringMatch::Exact("POST".into())), ..RequestMatch::prefix("/api") };
//! let app = RouteLayer::new([(post, says("write")), (RequestMatch::prefix("/api"), says("read"))]).layer(says("none"));
//! let ask = |method: &str, path: &str| Request::builder().method(method).uri(path).body(()).expect("a valid request");
//! assert_eq!(*app.clone().oneshot(ask("POST", "/api/x")).await?.body(), "write");
//! assert_eq!(*app.clone().oneshot(ask("GET", "/api/x")).await?.body(), "read");
//! assert_eq!(*app.oneshot(ask("GET", "/")).await?.body(), "none");
//! # Ok(()) }
//! ```
use std::sync::Arc;

use gateway_core::{
    model::{RequestHead, RequestMatch},
    route_table::RouteTable,
};
use http::Request;
use tower_layer::Layer;

use super::{
    request::{authority, is_https},
    select::{Dispatch, Select},
};

/// Makes a [`Dispatch`] over rules. Cheap to clone.
#[derive(Debug)]
pub struct RouteLayer<T>(Arc<RouteTable<T>>);

/// The choice by rule.
#[derive(Debug)]
pub struct ByRule<T>(Arc<RouteTable<T>>);

impl<T> RouteLayer<T> {
    /// Rules and their services, the first that fits wins.
    #[must_use]
    pub fn new(rules: impl IntoIterator<Item = (RequestMatch, T)>) -> Self {
        Self(Arc::new(RouteTable::new(rules)))
    }
}

impl<T> Clone for RouteLayer<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Clone for ByRule<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T, S> Layer<S> for RouteLayer<T> {
    type Service = Dispatch<ByRule<T>, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Dispatch::new(ByRule(self.0.clone()), inner)
    }
}

impl<T: Clone, B> Select<B> for ByRule<T> {
    type Service = T;

    fn select(&self, req: &mut Request<B>) -> Option<T> {
        self.0.find(&head(req)).cloned()
    }
}

/// The head as rules see it.
pub(crate) fn head<B>(req: &Request<B>) -> RequestHead<'_> {
    let uri = req.uri();
    RequestHead {
        method: req.method(),
        path: uri.path(),
        query: uri.query(),
        path_and_query: uri.path_and_query().map_or("/", |path| path.as_str()),
        scheme: if is_https(req).unwrap_or(false) { "https" } else { "http" },
        authority: authority(req).unwrap_or_default().as_bytes(),
        headers: req.headers(),
    }
}
