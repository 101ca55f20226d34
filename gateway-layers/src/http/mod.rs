//! Floor 2: one request. Layers over any tower service, in the order in which the assembled gateway has them:
//!
//! 1. [`ResponseHeadLayer`] and [`RescueLayer`]: what every answer has, and answers for errors;
//! 2. [`NormalizeLayer`], [`RequestHeadLayer`]: one host, one path, trustworthy headers;
//! 3. [`VirtualHostLayer`], [`HttpsRedirectLayer`], [`RouteLayer`]: who answers;
//! 4. for each route [`Split`], [`FaultLayer`], [`CorsLayer`], [`HeadersLayer`], [`TimeoutLayer`], [`RewriteLayer`], `MirrorLayer`, `RetryLayer`.
//!
//! Services that answer by themselves: [`Redirect`], [`DirectResponse`].
#[cfg(feature = "conn")]
pub mod access_log;
mod answer;
#[cfg(feature = "conn")]
pub mod cors;
#[cfg(feature = "conn")]
pub mod direct_response;
#[cfg(feature = "conn")]
pub mod fault;
#[cfg(feature = "conn")]
pub(crate) mod format;
#[cfg(feature = "conn")]
pub mod headers;
pub mod https_redirect;
#[cfg(feature = "conn")]
pub mod local_reply;
#[cfg(feature = "conn")]
pub mod metrics;
#[cfg(feature = "conn")]
pub mod mirror;
#[cfg(feature = "conn")]
pub mod normalize;
#[cfg(feature = "conn")]
pub mod observe;
#[cfg(feature = "conn")]
pub mod redirect;
#[cfg(feature = "conn")]
mod referer;
pub mod request;
#[cfg(feature = "conn")]
pub mod request_head;
#[cfg(feature = "conn")]
pub mod rescue;
#[cfg(feature = "conn")]
pub mod response_head;
#[cfg(feature = "conn")]
pub mod retry;
#[cfg(feature = "conn")]
pub mod rewrite;
pub mod route;
pub mod select;
#[cfg(feature = "conn")]
pub mod split;
#[cfg(feature = "conn")]
pub mod timeout;
#[cfg(feature = "conn")]
pub mod upgrade;
#[cfg(feature = "conn")]
pub mod upstream_head;
pub mod virtual_host;

#[cfg(feature = "conn")]
pub use self::{
    cors::CorsLayer,
    direct_response::DirectResponse,
    fault::FaultLayer,
    headers::HeadersLayer,
    local_reply::LocalReply,
    mirror::MirrorLayer,
    normalize::NormalizeLayer,
    observe::ObserveLayer,
    redirect::Redirect,
    request_head::{ForwardClientCert, RequestHeadLayer},
    rescue::RescueLayer,
    response_head::ResponseHeadLayer,
    retry::RetryLayer,
    rewrite::RewriteLayer,
    split::Split,
    timeout::TimeoutLayer,
    upgrade::UpgradeLayer,
    upstream_head::UpstreamHeadLayer,
};
pub use self::{
    https_redirect::HttpsRedirectLayer,
    route::RouteLayer,
    select::{Dispatch, Select},
    virtual_host::VirtualHostLayer,
};
