//! Parser events to trees, with all that YAML allows and a configuration must not contain refused.

use std::sync::Arc;

use granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use super::{Entry, Kind, Node, Scalar};
use crate::diagnostic::{Diagnostic, Place, SYNTAX, Severity, SourceFile, YAML_FORM};

/// Larger files are refused unread.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Lists and mappings inside each other.
const MAX_DEPTH: usize = 128;

/// One document of a file.
#[derive(Debug)]
pub struct Document {
    /// The tree; none if the document is empty. If its syntax is broken, what stands before that place.
    pub root: Option<Node>,
    /// What is wrong with it as YAML. With an error here the tree is not to be used but for what it closes.
    pub findings: Vec<Diagnostic>,
}

/// Reads all documents of a file. After a syntax error it goes on at the next `---`.
pub fn read(file: &SourceFile) -> Vec<Document> {
    let name: Arc<str> = file.name.as_str().into();
    if file.text.len() > MAX_BYTES {
        let mut finding =
            Diagnostic::new(YAML_FORM, Severity::Error, format!("the file is larger than {} MiB", MAX_BYTES >> 20));
        finding.at(&name, Place { range: 0..0, line: 1, column: 1 }, "").help("split it into several files");
        return vec![Document { root: None, findings: vec![finding] }];
    }
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.emit_unresolved_aliases = true;
    let parser = Parser::new_from_str_with_options(&file.text, options);
    Reader { parser, file: name, text: &file.text, findings: Vec::new() }.documents()
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    file: Arc<str>,
    text: &'a str,
    findings: Vec<Diagnostic>,
}

/// A document was left half-way.
struct Stop {
    why: Why,
    /// What was read of the node.
    read: Option<Node>,
}

enum Why {
    Syntax(Box<ScanError>),
    TooDeep,
    End,
}

impl From<Why> for Stop {
    fn from(why: Why) -> Self {
        Self { why, read: None }
    }
}

impl<'a> Reader<'a> {
    fn documents(mut self) -> Vec<Document> {
        let mut documents = Vec::new();
        loop {
            let root = match self.document() {
                Ok(Some(root)) => root,
                Ok(None) => break,
                Err(stop) => {
                    if let Why::Syntax(error) = &stop.why {
                        self.syntax_error(error);
                    }
                    documents.push(Document { root: stop.read, findings: std::mem::take(&mut self.findings) });
                    match self.parser.proceed_next_document() {
                        Ok(true) if !matches!(stop.why, Why::End) => continue,
                        _ => break,
                    }
                }
            };
            let root = Some(root).filter(|root| !root.is_null());
            documents.push(Document { root, findings: std::mem::take(&mut self.findings) });
        }
        documents
    }

