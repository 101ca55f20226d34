//! Holds a tree against a [`Shape`] and reports everything that does not fit.

use std::sync::Arc;

use super::scalar::{is_old_boolean, is_old_octal};
use super::{Entry, Kind, Node, ObjectShape, Path, Scalar, Shape};
use crate::diagnostic::{Diagnostic, SCHEMA, SURPRISE, Severity};

/// Reports all that does not fit. Fields that are null are dropped from the tree, and names in snake_case become the
/// usual ones, so that a tree without errors can be read by serde.
pub fn check(node: &mut Node, shape: &Shape, file: &Arc<str>) -> Vec<Diagnostic> {
    let mut check = Check { file, findings: Vec::new() };
    check.value(node, shape, &Path::ROOT);
    check.findings
}

struct Check<'a> {
    file: &'a Arc<str>,
    findings: Vec<Diagnostic>,
}

impl<'a> Check<'a> {
    fn value(&mut self, node: &mut Node, shape: &Shape, path: &Path<'_>) {
        match shape {
            Shape::Any => {}
            Shape::Object(object) => match &mut node.kind {
                Kind::Map(_) => self.object(node, object, path),
                _ => self.wrong(node, path, "a mapping of fields", mapped(node, object).as_deref()),
            },
            Shape::Map(shape) => match &mut node.kind {
                Kind::Map(entries) => self.map(entries, shape, path),
                _ => self.wrong(node, path, "a mapping", None),
            },
            Shape::List { item, max } => match &mut node.kind {
                Kind::List(_) => self.list(node, item, *max, path),
                _ => self.wrong(node, path, "a list", Some("start each entry with `- `")),
            },
            Shape::Text | Shape::Duration | Shape::Enum(_) => self.text(node, shape, path),
            Shape::Bool => self.boolean(node, path),
            Shape::Integer { min, max } => self.integer(node, *min, *max, path),
            Shape::Number => match node.kind {
                Kind::Scalar { value: Scalar::Integer(_), .. } => self.octal(node, path),
                Kind::Scalar { value: Scalar::Float(number), .. } if number.is_finite() => {}
                _ => self.wrong(node, path, "a number", unquote(node)),
            },
        }
    }

    fn object(&mut self, node: &mut Node, shape: &ObjectShape, path: &Path<'_>) {
        let Kind::Map(entries) = &mut node.kind else { return };
        for n in 0..entries.len() {
            if !shape.fields.contains_key(&entries[n].key) && !shape.open {
                self.unknown_or_snake_case(entries, n, shape, path);
            }
        }
        entries.retain(|entry| !(entry.value.is_null() && shape.fields.contains_key(&entry.key)));
        for entry in entries.iter_mut() {
            if let Some(field) = shape.fields.get(&entry.key) {
                self.value(&mut entry.value, &field.shape, &path.key(&entry.key));
            }
        }
        self.exclusive(entries, shape, path);
        let missing = shape.fields.iter().filter(|(name, field)| field.required && node.get(name).is_none());
        for (name, _) in missing {
            let field = path.key(name);
            let message = format!("`{field}` is missing");
            let file = self.file;
            self.report(SCHEMA, Severity::Error, &message, &field).at(file, node.place.clone(), "needed in this");
        }
    }

    fn exclusive(&mut self, entries: &[Entry], shape: &ObjectShape, path: &Path<'_>) {
        for group in &shape.exclusive {
            let mut present = entries.iter().filter(|entry| group.contains(&entry.key));
            let (Some(first), Some(second)) = (present.next(), present.next()) else { continue };
            let message = format!("`{}` and `{}` exclude each other", first.key, second.key);
            let file = self.file;
            let finding = self.report(SCHEMA, Severity::Error, &message, &path.key(&second.key));
            finding.at(file, second.key_place.clone(), "this cannot stand beside it");
            finding.beside(file, first.key_place.clone(), "this is given");
            finding.help("keep one of them");
        }
    }

    fn unknown_or_snake_case(&mut self, entries: &mut [Entry], n: usize, shape: &ObjectShape, path: &Path<'_>) {
        let file = self.file;
        let camel = camel_case(&entries[n].key);
        if entries[n].key.contains('_') && shape.fields.contains_key(&camel) {
            let twice = entries.iter().any(|entry| entry.key == camel);
            let key = &mut entries[n];
            if twice {
                let message = format!("`{}` and `{camel}` are the same field", key.key);
                let finding = self.report(SCHEMA, Severity::Error, &message, &path.key(&key.key));
                finding.at(file, key.key_place.clone(), "remove one of them");
                return;
            }
            let message = format!("`{}` is another spelling of `{camel}`, which a Kubernetes cluster ignores", key.key);
            let finding = self.report(SURPRISE, Severity::Warning, &message, &path.key(&key.key));
            finding.at(file, key.key_place.clone(), "").help(format!("write `{camel}`"));
            key.key = camel;
            return;
        }
        self.unknown(entries, n, shape, path);
    }

