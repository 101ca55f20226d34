//! The end: drained, at once, by force.
use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use tempfile::TempDir;

use crate::{
    support::{Running, admin, arg, ended, folder, get, shop},
    upstream::{self, Slow},
};

/// A gateway with a request that its upstream has and has not answered.
fn busy(more: &[&str]) -> (TempDir, Slow, Running, [SocketAddr; 2], TcpStream) {
    let slow = Slow::start();
    let dir = folder(&[("shop.yaml", &shop(slow.address))]);
    let mut running = Running::serve(dir.path(), more);
    let (admin, http) = running.opened();
    let mut client = TcpStream::connect(http).expect("it accepts");
    client.write_all(b"GET / HTTP/1.1\r\nhost: shop.example.com\r\n\r\n").expect("it reads");
    slow.arrived();
    (dir, slow, running, [admin, http], client)
}

#[test]
fn a_request_in_flight_is_answered_and_new_ones_too() {
    let (_dir, slow, mut running, [address, http], mut client) = busy(&["--min-drain", "2s"]);
    running.signal("TERM");
    running.until("draining");
    assert!(admin(address, "/ready").starts_with("HTTP/1.1 503"));
    assert!(admin(address, "/healthz").starts_with("HTTP/1.1 200"));
    let fresh = get(http, "unknown.example.com", "/");
    assert!(fresh.starts_with("HTTP/1.1 404") && fresh.contains("connection: close"), "{fresh}");
    slow.go();
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("the connection is closed after the answer");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("slow hello"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    assert_eq!(running.end().code(), Some(0));
    assert!(running.log.iter().any(|line| line.contains("drained")), "{:#?}", running.log);
}

#[test]
fn idle_and_interrupted_ends_at_once() {
    let dir = folder(&[("shop.yaml", &shop(upstream::hello()))]);
    // More than the patience of these tests: it would fail if it waited for either.
    let mut running = Running::serve(dir.path(), &["--min-drain", "1h", "--drain-timeout", "1h"]);
    running.opened();
    running.signal("INT");
    assert_eq!(running.end().code(), Some(0));
}

#[test]
fn a_second_signal_ends_it() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let (_dir, _slow, mut running, _, _client) = busy(&["--drain-timeout", "1h", "--min-drain", "1h"]);
        running.signal("TERM");
        running.until("draining");
        running.signal(signal);
        assert_eq!(running.end().code(), Some(code), "SIG{signal}");
    }
}

#[test]
fn the_deadline_ends_it_with_1() {
    let (_dir, _slow, mut running, _, _client) = busy(&["--drain-timeout", "100ms"]);
    running.signal("TERM");
    assert_eq!(running.end().code(), Some(1));
    assert!(running.log.iter().any(|line| line.contains("time is over")), "{:#?}", running.log);
}

#[test]
fn the_longest_times_do_not_overflow() {
    let dir = folder(&[("shop.yaml", &shop(upstream::hello()))]);
    let mut running = Running::serve(dir.path(), &["--min-drain", "87600h", "--drain-timeout", "87600h"]);
    let (_, http) = running.opened();
    running.signal("TERM");
    running.until("draining");
    assert!(get(http, "shop.example.com", "/").starts_with("HTTP/1.1 200"), "it still serves");
    running.signal("TERM");
    assert_eq!(running.end().code(), Some(143));
    let said = ended(&["run", "-f", arg(dir.path()), "--min-drain", "18446744073709551615ms"]);
    assert!(said.code == 2 && said.err.contains("ten years"), "{}", said.err);
}
