//! Regular expressions: what Go's RE2 accepts, written as Rust's `regex` needs it.
//!
//! Both are of one family, but not the same: Rust knows nested classes, `x++` and `\b{start}`, which RE2 does not;
//! RE2 knows `\Q...\E`. The verdict must be RE2's, for that is what Istio's users write and test against.

use std::cell::RefCell;
use std::collections::HashMap;
use std::iter::Peekable;
use std::str::Chars;

use crate::model::Regex;

/// RE2 in Go: no counted repetition above this.
const MAX_REPEAT: u32 = 1000;
/// Istio's limit.
const MAX_LENGTH: usize = 1024;

thread_local! {
    /// What was compiled during this translation: the checks and the routes need the same, and compiling costs more
    /// than everything else together.
    static COMPILED: RefCell<HashMap<String, Result<Regex, String>>> = RefCell::default();
}

/// An expression that must match a whole text.
pub(super) fn full(source: &str) -> Result<Regex, String> {
    let known = COMPILED.with_borrow(|compiled| compiled.get(source).cloned());
    known.unwrap_or_else(|| {
        let regex =
            checked(source).and_then(|rust| Regex::full(&rust).map_err(|error| wrong(source, &error.to_string())));
        COMPILED.with_borrow_mut(|compiled| compiled.insert(source.to_owned(), regex.clone()));
        regex
    })
}

/// Gives the memory back when a translation is done.
pub(super) fn forget_compiled() {
    COMPILED.with_borrow_mut(HashMap::clear);
}

/// An expression that may match anywhere.
pub(super) fn anywhere(source: &str) -> Result<Regex, String> {
    let rust = checked(source)?;
    Regex::anywhere(&rust).map_err(|error| wrong(source, &error.to_string()))
}

fn checked(source: &str) -> Result<String, String> {
    if source.is_empty() {
        return Err("a regex cannot be empty".to_owned());
    }
    if source.len() > MAX_LENGTH {
        return Err(format!("a regex has {MAX_LENGTH} bytes at most, this has {}", source.len()));
    }
    to_rust(source).map_err(|why| wrong(source, &why))
}

fn wrong(source: &str, why: &str) -> String {
    let shown: String = source.chars().take(60).collect();
    format!("`{shown}` is no RE2 expression: {}", why.trim())
}

/// What a `*` here would repeat.
#[derive(Clone, Copy, PartialEq)]
enum Before {
    Nothing,
    Atom,
    Repetition,
}

struct Converter<'a> {
    rest: Peekable<Chars<'a>>,
    out: String,
    before: Before,
    depth: usize,
}

fn to_rust(source: &str) -> Result<String, String> {
    let out = String::with_capacity(source.len());
    let mut converter = Converter { rest: source.chars().peekable(), out, before: Before::Nothing, depth: 0 };
    while let Some(c) = converter.rest.next() {
        converter.one(c)?;
    }
    if converter.depth > 0 { Err("missing closing )".to_owned()) } else { Ok(converter.out) }
}

