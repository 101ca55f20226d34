//! Findings as rustc prints them, with the lines they are about.

use std::collections::HashMap;

use annotate_snippets::{Annotation, AnnotationKind, Element, Group, Level, Renderer, Snippet};

use super::{Diagnostic, Label, Severity, SourceFile};

/// Labels that are further apart, in lines, are shown as two places.
const APART: usize = 20;
/// Longer lines, in bytes, are not shown: nobody could read them, and many findings may be in one.
const LONGEST_LINE: usize = 2000;

/// Prints findings as rustc does, with the lines of `files` that they are about.
pub fn render<'a>(
    diagnostics: impl IntoIterator<Item = &'a Diagnostic>,
    files: &'a [SourceFile],
    color: bool,
) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let texts: HashMap<&str, &str> = files.iter().map(|file| (file.name.as_str(), file.text.as_str())).collect();
    let mut out = String::new();
    for diagnostic in diagnostics {
        out += &renderer.render(&[group(diagnostic, &texts)]);
        out += "\n\n";
    }
    out
}

fn group<'a>(diagnostic: &'a Diagnostic, texts: &HashMap<&str, &'a str>) -> Group<'a> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code);
    let mut elements = places(diagnostic, texts);
    if let Some(id) = &diagnostic.resource {
        let field = if diagnostic.path.is_empty() { String::new() } else { format!(", {}", diagnostic.path) };
        elements.push(Level::NOTE.message(format!("in {id}{field}")).into());
    }
    for note in &diagnostic.notes {
        elements.push(Level::NOTE.message(note.as_str()).into());
    }
    if let Some(help) = &diagnostic.help {
        elements.push(Level::HELP.message(help.as_str()).into());
    }
    title.elements(elements)
}

/// The lines; of those that must not or cannot be shown the places alone.
fn places<'a>(diagnostic: &'a Diagnostic, texts: &HashMap<&str, &'a str>) -> Vec<Element<'a>> {
    let text = |label: &Label| texts.get(&*label.file).copied().filter(|_| !diagnostic.secret);
    let (mut lines, mut others): (Vec<Line<'a>>, Vec<&Label>) = Default::default();
    for label in &diagnostic.labels {
        match text(label).and_then(|text| Line::of(label, text)) {
            Some(line) => lines.push(line),
            None => others.push(label),
        }
    }
    // The primary place first, and what stands near it with it.
    lines.sort_by_key(|line| (!line.label.primary, line.start));
    let mut elements: Vec<Element<'a>> = Vec::new();
    while let Some(first) = lines.first().copied() {
        let (mut near, far): (Vec<_>, _) = lines.into_iter().partition(|line| line.is_near(&first));
        lines = far;
        near.sort_by_key(|line| line.start);
        elements.extend(snippet(&near).map(Element::from));
    }
    let place = |label: &Label| format!("at {}:{}:{}", label.file, label.place.line, label.place.column);
    elements.extend(others.into_iter().map(|label| Level::NOTE.message(place(label)).into()));
    elements
}

/// A label and its line.
#[derive(Clone, Copy)]
struct Line<'a> {
    label: &'a Label,
    text: &'a str,
    /// Where the line starts and ends in the text.
    start: usize,
    end: usize,
}

impl<'a> Line<'a> {
    /// `None` if it is too long to be shown.
    fn of(label: &'a Label, text: &'a str) -> Option<Self> {
        let at = label.place.range.start.min(text.len());
        // A file may be one line of many MiB, with a label on each of its objects.
        let (first, last) = (at.saturating_sub(LONGEST_LINE), text.len().min(at + LONGEST_LINE));
        let is_break = |byte: &u8| *byte == b'\n';
        let start = match text.as_bytes()[first..at].iter().rposition(is_break) {
            Some(n) => first + n + 1,
            None if first == 0 => 0,
            None => return None,
        };
        let end = match text.as_bytes()[at..last].iter().position(is_break) {
            Some(n) => at + n,
            None if last == text.len() => last,
            None => return None,
        };
        Some(Self { label, text, start, end })
    }

