//! `redirect`, `directResponse` and `rewrite`.

use base64::Engine;

use crate::authority::host_name;
use crate::diagnostic::{REGEX, SURPRISE};
use crate::istio::{HttpDirectResponse, HttpRedirect, HttpRewrite, HttpRoute};
use crate::translate::report::Report;
use crate::translate::{names, re2};
use crate::yaml::Path;

/// Istio warns above this.
const LARGE_BODY: usize = 100 * 1024;
/// Istio refuses more than this.
const MAX_BODY: usize = 1024 * 1024;

fn set(text: &Option<String>) -> bool {
    text.as_deref().is_some_and(|text| !text.is_empty())
}

/// Checks `redirect`.
pub(super) fn redirect(rule: &HttpRoute, path: &Path<'_>, report: &mut Report<'_>) {
    let Some(redirect) = &rule.redirect else { return };
    let path = path.key("redirect");
    if set(&redirect.uri) && set(&redirect.prefix_rewrite) {
        report
            .error(&path.key("prefixRewrite"), "`uri` and `prefixRewrite` exclude each other")
            .help("keep one of them");
    }
    let port = redirect.port.is_some() || redirect.derive_port.is_some();
    let changes = [&redirect.uri, &redirect.prefix_rewrite, &redirect.authority, &redirect.scheme];
    if !port && !changes.into_iter().any(set) {
        report
            .error(&path, "a redirect must change something: `uri`, `prefixRewrite`, `authority`, `scheme` or a port");
    }
    redirect_fields(redirect, &path, report);
    let other_kind = rule.r#match.iter().filter_map(|m| m.uri.as_ref()).any(|uri| uri.prefix.is_none());
    if set(&redirect.prefix_rewrite) && other_kind {
        let message = "`prefixRewrite` needs a `prefix` in every `uri` condition of the rule";
        report.error(&path.key("prefixRewrite"), message).help("use `uri`");
    }
}

fn redirect_fields(redirect: &HttpRedirect, path: &Path<'_>, report: &mut Report<'_>) {
    if let Some(port) = redirect.port {
        report.check(&path.key("port"), names::port(port));
    }
    if let Some(scheme) = redirect.scheme.as_deref().filter(|scheme| !matches!(*scheme, "" | "http" | "https")) {
        report
            .error(&path.key("scheme"), format!("`{scheme}` is no scheme to redirect to"))
            .help("write http or https");
    }
    let code = redirect.redirect_code.unwrap_or(0);
    if !matches!(code, 0 | 301 | 302 | 303 | 307 | 308) {
        report.error(&path.key("redirectCode"), format!("{code} is no redirect")).help("301, 302, 303, 307 or 308");
    }
    for (text, field) in
        [(&redirect.uri, "uri"), (&redirect.authority, "authority"), (&redirect.prefix_rewrite, "prefixRewrite")]
    {
        control_characters(text, &path.key(field), report);
    }
}

fn control_characters(text: &Option<String>, path: &Path<'_>, report: &mut Report<'_>) {
    if text.as_deref().is_some_and(|text| text.bytes().any(|b| b < 0x20 || b == 0x7f)) {
        report.error(path, "a control character cannot stand here").help("remove it");
    }
}

/// Checks `directResponse`.
pub(super) fn direct_response(response: &HttpDirectResponse, path: &Path<'_>, report: &mut Report<'_>) {
    let status = response.status.unwrap_or(0);
    if !(200..=599).contains(&status) {
        let message = format!("a direct response needs a `status` of 200 to 599, this is {status}");
        report.error(&path.key("status"), message);
    }
    if (300..400).contains(&status) && status != 304 {
        report
            .warn(SURPRISE, &path.key("status"), format!("a {status} made here has no `location`"))
            .help("use `redirect`");
    }
    let Some(body) = &response.body else { return };
    let body_path = path.key("body");
    let mut length = body.string.as_ref().map_or(0, String::len);
    if let Some(bytes) = &body.bytes {
        match base64::engine::general_purpose::STANDARD.decode(bytes) {
            Ok(bytes) => length = bytes.len(),
            Err(_) => {
                report.error(&body_path.key("bytes"), "this is not base64").help("use `string` for text");
            }
        }
    }
    if length > MAX_BODY {
        report
            .error(&body_path, format!("the body has {length} bytes, more than 1 MiB"))
            .help("serve it from a service");
    } else if length > LARGE_BODY {
        report.warn(SURPRISE, &body_path, format!("the body has {length} bytes")).help("serve it from a service");
    }
    if matches!(status, 204 | 304) && length > 0 {
        report.warn(SURPRISE, &body_path, format!("a {status} has no body: it is not sent"));
    }
}

/// Checks `rewrite`.
pub(super) fn rewrite(rule: &HttpRoute, path: &Path<'_>, report: &mut Report<'_>) {
    let Some(rewrite) = &rule.rewrite else { return };
    let path = path.key("rewrite");
    if let Some(regex) = &rewrite.uri_regex_rewrite {
        let path = path.key("uriRegexRewrite");
        for (text, field) in [(&regex.r#match, "match"), (&regex.rewrite, "rewrite")] {
            if !set(text) {
                report.error(&path.key(field), format!("`uriRegexRewrite` needs `{field}`"));
            }
        }
        if let Some(Err(message)) = regex.r#match.as_deref().filter(|text| !text.is_empty()).map(re2::anywhere) {
            report.error(&path.key("match"), message).code = REGEX;
        }
        if set(&rewrite.uri) {
            report.error(&path, "`uri` and `uriRegexRewrite` exclude each other").help("keep one of them");
        }
    } else if !set(&rewrite.uri) && !set(&rewrite.authority) {
        report.error(&path, "a rewrite needs `uri`, `uriRegexRewrite` or `authority`");
    }
    rewrite_fields(rewrite, &path, report);
}

fn rewrite_fields(rewrite: &HttpRewrite, path: &Path<'_>, report: &mut Report<'_>) {
    control_characters(&rewrite.uri, &path.key("uri"), report);
    if let Some(authority) = rewrite.authority.as_deref()
        && let Err(error) = host_name(authority.as_bytes())
    {
        report
            .error(&path.key("authority"), format!("`{authority}` is no host: {error}"))
            .help("write a host name, perhaps with `:PORT`");
    }
    if let Some(uri) = rewrite.uri.as_deref().filter(|uri| !uri.is_empty() && !uri.starts_with('/')) {
        let message = format!("`{uri}` does not begin with `/`: one is put in front of the new path");
        report.warn(SURPRISE, &path.key("uri"), message).help(format!("write `/{uri}`"));
    }
}
