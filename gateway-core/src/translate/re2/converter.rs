//! Goes through an expression once: groups, flags and repetitions.

use std::iter::Peekable;
use std::str::Chars;

/// No counted repetition above this, nor the product of those inside each other.
const MAX_REPEAT: u32 = 1000;

/// What a `*` here would repeat.
#[derive(Clone, Copy, PartialEq)]
enum Before {
    Nothing,
    Atom,
    /// An operator: another one may not follow.
    Repetition,
    /// An operator and something without width, such as `(?i)`: another one may follow, for the whole of it.
    Repeated,
}

pub(super) struct Converter<'a> {
    pub(super) rest: Peekable<Chars<'a>>,
    out: String,
    /// `(?i)` and such, which stand before the next atom: a `*` between is for the atom before.
    flags: String,
    before: Before,
    /// How often the last atom repeats what it repeats most.
    repeats: u32,
    /// The same of the whole expression, and of each open group.
    groups: Vec<u32>,
}

/// An expression of RE2 for the `regex` crate.
pub(super) fn to_rust(source: &str) -> Result<String, String> {
    let mut converter = Converter {
        rest: source.chars().peekable(),
        out: String::with_capacity(source.len()),
        flags: String::new(),
        before: Before::Nothing,
        repeats: 1,
        groups: vec![1],
    };
    while let Some(c) = converter.rest.next() {
        converter.one(c)?;
    }
    converter.end_atom();
    if converter.groups.len() > 1 { Err("missing closing )".to_owned()) } else { Ok(converter.out) }
}

impl Converter<'_> {
    fn one(&mut self, c: char) -> Result<(), String> {
        match c {
            '\\' => self.escape()?,
            '(' => self.open()?,
            ')' => self.close()?,
            '|' => {
                self.end_atom();
                self.out.push('|');
                self.before = Before::Nothing;
            }
            '*' | '+' | '?' => self.repeat(c.encode_utf8(&mut [0; 4]), None)?,
            '{' => match self.counted()? {
                Some((counted, most)) => self.repeat(&counted, Some(most))?,
                None => self.atom("\\{"),
            },
            '}' => self.atom("\\}"),
            ']' => self.atom("\\]"),
            '[' => self.class()?,
            other => self.atom(other.encode_utf8(&mut [0; 4])),
        }
        Ok(())
    }

    /// Something that can be repeated.
    pub(super) fn atom(&mut self, text: &str) {
        self.end_atom();
        self.out.push_str(text);
        self.before = Before::Atom;
    }

    /// Something without width that is not even a place, such as `\Q\E`.
    pub(super) fn nothing(&mut self) {
        if self.before == Before::Repetition {
            self.before = Before::Repeated;
        }
    }

    fn end_atom(&mut self) {
        if let Some(group) = self.groups.last_mut() {
            *group = self.repeats.max(*group);
        }
        self.repeats = 1;
        self.out.push_str(&std::mem::take(&mut self.flags));
    }

    fn repeat(&mut self, operator: &str, most: Option<u32>) -> Result<(), String> {
        match self.before {
            Before::Nothing => return Err(format!("missing argument to repetition operator: `{operator}`")),
            Before::Repetition => return Err(format!("invalid nested repetition operator: `{operator}`")),
            // `a+?` would be another thing than `(a+)?`.
            Before::Repeated if operator == "?" => self.out.push_str("{0,1}"),
            Before::Atom | Before::Repeated => self.out.push_str(operator),
        }
        match most {
            // Nothing of it is left.
            Some(0) => self.repeats = 1,
            Some(most) => self.repeats = self.repeats.saturating_mul(most),
            None => {}
        }
        if self.repeats > MAX_REPEAT {
            return Err(format!("invalid repeat count: `{operator}` inside another one makes {}", self.repeats));
        }
        if self.rest.next_if_eq(&'?').is_some() {
            self.out.push('?');
        }
        self.before = Before::Repetition;
        Ok(())
    }

    /// `{n}`, `{n,}` or `{n,m}`, and how many that is at most; anything else is literal text.
    fn counted(&mut self) -> Result<Option<(String, u32)>, String> {
        let ahead: String = self.rest.clone().take_while(|c| *c != '}').collect();
        let (low, high) = ahead.split_once(',').map_or((ahead.as_str(), None), |(low, high)| (low, Some(high)));
        // A number with a zero in front is text too.
        let number = |text: &str| {
            text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() && (text == "0" || !text.starts_with('0'))
        };
        let closed = self.rest.clone().nth(ahead.chars().count()) == Some('}');
        if !closed || !number(low) || !high.is_none_or(|high| high.is_empty() || number(high)) {
            return Ok(None);
        }
        let value = |text: &str| text.parse::<u32>().ok().filter(|n| *n <= MAX_REPEAT);
        let too_large = || format!("invalid repeat count: `{{{ahead}}}`");
        let low = value(low).ok_or_else(too_large)?;
        let most = match high {
            None => low,
            // Without an end the least counts, and none is as one.
            Some("") => low.max(1),
            Some(high) => value(high).filter(|high| *high >= low).ok_or_else(too_large)?,
        };
        for _ in 0..=ahead.chars().count() {
            self.rest.next();
        }
        Ok(Some((format!("{{{ahead}}}"), most)))
    }

    fn open(&mut self) -> Result<(), String> {
        if self.rest.next_if_eq(&'?').is_some() {
            let ahead: String = self.rest.clone().take(2).collect();
            if !ahead.starts_with("P<") && !ahead.starts_with('<') {
                return self.flags();
            }
            self.group_name()?;
        }
        self.open_group("(");
        Ok(())
    }

    /// `P<name>` or `<name>`. Names are of no use here, and RE2 allows them twice.
    fn group_name(&mut self) -> Result<(), String> {
        self.rest.next_if_eq(&'P');
        self.rest.next();
        let mut name = String::new();
        loop {
            match self.rest.next() {
                Some('>') if !name.is_empty() => return Ok(()),
                Some(c) if c.is_ascii_alphanumeric() || c == '_' => name.push(c),
                _ => return Err(format!("invalid named capture: `(?P<{name}`")),
            }
        }
    }

    fn open_group(&mut self, text: &str) {
        self.end_atom();
        self.out.push_str(text);
        self.before = Before::Nothing;
        self.groups.push(1);
    }

    fn close(&mut self) -> Result<(), String> {
        self.end_atom();
        let repeats = self.groups.pop().filter(|_| !self.groups.is_empty());
        self.repeats = repeats.ok_or_else(|| "unexpected )".to_owned())?;
        self.out.push(')');
        self.before = Before::Atom;
        Ok(())
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
                    let text = format!("(?{flags}{c}");
                    if c == ':' {
                        self.open_group(&text);
                    } else {
                        self.flags.push_str(&text);
                        self.nothing();
                    }
                    return Ok(());
                }
                other => {
                    let end = other.map_or_else(String::new, String::from);
                    return Err(format!("invalid or unsupported Perl syntax: `(?{flags}{end}`"));
                }
            }
        }
    }
}
