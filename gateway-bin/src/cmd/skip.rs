//! What `--on-error=skip` must not skip: an object of which nobody knows what it closes.
use gateway_core::diagnostic::{Diagnostic, SYNTAX, Severity, SourceFile, UNREADABLE, UNSUPPORTED_KIND, YAML_FORM};

/// Kinds that close something: a name, a host, whole routes.
const CLOSING: [&str; 7] = [
    "gateway",
    "destinationrule",
    "authorizationpolicy",
    "requestauthentication",
    "peerauthentication",
    "envoyfilter",
    "wasmplugin",
];

/// Why this error forbids to serve the rest. What a Gateway closes stays closed as far as its servers can be read; where
/// they cannot, or where nothing can, another object might serve what this one forbids.
pub(super) fn forbids(finding: &Diagnostic, files: &[SourceFile]) -> bool {
    if finding.severity < Severity::Error {
        return false;
    }
    let kind = finding.resource.as_ref().map(|resource| resource.kind.to_string()).unwrap_or_default();
    match finding.code {
        UNSUPPORTED_KIND => true,
        // A document, or a file: its text alone says what it might have been.
        SYNTAX | YAML_FORM | UNREADABLE => may_close(&document(finding, files)),
        _ if kind == "Gateway" => hides_servers(&finding.path),
        // No kind, or a wrong one: only its text says what was meant.
        _ if !matches!(&*kind, "VirtualService" | "ServiceEntry" | "DestinationRule" | "Secret") => {
            may_close(&document(finding, files))
        }
        _ => false,
    }
}

/// An error there, and a server's port or names are not known.
fn hides_servers(path: &str) -> bool {
    let server = path.strip_prefix("spec.servers[").and_then(|rest| rest.split_once(']')).map(|(_, field)| field);
    match server {
        None => matches!(path, "" | "spec" | "spec.servers" | "metadata" | "metadata.name"),
        Some(field) => {
            matches!(field, "" | ".port" | ".port.number" | ".hosts" | ".bind") || field.starts_with(".hosts[")
        }
    }
}

/// The document that a finding is in; nothing if its file was not read.
fn document(finding: &Diagnostic, files: &[SourceFile]) -> String {
    let Some(label) = finding.labels.first() else { return String::new() };
    let Some(file) = files.iter().find(|file| file.name == *label.file) else { return String::new() };
    let at = label.place.range.start.min(file.text.len());
    let begin = file.text.get(..at).and_then(|before| before.rfind("\n---")).unwrap_or(0);
    let end = file.text.get(at..).and_then(|after| after.find("\n---")).map_or(file.text.len(), |end| at + end);
    file.text.get(begin..end).unwrap_or_default().to_owned()
}

/// Does a line name such a kind, rightly or nearly? A text that is not there might.
fn may_close(text: &str) -> bool {
    text.is_empty()
        || text.lines().any(|line| {
            let line = line.to_ascii_lowercase();
            let mut words = line.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty());
            words.next() == Some("kind")
                && words.any(|word| {
                    let word = word.strip_suffix("list").unwrap_or(word);
                    CLOSING.iter().any(|kind| strsim::jaro_winkler(word, kind) > 0.9)
                })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_close_is_told_by_its_kind() {
        for (text, closes) in [
            ("kind: Gateway\nspec: [", true),
            ("kind Gateway", true),
            ("Kind: [AuthorizatonPolicy]", true),
            ("kind: GatewayList", true),
            ("kind: VirtualService\nspec:\n  gateways: [gateway]\n  x: [", false),
            ("a: [", false),
            ("", true),
        ] {
            assert_eq!(may_close(text), closes, "{text}");
        }
    }

    #[test]
    fn servers_that_are_not_known() {
        for (path, hidden) in [
            ("spec.servers[0].port.number", true),
            ("spec.servers[1].hosts[0]", true),
            ("spec.servers", true),
            ("spec", true),
            ("spec.servers[0].tls.mode", false),
            ("spec.servers[0].port.name", false),
            ("spec.selector", false),
        ] {
            assert_eq!(hides_servers(path), hidden, "{path}");
        }
    }
}
