//! The nearest tree that fits, of one that does not: so that what is right in it can be checked further.
//!
//! What is meant is guessed where [`check`](super::check) would name it as the cure; what nobody can guess is taken
//! away, or replaced by something that fits. Each such place is a [`Hole`], and what is found there, or because of it,
//! says nothing about what the author wrote.

use super::check::{LIKENESS, camel_case, closest};
use super::{Entry, Kind, Node, ObjectShape, Path, Scalar, Shape};

/// A place where the mended tree is not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hole {
    path: String,
    /// What it is called in the mended tree, if that is another name.
    renamed: Option<String>,
    loss: Loss,
}

/// What was lost with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Loss {
    /// Nothing that others depend on: something of the kind stands there.
    Nothing,
    /// The word or flag of a mapping, by which its other fields are judged.
    Word { parent: String },
    /// A field whose meaning is not known: it may be any that `parent` seems to lack.
    Field { parent: String, written: Vec<String> },
}

impl Hole {
    /// A place of which nothing is known.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), renamed: None, loss: Loss::Nothing }
    }

    /// Whether a finding about `path` may be there only because of this.
    pub fn explains(&self, path: &str) -> bool {
        if is_within(path, &self.path) || self.renamed.as_ref().is_some_and(|name| is_within(path, name)) {
            return true;
        }
        match &self.loss {
            Loss::Nothing => false,
            Loss::Word { parent } => {
                is_within(&self.path, path) || field_of(path, parent).is_some_and(|(_, alone)| alone)
            }
            Loss::Field { parent, written } => {
                let lacked = |(name, _): (&str, bool)| !written.iter().any(|other| other == name);
                is_within(&self.path, path) || field_of(path, parent).is_some_and(lacked)
            }
        }
    }
}

/// Whether `path` is `outer`, or below it.
fn is_within(path: &str, outer: &str) -> bool {
    outer.is_empty() || path.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// The field of `parent` that a path leads through, and whether it ends there.
fn field_of<'p>(path: &'p str, parent: &str) -> Option<(&'p str, bool)> {
    let rest = path.strip_prefix(parent)?;
    let rest = if parent.is_empty() { rest } else { rest.strip_prefix('.')? };
    let end = rest.find(['.', '[']).unwrap_or(rest.len());
    Some((&rest[..end], end == rest.len()))
}

/// The nearest tree that fits, and where it is not what was written. List entries keep their numbers.
pub fn mend(node: &Node, shape: &Shape) -> (Node, Vec<Hole>) {
    let mut mend = Mend { holes: Vec::new() };
    let mended = mend.value(node, shape, &Path::ROOT, "");
    (mended, mend.holes)
}

struct Mend {
    holes: Vec<Hole>,
}

impl Mend {
    /// `parent`: the mapping whose field this is.
    fn value(&mut self, node: &Node, shape: &Shape, path: &Path<'_>, parent: &str) -> Node {
        let kind = match (shape, &node.kind) {
            (Shape::Any, kind) => kind.clone(),
            (Shape::Object(shape), Kind::Map(entries)) => Kind::Map(self.object(entries, shape, path)),
            (Shape::Map(shape), Kind::Map(entries)) => Kind::Map(self.map(entries, shape, path)),
            (Shape::List { item, .. }, Kind::List(items)) => {
                let own = path.to_string();
                let mended = items.iter().enumerate().map(|(n, entry)| self.value(entry, item, &path.index(n), &own));
                Kind::List(mended.collect())
            }
            (Shape::List { item, .. }, _) => {
                self.hole(path, Loss::Nothing);
                Kind::List(vec![self.value(node, item, path, parent)])
            }
            (Shape::Object(_) | Shape::Map(_), _) => {
                self.hole(path, Loss::Nothing);
                Kind::Map(Vec::new())
            }
            _ => self.scalar(node, shape, path, parent),
        };
        Node { kind, place: node.place.clone() }
    }

    fn object(&mut self, entries: &[Entry], shape: &ObjectShape, path: &Path<'_>) -> Vec<Entry> {
        let own = path.to_string();
        let mut mended: Vec<Entry> = Vec::new();
        for entry in entries {
            let at = path.key(&entry.key);
            if let Some(field) = shape.fields.get(&entry.key) {
                let value = self.value(&entry.value, &field.shape, &at, &own);
                mended.push(Entry { value, ..entry.clone() });
            } else if shape.open {
                mended.push(entry.clone());
            } else if let Some(name) = meant(entries, &mended, &entry.key, shape) {
                let path = path.key(name);
                self.holes.push(Hole { renamed: Some(path.to_string()), ..Hole::new(at.to_string()) });
                let value = self.value(&entry.value, &shape.fields[name].shape, &path, &own);
                mended.push(Entry { key: name.to_owned(), value, ..entry.clone() });
            } else if entry.key.contains('_') && entries.iter().any(|other| other.key == camel_case(&entry.key)) {
                self.hole(&at, Loss::Nothing);
            } else {
                let written = entries.iter().map(|entry| entry.key.clone()).collect();
                self.hole(&at, Loss::Field { parent: own.clone(), written });
            }
        }
        mended
    }

