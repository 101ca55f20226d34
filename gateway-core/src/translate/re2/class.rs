//! `[...]`.

use super::converter::Converter;

/// `[:NAME:]`.
const POSIX: &str = "alnum alpha ascii blank cntrl digit graph lower print punct space upper word xdigit";

impl Converter<'_> {
    pub(super) fn class(&mut self) -> Result<(), String> {
        let mut class = String::from("[");
        if self.rest.next_if_eq(&'^').is_some() {
            class.push('^');
        }
        let mut first = true;
        loop {
            match self.rest.next() {
                None => return Err("missing closing ]".to_owned()),
                Some(']') if !first => break,
                Some(c) => self.class_item(c, &mut class)?,
            }
            first = false;
        }
        class.push(']');
        self.atom(&class);
        Ok(())
    }

    fn class_item(&mut self, c: char, class: &mut String) -> Result<(), String> {
        if c == '[' && self.posix_class(class)? {
            return Ok(());
        }
        if c == '\\'
            && let Some(escaped) = self.escaped_class()?
        {
            class.push_str(&escaped);
            return Ok(());
        }
        class.push_str(&self.class_char(c)?);
        let mut ahead = self.rest.clone();
        if ahead.next() == Some('-') && ahead.next().is_some_and(|c| c != ']') {
            self.rest.next();
            let Some(c) = self.rest.next() else { return Err("missing closing ]".to_owned()) };
            class.push('-');
            class.push_str(&self.class_char(c)?);
        }
        Ok(())
    }

    /// Takes `[:alpha:]`, of which the first character is taken already; false if it is none.
    fn posix_class(&mut self, class: &mut String) -> Result<bool, String> {
        if self.rest.peek() != Some(&':') {
            return Ok(false);
        }
        let ahead: String = self.rest.clone().skip(1).collect();
        let Some((text, _)) = ahead.split_once(":]") else { return Ok(false) };
        let name = text.strip_prefix('^').unwrap_or(text);
        if !POSIX.split(' ').any(|known| known == name) {
            return Err(format!("invalid character class range: `[:{text}:]`"));
        }
        for _ in 0..text.chars().count() + 3 {
            self.rest.next();
        }
        class.push_str("[:");
        class.push_str(text);
        class.push_str(":]");
        Ok(true)
    }

    fn class_char(&mut self, c: char) -> Result<String, String> {
        match c {
            '\\' => self.escaped_char(),
            '[' | ']' | '&' | '~' | '-' | '^' => Ok(format!("\\{c}")),
            c => Ok(c.to_string()),
        }
    }
}
