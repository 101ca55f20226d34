//! The spanned tree of one document, and paths into it.

use std::fmt;

use super::Scalar;
use crate::diagnostic::Place;

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Where it is written.
    pub place: Place,
}

/// What a [`Node`] is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A single value.
    Scalar {
        /// Its type.
        value: Scalar,
        /// The text, after escapes.
        text: String,
        /// Without quotes.
        plain: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order written.
    Map(Vec<Entry>),
}

/// One key and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key's text.
    pub key: String,
    /// Where the key is written.
    pub key_place: Place,
    /// The key is unquoted and would not be text to Kubernetes.
    pub key_type: Scalar,
    /// The value.
    pub value: Node,
}

impl Node {
    /// The value under `key`, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The entry of `key`, if this is a mapping that has it.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.kind {
            Kind::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// The text of a scalar.
    pub fn as_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, value, .. } if *value != Scalar::Null => Some(text),
            _ => None,
        }
    }

    /// Whether nothing is written here.
    pub fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Scalar { value: Scalar::Null, .. })
    }

    /// What it is, for a message.
    pub fn describe(&self) -> String {
        match &self.kind {
            Kind::Scalar { value: Scalar::Null, .. } => "nothing".to_owned(),
            Kind::Scalar { value, text, .. } if text.len() <= 40 => format!("{} `{text}`", value.describe()),
            Kind::Scalar { value, .. } => value.describe().to_owned(),
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(_) => "a mapping".to_owned(),
        }
    }

    /// The place of `path` below this node, or of the nearest thing above it that is written.
    ///
    /// A scalar is marked itself; of a list or mapping the key is marked, for its value may be many lines long.
    pub fn place_of(&self, path: &Path<'_>) -> Place {
        let mut node = self;
        let mut place = &self.place;
        for step in path.steps() {
            let next = match (step, &node.kind) {
                (Step::Key(key), Kind::Map(_)) => node.entry(key).map(|entry| (&entry.value, &entry.key_place)),
                (Step::Index(index), Kind::List(items)) => items.get(*index).map(|item| (item, &item.place)),
                _ => None,
            };
            let Some((next, own)) = next else { break };
            node = next;
            place = match &node.kind {
                Kind::Scalar { value, .. } if *value != Scalar::Null => &node.place,
                _ => own,
            };
        }
        place.clone()
    }

    /// The place of the key that `path` ends in.
    pub fn key_place_of(&self, path: &Path<'_>) -> Place {
        let steps = path.steps();
        let mut node = self;
        for (n, step) in steps.iter().enumerate() {
            match (step, &node.kind) {
                (Step::Key(key), Kind::Map(_)) => match node.entry(key) {
                    Some(entry) if n + 1 == steps.len() => return entry.key_place.clone(),
                    Some(entry) => node = &entry.value,
                    None => break,
                },
                (Step::Index(index), Kind::List(items)) => match items.get(*index) {
                    Some(item) => node = item,
                    None => break,
                },
                _ => break,
            }
        }
        self.place_of(path)
    }
}

/// A path into a tree, built while walking it, without allocation.
#[derive(Debug, Clone, Copy)]
pub struct Path<'a> {
    parent: Option<&'a Self>,
    step: Step<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Root,
    Key(&'a str),
    Index(usize),
}

impl<'a> Path<'a> {
    /// The whole document.
    pub const ROOT: Path<'static> = Path { parent: None, step: Step::Root };

    /// The field or entry `key` of this.
    pub fn key(&'a self, key: &'a str) -> Self {
        Self { parent: Some(self), step: Step::Key(key) }
    }

    /// The list entry `index` of this.
    pub fn index(&'a self, index: usize) -> Self {
        Self { parent: Some(self), step: Step::Index(index) }
    }

    fn steps(&self) -> Vec<&Step<'a>> {
        let mut steps = Vec::new();
        let mut here = Some(self);
        while let Some(path) = here {
            if !matches!(path.step, Step::Root) {
                steps.push(&path.step);
            }
            here = path.parent;
        }
        steps.reverse();
        steps
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for step in self.steps() {
            match step {
                Step::Root => {}
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') => {
                    write!(f, "{}{key}", if first { "" } else { "." })?;
                }
                Step::Key(key) => write!(f, "[{key:?}]")?,
            }
            first = false;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_written_as_users_know_them() {
        let spec = Path::ROOT.key("spec");
        let http = spec.key("http");
        let rule = http.index(0);
        let headers = rule.key("headers");
        assert_eq!(headers.key("x-a.b").to_string(), "spec.http[0].headers[\"x-a.b\"]");
        assert_eq!(rule.to_string(), "spec.http[0]");
    }
}
