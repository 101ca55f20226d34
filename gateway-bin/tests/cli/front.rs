//! What stands in front of the gateway: the PROXY protocol, and proxies that are believed.
use std::net::SocketAddr;

use crate::support::{Running, curl, folder};

/// Redirects to HTTPS, as a load balancer that terminates TLS must not have to follow in a circle.
const REDIRECTING: &str = "\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw}
spec:
  selector: {istio: ingressgateway}
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: [a.example.com], tls: {httpsRedirect: true}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: vs}
spec:
  hosts: [a.example.com]
  gateways: [gw]
  http:
  - directResponse: {status: 200}
";

/// Status and exit code.
fn ask(http: SocketAddr, more: &[&str]) -> (String, i32) {
    let to = format!("a.example.com:80:{http}");
    let base = ["-o", "/dev/null", "-w", "%{http_code}", "--connect-to", &to, "http://a.example.com/"];
    let said = curl(&[&base[..], more].concat());
    (said.out, said.code)
}

fn served(flags: &[&str]) -> (Running, SocketAddr, tempfile::TempDir) {
    let dir = folder(&[("gw.yaml", REDIRECTING)]);
    let mut running = Running::serve(dir.path(), &[&["--access-log", "-"][..], flags].concat());
    let (_, http) = running.opened();
    (running, http, dir)
}

#[test]
fn the_proxy_protocol_is_demanded_of_its_networks_and_tells_the_client() {
    let (mut running, http, _dir) = served(&["--proxy-protocol", "127.0.0.0/8"]);
    let (_, code) = ask(http, &[]);
    assert_ne!(code, 0, "closed: no PROXY protocol came");
    assert_eq!(ask(http, &["--haproxy-protocol"]), ("301".to_owned(), 0));
    let line = running.line().expect("a line of the access log");
    assert!(line.contains("\"GET / HTTP/1.1\" 301"), "{line}");
}

#[test]
fn who_is_believed_says_how_the_client_came_and_who_it_is() {
    let forwarded = ["-H", "x-forwarded-proto: https", "-H", "x-forwarded-for: 192.0.2.7"];
    let (_running, http, _dir) = served(&[]);
    assert_eq!(ask(http, &forwarded).0, "301", "nobody is believed");
    for flags in [["--trusted-hops", "1"], ["--trusted-proxies", "127.0.0.0/8"]] {
        let (mut running, http, _dir) = served(&flags);
        assert_eq!(ask(http, &forwarded).0, "200", "{flags:?}");
        let line = running.line().expect("a line of the access log");
        assert!(line.contains("192.0.2.7:0"), "{line}");
    }
}
