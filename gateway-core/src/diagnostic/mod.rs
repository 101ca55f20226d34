//! What is wrong with a configuration, where, and the cure.
//!
//! Every finding of the reader, the checks and the translation is a [`Diagnostic`]. [`render`] prints them with the
//! lines they are about; [`Diagnostic::short`] gives one line for editors and CI.
//!
//! Istio's own codes (`IST0106` ...) are used where the meaning is the same; `GW...` codes are ours.

mod render;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

pub use self::render::render;

/// Accepted by Istio, but this gateway cannot do it yet.
pub const NOT_BUILT: &str = "GW0001";
/// The text is no YAML.
pub const SYNTAX: &str = "GW0002";
/// YAML that is legal but refused here: aliases, duplicate keys, custom tags, a file too large.
pub const YAML_FORM: &str = "GW0003";
/// A document of a kind that is not read.
pub const SKIPPED: &str = "GW0004";
/// Two objects of one kind, namespace and name.
pub const DUPLICATE_OBJECT: &str = "GW0005";
/// A kind that cannot be left out without changing what the configuration means.
pub const UNSUPPORTED_KIND: &str = "GW0006";
/// Accepted, but without effect in this gateway.
pub const NO_EFFECT: &str = "GW0007";
/// Legal, but surprising.
pub const SURPRISE: &str = "GW0008";
/// A part that a standalone gateway cannot honour (mesh identity, JWT ...).
pub const NEEDS_MESH: &str = "GW0009";
/// A VirtualService or one of its hosts is bound to nothing.
pub const UNBOUND: &str = "GW0010";
/// A file cannot be read.
pub const UNREADABLE: &str = "GW0011";
/// A field or value is deprecated.
pub const DEPRECATED: &str = "IST0002";
/// A referenced object does not exist.
pub const REFERENCE: &str = "IST0101";
/// A value is not allowed.
pub const SCHEMA: &str = "IST0106";
/// A regular expression is not RE2.
pub const REGEX: &str = "IST0122";
/// A rule can never be reached.
pub const UNREACHABLE: &str = "IST0130";
/// A host of a VirtualService is not admitted by its Gateway.
pub const HOST_NOT_IN_GATEWAY: &str = "IST0132";
/// Two servers exclude each other.
pub const CONFLICT: &str = "IST0145";
/// A route needs a JWT that nothing verifies.
pub const JWT: &str = "IST0149";
/// A credential is missing or cannot be used.
pub const CREDENTIAL: &str = "IST0161";

/// A named text: what a diagnostic points into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// The name to show, normally the path as the user gave it.
    pub name: String,
    /// The content.
    pub text: String,
}

impl SourceFile {
    /// A file with this name and content.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into() }
    }
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// For information.
    Note,
    /// Accepted, but probably not what was meant.
    Warning,
    /// The object is left out.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// Which object a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId {
    /// `Gateway`, `VirtualService` ...
    pub kind: String,
    /// The namespace, after defaulting.
    pub namespace: String,
    /// The name; empty if the object has none.
    pub name: String,
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// Bytes.
    pub range: Range<usize>,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

/// A marked place with a remark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Name of the [`SourceFile`].
    pub file: Arc<str>,
    /// Where.
    pub place: Place,
    /// The remark; may be empty.
    pub text: String,
    /// Whether this is where the error is, or only what it has to do with.
    pub primary: bool,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code, to search for and to suppress.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// The object it is about.
    pub resource: Option<ResourceId>,
    /// The field it is about, such as `spec.http[0].match[1].uri`; may be empty.
    pub path: String,
    /// Marked places; the first primary one is *the* place.
    pub labels: Vec<Label>,
    /// The cure.
    pub help: Option<String>,
    /// Further remarks.
    pub notes: Vec<String>,
    /// The lines it is about may be a key: [`render`] gives their places alone.
    pub secret: bool,
}

impl Diagnostic {
    /// A finding without a place.
    pub fn new(code: &'static str, severity: Severity, message: impl Into<String>) -> Self {
        Self {
            code,
            severity,
            message: message.into(),
            resource: None,
            path: String::new(),
            labels: Vec::new(),
            help: None,
            notes: Vec::new(),
            secret: false,
        }
    }

    /// Adds the place itself.
    pub fn at(&mut self, file: &Arc<str>, place: Place, text: impl Into<String>) -> &mut Self {
        self.labels.push(Label { file: Arc::clone(file), place, text: text.into(), primary: true });
        self
    }

    /// Adds a place that has to do with it.
    pub fn beside(&mut self, file: &Arc<str>, place: Place, text: impl Into<String>) -> &mut Self {
        self.labels.push(Label { file: Arc::clone(file), place, text: text.into(), primary: false });
        self
    }

    /// Sets the cure.
    pub fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(help.into());
        self
    }

    /// Adds a remark.
    pub fn note(&mut self, note: impl Into<String>) -> &mut Self {
        self.notes.push(note.into());
        self
    }

    /// The main place.
    pub fn primary(&self) -> Option<&Label> {
        self.labels.iter().find(|label| label.primary).or_else(|| self.labels.first())
    }

    /// Whether the object was refused as invalid, which [`NOT_BUILT`] is not.
    pub fn is_rejection(&self) -> bool {
        self.severity == Severity::Error && self.code != NOT_BUILT
    }

    /// `file:line:column: severity[CODE]: message`, in one line.
    pub fn short(&self) -> String {
        let mut out = String::new();
        if let Some(label) = self.primary() {
            out += &format!("{}:{}:{}: ", label.file, label.place.line, label.place.column);
        }
        out += &format!("{}[{}]: {}", self.severity, self.code, self.message.replace('\n', " "));
        if let Some(id) = &self.resource {
            out += &format!(" ({id}");
            if !self.path.is_empty() {
                out += &format!(", {}", self.path);
            }
            out.push(')');
        }
        out
    }
}
