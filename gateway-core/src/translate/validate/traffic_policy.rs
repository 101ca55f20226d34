//! The blocks of a traffic policy.

use crate::diagnostic::{DEPRECATED, NEEDS_MESH, SURPRISE};
use crate::istio::{
    ClientTls, ClientTlsMode, ConnectionPool, ConsistentHash, H2Upgrade, LoadBalancer, LocalityBalancer,
    OutlierDetection, SimpleBalancer, TrafficPolicy,
};
use crate::translate::duration;
use crate::translate::report::Report;
use crate::yaml::Path;

/// Envoy's limit.
const MAX_TABLE: u64 = 5_000_011;

/// The blocks that a policy, or a port's entry in it, can have.
#[derive(Clone, Copy)]
pub(super) struct Blocks<'a> {
    pub(super) load_balancer: Option<&'a LoadBalancer>,
    pub(super) connection_pool: Option<&'a ConnectionPool>,
    pub(super) outlier_detection: Option<&'a OutlierDetection>,
    pub(super) tls: Option<&'a ClientTls>,
}

impl Blocks<'_> {
    pub(super) const fn is_empty(&self) -> bool {
        self.load_balancer.is_none()
            && self.connection_pool.is_none()
            && self.outlier_detection.is_none()
            && self.tls.is_none()
    }
}

fn set(text: &Option<String>) -> bool {
    text.as_deref().is_some_and(|text| !text.is_empty())
}

fn normal(text: &Option<String>, path: &Path<'_>, report: &mut Report<'_>) {
    if let Some(text) = text {
        report.check(path, duration::normal(text));
    }
}

fn at_least_zero(number: Option<i32>, path: &Path<'_>, report: &mut Report<'_>) {
    if let Some(number) = number.filter(|number| *number < 0) {
        report.error(path, format!("`{path}` cannot be negative, this is {number}"));
    }
}

/// Checks the blocks.
pub(super) fn blocks(blocks: Blocks<'_>, path: &Path<'_>, report: &mut Report<'_>) {
    if let Some(block) = blocks.load_balancer {
        load_balancer(block, &path.key("loadBalancer"), report);
    }
    if let Some(block) = blocks.connection_pool {
        connection_pool(block, &path.key("connectionPool"), report);
    }
    if let Some(block) = blocks.outlier_detection {
        outlier_detection(block, &path.key("outlierDetection"), report);
    }
    if let Some(block) = blocks.tls {
        client_tls(block, &path.key("tls"), report);
    }
}

fn load_balancer(block: &LoadBalancer, path: &Path<'_>, report: &mut Report<'_>) {
    match block.simple {
        Some(SimpleBalancer::Passthrough) => {
            let message = "PASSTHROUGH needs the client's original destination, which a gateway has not";
            let finding = report.error(&path.key("simple"), message);
            finding.code = NEEDS_MESH;
            finding.help("remove it: the default is LEAST_REQUEST");
        }
        Some(SimpleBalancer::LeastConn) => {
            report.warn(DEPRECATED, &path.key("simple"), "LEAST_CONN is deprecated").help("write LEAST_REQUEST");
        }
        _ => {}
    }
    if let Some(hash) = &block.consistent_hash {
        consistent_hash(hash, &path.key("consistentHash"), report);
    }
    if let Some(locality) = &block.locality_lb_setting {
        locality_balancer(locality, &path.key("localityLbSetting"), report);
    }
    normal(&block.warmup_duration_secs, &path.key("warmupDurationSecs"), report);
    if let Some(warmup) = &block.warmup {
        let path = path.key("warmup");
        if warmup.duration.is_none() {
            report.error(&path.key("duration"), "`warmup` needs a `duration`");
        }
        normal(&warmup.duration, &path.key("duration"), report);
        if warmup.minimum_percent.is_some_and(|percent| !(0.0..=100.0).contains(&percent)) {
            report.error(&path.key("minimumPercent"), "`minimumPercent` must be 0 to 100");
        }
        if warmup.aggression.is_some_and(|aggression| aggression < 1.0) {
            report.error(&path.key("aggression"), "`aggression` must be 1 at least");
        }
    }
}

