//! HTTP/1.1 as a client sees it: what is refused, how bodies come and go, and when the connection ends. The clock is
//! paused: a connection that stays open is closed by its keep-alive timer at once.
#![cfg(feature = "conn")]

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use gateway_layers::{
    body::Body,
    conn::{Conn, ConnInfo, Drain, HttpServer, Phase},
};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    time::Instant,
};
use tower::ServiceExt as _;

type Seen = Arc<Mutex<Vec<String>>>;

/// Says what it saw; `/early` answers without looking at the body; `/stream` in two pieces with trailers; `/cut`
/// breaks off; `/large` is large.
async fn app(seen: Seen, req: Request<Body>) -> Result<Response<Body>, Infallible> {
    let line = format!("{} {}", req.method(), req.uri());
    if req.uri().path() == "/early" {
        seen.lock().expect("not poisoned").push(line);
        return Ok(Response::new(Body::from("early")));
    }
    let path = req.uri().path().to_owned();
    let Ok(body) = req.into_body().collect().await else {
        seen.lock().expect("not poisoned").push(format!("{line} broken"));
        let mut answer = Response::new(Body::from("broken"));
        *answer.status_mut() = StatusCode::BAD_REQUEST;
        return Ok(answer);
    };
    let body = String::from_utf8(body.to_bytes().to_vec()).expect("text");
    seen.lock().expect("not poisoned").push(format!("{line} {body}"));
    let trailers = HeaderMap::from_iter([(http::header::ETAG, HeaderValue::from_static("1"))]);
    let data = |text: &'static str| Ok(Frame::data(Bytes::from_static(text.as_bytes())));
    Ok(Response::new(match path.as_str() {
        "/stream" => Body::new(Pieces([data("ab"), data("c"), Ok(Frame::trailers(trailers))].into())),
        "/large" => Body::from(Bytes::from(vec![b'x'; 10_000_000])),
        // The last frame says that it is the last.
        "/last" => Body::new(Last(Some(Bytes::from(vec![b'x'; 8193])))),
        "/switch" => {
            let mut answer = Response::new(Body::empty());
            *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            return Ok(answer);
        }
        "/never" => std::future::pending().await,
        "/cut" => Body::new(Pieces([data("ab"), Err("cut".into())].into())),
        _ => Body::from(Bytes::from(body)),
    }))
}

type Piece = Result<Frame<Bytes>, gateway_layers::BoxError>;

/// A body of known pieces and unknown length.
struct Pieces(VecDeque<Piece>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = gateway_layers::BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Piece>> {
        Poll::Ready(self.0.pop_front())
    }
}

/// A body of one piece and unknown length, which knows its end.
struct Last(Option<Bytes>);

impl http_body::Body for Last {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }
}

/// A connection to a server of [`app`].
fn connect(seen: &Seen, drain: &Drain) -> DuplexStream {
    let (client, server) = duplex(64 * 1024);
    let seen = seen.clone();
    let server_of = HttpServer::new(tower::service_fn(move |req| app(seen.clone(), req)));
    let conn = Conn { io: server, info: ConnInfo::new(([127, 0, 0, 1], 1).into()), drain: drain.watch().connection() };
    tokio::spawn(server_of.oneshot(conn));
    client
}

/// What came back, what the service saw, and whether the connection was closed before any timer.
async fn talk(sent: &[u8]) -> (String, Vec<String>, bool) {
    let (seen, drain) = (Seen::default(), Drain::new());
    let mut client = connect(&seen, &drain);
    let start = Instant::now();
    client.write_all(sent).await.expect("open");
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.expect("open");
    let seen = seen.lock().expect("not poisoned").clone();
    (String::from_utf8(answer).expect("text"), seen, start.elapsed() < Duration::from_secs(5))
}

fn statuses(answer: &str) -> Vec<u16> {
    let lines = answer.split("HTTP/1.1 ").skip(1);
    lines.filter_map(|line| line.get(..3)).filter_map(|status| status.parse().ok()).collect()
}

