//! The forms of names: DNS labels, host names, label maps, `exportTo`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::report::Report;
use crate::yaml::{Path, likeness};

/// Letters, digits, `-`; alphanumeric at both ends; at most 63.
pub(super) fn is_dns_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    (1..=63).contains(&bytes.len())
        && ends.iter().all(|end| end.is_some_and(u8::is_ascii_alphanumeric))
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
}

/// A name without wildcard.
pub(super) fn domain(text: &str) -> Result<(), String> {
    whole_length(text)?;
    labels(text, text)
}

/// A name, `*`, `*label...` or `*-label...`.
pub(super) fn wildcard_domain(text: &str) -> Result<(), String> {
    whole_length(text)?;
    let (first, rest) = text.split_once('.').map_or((text, None), |(first, rest)| (first, Some(rest)));
    let bare = first.strip_prefix("*-").or_else(|| first.strip_prefix('*')).unwrap_or(first);
    if first != "*" && !is_dns_label(bare) {
        return Err(bad_label(text, first));
    }
    rest.map_or(Ok(()), |rest| labels(text, rest))
}

/// Checks a host name as [`wildcard_domain`], and says what was meant.
pub(super) fn check_host(text: &str, path: &Path<'_>, report: &mut Report<'_>) {
    if let Err(message) = wildcard_domain(text) {
        report.error(path, message).help = host_cure(text);
    }
}

/// What to write in place of what is nearly a host name.
pub(super) fn host_cure(text: &str) -> Option<String> {
    if let Some((scheme, rest)) = text.split_once("://") {
        let host = rest.split('/').next().unwrap_or(rest);
        return Some(format!("write the host alone: `{host}`, without `{scheme}://`"));
    }
    if text.parse::<IpAddr>().is_ok() {
        return Some(
            "an address is no host here: list it in the `endpoints` of a ServiceEntry, and name that".to_owned(),
        );
    }
    let (host, port) = text.split_once(':')?;
    port.parse::<u16>().ok().map(|_| format!("write the host alone: `{host}`, without its port"))
}

fn whole_length(text: &str) -> Result<(), String> {
    match text.len() {
        0 => Err("a host name cannot be empty".to_owned()),
        1..=255 => Ok(()),
        _ => Err("a host name has 255 characters at most".to_owned()),
    }
}

fn labels(whole: &str, text: &str) -> Result<(), String> {
    // One dot at the end is allowed: `a.com.`
    let text = text.strip_suffix('.').filter(|rest| !rest.is_empty()).unwrap_or(text);
    let parts: Vec<&str> = text.split('.').collect();
    if let Some(label) = parts.iter().find(|label| !is_dns_label(label)) {
        return Err(bad_label(whole, label));
    }
    match parts.last() {
        Some(last) if last.bytes().all(|b| b.is_ascii_digit()) => {
            Err(format!("`{whole}` is no host name: its last part is a number"))
        }
        _ => Ok(()),
    }
}

fn bad_label(whole: &str, label: &str) -> String {
    let why = if label.is_empty() {
        "a part is empty".to_owned()
    } else if label.contains('*') {
        "a wildcard can only be its first part, `*` or `*` with the end of a name".to_owned()
    } else {
        format!("`{label}` must be letters, digits and `-`, at most 63, with a letter or digit at both ends")
    };
    format!("`{whole}` is no host name: {why}")
}

/// Labels as Kubernetes knows them: `[prefix/]name: value`.
pub(super) fn label_map(labels: &BTreeMap<String, String>, path: &Path<'_>, report: &mut Report<'_>) {
    for (key, value) in labels {
        let name = match key.split_once('/') {
            Some((prefix, name)) if domain(prefix).is_ok() => name,
            Some(_) => "",
            None => key,
        };
        if name.len() > 63 || !is_label_text(name) {
            report.error(&path.key(key), format!("`{key}` is no label name")).help(
                "up to 63 letters, digits, `-`, `_`, `.`, with a letter or digit at both ends; before it perhaps `domain/`",
            );
        }
        if !value.is_empty() && !is_label_text(value) {
            report
                .error(&path.key(key), format!("`{value}` is no label value"))
                .help("letters, digits, `-`, `_`, `.`, with a letter or digit at both ends");
        }
    }
}

