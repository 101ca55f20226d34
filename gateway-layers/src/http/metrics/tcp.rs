//! `istio_tcp_connections_opened_total` and its relatives.
use metrics::{Counter, with_local_recorder};

use super::{Metrics, labels};
use crate::{
    exchange::{DestinationInfo, Exchange, Flags, OnTunnel},
    worker::PerWorker,
};

/// The handles of one destination, by how connections end.
#[derive(Debug)]
pub(crate) struct TcpSeriesTable(PerWorker<Vec<(Flags, Series)>>);

#[derive(Clone, Debug)]
struct Series {
    opened: Counter,
    closed: Counter,
    /// To the client.
    sent: Counter,
    /// Of the client.
    received: Counter,
}

impl TcpSeriesTable {
    pub(crate) fn new(workers: usize) -> Self {
        Self(PerWorker::new(workers))
    }
}

impl Metrics {
    /// How it ends is known at the end alone: till then the flags are `-`.
    fn tcp(&self, exchange: &Exchange, count: impl FnOnce(&Series)) {
        let (destination, flags) = {
            let record = exchange.record();
            (record.destination.clone(), record.flags)
        };
        let destination = destination.as_deref().unwrap_or(&self.unknown);
        let mut known = destination.tcp.0.local();
        if let Some((_, series)) = known.iter().find(|(known, _)| *known == flags) {
            return count(series);
        }
        let series = self.make_tcp(destination, flags);
        count(&series);
        known.push((flags, series));
    }

    fn make_tcp(&self, destination: &DestinationInfo, flags: Flags) -> Series {
        let labels = labels(destination, "tcp", flags);
        with_local_recorder(&*self.recorder, || Series {
            opened: metrics::counter!("istio_tcp_connections_opened_total", labels.clone()),
            closed: metrics::counter!("istio_tcp_connections_closed_total", labels.clone()),
            sent: metrics::counter!("istio_tcp_sent_bytes_total", labels.clone()),
            received: metrics::counter!("istio_tcp_received_bytes_total", labels),
        })
    }
}

impl OnTunnel for Metrics {
    fn begin(&self, exchange: &Exchange) {
        self.tcp(exchange, |series| series.opened.increment(1));
    }

    fn moved(&self, exchange: &Exchange, from_client: bool, bytes: u64) {
        self.tcp(exchange, |series| if from_client { &series.received } else { &series.sent }.increment(bytes));
    }

    fn end(&self, exchange: &Exchange) {
        self.tcp(exchange, |series| series.closed.increment(1));
    }
}
