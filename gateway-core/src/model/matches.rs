//! The conditions of a route.
use std::fmt;

use http::{HeaderMap, HeaderName, Method};
use regex::bytes;

/// What a request must be like: all of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RequestMatch {
    /// The path, without query.
    pub path: Option<PathMatch>,
    /// `http` or `https`.
    pub scheme: Option<StringMatch>,
    /// The method, case-sensitive.
    pub method: Option<StringMatch>,
    /// The Host as sent, with port.
    pub authority: Option<StringMatch>,
    /// Header conditions, `withoutHeaders` too.
    pub headers: Vec<HeaderMatch>,
    /// Query parameters.
    pub query: Vec<QueryMatch>,
}

/// The head of a request, as the conditions see it.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path, without query.
    pub path: &'a str,
    /// The query, without `?`.
    pub query: Option<&'a str>,
    /// Path and query, as one text.
    pub path_and_query: &'a str,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// Host or `:authority`, as sent.
    pub authority: &'a [u8],
    /// All headers.
    pub headers: &'a HeaderMap,
}

/// A condition on a text.
#[derive(Clone, Debug, PartialEq)]
pub enum StringMatch {
    /// Equal.
    Exact(String),
    /// Begins with it: no regard to segments of paths.
    Prefix(String),
    /// All of the text matches.
    Regex(Regex),
}

/// A condition on the path.
#[derive(Clone, Debug, PartialEq)]
pub struct PathMatch {
    /// What it must be.
    pub value: StringMatch,
    /// Without regard to ASCII case; not for a regex.
    pub ignore_case: bool,
}

/// A condition on a header.
#[derive(Clone, Debug, PartialEq)]
pub struct HeaderMatch {
    /// Which.
    pub key: HeaderKey,
    /// `None`: that it is there.
    pub value: Option<StringMatch>,
    /// `withoutHeaders`: turned round, and a missing header counts as empty where a value is asked for.
    pub without: bool,
}

/// What a header condition looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderKey {
    /// `:authority`, `host`.
    Authority,
    /// `:path`, with the query.
    Path,
    /// `:method`.
    Method,
    /// `:scheme`.
    Scheme,
    /// `:status`, which a request never has.
    Status,
    /// Any other.
    Field(HeaderName),
}

/// A condition on the first query parameter of a name; nothing is decoded.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryMatch {
    /// The name, case-sensitive.
    pub name: String,
    /// `None`: that it is there.
    pub value: Option<StringMatch>,
}

/// A regular expression that was compiled when the configuration was loaded. Equal if the text is.
#[derive(Clone)]
pub struct Regex {
    source: String,
    compiled: bytes::Regex,
}

/// Why a regular expression was refused.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct RegexError(String);

impl RequestMatch {
    /// Only a path prefix.
    #[must_use]
    pub fn prefix(prefix: impl Into<String>) -> Self {
        Self::path(StringMatch::Prefix(prefix.into()))
    }

    /// Only a path, exactly.
    #[must_use]
    pub fn exact(path: impl Into<String>) -> Self {
        Self::path(StringMatch::Exact(path.into()))
    }

    fn path(value: StringMatch) -> Self {
        Self { path: Some(PathMatch { value, ignore_case: false }), ..Self::default() }
    }

    /// Everything but the path: what is left to test for a candidate of the route table.
    #[must_use]
    pub fn fits_beside_path(&self, head: &RequestHead<'_>) -> bool {
        let fits = |condition: &Option<StringMatch>, value: &[u8]| condition.as_ref().is_none_or(|c| c.fits(value));
        fits(&self.method, head.method.as_str().as_bytes())
            && fits(&self.scheme, head.scheme.as_bytes())
            && fits(&self.authority, head.authority)
            && self.headers.iter().all(|condition| condition.fits(head))
            && self.query.iter().all(|condition| condition.fits(head.query))
    }

    /// All of it.
    #[must_use]
    pub fn fits(&self, head: &RequestHead<'_>) -> bool {
        self.path.as_ref().is_none_or(|path| path.fits(head.path)) && self.fits_beside_path(head)
    }
}

