//! [`HostPattern`]: the host names of Gateways and VirtualServices and how they relate.
use std::{cmp::Ordering, fmt};

/// A host name, `*`, or a wildcard. `*X` means: any string that ends in `X` and has at least one character more.
/// The test is by string, not by label (`*-x.com` is legal), as in Istio. Always lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// Exactly this name.
    Exact(String),
    /// `*X`: the text is `X`, for example `.example.com`.
    Suffix(String),
    /// `*`.
    Any,
}

impl HostPattern {
    /// Reads `name`, `*` or `*suffix`; upper case is lowered.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        match text.strip_prefix('*') {
            Some("") => Self::Any,
            Some(suffix) => Self::Suffix(suffix.to_owned()),
            None => Self::Exact(text),
        }
    }

    /// True if every name that fits `other` fits this one too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (Self::Exact(a), Self::Exact(b)) => a == b,
            (_, Self::Any) | (Self::Exact(_), Self::Suffix(_)) => false,
            (Self::Suffix(a), Self::Exact(b) | Self::Suffix(b)) => b.ends_with(a.as_str()),
        }
    }

    /// True if either covers the other.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.covers(other) || other.covers(self)
    }

    /// For every pair the more specific one, without duplicates, in the order of `a`, then `b`.
    #[must_use]
    pub fn intersection(a: &[Self], b: &[Self]) -> Vec<Self> {
        let mut out: Vec<Self> = Vec::new();
        for left in a {
            for right in b {
                let both = if right.covers(left) {
                    left
                } else if left.covers(right) {
                    right
                } else {
                    continue;
                };
                if !out.contains(both) {
                    out.push(both.clone());
                }
            }
        }
        out
    }

    /// True for `*` and `*suffix`.
    #[must_use]
    pub const fn is_wildcard(&self) -> bool {
        !matches!(self, Self::Exact(_))
    }

    /// Does a name, already lower case and without its port, fit?
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => exact == name,
            Self::Suffix(suffix) => name.len() > suffix.len() && name.ends_with(suffix.as_str()),
        }
    }
}

/// The more specific first: names before wildcards, longer before shorter, then by the alphabet.
impl Ord for HostPattern {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |pattern: &Self| (pattern.is_wildcard(), usize::MAX - pattern.to_string().len(), pattern.to_string());
        key(self).cmp(&key(other))
    }
}

impl PartialOrd for HostPattern {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exact(name) => f.write_str(name),
            Self::Suffix(suffix) => write!(f, "*{suffix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(texts: &[&str]) -> Vec<HostPattern> {
        texts.iter().map(|text| HostPattern::new(text)).collect()
    }

    #[test]
    fn covers_as_istio_does() {
        for (pattern, name, expected) in [
            ("*", "a.com", true),
            ("*", "*.a.com", true),
            ("*.a.com", "*", false),
            ("*.foo.com", "foo.com", false),
            ("*.foo.com", "x.foo.com", true),
            ("*.foo.com", "*.x.foo.com", true),
            ("*.x.foo.com", "*.foo.com", false),
            ("*.foo.com", "*.foo.com", true),
            ("*-x.com", "a-x.com", true),
            ("a.com", "*.com", false),
            ("A.com", "a.COM", true),
        ] {
            assert_eq!(HostPattern::new(pattern).covers(&HostPattern::new(name)), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn intersection_keeps_the_more_specific_once() {
        let both = HostPattern::intersection(&patterns(&["*.a.com", "b.com", "*"]), &patterns(&["x.a.com", "*.com"]));
        assert_eq!(both, patterns(&["x.a.com", "*.a.com", "b.com", "*.com"]));
    }

    #[test]
    fn the_more_specific_comes_first() {
        let mut hosts = patterns(&["*", "*.com", "*.a.com", "b.a.com", "a.com", "a.b.a.com"]);
        hosts.sort();
        assert_eq!(hosts, patterns(&["a.b.a.com", "b.a.com", "a.com", "*.a.com", "*.com", "*"]));
    }
}
