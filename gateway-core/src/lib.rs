//! The computing half of the gateway: no async, no sockets.
//!
//! The words: a [`Listener`](model::Listener) is a port with one or more [`Chain`](model::Chain)s; each chain has
//! a [`RouteConfig`](model::RouteConfig), a list of [`VirtualHost`](model::VirtualHost)s with
//! [`Route`](model::Route)s; a route matches requests and says what to do with them, mostly to forward them to a
//! [`Cluster`](model::Cluster). These are Envoy's terms.
//!
//! * [`model`]: the valid configuration, plain data; it can be built by hand.
//! * [`host_table`], [`route_table`]: which host, which route; the same answer as a scan in order, at flat cost.
//! * [`authority`], [`path`]: what Host and path of a request are, in one form for all that look at them.
//! * [`forwarded`]: who the client is, when proxies stand in front.
//! * [`template`]: header values and log lines with Envoy's command operators.
//!
//! With the feature `istio`: `yaml`, `istio` and `translate` read Istio's resources and make a
//! [`Config`](model::Config) of them; `diagnostic` tells people what is wrong with them.
pub mod authority;
#[cfg(feature = "istio")]
pub mod diagnostic;
pub mod forwarded;
pub mod host_table;
#[cfg(feature = "istio")]
pub mod istio;
pub mod model;
pub mod path;
pub mod route_table;
pub mod template;
#[cfg(feature = "istio")]
pub mod translate;
#[cfg(feature = "istio")]
pub mod yaml;
