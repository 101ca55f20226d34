//! `headers`: changes of header maps.

use super::http_match::{bad_header_name, is_header_name};
use crate::diagnostic::NO_EFFECT;
use crate::istio::{HeaderOperations, Headers};
use crate::template::{OPERATORS, Template, TemplateError};
use crate::translate::report::Report;
use crate::yaml::{Path, closest};

/// Where the operations stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// `http[].headers`.
    Rule,
    /// `http[].route[].headers`.
    Destination,
}

/// Whether a name stands for the Host.
pub(in crate::translate) fn is_host(name: &str) -> bool {
    name.eq_ignore_ascii_case("host") || name.eq_ignore_ascii_case(":authority")
}

/// Whether a name says how a message is framed, or concerns one connection alone (RFC 9110 7.6.1, RFC 9112 6). Such
/// fields are the gateway's own.
pub(in crate::translate) fn is_framing(name: &str) -> bool {
    const NAMES: [&str; 8] = [
        "connection",
        "content-length",
        "http2-settings",
        "keep-alive",
        "proxy-connection",
        "te",
        "transfer-encoding",
        "upgrade",
    ];
    NAMES.iter().any(|framing| name.eq_ignore_ascii_case(framing))
}

/// How many operations set the Host.
pub(super) fn sets_host(operations: &HeaderOperations) -> usize {
    operations.set.keys().chain(operations.add.keys()).filter(|name| is_host(name)).count()
}

/// Checks `headers`.
pub(super) fn header_ops(headers: &Headers, level: Level, path: &Path<'_>, report: &mut Report<'_>) {
    for (operations, field, request) in [(&headers.request, "request", true), (&headers.response, "response", false)] {
        let Some(operations) = operations else { continue };
        let path = path.key(field);
        for (map, field) in [(&operations.set, "set"), (&operations.add, "add")] {
            let path = path.key(field);
            for (name, value) in map {
                let entry = path.key(name);
                self::name(name, request, &entry, report);
                if let Err(error) = Template::header(value) {
                    let cure = cure(&error);
                    let finding = report.error(&entry, format!("the value of `{name}`: {error}"));
                    finding.help = cure;
                }
            }
        }
        let list = path.key("remove");
        for (n, name) in operations.remove.iter().enumerate() {
            self::name(name, false, &list.index(n), report);
        }
        if level == Level::Destination && sets_host(operations) > 1 {
            report.error(&path, "the Host is set more than once").help("keep one of them");
        }
    }
}

/// Of an operator that does not exist: that which does.
fn cure(error: &TemplateError) -> Option<String> {
    let TemplateError::Unknown(name) = error else { return None };
    let shown = |name: &&str| format!("`%{name}%`");
    Some(match closest(name, OPERATORS.into_iter(), 0.85) {
        Some(near) => format!("did you mean {}?", shown(&near)),
        None => format!("the operators are {}", OPERATORS.iter().map(shown).collect::<Vec<_>>().join(", ")),
    })
}

fn name(name: &str, host_allowed: bool, path: &Path<'_>, report: &mut Report<'_>) {
    if is_host(name) {
        if !host_allowed {
            let help = "the Host can be set, for requests only";
            report.error(path, format!("`{name}` cannot be changed here")).help(help);
        }
    } else if name.starts_with(':') {
        report.error(path, format!("`{name}` cannot be changed")).help("use `rewrite` for path and authority");
    } else if !is_header_name(name) {
        bad_header_name(name, path, report);
    } else if is_framing(name) {
        let message = format!("`{name}` is written by the gateway itself; changing it has no effect");
        report.warn(NO_EFFECT, path, message).help("remove it");
    }
}
