//! [`Select`] and [`Dispatch`]: choose a service for a request, or fall through to the wrapped one.
use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http::Request;
use pin_project_lite::pin_project;
use tower::util::Oneshot;
use tower_service::Service;

/// Chooses the service for a request; `None` falls through to the wrapped one.
pub trait Select<B> {
    /// What is chosen.
    type Service;
    /// The choice. It sees the whole head and may write into the extensions.
    fn select(&self, req: &mut Request<B>) -> Option<Self::Service>;
}

/// Sends each request to the service that `P` selects, else to `S`. Always ready: whom to ask is known only when
/// the request is there, so the chosen service's readiness is awaited then.
#[derive(Clone, Copy, Debug)]
pub struct Dispatch<P, S> {
    select: P,
    inner: S,
}

impl<P, S> Dispatch<P, S> {
    /// `inner` answers what `select` does not take.
    pub const fn new(select: P, inner: S) -> Self {
        Self { select, inner }
    }
}

impl<P, S, B> Service<Request<B>> for Dispatch<P, S>
where
    P: Select<B>,
    P::Service: Service<Request<B>, Response = S::Response, Error = S::Error>,
    S: Service<Request<B>> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<Oneshot<P::Service, Request<B>>, Oneshot<S, Request<B>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut req: Request<B>) -> Self::Future {
        let state = match self.select.select(&mut req) {
            Some(chosen) => State::Chosen { future: Oneshot::new(chosen, req) },
            None => State::Inner { future: Oneshot::new(self.inner.clone(), req) },
        };
        ResponseFuture { state }
    }
}

pin_project! {
    /// The future of [`Dispatch`].
    #[derive(Debug)]
    pub struct ResponseFuture<C, I> {
        #[pin]
        state: State<C, I>,
    }
}

pin_project! {
    #[project = Projected]
    #[derive(Debug)]
    enum State<C, I> {
        Chosen { #[pin] future: C },
        Inner { #[pin] future: I },
    }
}

impl<C, I> Future for ResponseFuture<C, I>
where
    C: Future,
    I: Future<Output = C::Output>,
{
    type Output = C::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<C::Output> {
        match self.project().state.project() {
            Projected::Chosen { future } => future.poll(cx),
            Projected::Inner { future } => future.poll(cx),
        }
    }
}
