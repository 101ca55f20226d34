//! HTTP/2 from end to end: streams both ways, trailers, the end of a connection.
use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::net::{TcpListener, TcpStream};

use crate::{
    support::{Running, curl, named, protocol_entry},
    traffic::yaml,
};

const PLAIN: &str = "  - route: [{destination: {host: up}}]";

/// Answers each piece of the request's body with `re:` and the piece, then with the request's trailers as its own.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.expect("HTTP/2");
                while let Some(Ok((request, respond))) = connection.accept().await {
                    tokio::spawn(answer(request, respond));
                }
            });
        }
    });
    address
}

async fn answer(request: Request<h2::RecvStream>, mut respond: h2::server::SendResponse<Bytes>) {
    let response = Response::builder().header("content-type", "application/grpc").body(()).expect("valid");
    let mut send = respond.send_response(response, false).expect("open");
    let mut body = request.into_body();
    while let Some(Ok(piece)) = body.data().await {
        let _ = body.flow_control().release_capacity(piece.len());
        if piece.is_empty() {
            continue;
        }
        let reply = Bytes::from([b"re:", piece.as_ref()].concat());
        send.send_data(reply, false).expect("open");
    }
    let trailers = body.trailers().await.expect("open").unwrap_or_default();
    send.send_trailers(trailers).expect("open");
}

async fn connect(
    running: &Running,
) -> (h2::client::SendRequest<Bytes>, tokio::task::JoinHandle<Result<(), h2::Error>>) {
    let stream = TcpStream::connect(running.address(80)).await.expect("a listener");
    let (send, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
    (send, tokio::spawn(connection))
}

fn grpc() -> Request<()> {
    let request = Request::post("http://a.com/s/m").header("content-type", "application/grpc").header("te", "trailers");
    request.body(()).expect("valid")
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_stream_and_trailers_pass() {
    let running = Running::start(&(yaml(PLAIN) + &protocol_entry("up", 80, "HTTP2", echo().await)));
    let (send, _connection) = connect(&running).await;
    let (response, mut body) = send.ready().await.expect("open").send_request(grpc(), false).expect("open");
    body.send_data(Bytes::from_static(b"one"), false).expect("open");
    let mut answer = response.await.expect("an answer").into_body();
    for (piece, reply) in [("one", "re:one"), ("two", "re:two")] {
        if piece == "two" {
            body.send_data(Bytes::from_static(b"two"), false).expect("open");
        }
        let data = answer.data().await.expect("more").expect("no error");
        assert_eq!(data, reply, "answered while the request is open");
        answer.flow_control().release_capacity(data.len()).expect("held");
    }
    let trailers =
        HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]);
    body.send_trailers(trailers.clone()).expect("open");
    assert!(answer.data().await.is_none());
    assert_eq!(answer.trailers().await.expect("no error"), Some(trailers));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_reply_to_grpc_is_grpc() {
    let running = Running::start(&(yaml(PLAIN) + &protocol_entry("up", 80, "HTTP2", ([127, 0, 0, 1], 1).into())));
    let (send, _connection) = connect(&running).await;
    let (response, _) = send.ready().await.expect("open").send_request(grpc(), true).expect("open");
    let answer = response.await.expect("an answer");
    assert_eq!((answer.status().as_u16(), &answer.headers()["grpc-status"]), (200, &HeaderValue::from_static("14")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_says_goaway_and_finishes_streams() {
    let running = Running::start(&(yaml(PLAIN) + &protocol_entry("up", 80, "HTTP2", echo().await)));
    let (send, connection) = connect(&running).await;
    let (response, mut body) = send.clone().ready().await.expect("open").send_request(grpc(), false).expect("open");
    let mut answer = response.await.expect("an answer").into_body();
    let (drain, gateway) = (running.drain.clone(), running.gateway.clone());
    let draining = tokio::spawn(async move { gateway.drain(&drain, Duration::ZERO, Duration::from_secs(20)).await });
    running.drain.watch().reached(gateway_layers::conn::Phase::Draining).await;
    body.send_data(Bytes::from_static(b"late"), true).expect("the stream goes on");
    assert_eq!(answer.data().await.expect("more").expect("no error"), "re:late");
    // The end may come as an empty piece of data.
    while let Some(rest) = answer.data().await {
        assert_eq!(rest.expect("no error"), "");
    }
    drop((send, answer, body));
    assert!(draining.await.expect("no panic"), "ended in time");
    connection.await.expect("no panic").expect("GOAWAY without an error");
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_to_http1_and_back() {
    let (up, seen) = named("up").await;
    let running = Running::start(&(yaml(PLAIN) + &crate::support::entry("up", 80, up)));
    let (send, _connection) = connect(&running).await;
    let request =
        Request::get("http://a.com/x").header("cookie", "a=1").header("cookie", "b=2").body(()).expect("valid");
    let (response, _) = send.ready().await.expect("open").send_request(request, true).expect("open");
    let mut body = response.await.expect("an answer").into_body();
    assert_eq!(body.data().await.expect("data").expect("no error"), "up /x");
    let head = seen.heads().pop().expect("a request");
    assert!(head.starts_with("GET /x HTTP/1.1\r\n"), "{head}");
    assert_eq!(crate::support::header(&head, "cookie"), Some("a=1; b=2"));
    assert_eq!(crate::support::header(&head, "host"), Some("a.com"));
}

/// Refuses the first stream when it has its body, and answers the others with their bodies.
async fn refuses_once() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("open");
        let mut connection = h2::server::handshake(stream).await.expect("HTTP/2");
        let mut number = 0;
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            number += 1;
            tokio::spawn(async move {
                let mut body = request.into_body();
                let mut seen = Vec::new();
                while let Some(Ok(piece)) = body.data().await {
                    seen.extend_from_slice(&piece);
                }
                if number == 1 {
                    respond.send_reset(h2::Reason::REFUSED_STREAM);
                } else {
                    let mut send = respond.send_response(Response::new(()), false).expect("open");
                    send.send_data(seen.into(), true).expect("open");
                }
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_stream_is_tried_again_with_its_body() {
    let running = Running::start(&(yaml(PLAIN) + &protocol_entry("up", 80, "HTTP2", refuses_once().await)));
    let answer = running.curl(80, &["-d", "abc", "-w", " %{http_code}", "http://a.com/"]).await;
    assert_eq!(answer, "abc 200");
}

/// curl takes a reset for a failure while it is still sending, even when it has its answer.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_before_the_body_was_read_reaches_the_client() {
    let running = Running::start(&yaml("  - directResponse: {status: 403}"));
    let large = std::env::temp_dir().join(format!("gateway-body-{}", std::process::id()));
    std::fs::write(&large, vec![b'x'; 3_000_000]).expect("a file");
    let large = format!("@{}", large.display());
    for body in ["abc"; 20].into_iter().chain([large.as_str()]) {
        let to = format!("::{}", running.address(80));
        let ask = ["--connect-to", &to, "--http2-prior-knowledge", "-w", "%{http_code}", "--data-binary", body];
        assert_eq!(curl(&[&ask[..], &["http://a.com/"]].concat()).await, ("403".to_owned(), 0), "{body}");
    }
}