    /// The next document's tree; `None` at the end of the file.
    fn document(&mut self) -> Result<Option<Node>, Stop> {
        loop {
            match self.next() {
                Ok((Event::StreamEnd, _)) | Err(Stop { why: Why::End, .. }) => return Ok(None),
                Ok((Event::DocumentStart(..) | Event::StreamStart | Event::DocumentEnd, _)) => {}
                Ok((event, span)) => return self.node(event, &span, 0).map(Some),
                Err(stop) => return Err(stop),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Stop> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(Why::Syntax(Box::new(error)).into()),
            None => Err(Why::End.into()),
        }
    }

    fn node(&mut self, event: Event<'a>, span: &Span, depth: usize) -> Result<Node, Stop> {
        let place = place(span);
        if depth > MAX_DEPTH {
            let message = format!("lists and mappings stand more than {MAX_DEPTH} deep inside each other");
            self.refuse(&message, &place, "", None);
            return Err(Why::TooDeep.into());
        }
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.properties(anchor, tag.as_deref(), &place);
                Ok(scalar(&text, style, tag.as_deref(), place))
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.properties(anchor, tag.as_deref(), &place);
                self.list(place, depth)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.properties(anchor, tag.as_deref(), &place);
                self.map(place, depth)
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.refuse("aliases (`*name`) are not read", &place, "", Some("write the value out here"));
                Ok(scalar("", ScalarStyle::SingleQuoted, None, place))
            }
            _ => Ok(scalar("", ScalarStyle::Plain, None, place)),
        }
    }

    fn list(&mut self, mut place: Place, depth: usize) -> Result<Node, Stop> {
        let mut items = Vec::new();
        match self.items(&mut items, depth) {
            Ok(end) => {
                place.range.end = end.max(place.range.end);
                Ok(Node { kind: Kind::List(items), place })
            }
            Err(stop) => {
                items.extend(stop.read);
                Err(Stop { why: stop.why, read: Some(Node { kind: Kind::List(items), place }) })
            }
        }
    }

    /// Reads up to the end, and gives its place.
    fn items(&mut self, items: &mut Vec<Node>, depth: usize) -> Result<usize, Stop> {
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok(end(&span));
            }
            items.push(self.node(event, &span, depth + 1)?);
        }
    }

    fn map(&mut self, mut place: Place, depth: usize) -> Result<Node, Stop> {
        let mut entries = Vec::new();
        match self.entries(&mut entries, depth) {
            Ok(end) => {
                place.range.end = end.max(place.range.end);
                Ok(Node { kind: Kind::Map(entries), place })
            }
            Err(stop) => Err(Stop { why: stop.why, read: Some(Node { kind: Kind::Map(entries), place }) }),
        }
    }

    /// As [`items`](Self::items).
    fn entries(&mut self, entries: &mut Vec<Entry>, depth: usize) -> Result<usize, Stop> {
        // Of a large mapping (labels, headers) the search for duplicates must not be quadratic.
        let mut seen = std::collections::HashMap::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(end(&span));
            }
            let key = self.node(event, &span, depth + 1)?;
            let (event, span) = self.next()?;
            let (value, stop) = match self.node(event, &span, depth + 1) {
                Ok(value) => (value, None),
                Err(Stop { why, read: Some(value) }) => (value, Some(why)),
                Err(stop) => return Err(stop),
            };
            self.entry(key, value, entries, &mut seen);
            if let Some(why) = stop {
                return Err(why.into());
            }
        }
    }

    fn entry(
        &mut self,
        key: Node,
        value: Node,
        entries: &mut Vec<Entry>,
        seen: &mut std::collections::HashMap<String, Place>,
    ) {
        let Kind::Scalar { text, value: key_type, .. } = key.kind else {
            self.refuse("a key must be text", &key.place, "this is a list or mapping", None);
            return;
        };
        if text == "<<" {
            self.refuse("merge keys (`<<`) are not read", &key.place, "", Some("write the fields out here"));
            return;
        }
        if let Some(first) = seen.insert(text.clone(), key.place.clone()) {
            self.duplicate(&text, &key.place, first);
            return;
        }
        entries.push(Entry { key: text, key_place: key.place, key_type, value });
    }

    fn duplicate(&mut self, key: &str, second: &Place, first: Place) {
        let mut finding = Diagnostic::new(YAML_FORM, Severity::Error, format!("the key `{key}` is here twice"));
        finding.at(&self.file, second.clone(), "again here").beside(&self.file, first, "first here");
        finding.help("keep one of them");
        self.findings.push(finding);
    }

    fn properties(&mut self, anchor: usize, tag: Option<&Tag>, place: &Place) {
        if anchor != 0 {
            let text = "an anchor (`&name`) stands before this";
            self.refuse(
                "anchors are not read",
                place,
                text,
                Some("remove it, and write the value out where it is used"),
            );
        }
        if let Some(tag) = tag.filter(|tag| !tag.is_yaml_core_schema()) {
            let message = format!("the tag `{}` is not read", tag.original());
            self.refuse(&message, place, "", Some("remove the tag"));
        }
    }

    fn refuse(&mut self, message: &str, place: &Place, label: &str, help: Option<&str>) {
        let mut finding = Diagnostic::new(YAML_FORM, Severity::Error, message);
        finding.at(&self.file, place.clone(), label);
        finding.help = help.map(str::to_owned);
        self.findings.push(finding);
    }

    fn syntax_error(&mut self, error: &ScanError) {
        let marker = error.marker();
        let start = marker.byte_offset().unwrap_or(0).min(self.text.len());
        let width = self.text.get(start..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        let place = Place { range: start..start + width, line: marker.line(), column: marker.col() + 1 };
        let mut finding = Diagnostic::new(SYNTAX, Severity::Error, format!("this is no YAML: {}", error.info()));
        finding.at(&self.file, place, "").note("reading goes on at the next line `---`");
        if error.info().contains("tab") {
            finding.help("indent with spaces: YAML allows no tab here");
        }
        self.findings.push(finding);
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>, place: Place) -> Node {
    let plain = matches!(style, ScalarStyle::Plain);
    let core = |name| tag.is_some_and(|tag| tag.is_yaml_core_schema_tag(name));
    let value = if core("str") || (!plain && tag.is_none_or(|tag| !tag.is_yaml_core_schema())) {
        Scalar::Text
    } else {
        Scalar::of_plain(text)
    };
    Node { kind: Kind::Scalar { value, text: text.to_owned(), plain: plain && value != Scalar::Text }, place }
}

fn place(span: &Span) -> Place {
    let range = span.byte_range().unwrap_or(0..0);
    Place { range, line: span.start.line(), column: span.start.col() + 1 }
}

fn end(span: &Span) -> usize {
    span.byte_range().map_or(0, |range| range.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &str) -> Vec<String> {
        let documents = read(&SourceFile::new("f", text));
        documents.into_iter().flat_map(|d| d.findings).map(|d| d.short()).collect()
    }

    #[test]
    fn places_are_bytes_lines_and_columns() {
        let documents = read(&SourceFile::new("f", "a:\n  - ä: 1\n    b: two\n---\nc: 3\n"));
        assert_eq!(documents.len(), 2);
        let root = documents[0].root.as_ref().unwrap();
        let list = super::super::Path::ROOT.key("a");
        let item = list.index(0);
        assert_eq!(root.place_of(&item.key("b")), Place { range: 20..23, line: 3, column: 8 });
        assert_eq!(root.place_of(&item.key("missing")).line, 2);
        assert_eq!(documents[1].root.as_ref().unwrap().get("c").unwrap().place.line, 5);
    }

    #[test]
    fn what_a_configuration_must_not_contain_is_refused() {
        let cases = [
            ("a: 1\na: 2\n", "f:2:1: error[GW0003]: the key `a` is here twice"),
            ("a: *x\n", "f:1:4: error[GW0003]: aliases (`*name`) are not read"),
            ("a: &x 1\n", "f:1:7: error[GW0003]: anchors are not read"),
            ("a: !foo 1\n", "f:1:9: error[GW0003]: the tag `!foo` is not read"),
            ("<<: {a: 1}\n", "f:1:1: error[GW0003]: merge keys (`<<`) are not read"),
            ("[a]: 1\n", "f:1:1: error[GW0003]: a key must be text"),
        ];
        for (text, expected) in cases {
            assert_eq!(messages(text), [expected], "{text:?}");
        }
    }

    #[test]
    fn reading_goes_on_after_a_syntax_error() {
        let documents = read(&SourceFile::new("f", "a: [1\nb: 2\n---\nc: 3\n---\nd: {\n---\ne: 5\n"));
        let good: Vec<_> = documents.iter().filter(|d| d.findings.is_empty()).collect();
        assert_eq!(documents.len(), 4, "{documents:#?}");
        assert_eq!(good.len(), 2, "{documents:#?}");
    }

    #[test]
    fn depth_is_bounded() {
        let text = "[".repeat(200) + &"]".repeat(200);
        assert!(messages(&text)[0].contains("error["));
    }

    #[test]
    fn json_is_yaml() {
        let documents = read(&SourceFile::new("f.json", "{\"a\": {\"b\": [1, true, null, \"x\"]}}"));
        assert!(documents[0].findings.is_empty());
    }
}
