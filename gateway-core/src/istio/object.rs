//! An object together with where it was written.

use std::sync::Arc;

use super::meta::ObjectMeta;
use crate::diagnostic::{Label, Place, ResourceId};
use crate::yaml::{Node, Path};

/// An object as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Object<T> {
    /// Kind, namespace (after defaulting) and name.
    pub id: ResourceId,
    /// Its metadata.
    pub meta: ObjectMeta,
    /// Its content.
    pub spec: T,
    /// Where it was written.
    pub source: Source,
}

impl<T> Object<T> {
    /// Its namespace.
    pub fn namespace(&self) -> &str {
        &self.id.namespace
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.id.name
    }

    /// Older objects first; those without a time last; then by name, then by namespace.
    pub fn age_order(&self) -> (bool, &str, &str, &str) {
        let time = self.meta.creation_timestamp.as_deref();
        (time.is_none(), time.unwrap_or_default(), &self.id.name, &self.id.namespace)
    }
}

/// Where an object was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Name of the file.
    pub file: Arc<str>,
    pub(super) root: Arc<Node>,
}

impl Source {
    /// The place of a field, or of the nearest thing around it that is written.
    pub fn place(&self, path: &Path<'_>) -> Place {
        self.root.place_of(path)
    }

    /// The place of a field's name.
    pub fn key_place(&self, path: &Path<'_>) -> Place {
        self.root.key_place_of(path)
    }

    /// The same as a label.
    pub fn label(&self, path: &Path<'_>, text: impl Into<String>, primary: bool) -> Label {
        Label { file: Arc::clone(&self.file), place: self.place(path), text: text.into(), primary }
    }
}