fn consistent_hash(hash: &ConsistentHash, path: &Path<'_>, report: &mut Report<'_>) {
    for (name, field) in
        [(&hash.http_header_name, "httpHeaderName"), (&hash.http_query_parameter_name, "httpQueryParameterName")]
    {
        if name.as_deref() == Some("") {
            report.error(&path.key(field), format!("`{field}` cannot be empty"));
        }
    }
    if let Some(cookie) = &hash.http_cookie {
        let path = path.key("httpCookie");
        if !set(&cookie.name) {
            report.error(&path.key("name"), "`httpCookie` needs a `name`");
        }
        if let Some(ttl) = &cookie.ttl {
            let time = report.check(&path.key("ttl"), duration::nanoseconds(ttl));
            if time.is_some_and(|time| time <= -1_000_000_000) {
                report.error(&path.key("ttl"), format!("`{ttl}` is negative"));
            }
        }
    }
    if let Some(maglev) = &hash.maglev {
        let path = path.key("maglev");
        let size = maglev.table_size.unwrap_or(0);
        if !is_prime(size) || size >= MAX_TABLE {
            let message = format!("`maglev` needs a `tableSize` that is prime and below {MAX_TABLE}");
            report.error(&path.key("tableSize"), message).help("for example 65537");
        }
    }
    if hash.minimum_ring_size.is_some() {
        let help = "write `ringHash: {minimumRingSize: N}`";
        report.warn(DEPRECATED, &path.key("minimumRingSize"), "`minimumRingSize` here is deprecated").help(help);
    }
}

fn is_prime(number: u64) -> bool {
    (2..MAX_TABLE).contains(&number) && (2..).take_while(|n| n * n <= number).all(|n| !number.is_multiple_of(n))
}

fn locality_balancer(block: &LocalityBalancer, path: &Path<'_>, report: &mut Report<'_>) {
    if !block.distribute.is_empty() && !block.failover.is_empty() {
        report.error(&path.key("failover"), "`distribute` and `failover` exclude each other").help("keep one of them");
    }
    let list = path.key("distribute");
    for (n, entry) in block.distribute.iter().enumerate() {
        let path = list.index(n);
        let path = path.key("to");
        let total: u64 = entry.to.values().map(|weight| u64::from(*weight)).sum();
        if let Some((key, weight)) = entry.to.iter().find(|(_, weight)| !(1..=100).contains(*weight)) {
            report.error(&path.key(key), format!("a share is 1 to 100, this is {weight}"));
        }
        if total != 100 {
            report.error(&path, format!("the shares must be 100 together, these are {total}"));
        }
    }
    let list = path.key("failover");
    for (n, entry) in block.failover.iter().enumerate() {
        let path = list.index(n);
        let (from, to) = (entry.from.as_deref().unwrap_or_default(), entry.to.as_deref().unwrap_or_default());
        if from == to {
            report.error(&path.key("to"), format!("`{from}` cannot stand in for itself"));
        }
        for (region, field) in [(from, "from"), (to, "to")] {
            if region.contains(['/', '*']) {
                report.error(&path.key(field), format!("`{region}` is no region: here no zone and no `*`"));
            }
        }
    }
}

fn connection_pool(block: &ConnectionPool, path: &Path<'_>, report: &mut Report<'_>) {
    if block.tcp.is_none() && block.http.is_none() {
        report.error(path, "`connectionPool` needs `tcp` or `http`").help("remove it");
    }
    if let Some(tcp) = &block.tcp {
        let path = path.key("tcp");
        at_least_zero(tcp.max_connections, &path.key("maxConnections"), report);
        normal(&tcp.connect_timeout, &path.key("connectTimeout"), report);
        normal(&tcp.max_connection_duration, &path.key("maxConnectionDuration"), report);
        if let Some(idle) = &tcp.idle_timeout {
            // 0 switches it off, and Istio lets pass what is below a millisecond.
            let time = report.check(&path.key("idleTimeout"), duration::nanoseconds(idle));
            if time.is_some_and(|time| !(0..1_000_000).contains(&time)) {
                report.check(&path.key("idleTimeout"), duration::normal(idle));
            }
        }
        if let Some(keepalive) = &tcp.tcp_keepalive {
            let path = path.key("tcpKeepalive");
            normal(&keepalive.time, &path.key("time"), report);
            normal(&keepalive.interval, &path.key("interval"), report);
        }
    }
    http_pool(block, path, report);
}