fn is_label_text(text: &str) -> bool {
    let ends = [text.as_bytes().first(), text.as_bytes().last()];
    ends.iter().all(|end| end.is_some_and(u8::is_ascii_alphanumeric))
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// `exportTo`: `.`, `*` or namespaces; `~` only where `none_allowed`.
pub(super) fn export_to(
    list: &[String],
    namespace: &str,
    none_allowed: bool,
    path: &Path<'_>,
    report: &mut Report<'_>,
) {
    let mut seen: Vec<&str> = Vec::new();
    for (n, entry) in list.iter().enumerate() {
        let path = path.index(n);
        match entry.as_str() {
            "~" if !none_allowed => {
                report.error(&path, "`~` (nobody) is for a ServiceEntry only").help("use `.` for the own namespace");
            }
            "." | "*" | "~" => {}
            name if is_dns_label(name) => {}
            name => {
                report.error(&path, format!("`{name}` is no namespace")).help("write `.`, `*` or a namespace");
            }
        }
        let resolved = if entry == "." { namespace } else { entry };
        if seen.contains(&resolved) {
            report.error(&path, format!("the namespace `{resolved}` is here twice")).help("keep one of them");
        }
        seen.push(resolved);
    }
    for alone in ["*", "~"] {
        if list.len() > 1 && seen.contains(&alone) {
            report.error(path, format!("`{alone}` must be alone")).help("remove the others, or it");
        }
    }
}

/// Which of these names was meant. What two have in common before a `/` and after a dot does not make them alike.
pub(super) fn meant<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let alike = |name: &'a str| {
        let (one, other) = differing(word, name);
        // What differs much in length is another name, and not worth a comparison.
        let near = !one.is_empty() && one.len().abs_diff(other.len()) <= 2;
        (if near { likeness(one, other) } else { 0.0 }, name)
    };
    // Of several that are equally alike the first by the alphabet: the same every time.
    let best = names.map(alike).filter(|(likeness, _)| *likeness > 0.8);
    best.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1))).map(|(_, name)| name)
}

fn differing<'a, 'b>(mut a: &'a str, mut b: &'b str) -> (&'a str, &'b str) {
    if let (Some((left, a_rest)), Some((right, b_rest))) = (a.split_once('/'), b.split_once('/'))
        && left == right
    {
        (a, b) = (a_rest, b_rest);
    }
    while let (Some((a_rest, left)), Some((b_rest, right))) = (a.rsplit_once('.'), b.rsplit_once('.'))
        && left == right
    {
        (a, b) = (a_rest, b_rest);
    }
    (a, b)
}

/// A port number.
pub(super) fn port(number: u32) -> Result<u16, String> {
    match u16::try_from(number) {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(format!("{number} is no port: 1 to 65535")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_were_meant() {
        let hosts = ["apigateway.app.svc.cluster.local", "cart.app.svc.cluster.local", "api.example.com"];
        for (word, expected) in [
            ("apigatway.app.svc.cluster.local", Some(hosts[0])),
            ("apigateway.ap.svc.cluster.local", Some(hosts[0])),
            ("card.app.svc.cluster.local", Some(hosts[1])),
            ("shop.app.svc.cluster.local", None),
            ("app.svc.cluster.local", None),
            ("api.exmaple.com", Some(hosts[2])),
            ("b.example.com", None),
        ] {
            assert_eq!(meant(word, hosts.into_iter()), expected, "{word}");
        }
        for (word, expected) in
            [("app/gatway", Some("app/gateway")), ("app/other", None), ("ap/gateway", Some("app/gateway"))]
        {
            assert_eq!(meant(word, ["app/gateway"].into_iter()), expected, "{word}");
        }
        assert_eq!(meant("v3", ["v1", "v2"].into_iter()), None);
    }

    #[test]
    fn wildcard_domains() {
        for (text, good) in [
            ("a.com", true),
            ("a.com.", true),
            ("*", true),
            ("*.com", true),
            ("*foo.com", true),
            ("*-foo.com", true),
            ("A", true),
            ("a", true),
            ("", false),
            ("*.*.com", false),
            ("a.*.com", false),
            ("foo*.com", false),
            ("a..com", false),
            ("-a.com", false),
            ("a_b.com", false),
            ("a.com:80", false),
            ("10.0.0.1", false),
            (".com", false),
        ] {
            assert_eq!(wildcard_domain(text).is_ok(), good, "{text:?}");
        }
    }
}
