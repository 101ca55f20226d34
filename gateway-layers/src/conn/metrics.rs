//! [`ConnMetrics`]: how many connections there are, and what their clients were too slow with.
use std::fmt;

use metrics::{Counter, Gauge, Recorder, with_local_recorder};

/// Written by the connection floor. The default writes nothing; the recorder is passed in.
#[derive(Clone)]
pub struct ConnMetrics {
    pub(super) open: Gauge,
    pub(super) refused_total: Counter,
    pub(super) refused_address: Counter,
    late: [Counter; Late::ALL.len()],
}

/// What a client was too slow with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Late {
    /// Its TLS handshake.
    Handshake,
    /// A request's head.
    Head,
    /// The next request.
    KeepAlive,
    /// A request's body.
    Body,
    /// Taking its response.
    Write,
    /// Either, on a stream of HTTP/2.
    Stream,
}

impl Late {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Handshake, "handshake"),
        (Self::Head, "head"),
        (Self::KeepAlive, "keep_alive"),
        (Self::Body, "body"),
        (Self::Write, "write"),
        (Self::Stream, "stream"),
    ];
}

impl ConnMetrics {
    /// Into this recorder: `gateway_connections`, `gateway_connections_refused_total` by `limit` (`total`, `address`),
    /// `gateway_client_timeouts_total` by `wait` (`handshake`, `head`, `keep_alive`, `body`, `write`, `stream`).
    #[must_use]
    pub fn new(recorder: &dyn Recorder) -> Self {
        with_local_recorder(recorder, || Self {
            open: metrics::gauge!("gateway_connections"),
            refused_total: metrics::counter!("gateway_connections_refused_total", "limit" => "total"),
            refused_address: metrics::counter!("gateway_connections_refused_total", "limit" => "address"),
            late: Late::ALL.map(|(_, wait)| metrics::counter!("gateway_client_timeouts_total", "wait" => wait)),
        })
    }

    pub(crate) fn late(&self, late: Late, times: usize) {
        if let Some(counter) = self.late.get(late as usize) {
            counter.increment(times as u64);
        }
    }
}

impl Default for ConnMetrics {
    fn default() -> Self {
        let refused = Counter::noop();
        Self {
            open: Gauge::noop(),
            refused_total: refused.clone(),
            refused_address: refused.clone(),
            late: Late::ALL.map(|_| refused.clone()),
        }
    }
}

impl fmt::Debug for ConnMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnMetrics")
    }
}
