//! Text to checked tree: the only folder that names a YAML crate.
//!
//! [`read`] makes one spanned [`Node`] tree per document; [`check`] holds it against the JSON Schema of the Rust type
//! it is meant for and reports everything that does not fit, with its place; [`from_node`] turns a clean tree into
//! the type. Of a tree with errors only the nearest one that fits can be typed, which [`mend`] makes: to look for
//! further errors, never to be served.

mod check;
mod mend;
mod node;
mod read;
mod scalar;
mod shape;

pub use check::check;
pub(crate) use check::{closest, likeness};
pub use mend::{Hole, mend};
pub use node::{Entry, Kind, Node, Path};
pub use read::{Document, MAX_BYTES, read};
pub use scalar::Scalar;
pub use shape::{Field, ObjectShape, Shape};

use serde::de::DeserializeOwned;

/// Builds `T` from a tree that [`check`] found clean.
pub fn from_node<T: DeserializeOwned>(node: &Node) -> Result<T, String> {
    serde_yaml::from_value(to_value(node)).map_err(|error| error.to_string())
}

/// The tree as serde's input.
fn to_value(node: &Node) -> serde_yaml::Value {
    use serde_yaml::Value;
    match &node.kind {
        Kind::Scalar { value, text, .. } => match value {
            Scalar::Null => Value::Null,
            Scalar::Bool(value) => Value::Bool(*value),
            Scalar::Integer(value) => match (u64::try_from(*value), i64::try_from(*value)) {
                (Ok(value), _) => Value::Number(value.into()),
                (_, Ok(value)) => Value::Number(value.into()),
                _ => Value::String(text.clone()),
            },
            Scalar::Float(value) => Value::Number((*value).into()),
            Scalar::Text => Value::String(text.clone()),
        },
        Kind::List(items) => Value::Sequence(items.iter().map(to_value).collect()),
        Kind::Map(entries) => Value::Mapping(
            entries.iter().map(|entry| (Value::String(entry.key.clone()), to_value(&entry.value))).collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path as FilePath;

    use serde_yaml::Value;

    use super::*;
    use crate::diagnostic::SourceFile;

    /// What one parser takes for a boolean or a number by YAML 1.1 and the other for text by YAML 1.2.
    fn same(ours: &Value, theirs: &Value) -> bool {
        match (ours, theirs) {
            (Value::Sequence(a), Value::Sequence(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
            (Value::Mapping(a), Value::Mapping(b)) => {
                let text = |value: &Value| serde_yaml::to_string(value).unwrap();
                let pairs = a.iter().zip(b);
                a.len() == b.len()
                    && pairs.into_iter().all(|((k, v), (l, w))| {
                        text(k).trim_matches(['\'', '"', '\n']) == text(l).trim_matches(['\'', '"', '\n']) && same(v, w)
                    })
            }
            (Value::Bool(_), Value::String(_)) => true,
            _ => ours == theirs,
        }
    }

    #[test]
    fn two_parsers_see_the_same_in_every_recorded_case() {
        let folder = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases");
        let mut total = 0;
        for topic in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
        {
            for file in std::fs::read_dir(topic).unwrap().map(|entry| entry.unwrap().path()) {
                let text = std::fs::read_to_string(&file).unwrap();
                let theirs: Value = serde_yaml::from_str(&text).unwrap();
                let documents = read(&SourceFile::new("case", text));
                assert_eq!(documents.len(), 1, "{}", file.display());
                let ours = to_value(documents[0].root.as_ref().unwrap());
                assert!(same(&ours, &theirs), "{}:\n{ours:#?}\n{theirs:#?}", file.display());
                total += 1;
            }
        }
        assert!(total > 700, "{total}");
    }
}