    fn unknown(&mut self, entries: &[Entry], n: usize, shape: &ObjectShape, path: &Path<'_>) {
        let entry = &entries[n];
        let file = self.file;
        let message = format!("unknown field `{}` in {}", entry.key, shape.name);
        let finding = self.report(SCHEMA, Severity::Error, &message, &path.key(&entry.key));
        if let Some(parent) = parent_of(entries, n, shape) {
            let text = format!("this belongs one level deeper, under `{}`", parent.key);
            finding.at(file, entry.key_place.clone(), text);
            if parent.value.is_null() {
                finding.beside(file, parent.key_place.clone(), format!("`{}` is empty", parent.key));
            }
            let blanks = (parent.key_place.column + 2).saturating_sub(entry.key_place.column);
            if blanks > 0 {
                finding.help(format!("indent by {blanks} more spaces"));
            }
            return;
        }
        finding.at(file, entry.key_place.clone(), "not known here");
        match closest(&entry.key, shape.fields.keys().map(String::as_str), LIKENESS) {
            Some(name) => finding.help(format!("did you mean `{name}`?")),
            None => {
                let names: Vec<_> = shape.fields.keys().map(String::as_str).collect();
                finding.help(format!("the fields here are {}", names.join(", ")))
            }
        };
    }

    fn map(&mut self, entries: &mut [Entry], shape: &Shape, path: &Path<'_>) {
        let file = self.file;
        for entry in entries {
            let path = path.key(&entry.key);
            if entry.key_type != Scalar::Text {
                let message = format!("the key `{}` is {} to Kubernetes", entry.key, entry.key_type.describe());
                let finding = self.report(SCHEMA, Severity::Error, &message, &path);
                finding.at(file, entry.key_place.clone(), "not text").help(format!("quote it: \"{}\"", entry.key));
            }
            if entry.value.is_null() {
                let message = format!("the entry `{}` has no value", entry.key);
                let finding = self.report(SCHEMA, Severity::Error, &message, &path);
                finding.at(file, entry.key_place.clone(), "nothing is written after this");
                finding.help("remove it, or give it a value; `{}` where only the presence counts");
                continue;
            }
            self.value(&mut entry.value, shape, &path);
        }
    }

    fn list(&mut self, node: &mut Node, item: &Shape, max: Option<u64>, path: &Path<'_>) {
        let file = self.file;
        let Kind::List(items) = &mut node.kind else { return };
        if let Some(max) = max.filter(|max| items.len() as u64 > *max) {
            let message = format!("`{path}` may have {max} entries at most, this has {}", items.len());
            let place = items.last().map_or_else(|| node.place.clone(), |last| last.place.clone());
            self.report(SCHEMA, Severity::Error, &message, path).at(file, place, "too many");
        }
        for (n, entry) in items.iter_mut().enumerate() {
            let path = path.index(n);
            if entry.is_null() {
                let finding = self.report(SCHEMA, Severity::Error, "an empty list entry", &path);
                finding.at(file, entry.place.clone(), "nothing is written here").help("remove it, or fill it in");
                continue;
            }
            self.value(entry, item, &path);
        }
    }

    fn text(&mut self, node: &Node, shape: &Shape, path: &Path<'_>) {
        let Kind::Scalar { value, text, .. } = &node.kind else {
            return self.wrong(node, path, "text", None);
        };
        match (value, shape) {
            (Scalar::Text, Shape::Enum(words)) if !words.contains(text) => {
                let message = format!("`{path}` cannot be `{text}`");
                let cure = closest(text, words.iter().map(String::as_str), LIKENESS)
                    .map_or_else(|| format!("one of {}", words.join(", ")), |word| format!("did you mean `{word}`?"));
                let file = self.file;
                self.report(SCHEMA, Severity::Error, &message, path).at(file, node.place.clone(), "").help(cure);
            }
            (Scalar::Text, _) => {}
            (_, Shape::Enum(words)) => self.wrong(node, path, &format!("one of {}", words.join(", ")), None),
            (Scalar::Integer(_) | Scalar::Float(_), Shape::Duration) => {
                let cure = format!("a duration needs a unit: `{text}s`");
                self.wrong(node, path, "text", Some(&cure));
            }
            _ => {
                let cure = format!("quote it: \"{text}\"");
                self.wrong(node, path, "text", Some(&cure));
            }
        }
    }

