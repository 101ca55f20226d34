//! What differs between a recorded answer and one of the gateway.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    case::{Answer, Fields, Request, Seen, folder},
    observe::{ANY, VOLATILE},
};

/// Differences that do not count: `tests/cases/known-differences.yaml`.
#[derive(Debug)]
pub struct Known(Vec<Entry>);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    field: String,
    name: Option<String>,
    case: Option<String>,
    want: Option<String>,
    got: Option<String>,
    #[serde(rename = "why")]
    _why: String,
}

impl Known {
    /// Reads the file.
    pub fn load() -> Self {
        let text = std::fs::read_to_string(folder().join("known-differences.yaml"));
        let text = text.expect("the file is part of the project");
        Self(serde_yaml::from_str(&text).expect("the file is a list of differences"))
    }

    fn allows(&self, case: &str, field: &str, name: Option<&str>, want: &Value, got: &Value) -> bool {
        let fits = |pattern: &Option<String>, value: &str| pattern.as_ref().is_none_or(|p| glob(p, value));
        self.0.iter().any(|entry| {
            entry.field == field
                && fits(&entry.case, case)
                && fits(&entry.name, name.unwrap_or("None"))
                && fits(&entry.want, &shown(want))
                && fits(&entry.got, &shown(got))
        })
    }
}

/// A value as the patterns of the known differences see it.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// Whether the text fits the pattern, in which `*` stands for anything.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(start) else { return false };
    (0..=text.len()).any(|at| text.is_char_boundary(at) && glob(rest, &text[at..]))
}

/// The differences, one line each.
pub fn compare(case: &str, request: &Request, want: &Answer, got: &Answer, known: &Known) -> Vec<String> {
    let mut lines = Lines { case, known, head: request.send.method.as_deref() == Some("HEAD"), lines: Vec::new() };
    // Which alert it is, or none, is a matter of the TLS library.
    if request.to.tls.is_some() && refused(want) && refused(got) {
        return lines.lines;
    }
    if want.counts.is_some() || got.counts.is_some() {
        let (want, got) = (want.counts.clone().unwrap_or_default(), got.counts.clone().unwrap_or_default());
        if !alike(&want, &got, request) {
            lines.differ("counts", &want, &got, None);
        }
        return lines.lines;
    }
    lines.responses(want, got);
    lines.answer(want, got);
    lines.upstream(want.upstream.as_ref(), got.upstream.as_ref());
    lines.differ("also", &want.also, &got.also, None);
    lines.lines
}

fn refused(answer: &Answer) -> bool {
    answer.upstream.is_none() && (answer.tls_alert.is_some() || answer.closed)
}

struct Lines<'a> {
    case: &'a str,
    known: &'a Known,
    head: bool,
    lines: Vec<String>,
}

