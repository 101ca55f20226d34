//! Findings for people: in full, but not without end.
use std::collections::HashMap;

use gateway_core::diagnostic::{Diagnostic, Severity, SourceFile, render};

/// Of each severity so many are shown with their lines. Who has more has one cause, not a thousand.
pub(crate) const MOST: usize = 100;

/// The first findings of each severity from `least` on, with their lines, and how many more there are.
pub(crate) fn text(findings: &[Diagnostic], least: Severity, files: &[SourceFile], color: bool) -> String {
    let mut counts = HashMap::<Severity, usize>::new();
    let shown = findings.iter().filter(|finding| {
        let count = counts.entry(finding.severity).or_default();
        *count += 1;
        finding.severity >= least && *count <= MOST
    });
    let mut out = render(shown, files, color);
    for severity in [Severity::Error, Severity::Warning, Severity::Note] {
        let more = counts.get(&severity).map_or(0, |count| count.saturating_sub(MOST));
        if severity >= least && more > 0 {
            out += &format!("… and {more} more of severity {severity} (`gateway check -o short` shows all)\n");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_of_each_severity_are_shown() {
        let finding = |severity| Diagnostic::new("GW0000", severity, "bad");
        let mut findings = vec![finding(Severity::Error); 103];
        findings.extend(vec![finding(Severity::Warning); 100]);
        findings.extend(vec![finding(Severity::Note); 101]);
        let shown = text(&findings, Severity::Note, &[], false);
        let count = |part| shown.matches(part).count();
        assert_eq!((count("error["), count("warning["), count("note[")), (100, 100, 100));
        assert!(shown.contains("… and 3 more of severity error") && shown.contains("… and 1 more of severity note"));
        let shown = text(&findings, Severity::Warning, &[], false);
        assert!(!shown.contains("note") && !shown.contains("of severity warning"), "{shown}");
    }
}
