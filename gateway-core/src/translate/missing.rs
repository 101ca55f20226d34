//! Warnings about destinations that are unknown: requests to them are answered 503, connections are closed.

use super::Report;
use super::actions::Missing;
use super::clusters::Unknown;
use super::names::meant;
use crate::diagnostic::{Diagnostic, REFERENCE};
use crate::istio::{Destination, HttpRoute, Object, VirtualService};
use crate::yaml::Path;

/// Warns about the unknown destinations of a rule.
pub(super) fn report_missing(
    vs: &Object<VirtualService>,
    rule: &HttpRoute,
    path: &Path<'_>,
    missing: &[Missing],
    findings: &mut Vec<Diagnostic>,
) {
    for (field, unknown) in missing {
        let (list, entry, destination) = written(rule, field);
        let list = path.key(list);
        let entry = entry.map(|n| list.index(n));
        let at = entry.as_ref().map(|entry| entry.key("destination"));
        let answer = "requests are answered 503";
        report_unknown(&mut Report::new(vs, findings), at.as_ref().unwrap_or(&list), destination, unknown, answer);
    }
}

/// The list that a destination stands in, its number there, and itself.
fn written<'r>(rule: &'r HttpRoute, field: &str) -> (&'static str, Option<usize>, Option<&'r Destination>) {
    let number = |list: &str| -> Option<usize> {
        field.strip_prefix(list)?.strip_prefix('[')?.strip_suffix("].destination")?.parse().ok()
    };
    if let Some(n) = number("route") {
        return ("route", Some(n), rule.route.get(n).and_then(|entry| entry.destination.as_ref()));
    }
    if let Some(n) = number("mirrors") {
        return ("mirrors", Some(n), rule.mirrors.get(n).and_then(|entry| entry.destination.as_ref()));
    }
    ("mirror", None, rule.mirror.as_ref())
}

/// Warns about one; `answer`: what becomes of what goes there.
pub(super) fn report_unknown(
    report: &mut Report<'_>,
    at: &Path<'_>,
    destination: Option<&Destination>,
    unknown: &Unknown,
    answer: &str,
) {
    let host = destination.and_then(|destination| destination.host.as_deref()).unwrap_or_default();
    let subset = destination.and_then(|destination| destination.subset.as_deref()).unwrap_or_default();
    let (field, message, help) = match unknown {
        Unknown::Host(near) => (
            "host",
            format!("no ServiceEntry describes `{host}`"),
            near.as_ref().map_or_else(
                || "add a ServiceEntry, or give `destination.port`, and the name is looked up in DNS".to_owned(),
                |near| format!("did you mean `{near}`?"),
            ),
        ),
        Unknown::Port(ports) if ports.is_empty() => {
            ("port", format!("`{host}` has no such port"), "add `ports` to the ServiceEntry: it lists none".to_owned())
        }
        Unknown::Port(ports) => (
            "port",
            format!("`{host}` has no such port"),
            format!("give `destination.port.number`, one that the ServiceEntry lists: {}", ports.join(", ")),
        ),
        Unknown::Subset(names) => (
            "subset",
            format!("no subset `{subset}` of `{host}`"),
            meant(subset, names.iter().map(String::as_str)).map_or_else(
                || "add it to a DestinationRule for this host".to_owned(),
                |near| format!("did you mean `{near}`?"),
            ),
        ),
        // What is wrong there is told.
        Unknown::LeftOut => return,
        Unknown::Closed => (
            "host",
            format!("the DestinationRule that wants TLS for `{host}` has an error"),
            "mend the DestinationRule".to_owned(),
        ),
    };
    report.warn(REFERENCE, &at.key(field), format!("{message}: {answer}")).help(help);
}
