//! [`DirectResponse`]: a service that answers every request with a fixed response.
//!
//! ```
//! use gateway_layers::http::DirectResponse;
//! use http::{Request, StatusCode};
//! use tower::ServiceExt as _;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), std::convert::Infallible> {
//! let gone = DirectResponse::<bytes::Bytes>::new(StatusCode::GONE, "moved away");
//! let answer = gone.oneshot(Request::new(())).await?;
//! assert_eq!((answer.status(), answer.into_body()), (StatusCode::GONE, "moved away".into()));
//! # Ok(()) }
//! ```
use std::{
    convert::Infallible,
    future::{Ready, ready},
    marker::PhantomData,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use tower_service::Service;

use super::local_reply::LocalReply;

/// Answers with a fixed status and body; `R` is the body's type. The content type is `text/plain`, once the response
/// head layer has seen it, unless a header operation sets another one. 204 and 304 have no body (RFC 9110 15.3.5).
#[derive(Debug)]
pub struct DirectResponse<R> {
    status: StatusCode,
    body: Bytes,
    kind: PhantomData<fn() -> R>,
}

impl<R> DirectResponse<R> {
    /// This status, this text.
    #[must_use]
    pub fn new(status: StatusCode, body: impl Into<Bytes>) -> Self {
        let bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        Self { status, body: if bodiless { Bytes::new() } else { body.into() }, kind: PhantomData }
    }
}

impl<R> Clone for DirectResponse<R> {
    fn clone(&self) -> Self {
        Self { status: self.status, body: self.body.clone(), kind: PhantomData }
    }
}

impl<B, R: From<Bytes>> Service<Request<B>> for DirectResponse<R> {
    type Response = Response<R>;
    type Error = Infallible;
    type Future = Ready<Result<Response<R>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        ready(Ok(LocalReply::text(self.status, self.body.clone())))
    }
}
