//! What every object has: version, kind and metadata.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// A whole object whose content stands under `spec`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(rename = "{T}")]
pub struct Manifest<T: Default> {
    /// Group and version.
    pub api_version: Option<String>,
    /// Kind.
    pub kind: Option<String>,
    /// Name, namespace and more.
    pub metadata: ObjectMeta,
    /// The content.
    pub spec: T,
    /// Written by others; not read.
    pub status: Option<Value>,
}

/// Name, namespace and more; accepted as a cluster writes it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ObjectMeta {
    /// Name.
    pub name: Option<String>,
    /// Namespace.
    pub namespace: Option<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// When it was made: older objects come first.
    pub creation_timestamp: Option<String>,
    /// Not read.
    pub cluster_name: Option<Value>,
    /// Not read.
    pub deletion_grace_period_seconds: Option<Value>,
    /// Not read.
    pub deletion_timestamp: Option<Value>,
    /// Not read.
    pub finalizers: Option<Value>,
    /// Not read.
    pub generate_name: Option<Value>,
    /// Not read.
    pub generation: Option<Value>,
    /// Not read.
    pub managed_fields: Option<Value>,
    /// Not read.
    pub owner_references: Option<Value>,
    /// Not read.
    pub resource_version: Option<Value>,
    /// Not read.
    pub self_link: Option<Value>,
    /// Not read.
    pub uid: Option<Value>,
}
