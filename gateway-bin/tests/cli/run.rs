//! `gateway run` and what looks at it: admin server, logs, proxy-config.
use std::{fs, net::TcpListener};

use crate::support::{Running, YAML, curl, done, folder, gateway, path, upstream};

const URL: &str = "http://a.com/x";

#[test]
fn serves_and_tells() {
    let up = upstream();
    let files = folder(&[("gateway.yaml", YAML)]);
    let resolve = format!("up={}", up.address);
    let mut running = Running::start(files.path(), &["--resolve", &resolve]);
    assert_eq!(running.curl(80, &[URL]), "up /x");
    assert_eq!(running.curl(80, &["-o", "/dev/null", "-w", "%{http_code}", "http://b.com/"]), "404");

    let admin = format!("http://{}", running.admin());
    let status = |path: &str, more: &[&str]| {
        let url = format!("{admin}{path}");
        curl(&[&["-o", "/dev/null", "-w", "%{http_code}", url.as_str()], more].concat())
    };
    for path in ["/", "/ready", "/healthz", "/healthz/ready", "/metrics", "/stats/prometheus", "/config_dump"] {
        assert_eq!(status(path, &[]), "200", "{path}");
    }
    assert_eq!(status("/ready", &["-H", "host: evil.example"]), "403", "DNS rebinding");
    assert_eq!(status("/ready", &["-X", "POST"]), "405");
    let metrics = curl(&[&format!("{admin}/metrics")]);
    let line = |code: &str, service: &str| {
        metrics.lines().any(|line| {
            line.starts_with("istio_requests_total")
                && line.contains(&format!("response_code=\"{code}\""))
                && line.contains(&format!("destination_service=\"{service}\""))
        })
    };
    assert!(line("200", "up.app.svc.cluster.local") && line("404", "unknown"), "{metrics}");
}

#[test]
fn proxy_config_says_the_same_of_files_and_of_the_running_gateway() {
    let files = folder(&[("gateway.yaml", YAML)]);
    let mut running = Running::start(files.path(), &[]);
    let (admin, all) = (running.admin().to_string(), files.path().display().to_string());
    for (what, expected) in
        [("listeners", "http.80"), ("routes", "a.com"), ("cluster", "up"), ("secret", "RESOURCE NAME")]
    {
        for form in ["table", "json", "yaml"] {
            let (code, of_files, _) = done(&mut gateway(&["proxy-config", what, "-o", form, "-f", &all]));
            let (other, of_running, _) = done(&mut gateway(&["pc", what, "-o", form, "--admin", &admin]));
            assert_eq!((code, other), (0, 0), "{what} {form}");
            assert_eq!(of_files, of_running, "{what} {form}");
            assert!(form != "table" || of_files.contains(expected), "{what}: {of_files}");
        }
    }
    let (code, _, err) = done(&mut gateway(&["pc", "routes", "--admin", "127.0.0.1:1"]));
    assert_eq!(code, 6);
    assert!(err.contains("127.0.0.1:1"), "{err}");
}

#[test]
fn access_logs_as_envoy_writes_them() {
    let files = folder(&[("gateway.yaml", YAML)]);
    for (form, expected) in [
        (
            "text",
            [
                "\"GET /x HTTP/1.1\" 503 UF,URX upstream_reset_before_response_started",
                "\"GET /none HTTP/1.1\" 404 NR route_not_found",
            ],
        ),
        ("json", ["\"response_flags\":\"UF,URX\"", "\"response_code\":404"]),
    ] {
        let log = path(&files, &format!("{form}.log"));
        let more = ["--resolve", "up=127.0.0.1:1", "--access-log", &log, "--access-log-format", form];
        let mut running = Running::start(files.path(), &more);
        running.curl(80, &[URL]);
        running.curl(80, &["http://b.com/none"]);
        running.line("upstream cannot be reached");
        running.signal("INT");
        assert!(running.ended().success());
        let lines = fs::read_to_string(&log).expect("a log");
        assert!(expected.iter().all(|text| lines.contains(text)), "{lines}");
        assert_eq!(lines.lines().count(), 2);
    }
}

#[test]
fn nothing_to_serve_is_said_with_the_labels() {
    let files = folder(&[("gateway.yaml", YAML)]);
    let all = files.path().display().to_string();
    let (code, _, err) = done(&mut gateway(&["run", "--admin", "off", "--labels", "istio=other,app=x", "-f", &all]));
    assert_eq!(code, 1);
    assert!(err.contains("app=x,istio=other"), "{err}");
}

