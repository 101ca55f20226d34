//! The access log.
use serde_json::Value;

use crate::{
    support::{Running, folder, get, nobody, shop},
    upstream,
};

const DEAD: &str = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: dead}
spec:
  hosts: [dead.example.com]
  gateways: [gw]
  http:
  - name: to-nobody
    route:
    - destination: {host: dead.internal, port: {number: 80}}
";

/// Three requests: answered, unknown, unreachable. Their lines.
fn logged(more: &[&str]) -> [String; 3] {
    let dir = folder(&[("shop.yaml", &shop(upstream::hello())), ("dead.yaml", DEAD)]);
    let resolve = format!("dead.internal={}", nobody());
    let mut args = vec!["--resolve", &resolve, "--access-log", "-"];
    args.extend(more);
    let mut running = Running::serve(dir.path(), &args);
    let (_, http) = running.opened();
    let mut ask = |host: &str, status: &str| {
        let answer = get(http, host, "/path");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        running.line().expect("a line of the access log")
    };
    [ask("shop.example.com", "200"), ask("unknown.example.com", "404"), ask("dead.example.com", "503")]
}

#[test]
fn text() {
    let [good, unknown, dead] = logged(&[]);
    assert!(good.contains("\"GET /path HTTP/1.1\" 200 - ") && good.contains(" main"), "{good}");
    assert!(unknown.contains("\"GET /path HTTP/1.1\" 404 NR "), "{unknown}");
    assert!(dead.contains("\"GET /path HTTP/1.1\" 503 UF,URX "), "{dead}");
}

#[test]
fn json() {
    let lines = logged(&["--access-log-format", "json"]);
    let [good, unknown, dead] = lines.map(|line| serde_json::from_str::<Value>(&line).expect("JSON"));
    assert_eq!(good["response_code"], 200, "{good}");
    assert_eq!(good["route_name"], "main", "{good}");
    assert_eq!(good["authority"], "shop.example.com", "{good}");
    assert_eq!(unknown["response_flags"], "NR", "{unknown}");
    assert_eq!(dead["response_flags"], "UF,URX", "{dead}");
    assert_eq!(dead["route_name"], "to-nobody", "{dead}");
}

#[test]
fn own_format() {
    let [good, ..] = logged(&["--access-log-format", "%RESPONSE_CODE% %REQ(:AUTHORITY)% %ROUTE_NAME%"]);
    assert_eq!(good, "200 shop.example.com main");
}
