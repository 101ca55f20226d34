//! `cipherSuites`: names of OpenSSL, or expressions of BoringSSL.

use crate::model::CipherSuite;

/// What can be spoken.
const USABLE: [(&str, CipherSuite); 6] = [
    ("ECDHE-ECDSA-AES128-GCM-SHA256", CipherSuite::EcdsaAes128),
    ("ECDHE-RSA-AES128-GCM-SHA256", CipherSuite::RsaAes128),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", CipherSuite::EcdsaAes256),
    ("ECDHE-RSA-AES256-GCM-SHA384", CipherSuite::RsaAes256),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", CipherSuite::EcdsaChaCha20),
    ("ECDHE-RSA-CHACHA20-POLY1305", CipherSuite::RsaChaCha20),
];
/// What Envoy has and this gateway has not.
const WEAK: [&str; 9] = [
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-SHA",
    "AES256-SHA",
    "DES-CBC3-SHA",
];

/// What a list comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Choice {
    /// What is left, most wanted first.
    pub(super) suites: Vec<CipherSuite>,
    /// What is dropped: the number of the entry, the name, and why.
    pub(super) dropped: Vec<(usize, String, Dropped)>,
    /// Whether a name was known at all; if none was, the list counts as absent.
    known: bool,
}

/// Why a name is dropped.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Dropped {
    Twice,
    Weak,
    /// Of TLS 1.3, whose suites cannot be chosen.
    Newer,
    Unknown,
}

impl Choice {
    /// Each entry is a name, `[A|B]` (either), `ALL`, or one of these after `+` (later), `-` or `!` (not).
    pub(super) fn of(list: &[String]) -> Self {
        let mut choice = Self::default();
        for (n, entry) in list.iter().enumerate() {
            if list[..n].contains(entry) {
                choice.dropped.push((n, entry.clone(), Dropped::Twice));
                continue;
            }
            let (removed, names) = match entry.strip_prefix(['!', '-']) {
                Some(names) => (true, names),
                None => (false, entry.strip_prefix('+').unwrap_or(entry)),
            };
            let group = names.strip_prefix('[').and_then(|names| names.strip_suffix(']')).unwrap_or(names);
            for name in group.split('|') {
                choice.name(n, name, removed);
            }
        }
        choice
    }

    /// Names that can be spoken were asked for, or such that cannot, and none is left.
    pub(super) const fn is_none_left(&self) -> bool {
        self.known && self.suites.is_empty()
    }

    fn name(&mut self, n: usize, name: &str, removed: bool) {
        let meant = USABLE.iter().filter(|(own, _)| name == "ALL" || *own == name).map(|(_, suite)| *suite);
        let meant: Vec<_> = meant.collect();
        let weak = WEAK.contains(&name);
        self.known |= weak || !meant.is_empty();
        if removed {
            self.suites.retain(|suite| !meant.contains(suite));
        } else {
            let new = meant.iter().filter(|suite| !self.suites.contains(suite)).copied().collect::<Vec<_>>();
            self.suites.extend(new);
        }
        let why = match name {
            _ if !meant.is_empty() || (weak && removed) => return,
            _ if weak => Dropped::Weak,
            _ if name.starts_with("TLS_") => Dropped::Newer,
            _ => Dropped::Unknown,
        };
        self.dropped.push((n, name.to_owned(), why));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(list: &[&str]) -> Choice {
        Choice::of(&list.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn names_and_expressions() {
        use CipherSuite::{EcdsaAes128, EcdsaChaCha20, RsaAes128};
        let (one, two) = ("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256");
        let group = format!("[{two}|ECDHE-ECDSA-CHACHA20-POLY1305|AES128-SHA]");
        for (list, suites, dropped) in [
            (&[one, two][..], vec![RsaAes128, EcdsaAes128], vec![]),
            (&[one, one, "x"], vec![RsaAes128], vec![(1, one, Dropped::Twice), (2, "x", Dropped::Unknown)]),
            (&[&group, one], vec![EcdsaAes128, EcdsaChaCha20, RsaAes128], vec![(0, "AES128-SHA", Dropped::Weak)]),
            (&[&group, &format!("-{two}"), "!AES128-SHA"], vec![EcdsaChaCha20], vec![(0, "AES128-SHA", Dropped::Weak)]),
            (&["TLS_AES_128_GCM_SHA256"], vec![], vec![(0, "TLS_AES_128_GCM_SHA256", Dropped::Newer)]),
        ] {
            let choice = of(list);
            let dropped: Vec<_> = dropped.into_iter().map(|(n, name, why)| (n, name.to_owned(), why)).collect();
            assert_eq!((choice.suites, choice.dropped), (suites, dropped), "{list:?}");
        }
        assert_eq!(of(&["ALL"]).suites.len(), 6);
    }

    #[test]
    fn unknown_names_alone_are_no_list_and_weak_ones_alone_leave_none() {
        for (list, none_left) in [
            (&[][..], false),
            (&["x"], false),
            (&["AES128-SHA"], true),
            (&["AES128-SHA", "x"], true),
            (&["ALL", "!ALL"], true),
            (&["AES128-SHA", "ALL"], false),
        ] {
            assert_eq!(of(list).is_none_left(), none_left, "{list:?}");
        }
    }
}
