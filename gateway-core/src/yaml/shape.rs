//! A JSON Schema, boiled down to what the check needs.

use std::collections::BTreeMap;

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::Value;

/// What a value must look like.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Anything.
    Any,
    /// Text.
    Text,
    /// Text that is a number with a unit: `5s`.
    Duration,
    /// `true` or `false`.
    Bool,
    /// A whole number in a range.
    Integer {
        /// At least.
        min: i128,
        /// At most.
        max: i128,
    },
    /// Any number.
    Number,
    /// One of these words.
    Enum(Vec<String>),
    /// A list.
    List {
        /// Of these.
        item: Box<Self>,
        /// At most so many.
        max: Option<u64>,
    },
    /// A mapping with free keys.
    Map(Box<Self>),
    /// A mapping with fixed keys.
    Object(ObjectShape),
}

/// A mapping with fixed keys.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectShape {
    /// Name of the type, for messages.
    pub name: String,
    /// Its fields.
    pub fields: BTreeMap<String, Field>,
    /// Of each of these groups at most one field may be present.
    pub exclusive: Vec<Vec<String>>,
    /// Other fields are accepted.
    pub open: bool,
}

/// A field of an [`ObjectShape`].
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// What its value must look like.
    pub shape: Shape,
    /// Must be present.
    pub required: bool,
}

impl Shape {
    /// The shape of a Rust type.
    pub fn of<T: JsonSchema>() -> Self {
        let schema = SchemaGenerator::default().into_root_schema_for::<T>().to_value();
        let definitions = schema.get("$defs").cloned().unwrap_or(Value::Null);
        convert(&schema, &definitions, "value")
    }
}

fn convert(schema: &Value, definitions: &Value, name: &str) -> Shape {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let name = reference.rsplit('/').next().unwrap_or(reference);
        return convert(&definitions[name], definitions, name);
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return Shape::Enum(words.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect());
    }
    if let Some(alternatives) = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array) {
        return alternative(alternatives, definitions, name);
    }
    match type_name(schema) {
        Some("string") if schema.get("format").and_then(Value::as_str) == Some("duration") => Shape::Duration,
        Some("string") => Shape::Text,
        Some("boolean") => Shape::Bool,
        Some("number") => Shape::Number,
        Some("integer") => integer(schema),
        Some("array") => Shape::List {
            item: Box::new(convert(&schema["items"], definitions, name)),
            max: schema.get("maxItems").and_then(Value::as_u64),
        },
        Some("object") => object(schema, definitions, name),
        _ => Shape::Any,
    }
}

/// `Option<T>` is "T or null"; a documented enum is a choice of constants.
fn alternative(alternatives: &[Value], definitions: &Value, name: &str) -> Shape {
    let words: Vec<String> = alternatives
        .iter()
        .flat_map(|one| match (one.get("const"), one.get("enum")) {
            (Some(word), _) => vec![word.clone()],
            (_, Some(Value::Array(words))) => words.clone(),
            _ => Vec::new(),
        })
        .filter_map(|word| word.as_str().map(str::to_owned))
        .collect();
    if !words.is_empty() {
        return Shape::Enum(words);
    }
    let other = alternatives.iter().find(|one| one.get("type").and_then(Value::as_str) != Some("null"));
    other.map_or(Shape::Any, |one| convert(one, definitions, name))
}

fn type_name(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::String(name) => Some(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        _ => None,
    }
}

fn integer(schema: &Value) -> Shape {
    let (min, max) = match schema.get("format").and_then(Value::as_str) {
        Some("uint32") => (0, i128::from(u32::MAX)),
        Some("int32") => (i128::from(i32::MIN), i128::from(i32::MAX)),
        Some("uint64") => (0, i128::from(u64::MAX)),
        _ => (i128::from(i64::MIN), i128::from(i64::MAX)),
    };
    Shape::Integer { min, max }
}

fn object(schema: &Value, definitions: &Value, name: &str) -> Shape {
    let name = schema.get("title").and_then(Value::as_str).unwrap_or(name);
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return match schema.get("additionalProperties") {
            Some(Value::Bool(false)) => Shape::Object(ObjectShape {
                name: name.to_owned(),
                fields: BTreeMap::new(),
                exclusive: Vec::new(),
                open: false,
            }),
            Some(value) => Shape::Map(Box::new(convert(value, definitions, name))),
            None => Shape::Any,
        };
    };
    let words = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|word| word.as_str().map(str::to_owned)).collect()
    };
    let required = schema.get("required").map(words).unwrap_or_default();
    let fields = properties
        .iter()
        .map(|(field, schema)| {
            let shape = convert(schema, definitions, field);
            (field.clone(), Field { shape, required: required.contains(field) })
        })
        .collect();
    let exclusive = schema.get("x-exclusive").and_then(Value::as_array);
    Shape::Object(ObjectShape {
        name: name.to_owned(),
        fields,
        exclusive: exclusive.into_iter().flatten().map(words).collect(),
        open: schema.get("additionalProperties") != Some(&Value::Bool(false)),
    })
}
