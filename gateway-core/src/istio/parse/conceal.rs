//! Keeps the values of Secrets out of findings and out of memory that is kept for places alone.

use crate::diagnostic::Diagnostic;
use crate::yaml::{Kind, Node, Path};

/// `Secret`, or what was meant to be it.
pub(super) fn is_secret(kind: &str) -> bool {
    kind.to_ascii_lowercase().contains("secret")
}

/// Whether a text that could not be read may hold key material.
pub(super) fn names_a_secret(text: &str) -> bool {
    // The last one is `-----BEGIN` in base64.
    const SIGNS: [&str; 5] = ["kind:secret", "stringdata", "tls.key", "-----begin", "ls0tls1crudjti"];
    let bare = |c: &char| !c.is_whitespace() && !matches!(c, '"' | '\'');
    let text: String = text.chars().filter(bare).map(|c| c.to_ascii_lowercase()).collect();
    SIGNS.iter().any(|sign| text.contains(sign))
}

/// A finding about a Secret's value must not repeat the value.
pub(super) fn hide_values(finding: &mut Diagnostic, root: &Node) {
    let Some(field) = ["data", "stringData"].into_iter().find(|field| finding.path.starts_with(field)) else { return };
    finding.message = format!("`{}` must be quoted text, and no key may be there twice", finding.path);
    finding.help = None;
    let place = root.key_place_of(&Path::ROOT.key(field));
    for label in &mut finding.labels {
        label.place = place.clone();
    }
}

/// Removes the values from a Secret's tree: it lives on for its places only.
pub(super) fn scrub(root: &mut Node) {
    let Kind::Map(entries) = &mut root.kind else { return };
    for entry in entries.iter_mut().filter(|entry| entry.key == "data" || entry.key == "stringData") {
        if let Kind::Map(values) = &mut entry.value.kind {
            for value in values {
                value.value.kind = Kind::List(Vec::new());
            }
        }
    }
}
