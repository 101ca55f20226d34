//! [`Metrics`]: Istio's metrics of requests, `istio_requests_total` and its relatives, and of connections whose bytes
//! nobody looks into, `istio_tcp_..`.
//!
//! Labels come from the configuration alone, so their number is bounded; what the gateway does not know is
//! `unknown`. The recorder is passed in: two gateways in a process do not mix. Handles are made once for each
//! destination and outcome, and kept.
mod tcp;

use std::sync::Arc;

use gateway_core::model::ClusterName;
use metrics::{Counter, Histogram, Label, Recorder, with_local_recorder};

pub(crate) use self::tcp::TcpSeriesTable;
use crate::{
    exchange::{DestinationInfo, Exchange, Flags, OnFinish, Record},
    worker::PerWorker,
};

/// Writes the metrics of each request that has ended.
pub struct Metrics {
    recorder: Arc<dyn Recorder + Send + Sync>,
    /// For requests without a destination.
    unknown: DestinationInfo,
}

/// The handles of one destination, by outcome. There are few outcomes, so a list is the fastest map.
#[derive(Debug)]
pub(crate) struct SeriesTable(PerWorker<Vec<(Outcome, Series)>>);

impl SeriesTable {
    pub(crate) fn new(workers: usize) -> Self {
        Self(PerWorker::new(workers))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Outcome {
    status: u16,
    flags: Flags,
    grpc: bool,
    grpc_status: Option<u16>,
}

#[derive(Clone, Debug)]
struct Series {
    requests: Counter,
    duration: Histogram,
    request_bytes: Histogram,
    response_bytes: Histogram,
    /// Of requests and of responses; gRPC alone has messages.
    messages: Option<[Counter; 2]>,
}

/// Bounds of the histograms, in milliseconds or bytes: Envoy's defaults.
pub const BUCKETS: [f64; 19] = [
    0.5,
    1.0,
    5.0,
    10.0,
    25.0,
    50.0,
    100.0,
    250.0,
    500.0,
    1000.0,
    2500.0,
    5000.0,
    10000.0,
    30000.0,
    60000.0,
    300_000.0,
    600_000.0,
    1_800_000.0,
    3_600_000.0,
];

impl Metrics {
    /// Into this recorder, from `workers` threads.
    #[must_use]
    pub fn new(recorder: Arc<dyn Recorder + Send + Sync>, workers: usize) -> Self {
        let nobody = ClusterName { host: "unknown".into(), port: 0, subset: "".into() };
        Self { recorder, unknown: DestinationInfo::new(nobody, workers) }
    }

    fn series(&self, destination: &DestinationInfo, outcome: Outcome) -> Series {
        let mut known = destination.series.0.local();
        if let Some((_, series)) = known.iter().find(|(known, _)| *known == outcome) {
            return series.clone();
        }
        let series = self.make(destination, outcome);
        known.push((outcome, series.clone()));
        series
    }

    fn make(&self, destination: &DestinationInfo, outcome: Outcome) -> Series {
        let labels = of_request(destination, outcome);
        with_local_recorder(&*self.recorder, || Series {
            requests: metrics::counter!("istio_requests_total", labels.clone()),
            duration: metrics::histogram!("istio_request_duration_milliseconds", labels.clone()),
            request_bytes: metrics::histogram!("istio_request_bytes", labels.clone()),
            messages: outcome.grpc.then(|| {
                [
                    metrics::counter!("istio_request_messages_total", labels.clone()),
                    metrics::counter!("istio_response_messages_total", labels.clone()),
                ]
            }),
            response_bytes: metrics::histogram!("istio_response_bytes", labels),
        })
    }
}

fn of_request(destination: &DestinationInfo, outcome: Outcome) -> Vec<Label> {
    let mut labels = labels(destination, if outcome.grpc { "grpc" } else { "http" }, outcome.flags);
    labels.push(Label::new("response_code", outcome.status.to_string()));
    let grpc_status = outcome.grpc_status.filter(|_| outcome.grpc).map(|status| status.to_string());
    labels.push(Label::new("grpc_response_status", grpc_status.unwrap_or_default()));
    labels
}

/// What requests and connections have in common.
fn labels(destination: &DestinationInfo, protocol: &'static str, flags: Flags) -> Vec<Label> {
    let mut labels = vec![Label::new("reporter", "source")];
    for side in ["source", "destination"] {
        for what in [
            "workload",
            "workload_namespace",
            "principal",
            "app",
            "version",
            "cluster",
            "canonical_service",
            "canonical_revision",
        ] {
            labels.push(Label::new(format!("{side}_{what}"), "unknown"));
        }
    }
    let host = &*destination.cluster.host;
    let (name, named) = service_of(host);
    let namespace = destination.namespace.as_deref().unwrap_or(named);
    labels.push(Label::new("destination_service", host.to_owned()));
    labels.push(Label::new("destination_service_name", name.to_owned()));
    labels.push(Label::new("destination_service_namespace", namespace.to_owned()));
    labels.push(Label::new("request_protocol", protocol));
    labels.push(Label::new("response_flags", flags.to_string()));
    labels.push(Label::new("connection_security_policy", "unknown"));
    labels
}

/// `a.app.svc.cluster.local` is `a` in `app`; any other name stands for itself.
fn service_of(host: &str) -> (&str, &str) {
    let mut parts = host.splitn(4, '.');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(name), Some(namespace), Some("svc")) => (name, namespace),
        _ => (host, "unknown"),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a histogram of sizes does not need the last bits")]
impl OnFinish for Metrics {
    fn finish(&self, exchange: &Exchange) {
        let elapsed = exchange.started().elapsed();
        let record = exchange.record();
        let Record { status, flags, grpc_status, bytes_received, bytes_sent, .. } = *record;
        let grpc = exchange.is_grpc();
        let destination = record.destination.as_deref().unwrap_or(&self.unknown);
        let series = self.series(destination, Outcome { status, flags, grpc, grpc_status });
        series.requests.increment(1);
        series.duration.record(elapsed.as_secs_f64() * 1000.0);
        series.request_bytes.record(bytes_received as f64);
        series.response_bytes.record(bytes_sent as f64);
        if let Some(counters) = &series.messages {
            counters.iter().zip(exchange.messages()).for_each(|(counter, messages)| counter.increment(messages));
        }
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_told_by_their_name() {
        assert_eq!(service_of("a.app.svc.cluster.local"), ("a", "app"));
        assert_eq!(service_of("httpbin.org"), ("httpbin.org", "unknown"));
    }

    #[test]
    fn labels_are_istios() {
        let cluster = ClusterName { host: "a.app.svc.cluster.local".into(), port: 80, subset: "".into() };
        let outcome = Outcome { status: 200, flags: Flags::NONE, grpc: false, grpc_status: None };
        let info = DestinationInfo::new(cluster, 1);
        let labels = of_request(&info, outcome);
        let value = |key: &str| labels.iter().find(|label| label.key() == key).map(Label::value);
        assert_eq!(value("destination_service"), Some("a.app.svc.cluster.local"));
        assert_eq!(value("response_flags"), Some("-"));
        assert_eq!(value("request_protocol"), Some("http"));
        assert_eq!(labels.len(), 25);
    }

    #[test]
    fn the_namespace_of_a_service_is_that_of_its_service_entry() {
        let namespace = |host: &str, namespace: Option<&str>| {
            let cluster = ClusterName { host: host.into(), port: 80, subset: "".into() };
            let info = DestinationInfo::new(cluster, 1).namespace(namespace.map(Into::into));
            let outcome = Outcome { status: 200, flags: Flags::NONE, grpc: false, grpc_status: None };
            let labels = of_request(&info, outcome);
            let label = labels.iter().find(|label| label.key() == "destination_service_namespace");
            label.map(|label| label.value().to_owned())
        };
        assert_eq!(namespace("api.example.com", Some("shop")).as_deref(), Some("shop"));
        assert_eq!(namespace("api.example.com", None).as_deref(), Some("unknown"));
        assert_eq!(namespace("a.app.svc.cluster.local", None).as_deref(), Some("app"));
    }
}
