//! The conditions of a rule.

use std::collections::BTreeMap;

use super::virtual_service::{Scope, gateway_names};
use crate::diagnostic::{JWT, REGEX, SURPRISE};
use crate::istio::{HttpMatch, StringMatch};
use crate::translate::report::Report;
use crate::translate::{names, re2};
use crate::yaml::Path;

/// Names that begin with this are about a verified token.
const CLAIMS: &str = "@request.auth.claims";

/// Checks an entry of `match`.
pub(super) fn http_match(condition: &HttpMatch, scope: Scope, path: &Path<'_>, report: &mut Report<'_>) {
    if let Some(uri) = &condition.uri {
        // An empty prefix of the path is legal, and fits all.
        string_match(uri, true, &path.key("uri"), report);
    }
    for (text, field) in
        [(&condition.scheme, "scheme"), (&condition.method, "method"), (&condition.authority, "authority")]
    {
        if let Some(text) = text {
            string_match(text, false, &path.key(field), report);
        }
    }
    headers(&condition.headers, scope, false, &path.key("headers"), report);
    headers(&condition.without_headers, scope, true, &path.key("withoutHeaders"), report);
    let query = path.key("queryParams");
    for (name, value) in &condition.query_params {
        string_match(value, false, &query.key(name), report);
    }
    if let Some(port) = condition.port.filter(|port| *port != 0) {
        report.check(&path.key("port"), names::port(port));
    }
    names::label_map(&condition.source_labels, &path.key("sourceLabels"), report);
    gateway_names(&condition.gateways, &path.key("gateways"), report);
    source(condition, path, report);
}

fn source(condition: &HttpMatch, path: &Path<'_>, report: &mut Report<'_>) {
    let namespace = condition.source_namespace.as_deref().is_some_and(|namespace| !namespace.is_empty());
    for (given, field) in [(!condition.source_labels.is_empty(), "sourceLabels"), (namespace, "sourceNamespace")] {
        if given {
            let message = format!("`{field}` is about this gateway itself, not about the client");
            report.warn(SURPRISE, &path.key(field), message);
        }
    }
}

/// Checks one of `exact`, `prefix`, `regex`.
pub(super) fn string_match(text: &StringMatch, empty_prefix: bool, path: &Path<'_>, report: &mut Report<'_>) {
    if !empty_prefix && text.prefix.as_deref() == Some("") {
        report
            .error(&path.key("prefix"), "an empty `prefix` fits everything")
            .help("remove it, or write what it begins with");
    }
    if let Some(regex) = &text.regex
        && let Err(message) = re2::full(regex)
    {
        let finding = report.error(&path.key("regex"), message);
        finding.code = REGEX;
        if regex.starts_with('*') {
            finding.help("`.*` is any text");
        }
    }
}

fn headers(
    headers: &BTreeMap<String, StringMatch>,
    scope: Scope,
    without: bool,
    path: &Path<'_>,
    report: &mut Report<'_>,
) {
    for (name, value) in headers {
        let entry = path.key(name);
        if name.starts_with(CLAIMS) {
            claim(name, scope, &entry, report);
            continue;
        }
        let pseudo = matches!(name.as_str(), ":method" | ":scheme" | ":authority" | ":path" | ":status");
        if !pseudo && !is_header_name(name) {
            bad_header_name(name, &entry, report);
        }
        let absent = without && value.regex.as_deref() == Some("*");
        if !absent {
            string_match(value, false, &entry, report);
        }
    }
}

fn claim(name: &str, scope: Scope, path: &Path<'_>, report: &mut Report<'_>) {
    if scope.gateways_only {
        let finding = report.error(path, format!("`{name}` needs RequestAuthentication, which this gateway has not"));
        finding.code = JWT;
        finding.note("without a verified token the condition could never be trusted");
    } else {
        report.error(path, format!("`{name}` is for a VirtualService that is bound to Gateways only"));
    }
}

/// A token of RFC 9110.
pub(super) fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// Reports a name that no header has.
pub(super) fn bad_header_name(name: &str, path: &Path<'_>, report: &mut Report<'_>) {
    if name.is_empty() {
        report.error(path, "a header name cannot be empty");
        return;
    }
    let near: String = name
        .chars()
        .map(|c| if c.is_ascii() && is_header_name(c.encode_utf8(&mut [0; 4])) { c } else { '-' })
        .collect();
    report
        .error(path, format!("`{name}` is no header name"))
        .help(format!("letters, digits and `-`, such as `{near}`"));
}
