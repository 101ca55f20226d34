//! [`HostTable`]: the most specific host pattern for a name, at a cost that does not grow with the number of hosts.
use std::{
    collections::{BTreeSet, HashMap},
    fmt,
};

use foldhash::fast::RandomState;

use crate::model::HostPattern;

/// Longest name that is looked up; longer ones fit `*` alone.
const LONGEST: usize = 255;

/// Exact name, then the longest wildcard suffix, then `*`: one hash for the name and one for each distinct length
/// of suffix. Suffixes are compared as text, not by label.
#[derive(Clone)]
pub struct HostTable<T> {
    exact: HashMap<Box<str>, T, RandomState>,
    suffixes: HashMap<Box<str>, T, RandomState>,
    /// Lengths of suffixes, longest first.
    lengths: Vec<usize>,
    any: Option<T>,
}

impl<T> Default for HostTable<T> {
    fn default() -> Self {
        Self { exact: HashMap::default(), suffixes: HashMap::default(), lengths: Vec::new(), any: None }
    }
}

impl<T> HostTable<T> {
    /// Adds a host; returns what stood there before.
    pub fn insert(&mut self, host: &HostPattern, value: T) -> Option<T> {
        match host {
            HostPattern::Exact(name) => self.exact.insert(name.as_str().into(), value),
            HostPattern::Any => self.any.replace(value),
            HostPattern::Suffix(suffix) => {
                let old = self.suffixes.insert(suffix.as_str().into(), value);
                let lengths: BTreeSet<_> = self.suffixes.keys().map(|suffix| suffix.len()).collect();
                self.lengths = lengths.into_iter().rev().collect();
                old
            }
        }
    }

    /// The value of the most specific host that fits. Upper case is no difference; a port must be gone already.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&T> {
        if !name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return self.find_lower(name);
        }
        let mut buffer = [0; LONGEST];
        let Some(lower) = buffer.get_mut(..name.len()) else { return self.any.as_ref() };
        lower.copy_from_slice(name.as_bytes());
        lower.make_ascii_lowercase();
        std::str::from_utf8(lower).ok().and_then(|name| self.find_lower(name))
    }

    fn find_lower(&self, name: &str) -> Option<&T> {
        self.exact.get(name).or_else(|| self.find_suffix(name)).or(self.any.as_ref())
    }

    fn find_suffix(&self, name: &str) -> Option<&T> {
        if name.len() > LONGEST {
            return None;
        }
        let shorter = self.lengths.iter().filter(|&&length| length < name.len());
        shorter.filter_map(|length| name.get(name.len() - length..)).find_map(|suffix| self.suffixes.get(suffix))
    }

    /// All values, in no order.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.exact.values().chain(self.suffixes.values()).chain(&self.any)
    }
}

impl<T> FromIterator<(HostPattern, T)> for HostTable<T> {
    fn from_iter<I: IntoIterator<Item = (HostPattern, T)>>(hosts: I) -> Self {
        let mut table = Self::default();
        let mut lengths = BTreeSet::new();
        for (host, value) in hosts {
            match host {
                HostPattern::Exact(name) => _ = table.exact.insert(name.into(), value),
                HostPattern::Any => table.any = Some(value),
                HostPattern::Suffix(suffix) => {
                    lengths.insert(suffix.len());
                    table.suffixes.insert(suffix.into(), value);
                }
            }
        }
        table.lengths = lengths.into_iter().rev().collect();
        table
    }
}

impl<T> fmt::Debug for HostTable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostTable")
            .field("exact", &self.exact.len())
            .field("suffixes", &self.suffixes.len())
            .field("any", &self.any.is_some())
            .finish()
    }
}

/// The name in a Host header or authority: without its port, which is everything after the last `:` that is not
/// inside brackets. `[::1]:80` is `[::1]`; `a.com:` is `a.com`.
#[must_use]
pub fn without_port(authority: &str) -> &str {
    match authority.bytes().rposition(|byte| byte == b':' || byte == b']') {
        Some(at) if authority.as_bytes()[at] == b':' => &authority[..at],
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table(hosts: &[&str]) -> HostTable<String> {
        hosts.iter().map(|&host| (HostPattern::new(host), host.to_owned())).collect()
    }

    #[test]
    fn the_most_specific_wins() {
        let table = table(&["*", "*.a.com", "*.b.a.com", "x.a.com", "*-x.com"]);
        for (name, expected) in [
            ("x.a.com", "x.a.com"),
            ("X.A.com", "x.a.com"),
            ("y.a.com", "*.a.com"),
            ("q.b.a.com", "*.b.a.com"),
            ("b.a.com", "*.a.com"),
            ("a.com", "*"),
            (".a.com", "*"),
            ("my-x.com", "*-x.com"),
            ("", "*"),
            ("a.com.", "*"),
        ] {
            assert_eq!(table.find(name).map(String::as_str), Some(expected), "{name}");
        }
    }

    #[test]
    fn nothing_fits_without_a_catch_all() {
        assert_eq!(table(&["a.com", "*.b.com"]).find("b.com"), None);
        assert_eq!(table(&["*.com"]).find(&format!("{}.com", "X".repeat(300))), None);
    }

    #[test]
    fn ports_are_cut() {
        for (authority, name) in
            [("a.com:80", "a.com"), ("a.com", "a.com"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]"), ("a.com:", "a.com")]
        {
            assert_eq!(without_port(authority), name);
        }
    }

    proptest! {
        #[test]
        fn finds_what_a_scan_finds(
            hosts in prop::collection::vec("(\\*|\\*?[ab.-]{1,4})", 0..12),
            name in "[abAB.-]{0,6}",
        ) {
            let patterns: Vec<_> = hosts.iter().map(|host| HostPattern::new(host)).collect();
            let table: HostTable<_> = patterns.iter().map(|pattern| (pattern.clone(), pattern.clone())).collect();
            let mut inserted = HostTable::default();
            for pattern in &patterns {
                inserted.insert(pattern, pattern.clone());
            }
            let lower = name.to_ascii_lowercase();
            let expected = patterns.iter().filter(|pattern| pattern.matches(&lower)).min();
            prop_assert_eq!(table.find(&name), expected);
            prop_assert_eq!(inserted.find(&name), expected);
        }
    }
}
