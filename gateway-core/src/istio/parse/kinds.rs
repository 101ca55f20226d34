//! The kinds of objects: which are read, which must not be skipped, which are slips.

use crate::yaml;

/// Group of Istio's networking kinds.
pub(super) const NETWORKING: &str = "networking.istio.io";
/// Versions of that group; they have the same schema.
pub(super) const VERSIONS: [&str; 3] = ["v1", "v1beta1", "v1alpha3"];
/// Leaving out one of these would open or change what the author closed.
pub(super) const NOT_TO_BE_SKIPPED: [&str; 5] =
    ["AuthorizationPolicy", "RequestAuthentication", "PeerAuthentication", "EnvoyFilter", "WasmPlugin"];

/// Istio's kinds: a name that is nearly one of these is a slip, and leaving such an object out would be silent.
pub(super) const KINDS: [&str; 14] = [
    "Gateway",
    "VirtualService",
    "DestinationRule",
    "ServiceEntry",
    "WorkloadEntry",
    "WorkloadGroup",
    "Sidecar",
    "EnvoyFilter",
    "ProxyConfig",
    "AuthorizationPolicy",
    "RequestAuthentication",
    "PeerAuthentication",
    "WasmPlugin",
    "Telemetry",
];
/// Istio's groups.
const GROUPS: [&str; 4] = [NETWORKING, "security.istio.io", "extensions.istio.io", "telemetry.istio.io"];
/// Those that are read.
pub(super) const READ: [&str; 4] = ["Gateway", "VirtualService", "DestinationRule", "ServiceEntry"];

/// `Secret`, or a slip of it.
pub(super) fn is_meant_as_secret(kind: &str) -> bool {
    yaml::closest(kind, std::iter::once("Secret"), 0.9).is_some()
}

pub(super) fn group(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

pub(super) fn is_istio(group: &str) -> bool {
    group == "istio.io" || group.ends_with(".istio.io")
}

/// What looks like one of Istio's kinds, or a Secret, and is none: the field, what is wrong, the cure.
pub(super) fn slip(kind: &str, api_version: &str) -> Option<(&'static str, String, String)> {
    let group = group(api_version);
    if is_istio(group) {
        let meant = yaml::closest(kind, KINDS.iter().copied(), 0.9)?;
        let message = format!("there is no kind `{kind}`");
        return (meant != kind).then(|| ("kind", message, format!("did you mean `{meant}`?")));
    }
    // Not those of others: `bitnami.com/v1alpha1`, `SealedSecret`.
    if is_meant_as_secret(kind) && matches!(group, "" | "core") {
        return Some(if kind == "Secret" {
            ("apiVersion", format!("`{api_version}` is not the API of Secret"), "write `apiVersion: v1`".to_owned())
        } else {
            ("kind", format!("there is no kind `{kind}`"), "did you mean `Secret`?".to_owned())
        });
    }
    let near = yaml::closest(group, GROUPS.iter().copied(), 0.92);
    if NOT_TO_BE_SKIPPED.contains(&kind) {
        // Nobody else has these kinds.
        let message = format!("`{api_version}` is not the API of {kind}");
        let cure = format!("write `apiVersion: {}/v1`", near.unwrap_or("security.istio.io"));
        return Some(("apiVersion", message, cure));
    }
    let meant = yaml::closest(kind, READ.iter().copied(), 0.95)?;
    // `networking.istio/v1`, `networking.isto.io/v1`, `v1`; not `gateway.networking.k8s.io/v1`.
    let lost = group.is_empty() || group.contains("istio") || near.is_some();
    let message = format!("`{api_version}` is not the API of {meant}");
    lost.then(|| ("apiVersion", message, format!("write `apiVersion: {NETWORKING}/v1`")))
}
