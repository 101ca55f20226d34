//! Where a part of the configuration was written.
use std::{fmt, sync::Arc};

/// A resource: kind, namespace and name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectName {
    /// `Gateway`, `VirtualService` ...
    pub kind: Arc<str>,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

/// The place in the files where something was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The resource.
    pub object: ObjectName,
    /// The field, for example `spec.http[0].match[1]`.
    pub path: Arc<str>,
    /// The file's name as given; empty if the model was built by hand.
    pub file: Arc<str>,
    /// Line, from 1; 0 if there is no file.
    pub line: u32,
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.file.is_empty() {
            return write!(f, "{}", self.object);
        }
        write!(f, "{}:{} ({})", self.file, self.line, self.object)
    }
}
