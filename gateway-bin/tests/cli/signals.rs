//! The graceful end.
use std::{thread, time::Duration};

use crate::support::{Running, YAML, curl, folder, upstream};

#[test]
fn a_request_under_way_is_finished() {
    let up = upstream();
    let files = folder(&[("gateway.yaml", YAML)]);
    let mut running = Running::start(files.path(), &["--resolve", &format!("up={}", up.address), "--min-drain", "0s"]);
    let to = format!("::{}", running.port(80));
    let slow = {
        let to = to.clone();
        thread::spawn(move || curl(&["-w", " %header{connection}", "--connect-to", &to, "http://a.com/slow"]))
    };
    assert_eq!(up.asked.recv_timeout(Duration::from_secs(20)).as_deref(), Ok("/slow"));
    let ready = format!("http://{}/ready", running.admin());
    running.signal("TERM");
    running.line("draining");
    assert_eq!(curl(&["-w", "%{http_code}", &ready]), "draining\n503");
    let late = curl(&["-w", " %header{connection}", "--connect-to", &to, "http://a.com/late"]);
    assert_eq!(late, "up /late close", "new connections are answered");
    up.release.send(()).expect("it waits");
    assert_eq!(slow.join().expect("no panic"), "up /slow close");
    assert_eq!(running.ended().code(), Some(0));
}

#[test]
fn an_interrupt_ends_an_idle_gateway_and_a_second_signal_a_busy_one() {
    let files = folder(&[("gateway.yaml", YAML)]);
    let mut idle = Running::start(files.path(), &[]);
    idle.port(80);
    idle.signal("INT");
    assert_eq!(idle.ended().code(), Some(0));

    let up = upstream();
    let mut busy = Running::start(files.path(), &["--resolve", &format!("up={}", up.address)]);
    let to = format!("::{}", busy.port(80));
    let slow = thread::spawn(move || curl(&["--connect-to", &to, "http://a.com/slow"]));
    assert_eq!(up.asked.recv_timeout(Duration::from_secs(20)).as_deref(), Ok("/slow"));
    busy.signal("TERM");
    busy.line("draining");
    assert!(!busy.has_ended());
    busy.signal("INT");
    assert_eq!(busy.ended().code(), Some(130));
    assert_eq!(slow.join().expect("no panic"), "");
}
