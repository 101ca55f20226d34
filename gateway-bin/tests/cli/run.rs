//! `gateway run`: what it refuses, what it serves on with, and its flags.
use std::net::TcpListener;

use crate::{
    support::{
        GATEWAY, Running, VIRTUAL_SERVICE, arg, certificate, curl, ended, folder, gateway, get, https_gateway, shop,
        within, write,
    },
    upstream,
};

const BROKEN: &str = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: broken}
spec:
  hosts: [broken.example.com]
  gateways: [gw]
  http:
  - tiemout: 1s
    route:
    - destination: {host: shop.internal, port: {number: 80}}
";

#[test]
fn nothing_selected_names_the_labels() {
    let dir = folder(&[("gw.yaml", GATEWAY)]);
    let said = ended(&["run", "-f", arg(dir.path()), "--labels", "istio=other,app=x", "--admin", "off"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("app=x,istio=other"), "{}", said.err);
}

#[test]
fn broken_yaml_is_refused_and_skipped_on_demand() {
    let dir = folder(&[("shop.yaml", &shop(upstream::hello())), ("broken.yaml", BROKEN)]);
    let said = ended(&["run", "-f", arg(dir.path()), "--admin", "off"]);
    assert_eq!(said.code, 3);
    assert!(said.err.contains("broken.yaml:8:5") && said.err.contains("`timeout`"), "{}", said.err);
    let mut running = Running::serve(dir.path(), &["--on-error", "skip"]);
    running.until("degraded");
    let (_, http) = running.opened();
    assert!(get(http, "shop.example.com", "/").contains("hello GET / HTTP/1.1"));
    assert!(get(http, "broken.example.com", "/").starts_with("HTTP/1.1 404"));
}

#[test]
fn a_pem_file_that_is_missing_is_refused() {
    let tls = "mode: SIMPLE, serverCertificate: /nowhere/tls.crt, privateKey: /nowhere/tls.key";
    let dir = folder(&[("gw.yaml", &https_gateway("a", "a.example.com", tls))]);
    let said = ended(&["run", "-f", arg(dir.path()), "--port", "443=127.0.0.1:0", "--admin", "off"]);
    assert_eq!(said.code, 3);
    assert!(said.err.contains("/nowhere/tls.crt"), "{}", said.err);
}

#[test]
fn a_port_in_use_is_named() {
    let dir = folder(&[("shop.yaml", &shop(upstream::hello()))]);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it has an address").to_string();
    let port = format!("80={address}");
    for threads in ["1", "2"] {
        let said = ended(&["run", "-f", arg(dir.path()), "--port", &port, "--admin", "off", "--threads", threads]);
        assert_eq!(said.code, 1, "{}", said.err);
        assert!(said.err.contains(&address) && said.err.contains("port 80"), "{}", said.err);
    }
    let said = ended(&["run", "-f", arg(dir.path()), "--port", "80=127.0.0.1:0", "--admin", &address]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains(&address) && said.err.contains("--admin"), "{}", said.err);
}

#[test]
fn a_port_of_another_gateway_is_in_use() {
    let dir = folder(&[("shop.yaml", &shop(upstream::hello()))]);
    let mut first = Running::serve(dir.path(), &[]);
    let port = format!("80={}", first.opened().1);
    let said = ended(&["run", "-f", arg(dir.path()), "--port", &port, "--admin", "off", "--threads", "2"]);
    assert_eq!(said.code, 1, "workers share a port, processes do not: {}", said.err);
}

#[test]
fn a_missing_secret_fails_its_own_server_alone() {
    let dir = folder(&[
        ("config/shop.yaml", &shop(upstream::hello())),
        ("config/a.yaml", &https_gateway("a", "a.example.com", "mode: SIMPLE, credentialName: a-cert")),
        ("config/b.yaml", &https_gateway("b", "b.example.com", "mode: SIMPLE, credentialName: b-cert")),
    ]);
    let (cert, key) = certificate("a.example.com");
    write(&within(&dir, "secrets/a-cert/tls.crt"), &cert);
    write(&within(&dir, "secrets/a-cert/tls.key"), &key);
    let mut running = Running::serve(&within(&dir, "config"), &["--secrets", arg(&within(&dir, "secrets"))]);
    let (_, http) = running.opened();
    let https = running.https();
    assert!(running.log.iter().any(|line| line.contains("b-cert")), "{:#?}", running.log);
    let ask = |host: &str| {
        let to = format!("{host}:443:{https}");
        let ca = within(&dir, "secrets/a-cert/tls.crt");
        curl(&["-i", "--cacert", arg(&ca), "--connect-to", &to, &format!("https://{host}/")])
    };
    let (good, bad) = (ask("a.example.com"), ask("b.example.com"));
    assert!(good.code == 0 && good.out.starts_with("HTTP/2 404"), "{good:?}");
    assert_eq!(bad.code, 35, "a handshake error: {bad:?}");
    assert!(get(http, "shop.example.com", "/").starts_with("HTTP/1.1 200"));
}

#[test]
fn flags_are_variables_too_and_hosts_can_be_sent_elsewhere() {
    let dir = folder(&[("gw.yaml", GATEWAY), ("vs.yaml", VIRTUAL_SERVICE)]);
    let mut command = gateway(&["run"]);
    command
        .env("GATEWAY_FILE", dir.path())
        .env("GATEWAY_PORT", "80=127.0.0.1:0")
        .env("GATEWAY_ADMIN", "127.0.0.1:0")
        .env("GATEWAY_THREADS", "1")
        .env("GATEWAY_RESOLVE", format!("shop.internal:80={}", upstream::hello()))
        .env("GATEWAY_SERVER_HEADER", "istio-envoy");
    let mut running = Running::start(command);
    let (_, http) = running.opened();
    let answer = get(http, "shop.example.com", "/a?b=c");
    assert!(answer.contains("hello GET /a?b=c") && answer.contains("server: istio-envoy"), "{answer}");

    // What Kubernetes sets for a Service called `gateway` is no port of ours.
    let resolve = format!("shop.internal={}", upstream::hello());
    let mut command = gateway(&["run", "--port", "80=127.0.0.1:0", "--admin", "127.0.0.1:0", "--resolve", &resolve]);
    command.env("GATEWAY_FILE", dir.path()).env("GATEWAY_PORT", "tcp://10.0.0.1:80");
    let mut running = Running::start(command);
    let (_, http) = running.opened();
    assert!(get(http, "shop.example.com", "/").contains("hello GET /"));
}

#[test]
fn limits_of_nothing_are_refused() {
    let dir = folder(&[("gw.yaml", GATEWAY), ("vs.yaml", VIRTUAL_SERVICE)]);
    for (flag, value) in [("--threads", "0"), ("--max-head", "0"), ("--max-fields", "x"), ("--keep-alive", "0s")] {
        let done = ended(&["run", "-f", arg(dir.path()), flag, value]);
        assert_eq!(done.code, 2, "{flag}: {done:?}");
        assert!(done.err.contains(flag), "{done:?}");
    }
}

/// With no file left to be opened the gateway waits, and serves again when there is one.
#[test]
fn too_many_open_files_end_nothing() {
    let dir = folder(&[("gw.yaml", GATEWAY), ("vs.yaml", VIRTUAL_SERVICE)]);
    let program = env!("CARGO_BIN_EXE_gateway");
    let line = format!(
        "ulimit -n 48 && exec {program} run -f {} --port 80=127.0.0.1:0 --admin off --threads 1 --max-connections 1000 \
         --resolve shop.internal={}",
        arg(dir.path()),
        upstream::hello()
    );
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &line]).stdin(std::process::Stdio::null());
    let mut running = Running::start(command);
    let http = running.http();
    let held: Vec<_> = (0..80).map(|_| std::net::TcpStream::connect(http).expect("the queue has room")).collect();
    running.until("cannot accept");
    drop(held);
    assert!(get(http, "shop.example.com", "/").starts_with("HTTP/1.1 200"));
}

/// To leave out what closes access is not to serve the valid rest.
#[test]
fn a_policy_that_is_not_read_forbids_to_start_even_with_skip() {
    let policy = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: deny}\nspec: {}\n";
    let dir = folder(&[("gw.yaml", GATEWAY), ("vs.yaml", VIRTUAL_SERVICE), ("policy.yaml", policy)]);
    let done = ended(&["run", "-f", arg(dir.path()), "--port", "80=127.0.0.1:0", "--on-error", "skip"]);
    assert_eq!(done.code, 3, "{done:?}");
    assert!(done.err.contains("--ignore-kind"), "{done:?}");
}
