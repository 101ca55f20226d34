//! Text to checked tree: the only folder that names a YAML crate.
//!
//! [`read`] makes one spanned [`Node`] tree per document; [`check`] holds it against the JSON Schema of the Rust type
//! it is meant for and reports everything that does not fit, with its place; [`to_value`] turns a clean tree into
//! serde's input. Nothing typed is built from a tree with errors.

mod check;
mod node;
mod read;
mod scalar;
mod shape;

pub use check::check;
pub use node::{Entry, Kind, Node, Path};
pub use read::{Document, read};
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
