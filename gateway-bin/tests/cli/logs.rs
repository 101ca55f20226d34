//! Logs and the access log.
use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use serde_json::Value;

use crate::{
    support::{Running, arg, ended, folder, gateway, get, kill, nobody, shop, within},
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

#[test]
fn to_a_file_that_is_added_to() {
    let dir = folder(&[("config/shop.yaml", &shop(upstream::hello())), ("access.log", "earlier\n")]);
    let log = within(&dir, "access.log");
    let more = ["--access-log", arg(&log), "--access-log-format", "%RESPONSE_CODE% %REQ(:AUTHORITY)%"];
    let mut running = Running::serve(&within(&dir, "config"), &more);
    let (_, http) = running.opened();
    get(http, "shop.example.com", "/");
    get(http, "unknown.example.com", "/");
    running.signal("INT");
    assert_eq!(running.end().code(), Some(0));
    let text = fs::read_to_string(&log).expect("it is there");
    assert_eq!(text, "earlier\n200 shop.example.com\n404 unknown.example.com\n");
    let said = ended(&["run", "-f", arg(&within(&dir, "config")), "--access-log", "/nowhere/a.log", "--admin", "off"]);
    assert!(said.code == 1 && said.err.contains("cannot write the access log /nowhere/a.log"), "{}", said.err);
}

#[test]
fn a_slip_in_the_level_is_refused() {
    let dir = folder(&[("shop.yaml", &shop(upstream::hello()))]);
    for level in ["inof", "h2=verbose"] {
        let said = ended(&["run", "-f", arg(dir.path()), "--log-level", level]);
        assert_eq!(said.code, 1, "{level}: {}", said.err);
        assert!(said.err.contains(&format!("--log-level `{level}`")) && said.err.contains("debug"), "{}", said.err);
    }
}

#[test]
fn a_reader_of_standard_error_that_goes_away_ends_nothing() {
    let dir = folder(&[("shop.yaml", &shop(upstream::hello())), ("dead.yaml", DEAD)]);
    let mut command = gateway(&["run", "-f", arg(dir.path()), "--port", "80=127.0.0.1:0", "--admin", "off"]);
    command.args(["--log-level", "debug", "--resolve", &format!("dead.internal={}", nobody())]);
    let mut child = command.stderr(Stdio::piped()).spawn().expect("the program starts");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
    let line = lines.find(|line| line.contains("listening port=80")).expect("it listens");
    drop(lines);
    let http = line.rsplit_once("address=").expect("an address").1.trim().parse().expect("an address");
    for _ in 0..3 {
        assert!(get(http, "dead.example.com", "/").starts_with("HTTP/1.1 503"));
        assert!(get(http, "shop.example.com", "/").starts_with("HTTP/1.1 200"));
    }
    kill(child.id(), "INT");
    assert_eq!(child.wait().expect("it can be waited for").code(), Some(0));

    // Nor does it change what `check` found.
    let mut child = gateway(&["check", "-f", arg(dir.path())]);
    let mut child = child.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts");
    drop(child.stderr.take());
    assert_eq!(child.wait().expect("it can be waited for").code(), Some(0));
}
