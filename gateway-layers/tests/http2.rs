//! HTTP/2 streams that wait for their client. The clock is paused.
#![cfg(feature = "conn")]

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use gateway_layers::{
    body::Body,
    conn::{Conn, ConnInfo, Drain, HttpServer},
};
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt as _;
use tokio::{
    io::duplex,
    time::{Instant, sleep},
};
use tower::ServiceExt as _;

/// `/endless` is endless, `/watch` never ends and never says anything; anything else answers when it has the body.
async fn app(req: Request<Body>) -> Result<Response<Body>, Infallible> {
    match req.uri().path() {
        "/endless" => return Ok(Response::new(Body::new(Endless))),
        "/watch" => return Ok(Response::new(Body::new(Never(req.into_body())))),
        _ => {}
    }
    let whole = req.into_body().collect().await.is_ok();
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = if whole { StatusCode::OK } else { StatusCode::REQUEST_TIMEOUT };
    Ok(answer)
}

/// Reads its request for ever, says nothing.
struct Never(Body);

impl http_body::Body for Never {
    type Data = Bytes;
    type Error = gateway_layers::BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        loop {
            match Pin::new(&mut self.0).poll_frame(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                other => return other,
            }
        }
    }
}

struct Endless;

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 16 * 1024])))))
    }
}

async fn connect() -> h2::client::SendRequest<Bytes> {
    let (client, server) = duplex(1024 * 1024);
    let conn = Conn { io: server, info: ConnInfo::new(([127, 0, 0, 1], 1).into()), drain: Drain::new().watch() };
    tokio::spawn(HttpServer::new(tower::service_fn(app)).oneshot(conn));
    let (send, connection) = h2::client::handshake(client).await.expect("HTTP/2");
    tokio::spawn(connection);
    send.ready().await.expect("open")
}

fn post(path: &str) -> Request<()> {
    Request::post(format!("http://h{path}")).body(()).expect("valid")
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_fails_and_the_connection_lives() {
    let mut send = connect().await;
    let start = Instant::now();
    let (answer, mut body) = send.send_request(post("/"), false).expect("open");
    body.send_data(Bytes::from_static(b"begin"), false).expect("open");
    assert_eq!(answer.await.expect("an answer").status(), StatusCode::REQUEST_TIMEOUT);
    assert!((300..=320).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    let (answer, _) = send.send_request(post("/"), true).expect("open");
    assert_eq!(answer.await.expect("an answer").status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_read_is_reset() {
    let mut send = connect().await;
    let (answer, _) = send.send_request(post("/endless"), true).expect("open");
    let mut body = answer.await.expect("a head").into_body();
    sleep(Duration::from_secs(320)).await;
    let failed = async {
        while let Some(data) = body.data().await {
            data?;
        }
        Ok::<_, h2::Error>(())
    };
    let failed = failed.await.expect_err("reset");
    assert!(failed.is_reset(), "{failed:?}");
    let (answer, _) = send.send_request(post("/"), true).expect("open");
    assert_eq!(answer.await.expect("an answer").status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn what_is_silent_after_the_head_lives() {
    let mut send = connect().await;
    let (answer, mut body) = send.send_request(post("/watch"), false).expect("open");
    let answer = answer.await.expect("a head");
    sleep(Duration::from_secs(1800)).await;
    body.send_data(Bytes::from_static(b"still here"), false).expect("open");
    let mut silent = std::pin::pin!(answer.into_body());
    let more = tokio::time::timeout(Duration::from_secs(1), silent.data()).await;
    assert!(more.is_err(), "neither ended nor reset: {more:?}");
}
