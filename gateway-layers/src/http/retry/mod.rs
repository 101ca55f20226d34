//! [`RetryLayer`]: tries a failed request again, as Istio's `retries` and its default policy say.
//!
//! What was never sent (no connection, a refused stream) comes back with the error and is sent again without any
//! copy. Only a policy that looks at answers keeps the body: as it streams, up to a bound; a request whose body is
//! larger goes on, but is not retried. When the tries are used up the last answer is passed on (flag URX).
//!
//! ```
//! use gateway_core::model::RetryPolicy;
//! use gateway_layers::{body::Body, error::{Error, Kind}, http::RetryLayer, random::Random};
//! use http::{Request, Response};
//! use std::sync::atomic::{AtomicU32, Ordering};
//! use tower::{Layer as _, ServiceExt as _};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), Error> {
//! static TRIES: AtomicU32 = AtomicU32::new(0);
//! let flaky = tower::service_fn(async |req: Request<Body>| match TRIES.fetch_add(1, Ordering::Relaxed) {
//!     0 => Err(Error::new(Kind::Connect).with_request(Some(req))),
//!     _ => Ok(Response::new(Body::empty())),
//! });
//! let retrying = RetryLayer::new(RetryPolicy::default(), Random::seeded(1, 1)).layer(flaky);
//! assert_eq!(retrying.oneshot(Request::new(Body::empty())).await?.status(), 200);
//! assert_eq!(TRIES.load(Ordering::Relaxed), 2);
//! # Ok(()) }
//! ```
mod policy;
mod replay;
mod service;

pub use self::service::{ResponseFuture, Retry, RetryLayer};
