//! `Gateway`: ports to open, for which hosts, with which certificates.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// Spec of a Gateway.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Gateway {
    /// Labels that the gateway instance must have; empty: every instance.
    pub selector: BTreeMap<String, String>,
    /// The servers.
    pub servers: Vec<Server>,
}

/// One server: a port and the hosts served there.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Server {
    /// Where it listens.
    pub port: Option<Port>,
    /// Address to bind to, or `unix:///path`.
    pub bind: Option<String>,
    /// Hosts, each perhaps with a namespace in front: `ns/host`.
    pub hosts: Vec<String>,
    /// TLS settings, or only `httpsRedirect`.
    pub tls: Option<ServerTls>,
    /// Not implemented by Istio.
    pub default_endpoint: Option<String>,
    /// For statistics only.
    pub name: Option<String>,
}

/// A port of a server or of a ServiceEntry.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Port {
    /// Number.
    pub number: Option<u32>,
    /// Protocol, any case.
    pub protocol: Option<String>,
    /// Name.
    pub name: Option<String>,
    /// Port of the endpoints (ServiceEntry only).
    pub target_port: Option<u32>,
}

/// TLS settings of a server.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(rename = "ServerTLSSettings")]
pub struct ServerTls {
    /// Answer clear-text requests with a redirect to https.
    pub https_redirect: Option<bool>,
    /// What to do with TLS.
    pub mode: Option<TlsMode>,
    /// Path of a PEM file.
    pub server_certificate: Option<String>,
    /// Path of a PEM file.
    pub private_key: Option<String>,
    /// Path of a PEM bundle that client certificates are verified with.
    pub ca_certificates: Option<String>,
    /// Path of a revocation list.
    pub ca_crl: Option<String>,
    /// Client certificates must have one of these names.
    pub subject_alt_names: Vec<String>,
    /// Name of a Secret.
    pub credential_name: Option<String>,
    /// Names of one or two Secrets.
    #[schemars(length(max = 2))]
    pub credential_names: Vec<String>,
    /// Name of the Secret with the client CA.
    pub ca_cert_credential_name: Option<String>,
    /// Pairs of PEM files.
    #[schemars(length(max = 2))]
    pub tls_certificates: Vec<TlsCertificate>,
    /// Base64 SHA-256 of accepted client keys.
    pub verify_certificate_spki: Vec<String>,
    /// Hex SHA-256 of accepted client certificates.
    pub verify_certificate_hash: Vec<String>,
    /// Lowest TLS version.
    pub min_protocol_version: Option<TlsProtocol>,
    /// Highest TLS version.
    pub max_protocol_version: Option<TlsProtocol>,
    /// Cipher suites for TLS 1.2.
    pub cipher_suites: Vec<String>,
    /// Accept client certificates of any issuer.
    pub insecure_skip_verify: Option<bool>,
}

/// A certificate and its key, as files.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[schemars(rename = "TLSCertificate")]
pub struct TlsCertificate {
    /// Path of a PEM file.
    pub server_certificate: Option<String>,
    /// Path of a PEM file.
    pub private_key: Option<String>,
    /// Not used for servers.
    pub ca_certificates: Option<String>,
}

/// What a server does with TLS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TlsMode {
    /// Forward by SNI, without decrypting.
    #[default]
    Passthrough,
    /// Terminate.
    Simple,
    /// Terminate, and demand a client certificate.
    Mutual,
    /// Mesh only.
    AutoPassthrough,
    /// Mesh only.
    IstioMutual,
    /// Terminate, and verify a client certificate if there is one.
    OptionalMutual,
}

/// TLS version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TlsProtocol {
    /// The default.
    #[default]
    TlsAuto,
    /// TLS 1.0.
    #[serde(rename = "TLSV1_0")]
    TlsV10,
    /// TLS 1.1.
    #[serde(rename = "TLSV1_1")]
    TlsV11,
    /// TLS 1.2.
    #[serde(rename = "TLSV1_2")]
    TlsV12,
    /// TLS 1.3.
    #[serde(rename = "TLSV1_3")]
    TlsV13,
}

impl TlsMode {
    /// TLS is not terminated.
    pub const fn is_passthrough(self) -> bool {
        matches!(self, Self::Passthrough | Self::AutoPassthrough)
    }
}
