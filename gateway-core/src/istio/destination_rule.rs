//! `DestinationRule`: how a service is spoken to.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

pub use super::traffic_policy::*;

/// Spec of a DestinationRule.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct DestinationRule {
    /// The service.
    pub host: Option<String>,
    /// How it is spoken to.
    pub traffic_policy: Option<TrafficPolicy>,
    /// Named parts of its endpoints.
    pub subsets: Vec<Subset>,
    /// Namespaces that see it.
    pub export_to: Vec<String>,
    /// Only for workloads with these labels.
    pub workload_selector: Option<WorkloadSelector>,
}

/// Labels of workloads.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct WorkloadSelector {
    /// The labels.
    pub match_labels: BTreeMap<String, String>,
}

/// A named part of the endpoints.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Subset {
    /// Name.
    pub name: Option<String>,
    /// Labels that endpoints must have.
    pub labels: BTreeMap<String, String>,
    /// How it is spoken to.
    pub traffic_policy: Option<TrafficPolicy>,
}

/// How a service is spoken to.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct TrafficPolicy {
    /// Choice of the endpoint.
    pub load_balancer: Option<LoadBalancer>,
    /// Limits and timeouts.
    pub connection_pool: Option<ConnectionPool>,
    /// When endpoints are left out.
    pub outlier_detection: Option<OutlierDetection>,
    /// TLS to the service.
    pub tls: Option<ClientTls>,
    /// Other settings for some ports.
    pub port_level_settings: Vec<PortPolicy>,
    /// CONNECT tunnels.
    pub tunnel: Option<Tunnel>,
    /// PROXY header to the service.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Share of requests that may be retries.
    pub retry_budget: Option<RetryBudget>,
}

/// Settings of one port.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(rename = "PortTrafficPolicy")]
pub struct PortPolicy {
    /// The port.
    pub port: Option<super::virtual_service::PortSelector>,
    /// Choice of the endpoint.
    pub load_balancer: Option<LoadBalancer>,
    /// Limits and timeouts.
    pub connection_pool: Option<ConnectionPool>,
    /// When endpoints are left out.
    pub outlier_detection: Option<OutlierDetection>,
    /// TLS to the service.
    pub tls: Option<ClientTls>,
}
