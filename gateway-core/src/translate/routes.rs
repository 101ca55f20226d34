//! The rules of a VirtualService on one server.

use std::sync::Arc;

use super::actions::{Site, action};
use super::clusters::Clusters;
use super::conditions::{Place, holds_here, is_catch_all, request_match};
use super::missing::report_missing;
use super::{Report, Settings};
use crate::diagnostic::{Diagnostic, UNREACHABLE};
use crate::istio::{HttpMatch, HttpRoute, Object, VirtualService};
use crate::model::{ObjectName, Origin, RequestMatch, Route};
use crate::yaml::Path;

/// The server for which routes are made.
pub(super) struct Target<'a> {
    /// `namespace/name` of the Gateway.
    pub(super) gateway: &'a str,
    pub(super) port: u16,
    /// The server has a `tls` block.
    pub(super) tls: bool,
}

/// The routes of a VirtualService, in order. After one that takes everything nothing follows.
pub(super) fn routes(
    vs: &Object<VirtualService>,
    target: &Target<'_>,
    settings: &Settings,
    clusters: &mut Clusters<'_>,
    findings: &mut Vec<Diagnostic>,
) -> Vec<Arc<Route>> {
    let place = Place { gateway: target.gateway, port: target.port, namespace: vs.namespace(), settings };
    let site = Site { namespace: vs.namespace(), port: target.port, tls: target.tls };
    let spec = Path::ROOT.key("spec");
    let http = spec.key("http");
    let mut out = Vec::new();
    for (n, rule) in vs.spec.http.iter().enumerate() {
        let path = http.index(n);
        let mut missing = Vec::new();
        let mut ended = false;
        for (name, matches, entry) in conditions(rule, &place) {
            ended = is_catch_all(&matches);
            let action = action(rule, matches.path.as_ref(), &site, clusters, &mut missing);
            let list = path.key("match");
            let place = entry.map(|entry| list.index(entry));
            let origin = origin(vs, place.as_ref().unwrap_or(&path));
            out.push(Arc::new(Route { name, matches, action, origin }));
            if ended {
                break;
            }
        }
        report_missing(vs, rule, &path, &missing, findings);
        if ended {
            if takes_everything_everywhere(rule) {
                report_hidden(vs, &http, n, findings);
            }
            break;
        }
    }
    out
}

/// A rule that takes everything only on one port or Gateway hides nothing on the others.
fn takes_everything_everywhere(rule: &HttpRoute) -> bool {
    let everywhere = |entry: &HttpMatch| {
        entry.port.unwrap_or(0) == 0
            && entry.gateways.is_empty()
            && entry.source_labels.is_empty()
            && entry.source_namespace.is_none()
            && is_catch_all(&request_match(entry))
    };
    rule.r#match.is_empty() || rule.r#match.iter().any(everywhere)
}

/// One set of conditions for each entry of `match` that can hold here; or one without conditions.
fn conditions(rule: &HttpRoute, place: &Place<'_>) -> Vec<(String, RequestMatch, Option<usize>)> {
    let rule_name = rule.name.clone().unwrap_or_default();
    if rule.r#match.is_empty() {
        return vec![(rule_name, RequestMatch::default(), None)];
    }
    let entries = rule.r#match.iter().enumerate().filter(|(_, entry)| holds_here(entry, place));
    entries
        .map(|(n, entry)| {
            let name = match entry.name.as_deref().filter(|name| !name.is_empty()) {
                Some(name) => format!("{rule_name}.{name}"),
                None => rule_name.clone(),
            };
            (name, request_match(entry), Some(n))
        })
        .collect()
}

/// Where something was written.
pub(super) fn origin<T>(object: &Object<T>, path: &Path<'_>) -> Origin {
    Origin {
        object: ObjectName {
            kind: object.id.kind.as_str().into(),
            namespace: object.id.namespace.as_str().into(),
            name: object.id.name.as_str().into(),
        },
        path: path.to_string().into(),
        file: Arc::clone(&object.source.file),
        line: u32::try_from(object.source.place(path).line).unwrap_or(0),
    }
}

fn report_hidden(vs: &Object<VirtualService>, http: &Path<'_>, n: usize, findings: &mut Vec<Diagnostic>) {
    if n + 1 >= vs.spec.http.len() {
        return;
    }
    let (this, next) = (http.index(n), http.index(n + 1));
    let mut report = Report::new(vs, findings);
    let finding = report.warn(UNREACHABLE, &next, "this rule, and all after it, can never be reached");
    finding.labels.push(vs.source.label(&this, "this takes every request", false));
    finding.help("move it to the end");
}
