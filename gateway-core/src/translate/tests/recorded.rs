//! The recorded verdicts, and the recorded answers as far as the configuration decides them.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;
use crate::host_table::{HostTable, without_port};
use crate::model::{RequestHead, RouteConfig};
use crate::yaml;

fn cases_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases")
}

/// `${certs/NAME}` stands for a file's text; any text will do here.
fn without_files(config: &str) -> String {
    let mut out = String::new();
    let mut rest = config;
    while let Some((before, after)) = rest.split_once("${certs/") {
        out += before;
        out += "PEM";
        rest = after.split_once('}').map_or("", |(_, rest)| rest);
    }
    out + rest
}

fn load(config: &str) -> (Config, Vec<Diagnostic>) {
    let fixture = std::fs::read_to_string(cases_folder().join("fixture.yaml")).unwrap();
    let files = [SourceFile::new("fixture.yaml", fixture), SourceFile::new("config", without_files(config))];
    let (resources, mut findings) = parse(&files, &ParseOptions::default());
    let (config, more) = translate(&resources, &Settings::default());
    findings.extend(more);
    (config, findings)
}

/// All cases of a topic folder, or of all.
fn cases(topics: impl Fn(&str) -> bool) -> Vec<(String, Value)> {
    let mut out = Vec::new();
    for topic in std::fs::read_dir(cases_folder()).unwrap().map(|entry| entry.unwrap().path()) {
        let name = topic.file_name().unwrap().to_string_lossy().into_owned();
        if !topic.is_dir() || !topics(&name) {
            continue;
        }
        for file in std::fs::read_dir(&topic).unwrap().map(|entry| entry.unwrap().path()) {
            let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
            let mut documents = yaml::read(&SourceFile::new(&*stem, std::fs::read_to_string(&file).unwrap()));
            let document = documents.swap_remove(0);
            assert!(document.findings.is_empty(), "{name}/{stem}: {:?}", document.findings);
            out.push((format!("{name}/{stem}"), yaml::from_node(&document.root.unwrap()).unwrap()));
        }
    }
    out.sort_by(|a, b| a.0.cmp(&b.0));
    out
}

#[test]
fn recorded_verdicts() {
    let mut wrong = Vec::new();
    let mut total = 0;
    for (name, case) in cases(|_| true) {
        let Some(config) = case["config"].as_str() else { continue };
        let expected = case["expected_verdict"].as_str().or_else(|| case["verdict"].as_str()).unwrap();
        let (_, findings) = load(config);
        let rejected = findings.iter().any(Diagnostic::is_rejection);
        total += 1;
        if std::env::var("SHOW").is_ok() {
            let shown: Vec<_> = findings
                .iter()
                .map(|f| format!("{}[{}] {} | {}", f.severity, f.code, f.message, f.help.clone().unwrap_or_default()))
                .collect();
            println!("SHOW {name}: {expected}: {shown:#?}");
        }
        if (expected == "rejected") != rejected {
            let shown: Vec<_> = findings.iter().filter(|d| d.is_rejection()).map(Diagnostic::short).collect();
            wrong.push(format!("{name}: expected {expected}: {shown:?}"));
        }
    }
    assert!(total > 700, "{total}");
    assert!(wrong.is_empty(), "{} of {total}:\n{}", wrong.len(), wrong.join("\n"));
}

/// What a recorded request is expected to come to, as far as the configuration alone decides it.
#[derive(Debug, PartialEq)]
enum Outcome {
    Status(u16),
    Service(String),
    Closed,
}

const SERVICES: [(u16, &str); 9] = [
    (19001, "a-v1"),
    (19002, "a-v2"),
    (19003, "b-v1"),
    (19004, "b-v2"),
    (19005, "c-v1"),
    (19006, "d-v1"),
    (19007, "multi-http"),
    (19008, "multi-http-alt"),
    (19009, "h2-v1"),
];

/// Here something decides that is done before a route is chosen: normalisation, sanitising, codecs.
const DECIDED_BY_LAYERS: [&str; 4] = [
    "match/header-value-whitespace",
    "match/headers-host-and-cookie",
    "match/sanitised-header-cannot-match",
    "match/uri-exact",
];

/// The route table that a recorded connection reaches.
fn table<'a>(config: &'a Config, to: &Value) -> Option<Result<&'a RouteConfig, Outcome>> {
    let listener = config.listener(u16::try_from(to["port"].as_u64()?).ok()?)?;
    match (&listener.transport, to.get("tls")) {
        (Transport::Http(routes), None) => Some(Ok(routes)),
        (Transport::Tls(chains), Some(tls)) => {
            let sni = tls.get("sni").and_then(|sni| sni.as_str()).unwrap_or_default().to_ascii_lowercase();
            let mut table = HostTable::default();
            for chain in chains {
                for name in &chain.server_names {
                    table.insert(name, chain.routes());
                }
            }
            match table.find(&sni) {
                Some(routes) => routes.map(Ok),
                None => Some(Err(Outcome::Closed)),
            }
        }
        _ => None,
    }
}

