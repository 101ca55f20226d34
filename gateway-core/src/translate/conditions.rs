//! `match` to the model.

use super::{Settings, hosts, re2, services};
use crate::istio::{self, HttpMatch};
use crate::model::{HeaderKey, HeaderMatch, PathMatch, QueryMatch, RequestMatch, StringMatch};

/// Where a rule is looked at: the things that conditions without a request depend on.
pub(super) struct Place<'a> {
    /// `namespace/name`.
    pub(super) gateway: &'a str,
    /// The port of the server.
    pub(super) port: u16,
    /// Namespace of the VirtualService.
    pub(super) namespace: &'a str,
    pub(super) settings: &'a Settings,
}

/// Whether the conditions hold that do not depend on the request.
pub(super) fn holds_here(condition: &HttpMatch, place: &Place<'_>) -> bool {
    if condition.port.is_some_and(|port| port != 0 && port != u32::from(place.port)) {
        return false;
    }
    if !condition.gateways.is_empty() {
        // As in Istio: beside `gateways` the source is not looked at.
        return condition.gateways.iter().any(|name| hosts::gateway_name(name, place.namespace) == place.gateway);
    }
    let namespace = condition.source_namespace.as_deref().unwrap_or_default();
    services::has(&place.settings.labels, &condition.source_labels)
        && (namespace.is_empty() || namespace == place.settings.namespace)
}

/// The conditions on the request.
pub(super) fn request_match(condition: &HttpMatch) -> RequestMatch {
    let ignore_case = condition.ignore_uri_case.unwrap_or(false);
    let path = condition.uri.as_ref().and_then(string_match).map(|value| PathMatch { value, ignore_case });
    let with = condition.headers.iter().filter_map(|(name, value)| header(name, value, false));
    let without = condition.without_headers.iter().filter_map(|(name, value)| header(name, value, true));
    let query = condition.query_params.iter();
    RequestMatch {
        path,
        scheme: condition.scheme.as_ref().and_then(string_match),
        method: condition.method.as_ref().and_then(string_match),
        authority: condition.authority.as_ref().and_then(string_match),
        headers: with.chain(without).collect(),
        query: query.map(|(name, value)| QueryMatch { name: name.clone(), value: string_match(value) }).collect(),
    }
}

fn header(name: &str, value: &istio::StringMatch, without: bool) -> Option<HeaderMatch> {
    let key = match name {
        ":method" => HeaderKey::Method,
        ":scheme" => HeaderKey::Scheme,
        ":path" => HeaderKey::Path,
        ":status" => HeaderKey::Status,
        ":authority" => HeaderKey::Authority,
        name if name.eq_ignore_ascii_case("host") => HeaderKey::Authority,
        name => HeaderKey::Field(name.parse().ok()?),
    };
    let absent = without && value.regex.as_deref() == Some("*");
    Some(HeaderMatch { key, value: if absent { None } else { string_match(value) }, without })
}

/// `None`: only the presence counts.
pub(super) fn string_match(text: &istio::StringMatch) -> Option<StringMatch> {
    if let Some(exact) = &text.exact {
        return Some(StringMatch::Exact(exact.clone()));
    }
    if let Some(prefix) = &text.prefix {
        return Some(StringMatch::Prefix(prefix.clone()));
    }
    text.regex.as_ref().and_then(|regex| re2::full(regex).ok()).map(StringMatch::Regex)
}

/// A route that takes every request: it goes to the end of its virtual host, and ends its VirtualService.
pub(super) fn is_catch_all(matches: &RequestMatch) -> bool {
    let any_path = matches.path.as_ref().is_none_or(|path| match &path.value {
        StringMatch::Prefix(prefix) => prefix == "/",
        StringMatch::Regex(regex) => regex.source() == ".*",
        StringMatch::Exact(_) => false,
    });
    any_path
        && matches.scheme.is_none()
        && matches.method.is_none()
        && matches.authority.is_none()
        && matches.headers.is_empty()
        && matches.query.is_empty()
}
