//! What a route adds to forwarding: retries, faults, CORS.
use std::time::Duration;

use http::StatusCode;

use super::StringMatch;

/// A share, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fraction(u32);

impl Fraction {
    /// Everything.
    pub const ALL: Self = Self(1_000_000);

    /// From per cent; above 100 counts as 100.
    #[must_use]
    pub fn percent(percent: f64) -> Self {
        // Envoy truncates to millionths; the range makes the cast exact.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=1_000_000")]
        Self((percent.clamp(0.0, 100.0) * 10_000.0) as u32)
    }

    /// Millionths.
    #[must_use]
    pub const fn millionths(self) -> u32 {
        self.0
    }

    /// Is a draw, any number, within the share?
    #[must_use]
    pub const fn holds(self, draw: u64) -> bool {
        draw % 1_000_000 < self.0 as u64
    }
}

/// When and how often a failed request is tried again.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy {
    /// Retries, not tries; 0 switches them off.
    pub attempts: u32,
    /// What is retried.
    pub on: RetryOn,
    /// Statuses that are retried.
    pub statuses: Vec<StatusCode>,
    /// How long one try may take.
    pub per_try_timeout: Option<Duration>,
    /// Base interval of the back-off.
    pub backoff: Duration,
    /// Prefer endpoints that were not tried yet.
    pub ignore_previous_hosts: bool,
}

/// The conditions of Envoy's `retry_on`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a word of Envoy's list")]
#[expect(missing_docs, reason = "Envoy's names; spec: retryOn")]
pub struct RetryOn {
    pub server_error: bool,
    pub gateway_error: bool,
    pub reset: bool,
    pub reset_before_request: bool,
    pub connect_failure: bool,
    pub retriable_4xx: bool,
    pub refused_stream: bool,
    pub grpc_cancelled: bool,
    pub grpc_internal: bool,
    pub grpc_unavailable: bool,
    pub grpc_resource_exhausted: bool,
    pub grpc_deadline_exceeded: bool,
    pub envoy_ratelimited: bool,
}

impl Default for RetryPolicy {
    /// Istio's: 2 retries on connect-failure, refused-stream, unavailable, cancelled.
    fn default() -> Self {
        Self {
            attempts: 2,
            on: RetryOn {
                connect_failure: true,
                refused_stream: true,
                grpc_unavailable: true,
                grpc_cancelled: true,
                ..RetryOn::default()
            },
            statuses: Vec::new(),
            per_try_timeout: None,
            backoff: Duration::from_millis(25),
            ignore_previous_hosts: true,
        }
    }
}

/// Injected faults, drawn independently.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fault {
    /// Waits before anything else.
    pub delay: Option<(Duration, Fraction)>,
    /// Answers in place of the upstream.
    pub abort: Option<(Abort, Fraction)>,
}

/// How an aborted request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abort {
    /// With this status.
    Http(StatusCode),
    /// With this grpc-status.
    Grpc(u8),
}

/// A CORS policy.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cors {
    /// Origins that are allowed; one that matches the text `*` allows all.
    pub allow_origins: Vec<StringMatch>,
    /// As listed.
    pub allow_methods: Vec<String>,
    /// As listed.
    pub allow_headers: Vec<String>,
    /// As listed.
    pub expose_headers: Vec<String>,
    /// Whole seconds.
    pub max_age: Option<Duration>,
    /// Sends `access-control-allow-credentials: true`.
    pub allow_credentials: bool,
    /// `unmatchedPreflights`: preflights of other origins go upstream; else they are answered here.
    pub forward_unmatched_preflights: bool,
}
