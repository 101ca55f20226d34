//! The blocks of a traffic policy.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// Choice of the endpoint.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(rename = "LoadBalancerSettings", extend("x-exclusive" = [["simple", "consistentHash"]]))]
pub struct LoadBalancer {
    /// By rule.
    pub simple: Option<SimpleBalancer>,
    /// By hash.
    pub consistent_hash: Option<ConsistentHash>,
    /// By region.
    pub locality_lb_setting: Option<LocalityBalancer>,
    /// Deprecated: slow start.
    #[schemars(extend("format" = "duration"))]
    pub warmup_duration_secs: Option<String>,
    /// Slow start.
    pub warmup: Option<Warmup>,
    /// By zone.
    pub zone_aware_lb_setting: Option<serde_json::Value>,
}

/// Choice by rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SimpleBalancer {
    /// The default.
    #[default]
    Unspecified,
    /// Deprecated name of [`Self::LeastRequest`].
    LeastConn,
    /// At random.
    Random,
    /// To the original destination: no meaning at a gateway.
    Passthrough,
    /// In turn.
    RoundRobin,
    /// The less busy of two.
    LeastRequest,
}

/// Choice by hash.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(
    rename = "ConsistentHashLB",
    extend("x-exclusive" = [["httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName"], ["ringHash", "maglev"]])
)]
pub struct ConsistentHash {
    /// Of a header.
    pub http_header_name: Option<String>,
    /// Of a cookie.
    pub http_cookie: Option<HttpCookie>,
    /// Of the client's address.
    pub use_source_ip: Option<bool>,
    /// Of a query parameter.
    pub http_query_parameter_name: Option<String>,
    /// A ring.
    pub ring_hash: Option<RingHash>,
    /// A table.
    pub maglev: Option<Maglev>,
    /// Deprecated.
    pub minimum_ring_size: Option<u64>,
}

/// A cookie to hash.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(rename = "HTTPCookie")]
pub struct HttpCookie {
    /// Name.
    pub name: Option<String>,
    /// Path.
    pub path: Option<String>,
    /// Life.
    #[schemars(extend("format" = "duration"))]
    pub ttl: Option<String>,
    /// Further attributes.
    pub attributes: Vec<CookieAttribute>,
}

/// An attribute of a cookie.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct CookieAttribute {
    /// Name.
    pub name: Option<String>,
    /// Value.
    pub value: Option<String>,
}

/// A hash ring.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct RingHash {
    /// At least so many points.
    pub minimum_ring_size: Option<u64>,
}

/// A hash table.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Maglev {
    /// A prime.
    pub table_size: Option<u64>,
}

/// Choice by region.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(rename = "LocalityLoadBalancerSetting")]
pub struct LocalityBalancer {
    /// Shares.
    pub distribute: Vec<Distribute>,
    /// Order of regions.
    pub failover: Vec<Failover>,
    /// Order by labels.
    pub failover_priority: Vec<String>,
    /// Whether it is on.
    pub enabled: Option<bool>,
}

/// Shares for clients of a region.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Distribute {
    /// Region of the clients.
    pub from: Option<String>,
    /// Shares of regions.
    pub to: BTreeMap<String, u32>,
}

/// Where to go when a region fails.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Failover {
    /// The region that fails.
    pub from: Option<String>,
    /// The other.
    pub to: Option<String>,
}

/// Slow start.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(rename = "WarmupConfiguration")]
pub struct Warmup {
    /// How long.
    #[schemars(extend("format" = "duration"))]
    pub duration: Option<String>,
    /// Share at the start.
    pub minimum_percent: Option<f64>,
    /// Form of the curve.
    pub aggression: Option<f64>,
}

/// Limits and timeouts.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(rename = "ConnectionPoolSettings")]
pub struct ConnectionPool {
    /// For connections.
    pub tcp: Option<TcpPool>,
    /// For requests.
    pub http: Option<HttpPool>,
}

/// Limits for connections.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(rename = "TCPSettings")]
pub struct TcpPool {
    /// Connections at most.
    pub max_connections: Option<i32>,
    /// Time to connect.
    #[schemars(extend("format" = "duration"))]
    pub connect_timeout: Option<String>,
    /// Keep-alive probes.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// Life of a connection.
    #[schemars(extend("format" = "duration"))]
    pub max_connection_duration: Option<String>,
    /// Idle time of a connection.
    #[schemars(extend("format" = "duration"))]
    pub idle_timeout: Option<String>,
}

