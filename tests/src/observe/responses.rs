//! The HTTP/1 responses in a raw exchange.

use super::{ANY, ECHO, mask};
use crate::{
    case::{Fields, Response},
    upstreams::Record,
};

/// The responses as far as they came.
pub fn responses(mut raw: &str, seen: &[Record]) -> Vec<Response> {
    let mut out = Vec::new();
    while !raw.is_empty() {
        let (head, rest) = raw.split_once("\r\n\r\n").unwrap_or((raw, ""));
        let mut lines = head.split("\r\n");
        let line = lines.next().unwrap_or_default();
        let headers: Fields = lines.map(field).collect();
        let mut body = body(&headers, rest);
        raw = rest.get(body.len()..).unwrap_or_default();
        let mut headers = mask(&headers, &[], &[]);
        if !body.is_empty() && seen.iter().any(|record| record.answer.as_deref() == Some(body.as_str())) {
            ECHO.clone_into(&mut body);
            for (_, value) in headers.iter_mut().filter(|(name, _)| name == "content-length") {
                ANY.clone_into(value);
            }
        }
        let number = line.split(' ').nth(1).and_then(|number| number.parse::<u16>().ok());
        let status = number.map_or_else(|| line.into(), Into::into);
        out.push(Response { status, headers, body });
    }
    out
}

fn field(line: &str) -> (String, String) {
    let (name, value) = line.split_once(':').unwrap_or((line, ""));
    (name.to_lowercase(), value.trim().to_owned())
}

fn body(headers: &Fields, rest: &str) -> String {
    let last = |key: &str| headers.iter().rfind(|(name, _)| name == key).map(|(_, value)| value.as_str());
    let length = last("content-length").and_then(|length| length.parse::<usize>().ok());
    match length.filter(|_| last("transfer-encoding") != Some("chunked")) {
        Some(length) => String::from_utf8_lossy(&rest.as_bytes()[..length.min(rest.len())]).into_owned(),
        None if rest.starts_with("HTTP/1.") => String::new(),
        None => rest.to_owned(),
    }
}
