//! The graceful end, where it could lose something: queues, kept-alive connections, tunnels.
use std::time::Duration;

use gateway_layers::{
    conn::{Drain, Phase},
    stack::{Gateway, Options},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::{
    support::{Running, entry, eventually, header, named, ok, read, read_until},
    traffic::yaml,
};

const PLAIN: &str = "  - route: [{destination: {host: up}}]";
const REQUEST: &[u8] = b"GET /x HTTP/1.1\r\nhost: a.com\r\n\r\n";

/// On one thread: what is queued when the end is ordered was not seen by the runtime yet.
#[tokio::test]
async fn connections_that_wait_in_the_queue_are_answered() {
    let (up, _) = named("up").await;
    let (config, _) = read(&(yaml(PLAIN) + &entry("up", 80, up)));
    let mut options = Options::default();
    options.ports.insert(80, ([127, 0, 0, 1], 0).into());
    let bound = Gateway::builder(config).options(options).build().expect("sound").bind().expect("a free port");
    let address = bound.address(80).expect("open");
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut client = TcpStream::connect(address).await.expect("the socket listens");
        client.write_all(REQUEST).await.expect("open");
        clients.push(client);
    }
    let drain = Drain::new();
    drain.order(Phase::Closing);
    bound.serve(drain.watch()).await.expect("no error");
    for mut client in clients {
        let answer = read_until(&mut client, "up /x").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert_eq!(header(&answer, "connection"), Some("close"));
        assert_eq!(client.read(&mut [0; 8]).await.expect("closed, not reset"), 0);
    }
    drain.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_alive_connection_is_closed_when_nothing_is_under_way() {
    let (up, _) = named("up").await;
    let running = Running::start(&(yaml(PLAIN) + &entry("up", 80, up)));
    let mut idle = running.connect(80).await;
    idle.write_all(REQUEST).await.expect("open");
    let answer = read_until(&mut idle, "up /x").await;
    assert_eq!(header(&answer, "connection"), None, "it is kept alive");
    running.gateway.idle().await;
    assert!(running.gateway.drain(&running.drain, Duration::ZERO, Duration::from_secs(20)).await);
    assert_eq!(idle.read(&mut [0; 8]).await.expect("closed, not reset"), 0);
    let address = running.address(80);
    running.serving.await.expect("no panic").expect("no error");
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_outlives_the_deadline_is_told_of() {
    let up = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let running = Running::start(&(yaml(PLAIN) + &entry("up", 80, up.local_addr().expect("bound"))));
    let mut busy = running.connect(80).await;
    busy.write_all(REQUEST).await.expect("open");
    let (mut server, _) = up.accept().await.expect("a connection");
    read_until(&mut server, "\r\n\r\n").await;
    let in_time = running.gateway.drain(&running.drain, Duration::ZERO, Duration::from_millis(50)).await;
    assert!(!in_time, "a request is under way");
    assert_eq!(running.drain.connections(), 1);
    server.write_all(ok("late").as_bytes()).await.expect("open");
    assert!(read_until(&mut busy, "late").await.starts_with("HTTP/1.1 200"), "it is not cut by the library");
    running.drain.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_does_not_begin_does_not_hold_up_a_drain() {
    let gateway = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [a.com]
    tls: {mode: SIMPLE, credentialName: a-cert}
";
    let running = Running::start(gateway);
    let mut silent = running.connect(443).await;
    eventually("it is accepted", || running.drain.connections() == 1).await;
    // Below the ten seconds that a handshake may take.
    assert!(running.gateway.drain(&running.drain, Duration::ZERO, Duration::from_secs(5)).await);
    assert_eq!(silent.read(&mut [0; 8]).await.expect("closed, not reset"), 0);
}