    fn boolean(&mut self, node: &Node, path: &Path<'_>) {
        match &node.kind {
            Kind::Scalar { value: Scalar::Bool(value), text, .. } => {
                if is_old_boolean(text) {
                    let message = format!("`{text}` is read as `{value}` here");
                    let file = self.file;
                    let finding = self.report(SURPRISE, Severity::Warning, &message, path);
                    finding.at(file, node.place.clone(), "").help(format!("write `{value}`"));
                }
            }
            _ => self.wrong(node, path, "`true` or `false`", unquote(node)),
        }
    }

    fn integer(&mut self, node: &Node, min: i128, max: i128, path: &Path<'_>) {
        match node.kind {
            Kind::Scalar { value: Scalar::Integer(number), .. } if number < min || number > max => {
                let message = format!("`{path}` must be {min} to {max}, this is {number}");
                let file = self.file;
                self.report(SCHEMA, Severity::Error, &message, path).at(file, node.place.clone(), "");
            }
            Kind::Scalar { value: Scalar::Integer(_), .. } => self.octal(node, path),
            Kind::Scalar { value: Scalar::Float(number), .. } if number.is_finite() => {
                let cure = format!("write `{}` or `{}`", number.floor(), number.ceil());
                self.wrong(node, path, "a whole number", Some(&cure));
            }
            _ => self.wrong(node, path, "a whole number", unquote(node)),
        }
    }

    fn octal(&mut self, node: &Node, path: &Path<'_>) {
        let Some(text) = node.as_text().filter(|text| is_old_octal(text)) else { return };
        let message = format!("the number `{text}` starts with 0: Kubernetes reads it as octal");
        let cure = format!("write `{}`", text.trim_start_matches('0'));
        let file = self.file;
        self.report(SCHEMA, Severity::Error, &message, path).at(file, node.place.clone(), "").help(cure);
    }

    fn wrong(&mut self, node: &Node, path: &Path<'_>, wanted: &str, help: Option<&str>) {
        let message = format!("`{path}` must be {wanted}, this is {}", node.describe());
        let file = self.file;
        let finding = self.report(SCHEMA, Severity::Error, &message, path);
        finding.at(file, node.place.clone(), "");
        finding.help = help.map(str::to_owned);
    }

    fn report(&mut self, code: &'static str, severity: Severity, message: &str, path: &Path<'_>) -> &mut Diagnostic {
        let mut finding = Diagnostic::new(code, severity, message);
        finding.path = path.to_string();
        self.findings.push(finding);
        let last = self.findings.len() - 1;
        &mut self.findings[last]
    }
}

/// What was meant by a single value where a mapping belongs.
fn mapped(node: &Node, shape: &ObjectShape) -> Option<String> {
    let text = node.as_text()?;
    let field = ["number", "exact"].into_iter().find(|field| shape.fields.contains_key(*field))?;
    let fits = field != "number" || text.parse::<u16>().is_ok();
    fits.then(|| format!("write `{{{field}: {text}}}`"))
}

fn unquote(node: &Node) -> Option<&'static str> {
    let Kind::Scalar { value: Scalar::Text, text, .. } = &node.kind else { return None };
    (Scalar::of_plain(text) != Scalar::Text).then_some("write it without quotes")
}

/// The sibling before entry `n` under which its key would be known: it was indented too little.
fn parent_of<'a>(entries: &'a [Entry], n: usize, shape: &ObjectShape) -> Option<&'a Entry> {
    let candidates = entries[..n].iter().rev();
    candidates.into_iter().find(|sibling| match shape.fields.get(&sibling.key).map(|field| &field.shape) {
        Some(Shape::Object(object)) => {
            object.fields.contains_key(&entries[n].key)
                && matches!(sibling.value.kind, Kind::Map(_) | Kind::Scalar { .. })
        }
        _ => false,
    })
}

/// How alike (0 to 1) a field and its misspelling are.
pub(super) const LIKENESS: f64 = 0.8;

/// The name that is most like a word, if it is more like it than `least` (0 to 1).
pub(crate) fn closest<'a>(word: &str, names: impl Iterator<Item = &'a str>, least: f64) -> Option<&'a str> {
    names
        .map(|name| (likeness(word, name), name))
        .filter(|(likeness, _)| *likeness > least)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// How alike two names are, 0 to 1; case does not count.
pub(crate) fn likeness(a: &str, b: &str) -> f64 {
    strsim::jaro_winkler(&a.to_ascii_lowercase(), &b.to_ascii_lowercase())
}

pub(super) fn camel_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.chars() {
        match c {
            '_' => upper = true,
            c if upper => {
                out.push(c.to_ascii_uppercase());
                upper = false;
            }
            c => out.push(c),
        }
    }
    out
}
