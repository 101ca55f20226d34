//! `gateway check`.
use serde_json::Value;

use crate::support::{GATEWAY, VIRTUAL_SERVICE, arg, ended, ended_with, folder, gateway, https_gateway, within};

const TYPO: &str = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: typo}
spec:
  hosts: [a.example.com]
  gateways: [gw]
  http:
  - match:
    - uri: {prefx: /a}
    route:
    - destination: {host: a.internal, port: {number: 80}}
";
const TIMEOUT: &str = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: timeout}
spec:
  hosts: [b.example.com]
  gateways: [gw]
  http:
  - timeout: soon
    route:
    - destination: {host: b.internal, port: {number: 80}}
";
const POLICY: &str = "\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: deny-all}
spec: {}
";
const UNKNOWN_GATEWAY: &str = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: lost}
spec:
  hosts: [c.example.com]
  gateways: [gone]
  http:
  - route:
    - destination: {host: c.internal, port: {number: 80}}
";

#[test]
fn a_sound_configuration_is_0() {
    let dir = folder(&[("gw.yaml", GATEWAY), ("vs.yaml", VIRTUAL_SERVICE)]);
    let said = ended(&["check", "-f", arg(dir.path())]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert!(said.err.contains("0 errors"), "{}", said.err);
}

#[test]
fn all_errors_of_all_files_are_reported_in_one_run() {
    let dir = folder(&[("gw.yaml", GATEWAY), ("sub/deep/typo.yml", TYPO), ("timeout.yaml", TIMEOUT)]);
    let said = ended(&["check", "-f", arg(dir.path())]);
    assert_eq!(said.code, 3);
    assert!(said.out.contains("sub/deep/typo.yml:9:13"), "{}", said.out);
    assert!(said.out.contains("uri: {prefx: /a}"), "the snippet: {}", said.out);
    assert!(said.out.contains("`prefix`"), "did you mean: {}", said.out);
    assert!(said.out.contains("timeout.yaml:8:14"), "{}", said.out);
    assert!(said.err.contains("2 errors") && said.err.contains("in 3 files"), "{}", said.err);
}

#[test]
fn the_code_does_not_depend_on_the_form() {
    let dir = folder(&[("gw.yaml", GATEWAY), ("typo.yaml", TYPO)]);
    for form in ["text", "short", "json"] {
        assert_eq!(ended(&["check", "-f", arg(dir.path()), "-o", form]).code, 3, "{form}");
        assert_eq!(ended(&["check", "-f", arg(dir.path()), "-o", form, "--fail-on", "never"]).code, 0, "{form}");
        assert_eq!(ended(&["check", "-f", arg(&within(&dir, "gw.yaml")), "-o", form]).code, 0, "{form}");
    }
    let short = ended(&["check", "-f", arg(dir.path()), "-o", "short"]).out;
    assert!(short.lines().count() == 1 && short.contains("typo.yaml:9:13"), "{short}");
    let json: Value = serde_json::from_str(&ended(&["check", "-f", arg(dir.path()), "-o", "json"]).out).expect("JSON");
    assert_eq!(json[0]["severity"], "error");
    assert_eq!(json[0]["labels"][0]["line"], 9);
    assert_eq!(json[0]["labels"][0]["column"], 13);
}

#[test]
fn warnings_fail_only_if_asked() {
    let dir = folder(&[("gw.yaml", GATEWAY), ("lost.yaml", UNKNOWN_GATEWAY)]);
    let said = ended(&["check", "-f", arg(dir.path())]);
    assert_eq!(said.code, 0, "{}", said.out);
    assert!(said.out.contains("warning") && said.out.contains("lost.yaml:6"), "{}", said.out);
    assert_eq!(ended(&["check", "-f", arg(dir.path()), "--fail-on", "warning"]).code, 3);
    let mut command = gateway(&["check", "-f", arg(dir.path())]);
    command.env("GATEWAY_FAIL_ON", "warning");
    assert_eq!(ended_with(command, "").code, 3);
}

#[test]
fn standard_input_and_lists_as_kubectl_writes_them() {
    let list = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: networking.istio.io/v1beta1\n  kind: Gateway\n  \
                metadata: {name: gw, resourceVersion: '7', uid: x}\n  spec:\n    selector: {istio: ingressgateway}\n    \
                servers:\n    - port: {number: 80, name: http, protocol: HTPP}\n      hosts: ['*']\n  status: {}\n";
    let said = ended_with(gateway(&["check", "-f", "-"]), list);
    assert_eq!(said.code, 3, "{}", said.out);
    assert!(said.out.contains("<stdin>:10:"), "{}", said.out);
    let sound = list.replace("HTPP", "HTTP");
    assert_eq!(ended_with(gateway(&["check", "-f", "-"]), &sound).code, 0);
}

#[test]
fn a_kind_that_guards_access_is_refused_unless_left_out() {
    let dir = folder(&[("gw.yaml", GATEWAY), ("policy.yaml", POLICY)]);
    let said = ended(&["check", "-f", arg(dir.path())]);
    assert_eq!(said.code, 3);
    assert!(said.out.contains("policy.yaml:2") && said.out.contains("--ignore-kind"), "{}", said.out);
    assert_eq!(ended(&["check", "-f", arg(dir.path()), "--ignore-kind", "AuthorizationPolicy"]).code, 0);
}

#[test]
fn missing_credentials_are_warnings() {
    let secret = https_gateway("a", "a.example.com", "mode: SIMPLE, credentialName: nowhere");
    let files = "mode: SIMPLE, serverCertificate: /nowhere/tls.crt, privateKey: /nowhere/tls.key";
    let dir = folder(&[("secret.yaml", &secret), ("files.yaml", &https_gateway("b", "b.example.com", files))]);
    let said = ended(&["check", "-f", arg(dir.path())]);
    assert_eq!(said.code, 0, "{}", said.out);
    assert!(said.out.contains("nowhere") && said.out.contains("/nowhere/tls.crt"), "{}", said.out);
    assert_eq!(ended(&["check", "-f", arg(dir.path()), "--fail-on", "warning"]).code, 3);
}

#[test]
fn what_cannot_be_read_is_1_and_usage_is_2() {
    let said = ended(&["check", "-f", "/nowhere.yaml"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("/nowhere.yaml"), "{}", said.err);
    assert_eq!(ended(&["check", "--no-such-flag"]).code, 2);
    for args in [&["check"][..], &["run"], &["pc", "routes", "--admin", "off"]] {
        let said = ended(args);
        assert_eq!(said.code, 2, "{args:?}");
        assert!(said.err.contains("-f PATH") && said.err.contains("Usage: gateway "), "{}", said.err);
    }
}

#[test]
fn thousands_of_findings_are_counted_and_a_hundred_of_them_shown() {
    let text: String = (0..3000).map(|n| format!("---\nfoo: {n}\n")).collect();
    let dir = folder(&[("bad.yaml", &text)]);
    let said = ended(&["check", "-f", arg(dir.path())]);
    assert_eq!(said.code, 3);
    assert_eq!(said.out.matches("error[").count(), 100);
    assert!(
        said.out.contains("… and 2900 more of severity error (`gateway check -o short` shows all)"),
        "{}",
        said.out
    );
    assert!(said.err.contains("3000 errors"), "{}", said.err);
    assert_eq!(ended(&["check", "-f", arg(dir.path()), "-o", "short"]).out.lines().count(), 3000);
    let json: Value = serde_json::from_str(&ended(&["check", "-f", arg(dir.path()), "-o", "json"]).out).expect("JSON");
    assert_eq!(json.as_array().map(Vec::len), Some(3000));
}
