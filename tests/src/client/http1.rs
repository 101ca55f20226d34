//! HTTP/1.1 and HTTP/1.0 by hand.

use super::{push, tcp};
use crate::{
    case::{Answer, Fields, Send},
    wire::{Conn, Fault, raw, text, trimmed},
};

/// Which body an answer has.
enum Framing {
    Upgraded,
    Empty,
    Chunked,
    Length(usize),
    UntilEnd,
}

pub(super) async fn exchange(conn: &mut Conn, send: &Send, version: &str) -> Result<Answer, Fault> {
    let (data, method) = request(send, version);
    push(conn, &data).await?;
    let (status, headers) = loop {
        let line = line(conn).await?;
        let mut parts = line.splitn(3, |&byte| byte == b' ').skip(1);
        let status = parts.next().and_then(|number| std::str::from_utf8(number).ok()?.parse::<u16>().ok());
        let Some(status) = status.filter(|_| line.starts_with(b"HTTP/")) else {
            let all = [line.as_slice(), b"\n", &conn.buffer].concat();
            return Ok(Answer { body: Some(text(&all)), not_http: true, ..Answer::default() });
        };
        let headers = fields(conn).await?;
        if status >= 200 || status == 101 {
            break (status, headers);
        }
    };
    let mut answer = Answer { status: Some(status), ..Answer::default() };
    let mut body = Vec::new();
    match read(conn, framing(status, &method, &headers), &mut body).await {
        Ok(trailers) => answer.trailers = Some(trailers).filter(|trailers| !trailers.is_empty()),
        Err(fault @ (Fault::Ended | Fault::Timeout)) => {
            body.append(&mut conn.buffer);
            answer.cut = fault == Fault::Ended;
            answer.timeout = fault == Fault::Timeout;
        }
        Err(fault) => return Err(fault),
    }
    answer.headers = Some(headers);
    answer.body = Some(text(&body));
    Ok(answer)
}

/// The bytes of the request, and its method.
fn request(send: &Send, version: &str) -> (Vec<u8>, String) {
    if let Some(all) = &send.raw {
        return (raw(all), all.split(' ').next().unwrap_or_default().to_owned());
    }
    let method = send.method.as_deref().unwrap_or("GET");
    let mut data = raw(&format!("{method} {} {version}\r\n", send.target.as_deref().unwrap_or("/")));
    let mut field = |name: &str, value: &str| {
        data.extend(raw(name));
        data.extend(b": ");
        data.extend(raw(value));
        data.extend(b"\r\n");
    };
    for (name, value) in &send.headers {
        field(name, value.as_deref().unwrap_or_default());
    }
    let body = raw(&send.body);
    let framed = send.headers.iter().any(|(name, _)| {
        ["content-length", "transfer-encoding", "upgrade"].contains(&name.to_ascii_lowercase().as_str())
    });
    if !body.is_empty() && !framed {
        field("content-length", &body.len().to_string());
    }
    data.extend(b"\r\n");
    data.extend(body);
    (data, method.to_owned())
}

fn framing(status: u16, method: &str, headers: &Fields) -> Framing {
    let given = |key: &str| headers.iter().rfind(|(name, _)| name == key).map(|(_, value)| value.as_str());
    if status == 101 {
        return Framing::Upgraded;
    }
    if method == "HEAD" || matches!(status, 204 | 304) {
        return Framing::Empty;
    }
    if given("transfer-encoding").is_some_and(|value| value.to_ascii_lowercase().contains("chunked")) {
        return Framing::Chunked;
    }
    match given("content-length").map(str::parse) {
        Some(Ok(length)) => Framing::Length(length),
        _ if method == "CONNECT" && status == 200 => Framing::Empty,
        _ => Framing::UntilEnd,
    }
}

/// Reads the body into `body`, so that what came of it is there after an error, and gives the trailers.
async fn read(conn: &mut Conn, framing: Framing, body: &mut Vec<u8>) -> Result<Fields, Fault> {
    match framing {
        Framing::Empty => {}
        Framing::Upgraded => *body = tcp::rest(conn).await?,
        Framing::Length(length) => *body = conn.exactly(length).await?,
        Framing::Chunked => loop {
            let line = line(conn).await?;
            let size = line.split(|&byte| byte == b';').next().unwrap_or_default();
            let size = usize::from_str_radix(text(size).trim(), 16).map_err(|_| Fault::Ended)?;
            if size == 0 {
                return fields(conn).await;
            }
            while conn.buffer.len() < size + 2 {
                conn.more().await?;
            }
            body.extend(conn.exactly(size).await?);
            conn.exactly(2).await?;
        },
        Framing::UntilEnd => loop {
            match conn.more().await {
                Ok(()) => {}
                Err(Fault::Ended) => {
                    *body = std::mem::take(&mut conn.buffer);
                    break;
                }
                Err(fault) => return Err(fault),
            }
        },
    }
    Ok(Fields::new())
}

async fn fields(conn: &mut Conn) -> Result<Fields, Fault> {
    let mut out = Fields::new();
    loop {
        let line = line(conn).await?;
        if line.is_empty() {
            return Ok(out);
        }
        let colon = line.iter().position(|&byte| byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        out.push((text(&line[..colon]).to_lowercase(), text(trimmed(value))));
    }
}

async fn line(conn: &mut Conn) -> Result<Vec<u8>, Fault> {
    let mut line = conn.line().await?;
    line.pop();
    while line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(line)
}
