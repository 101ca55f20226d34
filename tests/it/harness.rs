//! The client against the services, without a gateway between them.

use std::net::SocketAddr;

use gateway_tests::{
    case::{Answer, Request},
    client::exchange,
    upstreams::{DEAD, Upstreams},
};

async fn ask(ups: &Upstreams, port: u16, request: &str) -> Answer {
    let request: Request = serde_yaml::from_str(request).expect("the test has a request");
    exchange(&request.to, &request.send, ups.connect_to().get(&port).copied()).await
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.iter().flatten().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
}

#[tokio::test]
async fn http1_is_recorded_as_sent() {
    let ups = Upstreams::start().await;
    let answer = ask(
        &ups,
        19001,
        "{to: {port: 0}, send: {method: POST, target: '/a?b', headers: [[Host, x], [X-B, '1'], [x-a, é]], body: hi}}",
    )
    .await;
    assert_eq!(answer.status, Some(200));
    assert_eq!(header(&answer, "content-type"), Some("application/json"));
    let seen = ups.take().remove(0);
    assert_eq!(answer.body, seen.answer);
    let names: Vec<_> = seen.seen.headers.iter().flatten().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["Host", "X-B", "x-a", "content-length"]);
    assert_eq!((seen.seen.body.as_str(), seen.seen.target.as_deref()), ("hi", Some("/a?b")));
}

#[tokio::test]
async fn http1_answers_are_steered() {
    let ups = Upstreams::start().await;
    let answer = ask(&ups, 19003, "{to: {port: 0}, send: {headers: [[x-answer-status, '503'], [x-answer-header, a=b=c], [x-answer-trailer, t=1]]}}").await;
    assert_eq!(answer.status, Some(503));
    assert_eq!(header(&answer, "a"), Some("b=c"));
    assert_eq!(answer.trailers, Some(vec![("t".to_owned(), "1".to_owned())]));
    let answer = ask(&ups, 19003, "{to: {port: 0}, send: {headers: [[x-answer-close, mid-body]]}}").await;
    assert!(answer.cut && answer.status == Some(200));
    let answer = ask(&ups, 19003, "{to: {port: 0}, send: {headers: [[x-answer-close, before]]}}").await;
    assert_eq!(answer, Answer { closed: true, ..Answer::default() });
}

#[tokio::test]
async fn what_is_not_http_is_turned_away() {
    let ups = Upstreams::start().await;
    let answer = ask(&ups, 19001, r#"{to: {port: 0}, send: {version: TCP, body: "GET  / HTTP/1.1\r\n\r\n"}}"#).await;
    assert!(answer.cut && answer.body.unwrap().starts_with("HTTP/1.1 400"));
    assert!(ups.take()[0].seen.body.starts_with("not HTTP: request line"));
    let answer = ask(&ups, 19009, "{to: {port: 0}, send: {}}").await;
    assert!(answer.not_http || answer.closed, "{answer:?}");
}

#[tokio::test]
async fn http2_is_spoken_by_raw_frames() {
    let ups = Upstreams::start().await;
    let body = "y".repeat(200_000);
    let request = format!(
        "{{to: {{port: 0}}, send: {{version: HTTP/2, method: POST, headers: [[host, h], [x-answer-trailer, t=1]], body: {body}, trailers: [[q, r]]}}}}"
    );
    let answer = ask(&ups, 19009, &request).await;
    assert_eq!(answer.status, Some(200), "{answer:?}");
    assert_eq!(answer.trailers, Some(vec![("t".to_owned(), "1".to_owned())]));
    let seen = ups.take().remove(0);
    assert_eq!(seen.seen.body.len(), body.len());
    assert_eq!(seen.seen.trailers, Some(vec![("q".to_owned(), "r".to_owned())]));
    assert_eq!(seen.authority(), "h");
    assert_eq!(answer.body.unwrap().len(), seen.length);
    let answer =
        ask(&ups, 19009, "{to: {port: 0}, send: {version: HTTP/2, headers: [[x-answer-close, before]]}}").await;
    assert_eq!(answer.reset.as_deref(), Some("INTERNAL_ERROR"));
    let answer = ask(&ups, 19009, "{to: {port: 0}, send: {version: HTTP/2, headers: [[X-Upper, '1']]}}").await;
    assert!(answer.reset.is_some() || answer.closed, "{answer:?}");
}

#[tokio::test]
async fn tls_shows_the_certificate_and_the_protocol() {
    let ups = Upstreams::start().await;
    let answer =
        ask(&ups, 19443, "{to: {port: 0, tls: {sni: pass.com, alpn: [h2], version: '1.2'}}, send: {version: HTTP/2}}")
            .await;
    let tls = answer.tls.unwrap();
    assert_eq!(
        (tls.cert.as_str(), tls.alpn.as_deref(), tls.version.as_deref()),
        ("tls-upstream", Some("h2"), Some("TLSv1.2"))
    );
    assert_eq!(answer.status, Some(200));
    let answer = ask(&ups, 19443, "{to: {port: 0, tls: {client: good}}, send: {version: TCP, body: ping}}").await;
    assert_eq!(answer.body.as_deref(), Some("tls-v1\nping"));
    let answer = ask(&ups, 19443, "{to: {port: 0, tls: {sni: pass.com, version: '1.1'}}, send: {}}").await;
    assert!(answer.tls_alert.is_some(), "{answer:?}");
}

#[tokio::test]
async fn tcp_is_echoed_and_nobody_is_at_the_dead_port() {
    let ups = Upstreams::start().await;
    let answer = ask(&ups, 19060, "{to: {port: 0}, send: {version: TCP, body: ping}}").await;
    assert_eq!(answer.body.as_deref(), Some("tcp-v1\nping"));
    let dead: SocketAddr = ups.connect_to()[&DEAD];
    assert_ne!(dead.port(), DEAD);
    assert!(ask(&ups, DEAD, "{to: {port: 0}, send: {}}").await.refused);
    assert!(ask(&ups, 1, "{to: {port: 0}, send: {}}").await.refused);
}
