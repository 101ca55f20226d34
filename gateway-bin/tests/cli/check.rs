//! `gateway check`.
use std::{io::Write as _, process::Stdio};

use crate::support::{YAML, done, folder, gateway, path};

const TYPO: &str = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: typo, namespace: app}
spec:
  hosts: [b.com]
  gateways: [istio-system/gw]
  http:
  - match:
    - uri:
      exact: /app
    route: [{destination: {host: up}}]
    timeuot: 1s
";

const OTHER: &str = "\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: bad, namespace: istio-system}
spec:
  servers:
  - port: {number: 99999, name: http, protocol: HTPP}
    hosts: [localhost]
";

#[test]
fn all_errors_of_all_files_in_one_run() {
    let files =
        folder(&[("good.yaml", YAML), ("sub/typo.yml", TYPO), ("sub/deeper/other.yaml", OTHER), ("notes.txt", "}{")]);
    let (code, out, err) = done(&mut gateway(&["check", "-f", &files.path().display().to_string()]));
    assert_eq!(code, 3, "{out}{err}");
    for expected in [
        "typo.yml:10:7",
        "unknown field `exact`",
        "typo.yml:12:5",
        "`timeuot`",
        "`timeout`",
        "other.yaml:6",
        "HTPP",
        "localhost",
    ] {
        assert!(out.contains(expected), "no `{expected}` in:\n{out}");
    }
    assert!(err.contains("3 files"), "{err}");
}

#[test]
fn the_exit_code_does_not_depend_on_the_form() {
    let files = folder(&[("typo.yaml", TYPO)]);
    let file = path(&files, "typo.yaml");
    for form in ["text", "short", "json"] {
        let (code, out, _) = done(&mut gateway(&["check", "-o", form, "-f", &file]));
        assert_eq!(code, 3, "{form}");
        assert!(out.contains("timeuot"), "{form}: {out}");
    }
    let (_, json, _) = done(&mut gateway(&["check", "-o", "json", "-f", &file]));
    let findings: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert!(findings.as_array().is_some_and(|all| all.iter().any(|one| one["labels"][0]["line"] == 12)), "{json}");
    assert_eq!(done(&mut gateway(&["check", "--fail-on", "never", "-f", &file])).0, 0);
}

#[test]
fn what_is_missing_elsewhere_is_a_warning() {
    let tls = YAML.replace(
        "  - port: {number: 80, name: http, protocol: HTTP}\n    hosts: [a.com]\n",
        "  - port: {number: 443, name: https, protocol: HTTPS}\n    hosts: [a.com]\n    tls: {mode: SIMPLE, credentialName: nowhere}\n  \
         - port: {number: 443, name: https-b, protocol: HTTPS}\n    hosts: [b.com]\n    tls: {mode: SIMPLE, serverCertificate: /no/such.pem, privateKey: /no/such.key}\n",
    );
    let files = folder(&[("tls.yaml", &tls)]);
    let file = path(&files, "tls.yaml");
    let (code, out, err) = done(&mut gateway(&["check", "-f", &file]));
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("nowhere") && out.contains("/no/such.pem"), "{out}");
    assert_eq!(done(&mut gateway(&["check", "--fail-on", "warning", "-f", &file])).0, 3);
    let (code, _, err) = done(&mut gateway(&["run", "--admin", "off", "--port", "443=127.0.0.1:0", "-f", &file]));
    assert_eq!(code, 3, "a PEM path that does not exist: not started\n{err}");
    assert!(err.contains("/no/such.pem") && err.contains("error"), "{err}");
}

#[test]
fn standard_input_as_kubectl_writes_it() {
    let list = r#"{"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": [
        {"apiVersion": "networking.istio.io/v1beta1", "kind": "Gateway",
         "metadata": {"name": "gw", "namespace": "istio-system", "uid": "x", "generation": 2, "resourceVersion": "7",
                      "creationTimestamp": "2026-01-01T00:00:00Z", "managedFields": [{"manager": "kubectl"}],
                      "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}},
         "spec": {"selector": {"istio": "ingressgateway"},
                  "servers": [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["a.com"]}]},
         "status": {"conditions": []}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"clusterIP": "10.0.0.1"}}]}"#;
    let mut child = gateway(&["check", "-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("runs");
    child.stdin.take().expect("piped").write_all(list.as_bytes()).expect("read");
    let output = child.wait_with_output().expect("ends");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{out}");
    assert!(out.contains("Service"), "skipped with a note: {out}");
}

#[test]
fn what_would_open_access_is_not_left_out_silently() {
    let policy = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: deny}\nspec: {}\n";
    let files = folder(&[("gateway.yaml", YAML), ("policy.yaml", policy)]);
    let all = files.path().display().to_string();
    let (code, out, _) = done(&mut gateway(&["check", "-f", &all]));
    assert_eq!(code, 3);
    assert!(out.contains("AuthorizationPolicy") && out.contains("--ignore-kind"), "{out}");
    assert_eq!(done(&mut gateway(&["check", "--ignore-kind", "AuthorizationPolicy", "-f", &all])).0, 0);
}

#[test]
fn what_is_not_built_is_an_error_that_names_the_field() {
    let files = folder(&[("tcp.yaml", &YAML.replace("protocol: HTTP", "protocol: TCP"))]);
    let (code, out, _) = done(&mut gateway(&["check", "-f", &path(&files, "tcp.yaml")]));
    assert_eq!(code, 3);
    assert!(out.contains("GW0001") && out.contains("TCP"), "{out}");
}

#[test]
fn files_that_cannot_be_read_and_wrong_words() {
    let (code, _, err) = done(&mut gateway(&["check", "-f", "/no/such/file.yaml"]));
    assert_eq!(code, 1);
    assert!(err.contains("/no/such/file.yaml"), "{err}");
    assert_eq!(done(&mut gateway(&["check", "--no-such-flag"])).0, 2);
    let (_, help, _) = done(&mut gateway(&["run", "--help"]));
    assert!(help.starts_with("Examples:"), "{help}");
    for flag in ["--port", "--resolve", "--drain-timeout", "GATEWAY_LOG_LEVEL", "--head-timeout"] {
        assert!(help.contains(flag), "{flag}");
    }
}
