//! [`Observers`]: who is told of requests and connections that end.
use std::sync::Arc;

use crate::{
    exchange::{Exchange, InFlight, OnFinish, OnTunnel},
    http::{access_log::AccessLog, metrics::Metrics},
};

pub(super) struct Observers {
    pub(super) metrics: Option<Metrics>,
    pub(super) access_log: Option<AccessLog>,
    pub(super) in_flight: InFlight,
}

/// A connection that no chain is for has an entry in the log; Istio counts none.
pub(super) struct NoChain(pub(super) Arc<Observers>);

impl Observers {
    pub(super) const fn keep_heads(&self) -> bool {
        self.access_log.is_some()
    }
}

impl OnFinish for Observers {
    fn finish(&self, exchange: &Exchange) {
        if let Some(metrics) = &self.metrics {
            metrics.finish(exchange);
        }
        if let Some(log) = &self.access_log {
            log.finish(exchange);
        }
    }
}

impl OnTunnel for Observers {
    fn begin(&self, exchange: &Exchange) {
        exchange.hold(self.in_flight.enter());
        if let Some(metrics) = &self.metrics {
            metrics.begin(exchange);
        }
    }

    fn moved(&self, exchange: &Exchange, from_client: bool, bytes: u64) {
        if let Some(metrics) = &self.metrics {
            metrics.moved(exchange, from_client, bytes);
        }
    }

    fn end(&self, exchange: &Exchange) {
        if let Some(metrics) = &self.metrics {
            metrics.end(exchange);
        }
        if let Some(log) = &self.access_log {
            log.finish(exchange);
        }
    }
}

impl OnFinish for NoChain {
    fn finish(&self, exchange: &Exchange) {
        if let Some(log) = &self.0.access_log {
            log.finish(exchange);
        }
    }
}