    fn map(&mut self, entries: &[Entry], shape: &Shape, path: &Path<'_>) -> Vec<Entry> {
        let own = path.to_string();
        let mended = entries.iter().map(|entry| {
            let value = self.value(&entry.value, shape, &path.key(&entry.key), &own);
            Entry { value, ..entry.clone() }
        });
        mended.collect()
    }

    fn scalar(&mut self, node: &Node, shape: &Shape, path: &Path<'_>, parent: &str) -> Kind {
        let (value, text) = match &node.kind {
            Kind::Scalar { value, text, .. } => (*value, text.as_str()),
            _ => (Scalar::Null, ""),
        };
        if is_right(value, text, shape) {
            return node.kind.clone();
        }
        let word = || Loss::Word { parent: parent.to_owned() };
        let (mended, loss) = match shape {
            Shape::Enum(words) => match closest(text, words.iter().map(String::as_str), LIKENESS) {
                Some(word) => (scalar_of(Scalar::Text, word), Loss::Nothing),
                None => (scalar_of(Scalar::Text, words.first().map(String::as_str).unwrap_or_default()), word()),
            },
            Shape::Bool => match Scalar::of_plain(text) {
                Scalar::Bool(flag) => (scalar_of(Scalar::Bool(flag), text), Loss::Nothing),
                _ => (scalar_of(Scalar::Bool(false), "false"), word()),
            },
            Shape::Integer { min, max } => {
                let number = text.parse::<f64>().ok().filter(|number| number.is_finite()).unwrap_or(1.0);
                #[expect(clippy::cast_possible_truncation, reason = "it saturates, and is bounded by what fits")]
                let number = (number as i128).clamp(*min, *max);
                (scalar_of(Scalar::Integer(number), &number.to_string()), Loss::Nothing)
            }
            Shape::Number => (scalar_of(Scalar::Integer(1), "1"), Loss::Nothing),
            // A text that is empty would be taken for none.
            _ => (scalar_of(Scalar::Text, if text.is_empty() { "x" } else { text }), Loss::Nothing),
        };
        self.hole(path, loss);
        mended
    }

    fn hole(&mut self, path: &Path<'_>, loss: Loss) {
        self.holes.push(Hole { loss, ..Hole::new(path.to_string()) });
    }
}

fn is_right(value: Scalar, text: &str, shape: &Shape) -> bool {
    match (shape, value) {
        (Shape::Enum(words), Scalar::Text) => words.iter().any(|word| word == text),
        (Shape::Integer { min, max }, Scalar::Integer(number)) => (*min..=*max).contains(&number),
        (Shape::Number, Scalar::Float(number)) => number.is_finite(),
        (Shape::Text | Shape::Duration, Scalar::Text)
        | (Shape::Bool, Scalar::Bool(_))
        | (Shape::Number, Scalar::Integer(_)) => true,
        _ => false,
    }
}

fn scalar_of(value: Scalar, text: &str) -> Kind {
    Kind::Scalar { value, text: text.to_owned(), plain: true }
}

/// The field that a misspelled one was meant to be, if nothing else is that.
fn meant<'s>(entries: &[Entry], mended: &[Entry], key: &str, shape: &'s ObjectShape) -> Option<&'s str> {
    let name = closest(key, shape.fields.keys().map(String::as_str), LIKENESS)?;
    (!entries.iter().chain(mended).any(|entry| entry.key == name)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_hole_explains() {
        let lost = |loss| Hole { loss, ..Hole::new("spec.tls.mode") };
        let parent = || "spec.tls".to_owned();
        let field = lost(Loss::Field { parent: parent(), written: vec!["mode".to_owned(), "caCrl".to_owned()] });
        let word = lost(Loss::Word { parent: parent() });
        let nothing = lost(Loss::Nothing);
        for (path, by_nothing, by_word, by_field) in [
            ("spec.tls.mode", true, true, true),
            ("spec.tls.mode.x[0]", true, true, true),
            ("spec.tls", false, true, true),
            ("spec", false, true, true),
            ("spec.tls.caCrl", false, true, false),
            ("spec.tls.privateKey", false, true, true),
            ("spec.tls.credentialNames[0]", false, false, true),
            ("spec.tls.mode2", false, true, true),
            ("spec.hosts", false, false, false),
        ] {
            let found = (nothing.explains(path), word.explains(path), field.explains(path));
            assert_eq!(found, (by_nothing, by_word, by_field), "{path}");
        }
    }
}
