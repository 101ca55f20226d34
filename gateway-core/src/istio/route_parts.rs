//! The parts of an HTTP rule beside its matches and destinations.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::virtual_service::{Destination, StringMatch};

/// Another VirtualService.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Delegate {
    /// Its name.
    pub name: Option<String>,
    /// Its namespace.
    pub namespace: Option<String>,
}

/// Header changes of requests and responses.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Headers {
    /// For requests.
    pub request: Option<HeaderOperations>,
    /// For responses.
    pub response: Option<HeaderOperations>,
}

/// Header changes.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct HeaderOperations {
    /// Replace or create.
    pub set: BTreeMap<String, String>,
    /// Append.
    pub add: BTreeMap<String, String>,
    /// Remove.
    pub remove: Vec<String>,
}

/// A redirect.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(rename = "HTTPRedirect", extend("x-exclusive" = [["port", "derivePort"]]))]
pub struct HttpRedirect {
    /// New path.
    pub uri: Option<String>,
    /// What replaces the matched prefix.
    pub prefix_rewrite: Option<String>,
    /// New host.
    pub authority: Option<String>,
    /// New port.
    pub port: Option<u32>,
    /// Where the port comes from.
    pub derive_port: Option<RedirectPort>,
    /// New scheme.
    pub scheme: Option<String>,
    /// Status.
    pub redirect_code: Option<u32>,
}

/// Where the port of a redirect comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RedirectPort {
    /// The default port of the scheme.
    #[default]
    FromProtocolDefault,
    /// The port of the server.
    FromRequestPort,
}

/// A fixed answer.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(rename = "HTTPDirectResponse")]
pub struct HttpDirectResponse {
    /// Status.
    pub status: Option<u32>,
    /// Body.
    pub body: Option<HttpBody>,
}

/// Body of a fixed answer.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(rename = "HTTPBody", extend("x-exclusive" = [["string", "bytes"]]))]
pub struct HttpBody {
    /// As text.
    pub string: Option<String>,
    /// As base64.
    pub bytes: Option<String>,
}

/// Changes on the way to the service.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(rename = "HTTPRewrite")]
pub struct HttpRewrite {
    /// What replaces the matched part of the path.
    pub uri: Option<String>,
    /// New authority.
    pub authority: Option<String>,
    /// Replace by expression.
    pub uri_regex_rewrite: Option<RegexRewrite>,
}

/// Replace by expression.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct RegexRewrite {
    /// What to replace, wherever it occurs.
    pub r#match: Option<String>,
    /// With what.
    pub rewrite: Option<String>,
}

/// Retries.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(rename = "HTTPRetry")]
pub struct HttpRetry {
    /// How many more tries.
    pub attempts: Option<i32>,
    /// Time for each.
    #[schemars(extend("format" = "duration"))]
    pub per_try_timeout: Option<String>,
    /// Comma list of conditions.
    pub retry_on: Option<String>,
    /// Use other regions too.
    pub retry_remote_localities: Option<bool>,
    /// Prefer endpoints not tried yet.
    pub retry_ignore_previous_hosts: Option<bool>,
    /// Base of the pause between tries.
    #[schemars(extend("format" = "duration"))]
    pub backoff: Option<String>,
}

/// Faults to inject.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(rename = "HTTPFaultInjection")]
pub struct HttpFault {
    /// Delay requests.
    pub delay: Option<FaultDelay>,
    /// Answer requests instead of forwarding.
    pub abort: Option<FaultAbort>,
}

/// Delay requests.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(rename = "Delay", extend("x-exclusive" = [["fixedDelay", "exponentialDelay"]]))]
pub struct FaultDelay {
    /// Deprecated: whole percents.
    pub percent: Option<i32>,
    /// How long.
    #[schemars(extend("format" = "duration"))]
    pub fixed_delay: Option<String>,
    /// Not supported by Istio.
    pub exponential_delay: Option<String>,
    /// Share of requests.
    pub percentage: Option<Percent>,
}

/// Answer requests instead of forwarding.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(rename = "Abort", extend("x-exclusive" = [["httpStatus", "grpcStatus", "http2Error"]]))]
pub struct FaultAbort {
    /// Status.
    pub http_status: Option<i32>,
    /// Status by name.
    pub grpc_status: Option<String>,
    /// Not supported by Istio.
    pub http2_error: Option<String>,
    /// Share of requests.
    pub percentage: Option<Percent>,
}

/// A share.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Percent {
    /// 0 to 100.
    pub value: Option<f64>,
}

/// Where copies go.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(rename = "HTTPMirrorPolicy")]
pub struct HttpMirror {
    /// The service.
    pub destination: Option<Destination>,
    /// Share of requests.
    pub percentage: Option<Percent>,
}

/// Cross-origin rules.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct CorsPolicy {
    /// Deprecated: exact origins.
    pub allow_origin: Vec<String>,
    /// Origins.
    pub allow_origins: Vec<StringMatch>,
    /// Methods.
    pub allow_methods: Vec<String>,
    /// Request headers.
    pub allow_headers: Vec<String>,
    /// Response headers.
    pub expose_headers: Vec<String>,
    /// How long a preflight may be kept.
    #[schemars(extend("format" = "duration"))]
    pub max_age: Option<String>,
    /// Whether credentials may be sent.
    pub allow_credentials: Option<bool>,
    /// What happens to a preflight of another origin.
    pub unmatched_preflights: Option<UnmatchedPreflights>,
}

/// What happens to a preflight of another origin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UnmatchedPreflights {
    /// The default, [`Self::Forward`].
    #[default]
    Unspecified,
    /// It goes to the service.
    Forward,
    /// The gateway answers.
    Ignore,
}
