//! Bodies on their way: piece by piece, large ones, readers that are slow; and what two streams of one connection may
//! not do to each other.
use std::time::Duration;

use bytes::Bytes;
use gateway_layers::{
    HttpService,
    body::Body,
    service::SharedService,
    stack::{Filter, RouteSlot},
};
use http::Request;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::{
    support::{Running, entry, named, ok, read_until, service},
    traffic::yaml,
};

const PLAIN: &str = "  - route: [{destination: {host: up}}]";
const CHUNK: usize = 64 * 1024;

/// A gateway in front of a service that the test plays itself.
async fn to_listener() -> (Running, TcpListener) {
    let up = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let running = Running::start(&(yaml(PLAIN) + &entry("up", 80, up.local_addr().expect("bound"))));
    (running, up)
}

async fn http2(running: &Running) -> h2::client::SendRequest<Bytes> {
    let stream = TcpStream::connect(running.address(80)).await.expect("a listener");
    // With room for more than one stream that is not read.
    let mut builder = h2::client::Builder::new();
    builder.initial_connection_window_size(1024 * 1024);
    let (send, connection) = builder.handshake(stream).await.expect("HTTP/2");
    tokio::spawn(connection);
    send.ready().await.expect("open")
}

fn get(path: &str) -> Request<()> {
    Request::get(format!("http://a.com{path}")).body(()).expect("valid")
}