impl Converter<'_> {
    fn one(&mut self, c: char) -> Result<(), String> {
        match c {
            '\\' => self.escape()?,
            '(' => self.open()?,
            ')' => {
                self.depth = self.depth.checked_sub(1).ok_or_else(|| "unexpected )".to_owned())?;
                self.atom(")");
            }
            '|' => {
                self.out.push('|');
                self.before = Before::Nothing;
            }
            '*' | '+' | '?' => self.repeat(&c.to_string())?,
            '{' => match self.counted()? {
                Some(counted) => self.repeat(&counted)?,
                None => self.atom("\\{"),
            },
            '}' => self.atom("\\}"),
            ']' => self.atom("\\]"),
            '[' => self.class()?,
            other => self.atom(other.encode_utf8(&mut [0; 4])),
        }
        Ok(())
    }

    fn atom(&mut self, text: &str) {
        self.out.push_str(text);
        self.before = Before::Atom;
    }

    fn repeat(&mut self, operator: &str) -> Result<(), String> {
        match self.before {
            Before::Nothing => return Err(format!("missing argument to repetition operator: `{operator}`")),
            Before::Repetition => return Err(format!("invalid nested repetition operator: `{operator}`")),
            Before::Atom => {}
        }
        self.out.push_str(operator);
        if self.rest.next_if_eq(&'?').is_some() {
            self.out.push('?');
        }
        self.before = Before::Repetition;
        Ok(())
    }

    /// `{n}`, `{n,}` or `{n,m}`; anything else is literal text.
    fn counted(&mut self) -> Result<Option<String>, String> {
        let ahead: String = self.rest.clone().take_while(|c| *c != '}').take(16).collect();
        let (low, high) = ahead.split_once(',').map_or((ahead.as_str(), None), |(low, high)| (low, Some(high)));
        let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let closed = self.rest.clone().nth(ahead.chars().count()) == Some('}');
        if !closed || !number(low) || !high.is_none_or(|high| high.is_empty() || number(high)) {
            return Ok(None);
        }
        let value = |text: &str| text.parse::<u32>().ok().filter(|n| *n <= MAX_REPEAT);
        let too_large = || format!("invalid repeat count: `{{{ahead}}}`");
        let low = value(low).ok_or_else(too_large)?;
        if let Some(high) = high.filter(|high| !high.is_empty()) {
            value(high).filter(|high| *high >= low).ok_or_else(too_large)?;
        }
        for _ in 0..=ahead.chars().count() {
            self.rest.next();
        }
        Ok(Some(format!("{{{ahead}}}")))
    }

    fn open(&mut self) -> Result<(), String> {
        self.before = Before::Nothing;
        self.out.push('(');
        if self.rest.next_if_eq(&'?').is_none() {
            self.depth += 1;
            return Ok(());
        }
        let ahead: String = self.rest.clone().take(3).collect();
        if (ahead.starts_with("P<") || ahead.starts_with('<')) && !ahead.starts_with("<=") && !ahead.starts_with("<!") {
            self.depth += 1;
            self.out.push('?');
            return Ok(());
        }
        self.flags()
    }

    /// `(?i)`, `(?s:...)` and such.
    fn flags(&mut self) -> Result<(), String> {
        let mut flags = String::new();
        loop {
            match self.rest.next() {
                Some(c @ ('i' | 'm' | 's' | 'U' | '-')) => flags.push(c),
                Some(c @ (':' | ')')) => {
                    if flags.ends_with('-') || flags.matches('-').count() > 1 || (c == ')' && flags.is_empty()) {
                        return Err("missing argument to repetition operator: `?`".to_owned());
                    }
                    self.out.push('?');
                    self.out.push_str(&flags);
                    self.out.push(c);
                    self.depth += usize::from(c == ':');
                    return Ok(());
                }
                other => {
                    let end = other.map_or_else(String::new, String::from);
                    return Err(format!("invalid or unsupported Perl syntax: `(?{flags}{end}`"));
                }
            }
        }
    }

    fn escape(&mut self) -> Result<(), String> {
        match self.rest.peek() {
            Some('Q') => {
                self.rest.next();
                self.quoted();
            }
            Some(c @ ('A' | 'z' | 'b' | 'B' | 'd' | 'D' | 's' | 'S' | 'w' | 'W')) => {
                let text = format!("\\{c}");
                self.rest.next();
                self.atom(&text);
            }
            _ => {
                let text = self.escaped_char()?;
                self.atom(&text);
            }
        }
        Ok(())
    }

    /// `\Q...\E`: literal text.
    fn quoted(&mut self) {
        while let Some(c) = self.rest.next() {
            if c == '\\' && self.rest.next_if_eq(&'E').is_some() {
                return;
            }
            let literal = regex::escape(c.encode_utf8(&mut [0; 4]));
            self.atom(&literal);
        }
    }

    /// The escapes that stand for a character or a Unicode class, inside and outside of `[...]`.
    fn escaped_char(&mut self) -> Result<String, String> {
        let Some(c) = self.rest.next() else { return Err("trailing backslash at end of expression".to_owned()) };
        match c {
            '0'..='7' => {
                let mut digits = String::from(c);
                while digits.len() < 3 {
                    let Some(digit) = self.rest.next_if(|c| matches!(c, '0'..='7')) else { break };
                    digits.push(digit);
                }
                if c != '0' && digits.len() == 1 {
                    return Err(format!("back-references are not supported: `\\{c}`"));
                }
                let value = u32::from_str_radix(&digits, 8).unwrap_or_default();
                Ok(format!("\\x{{{value:x}}}"))
            }
            'a' | 'f' | 'n' | 'r' | 't' | 'v' => Ok(format!("\\{c}")),
            'x' => self.hexadecimal(),
            'p' | 'P' => self.unicode_class(c),
            c if c.is_ascii_punctuation() => Ok(regex::escape(c.encode_utf8(&mut [0; 4]))),
            c => Err(format!("invalid escape sequence: `\\{c}`")),
        }
    }

    fn hexadecimal(&mut self) -> Result<String, String> {
        let wrong = || "invalid escape sequence: `\\x`".to_owned();
        let digits: String = if self.rest.next_if_eq(&'{').is_some() {
            self.rest.by_ref().take_while(|c| *c != '}').collect()
        } else {
            self.rest.by_ref().take(2).collect::<String>()
        };
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        Ok(format!("\\x{{{digits}}}"))
    }

    /// `\pN`, `\p{Greek}`, `\p{^Greek}`.
    fn unicode_class(&mut self, letter: char) -> Result<String, String> {
        let name: String = match self.rest.next() {
            Some('{') => self.rest.by_ref().take_while(|c| *c != '}').collect(),
            Some(one) => one.to_string(),
            None => String::new(),
        };
        let (name, turned) = name.strip_prefix('^').map_or((name.as_str(), false), |name| (name, true));
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(format!("invalid character class range: `\\{letter}{{{name}}}`"));
        }
        let letter = if turned == (letter == 'p') { 'P' } else { 'p' };
        Ok(format!("\\{letter}{{{name}}}"))
    }

    fn class(&mut self) -> Result<(), String> {
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            match self.rest.next() {
                None => return Err("missing closing ]".to_owned()),
                Some(']') if !first => break,
                Some('[') if self.rest.peek() == Some(&':') => self.posix_class()?,
                Some(c) => self.class_item(c)?,
            }
            first = false;
        }
        self.atom("]");
        Ok(())
    }

    fn posix_class(&mut self) -> Result<(), String> {
        let ahead: String = self.rest.clone().take(12).collect();
        let Some(end) = ahead.find(":]") else { return self.class_item('[') };
        let name = ahead.get(..end + 2).unwrap_or_default().to_owned();
        for _ in 0..name.chars().count() {
            self.rest.next();
        }
        // An unknown name is found by the compiler.
        self.out.push('[');
        self.out.push_str(&name);
        Ok(())
    }

    fn class_item(&mut self, c: char) -> Result<(), String> {
        let low = self.class_char(c)?;
        let mut ahead = self.rest.clone();
        let range = ahead.next() == Some('-') && ahead.next().is_some_and(|c| c != ']');
        self.out.push_str(&low);
        if range {
            self.rest.next();
            let Some(c) = self.rest.next() else { return Err("missing closing ]".to_owned()) };
            let high = self.class_char(c)?;
            self.out.push('-');
            self.out.push_str(&high);
        }
        Ok(())
    }

    fn class_char(&mut self, c: char) -> Result<String, String> {
        match c {
            '\\' => match self.rest.peek() {
                Some(c @ ('d' | 'D' | 's' | 'S' | 'w' | 'W')) => {
                    let text = format!("\\{c}");
                    self.rest.next();
                    Ok(text)
                }
                _ => self.escaped_char(),
            },
            '[' | ']' | '&' | '~' | '-' | '^' => Ok(format!("\\{c}")),
            c => Ok(c.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_is_that_of_re2() {
        for (source, good) in [
            (r"/a/\d+", true),
            (r"\pN", true),
            (r"(?P<n>a)", true),
            (r"(?<n>a)", true),
            (r"\Qa.b\E", true),
            (r"[[:alpha:]]+", true),
            (r"a\z", true),
            (r"(?i)abc", true),
            (r"(?i:abc)d", true),
            (r"[a-z&&b]", true),
            (r"[]a]", true),
            (r"[^]a]", true),
            (r"a{2,5}?", true),
            (r"a{,2}", true),
            (r"a{", true),
            (r"a}", true),
            (r"x*?", true),
            (r"\/a\-b", true),
            (r"\C", false),
            (r"a++", false),
            (r"a**", false),
            (r"a{1001}", false),
            (r"(?=a)", false),
            (r"(?!a)", false),
            (r"(?<=a)", false),
            (r"(a)\1", false),
            (r"*", false),
            (r"(*a)", false),
            (r"/(a", false),
            (r"a)", false),
            (r"[a", false),
            (r"\y", false),
            (r"(?x)a b", false),
            (r"[z-a]", false),
            ("", false),
        ] {
            assert_eq!(full(source).is_ok(), good, "{source:?}: {:?}", full(source));
        }
    }

    #[test]
    fn the_meaning_is_that_of_re2() {
        for (source, text, fits) in [
            (r"\Qa.b\E", "a.b", true),
            (r"\Qa.b\E", "axb", false),
            (r"[a&&b]+", "a&b", true),
            (r"[[a]", "[", true),
            (r"[a-]+", "a-", true),
            (r"\d", "٣", false),
            (r"a{,2}", "a{,2}", true),
            (r"a|b", "ab", false),
            (r"\101", "A", true),
        ] {
            let regex = full(source).unwrap();
            assert_eq!(regex.is_match(text.as_bytes()), fits, "{source:?} {text:?}");
        }
    }
}
