//! Collects the findings about one object.

use std::fmt::Display;

use crate::diagnostic::{Diagnostic, NOT_BUILT, ResourceId, SCHEMA, Severity};
use crate::istio::{Object, Source};
use crate::yaml::Path;

/// Findings about one object, with the place of the field each is about.
pub(super) struct Report<'a> {
    id: &'a ResourceId,
    source: &'a Source,
    findings: &'a mut Vec<Diagnostic>,
    errors: usize,
}

impl<'a> Report<'a> {
    pub(super) fn new<T>(object: &'a Object<T>, findings: &'a mut Vec<Diagnostic>) -> Self {
        Self { id: &object.id, source: &object.source, findings, errors: 0 }
    }

    /// How many errors were reported: any leaves the object out.
    pub(super) const fn errors(&self) -> usize {
        self.errors
    }

    /// The value is not allowed.
    pub(super) fn error(&mut self, path: &Path<'_>, message: impl Display) -> &mut Diagnostic {
        self.add(SCHEMA, Severity::Error, path, message)
    }

    /// Reports what `check` found fault with.
    pub(super) fn check<T>(&mut self, path: &Path<'_>, check: Result<T, String>) -> Option<T> {
        check.map_err(|message| self.error(path, message)).ok()
    }

    /// Accepted by Istio, but this gateway cannot do it yet.
    pub(super) fn not_built(&mut self, path: &Path<'_>, what: impl Display) -> &mut Diagnostic {
        let finding = self.add(NOT_BUILT, Severity::Error, path, format!("{what} is not supported yet"));
        finding.note("the object is left out: serving it without this would not be what it says")
    }

    pub(super) fn warn(&mut self, code: &'static str, path: &Path<'_>, message: impl Display) -> &mut Diagnostic {
        self.add(code, Severity::Warning, path, message)
    }

    pub(super) fn note(&mut self, code: &'static str, path: &Path<'_>, message: impl Display) -> &mut Diagnostic {
        self.add(code, Severity::Note, path, message)
    }

    fn add(
        &mut self,
        code: &'static str,
        severity: Severity,
        path: &Path<'_>,
        message: impl Display,
    ) -> &mut Diagnostic {
        if severity == Severity::Error {
            self.errors += 1;
        }
        let mut finding = Diagnostic::new(code, severity, message.to_string());
        finding.resource = Some(self.id.clone());
        finding.path = path.to_string();
        finding.labels.push(self.source.label(path, "", true));
        self.findings.push(finding);
        let last = self.findings.len() - 1;
        &mut self.findings[last]
    }
}
