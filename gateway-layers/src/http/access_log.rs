//! [`AccessLog`]: one line for each request that has ended, in Envoy's text or JSON format.
//!
//! The format is taken apart once. Lines go through a bounded queue to a thread that writes them; when it cannot
//! follow, lines are dropped and counted, requests never wait.
use std::{
    fmt,
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use gateway_core::template::{Operator, Part, Template};
use http::StatusCode;
use tokio::time::Instant;

use super::format::{Facts, Head, write};
use crate::exchange::{Exchange, OnFinish};

/// Envoy's default text format, as Istio sets it.
pub const DEFAULT_TEXT: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" \
    %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \
    \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \
    %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \
    \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% \
    %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%";

/// The keys of Istio's JSON format and their operators.
const JSON: [(&str, &str); 24] = [
    ("start_time", "%START_TIME%"),
    ("route_name", "%ROUTE_NAME%"),
    ("method", "%REQ(:METHOD)%"),
    ("path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"),
    ("protocol", "%PROTOCOL%"),
    ("response_code", "%RESPONSE_CODE%"),
    ("response_flags", "%RESPONSE_FLAGS%"),
    ("response_code_details", "%RESPONSE_CODE_DETAILS%"),
    ("connection_termination_details", "%CONNECTION_TERMINATION_DETAILS%"),
    ("bytes_received", "%BYTES_RECEIVED%"),
    ("bytes_sent", "%BYTES_SENT%"),
    ("duration", "%DURATION%"),
    ("upstream_service_time", "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"),
    ("x_forwarded_for", "%REQ(X-FORWARDED-FOR)%"),
    ("user_agent", "%REQ(USER-AGENT)%"),
    ("request_id", "%REQ(X-REQUEST-ID)%"),
    ("authority", "%REQ(:AUTHORITY)%"),
    ("upstream_host", "%UPSTREAM_HOST%"),
    ("upstream_cluster", "%UPSTREAM_CLUSTER_RAW%"),
    ("upstream_local_address", "%UPSTREAM_LOCAL_ADDRESS%"),
    ("downstream_local_address", "%DOWNSTREAM_LOCAL_ADDRESS%"),
    ("downstream_remote_address", "%DOWNSTREAM_REMOTE_ADDRESS%"),
    ("requested_server_name", "%REQUESTED_SERVER_NAME%"),
    ("upstream_transport_failure_reason", "%UPSTREAM_TRANSPORT_FAILURE_REASON%"),
];

/// Lines that may wait for the writer.
const QUEUE: usize = 8192;

/// How lines look.
#[derive(Clone, Debug)]
pub enum Format {
    /// A text with command operators; a newline is added.
    Text(Template),
    /// An object of these keys.
    Json(Vec<(String, Template)>),
}

impl Format {
    /// Istio's text format.
    ///
    /// # Panics
    /// Never: the text is a constant that a test reads.
    #[must_use]
    pub fn default_text() -> Self {
        Self::Text(Template::parse(DEFAULT_TEXT).expect("the constant is a valid template"))
    }

    /// Istio's JSON format.
    #[must_use]
    pub fn default_json() -> Self {
        let entry = |(key, text): (&str, &str)| Some((key.to_owned(), Template::parse(text).ok()?));
        Self::Json(JSON.into_iter().filter_map(entry).collect())
    }

    fn line(&self, facts: &Facts<'_>) -> String {
        let mut out = String::with_capacity(512);
        match self {
            Self::Text(template) => text(template, facts, &mut out),
            Self::Json(entries) => json(entries, facts, &mut out),
        }
        out.push('\n');
        out
    }
}

fn text(template: &Template, facts: &Facts<'_>, out: &mut String) {
    for part in template.parts() {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Operator(operator) => {
                let start = out.len();
                if !write(operator, facts, out) {
                    out.push('-');
                }
                escape(out, start);
            }
        }
    }
}

/// What a client sent must not be able to forge a second line, or end a quoted field.
fn escape(out: &mut String, start: usize) {
    let harmless = |c: char| !c.is_control() && c != '"' && c != '\\';
    if out.get(start..).is_some_and(|value| !value.chars().all(harmless)) {
        let value: String = out.split_off(start);
        for c in value.chars() {
            if harmless(c) { out.push(c) } else { out.extend(c.escape_default()) }
        }
    }
}

fn json(entries: &[(String, Template)], facts: &Facts<'_>, out: &mut String) {
    out.push('{');
    for (number, (key, template)) in entries.iter().enumerate() {
        out.push_str(if number == 0 { "" } else { "," });
        out.push_str(&serde_json::Value::from(key.as_str()).to_string());
        out.push(':');
        out.push_str(&value(template, facts).to_string());
    }
    out.push('}');
}

/// Numbers are numbers, what is missing is null.
fn value(template: &Template, facts: &Facts<'_>) -> serde_json::Value {
    let [Part::Operator(operator)] = template.parts() else {
        let mut out = String::new();
        text(template, facts, &mut out);
        return out.into();
    };
    let mut out = String::new();
    if !write(operator, facts, &mut out) {
        return serde_json::Value::Null;
    }
    let number =
        matches!(operator, Operator::ResponseCode | Operator::BytesReceived | Operator::BytesSent | Operator::Duration);
    match out.parse::<u64>() {
        Ok(value) if number => value.into(),
        _ => out.into(),
    }
}

