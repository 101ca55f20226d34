//! `ServiceEntry`: a service and its endpoints.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::gateway::Port;

/// Spec of a ServiceEntry.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ServiceEntry {
    /// Its names.
    pub hosts: Vec<String>,
    /// Of no use at a gateway.
    pub addresses: Vec<String>,
    /// Its ports.
    pub ports: Vec<Port>,
    /// For telemetry.
    pub location: Option<Location>,
    /// How endpoints are found.
    pub resolution: Option<Resolution>,
    /// The endpoints.
    pub endpoints: Vec<Endpoint>,
    /// Labels of the endpoints.
    pub workload_selector: Option<EndpointSelector>,
    /// Namespaces that see it.
    pub export_to: Vec<String>,
    /// Names in its certificate.
    pub subject_alt_names: Vec<String>,
}

/// What is read of a WorkloadEntry: which ServiceEntries select it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkloadEntry {
    /// Its labels: those of its metadata, and over them those of its content.
    pub labels: BTreeMap<String, String>,
}

/// Labels of endpoints.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(rename = "WorkloadSelector")]
pub struct EndpointSelector {
    /// The labels.
    pub labels: BTreeMap<String, String>,
}

/// An endpoint.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(rename = "WorkloadEntry")]
pub struct Endpoint {
    /// IP address, name, or `unix:///path`.
    pub address: Option<String>,
    /// Port by the name of the service's port.
    pub ports: BTreeMap<String, u32>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Mesh only.
    pub network: Option<String>,
    /// `region/zone/subzone`.
    pub locality: Option<String>,
    /// Share of requests.
    pub weight: Option<u32>,
    /// Mesh only.
    pub service_account: Option<String>,
}

/// Inside or outside of the mesh.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Location {
    /// Outside.
    #[default]
    MeshExternal,
    /// Inside.
    MeshInternal,
}

/// How endpoints are found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Resolution {
    /// By the client's own destination address: none at a gateway.
    #[default]
    None,
    /// As listed.
    Static,
    /// By name.
    Dns,
    /// By name, one address at a time.
    DnsRoundRobin,
    /// By the name in the request.
    DynamicDns,
}