    fn is_near(&self, other: &Self) -> bool {
        self.label.file == other.label.file
            && self.label.place.line.abs_diff(other.label.place.line) <= APART
            && self.start.abs_diff(other.start) <= APART * LONGEST_LINE
    }

    /// In a text that starts at `offset`.
    fn annotation(&self, offset: usize) -> Annotation<'a> {
        let kind = if self.label.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
        // A span over many lines would print a whole block; its first line is enough to find it.
        let start = self.label.place.range.start.min(self.end);
        let end = self.label.place.range.end.clamp(start, self.end);
        let annotation = kind.span(start - offset..end - offset);
        if self.label.text.is_empty() { annotation } else { annotation.label(self.label.text.as_str()) }
    }
}

/// Lines near each other, in their order. The renderer reads all it is given: it is given no more than these.
fn snippet<'a>(lines: &[Line<'a>]) -> Option<Snippet<'a, Annotation<'a>>> {
    let (first, last) = (lines.first()?, lines.last()?);
    let source = first.text.get(first.start..last.end)?;
    let annotations = lines.iter().map(|line| line.annotation(first.start));
    let snippet = Snippet::source(source).line_start(first.label.place.line.max(1));
    Some(snippet.path(&*first.label.file).annotations(annotations))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{Place, SCHEMA};

    #[test]
    fn a_finding_is_printed_with_its_line_and_in_one_line() {
        let file = SourceFile::new("a.yaml", "port: x\nhosts: []\n");
        let mut finding = Diagnostic::new(SCHEMA, Severity::Error, "`port` must be a number");
        finding.at(&"a.yaml".into(), Place { range: 6..7, line: 1, column: 7 }, "this is text").help("write a number");
        assert_eq!(finding.short(), "a.yaml:1:7: error[IST0106]: `port` must be a number");
        let text = render(&[finding], &[file], false);
        assert!(text.contains("error[IST0106]: `port` must be a number"), "{text}");
        assert!(text.contains("--> a.yaml:1:7"), "{text}");
        assert!(text.contains("= help: write a number"), "{text}");
    }

    /// The place of a word in a text.
    fn place(text: &str, word: &str) -> Place {
        let start = text.find(word).unwrap();
        let line = text[..start].matches('\n').count() + 1;
        let column = start - text[..start].rfind('\n').map_or(0, |n| n + 1) + 1;
        Place { range: start..start + word.len(), line, column }
    }

    fn rendered(text: &str, labels: &[(&str, bool)]) -> String {
        let mut finding = Diagnostic::new(SCHEMA, Severity::Error, "bad");
        for (word, primary) in labels {
            let place = place(text, word);
            finding.labels.push(Label { file: "f".into(), place, text: format!("this {word}"), primary: *primary });
        }
        render([&finding], &[SourceFile::new("f", text)], false)
    }

    #[test]
    fn places_near_each_other_are_shown_together_and_others_apart() {
        let text = format!("one: 1\n{}two: ä 2\nthree: 3\n", "between: 0\n".repeat(1000));
        let shown = rendered(&text, &[("one", false), ("three", true), ("2", false)]);
        assert!(shown.contains("--> f:1003:1") && shown.contains("f:1:1"), "{shown}");
        for line in ["1002 | two: ä 2", "1003 | three: 3", "1 | one: 1", "^^^^^ this three", "--- this one"] {
            assert!(shown.contains(line), "{line}: {shown}");
        }
        assert!(!shown.contains("between"), "{shown}");
    }

    #[test]
    fn of_a_line_that_is_too_long_and_of_an_unknown_file_the_place_is_given() {
        let text = format!("a: 1\nb: {}\n", "x".repeat(3000));
        let shown = rendered(&text, &[("b", true)]);
        assert!(shown.contains("at f:2:1") && !shown.contains("xxx"), "{shown}");
        let mut finding = Diagnostic::new(SCHEMA, Severity::Error, "bad");
        finding.at(&"gone".into(), Place { range: 7..9, line: 3, column: 4 }, "");
        assert!(render([&finding], &[], false).contains("at gone:3:4"));
    }
}
