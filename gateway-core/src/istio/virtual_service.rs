//! `VirtualService`: which request goes where.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

pub use super::route_parts::*;

/// Spec of a VirtualService.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct VirtualService {
    /// Hosts it is for.
    pub hosts: Vec<String>,
    /// Gateways it is bound to.
    pub gateways: Vec<String>,
    /// Rules for HTTP.
    pub http: Vec<HttpRoute>,
    /// Rules for TLS that is not terminated.
    pub tls: Vec<TlsRoute>,
    /// Rules for anything else.
    pub tcp: Vec<TcpRoute>,
    /// Namespaces that see it.
    pub export_to: Vec<String>,
}

/// A rule for HTTP.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(rename = "HTTPRoute")]
pub struct HttpRoute {
    /// For the access log.
    pub name: Option<String>,
    /// Any of these must fit; empty: every request.
    pub r#match: Vec<HttpMatch>,
    /// Where requests go.
    pub route: Vec<HttpRouteDestination>,
    /// Answer with a redirect.
    pub redirect: Option<HttpRedirect>,
    /// Answer with this.
    pub direct_response: Option<HttpDirectResponse>,
    /// Another VirtualService has the rules.
    pub delegate: Option<Delegate>,
    /// Change path or authority on the way.
    pub rewrite: Option<HttpRewrite>,
    /// Time for the whole request.
    #[schemars(extend("format" = "duration"))]
    pub timeout: Option<String>,
    /// Retries.
    pub retries: Option<HttpRetry>,
    /// Faults to inject.
    pub fault: Option<HttpFault>,
    /// Where copies go.
    pub mirror: Option<Destination>,
    /// Where copies go.
    pub mirrors: Vec<HttpMirror>,
    /// Deprecated: whole percents of requests to copy.
    pub mirror_percent: Option<u32>,
    /// Percents of requests to copy.
    pub mirror_percentage: Option<Percent>,
    /// Cross-origin rules.
    pub cors_policy: Option<CorsPolicy>,
    /// Header changes.
    pub headers: Option<Headers>,
}

/// Conditions on a request; all must fit.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(rename = "HTTPMatchRequest")]
pub struct HttpMatch {
    /// For the access log.
    pub name: Option<String>,
    /// Path.
    pub uri: Option<StringMatch>,
    /// `http` or `https`.
    pub scheme: Option<StringMatch>,
    /// Method.
    pub method: Option<StringMatch>,
    /// Host as sent.
    pub authority: Option<StringMatch>,
    /// Headers.
    pub headers: BTreeMap<String, StringMatch>,
    /// Port of the Gateway server.
    pub port: Option<u32>,
    /// Labels of the gateway.
    pub source_labels: BTreeMap<String, String>,
    /// Names of Gateways.
    pub gateways: Vec<String>,
    /// Query parameters.
    pub query_params: BTreeMap<String, StringMatch>,
    /// Compare the path without case.
    pub ignore_uri_case: Option<bool>,
    /// Headers that must not fit.
    pub without_headers: BTreeMap<String, StringMatch>,
    /// Namespace of the gateway.
    pub source_namespace: Option<String>,
    /// Name for statistics.
    pub stat_prefix: Option<String>,
}

/// How a text must look; none of the three: it must be present.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(extend("x-exclusive" = [["exact", "prefix", "regex"]]))]
pub struct StringMatch {
    /// Equal.
    pub exact: Option<String>,
    /// Begins with.
    pub prefix: Option<String>,
    /// Matches as a whole.
    pub regex: Option<String>,
}

/// One of the places that requests go to.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(rename = "HTTPRouteDestination")]
pub struct HttpRouteDestination {
    /// The service.
    pub destination: Option<Destination>,
    /// Its share.
    pub weight: Option<i32>,
    /// Header changes for this destination.
    pub headers: Option<Headers>,
}

/// A service.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Destination {
    /// Its name.
    pub host: Option<String>,
    /// A subset that a DestinationRule defines.
    pub subset: Option<String>,
    /// Its port.
    pub port: Option<PortSelector>,
}

/// A port by number.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct PortSelector {
    /// The number.
    pub number: Option<u32>,
}

/// A rule for TLS that is not terminated.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(rename = "TLSRoute")]
pub struct TlsRoute {
    /// Any of these must fit.
    pub r#match: Vec<TlsMatch>,
    /// Where connections go.
    pub route: Vec<RouteDestination>,
}

/// Conditions on a TLS connection.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(rename = "TLSMatchAttributes")]
pub struct TlsMatch {
    /// Server names.
    pub sni_hosts: Vec<String>,
    /// Not evaluated at a gateway.
    pub destination_subnets: Vec<String>,
    /// Port of the Gateway server.
    pub port: Option<u32>,
    /// Not evaluated at a gateway.
    pub source_labels: BTreeMap<String, String>,
    /// Names of Gateways.
    pub gateways: Vec<String>,
    /// Not evaluated at a gateway.
    pub source_namespace: Option<String>,
}

/// A rule for connections.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(rename = "TCPRoute")]
pub struct TcpRoute {
    /// Any of these must fit; empty: every connection.
    pub r#match: Vec<L4Match>,
    /// Where connections go.
    pub route: Vec<RouteDestination>,
}

/// Conditions on a connection.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(rename = "L4MatchAttributes")]
pub struct L4Match {
    /// Not evaluated at a gateway.
    pub destination_subnets: Vec<String>,
    /// Port of the Gateway server.
    pub port: Option<u32>,
    /// Not evaluated at a gateway.
    pub source_subnet: Option<String>,
    /// Not evaluated at a gateway.
    pub source_labels: BTreeMap<String, String>,
    /// Names of Gateways.
    pub gateways: Vec<String>,
    /// Not evaluated at a gateway.
    pub source_namespace: Option<String>,
}

/// One of the places that connections go to.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct RouteDestination {
    /// The service.
    pub destination: Option<Destination>,
    /// Its share.
    pub weight: Option<i32>,
}