/// What the writing thread is told.
enum Message {
    Line(String),
    /// Flush, and say so.
    Flush(SyncSender<()>),
}

/// Writes what comes, until all senders are gone. A full disk, a closed pipe: requests go on.
fn write_out(queue: &Receiver<Message>, to: &mut impl Write) {
    const EVERY: Duration = Duration::from_secs(1);
    let mut flushed = Instant::now();
    loop {
        let done = match queue.recv_timeout(EVERY) {
            Ok(Message::Line(line)) => {
                _ = to.write_all(line.as_bytes());
                if flushed.elapsed() < EVERY {
                    continue;
                }
                None
            }
            Ok(Message::Flush(done)) => Some(done),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                _ = to.flush();
                return;
            }
        };
        _ = to.flush();
        flushed = Instant::now();
        if let Some(done) = done {
            _ = done.try_send(());
        }
    }
}

/// Writes a line for each request that has ended. Cheap to clone.
#[derive(Clone)]
pub struct AccessLog {
    format: Arc<Format>,
    lines: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

impl AccessLog {
    /// Into this writer, by a thread of its own; flushed each second, and by [`AccessLog::flush`].
    ///
    /// # Errors
    /// If the thread cannot be made.
    pub fn new(format: Format, mut to: impl Write + Send + 'static) -> io::Result<Self> {
        let (lines, queue) = sync_channel(QUEUE);
        thread::Builder::new().name("access-log".to_owned()).spawn(move || write_out(&queue, &mut to))?;
        Ok(Self { format: Arc::new(format), lines, dropped: Arc::default() })
    }

    /// Waits until all lines so far are written and flushed, at most this long; whether they are. To be called before
    /// the process ends.
    #[must_use]
    pub fn flush(&self, limit: Duration) -> bool {
        let (done, flushed) = sync_channel(1);
        self.lines.try_send(Message::Flush(done)).is_ok() && flushed.recv_timeout(limit).is_ok()
    }

    /// Lines that the writer could not follow.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl OnFinish for AccessLog {
    fn finish(&self, exchange: &Exchange) {
        let (request, response, status) = {
            let mut record = exchange.record();
            (record.request.take(), record.response.take(), record.status)
        };
        let status = StatusCode::from_u16(status).ok();
        let facts = Facts {
            exchange: Some(exchange),
            request: request.as_deref().map(Head::of),
            response: status.zip(response.as_deref()),
        };
        if self.lines.try_send(Message::Line(self.format.line(&facts))).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessLog")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use http::{HeaderMap, Request};

    use super::*;
    use crate::conn::ConnInfo;

    fn line(format: &Format) -> String {
        let conn = ConnInfo::between(([10, 0, 0, 1], 5000).into(), ([10, 0, 0, 2], 80).into());
        let exchange = Exchange::new(Arc::new(conn));
        exchange.record().protocol = Some("HTTP/1.1");
        let request = Request::builder().uri("/x?y").header("user-agent", "a\"b").header("host", "a.com");
        let (parts, ()) = request.body(()).expect("valid").into_parts();
        let headers = HeaderMap::new();
        let facts = Facts {
            exchange: Some(&exchange),
            request: Some(Head::of(&parts)),
            response: Some((StatusCode::OK, &headers)),
        };
        format.line(&facts)
    }

    #[test]
    fn text_as_envoy_writes_it() {
        let line = line(&Format::default_text());
        let (_, line) = line.split_once("] ").expect("a time");
        let expected = "\"GET /x?y HTTP/1.1\" 200 - - - \"-\" 0 0 0 - \"-\" \"a\\\"b\" \"-\" \"a.com\" \"-\" - - \
                        10.0.0.2:80 10.0.0.1:5000 - -\n";
        assert_eq!(line, expected);
    }

    #[test]
    fn a_flush_writes_what_was_said() {
        struct Buffered(Vec<u8>, Arc<Mutex<Vec<u8>>>);
        impl Write for Buffered {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.write(bytes)
            }
            fn flush(&mut self) -> io::Result<()> {
                self.1.lock().expect("no panic").append(&mut self.0);
                Ok(())
            }
        }
        let out = Arc::new(Mutex::new(Vec::new()));
        let log = AccessLog::new(Format::default_text(), Buffered(Vec::new(), out.clone())).expect("a thread");
        let conn = ConnInfo::between(([10, 0, 0, 1], 5000).into(), ([10, 0, 0, 2], 80).into());
        log.finish(&Exchange::new(Arc::new(conn)));
        assert!(log.flush(Duration::from_secs(10)));
        assert!(out.lock().expect("no panic").ends_with(b"\n"));
    }

    #[test]
    fn json_has_numbers_and_nulls() {
        let line: serde_json::Value = serde_json::from_str(&line(&Format::default_json())).expect("valid JSON");
        assert_eq!(line["response_code"], 200);
        assert_eq!(line["user_agent"], "a\"b");
        assert_eq!(line["upstream_host"], serde_json::Value::Null);
        assert_eq!(line.as_object().expect("an object").len(), JSON.len());
    }
}
