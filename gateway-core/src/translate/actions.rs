//! What is done with a request, to the model.

use base64::Engine;
use http::StatusCode;

use super::clusters::{Clusters, Unknown};
use super::header_ops::{Side, host_rewrite, merged};
use super::policies;
use crate::istio::{self, HttpRoute, RedirectPort};
use crate::model::{
    Action, Destination, DirectResponse, Forward, HeaderOps, PathMatch, PathRewrite, Redirect, RedirectPath,
    StringMatch, UriScheme,
};
use crate::translate::re2;

/// Where a rule is translated.
pub(super) struct Site<'a> {
    /// Namespace of the VirtualService.
    pub(super) namespace: &'a str,
    /// The port of the server.
    pub(super) port: u16,
    /// The server has a `tls` block, be it only for `httpsRedirect`.
    pub(super) tls: bool,
}

/// A destination that is unknown: the field below the rule, and why.
pub(super) type Missing = (String, Unknown);

/// The action of a rule whose path condition is `path`.
pub(super) fn action(
    rule: &HttpRoute,
    path: Option<&PathMatch>,
    site: &Site<'_>,
    clusters: &mut Clusters<'_>,
    missing: &mut Vec<Missing>,
) -> Action {
    let response_headers = merged(rule.headers.as_ref(), None, false, Side::Response);
    if let Some(redirect) = &rule.redirect {
        return Action::Redirect(self::redirect(redirect, path, site, response_headers));
    }
    if let Some(response) = &rule.direct_response {
        return Action::DirectResponse(direct_response(response, response_headers));
    }
    Action::Forward(Box::new(forward(rule, path, site, clusters, missing)))
}

fn redirect(
    redirect: &istio::HttpRedirect,
    path: Option<&PathMatch>,
    site: &Site<'_>,
    response_headers: HeaderOps,
) -> Redirect {
    let scheme = match redirect.scheme.as_deref() {
        Some("http") => Some(UriScheme::Http),
        Some("https") => Some(UriScheme::Https),
        _ => None,
    };
    let port = match (redirect.port, redirect.derive_port) {
        (Some(port), _) => u16::try_from(port).ok(),
        (None, Some(RedirectPort::FromRequestPort)) => Some(site.port),
        (None, _) => None,
    };
    // The default port of the new scheme is no port. An unset scheme is guessed from the server, as Istio does.
    let likely = scheme.unwrap_or(if site.tls { UriScheme::Https } else { UriScheme::Http });
    let full = redirect.uri.clone().filter(|uri| !uri.is_empty()).map(RedirectPath::Full);
    let prefix = redirect.prefix_rewrite.clone().filter(|with| !with.is_empty());
    let prefix = prefix.map(|with| RedirectPath::Prefix { length: prefix_length(path), with });
    let status = redirect.redirect_code.and_then(|code| u16::try_from(code).ok()).filter(|code| *code != 0);
    Redirect {
        status: status.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(StatusCode::MOVED_PERMANENTLY),
        scheme,
        authority: redirect.authority.clone().filter(|authority| !authority.is_empty()),
        port: port.filter(|port| *port != likely.default_port()),
        path: full.or(prefix),
        response_headers,
    }
}

/// Without a condition the leading `/` is what matched.
fn prefix_length(path: Option<&PathMatch>) -> usize {
    match path.map(|path| &path.value) {
        Some(StringMatch::Prefix(prefix)) => prefix.len(),
        _ => 1,
    }
}

fn direct_response(response: &istio::HttpDirectResponse, response_headers: HeaderOps) -> DirectResponse {
    let status = response.status.and_then(|code| u16::try_from(code).ok());
    let status = status.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(StatusCode::OK);
    let body = response.body.as_ref().map_or_else(Vec::new, |body| match (&body.bytes, &body.string) {
        (Some(bytes), _) => base64::engine::general_purpose::STANDARD.decode(bytes).unwrap_or_default(),
        (None, text) => text.clone().unwrap_or_default().into_bytes(),
    });
    DirectResponse { status, body, response_headers }
}

fn forward(
    rule: &HttpRoute,
    path: Option<&PathMatch>,
    site: &Site<'_>,
    clusters: &mut Clusters<'_>,
    missing: &mut Vec<Missing>,
) -> Forward {
    let mut known = |destination: &istio::Destination, field: String| {
        let (cluster, unknown) = clusters.resolve(destination, site.namespace, site.port);
        missing.extend(unknown.map(|unknown| (field, unknown)));
        cluster
    };
    let destinations = destinations(rule, &mut known);
    let mirrors = policies::mirrors(rule, &mut known);
    let timeout = rule.timeout.as_deref().and_then(|text| super::duration::normal(text).ok());
    Forward {
        destinations,
        rewrite: rewrite(rule, path),
        timeout,
        retry: policies::retry(rule.retries.as_ref(), timeout),
        mirrors,
        fault: rule.fault.as_ref().and_then(policies::fault),
        cors: rule.cors_policy.as_ref().map(policies::cors),
    }
}

fn destinations(
    rule: &HttpRoute,
    known: &mut impl FnMut(&istio::Destination, String) -> crate::model::ClusterName,
) -> Vec<Destination> {
    let several = rule.route.len() > 1;
    let level = rule.headers.as_ref();
    let authority = rule.rewrite.as_ref().and_then(|rewrite| rewrite.authority.as_deref());
    let mut out = Vec::new();
    for (n, entry) in rule.route.iter().enumerate() {
        let weight = u32::try_from(entry.weight.unwrap_or(0)).unwrap_or(0);
        let Some(destination) = entry.destination.as_ref().filter(|_| !several || weight > 0) else { continue };
        let own = entry.headers.as_ref();
        out.push(Destination {
            cluster: known(destination, format!("route[{n}].destination")),
            weight: if several { weight } else { 1 },
            host_rewrite: host_rewrite(authority, level, own, several),
            request_headers: merged(level, own, several, Side::Request),
            response_headers: merged(level, own, several, Side::Response),
        });
    }
    out
}

fn rewrite(rule: &HttpRoute, path: Option<&PathMatch>) -> Option<PathRewrite> {
    let rewrite = rule.rewrite.as_ref()?;
    if let Some(regex) = &rewrite.uri_regex_rewrite {
        let pattern = re2::anywhere(regex.r#match.as_deref()?).ok()?;
        return Some(PathRewrite::Regex { pattern, with: regex.rewrite.clone()? });
    }
    let uri = rewrite.uri.as_deref().filter(|uri| !uri.is_empty())?;
    let with = if uri.starts_with('/') { uri.to_owned() } else { format!("/{uri}") };
    Some(match path.map(|path| &path.value) {
        Some(StringMatch::Exact(_) | StringMatch::Regex(_)) => PathRewrite::Full(with),
        _ => PathRewrite::Prefix { length: prefix_length(path), with },
    })
}
