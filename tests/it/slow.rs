//! Clients that are slow, and clients that are too many.
use std::time::Duration;

use gateway_layers::stack::Options;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    support::{Running, entry, header, named, read_until},
    traffic::yaml,
};

const PLAIN: &str = "  - route: [{destination: {host: up}}]";

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_408_and_reaches_no_upstream_as_whole() {
    let (up, seen) = named("up").await;
    let mut options = Options::default();
    options.http.body_timeout = Duration::from_millis(100);
    let running = Running::start_as(&(yaml(PLAIN) + &entry("up", 80, up)), options);
    let mut client = running.connect(80).await;
    client.write_all(b"POST / HTTP/1.1\r\nHost: a.com\r\nContent-Length: 5\r\n\r\nhel").await.expect("open");
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.expect("closed by the gateway");
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.ends_with("\r\n\r\nstream timeout"), "{answer}");
    assert_eq!(header(&answer, "connection"), Some("close"));
    assert!(seen.heads().is_empty(), "a request that was not whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_too_many_are_closed_and_those_that_are_open_go_on() {
    let mut options = Options::default();
    options.max_connections = Some(1);
    let running = Running::start_as(&yaml("  - directResponse: {status: 200}"), options);
    let mut first = running.connect(80).await;
    let ask = b"GET / HTTP/1.1\r\nHost: a.com\r\n\r\n";
    first.write_all(ask).await.expect("open");
    read_until(&mut first, "\r\n\r\n").await;
    let mut second = running.connect(80).await;
    let mut nothing = Vec::new();
    // A reset is as good: it depends on what was sent.
    let closed = second.read_to_end(&mut nothing).await;
    assert!(nothing.is_empty() && closed.map_or(true, |length| length == 0));
    first.write_all(ask).await.expect("open");
    assert!(read_until(&mut first, "\r\n\r\n").await.starts_with("HTTP/1.1 200"));
}
