//! Connections to one endpoint. Either protocol keeps its own idea of a pool behind [`Pool`].
mod failure;
mod h1;
mod h2;

use std::net::SocketAddr;

use http::{Request, Response};

pub(super) use self::{h1::H1Pool, h2::H2Pool};
use super::endpoint::Active;
use crate::{body::Body, error::Error};

/// What a pool gives for a request: the answer, and our address on the connection.
pub(super) type Answer = Result<(Response<Body>, Option<SocketAddr>), Error>;

/// Connections to one endpoint.
pub(super) trait Pool: Send + Sync {
    /// One try. An error that carries the request was never sent and may be tried again. `active` lives until the
    /// response has ended.
    fn send(&self, req: Request<Body>, active: Active) -> impl Future<Output = Answer> + Send;
}
