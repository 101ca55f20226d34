//! The answer of a service: an echo, steered by headers of the request.

use std::{io, time::Duration};

use serde::Serialize as _;
use serde_json::ser::Formatter;

use super::log::{Entry, Log};
use crate::{
    case::{Fields, Seen},
    wire::{raw, text},
};

/// What a service answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Fields,
    pub(super) body: Vec<u8>,
    pub(super) trailers: Fields,
    /// Where the answer breaks off.
    pub(super) close: Option<Close>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Close {
    AfterHeaders,
    MidBody,
}

impl Answer {
    pub(super) fn bodyless(&self) -> bool {
        matches!(self.status, 100..=199 | 204 | 304)
    }
}

/// The steering headers of a request.
struct Steering<'a>(&'a Fields);

impl<'a> Steering<'a> {
    fn all(&self, key: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value.as_str())
    }

    fn one(&self, key: &str) -> Option<&'a str> {
        self.all(key).next()
    }

    fn pairs(&self, key: &str) -> Fields {
        self.all(key)
            .filter_map(|value| value.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }
}

/// Makes the answer, and waits where the request asks for a delay; none: the connection closes without one.
pub(super) async fn answer(log: &Log, entry: &Entry) -> Option<Answer> {
    let seen = entry.update(|record| record.seen.clone());
    let fields = seen.headers.clone().unwrap_or_default();
    let given = Steering(&fields);
    let status = status(log, &given);
    if let Some(delay) = given.one("x-answer-delay-ms").and_then(|ms| ms.parse().ok()) {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    let close = given.one("x-answer-close");
    if close == Some("before") || status == "close" {
        return None;
    }
    let body = given.one("x-answer-body").map_or_else(|| echo(&seen), raw);
    entry.update(|record| {
        record.answer = Some(text(&body));
        record.length = body.len();
    });
    let mut headers = given.pairs("x-answer-header");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        headers.insert(0, ("content-type".to_owned(), "application/json".to_owned()));
    }
    let close = match close {
        Some("after-headers") => Some(Close::AfterHeaders),
        Some("mid-body") => Some(Close::MidBody),
        _ => None,
    };
    let status = status.parse().expect("a case asks for a number");
    Some(Answer { status, headers, body, trailers: given.pairs("x-answer-trailer"), close })
}

fn status(log: &Log, given: &Steering<'_>) -> String {
    let Some(sequence) = given.one("x-answer-seq").filter(|steps| !steps.is_empty()) else {
        return given.one("x-answer-status").unwrap_or("200").to_owned();
    };
    let steps: Vec<_> = sequence.split(',').map(str::trim).collect();
    let at = log.step(given.one("x-seq-id").unwrap_or_default());
    steps[at.min(steps.len() - 1)].to_owned()
}

fn echo(seen: &Seen) -> Vec<u8> {
    let mut out = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, Spaced);
    seen.serialize(&mut serializer).expect("text is JSON");
    out
}

/// JSON as Python writes it, so that lengths are those of the recording.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(log: &Log, headers: &[(&str, &str)]) -> Entry {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        log.note(Seen { service: "a-v1".into(), version: "HTTP/1.1".into(), headers: Some(headers), ..Seen::default() })
    }

    #[test]
    fn an_echo_is_spaced_as_python_does_it() {
        let seen =
            Seen { method: Some("GET".into()), headers: Some(vec![("A".into(), "\u{e9}".into())]), ..Seen::default() };
        let want = r#"{"service": "", "version": "", "method": "GET", "headers": [["A", "é"]], "body": ""}"#;
        assert_eq!(text(&echo(&seen)), want);
    }

    #[tokio::test]
    async fn a_sequence_ends_with_its_last_step() {
        let log = Log::default();
        let mut got = Vec::new();
        for _ in 0..3 {
            let entry = entry(&log, &[("X-Answer-Seq", "503, 200"), ("x-seq-id", "s")]);
            got.push(answer(&log, &entry).await.unwrap().status);
        }
        assert_eq!(got, [503, 200, 200]);
    }

    #[tokio::test]
    async fn a_closed_connection_has_no_answer() {
        let log = Log::default();
        assert_eq!(answer(&log, &entry(&log, &[("x-answer-close", "before")])).await, None);
        assert_eq!(answer(&log, &entry(&log, &[("x-answer-seq", "close,200")])).await, None);
    }
}