/// RELIABILITY.md 5.1, the rows that the connection decides; `~` stands for the fields that every request has.
#[tokio::test(start_paused = true)]
async fn what_is_refused_never_becomes_a_request() {
    for (name, sent, expected, requests, closed) in [
        (
            "F01",
            "POST / HTTP/1.1~Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX",
            &[400][..],
            0,
            true,
        ),
        ("F03", "POST / HTTP/1.1~Content-Length: 5\r\nContent-Length: 6\r\n\r\nhelloX", &[400], 0, true),
        ("F11", "POST / HTTP/1.1~Content-Length: \r\n\r\nGET /evil HTTP/1.1~\r\n", &[400], 0, true),
        ("F15", "POST / HTTP/1.1~Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", &[501], 0, true),
        ("F23", "POST / HTTP/1.0~Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &[400], 0, true),
        ("F27", "POST / HTTP/1.1~Transfer-Encoding: chunked\r\n\r\n5;a\nb\r\nhello\r\n0\r\n\r\n", &[400], 1, true),
        ("F33", "POST / HTTP/1.1~Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX\r\n0\r\n\r\n", &[400], 1, true),
        ("F37", "GET / HTTP/1.1~Content-Length: 5\r\n\r\nhello", &[200], 1, false),
        (
            "F39",
            "POST /a HTTP/1.1~Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhelloGET /b HTTP/1.1~\r\n",
            &[200, 200],
            2,
            false,
        ),
        ("F41", "POST /a HTTP/1.1~Content-Length: 0\r\n\r\nGET /b HTTP/1.1~\r\n", &[200, 200], 2, false),
        ("L01", "GET / HTTP/1.1\nHost: h\n\n", &[400], 0, true),
        ("pipelined garbage", "GET /a HTTP/1.1~\r\nGET /b\r\n\r\nGET /c HTTP/1.1~\r\n", &[200, 400], 1, true),
        ("old", "GET / HTTP/1.0~\r\n", &[200], 1, true),
        ("close", "GET / HTTP/1.1~Connection: close\r\n\r\nGET /b HTTP/1.1~\r\n", &[200], 1, true),
        ("head", "HEAD / HTTP/1.1~\r\nGET /b HTTP/1.1~\r\n", &[200, 200], 2, false),
        (
            "chunks",
            "POST / HTTP/1.1~Transfer-Encoding: chunked\r\n\r\n2;x\r\nhe\r\n3\r\nllo\r\n0\r\nA: b\r\n\r\nGET /b HTTP/1.1~\r\n",
            &[200, 200],
            2,
            false,
        ),
        ("101 of nobody's", "GET /switch HTTP/1.1~\r\nGET /b HTTP/1.1~\r\n", &[101], 1, true),
        (
            "upgrade with a body",
            "GET /a HTTP/1.1~Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\nxGET /b HTTP/1.1~\r\n",
            &[200, 200],
            2,
            false,
        ),
        ("early", "POST /early HTTP/1.1~Content-Length: 9\r\n\r\nhello", &[200], 1, true),
        (
            "early, whole",
            "POST /early HTTP/1.1~Content-Length: 5\r\n\r\nhelloGET /b HTTP/1.1~\r\n",
            &[200, 200],
            2,
            false,
        ),
    ] {
        let (answer, seen, at_once) = talk(sent.replace('~', "\r\nHost: h\r\n").as_bytes()).await;
        assert_eq!(
            (statuses(&answer).as_slice(), seen.len(), at_once),
            (expected, requests, closed),
            "{name}: {answer}"
        );
        assert!(!seen.iter().any(|seen| seen.contains("evil")), "{name}");
        assert_eq!(answer.contains("connection: close"), closed, "{name}: {answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_come_and_go() {
    let (answer, seen, _) = talk(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello").await;
    assert_eq!(seen, ["POST /a hello"]);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ndate: "), "{answer}");
    assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");
    let (answer, _, _) = talk(b"GET /stream HTTP/1.1\r\nHost: h\r\nTE: trailers\r\n\r\n").await;
    assert!(answer.contains("transfer-encoding: chunked\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\netag: 1\r\n\r\n"), "{answer}");
    let (answer, _, _) = talk(b"GET /stream HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert!(answer.ends_with("\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"), "{answer}");
    let (answer, _, at_once) = talk(b"GET /cut HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert!(answer.ends_with("\r\n\r\n2\r\nab\r\n") && at_once, "{answer}");
    let (answer, _, _) = talk(b"GET /last HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert!(answer.contains("\r\n\r\n2001\r\nx") && answer.ends_with("x\r\n0\r\n\r\n"), "{answer}");
    let (answer, _, at_once) = talk(b"GET /stream HTTP/1.0\r\n\r\n").await;
    assert!(answer.ends_with("\r\n\r\nabc") && !answer.contains("chunked") && at_once, "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_waits_is_told_to_go_on() {
    let (seen, drain) = (Seen::default(), Drain::new());
    let mut client = connect(&seen, &drain);
    client
        .write_all(b"PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        .await
        .expect("open");
    let mut told = [0; 25];
    client.read_exact(&mut told).await.expect("open");
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"abc").await.expect("open");
    let mut answer = [0; 15];
    client.read_exact(&mut answer).await.expect("open");
    assert_eq!((&answer, seen.lock().expect("not poisoned")[0].as_str()), (b"HTTP/1.1 200 OK", "PUT / abc"));
}

#[tokio::test(start_paused = true)]
async fn a_large_body_goes_through_a_small_window() {
    let (seen, drain) = (Seen::default(), Drain::new());
    let client = connect(&seen, &drain);
    let (mut read, mut write) = tokio::io::split(client);
    let size = 3_000_000;
    let writing = tokio::spawn(async move {
        write.write_all(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n").await.expect("open");
        for _ in 0..size / 1000 {
            write.write_all(b"3e8\r\n").await.expect("open");
            write.write_all(&[b'x'; 1000]).await.expect("open");
            write.write_all(b"\r\n").await.expect("open");
        }
        write.write_all(b"0\r\n\r\n").await.expect("open");
        write
    });
    let mut answer = Vec::new();
    read.read_to_end(&mut answer).await.expect("open");
    drop(writing.await.expect("no panic"));
    assert_eq!(answer.iter().filter(|byte| **byte == b'x').count(), size);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_ends_early_is_no_body() {
    let (seen, drain) = (Seen::default(), Drain::new());
    let mut client = connect(&seen, &drain);
    client.write_all(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhello").await.expect("open");
    client.shutdown().await.expect("open");
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.expect("open");
    assert!(answer.is_empty(), "nobody is there to be answered");
    assert!(seen.lock().expect("not poisoned").is_empty(), "the service was dropped before it had a body");
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_ends_with_the_gateway() {
    let (seen, drain) = (Seen::default(), Drain::new());
    let mut client = connect(&seen, &drain);
    client.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.expect("open");
    let mut answer = [0; 15];
    client.read_exact(&mut answer).await.expect("open");
    let start = Instant::now();
    drain.order(Phase::Closing);
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.expect("open");
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_fails() {
    for (drip, seconds) in [(None, 60), (Some(1), 60), (Some(250), 80)] {
        let (seen, drain) = (Seen::default(), Drain::new());
        let (mut read, mut write) = tokio::io::split(connect(&seen, &drain));
        let start = Instant::now();
        write.write_all(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2000\r\n\r\n").await.expect("open");
        let dripping = tokio::spawn(async move {
            while let Some(size) = drip {
                tokio::time::sleep(Duration::from_secs(10)).await;
                if write.write_all(&vec![b'x'; size]).await.is_err() {
                    break;
                }
            }
            write
        });
        let mut answer = [0; 12];
        read.read_exact(&mut answer).await.expect("open");
        let late = if drip == Some(250) { b"HTTP/1.1 200" } else { b"HTTP/1.1 400" };
        assert_eq!((&answer, start.elapsed().as_secs()), (late, seconds), "{drip:?}");
        dripping.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_left() {
    for (size, seconds) in [(0, 60), (1, 60)] {
        let (seen, drain) = (Seen::default(), Drain::new());
        let mut client = connect(&seen, &drain);
        client.write_all(b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n").await.expect("open");
        let start = Instant::now();
        let mut read = 0;
        // It is gone when the server's half is dropped.
        while drain.connections() > 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let mut bytes = vec![0; size];
            read += client.read(&mut bytes).await.expect("open");
        }
        assert_eq!(start.elapsed().as_secs(), seconds + 1, "{size}");
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.expect("open");
        assert!(read + rest.len() < 1_000_000);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_is_noticed_whatever_it_has_sent_before() {
    for behind in ["", "\r\n", "GET /b HTTP/1.1\r\nHost: h\r\n\r\n"] {
        let (seen, drain) = (Seen::default(), Drain::new());
        let mut client = connect(&seen, &drain);
        let ask = format!("GET /never HTTP/1.1\r\nHost: h\r\n\r\n{behind}");
        client.write_all(ask.as_bytes()).await.expect("open");
        while seen.lock().expect("not poisoned").is_empty() {
            tokio::task::yield_now().await;
        }
        drop(client);
        // The connection's own watch goes when the request has been given up.
        tokio::time::timeout(Duration::from_secs(1), drain.ended()).await.expect("it is noticed");
    }
}
