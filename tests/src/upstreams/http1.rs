//! A service that speaks HTTP/1.1, read by hand: order and case of the headers are recorded.

use std::sync::LazyLock;

use regex::bytes::Regex;

use super::{
    answer::{Answer, Close, answer},
    log::{Entry, Log},
    tcp,
};
use crate::{
    case::{Fields, Seen},
    wire::{Conn, Fault, raw, text, trimmed},
};

static TOKEN: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$").expect("the pattern is sound"));
static REQUEST: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^[A-Z]+ \S+ HTTP/1").expect("the pattern is sound"));

/// Why a request could not be read.
enum Unread {
    /// It is not HTTP/1.1.
    Bad(String),
    Gone,
}

impl From<Fault> for Unread {
    fn from(_: Fault) -> Self {
        Self::Gone
    }
}

fn bad<T>(why: impl Into<String>) -> Result<T, Unread> {
    Err(Unread::Bad(why.into()))
}

/// Echoes anything that does not start like HTTP, for the port behind TLS.
pub(super) async fn serve_or_echo(log: &Log, service: &str, conn: &mut Conn) -> Result<(), Fault> {
    conn.more().await?;
    if REQUEST.is_match(&conn.buffer) { serve(log, service, conn).await } else { tcp::serve(log, service, conn).await }
}

/// Answers one request after the other.
pub(super) async fn serve(log: &Log, service: &str, conn: &mut Conn) -> Result<(), Fault> {
    loop {
        let request = match read(service, conn).await {
            Ok(request) => request,
            Err(Unread::Gone) => return Err(Fault::Ended),
            Err(Unread::Bad(why)) => return refuse(log, service, conn, &why).await,
        };
        let headers = request.headers.clone().unwrap_or_default();
        let connection = last(&headers, "connection").unwrap_or_default().to_ascii_lowercase();
        let upgrade = last(&headers, "upgrade").filter(|_| connection.contains("upgrade"));
        let stays = request.version != "HTTP/1.0" && connection != "close";
        let head = request.method.as_deref() == Some("HEAD");
        let entry = log.note(request);
        if let Some(protocol) = upgrade {
            return switch(conn, &entry, protocol).await;
        }
        let Some(answer) = answer(log, &entry).await else { return Ok(()) };
        write(conn, &answer, head).await?;
        if answer.close.is_some() || !stays {
            return Ok(());
        }
    }
}

async fn refuse(log: &Log, service: &str, conn: &mut Conn, why: &str) -> Result<(), Fault> {
    log.note(Seen {
        service: service.to_owned(),
        version: "HTTP/1.1".to_owned(),
        method: Some(String::new()),
        target: Some(String::new()),
        headers: Some(Fields::new()),
        trailers: None,
        body: format!("not HTTP: {why}"),
    });
    conn.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await
}

async fn switch(conn: &mut Conn, entry: &Entry, protocol: &str) -> Result<(), Fault> {
    let head = format!("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: {protocol}\r\n\r\n");
    conn.write(&raw(&head)).await?;
    tcp::echo(conn, entry).await
}

async fn write(conn: &mut Conn, answer: &Answer, head: bool) -> Result<(), Fault> {
    let mut out = raw(&format!("HTTP/1.1 {} X\r\n", answer.status));
    let mut field = |name: &str, value: &str| out.extend(raw(&format!("{name}: {value}\r\n")));
    answer.headers.iter().for_each(|(name, value)| field(name, value));
    match (answer.bodyless(), answer.trailers.is_empty()) {
        (true, _) => {}
        (false, true) => field("content-length", &answer.body.len().to_string()),
        (false, false) => field("transfer-encoding", "chunked"),
    }
    out.extend(b"\r\n");
    match answer.close {
        Some(Close::AfterHeaders) => {}
        Some(Close::MidBody) => out.extend(&answer.body[..answer.body.len() / 2]),
        None if head || answer.bodyless() => {}
        None if answer.trailers.is_empty() => out.extend(&answer.body),
        None => {
            out.extend(format!("{:x}\r\n", answer.body.len()).bytes());
            out.extend(&answer.body);
            out.extend(b"\r\n0\r\n");
            let line = |(name, value): &(String, String)| raw(&format!("{name}: {value}\r\n"));
            out.extend(answer.trailers.iter().flat_map(line));
            out.extend(b"\r\n");
        }
    }
    conn.write(&out).await
}

async fn read(service: &str, conn: &mut Conn) -> Result<Seen, Unread> {
    let line = conn.line().await?;
    let parts: Vec<_> = strip(&line)?.split(|&byte| byte == b' ').collect();
    let &[method, target, version] = parts.as_slice() else {
        return bad(format!("request line {}", text(&line)));
    };
    if !TOKEN.is_match(method) || target.is_empty() || !matches!(version, b"HTTP/1.1" | b"HTTP/1.0") {
        return bad(format!("request line {}", text(&line)));
    }
    let headers = fields(conn).await?;
    if last(&headers, "expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
        conn.write(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let (body, trailers) = body(conn, &headers).await?;
    Ok(Seen {
        service: service.to_owned(),
        version: text(version),
        method: Some(text(method)),
        target: Some(text(target)),
        headers: Some(headers),
        trailers: Some(trailers).filter(|trailers| !trailers.is_empty()),
        body: text(&body),
    })
}

async fn body(conn: &mut Conn, headers: &Fields) -> Result<(Vec<u8>, Fields), Unread> {
    let all = |key: &str| -> Vec<String> {
        let own = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(key));
        own.map(|(_, value)| value.to_ascii_lowercase()).collect()
    };
    let mut lengths = all("content-length");
    lengths.dedup();
    let codings = all("transfer-encoding");
    if codings.is_empty() {
        let Some(length) = lengths.first() else { return Ok((Vec::new(), Fields::new())) };
        let length = length.parse().ok().filter(|_| lengths.len() == 1);
        let Some(length) = length else { return bad("content-length") };
        return Ok((conn.exactly(length).await?, Fields::new()));
    }
    if !lengths.is_empty() || codings != ["chunked"] {
        return bad(format!("framing {codings:?} {lengths:?}"));
    }
    let mut body = Vec::new();
    loop {
        let line = conn.line().await?;
        let size = text(strip(&line)?.split(|&byte| byte == b';').next().unwrap_or_default());
        let Ok(count) = usize::from_str_radix(&size, 16) else { return bad(format!("chunk size {size}")) };
        if count == 0 {
            return Ok((body, fields(conn).await?));
        }
        body.extend(conn.exactly(count).await?);
        if conn.exactly(2).await? != b"\r\n" {
            return bad("chunk end");
        }
    }
}

async fn fields(conn: &mut Conn) -> Result<Fields, Unread> {
    let mut out = Fields::new();
    loop {
        let line = conn.line().await?;
        let line = strip(&line)?;
        if line.is_empty() {
            return Ok(out);
        }
        let colon = line.iter().position(|&byte| byte == b':');
        let Some(colon) = colon.filter(|&at| TOKEN.is_match(&line[..at])) else {
            return bad(format!("header {}", text(line)));
        };
        out.push((text(&line[..colon]), text(trimmed(&line[colon + 1..]))));
    }
}

fn strip(line: &[u8]) -> Result<&[u8], Unread> {
    line.strip_suffix(b"\r\n").map_or_else(|| bad("line without CRLF"), Ok)
}

fn last<'a>(headers: &'a Fields, key: &str) -> Option<&'a str> {
    headers.iter().rfind(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value.as_str())
}
