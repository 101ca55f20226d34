//! [`OnEnd`]: who learns how a body ended.
use std::sync::Arc;

use http::HeaderMap;

use crate::error::Kind;

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// Every byte was read.
    Complete,
    /// Reading failed, for this reason.
    Failed(Kind),
    /// Dropped before its end.
    Dropped,
}

/// Whose body it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// A request's.
    Request,
    /// A response's.
    Response,
}

/// Learns once how a body ended. The `Arc` is handed back, so an observer can keep itself alive (a pooled
/// connection returns to its pool by moving this very `Arc`), and one object can watch both sides of an exchange.
pub trait OnEnd: Send + Sync {
    /// Called exactly once for each body that is observed; `bytes` are data bytes, without framing.
    fn end(self: Arc<Self>, side: Side, end: End, bytes: u64, trailers: Option<&HeaderMap>);

    /// Data that is passed on.
    fn data(&self, _side: Side, _data: &[u8]) {}

    /// Somebody has asked for more of the body than has come (`true`), or more has come (`false`).
    fn waits(&self, _side: Side, _waits: bool) {}
}

/// Two observers in the place of one.
pub(super) struct Both(pub(super) Arc<dyn OnEnd>, pub(super) Arc<dyn OnEnd>);

impl OnEnd for Both {
    fn end(self: Arc<Self>, side: Side, end: End, bytes: u64, trailers: Option<&HeaderMap>) {
        self.0.clone().end(side, end, bytes, trailers);
        self.1.clone().end(side, end, bytes, trailers);
    }

    fn data(&self, side: Side, data: &[u8]) {
        self.0.data(side, data);
        self.1.data(side, data);
    }

    fn waits(&self, side: Side, waits: bool) {
        self.0.waits(side, waits);
        self.1.waits(side, waits);
    }
}