#[test]
fn errors_refuse_or_are_skipped() {
    let broken = YAML.replace("name: routes", "name: broken").replace("http:", "htpp:");
    let files = folder(&[("gateway.yaml", YAML), ("broken.yaml", &broken[broken.find("---").expect("two")..])]);
    let all = files.path().display().to_string();
    let (code, _, err) = done(&mut gateway(&["run", "--admin", "off", "--port", "80=127.0.0.1:0", "-f", &all]));
    assert_eq!(code, 3);
    assert!(err.contains("broken.yaml:8") && err.contains("htpp"), "{err}");
    let up = upstream();
    let mut running = Running::start(files.path(), &["--on-error=skip", "--resolve", &format!("up={}", up.address)]);
    running.line("degraded");
    assert_eq!(running.curl(80, &[URL]), "up /x");
}

#[test]
fn a_port_in_use_is_seen_although_workers_share_it() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = format!("80=127.0.0.1:{}", taken.local_addr().expect("bound").port());
    let files = folder(&[("gateway.yaml", YAML)]);
    let all = files.path().display().to_string();
    for threads in ["1", "2"] {
        let words = ["run", "--admin", "off", "--threads", threads, "--port", &port, "-f", &all];
        let (code, _, err) = done(&mut gateway(&words));
        assert_eq!(code, 1);
        assert!(err.contains("cannot open port 80"), "{err}");
    }
}

#[test]
fn flags_come_from_the_environment_too() {
    let files = folder(&[("gateway.yaml", YAML)]);
    let up = upstream();
    let mut command = gateway(&["run"]);
    command
        .env("GATEWAY_FILE", files.path())
        .env("GATEWAY_PORT", "80=127.0.0.1:0")
        .env("GATEWAY_ADMIN", "off")
        .env("GATEWAY_THREADS", "1")
        .env("GATEWAY_RESOLVE", format!("up.app.svc.cluster.local:80={}", up.address))
        .env("GATEWAY_SERVER_HEADER", "mine");
    let mut running = Running::spawn(command);
    assert_eq!(running.curl(80, &["-w", " %header{server}", URL]), "up /x mine");
}

#[test]
fn secrets_from_a_folder() {
    let demo = folder(&[]);
    let certificates = rcgen::generate_simple_self_signed(["a.com".to_owned()]).expect("a name");
    let secret = demo.path().join("secrets/a-cert");
    // As Kubernetes mounts them: links through a folder that is swapped as a whole.
    let data = secret.join("..2026");
    fs::create_dir_all(&data).expect("a folder");
    fs::write(data.join("tls.crt"), certificates.cert.pem()).expect("written");
    fs::write(data.join("tls.key"), certificates.signing_key.serialize_pem()).expect("written");
    std::os::unix::fs::symlink("..2026", secret.join("..data")).expect("linked");
    for key in ["tls.crt", "tls.key"] {
        std::os::unix::fs::symlink(format!("..data/{key}"), secret.join(key)).expect("linked");
    }
    let tls = YAML.replace(
        "  - port: {number: 80, name: http, protocol: HTTP}\n    hosts: [a.com]\n",
        "  - port: {number: 443, name: https, protocol: HTTPS}\n    hosts: [a.com]\n    tls: {mode: SIMPLE, credentialName: a-cert}\n",
    );
    let files = folder(&[("gateway.yaml", &tls)]);
    let up = upstream();
    let secrets = path(&demo, "secrets");
    let mut running =
        Running::start(files.path(), &["--secrets", &secrets, "--resolve", &format!("up={}", up.address)]);
    assert_eq!(running.curl(443, &["-k", "https://a.com/x"]), "up /x");
    let dump = curl(&[&format!("http://{}/config_dump", running.admin())]);
    assert!(dump.contains("istio-system/a-cert") && !dump.contains("PRIVATE"), "{dump}");

    std::os::unix::fs::symlink("/etc", secret.join("ca.crt")).expect("linked");
    let all = files.path().display().to_string();
    let (code, _, err) = done(&mut gateway(&["check", "--secrets", &secrets, "-f", &all]));
    assert_eq!(code, 1);
    assert!(err.contains("leads out of the folder"), "{err}");
}