impl Lines<'_> {
    fn differ<T: Serialize + PartialEq + ?Sized>(&mut self, field: &str, want: &T, got: &T, name: Option<&str>) {
        if want == got {
            return;
        }
        let (want, got) = (json!(want), json!(got));
        if !self.known.allows(self.case, field, name, &want, &got) {
            let name = name.map(|name| format!(" {name}")).unwrap_or_default();
            self.lines.push(format!("{field}{name}: want {want} got {got}"));
        }
    }

    fn flag(&mut self, field: &str, want: bool, got: bool) {
        self.differ(field, &want.then_some(true), &got.then_some(true), None);
    }

    fn headers(&mut self, field: &str, want: Option<&Fields>, got: Option<&Fields>) {
        let (want, got) = (table(want), table(got));
        let names: BTreeSet<_> = want.keys().chain(got.keys()).collect();
        for name in names {
            let (a, b) = (want.get(name), got.get(name));
            let any = a.map(|values| values.contains(&ANY));
            // The framing of a body that is not sent says nothing.
            let unsent = self.head && name == "transfer-encoding";
            let varies = VOLATILE.contains(&name.as_str()) && any != Some(false);
            if unsent || varies || any == Some(true) && b.is_some() {
                continue;
            }
            self.differ(field, &a, &b, Some(name));
        }
    }

    fn responses(&mut self, want: &Answer, got: &Answer) {
        if want.responses.is_none() && got.responses.is_none() {
            return;
        }
        let (a, b) = (want.responses.as_deref().unwrap_or_default(), got.responses.as_deref().unwrap_or_default());
        let statuses = |all: &[crate::case::Response]| all.iter().map(|one| one.status.clone()).collect::<Vec<_>>();
        self.differ("responses", &statuses(a), &statuses(b), None);
        for (a, b) in a.iter().zip(b) {
            self.headers("response-header", Some(&a.headers), Some(&b.headers));
            self.differ("body", &a.body, &b.body, None);
        }
    }

    fn answer(&mut self, want: &Answer, got: &Answer) {
        let (least, took) = (want.at_least_ms.unwrap_or(0), got.at_least_ms.unwrap_or(0));
        // A fifth less: clocks are not what is tested.
        if (took + 100) * 5 < least * 4 {
            self.differ("at_least_ms", &want.at_least_ms, &got.at_least_ms, None);
        }
        self.differ("status", &want.status, &got.status, None);
        self.flag("closed", want.closed, got.closed);
        self.flag("refused", want.refused, got.refused);
        self.differ("tls_alert", &want.tls_alert, &got.tls_alert, None);
        self.flag("timeout", want.timeout, got.timeout);
        self.differ("reset", &want.reset, &got.reset, None);
        self.flag("cut", want.cut, got.cut);
        self.flag("not_http", want.not_http, got.not_http);
        if want.status.is_some() && got.status.is_some() {
            self.headers("response-header", want.headers.as_ref(), got.headers.as_ref());
            self.headers("response-trailer", want.trailers.as_ref(), got.trailers.as_ref());
        }
        // How much of a broken body came is chance.
        let broken = want.cut && got.cut || want.reset.is_some() && got.reset.is_some();
        if !broken {
            self.differ("body", &want.body, &got.body, None);
        }
        self.differ("tls", &want.tls, &got.tls, None);
    }

    fn upstream(&mut self, want: Option<&Seen>, got: Option<&Seen>) {
        let service = |seen: Option<&Seen>| seen.map(|seen| seen.service.clone());
        let either = want.zip(got).is_some_and(|(want, got)| want.service.split('|').any(|own| own == got.service));
        if !either {
            self.differ("upstream", &service(want), &service(got), None);
        }
        let Some((want, got)) = want.zip(got) else { return };
        let fields = [
            ("upstream.version", Some(&want.version), Some(&got.version)),
            ("upstream.method", want.method.as_ref(), got.method.as_ref()),
            ("upstream.target", want.target.as_ref(), got.target.as_ref()),
            ("upstream.body", Some(&want.body), Some(&got.body)),
        ];
        for (field, want, got) in fields {
            if want.is_none_or(|want| want != ANY) {
                self.differ(field, &want, &got, None);
            }
        }
        self.headers("upstream-header", want.headers.as_ref(), got.headers.as_ref());
        self.headers("upstream-trailer", want.trailers.as_ref(), got.trailers.as_ref());
    }
}

/// The values of each name, in order.
fn table(headers: Option<&Fields>) -> BTreeMap<String, Vec<&str>> {
    let mut out = BTreeMap::<_, Vec<_>>::new();
    for (name, value) in headers.into_iter().flatten() {
        out.entry(name.to_lowercase()).or_default().push(value.as_str());
    }
    out
}

type Counts = BTreeMap<String, u64>;

/// Whether two counts can be of the same shares.
fn alike(want: &Counts, got: &Counts, request: &Request) -> bool {
    let of = |counts: &Counts, key: &String| counts.get(key).copied().unwrap_or(0);
    if let Some(few) = &request.few {
        return (1..=2 * of(want, few)).contains(&of(got, few));
    }
    let (total, other) = (want.values().sum::<u64>(), got.values().sum::<u64>());
    want.keys().chain(got.keys()).all(|key| {
        let (a, b) = (of(want, key) as f64, of(got, key) as f64);
        let share = if total == 0 { 0.0 } else { a / total as f64 };
        // Four deviations of the difference of two samples, and a little for small numbers.
        let slack = if request.exact || share == 0.0 || share == 1.0 {
            0.0
        } else {
            4.0 * (2.0 * total as f64 * share * (1.0 - share)).sqrt() + 2.0
        };
        total == other && (a - b).abs() <= slack
    })
}

#[cfg(test)]
mod tests;