fn http_pool(block: &ConnectionPool, path: &Path<'_>, report: &mut Report<'_>) {
    let Some(http) = &block.http else { return };
    let path = path.key("http");
    for (number, field) in [
        (http.http1_max_pending_requests, "http1MaxPendingRequests"),
        (http.http2_max_requests, "http2MaxRequests"),
        (http.max_requests_per_connection, "maxRequestsPerConnection"),
        (http.max_retries, "maxRetries"),
        (http.max_concurrent_streams, "maxConcurrentStreams"),
    ] {
        at_least_zero(number, &path.key(field), report);
    }
    normal(&http.idle_timeout, &path.key("idleTimeout"), report);
    if http.h2_upgrade_policy == Some(H2Upgrade::Upgrade) && http.use_client_protocol == Some(true) {
        let message = "`useClientProtocol` and an `h2UpgradePolicy` of UPGRADE exclude each other";
        report.error(&path.key("useClientProtocol"), message).help("keep one of them");
    }
    if let Some(keep_alive) = &http.http2_keep_alive {
        let path = path.key("http2KeepAlive");
        for (time, field) in [(&keep_alive.interval, "interval"), (&keep_alive.timeout, "timeout")] {
            if time.is_none() {
                report.error(&path.key(field), format!("`http2KeepAlive` needs `{field}`"));
            }
            normal(time, &path.key(field), report);
        }
    }
}

fn outlier_detection(block: &OutlierDetection, path: &Path<'_>, report: &mut Report<'_>) {
    normal(&block.interval, &path.key("interval"), report);
    normal(&block.base_ejection_time, &path.key("baseEjectionTime"), report);
    for (percent, field) in
        [(block.max_ejection_percent, "maxEjectionPercent"), (block.min_health_percent, "minHealthPercent")]
    {
        if let Some(percent) = percent.filter(|percent| !(0..=100).contains(percent)) {
            report.error(&path.key(field), format!("{percent} is no percentage: 0 to 100"));
        }
    }
    let split = block.split_external_local_origin_errors.unwrap_or(false);
    if block.consecutive_local_origin_failures.unwrap_or(0) > 0 && !split {
        let message = "`consecutiveLocalOriginFailures` needs `splitExternalLocalOriginErrors: true`";
        report.error(&path.key("consecutiveLocalOriginFailures"), message);
    }
    if block.consecutive_errors.is_some() {
        let message = "`consecutiveErrors` is deprecated and ignored";
        report.warn(DEPRECATED, &path.key("consecutiveErrors"), message).help("write `consecutive5xxErrors`");
    }
}

fn client_tls(tls: &ClientTls, path: &Path<'_>, report: &mut Report<'_>) {
    let mode = tls.mode.unwrap_or_default();
    if mode == ClientTlsMode::IstioMutual {
        let finding =
            report.error(&path.key("mode"), "ISTIO_MUTUAL needs the mesh's identity, which this gateway has not");
        finding.code = NEEDS_MESH;
        finding.help("use SIMPLE, or MUTUAL with a credential");
    }
    let secured = matches!(mode, ClientTlsMode::Simple | ClientTlsMode::Mutual);
    let files = [&tls.client_certificate, &tls.private_key, &tls.ca_certificates, &tls.ca_crl];
    if secured && set(&tls.credential_name) && files.into_iter().any(set) {
        let message = "`credentialName` and files exclude each other";
        report.error(&path.key("credentialName"), message).help("keep one of them");
    } else if mode == ClientTlsMode::Mutual && !set(&tls.credential_name) {
        for (file, field) in [(&tls.client_certificate, "clientCertificate"), (&tls.private_key, "privateKey")] {
            if !set(file) {
                let help = "or a `credentialName`, whose Secret has both";
                report.error(&path.key(field), format!("mode MUTUAL needs `{field}`")).help(help);
            }
        }
    }
    unverified(tls, mode, path, report);
}