/// Keep-alive probes.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct TcpKeepalive {
    /// How many without answer.
    pub probes: Option<u32>,
    /// Idle time before the first.
    #[schemars(extend("format" = "duration"))]
    pub time: Option<String>,
    /// Time between two.
    #[schemars(extend("format" = "duration"))]
    pub interval: Option<String>,
}

/// Limits for requests.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(rename = "HTTPSettings")]
pub struct HttpPool {
    /// Waiting requests at most.
    pub http1_max_pending_requests: Option<i32>,
    /// Requests at most.
    pub http2_max_requests: Option<i32>,
    /// Requests of a connection at most.
    pub max_requests_per_connection: Option<i32>,
    /// Retries at most.
    pub max_retries: Option<i32>,
    /// Idle time of a connection.
    #[schemars(extend("format" = "duration"))]
    pub idle_timeout: Option<String>,
    /// Whether HTTP/2 is spoken.
    pub h2_upgrade_policy: Option<H2Upgrade>,
    /// Speak what the client spoke.
    pub use_client_protocol: Option<bool>,
    /// Streams of a connection at most.
    pub max_concurrent_streams: Option<i32>,
    /// HTTP/2 pings.
    pub http2_keep_alive: Option<Http2KeepAlive>,
}

/// HTTP/2 pings.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Http2KeepAlive {
    /// Time between two.
    #[schemars(extend("format" = "duration"))]
    pub interval: Option<String>,
    /// Time for the answer.
    #[schemars(extend("format" = "duration"))]
    pub timeout: Option<String>,
}

/// Whether HTTP/2 is spoken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum H2Upgrade {
    /// As the mesh says: no.
    #[default]
    Default,
    /// No.
    DoNotUpgrade,
    /// Yes.
    Upgrade,
}

/// When endpoints are left out.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct OutlierDetection {
    /// Deprecated and ignored.
    pub consecutive_errors: Option<i32>,
    /// Count failures to connect apart.
    pub split_external_local_origin_errors: Option<bool>,
    /// Failures to connect.
    pub consecutive_local_origin_failures: Option<u32>,
    /// Answers 502, 503, 504.
    pub consecutive_gateway_errors: Option<u32>,
    /// Answers 5xx.
    #[serde(rename = "consecutive5xxErrors")]
    pub consecutive_5xx_errors: Option<u32>,
    /// How often the way back is tried.
    #[schemars(extend("format" = "duration"))]
    pub interval: Option<String>,
    /// How long they are left out.
    #[schemars(extend("format" = "duration"))]
    pub base_ejection_time: Option<String>,
    /// At most so many percent.
    pub max_ejection_percent: Option<i32>,
    /// Below this share of healthy ones all are used.
    pub min_health_percent: Option<i32>,
    /// Statuses that count as errors.
    pub outlier_detection_http_error_codes: Vec<u32>,
}

/// TLS to a service.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(rename = "ClientTLSSettings")]
pub struct ClientTls {
    /// Whether and how.
    pub mode: Option<ClientTlsMode>,
    /// Path of a PEM file.
    pub client_certificate: Option<String>,
    /// Path of a PEM file.
    pub private_key: Option<String>,
    /// Path of a PEM bundle.
    pub ca_certificates: Option<String>,
    /// Name of a Secret.
    pub credential_name: Option<String>,
    /// The service's certificate must have one of these.
    pub subject_alt_names: Vec<String>,
    /// Server name to send.
    pub sni: Option<String>,
    /// Verify nothing.
    pub insecure_skip_verify: Option<bool>,
    /// Path of a revocation list.
    pub ca_crl: Option<String>,
}

/// Whether and how TLS is spoken to a service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ClientTlsMode {
    /// Clear text.
    #[default]
    Disable,
    /// TLS.
    Simple,
    /// TLS with a client certificate.
    Mutual,
    /// Mesh only.
    IstioMutual,
}

/// CONNECT tunnels.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(rename = "TunnelSettings")]
pub struct Tunnel {
    /// CONNECT or POST.
    pub protocol: Option<String>,
    /// Where to.
    pub target_host: Option<String>,
    /// Which port.
    pub target_port: Option<u32>,
}

/// PROXY header to a service.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ProxyProtocol {
    /// Its version.
    pub version: Option<ProxyProtocolVersion>,
}

/// Version of the PROXY header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ProxyProtocolVersion {
    /// As text.
    #[default]
    V1,
    /// Binary.
    V2,
}

/// Share of requests that may be retries.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct RetryBudget {
    /// The share.
    pub percent: Option<f64>,
    /// Of the requests in this time.
    pub budget_interval: Option<String>,
    /// So many are always allowed.
    pub min_retry_concurrency: Option<u32>,
}
