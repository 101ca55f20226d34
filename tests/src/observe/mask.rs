//! Values that differ from run to run.

use std::{collections::HashSet, sync::LazyLock};

use regex::Regex;

use crate::case::Fields;

/// Stands for a value that varies.
pub const ANY: &str = "<any>";

/// Headers whose value varies.
pub const VOLATILE: [&str; 9] = [
    "date",
    "x-request-id",
    "x-envoy-upstream-service-time",
    "x-envoy-peer-metadata",
    "x-envoy-peer-metadata-id",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "traceparent",
];

static HASH: LazyLock<Regex> = LazyLock::new(|| Regex::new("Hash=[0-9a-f]{64}").expect("the pattern is sound"));
static PEM: LazyLock<Regex> = LazyLock::new(|| Regex::new("(Cert|Chain)=\"[^\"]*\"").expect("the pattern is sound"));
static COOKIE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("^([^=]+)=\"[0-9a-f]{16}\"").expect("the pattern is sound"));
static ADDRESSES: LazyLock<HashSet<String>> = LazyLock::new(own_addresses);

/// Puts `<any>` for volatile values and those of `more`, unless the request itself gave that very value.
pub fn mask(headers: &Fields, sent: &[(String, String)], more: &[&str]) -> Fields {
    let given = |key: &str, value: &str| {
        // `fixed` is what a config of the cases sets itself.
        (key, value) == ("x-request-id", "fixed")
            || sent.iter().any(|(name, own)| name.eq_ignore_ascii_case(key) && own == value)
    };
    let masked = |name: &str, value: &str| {
        let key = name.to_lowercase();
        if given(&key, value) { value.to_owned() } else { masked(&key, value, more) }
    };
    headers.iter().map(|(name, value)| (name.clone(), masked(name, value))).collect()
}

fn masked(key: &str, value: &str, more: &[&str]) -> String {
    match key {
        _ if VOLATILE.contains(&key) || more.contains(&key) => ANY.to_owned(),
        // The certificates are made anew on each machine.
        "x-forwarded-client-cert" => {
            let value = HASH.replace_all(value, "Hash=<any>");
            PEM.replace_all(&value, "$1=\"<any>\"").into_owned()
        }
        // A cookie that the balancer made: its value is a hash of the connection.
        "set-cookie" => COOKIE.replace(value, "$1=\"<any>\"").into_owned(),
        // Envoy writes this machine's own address where the peer is on loopback.
        "x-forwarded-for" => {
            let part = |part| if ADDRESSES.contains(str::trim(part)) { "127.0.0.1" } else { part };
            value.split(',').map(part).collect::<Vec<_>>().join(",")
        }
        _ => value.to_owned(),
    }
}

/// The addresses of this machine, as far as the system lists them in a file.
fn own_addresses() -> HashSet<String> {
    let mut out = HashSet::from(["127.0.0.1".to_owned()]);
    let table = std::fs::read_to_string("/proc/net/fib_trie").unwrap_or_default();
    let mut last = "";
    for line in table.lines().map(str::trim) {
        if line.starts_with("/32 host LOCAL") {
            out.insert(last.trim_start_matches("|-- ").to_owned());
        }
        last = line;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked_one(name: &str, value: &str, sent: &[(&str, &str)]) -> String {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let sent: Vec<_> = sent.iter().map(own).collect();
        mask(&vec![own(&(name, value))], &sent, &[]).remove(0).1
    }

    #[test]
    fn volatile_values_are_masked_unless_the_request_gave_them() {
        assert_eq!(masked_one("Date", "today", &[]), ANY);
        assert_eq!(masked_one("X-Request-Id", "mine", &[("x-request-id", "mine")]), "mine");
        assert_eq!(masked_one("x-request-id", "other", &[("x-request-id", "mine")]), ANY);
        assert_eq!(masked_one("x-request-id", "fixed", &[]), "fixed");
        assert_eq!(masked_one("x-custom", "v", &[]), "v");
    }

    #[test]
    fn parts_that_are_made_anew_are_masked() {
        let hash = "ab".repeat(32);
        let value = format!("By=x;Hash={hash};Cert=\"-----BEGIN\";URI=u");
        assert_eq!(masked_one("x-forwarded-client-cert", &value, &[]), "By=x;Hash=<any>;Cert=\"<any>\";URI=u");
        assert_eq!(masked_one("set-cookie", "c=\"0123456789abcdef\"; Max-Age=1", &[]), "c=\"<any>\"; Max-Age=1");
        assert_eq!(masked_one("set-cookie", "c=\"short\"", &[]), "c=\"short\"");
        assert_eq!(masked_one("x-forwarded-for", "1.2.3.4,127.0.0.1", &[]), "1.2.3.4,127.0.0.1");
    }
}
