//! What begins with a backslash.

use super::converter::Converter;

/// General categories; all else is a script. (`L&` and `LC` are not known everywhere.)
const CATEGORIES: &str =
    "C Cc Cf Co Cs L Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd Pe Pf Pi Po Ps S Sc Sk Sm So Z Zl Zp Zs";
/// Scripts of four letters. Others of that length are short forms, which RE2 does not know.
const SHORT_SCRIPTS: [&str; 9] = ["Ahom", "Cham", "Kawi", "Lisu", "Miao", "Modi", "Newa", "Thai", "Toto"];

impl Converter<'_> {
    pub(super) fn escape(&mut self) -> Result<(), String> {
        match self.rest.peek() {
            Some('Q') => {
                self.rest.next();
                self.quoted();
            }
            Some(c @ ('A' | 'z' | 'b' | 'B')) => {
                let text = format!("\\{c}");
                self.rest.next();
                self.atom(&text);
            }
            _ => {
                let text = match self.escaped_class()? {
                    Some(class) => class,
                    None => self.escaped_char()?,
                };
                self.atom(&text);
            }
        }
        Ok(())
    }

    /// `\Q...\E`: literal text.
    fn quoted(&mut self) {
        self.nothing();
        while let Some(c) = self.rest.next() {
            if c == '\\' && self.rest.next_if_eq(&'E').is_some() {
                return;
            }
            let literal = regex::escape(c.encode_utf8(&mut [0; 4]));
            self.atom(&literal);
        }
    }

    /// The escapes that stand for several characters, inside and outside of `[...]`.
    pub(super) fn escaped_class(&mut self) -> Result<Option<String>, String> {
        let Some(c) = self.rest.next_if(|c| matches!(c, 'd' | 'D' | 's' | 'S' | 'w' | 'W' | 'p' | 'P')) else {
            return Ok(None);
        };
        if matches!(c, 'p' | 'P') { self.unicode_class(c).map(Some) } else { Ok(Some(format!("\\{c}"))) }
    }

    /// The escapes that stand for one character, inside and outside of `[...]`.
    pub(super) fn escaped_char(&mut self) -> Result<String, String> {
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
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => Ok(regex::escape(c.encode_utf8(&mut [0; 4]))),
            c => Err(format!("invalid escape sequence: `\\{c}`")),
        }
    }

    fn hexadecimal(&mut self) -> Result<String, String> {
        let digits = if self.rest.next_if_eq(&'{').is_some() {
            self.braced().unwrap_or_default()
        } else {
            Some(self.rest.by_ref().take(2).collect::<String>()).filter(|digits| digits.len() == 2).unwrap_or_default()
        };
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err("invalid escape sequence: `\\x`".to_owned());
        }
        Ok(format!("\\x{{{digits}}}"))
    }

    /// The text before a `}`, if there is one.
    fn braced(&mut self) -> Option<String> {
        let mut text = String::new();
        loop {
            match self.rest.next()? {
                '}' => return Some(text),
                c => text.push(c),
            }
        }
    }

    /// `\pN`, `\p{Greek}`, `\p{^Greek}`.
    fn unicode_class(&mut self, letter: char) -> Result<String, String> {
        let name = match self.rest.next() {
            Some('{') => self.braced(),
            Some(one) => Some(one.to_string()),
            None => None,
        };
        let name = name.unwrap_or_default();
        let (bare, turned) = name.strip_prefix('^').map_or((name.as_str(), false), |name| (name, true));
        let rust = property(bare).ok_or_else(|| format!("invalid character class range: `\\{letter}{{{name}}}`"))?;
        let letter = if turned == (letter == 'p') { 'P' } else { 'p' };
        Ok(format!("\\{letter}{{{rust}}}"))
    }
}

/// A property by the name that RE2 knows: case counts, and there are no other forms.
fn property(name: &str) -> Option<String> {
    if name == "Any" {
        return Some("any".to_owned());
    }
    if CATEGORIES.split(' ').any(|category| category == name) {
        return Some(format!("gc={name}"));
    }
    let part = |part: &str| {
        let rest = part.strip_prefix(|c: char| c.is_ascii_uppercase());
        let lower = |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_lowercase());
        rest.is_some_and(lower) || matches!(part, "A" | "B" | "SignWriting")
    };
    let whole = name.len() > 1 && name.split('_').all(part);
    (whole && (name.len() != 4 || SHORT_SCRIPTS.contains(&name))).then(|| format!("sc={name}"))
}