/// Writes until nothing is taken any more; how much was.
async fn fill(io: &mut TcpStream, most: usize) -> usize {
    let chunk = vec![0; CHUNK];
    let mut written = 0;
    while let Ok(more) = tokio::time::timeout(Duration::from_millis(500), io.write(&chunk)).await {
        written += more.expect("open");
        assert!(written < most, "the gateway took {written} bytes that nobody reads");
    }
    written
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_comes_piece_by_piece() {
    let (running, up) = to_listener().await;
    let mut client = running.connect(80).await;
    client.write_all(b"GET /x HTTP/1.1\r\nhost: a.com\r\n\r\n").await.expect("open");
    let (mut server, _) = up.accept().await.expect("a connection");
    read_until(&mut server, "\r\n\r\n").await;
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    server.write_all(head).await.expect("open");
    read_until(&mut client, "\r\n\r\n").await;
    // Each piece is seen before the next one is sent.
    for event in ["data: 1\n", "data: 2\n", "data: 3\n"] {
        server.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes()).await.expect("open");
        assert_eq!(read_until(&mut client, "\n\r\n").await, format!("{:x}\r\n{event}\r\n", event.len()));
    }
    server.write_all(b"0\r\n\r\n").await.expect("open");
    assert_eq!(read_until(&mut client, "\r\n\r\n").await, "0\r\n\r\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_upstream_slows_the_upload() {
    const TOTAL: usize = 64 * 1024 * 1024;
    let (running, up) = to_listener().await;
    let mut client = running.connect(80).await;
    let head = format!("POST /x HTTP/1.1\r\nhost: a.com\r\ncontent-length: {TOTAL}\r\n\r\n");
    client.write_all(head.as_bytes()).await.expect("open");
    let (mut server, _) = up.accept().await.expect("a connection");
    read_until(&mut server, "\r\n\r\n").await;
    let written = fill(&mut client, TOTAL / 2).await;
    // Read now, everything comes.
    let rest = tokio::spawn(async move {
        client.write_all(&vec![0; TOTAL - written]).await.expect("open");
        read_until(&mut client, "done").await
    });
    let (mut read, mut buffer) = (0, vec![0; CHUNK]);
    while read < TOTAL {
        read += server.read(&mut buffer).await.expect("open");
    }
    assert_eq!(read, TOTAL);
    server.write_all(ok("done").as_bytes()).await.expect("open");
    assert!(rest.await.expect("no panic").starts_with("HTTP/1.1 200"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_not_read_holds_up_its_upstream_alone() {
    let (running, up) = to_listener().await;
    let send = http2(&running).await;
    let (unread, _) = send.clone().send_request(get("/large"), true).expect("open");
    let (mut server, _) = up.accept().await.expect("a connection");
    read_until(&mut server, "\r\n\r\n").await;
    server.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 67108864\r\n\r\n").await.expect("open");
    let unread = unread.await.expect("a head");
    fill(&mut server, 32 * 1024 * 1024).await;
    // The other stream of the connection goes on.
    let (answer, _) = send.ready().await.expect("open").send_request(get("/small"), true).expect("open");
    let (mut second, _) = up.accept().await.expect("a connection of its own");
    read_until(&mut second, "\r\n\r\n").await;
    second.write_all(ok("small").as_bytes()).await.expect("open");
    let mut body = answer.await.expect("an answer").into_body();
    assert_eq!(body.data().await.expect("data").expect("no error"), "small");
    // Who gives a stream up frees its upstream connection: it is closed, for its answer was not read to the end.
    drop(unread);
    let chunk = vec![0; CHUNK];
    let closed = async { while server.write(&chunk).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(10), closed).await.expect("the upstream learns of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_pass_unchanged() {
    const SIZE: usize = 8 * 1024 * 1024;
    let body: Vec<u8> = (0..SIZE).map(|at| ((at * 7919) >> 3) as u8 & 0x7f).collect();
    let answer = String::from_utf8(body.clone()).expect("ASCII");
    let answered = answer.clone();
    let (up, seen) = service(move |_| ok(&answered), false).await;
    let running = Running::start(&(yaml(PLAIN) + &entry("up", 80, up)));
    let folder = tempfile::tempdir().expect("a folder");
    let (sent, got) = (folder.path().join("sent"), folder.path().join("got"));
    std::fs::write(&sent, &body).expect("written");
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let upload = format!("@{}", sent.display());
        let to = got.display().to_string();
        let arguments = [version, "--data-binary", &upload, "-o", &to, "-w", "%{http_code}", "http://a.com/x"];
        assert_eq!(running.curl(80, &arguments).await, "200", "{version}");
        assert!(std::fs::read(&got).expect("written") == body, "{version}: the answer was changed");
        let head = seen.heads().pop().expect("a request");
        assert_eq!(crate::support::header(&head, "content-length"), Some(SIZE.to_string().as_str()), "{version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_breaks_off_does_not_look_complete() {
    let (running, up) = to_listener().await;
    let answers = [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ];
    tokio::spawn(async move {
        for answer in answers.into_iter().cycle() {
            let (mut server, _) = up.accept().await.expect("a connection");
            read_until(&mut server, "\r\n\r\n").await;
            server.write_all(answer.as_bytes()).await.expect("open");
        }
    });
    let to = format!("::{}", running.address(80));
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        for _ in answers {
            let (shown, code) = crate::support::curl(&[version, "--connect-to", &to, "http://a.com/x"]).await;
            // Over HTTP/2 the reset may overtake it.
            let passed_on = shown == "half" || (version != "--http1.1" && shown.is_empty());
            assert!(passed_on, "{version}: what came is passed on, not {shown}");
            assert_ne!(code, 0, "{version}: and the client learns that more is missing");
        }
    }
}

/// Panics on one path: before the answer, or in its body.
struct Fragile;

impl Filter for Fragile {
    fn route(&self, _: &RouteSlot<'_>, next: HttpService) -> HttpService {
        SharedService::new(tower::service_fn(move |req: Request<Body>| {
            let next = next.clone();
            async move {
                assert_ne!(req.uri().path(), "/panic", "a bug in a filter");
                tower::ServiceExt::oneshot(next, req).await
            }
        }))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_leaves_the_other_streams_of_its_connection_alone() {
    let up = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let yaml = yaml(PLAIN) + &entry("up", 80, up.local_addr().expect("bound"));
    let running = Running::start_with(&yaml, |builder| builder.filter(Fragile));
    let send = http2(&running).await;
    let (before, _) = send.clone().send_request(get("/x"), true).expect("open");
    let (mut server, _) = up.accept().await.expect("a connection");
    read_until(&mut server, "\r\n\r\n").await;
    let (panics, _) = send.ready().await.expect("open").send_request(get("/panic"), true).expect("open");
    assert_eq!(panics.await.expect("an answer").status(), 500);
    server.write_all(ok("fine").as_bytes()).await.expect("open");
    let mut body = before.await.expect("an answer").into_body();
    assert_eq!(body.data().await.expect("data").expect("no error"), "fine");
    running.gateway.idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_are_shares() {
    let ((old, seen_old), (new, seen_new)) = (named("old").await, named("new").await);
    let rules = "  - route:
    - destination: {host: old}
      weight: 90
    - destination: {host: new}
      weight: 10
    - destination: {host: unused}
      weight: 0";
    let yaml = yaml(rules) + &entry("old", 80, old) + &entry("new", 80, new);
    let random = gateway_layers::random::Random::seeded(1, 1);
    let running = Running::start_with(&yaml, |builder| builder.random(random));
    let urls = ["http://a.com/x"; 500];
    let all = running.curl(80, &urls).await;
    assert_eq!(all.len(), 6 * 500, "each was answered by one of the two: {all}");
    assert_eq!(seen_old.heads().len() + seen_new.heads().len(), 500);
    let share = seen_new.heads().len();
    assert!((30..=70).contains(&share), "a tenth: {share} of 500");
}

/// Half a body has been sent when the answer comes; what follows must not make the kernel throw the answer away.
#[tokio::test(flavor = "multi_thread")]
async fn an_early_answer_is_not_lost_to_a_reset() {
    let running = Running::start(&yaml("  - directResponse: {status: 413, body: {string: too much}}"));
    for _ in 0..20 {
        let mut client = running.connect(80).await;
        let piece = vec![b'x'; 256 * 1024];
        client.write_all(b"POST / HTTP/1.1\r\nhost: a.com\r\ncontent-length: 1048576\r\n\r\n").await.expect("open");
        client.write_all(&piece).await.expect("open");
        let first = read_until(&mut client, "too much").await;
        client.write_all(&piece).await.expect("not reset");
        client.write_all(&piece).await.expect("not reset");
        client.shutdown().await.expect("not reset");
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.expect("closed, not reset");
        assert!(first.starts_with("HTTP/1.1 413"), "{first}");
    }
}
