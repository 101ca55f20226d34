//! The admin server: reads, on loopback unless told otherwise. Changes nothing, shows no keys.
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use gateway_layers::{
    conn::Drain,
    stack::{Bound, Gateway},
};
use metrics_exporter_prometheus::PrometheusHandle;
use tower_http::timeout::TimeoutLayer;
use tracing::{error, info};

use crate::dump;

/// Time for one answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// An admin server whose port is open.
pub(crate) struct Admin {
    socket: std::net::TcpListener,
    router: Router,
}

/// The answer to a Host that is not ours.
const NOT_OURS: &str = "this Host is not the admin server's: ask for localhost or its IP address \
                        (probes and metrics are answered under any name)\n";

#[derive(Clone)]
struct Shared {
    gateway: Gateway,
    metrics: PrometheusHandle,
    drain: Drain,
    /// Where each port of the YAML really is.
    listeners: Arc<[(u16, SocketAddr)]>,
    address: SocketAddr,
}

impl Admin {
    /// Opens the port; `None` if there is to be none.
    pub(crate) fn open(
        address: Option<SocketAddr>,
        gateway: Gateway,
        metrics: PrometheusHandle,
        drain: Drain,
        bound: &Bound,
    ) -> anyhow::Result<Option<Self>> {
        let Some(address) = address else { return Ok(None) };
        let socket = std::net::TcpListener::bind(address).with_context(|| {
            format!("cannot open the admin port {address} (another one: --admin ADDR:PORT, or off)")
        })?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let listeners = bound.listeners().iter().map(|listener| (listener.port, listener.address)).collect();
        info!(%address, "admin");
        let shared = Shared { gateway, metrics, drain, listeners, address };
        Ok(Some(Self { socket, router: router(shared) }))
    }

    /// Serves until the process ends.
    pub(crate) async fn serve(self) {
        let served = match tokio::net::TcpListener::from_std(self.socket) {
            Ok(listener) => axum::serve(listener, self.router).await,
            Err(error) => Err(error),
        };
        if let Err(error) = served {
            error!(%error, "the admin server ended");
        }
    }
}

fn router(shared: Shared) -> Router {
    // Probes and scrapers ask by whatever name they know. These tell counts and whether we are ready, no configuration.
    let for_machines = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/healthz/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/ready", get(ready))
        .route("/stats/prometheus", get(metrics));
    Router::new()
        .route("/", get(index))
        .route("/config_dump", get(config_dump))
        .layer(from_fn_with_state(shared.clone(), check_host))
        .merge(for_machines)
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, TIMEOUT))
        .with_state(shared)
}

/// A page of another origin can make a browser ask us under its own name (DNS rebinding): only names of ours are
/// answered.
async fn check_host(State(shared): State<Shared>, req: Request, next: Next) -> Response {
    if is_ours(req.headers(), shared.address) {
        return next.run(req).await;
    }
    (StatusCode::FORBIDDEN, NOT_OURS).into_response()
}

fn is_ours(headers: &HeaderMap, address: SocketAddr) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return false };
    let name = gateway_core::host_table::without_port(host);
    let literal = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost")
        || literal.is_ok_and(|ip| ip.is_loopback() || ip == address.ip() || address.ip().is_unspecified())
}

async fn ready(State(shared): State<Shared>) -> (StatusCode, &'static str) {
    if shared.drain.watch().is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else {
        (StatusCode::OK, "ready\n")
    }
}

async fn metrics(State(shared): State<Shared>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], shared.metrics.render())
}

async fn config_dump(State(shared): State<Shared>) -> impl IntoResponse {
    let dump = dump::Dump::new(&shared.gateway.config(), &shared.listeners);
    ([(header::CONTENT_TYPE, "application/json")], serde_json::to_string_pretty(&dump).unwrap_or_default())
}

async fn index() -> Html<&'static str> {
    Html(include_str!("index.html"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_ours_are_answered() {
        let address: SocketAddr = "127.0.0.1:15000".parse().expect("valid");
        for (host, expected) in [
            ("localhost:15000", true),
            ("127.0.0.1:15000", true),
            ("[::1]:15000", true),
            ("evil.example:15000", false),
            ("127.0.0.1.evil.example", false),
            ("10.0.0.1", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::HOST, host.parse().expect("a value"))]);
            assert_eq!(is_ours(&headers, address), expected, "{host}");
        }
        assert!(!is_ours(&HeaderMap::new(), address));
    }
}
