//! [`Filter`]: a user's own layers in the assembled gateway.
use gateway_core::model;

use crate::HttpService;

/// Wraps services at three places. Called when a configuration is built, not per request: a filter that returns
/// `next` costs nothing, one that wraps costs one box.
///
/// ```
/// use gateway_layers::{HttpService, service::SharedService, stack::{Filter, RouteSlot}};
/// use http::HeaderValue;
/// use tower::{ServiceBuilder, ServiceExt as _};
///
/// /// Marks answers with the route's name.
/// #[derive(Debug)]
/// struct RouteName;
///
/// impl Filter for RouteName {
///     fn route(&self, slot: &RouteSlot<'_>, next: HttpService) -> HttpService {
///         let Ok(name) = HeaderValue::from_str(&slot.route.name) else { return next };
///         SharedService::new(next.map_response(move |mut response| {
///             response.headers_mut().insert("x-route", name.clone());
///             response
///         }))
///     }
/// }
/// ```
pub trait Filter: Send + Sync + 'static {
    /// Around everything below normalisation and forwarding headers, before host and route are chosen.
    fn listener(&self, _slot: &ListenerSlot<'_>, next: HttpService) -> HttpService {
        next
    }

    /// Outermost of a route: before a destination is drawn, around redirects and direct responses too.
    fn route(&self, _slot: &RouteSlot<'_>, next: HttpService) -> HttpService {
        next
    }

    /// Inside retries: around each try.
    fn destination(&self, _slot: &DestinationSlot<'_>, next: HttpService) -> HttpService {
        next
    }
}

/// Where [`Filter::listener`] stands.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ListenerSlot<'a> {
    /// The configuration that is built.
    pub config: &'a model::Config,
}

/// Where [`Filter::route`] stands.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RouteSlot<'a> {
    /// The route.
    pub route: &'a model::Route,
}

/// Where [`Filter::destination`] stands.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct DestinationSlot<'a> {
    /// The destination.
    pub destination: &'a model::Destination,
}
