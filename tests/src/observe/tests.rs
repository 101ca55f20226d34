use super::*;
use crate::case::Seen;

fn record(service: &str, host: &str, answer: Option<&str>) -> Record {
    let headers = Some(vec![("Host".to_owned(), host.to_owned())]);
    let seen = Seen { service: service.to_owned(), headers, ..Seen::default() };
    Record { seen, answer: answer.map(str::to_owned), length: answer.map_or(0, str::len) }
}

fn request() -> Request {
    serde_yaml::from_str("{to: {port: 18080}, send: {headers: [[x-answer-header, date=now]]}}").unwrap()
}

fn answer(body: &str, headers: &[(&str, &str)]) -> Answer {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Answer { status: Some(200), headers: Some(headers), body: Some(body.to_owned()), ..Answer::default() }
}

#[test]
fn the_answer_tells_the_request_from_its_copies() {
    let seen = [record("a-v1", "a", Some("A")), record("b-v1", "a-shadow:80", Some("B"))];
    let got = observed(&request(), answer("A", &[]), Duration::ZERO, &seen);
    assert_eq!(got.body.as_deref(), Some(ECHO));
    assert_eq!(got.upstream.unwrap().service, "a-v1");
    assert_eq!(got.also.iter().map(|also| also.service.as_str()).collect::<Vec<_>>(), ["b-v1"]);
}

#[test]
fn without_an_echo_the_last_request_that_is_no_copy_counts() {
    let seen = [record("a-v1", "a", None), record("a-v2", "a", None), record("b-v1", "a-shadow", None)];
    let got = observed(&request(), answer("no", &[]), Duration::ZERO, &seen);
    assert_eq!(got.upstream.unwrap().service, "a-v2");
    assert_eq!(got.also.len(), 2);
}

#[test]
fn a_header_that_the_request_steered_is_not_masked() {
    let got = observed(&request(), answer("", &[("date", "now"), ("x-request-id", "1")]), Duration::ZERO, &[]);
    let want = [("date".to_owned(), "now".to_owned()), ("x-request-id".to_owned(), ANY.to_owned())];
    assert_eq!(got.headers.unwrap(), want);
}

#[test]
fn the_length_of_an_echo_varies_also_without_its_body() {
    let seen = [record("a-v1", "a", Some("ABC"))];
    let got = observed(&request(), answer("", &[("content-length", "3")]), Duration::ZERO, &seen);
    assert_eq!(got.headers.unwrap()[0].1, ANY);
    assert_eq!(got.body.as_deref(), Some(""));
}

#[test]
fn a_delay_is_written_in_tenths_of_a_second() {
    let got = observed(&request(), answer("", &[]), Duration::from_millis(399), &[]);
    assert_eq!(got.at_least_ms, Some(300));
    assert_eq!(observed(&request(), answer("", &[]), Duration::from_millis(200), &[]).at_least_ms, None);
}

#[test]
fn a_raw_exchange_is_cut_into_responses() {
    let raw = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n";
    let got = responses(raw, &[record("a-v1", "a", Some("ok"))]);
    assert_eq!(got.len(), 2);
    assert_eq!((got[0].status.as_u64(), got[0].body.as_str()), (Some(200), ECHO));
    assert_eq!(got[0].headers, [("content-length".to_owned(), ANY.to_owned())]);
    assert_eq!((got[1].status.as_u64(), got[1].body.as_str()), (Some(400), ""));
}
