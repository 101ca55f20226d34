//! What connections and bodies go through: reuse, streaming, upgrades, trailers, failures, the graceful end.
use std::time::Duration;

use gateway_layers::{
    HttpService,
    conn::Phase,
    service::SharedService,
    stack::{Filter, RouteSlot},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket},
};

use crate::support::{Running, entry, eventually, header, named, ok, read_until, service};

/// One host, these rules, port 80.
pub(crate) fn yaml(rules: &str) -> String {
    format!(
        "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: gw, namespace: istio-system}}
spec:
  selector: {{istio: ingressgateway}}
  servers:
  - port: {{number: 80, name: http, protocol: HTTP}}
    hosts: [a.com]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: routes, namespace: app}}
spec:
  hosts: [a.com]
  gateways: [istio-system/gw]
  http:
{rules}
"
    )
}

const PLAIN: &str = "  - route: [{destination: {host: up}}]";
const URL: &str = "http://a.com/x";

#[tokio::test(flavor = "multi_thread")]
async fn upstream_connections_are_used_again() {
    let (up, seen) = named("up").await;
    let running = Running::start(&(yaml(PLAIN) + &entry("up", 80, up)));
    for _ in 0..10 {
        assert_eq!(running.curl(80, &[URL]).await, "up /x");
    }
    assert_eq!(seen.connections(), 1);
    let head = seen.heads().pop().expect("a request");
    assert_eq!(header(&head, "connection"), None);
    assert_eq!(header(&head, "x-forwarded-proto"), Some("http"));
    assert_eq!(header(&head, "x-request-id").map(str::len), Some(36));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_closes_after_each_answer_costs_no_request() {
    let (up, seen) = service(|_| ok("x"), true).await;
    let running = Running::start(&(yaml(PLAIN) + &entry("up", 80, up)));
    let urls = [URL; 50];
    let all = running.curl(80, &urls).await;
    assert_eq!(all, "x".repeat(50));
    assert_eq!(seen.heads().len(), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_reached_is_answered() {
    // Held but not listening, or another test could take it.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let closed = socket.local_addr().expect("bound");
    let running = Running::start(&(yaml(PLAIN) + &entry("up", 80, closed)));
    let shown = running.curl(80, &["-w", " %{http_code}", URL]).await;
    let reason = "upstream connect error or disconnect/reset before headers. retried and the latest reset reason: \
                  remote connection failure 503";
    assert_eq!(shown, reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn timeouts_retries_and_mirrors() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let (flaky, seen_flaky) = service(
        |head| match header(head, "x-envoy-attempt-count") {
            Some("3") => ok("third"),
            _ => "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n".to_owned(),
        },
        false,
    )
    .await;
    let (shadow, seen_shadow) = named("shadow").await;
    let rules = "  - match: [{uri: {prefix: /slow}}]
    timeout: 100ms
    route: [{destination: {host: silent}}]
  - match: [{uri: {prefix: /flaky}}]
    retries: {attempts: 2, retryOn: '503'}
    mirror: {host: shadow}
    route: [{destination: {host: flaky}}]";
    let entries = [
        entry("silent", 80, silent.local_addr().expect("bound")),
        entry("flaky", 80, flaky),
        entry("shadow", 80, shadow),
    ];
    let running = Running::start(&(yaml(rules) + &entries.concat()));
    let slow = running.curl(80, &["-w", " %{http_code}", "http://a.com/slow"]).await;
    assert_eq!(slow, "upstream request timeout 504");
    assert_eq!(running.curl(80, &["-d", "body", "http://a.com/flaky"]).await, "third");
    assert_eq!(seen_flaky.heads().len(), 3);
    running.gateway.idle().await;
    let mirrored = seen_shadow.heads();
    assert_eq!(mirrored.len(), 1, "one copy a request, not one a try");
    assert_eq!(header(&mirrored[0], "content-length"), Some("4"));
    assert_eq!(header(&mirrored[0], "x-envoy-internal"), Some("true"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_becomes_a_tunnel() {
    let up = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let running = Running::start(&(yaml(PLAIN) + &entry("up", 80, up.local_addr().expect("bound"))));
    let mut client = running.connect(80).await;
    let ask = "GET /x HTTP/1.1\r\nhost: a.com\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\nearly";
    client.write_all(ask.as_bytes()).await.expect("open");
    let (mut server, _) = up.accept().await.expect("a connection");
    let head = read_until(&mut server, "\r\n\r\n").await;
    assert_eq!((header(&head, "upgrade"), header(&head, "connection")), (Some("websocket"), Some("Upgrade")));
    let answer = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\nhello";
    server.write_all(answer.as_bytes()).await.expect("open");
    let answer = read_until(&mut client, "hello").await;
    assert!(answer.starts_with("HTTP/1.1 101") && header(&answer, "upgrade") == Some("websocket"), "{answer}");
    assert_eq!(read_until(&mut server, "early").await, "early", "held until the 101, then passed on");
    assert_eq!(running.gateway.in_flight(), 1, "a tunnel is under way");
    server.write_all(b"down").await.expect("open");
    assert_eq!(read_until(&mut client, "down").await, "down");
    client.shutdown().await.expect("open");
    assert_eq!(server.read(&mut [0; 8]).await.expect("open"), 0, "the end is passed on");
    drop(server);
    running.gateway.idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_upgrades_are_refused() {
    let (up, seen) = named("up").await;
    let running = Running::start(&(yaml(PLAIN) + &entry("up", 80, up)));
    for (token, status) in [("foo", "403"), ("foo, websocket", "403"), ("h2c", "200")] {
        let upgrade = format!("upgrade: {token}");
        assert_eq!(running.status(80, &["-H", "connection: upgrade", "-H", &upgrade, URL]).await, status, "{token}");
    }
    assert_eq!(seen.heads().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_slows_the_upstream() {
    const CHUNK: usize = 64 * 1024;
    const TOTAL: usize = 64 * 1024 * 1024;
    let up = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let running = Running::start(&(yaml(PLAIN) + &entry("up", 80, up.local_addr().expect("bound"))));
    let mut client = running.connect(80).await;
    client.write_all(b"GET /x HTTP/1.1\r\nhost: a.com\r\n\r\n").await.expect("open");
    let (mut server, _) = up.accept().await.expect("a connection");
    read_until(&mut server, "\r\n\r\n").await;
    server.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {TOTAL}\r\n\r\n").as_bytes()).await.expect("open");
    read_until(&mut client, "\r\n\r\n").await;
    // The client reads nothing: the upstream can write what fits into sockets and the gateway's buffers, no more.
    let mut written = 0;
    let chunk = vec![0; CHUNK];
    while let Ok(more) = tokio::time::timeout(Duration::from_millis(500), server.write(&chunk)).await {
        written += more.expect("open");
        assert!(written < TOTAL / 2, "the gateway took {written} bytes that nobody reads");
    }
    // Read now, everything comes.
    let rest = tokio::spawn(async move {
        let mut left = TOTAL - written;
        while left > 0 {
            left -= server.write(&chunk[..left.min(CHUNK)]).await.expect("open");
        }
        server
    });
    let mut read = 0;
    let mut buffer = vec![0; CHUNK];
    while read < TOTAL {
        read += client.read(&mut buffer).await.expect("open");
    }
    rest.await.expect("no panic");
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_stream_and_are_framed_anew() {
    let up = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let running = Running::start(&(yaml(PLAIN) + &entry("up", 80, up.local_addr().expect("bound"))));
    let mut client = running.connect(80).await;
    let head = "POST /x HTTP/1.1\r\nhost: a.com\r\ntransfer-encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n";
    client.write_all(head.as_bytes()).await.expect("open");
    let (mut server, _) = up.accept().await.expect("a connection");
    let head = read_until(&mut server, "hello\r\n").await;
    assert!(head.contains("transfer-encoding: chunked") && !head.contains("ext=1"), "{head}");
    client.write_all(b"0\r\nx-trailer: 1\r\n\r\n").await.expect("open");
    assert_eq!(read_until(&mut server, "\r\n\r\n").await, "0\r\n\r\n", "HTTP/1 trailers are dropped");
    server.write_all(ok("done").as_bytes()).await.expect("open");
    assert!(read_until(&mut client, "done").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test(flavor = "multi_thread")]
async fn expect_100_continue_is_answered_before_the_body() {
    let (up, seen) = named("up").await;
    let running = Running::start(&(yaml(PLAIN) + &entry("up", 80, up)));
    let mut client = running.connect(80).await;
    let head = "POST /x HTTP/1.1\r\nhost: a.com\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n";
    client.write_all(head.as_bytes()).await.expect("open");
    assert!(read_until(&mut client, "\r\n\r\n").await.starts_with("HTTP/1.1 100"));
    client.write_all(b"body").await.expect("open");
    assert!(read_until(&mut client, "up /x").await.starts_with("HTTP/1.1 200"));
    assert_eq!(seen.heads().len(), 1);
    assert_eq!(running.status(80, &["-H", "expect: tea", "-d", "x", URL]).await, "417");
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_without_bodies_keep_their_meaning() {
    let answer = |head: &str| match head.split(' ').nth(1) {
        Some("/204") => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
        Some("/304") => "HTTP/1.1 304 Not Modified\r\netag: \"x\"\r\n\r\n".to_owned(),
        _ if head.starts_with("HEAD") => "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n".to_owned(),
        _ => ok("body"),
    };
    let (up, seen) = service(answer, false).await;
    let running = Running::start(&(yaml(PLAIN) + &entry("up", 80, up)));
    let shown = ["-w", "%{http_code} %header{content-length}|"];
    let urls = ["http://a.com/204", "http://a.com/304", "http://a.com/x"];
    assert_eq!(running.curl(80, &[&shown[..], &urls].concat()).await, "204 |304 |body200 4|");
    let head = running.curl(80, &["-I", "-o", "/dev/null", "-w", "%header{content-length}", URL]).await;
    assert_eq!(head, "1000");
    assert_eq!(running.curl(80, &["-X", "POST", URL]).await, "body");
    let post = seen.heads().pop().expect("a request");
    assert_eq!(header(&post, "content-length"), Some("0"), "a POST without a body says so");
    assert_eq!(seen.connections(), 1, "all in sync on one connection");
}

/// Panics on one path.
struct Fragile;

impl Filter for Fragile {
    fn route(&self, _: &RouteSlot<'_>, next: HttpService) -> HttpService {
        SharedService::new(tower::service_fn(move |req: http::Request<gateway_layers::body::Body>| {
            assert_ne!(req.uri().path(), "/panic", "a bug in a filter");
            tower::ServiceExt::oneshot(next.clone(), req)
        }))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_answered_and_hurts_nobody_else() {
    let (up, _) = named("up").await;
    let running = Running::start_with(&(yaml(PLAIN) + &entry("up", 80, up)), |builder| builder.filter(Fragile));
    let shown = running.curl(80, &["-w", " %{http_code} %{num_connects}|", "http://a.com/panic", URL]).await;
    assert_eq!(shown, " 500 1|up /x 200 0|", "the connection goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_loses_nothing() {
    let up = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let running = Running::start(&(yaml(PLAIN) + &entry("up", 80, up.local_addr().expect("bound"))));
    let mut idle = running.connect(80).await;
    idle.write_all(b"GET /none HTTP/1.1\r\nhost: b.com\r\n\r\n").await.expect("open");
    assert!(read_until(&mut idle, "\r\n\r\n").await.starts_with("HTTP/1.1 404"));
    let mut busy = running.connect(80).await;
    busy.write_all(b"GET /x HTTP/1.1\r\nhost: a.com\r\n\r\n").await.expect("open");
    let (mut server, _) = up.accept().await.expect("a connection");
    read_until(&mut server, "\r\n\r\n").await;

    let drain = running.drain.clone();
    let gateway = running.gateway.clone();
    let draining = tokio::spawn(async move { gateway.drain(&drain, Duration::ZERO, Duration::from_secs(20)).await });
    let watch = running.drain.watch();
    eventually("the drain begins", || watch.phase() == Phase::Draining).await;
    // New connections, and idle ones, are still answered, and told not to come again.
    idle.write_all(b"GET /none HTTP/1.1\r\nhost: b.com\r\n\r\n").await.expect("open");
    assert_eq!(header(&read_until(&mut idle, "\r\n\r\n").await, "connection"), Some("close"));
    let mut late = running.connect(80).await;
    late.write_all(b"GET /none HTTP/1.1\r\nhost: b.com\r\n\r\n").await.expect("open");
    assert_eq!(header(&read_until(&mut late, "\r\n\r\n").await, "connection"), Some("close"));

    server.write_all(ok("done").as_bytes()).await.expect("open");
    let answer = read_until(&mut busy, "done").await;
    assert_eq!(header(&answer, "connection"), Some("close"));
    assert!(draining.await.expect("no panic"), "all ended in time");
    running.serving.await.expect("no panic").expect("no error");
    assert_eq!(running.drain.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_connection_does_not_hold_up_a_drain() {
    let (up, _) = named("up").await;
    let running = Running::start(&(yaml(PLAIN) + &entry("up", 80, up)));
    let mut silent = running.connect(80).await;
    assert_eq!(running.curl(80, &[URL]).await, "up /x");
    assert!(running.gateway.drain(&running.drain, Duration::ZERO, Duration::from_secs(20)).await);
    assert_eq!(silent.read(&mut [0; 8]).await.expect("closed, not reset"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_an_error_that_names_it() {
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a free port").into_std().expect("a socket");
    let (config, _) = crate::support::read(&yaml(PLAIN));
    let mut options = gateway_layers::stack::Options::default();
    options.ports.insert(80, taken.local_addr().expect("bound"));
    let gateway = gateway_layers::stack::Gateway::builder(config).options(options).workers(2).build().expect("sound");
    let error = gateway.bind().expect_err("in use");
    assert!(
        error.to_string().contains("cannot open port 80") && error.kind() == std::io::ErrorKind::AddrInUse,
        "{error}"
    );
}
