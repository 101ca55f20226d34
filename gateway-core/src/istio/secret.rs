//! `Secret`: certificates and keys.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::meta::ObjectMeta;

/// A Secret as written.
#[derive(Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(rename = "Secret")]
pub struct SecretManifest {
    /// Version.
    pub api_version: Option<String>,
    /// Kind.
    pub kind: Option<String>,
    /// Name, namespace and more.
    pub metadata: ObjectMeta,
    /// Not decisive: only the keys are.
    pub r#type: Option<String>,
    /// Values in base64.
    pub data: BTreeMap<String, String>,
    /// Values as text; they win over `data`.
    pub string_data: BTreeMap<String, String>,
    /// Not read.
    pub immutable: Option<bool>,
    /// Not read.
    pub status: Option<Value>,
}

impl fmt::Debug for SecretManifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretManifest").field("metadata", &self.metadata).finish_non_exhaustive()
    }
}

/// The content of a Secret. Its values are never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret {
    /// The values, decoded.
    pub values: BTreeMap<String, Vec<u8>>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("keys", &self.values.keys()).finish_non_exhaustive()
    }
}

impl Secret {
    /// Decodes the values. The error is the key whose value is not base64.
    pub(super) fn decode(manifest: SecretManifest) -> Result<Self, String> {
        let mut values = BTreeMap::new();
        for (key, text) in manifest.data {
            // As the API server does: blanks and line breaks are no part of base64, but people fold long lines.
            let packed: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
            let Ok(value) = base64::engine::general_purpose::STANDARD.decode(packed) else { return Err(key) };
            values.insert(key, value);
        }
        values.extend(manifest.string_data.into_iter().map(|(key, text)| (key, text.into_bytes())));
        Ok(Self { values })
    }
}