fn predict(config: &Config, request: &Value) -> Option<Outcome> {
    let send = &request["send"];
    let tls = request["to"].get("tls").is_some();
    if !send["version"].as_str()?.starts_with("HTTP") {
        return None;
    }
    let routes = match table(config, &request["to"])? {
        Ok(routes) => routes,
        Err(outcome) => return Some(outcome),
    };
    let mut headers = http::HeaderMap::new();
    let mut authority = String::new();
    for pair in send["headers"].as_array()? {
        let (name, value) = (pair[0].as_str()?, pair[1].as_str()?);
        if name.eq_ignore_ascii_case("host") || name == ":authority" {
            authority = value.to_owned();
        } else if !name.starts_with(':') {
            headers.append(name.parse::<http::HeaderName>().ok()?, value.parse().ok()?);
        }
    }
    if headers.get("content-type").is_some_and(|value| value.as_bytes().starts_with(b"application/grpc")) {
        return None;
    }
    let target = send["target"].as_str()?;
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let mut table = HostTable::default();
    for host in &routes.virtual_hosts {
        table.insert(&host.host, host);
    }
    let Some(host) = table.find(&without_port(&authority).to_ascii_lowercase()) else {
        return Some(Outcome::Status(404));
    };
    if host.https_redirect {
        return Some(Outcome::Status(301));
    }
    let method = send["method"].as_str()?.parse().ok()?;
    let scheme = if tls { "https" } else { "http" };
    let authority = authority.as_bytes();
    let head =
        RequestHead { method: &method, path, query, path_and_query: target, scheme, authority, headers: &headers };
    let Some(route) = host.routes.iter().find(|route| route.matches.fits(&head)) else {
        return Some(Outcome::Status(404));
    };
    act(config, &route.action)
}

fn act(config: &Config, action: &Action) -> Option<Outcome> {
    let forward = match action {
        Action::Redirect(redirect) => return Some(Outcome::Status(redirect.status.as_u16())),
        Action::DirectResponse(response) => return Some(Outcome::Status(response.status.as_u16())),
        Action::Forward(forward) => forward,
    };
    if forward.fault.is_some() || forward.cors.is_some() || forward.destinations.len() > 1 {
        return None;
    }
    let name = &forward.destinations[0].cluster;
    let Some(cluster) = config.clusters.iter().find(|cluster| cluster.name == *name) else {
        return Some(Outcome::Status(503));
    };
    let Endpoints::Static(list) = &cluster.endpoints else { return None };
    if list.is_empty() {
        return Some(Outcome::Status(503));
    }
    let name = |port: u16| SERVICES.iter().find(|(known, _)| *known == port).map(|(_, name)| *name);
    let names: Option<Vec<&str>> = list.iter().map(|endpoint| name(endpoint.address.port())).collect();
    names.map(|names| Outcome::Service(names.join("|")))
}

#[test]
fn recorded_answers_as_far_as_the_configuration_decides_them() {
    let mut wrong = Vec::new();
    let mut compared = 0;
    let layers = ["normalisation", "protocol", "local-replies", "forwarding-headers"];
    for (name, case) in cases(|topic| !layers.contains(&topic)) {
        let (Some(config), Some(requests)) = (case["config"].as_str(), case["requests"].as_array()) else {
            continue;
        };
        if DECIDED_BY_LAYERS.contains(&name.as_str()) || case.get("deviation").is_some() {
            continue;
        }
        let (config, findings) = load(config);
        if findings.iter().any(|finding| finding.severity == Severity::Error) {
            continue;
        }
        for (n, request) in requests.iter().enumerate() {
            let Some(outcome) = predict(&config, request) else { continue };
            let answer = &case["answers"][n];
            let same = match &outcome {
                Outcome::Closed => answer.get("closed").is_some(),
                Outcome::Status(status) => answer["status"].as_u64() == Some(u64::from(*status)),
                Outcome::Service(names) => match answer["upstream"]["service"].as_str() {
                    Some(service) => service.split('|').all(|service| names.contains(service)),
                    None => continue,
                },
            };
            compared += 1;
            if !same {
                let got = (answer.get("status"), answer["upstream"].get("service"));
                wrong.push(format!("{name} {}: {outcome:?}, recorded {got:?}", n + 1));
            }
        }
    }
    assert!(compared > 650, "{compared}");
    assert!(wrong.is_empty(), "{} of {compared}:\n{}", wrong.len(), wrong.join("\n"));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]

    /// Any damage to a text is reported, never a panic, and every finding can be shown.
    #[test]
    fn damaged_texts_never_panic(at in 0_usize..900, length in 0_usize..12, with in ".{0,6}") {
        let mut text = service("- match: [{uri: {prefix: /ä}, headers: {x: {regex: 'a.*'}}}]\n  route:\n  - {destination: {host: c}, weight: 5}\n  timeout: 5s\n- directResponse: {status: 200}");
        text += "---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {tls.key: x}\n";
        let boundary = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
        let (start, end) = (boundary(at), boundary(at + length));
        text.replace_range(start..end, &with);
        let (_, findings) = alone(&text);
        let shown = crate::diagnostic::render(&findings, &[SourceFile::new("gateway.yaml", text)], false);
        proptest::prop_assert!(findings.is_empty() == shown.is_empty());
    }
}
