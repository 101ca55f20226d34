//! The mission's notes, end to end: YAML as Istio's users write it, real sockets, curl.
use gateway_core::diagnostic::Severity;
use gateway_tests::pki::pki;

use crate::support::{Running, Seen, curl, entry, named, pem, read};

const GATEWAY_80: &str = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: ingress
  namespace: istio-system
spec:
  selector:
    istio: ingressgateway
  servers:
  - port:
      number: 80
      name: http
      protocol: HTTP
    hosts:
    - apiserver.istioinaction.io
    - prd.istioinaction.io
    - api.istioinaction.io
";

fn virtual_service(name: &str, host: &str, rule: &str) -> String {
    format!(
        "\n---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  name: {name}\n  namespace: app\n\
         spec:\n  hosts:\n  - {host}\n  gateways:\n  - istio-system/ingress\n  http:\n{rule}\n"
    )
}

fn to(host: &str) -> String {
    format!("  - route:\n    - destination:\n        host: {host}")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_many_names_by_host_and_authority() {
    let ((prd, _), (api, _)) = (named("prd").await, named("api").await);
    let yaml = [
        GATEWAY_80,
        &virtual_service("prd", "prd.istioinaction.io", &to("prd")),
        &virtual_service("api", "api.istioinaction.io", &to("api")),
        &entry("prd", 80, prd),
        &entry("api", 80, api),
    ]
    .concat();
    let running = Running::start(&yaml);
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        for name in ["prd", "api"] {
            let url = format!("http://{name}.istioinaction.io/x");
            assert_eq!(running.curl(80, &[version, &url]).await, format!("{name} /x"), "{version}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_virtual_service_sends_its_host_to_a_service_port() {
    let (apigateway, seen) = named("apigateway").await;
    let rule = "  - route:\n    - destination:\n        host: apigateway\n        port:\n          number: 8080";
    let service = virtual_service("apiserver", "apiserver.istioinaction.io", rule);
    let running = Running::start(&[GATEWAY_80, &service, &entry("apigateway", 8080, apigateway)].concat());
    assert_eq!(running.curl(80, &["http://apiserver.istioinaction.io/v1"]).await, "apigateway /v1");
    assert_eq!(running.status(80, &["http://nobody.istioinaction.io/v1"]).await, "404", "no Gateway admits it");
    assert_eq!(running.status(80, &["http://prd.istioinaction.io/"]).await, "404", "admitted, but bound to nothing");
    assert_eq!(seen.heads().len(), 1, "nothing else went upstream");
}

#[test]
fn a_gateway_for_others_is_ignored_with_a_note() {
    let other = GATEWAY_80.replace("ingressgateway", "egressgateway");
    let (config, findings) = read(&other);
    assert!(config.listeners.is_empty());
    let note =
        findings.iter().find(|finding| finding.message.contains("egressgateway") || finding.message.contains("select"));
    let note = note.unwrap_or_else(|| panic!("no note: {findings:#?}"));
    assert_ne!(note.severity, Severity::Error);
}

/// Three TLS servers on one port: a.com (SIMPLE), b.com (MUTUAL), *.wild.com; and plain HTTP that redirects.
const GATEWAY_443: &str = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: ingress, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: [a.com]
    tls: {httpsRedirect: true}
  - port: {number: 443, name: https-a, protocol: HTTPS}
    hosts: [a.com]
    tls: {mode: SIMPLE, credentialName: a-cert}
  - port: {number: 443, name: https-b, protocol: HTTPS}
    hosts: [b.com]
    tls: {mode: MUTUAL, credentialName: b-mtls}
  - port: {number: 443, name: https-wild, protocol: HTTPS}
    hosts: ['*.wild.com']
    tls: {mode: SIMPLE, credentialName: wild-cert}
";

async fn secure() -> (Running, Seen, Seen) {
    let ((a, seen_a), (b, seen_b)) = (named("a").await, named("b").await);
    let yaml = [
        GATEWAY_443,
        &virtual_service("a", "a.com", &to("a")),
        &virtual_service("b", "b.com", &to("b")),
        &virtual_service("wild", "'*.wild.com'", &to("a")),
        &entry("a", 80, a),
        &entry("b", 80, b),
    ]
    .concat();
    (Running::start(&yaml), seen_a, seen_b)
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_is_redirected_to_the_same_host_path_and_query() {
    let (running, seen, _) = secure().await;
    let shown = running.curl(80, &["-w", "%{http_code} %header{location}", "http://a.com/x/../y?z=%41"]).await;
    assert_eq!(shown, "301 https://a.com/y?z=%41");
    assert!(seen.heads().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_name_chooses_certificate_and_routes() {
    let (running, _, seen_b) = secure().await;
    let (ca, chain, key) = (pem("ca.pem"), pem("client-good.pem"), pem("client-good.key"));
    let client = ["--cert", chain.as_str(), "--key", key.as_str()];
    for version in ["--http1.1", "--http2"] {
        for tls in ["1.2", "1.3"] {
            let common = [version, "--tls-max", tls, "--cacert", &ca];
            let a = running.curl(443, &[&common[..], &["https://a.com/x"]].concat()).await;
            assert_eq!(a, "a /x", "{version} TLS {tls}");
            let wild = running.curl(443, &[&common[..], &["https://q.wild.com/"]].concat()).await;
            assert_eq!(wild, "a /", "{version} TLS {tls}");
            let b = running.curl(443, &[&common[..], &client, &["https://b.com/y"]].concat()).await;
            assert_eq!(b, "b /y", "{version} TLS {tls}");
            let without = running.curl(443, &[&common[..], &["https://b.com/y"]].concat()).await;
            assert_eq!(without, "", "{version} TLS {tls}: refused");
        }
    }
    assert_eq!(seen_b.heads().len(), 4, "only with a certificate");
    let other = [pem("client-other-ca.pem"), pem("client-other-ca.key")];
    let refused =
        running.curl(443, &["--cacert", &ca, "--cert", &other[0], "--key", &other[1], "https://b.com/"]).await;
    assert_eq!(refused, "", "another CA");
    let to = format!("::{}", running.address(443));
    assert_ne!(curl(&["-k", "--connect-to", &to, "https://unknown.com/"]).await.1, 0, "no server has this name");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_of_another_server_is_misdirected() {
    let (running, seen_a, seen_b) = secure().await;
    let ca = pem("ca.pem");
    for version in ["--http1.1", "--http2"] {
        for host in ["b.com", "B.Com", "b.com:443", "b.com.", "q.wild.com"] {
            let host = format!("host: {host}");
            let status = running.status(443, &[version, "--cacert", &ca, "-H", &host, "https://a.com/"]).await;
            assert_eq!(status, "421", "{version} {host}");
        }
        let unknown = running.status(443, &[version, "--cacert", &ca, "-H", "host: c.com", "https://a.com/"]).await;
        assert_eq!(unknown, "404", "{version}: a host of no server");
    }
    assert!(seen_a.heads().is_empty() && seen_b.heads().is_empty(), "nothing went upstream");
}

/// A Gateway that is left out for a misspelled field: its names are not for the server that takes all names.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_is_not_got_around_by_a_misspelled_field() {
    let (b, seen) = named("b").await;
    let (head, servers) = GATEWAY_443.split_once("  - port").expect("servers");
    let strict = servers.split("  - port").nth(2).expect("b.com");
    let strict = format!("{head}  - port{strict}").replace("credentialName", "credentialNam");
    let all = format!("{head}  - port{}", servers.split("  - port").nth(1).expect("a.com"));
    let all = all.replace("name: ingress,", "name: all,").replace("[a.com]", "['*']");
    let routes = virtual_service("b", "'*'", &to("b")).replace("/ingress", "/all");
    let running = Running::start_despite_errors(&[&strict, "---", &all, &routes, &entry("b", 80, b)].concat());
    let other = ["-k", "https://other.com/x"];
    assert_eq!(running.curl(443, &other).await, "b /x");
    assert_eq!(running.status(443, &[&other[..], &["-H", "host: b.com"]].concat()).await, "421");
    let connect = format!("::{}", running.address(443));
    let (shown, code) = curl(&["-k", "--connect-to", &connect, "https://b.com/x"]).await;
    assert_eq!((shown.as_str(), code), ("", 35), "the handshake fails");
    assert_eq!(seen.heads().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_by_path_and_a_missing_secret_hurts_its_server_alone() {
    let (a, _) = named("a").await;
    let (chain, key) = (pem("a-cert.pem"), pem("a-cert.key"));
    let by_path = format!("{{mode: SIMPLE, serverCertificate: {chain}, privateKey: {key}}}");
    let gateway = GATEWAY_443
        .replace("{mode: SIMPLE, credentialName: a-cert}", &by_path)
        .replace("credentialName: wild-cert", "credentialName: nowhere");
    let yaml = [&gateway, &virtual_service("a", "a.com", &to("a")), &entry("a", 80, a)].map(String::as_str).concat();
    let running = Running::start(&yaml);
    let ca = pem("ca.pem");
    assert_eq!(running.curl(443, &["--cacert", &ca, "https://a.com/x"]).await, "a /x");
    let to = format!("::{}", running.address(443));
    assert_ne!(curl(&["-k", "--connect-to", &to, "https://q.wild.com/"]).await.1, 0, "its handshakes fail");
    let warned = running.gateway.problems().iter().any(|problem| !problem.error && problem.message.contains("nowhere"));
    assert!(warned, "{:?}", running.gateway.problems());
    assert!(pki().file("ca.pem").contains("CERTIFICATE"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_match_rewrite_redirect_and_change_headers() {
    let ((v1, seen_v1), (v2, _)) = (named("v1").await, named("v2").await);
    let rules = "  - match:
    - uri: {exact: /Exact}
      ignoreUriCase: true
      method: {exact: POST}
    - uri: {regex: '/item/[0-9]+'}
      headers: {x-beta: {exact: 'yes'}}
    route:
    - destination: {host: v2}
  - match:
    - uri: {prefix: /old}
    redirect: {uri: /new, authority: b.com, redirectCode: 302}
  - match:
    - uri: {prefix: /api/}
    rewrite: {uri: /, authority: internal}
    headers:
      request: {set: {x-route: api}, remove: [x-secret]}
      response: {add: {x-seen: '%REQ(:PATH)%'}}
    route:
    - destination: {host: v1}
  - route:
    - destination: {host: v1}
      weight: 1
    - destination: {host: v2}
      weight: 1";
    let service = virtual_service("api", "api.istioinaction.io", rules);
    let running = Running::start(&[GATEWAY_80, &service, &entry("v1", 80, v1), &entry("v2", 80, v2)].concat());
    let url = |path: &str| format!("http://api.istioinaction.io{path}");
    assert_eq!(running.curl(80, &["-X", "POST", &url("/eXACT")]).await, "v2 /eXACT");
    assert_eq!(running.curl(80, &["-H", "x-beta: yes", &url("/item/42")]).await, "v2 /item/42");
    let location = running.curl(80, &["-w", "%{http_code} %header{location}", &url("/old?q")]).await;
    assert_eq!(location, "302 http://b.com/new?q");
    let seen = running.curl(80, &["-H", "x-secret: 1", "-w", " %header{x-seen}", &url("/api/users")]).await;
    assert_eq!(seen, "v1 /users /users");
    let head = seen_v1.heads().pop().expect("a request");
    assert!(head.contains("host: internal") && head.contains("x-route: api") && !head.contains("x-secret"), "{head}");
    let mut drawn = std::collections::BTreeSet::new();
    for _ in 0..40 {
        drawn.insert(running.curl(80, &[&url("/")]).await);
    }
    assert_eq!(drawn.into_iter().collect::<Vec<_>>(), ["v1 /", "v2 /"]);
}
