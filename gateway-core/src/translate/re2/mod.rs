//! Regular expressions: what Go's RE2 accepts, written as Rust's `regex` needs it.
//!
//! Both are of one family, but not the same: Rust knows nested classes, `x++` and `\b{start}`, which RE2 does not;
//! RE2 knows `\Q...\E`. The verdict must be RE2's, for that is what Istio's users write and test against: what Go refuses is
//! refused by Istio, and what the C++ library refuses by Envoy.

mod class;
mod converter;
mod escape;

use std::cell::RefCell;
use std::collections::HashMap;

use self::converter::to_rust;
use crate::model::Regex;

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

#[cfg(test)]
mod tests;
