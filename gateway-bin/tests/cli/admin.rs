//! The admin server.
use serde_json::Value;

use crate::{
    support::{Running, admin, arg, certificate, curl, folder, get, https_gateway, shop, within, write},
    upstream,
};

#[test]
fn ready_health_and_metrics_under_all_their_names() {
    let dir = folder(&[("shop.yaml", &shop(upstream::hello()))]);
    let mut running = Running::serve(dir.path(), &[]);
    let (address, http) = running.opened();
    for path in ["/ready", "/healthz/ready", "/healthz", "/"] {
        assert!(admin(address, path).starts_with("HTTP/1.1 200"), "{path}");
    }
    assert!(get(http, "shop.example.com", "/").starts_with("HTTP/1.1 200"));
    assert!(get(http, "unknown.example.com", "/").starts_with("HTTP/1.1 404"));
    for path in ["/metrics", "/stats/prometheus"] {
        let text = admin(address, path);
        let count = |labels: &[&str]| {
            let of = |line: &&str| {
                line.starts_with("istio_requests_total{") && labels.iter().all(|label| line.contains(label))
            };
            text.lines().find(of).and_then(|line| line.rsplit_once(' ')).map(|(_, count)| count.to_owned())
        };
        let ours = [
            "reporter=\"source\"",
            "destination_service=\"shop.internal\"",
            "request_protocol=\"http\"",
            "response_code=\"200\"",
            "response_flags=\"-\"",
        ];
        assert_eq!(count(&ours).as_deref(), Some("1"), "{text}");
        assert_eq!(count(&["response_code=\"404\"", "response_flags=\"NR\""]).as_deref(), Some("1"), "{text}");
    }
}

#[test]
fn only_reads_and_only_under_its_own_names() {
    let dir = folder(&[("shop.yaml", &shop(upstream::hello()))]);
    let mut running = Running::serve(dir.path(), &[]);
    let (address, _) = running.opened();
    let url = format!("http://{address}/config_dump");
    let refused = curl(&["-i", "-H", "Host: evil.example", &url]).out;
    assert!(refused.starts_with("HTTP/1.1 403") && refused.contains("ask for localhost"), "{refused}");
    assert!(curl(&["-i", "-H", "Host: evil.example", &format!("http://{address}/")]).out.starts_with("HTTP/1.1 403"));
    for path in ["ready", "healthz", "healthz/ready", "metrics", "stats/prometheus"] {
        let answer = curl(&["-i", "-H", "Host: gateway-7d9f.pods.local", &format!("http://{address}/{path}")]).out;
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }
    assert!(curl(&["-i", "-X", "POST", &url]).out.starts_with("HTTP/1.1 405"));
    let local = format!("http://localhost:{}/config_dump", address.port());
    let to = format!("localhost:{}:{address}", address.port());
    assert!(curl(&["-i", "--connect-to", &to, &local]).out.starts_with("HTTP/1.1 200"));
}

#[test]
fn the_dump_has_no_key() {
    let (cert, key) = certificate("a.example.com");
    let dir = folder(&[("config/shop.yaml", &shop(upstream::hello()))]);
    let tls = "mode: SIMPLE, credentialName: a-cert";
    write(&within(&dir, "config/a.yaml"), &https_gateway("a", "a.example.com", tls));
    write(&within(&dir, "secrets/a-cert/tls.crt"), &cert);
    write(&within(&dir, "secrets/a-cert/tls.key"), &key);
    let mut running = Running::serve(&within(&dir, "config"), &["--secrets", arg(&within(&dir, "secrets"))]);
    let (address, http) = running.opened();
    let text = curl(&[&format!("http://{address}/config_dump")]).out;
    let dump: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(dump["version"], 1);
    assert_eq!(dump["secrets"][0]["status"], "ACTIVE", "{text}");
    assert!(dump["opened"].to_string().contains(&http.to_string()), "{text}");
    assert!(!text.contains("PRIVATE"), "{text}");
    for line in key.lines().filter(|line| !line.starts_with("-----")) {
        assert!(!text.contains(line), "a line of the key is in the dump");
    }
}
