//! What the demo prints: commands to try, each with what its answer contains.
use std::{fmt::Write as _, path::Path};

use super::{Ports, files::Folder};

/// A command to try.
struct Stop {
    title: &'static str,
    command: String,
    /// Each of these is in the answer.
    answers: &'static [&'static str],
}

/// The whole text.
pub(super) fn text(folder: &Folder, ports: Ports) -> String {
    let dir = folder.path();
    let mut out = format!(
        "\nThe gateway is ready. Everything listens on 127.0.0.1 alone:\n\
         \x20 HTTP {}, HTTPS {}, admin http://127.0.0.1:{}/, the upstreams prd {} and api {}\n\
         \x20 {}: the YAML is in config/, certificates are ca.pem, client.pem and secrets/\n\
         \x20 Edit the YAML, then start again with the same files: gateway demo --dir {}{}\n",
        ports.http,
        ports.https,
        ports.admin,
        ports.prd,
        ports.api,
        dir.display(),
        quoted(dir),
        if ports.http == 8080 { String::new() } else { format!(" --port-base {}", ports.http) },
    );
    for stop in stops(folder, ports) {
        // A String takes all text.
        let _ = write!(out, "\n{}\n  {}\n", stop.title, stop.command);
        for answer in stop.answers {
            let _ = writeln!(out, "  -> {answer}");
        }
    }
    out.push_str("\nCtrl-C ends it. Below is the access log.\n\n");
    out
}

fn stops(folder: &Folder, ports: Ports) -> Vec<Stop> {
    let curl = if has_proxy() { "curl --noproxy '*'" } else { "curl" };
    let http = |host: &str| format!("--connect-to {host}:80:127.0.0.1:{}", ports.http);
    let https = |host: &str| format!("--connect-to {host}:443:127.0.0.1:{}", ports.https);
    let [ca, cert, key] = ["ca.pem", "client.pem", "client.key"].map(|name| quoted(&folder.file(name)));
    let (prd, api) = ("prd.istioinaction.io", "api.istioinaction.io");
    let (apiserver, admin) = ("apiserver.istioinaction.io", "admin.istioinaction.io");
    vec![
        stop(
            "HTTP: one address, told apart by the host",
            &["hello from prd"],
            format!("{curl} -sS {} http://{prd}/", http(prd)),
        ),
        stop(
            "The other host; /v1/ is taken off the path, a header is added",
            &["hello from api", "GET /orders", "x-api-version: 1"],
            format!("{curl} -sS {} http://{api}/v1/orders", http(api)),
        ),
        stop(
            "Redirect to HTTPS: httpsRedirect",
            &["301 Moved", "location: https://apiserver.istioinaction.io/a?b=c"],
            format!("{curl} -sSi {} 'http://{apiserver}/a?b=c'", http(apiserver)),
        ),
        stop(
            "The same, followed",
            &["hello from api", "x-forwarded-proto: https"],
            format!("{curl} -sSL --cacert {ca} {} {} http://{apiserver}/", http(apiserver), https(apiserver)),
        ),
        stop(
            "HTTPS: tls.mode SIMPLE",
            &["hello from prd"],
            format!("{curl} -sS --cacert {ca} {} https://{prd}/", https(prd)),
        ),
        stop(
            "HTTPS with a client certificate: tls.mode MUTUAL",
            &["hello from api"],
            format!("{curl} -sS --cacert {ca} --cert {cert} --key {key} {} https://{admin}/", https(admin)),
        ),
        stop(
            "The same without one",
            &["curl: (", "refused"],
            format!("{curl} -sS --cacert {ca} {} https://{admin}/ || echo refused", https(admin)),
        ),
        stop("No way around it: the host of one server through the other", &["421"], {
            let connect = https(prd);
            format!("{curl} -sSi --cacert {ca} {connect} -H 'Host: {admin}' https://{prd}/")
        }),
        stop(
            "A host that nobody knows",
            &["404 Not Found"],
            format!("{curl} -sSi {} http://unknown.example/", http("unknown.example")),
        ),
        stop(
            "What the gateway counted",
            &["istio_requests_total{"],
            format!("{curl} -sS http://127.0.0.1:{}/metrics", ports.admin),
        ),
    ]
}

const fn stop(title: &'static str, answers: &'static [&'static str], command: String) -> Stop {
    Stop { title, command, answers }
}

/// Behind a proxy curl would ask the proxy for these hosts.
fn has_proxy() -> bool {
    ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// As one word of a shell.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@%".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_one_word_each() {
        assert_eq!(quoted(Path::new("/tmp/a-b.1")), "/tmp/a-b.1");
        assert_eq!(quoted(Path::new("/tmp/it's here")), r"'/tmp/it'\''s here'");
    }
}