fn unverified(tls: &ClientTls, mode: ClientTlsMode, path: &Path<'_>, report: &mut Report<'_>) {
    if tls.insecure_skip_verify == Some(true) {
        let simple_credential = mode == ClientTlsMode::Simple && set(&tls.credential_name);
        if set(&tls.ca_certificates) || !tls.subject_alt_names.is_empty() || simple_credential {
            let message = "`insecureSkipVerify` verifies nothing, so nothing to verify with can stand beside it";
            report.error(&path.key("insecureSkipVerify"), message).help("remove it");
        }
    }
    for (n, name) in tls.subject_alt_names.iter().enumerate() {
        if name.is_empty() {
            let list = path.key("subjectAltNames");
            report.warn(SURPRISE, &list.index(n), "an empty name fits no certificate");
        }
    }
    if set(&tls.sni) && tls.subject_alt_names.is_empty() && tls.insecure_skip_verify != Some(true) {
        let message = "with `sni` and without `subjectAltNames` the name in the service's certificate is not checked";
        report.warn(SURPRISE, &path.key("sni"), message).help("add `subjectAltNames`");
    }
}

/// What changes the behaviour and is not built: everything but the defaults.
pub(super) fn not_built(policy: &TrafficPolicy, path: &Path<'_>, report: &mut Report<'_>) {
    let balancer = policy.load_balancer.as_ref().is_some_and(|block| {
        let simple = block.simple.unwrap_or_default();
        let default =
            matches!(simple, SimpleBalancer::Unspecified | SimpleBalancer::LeastConn | SimpleBalancer::LeastRequest);
        let rest = LoadBalancer { simple: None, ..block.clone() };
        !default || rest != LoadBalancer::default()
    });
    if let Some(block) = &policy.connection_pool {
        pool_not_built(block, &path.key("connectionPool"), report);
    }
    let tls = policy.tls.as_ref().is_some_and(|tls| tls.mode.unwrap_or_default() != ClientTlsMode::Disable);
    let fields = [
        (balancer, "loadBalancer"),
        (policy.outlier_detection.is_some(), "outlierDetection"),
        (tls, "tls"),
        (!policy.port_level_settings.is_empty(), "portLevelSettings"),
        (policy.tunnel.is_some(), "tunnel"),
        (policy.proxy_protocol.is_some(), "proxyProtocol"),
        (policy.retry_budget.is_some(), "retryBudget"),
    ];
    for (_, field) in fields.iter().filter(|(given, _)| *given) {
        report.not_built(&path.key(field), format!("`{field}` with these settings"));
    }
}

/// What the settings of connections cannot do yet; what is the default anyway is no difference.
fn pool_not_built(block: &ConnectionPool, path: &Path<'_>, report: &mut Report<'_>) {
    let tcp = block.tcp.clone().unwrap_or_default();
    let http = block.http.clone().unwrap_or_default();
    let fields = [
        (tcp.max_connections.is_some_and(|n| n > 0), "tcp", "maxConnections"),
        (tcp.tcp_keepalive.is_some(), "tcp", "tcpKeepalive"),
        (tcp.max_connection_duration.is_some(), "tcp", "maxConnectionDuration"),
        (tcp.idle_timeout.is_some(), "tcp", "idleTimeout"),
        (http.http1_max_pending_requests.is_some(), "http", "http1MaxPendingRequests"),
        (http.http2_max_requests.is_some(), "http", "http2MaxRequests"),
        (http.max_requests_per_connection.is_some(), "http", "maxRequestsPerConnection"),
        (http.max_retries.is_some(), "http", "maxRetries"),
        (http.idle_timeout.is_some(), "http", "idleTimeout"),
        (http.use_client_protocol.is_some(), "http", "useClientProtocol"),
        (http.max_concurrent_streams.is_some(), "http", "maxConcurrentStreams"),
        (http.http2_keep_alive.is_some(), "http", "http2KeepAlive"),
    ];
    for (_, half, field) in fields.iter().filter(|(given, ..)| *given) {
        let half = path.key(half);
        report.not_built(&half.key(field), format!("`{field}`"));
    }
}