impl StringMatch {
    /// Does the text fit?
    #[must_use]
    pub fn fits(&self, text: &[u8]) -> bool {
        match self {
            Self::Exact(exact) => text == exact.as_bytes(),
            Self::Prefix(prefix) => text.starts_with(prefix.as_bytes()),
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}

impl PathMatch {
    /// Does the path fit?
    #[must_use]
    pub fn fits(&self, path: &str) -> bool {
        let path = path.as_bytes();
        if !self.ignore_case {
            return self.value.fits(path);
        }
        match &self.value {
            StringMatch::Exact(exact) => path.eq_ignore_ascii_case(exact.as_bytes()),
            StringMatch::Prefix(prefix) => {
                path.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
            }
            StringMatch::Regex(regex) => regex.is_match(path),
        }
    }
}

impl HeaderMatch {
    fn fits(&self, head: &RequestHead<'_>) -> bool {
        self.fits_positively(head) != self.without
    }

    fn fits_positively(&self, head: &RequestHead<'_>) -> bool {
        let one = |text: &[u8]| self.value.as_ref().is_none_or(|value| value.fits(text));
        match &self.key {
            HeaderKey::Authority => one(head.authority),
            HeaderKey::Method => one(head.method.as_str().as_bytes()),
            HeaderKey::Scheme => one(head.scheme.as_bytes()),
            HeaderKey::Path => one(head.path_and_query.as_bytes()),
            HeaderKey::Status => self.missing(),
            HeaderKey::Field(name) => {
                let mut values = head.headers.get_all(name).iter().peekable();
                if values.peek().is_none() {
                    return self.missing();
                }
                values.any(|value| one(value.as_bytes()))
            }
        }
    }

    fn missing(&self) -> bool {
        self.without && self.value.as_ref().is_some_and(|value| value.fits(b""))
    }
}

impl QueryMatch {
    fn fits(&self, query: Option<&str>) -> bool {
        let first = query.into_iter().flat_map(|query| query.split('&')).find_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name == self.name).then_some(value)
        });
        first.is_some_and(|value| self.value.as_ref().is_none_or(|condition| condition.fits(value.as_bytes())))
    }
}

impl Regex {
    /// Compiles an expression that must match the whole text.
    ///
    /// # Errors
    /// If it is no expression, or larger than the limit.
    pub fn full(source: &str) -> Result<Self, RegexError> {
        // RE2's classes are ASCII, and its `.` is a character, not a byte.
        Self::compile(source, &format!(r"\A(?:{source})\z"))
    }

    /// Compiles an expression that may match anywhere.
    ///
    /// # Errors
    /// As [`full`](Self::full).
    pub fn anywhere(source: &str) -> Result<Self, RegexError> {
        Self::compile(source, source)
    }

    fn compile(source: &str, pattern: &str) -> Result<Self, RegexError> {
        // As much as RE2 takes, which needs half of it for the same.
        let compiled = bytes::RegexBuilder::new(&ascii_classes(pattern))
            .size_limit(16 << 20)
            .build()
            .map_err(|error| RegexError(error.to_string()))?;
        Ok(Self { source: source.to_owned(), compiled })
    }

    /// As written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Does it match?
    #[must_use]
    pub fn is_match(&self, text: &[u8]) -> bool {
        self.compiled.is_match(text)
    }

    /// Replaces every match; `with` is in RE2's notation (`\1`, `\0`, `\\`).
    #[must_use]
    pub fn replace_all(&self, text: &str, with: &str) -> String {
        let replaced = self.compiled.replace_all(text.as_bytes(), |groups: &bytes::Captures<'_>| {
            let mut out = Vec::new();
            let mut rest = with.bytes();
            while let Some(byte) = rest.next() {
                match (byte, byte == b'\\') {
                    (_, true) => match rest.next() {
                        Some(digit @ b'0'..=b'9') => {
                            let group = groups.get(usize::from(digit - b'0'));
                            out.extend_from_slice(group.map_or(b"", |group| group.as_bytes()));
                        }
                        Some(other) => out.push(other),
                        None => out.push(b'\\'),
                    },
                    (byte, false) => out.push(byte),
                }
            }
            out
        });
        String::from_utf8_lossy(&replaced).into_owned()
    }
}

/// RE2's `\d`, `\w`, `\s` know ASCII only; its `\s` has no vertical tab; `\b` is an ASCII word boundary.
fn ascii_classes(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match rest.next() {
            Some('d') => out.push_str("[0-9]"),
            Some('D') => out.push_str("[^0-9]"),
            Some('w') => out.push_str("[0-9A-Za-z_]"),
            Some('W') => out.push_str("[^0-9A-Za-z_]"),
            Some('s') => out.push_str(r"[\t\n\f\r ]"),
            Some('S') => out.push_str(r"[^\t\n\f\r ]"),
            Some('b') => out.push_str(r"(?-u:\b)"),
            Some('B') => out.push_str(r"(?-u:\B)"),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

impl PartialEq for Regex {
    fn eq(&self, other: &Self) -> bool {
        self.compiled.as_str() == other.compiled.as_str()
    }
}

impl fmt::Debug for Regex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Regex({})", self.source)
    }
}
