//! What every request passes, before its route is known. Read from top to bottom: so requests go.
use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use tower::{ServiceBuilder, service_fn};
use tower_service::Service;

use super::{filter::ListenerSlot, gateway::Shared, routing::Routing};
use crate::{
    BoxError, HttpService,
    body::Body,
    error::{Error, Kind},
    http::{Dispatch, NormalizeLayer, ObserveLayer, RequestHeadLayer, RescueLayer, ResponseHeadLayer},
    service::SharedService,
};

/// The outer half. Generic in the request's body, so that hyper, axum and tests can all stand above it.
pub(super) fn http<B>(
    shared: &Shared,
) -> impl Service<Request<B>, Response = Response<Body>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ Sync
+ 'static
+ use<B>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let no_route = service_fn(async |_: Request<Body>| Err(Error::new(Kind::NoRoute)));
    let routing = Dispatch::new(Routing::new(shared.live.clone(), shared.observers.keep_heads()), no_route);
    let outer = ServiceBuilder::new()
        // Sees every answer, also those for errors, and the end of its body.
        .layer(
            ObserveLayer::new(shared.observers.clone(), shared.observers.in_flight.clone())
                .keep_heads(shared.observers.keep_heads()),
        )
        // Every answer has a server header; own replies get their final form here.
        .layer(ResponseHeadLayer::new(shared.options.server.clone()))
        // Below it everything may fail, above it nothing does.
        .layer(RescueLayer)
        // Before any decision is made on host or path.
        .layer(
            NormalizeLayer::new(shared.options.normalization)
                .limits(shared.options.http.max_fields, shared.options.http.max_head),
        )
        // From here on what headers say of the client can be trusted.
        .layer(
            RequestHeadLayer::new().trust(shared.options.trust.clone()).client_cert(shared.options.forward_client_cert),
        );
    let filters = &shared.builder.filters;
    if filters.is_empty() {
        return tower::util::Either::Left(outer.service(routing));
    }
    let config = shared.live.look(|snapshot| snapshot.config.clone());
    let slot = ListenerSlot { config: &config };
    let routing: HttpService = SharedService::new(routing);
    let filtered = filters.iter().rev().fold(routing, |next, filter| filter.listener(&slot, next));
    tower::util::Either::Right(outer.service(filtered))
}
