use super::*;

fn request(text: &str) -> Request {
    serde_yaml::from_str(text).unwrap()
}

fn answer(text: &str) -> Answer {
    serde_yaml::from_str(text).unwrap()
}

fn differences(want: &str, got: &str) -> Vec<String> {
    let request = request("{to: {port: 18080}}");
    compare("case", &request, &answer(want), &answer(got), &Known::load())
}

#[test]
fn equal_answers_have_no_differences() {
    let text = "{status: 200, headers: [[a, '1']], body: x, upstream: {service: a-v1, version: HTTP/1.1, body: ''}}";
    assert_eq!(differences(text, text), Vec::<String>::new());
}

#[test]
fn the_order_of_headers_counts_per_name_only() {
    let want = "{status: 200, headers: [[a, '1'], [b, '2'], [a, '3']]}";
    assert!(differences(want, "{status: 200, headers: [[B, '2'], [A, '1'], [a, '3']]}").is_empty());
    let got = differences(want, "{status: 200, headers: [[a, '3'], [a, '1'], [b, '2']]}");
    assert_eq!(got, [r#"response-header a: want ["1","3"] got ["3","1"]"#]);
}

#[test]
fn a_value_that_varies_must_still_be_there() {
    let want = "{status: 200, headers: [[x, <any>]]}";
    assert!(differences(want, "{status: 200, headers: [[x, '5']]}").is_empty());
    assert_eq!(differences(want, "{status: 200, headers: []}"), [r#"response-header x: want ["<any>"] got null"#]);
}

#[test]
fn a_volatile_header_may_be_absent_on_either_side() {
    assert!(differences("{status: 200, headers: [[date, <any>]]}", "{status: 200, headers: []}").is_empty());
    assert!(differences("{status: 200, headers: []}", "{status: 200, headers: [[date, <any>]]}").is_empty());
    assert_eq!(differences("{status: 200, headers: [[date, now]]}", "{status: 200, headers: []}").len(), 1);
}

#[test]
fn the_name_of_the_server_is_the_gateways_own() {
    let want = "{status: 200, headers: [[server, istio-envoy]]}";
    assert!(differences(want, "{status: 200, headers: [[server, gateway]]}").is_empty());
    assert_eq!(differences("{status: 200, headers: [[server, own]]}", want).len(), 1);
}

#[test]
fn one_of_two_services_is_enough() {
    let want = "{status: 200, upstream: {service: a-v1|a-v2, version: HTTP/1.1, body: <any>}}";
    let got = |service| format!("{{status: 200, upstream: {{service: {service}, version: HTTP/1.1, body: x}}}}");
    assert!(differences(want, &got("a-v2")).is_empty());
    assert_eq!(differences(want, &got("a")), [r#"upstream: want "a-v1|a-v2" got "a""#]);
    assert_eq!(differences(want, "{status: 200}"), [r#"upstream: want "a-v1|a-v2" got null"#]);
}

#[test]
fn delays_are_lower_bounds() {
    assert!(differences("{status: 200, at_least_ms: 500}", "{status: 200, at_least_ms: 300}").is_empty());
    assert!(differences("{status: 200, at_least_ms: 500}", "{status: 200, at_least_ms: 9000}").is_empty());
    assert_eq!(differences("{status: 200, at_least_ms: 500}", "{status: 200}").len(), 1);
}

#[test]
fn which_alert_ends_a_handshake_does_not_matter() {
    let tls = request("{to: {port: 18443, tls: {sni: a.com}}}");
    let lines = |want: &str, got: &str| compare("case", &tls, &answer(want), &answer(got), &Known::load());
    assert!(lines("{tls_alert: unknown_ca}", "{closed: true}").is_empty());
    assert_eq!(lines("{tls_alert: unknown_ca}", "{status: 200}").len(), 2);
    assert_eq!(differences("{tls_alert: unknown_ca}", "{closed: true}").len(), 2);
}

#[test]
fn the_rest_of_a_broken_body_is_chance() {
    assert!(differences("{status: 200, cut: true, body: a}", "{status: 200, cut: true, body: ab}").is_empty());
    assert_eq!(differences("{status: 200, body: a}", "{status: 200, body: ab}").len(), 1);
}

#[test]
fn a_head_answer_is_not_asked_for_its_framing() {
    let head = request("{to: {port: 18080}, send: {method: HEAD}}");
    let want = answer("{status: 200, headers: [[transfer-encoding, chunked]]}");
    assert!(compare("case", &head, &want, &answer("{status: 200, headers: []}"), &Known::load()).is_empty());
}

#[test]
fn counts_are_compared_as_shares() {
    let counts = |text: &str| -> Counts { serde_yaml::from_str(text).unwrap() };
    let plain = request("{to: {port: 1}, times: 100}");
    let alike = |request: &Request, want: &str, got: &str| alike(&counts(want), &counts(got), request);
    assert!(alike(&plain, "{a: 50, b: 50}", "{a: 70, b: 30}"));
    assert!(!alike(&plain, "{a: 50, b: 50}", "{a: 90, b: 10}"));
    assert!(!alike(&plain, "{a: 50, b: 50}", "{a: 50, b: 49}"));
    assert!(!alike(&plain, "{a: 100}", "{a: 99, b: 1}"));
    let exact = request("{to: {port: 1}, times: 100, exact: true}");
    assert!(!alike(&exact, "{a: 50, b: 50}", "{a: 51, b: 49}"));
    let few = request("{to: {port: 1}, times: 100, few: '503'}");
    assert!(alike(&few, "{'200': 98, '503': 2}", "{'200': 96, '503': 4}"));
    assert!(!alike(&few, "{'200': 98, '503': 2}", "{'200': 100}"));
    assert!(!alike(&few, "{'200': 98, '503': 2}", "{'200': 95, '503': 5}"));
}

#[test]
fn patterns_stand_for_anything_at_a_star() {
    assert!(glob("x-b3-*", "x-b3-traceid") && glob("*", "") && glob("a*c", "abc") && glob("a", "a"));
    assert!(!glob("a*c", "ab") && !glob("a", "ab"));
}
