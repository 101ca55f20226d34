//! The recorded verdicts, and translations as tables.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;
use crate::diagnostic::{Severity, SourceFile};
use crate::host_table::{HostTable, without_port};
use crate::istio::{ParseOptions, parse};
use crate::model::{Action, Endpoints, RequestHead, RouteConfig, Transport};
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

/// Translates a configuration without the recorded services.
fn alone(config: &str) -> (Config, Vec<Diagnostic>) {
    let (resources, mut findings) = parse(&[SourceFile::new("gateway.yaml", config)], &ParseOptions::default());
    let (config, more) = translate(&resources, &Settings::default());
    findings.extend(more);
    (config, findings)
}

const GATEWAY: &str = "\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: ['*']
---
";

/// A VirtualService with these rules, bound to [`GATEWAY`].
fn service(http: &str) -> String {
    let indented: String = http.lines().map(|line| format!("  {line}\n")).collect();
    format!(
        "{GATEWAY}apiVersion: networking.istio.io/v1\nkind: VirtualService\n\
         metadata: {{name: shop, namespace: app}}\n\
         spec:\n  hosts: [shop.example.com]\n  gateways: [istio-system/gw]\n  http:\n{indented}"
    )
}

#[test]
fn findings_are_shown_as_users_read_them() {
    let cases = [
        (
            "- match:\n  - uri:\n    exact: /app\n  route: [{destination: {host: c, port: {number: 80}}}]",
            "\
error[IST0106]: unknown field `exact` in HTTPMatchRequest
  --> gateway.yaml:19:7
   |
18 |     - uri:
   |       --- `uri` is empty
19 |       exact: /app
   |       ^^^^^ this belongs one level deeper, under `uri`
   |
   = note: in VirtualService app/shop, spec.http[0].match[0].exact
   = help: indent by 2 more spaces",
        ),
        (
            "- match: [{uri: {regex: '/(a'}}]\n  redirect: {uri: /}",
            "\
error[IST0122]: `/(a` is no RE2 expression: missing closing )
  --> gateway.yaml:17:27
   |
17 |   - match: [{uri: {regex: '/(a'}}]
   |                           ^^^^^
   |
   = note: in VirtualService app/shop, spec.http[0].match[0].uri.regex",
        ),
        (
            "- redirect: {uri: /a}\n- redirect: {uri: /b}",
            "\
warning[IST0130]: this rule, and all after it, can never be reached
  --> gateway.yaml:18:5
   |
17 |   - redirect: {uri: /a}
   |     ------------------- this takes every request
18 |   - redirect: {uri: /b}
   |     ^^^^^^^^^^^^^^^^^^^
   |
   = note: in VirtualService app/shop, spec.http[1]
   = help: move it to the end",
        ),
        (
            "- route: [{destination: {host: c, port: {number: 80}}}]\n  tiemout: 5s",
            "\
error[IST0106]: unknown field `tiemout` in HTTPRoute
  --> gateway.yaml:18:5
   |
18 |     tiemout: 5s
   |     ^^^^^^^ not known here
   |
   = note: in VirtualService app/shop, spec.http[0].tiemout
   = help: did you mean `timeout`?",
        ),
    ];
    for (rules, expected) in cases {
        let text = service(rules);
        let (_, findings) = alone(&text);
        let shown = crate::diagnostic::render(&findings, &[SourceFile::new("gateway.yaml", text)], false);
        assert_eq!(shown.trim_end(), expected);
    }
}

fn first_route(config: &Config) -> &crate::model::Route {
    let table = config.listener(80).unwrap().route_configs().next().unwrap();
    &table.virtual_hosts[0].routes[0]
}

fn first_forward(config: &Config) -> &crate::model::Forward {
    let Action::Forward(forward) = &first_route(config).action else { panic!("not forwarded") };
    forward
}

#[test]
fn header_levels_are_merged_as_istio_and_envoy_do() {
    let rules = |more: &str| {
        format!(
            "- headers: {{request: {{set: {{x: rule, Host: rule.com}}, remove: [gone]}}}}\n  route:\n\
             \x20 - destination: {{host: c, port: {{number: 80}}}}\n    weight: 1\n\
             \x20   headers: {{request: {{set: {{x: destination}}, add: {{B: b, a: a}}, remove: [old]}}}}\n{more}"
        )
    };
    let ops = |text: &str| -> Vec<String> {
        let (config, _) = alone(&service(text));
        let shown = first_forward(&config).destinations[0].request_headers.0.iter().map(|op| match op {
            crate::model::HeaderOp::Remove(name) => format!("-{name}"),
            crate::model::HeaderOp::Set(name, value) => format!("{name}={}", value.source()),
            crate::model::HeaderOp::Add(name, value) => format!("{name}+{}", value.source()),
        });
        shown.collect()
    };
    assert_eq!(ops(&rules("")), ["-gone", "-old", "x=rule", "x=destination", "b+b", "a+a"]);
    let second = "  - {destination: {host: d, port: {number: 80}}, weight: 1}\n";
    assert_eq!(ops(&rules(second)), ["-old", "x=destination", "b+b", "a+a", "-gone", "x=rule"]);
}

#[test]
fn framing_is_not_changed_by_configuration() {
    let text = "- route: [{destination: {host: c, port: {number: 80}}}]\n  headers: {request: {set: {Content-Length: '3', \
                a: b}, add: {transfer-encoding: chunked}, remove: [Connection]}}\n";
    let (config, findings) = alone(&service(text));
    assert_eq!(first_forward(&config).destinations[0].request_headers.0.len(), 1);
    let warned: Vec<_> = findings.iter().filter(|finding| finding.code == crate::diagnostic::NO_EFFECT).collect();
    assert_eq!(warned.len(), 3, "{findings:#?}");
}

#[test]
fn a_host_that_nothing_describes_is_looked_up_if_it_has_a_port() {
    let (config, findings) = alone(&service("- route: [{destination: {host: Api.Example.org, port: {number: 8080}}}]"));
    assert_eq!(findings, []);
    assert_eq!(config.clusters[0].name.to_string(), "outbound|8080||api.example.org");
    assert_eq!(config.clusters[0].endpoints, Endpoints::Unlisted("Api.Example.org".to_owned(), 8080));
    let (config, findings) = alone(&service("- route: [{destination: {host: api.example.org}}]"));
    assert_eq!(config.clusters, []);
    assert_eq!(findings[0].code, crate::diagnostic::REFERENCE);
    assert_eq!(findings[0].path, "spec.http[0].route[0].destination.host");
}

#[test]
fn a_fixed_address_goes_before_everything() {
    let (resources, _) =
        parse(&[SourceFile::new("f", service("- route: [{destination: {host: c}}]"))], &ParseOptions::default());
    let rule = ResolveRule {
        host: "c.app.svc.cluster.local".to_owned(),
        port: Some(8080),
        address: ([127, 0, 0, 1], 9).into(),
        h2: true,
    };
    let (config, findings) = translate(&resources, &Settings { resolve: vec![rule], ..Settings::default() });
    assert_eq!(findings, []);
    assert_eq!(config.clusters[0].name.port, 8080);
    assert_eq!(config.clusters[0].protocol, crate::model::Protocol::Http2);
}

#[test]
fn one_bad_object_hurts_no_other() {
    let bad = "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: bad}\n\
               spec: {hosts: [b.com], gateways: [istio-system/gw], http: [{}]}\n";
    let (config, findings) = alone(&format!("{}{bad}", service("- redirect: {uri: /a}")));
    assert_eq!(findings.len(), 1, "{findings:?}");
    let table = config.listener(80).unwrap().route_configs().next().unwrap();
    assert_eq!(table.virtual_hosts.len(), 1);
}

/// Code and path of every finding.
fn codes(config: &str) -> Vec<String> {
    let (_, findings) = alone(config);
    findings.iter().map(|finding| format!("{} {} {}", finding.severity, finding.code, finding.path)).collect()
}

#[test]
fn what_is_not_built_is_named_and_does_not_hide_what_is_invalid() {
    let route = "route: [{destination: {host: c, port: {number: 80}}}]";
    let cases = [
        ("delegate", "- delegate: {name: x}".to_owned(), vec!["error GW0001 spec.http[0].delegate"]),
        (
            "valid fault",
            format!("- {route}\n  fault: {{abort: {{httpStatus: 500, percentage: {{value: 1}}}}}}"),
            vec![],
        ),
        ("bad fault", format!("- {route}\n  fault: {{}}"), vec!["error IST0106 spec.http[0].fault"]),
        ("retries", format!("- {route}\n  retries: {{attempts: 3, retryOn: 'reset,503'}}"), vec![]),
        (
            "claim",
            format!("- match: [{{headers: {{'@request.auth.claims.a': {{exact: b}}}}}}]\n  {route}"),
            vec!["error IST0149 spec.http[0].match[0].headers[\"@request.auth.claims.a\"]"],
        ),
        (
            "operator",
            format!("- {route}\n  headers: {{response: {{set: {{x: '%FOO%'}}}}}}"),
            vec!["error IST0106 spec.http[0].headers.response.set.x"],
        ),
        (
            "rewrite to no host",
            format!("- {route}\n  rewrite: {{authority: 'a b/c'}}"),
            vec!["error IST0106 spec.http[0].rewrite.authority"],
        ),
        ("rewrite to a host", format!("- {route}\n  rewrite: {{authority: 'a.com:80'}}"), vec![]),
        (
            "rewrite without slash",
            format!("- {route}\n  rewrite: {{uri: bar}}"),
            vec!["warning GW0008 spec.http[0].rewrite.uri"],
        ),
    ];
    for (name, rules, expected) in cases {
        assert_eq!(codes(&service(&rules)), expected, "{name}");
    }
}

/// A Gateway with one HTTPS server.
fn https(tls: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: tls, namespace: x}}\nspec:\n  servers:\n\
         \x20 - port: {{number: 443, name: https, protocol: HTTPS}}\n    hosts: [a.com]\n    tls: {tls}\n"
    )
}

#[test]
fn credentials_are_looked_up_in_the_namespace_of_the_gateway() {
    let secret = |namespace: &str, data: &str| {
        format!(
            "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: c, namespace: {namespace}}}\nstringData: {data}\n"
        )
    };
    let pair = "{tls.crt: CERT, tls.key: KEY}";
    let field = "spec.servers[0].tls.credentialName";
    let missing = format!("warning IST0161 {field}");
    let cases = [
        ("found", "{mode: SIMPLE, credentialName: c}", secret("istio-system", pair), vec![]),
        ("missing", "{mode: SIMPLE, credentialName: c}", String::new(), vec![missing.clone()]),
        ("of the Gateway's namespace", "{mode: SIMPLE, credentialName: c}", secret("x", pair), vec![missing.clone()]),
        ("foreign", "{mode: SIMPLE, credentialName: x/c}", secret("x", pair), vec![missing.clone()]),
        (
            "long form",
            "{mode: SIMPLE, credentialName: 'kubernetes://istio-system/c'}",
            secret("istio-system", pair),
            vec![],
        ),
        (
            "empty key",
            "{mode: SIMPLE, credentialName: c}",
            secret("istio-system", "{tls.crt: C, tls.key: ''}"),
            vec![missing.clone()],
        ),
        (
            "revocation list",
            "{mode: MUTUAL, credentialName: c}",
            secret("istio-system", "{tls.crt: C, tls.key: K, ca.crt: A, ca.crl: R}"),
            vec![format!("error GW0001 {field}")],
        ),
        ("no CA", "{mode: MUTUAL, credentialName: c}", secret("istio-system", pair), vec![missing]),
        ("sds", "{mode: SIMPLE, credentialName: 'sds://c'}", String::new(), vec![format!("error IST0161 {field}")]),
        (
            "sds for the CA",
            "{mode: MUTUAL, serverCertificate: /c, privateKey: /k, caCertCredentialName: 'sds://c'}",
            String::new(),
            vec!["error IST0161 spec.servers[0].tls.caCertCredentialName".to_owned()],
        ),
        (
            "ConfigMap for the CA",
            "{mode: MUTUAL, serverCertificate: /c, privateKey: /k, caCertCredentialName: 'configmap://x/c'}",
            String::new(),
            vec!["error GW0001 spec.servers[0].tls.caCertCredentialName".to_owned()],
        ),
    ];
    for (name, tls, secret, expected) in cases {
        assert_eq!(codes(&format!("{}{secret}", https(tls))), expected, "{name}");
    }
    let (config, _) = alone(&format!("{}{}", https("{mode: MUTUAL, credentialName: c}"), secret("istio-system", pair)));
    let Transport::Tls(chains) = &config.listener(443).unwrap().transport else { panic!("clear text") };
    let crate::model::ClientAuth::Required(crate::model::CaSource::Secrets(names)) = &chains[0].tls.client_auth else {
        panic!("no client certificate is asked for")
    };
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["istio-system/c-cacert", "istio-system/c"]);
    assert_eq!(config.secrets.len(), 1);
}

#[test]
fn conflicting_servers_are_named_with_the_one_that_wins() {
    let second =
        https("{mode: SIMPLE, credentialName: c}").replace("name: tls", "name: later").replace("a.com", "y/A.com");
    let (_, findings) = alone(&format!("{}---\n{second}", https("{mode: SIMPLE, credentialName: c}")));
    let conflict = findings.iter().find(|finding| finding.code == crate::diagnostic::CONFLICT).unwrap();
    assert_eq!(conflict.resource.as_ref().unwrap().name, "tls");
    assert_eq!(conflict.labels[1].text, "this is first");
    assert_eq!(conflict.severity, Severity::Warning);
}

/// As in Istio: each address has listeners of its own, and what is every address is one.
#[test]
fn servers_are_merged_by_address() {
    let listeners = |binds: [&str; 2]| {
        let server = |bind: &str| {
            format!("- port: {{number: 80, name: N, protocol: HTTP}}\n    bind: {bind}\n    hosts: ['*']\n")
        };
        let servers = format!("{}  {}", server(binds[0]).replace('N', "a"), server(binds[1]).replace('N', "b"));
        let head = GATEWAY.split_once("- port").unwrap().0;
        let (config, findings) = alone(&format!("{head}{servers}"));
        assert!(findings.is_empty(), "{findings:?}");
        config.listeners.iter().map(|listener| listener.bind.map(|bind| bind.to_string())).collect::<Vec<_>>()
    };
    assert_eq!(listeners(["10.0.0.1", "10.0.0.2"]), [Some("10.0.0.1".to_owned()), Some("10.0.0.2".to_owned())]);
    assert_eq!(listeners(["null", "10.0.0.2"]), [None, Some("10.0.0.2".to_owned())]);
    for every in ["null", "''", "0.0.0.0"] {
        assert_eq!(listeners([every, "0.0.0.0"]), [None]);
        assert_eq!(listeners([every, "'::'"]), [Some("::".to_owned())]);
        assert_eq!(listeners(["'::'", every]), [Some("::".to_owned())]);
    }
}

/// Objects with errors are not served; what they close does not become open.
#[test]
fn what_has_an_error_closes_what_it_names() {
    let strict = https("{mode: MUTUAL, credentialName: c, subjectAltNames: [x]}").replace("name: tls", "name: strict");
    let all = https("{mode: SIMPLE, credentialName: c}").replace("a.com", "'*'");
    let (config, findings) = alone(&format!("{strict}---\n{all}"));
    assert!(findings.iter().any(|finding| finding.severity == Severity::Error), "{findings:?}");
    let Transport::Tls(chains) = &config.listener(443).unwrap().transport else { panic!("clear text") };
    let shown: Vec<_> =
        chains.iter().map(|chain| (chain.server_names[0].to_string(), chain.tls.certificates.len())).collect();
    assert_eq!(shown, [("*".to_owned(), 1), ("a.com".to_owned(), 0)]);

    let text = service("- route: [{destination: {host: c, port: {number: 80}}}]\n");
    let rule = |policy: &str| {
        format!(
            "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: c, namespace: \
             istio-system}}\nspec: {{host: c.app.svc.cluster.local, trafficPolicy: {policy}}}\n"
        )
    };
    let clusters = |policy: &str| alone(&format!("{text}{}", rule(policy))).0.clusters.len();
    assert_eq!(clusters("{tls: {mode: SIMPLE}}"), 0, "not built: no clear text instead");
    assert_eq!(clusters("{portLevelSettings: [{port: {number: 80}, tls: {mode: MUTUAL}}]}"), 0);
    assert_eq!(clusters("{tls: {mode: DISABLE}}"), 1);
}

/// Also what does not fit its schema, or is not even the YAML that is wanted.
#[test]
fn what_cannot_be_read_closes_what_it_names() {
    let strict = https("{mode: MUTUAL, credentialName: c}").replace("name: tls", "name: strict");
    let all = https("{mode: SIMPLE, credentialName: c}").replace("a.com", "'*'");
    let closed = |strict: &str| {
        let (config, findings) = alone(&format!("{strict}---\n{all}"));
        assert!(findings.iter().any(|finding| finding.severity == Severity::Error), "{strict}");
        let listeners = config.listeners.iter().map(|listener| {
            let Transport::Tls(chains) = &listener.transport else { panic!("clear text") };
            let closed = chains.iter().filter(|chain| chain.tls.certificates.is_empty());
            closed.flat_map(|chain| &chain.server_names).map(ToString::to_string).collect::<Vec<_>>().join(",")
        });
        listeners.collect::<Vec<_>>()
    };
    for (from, to) in [
        ("credentialName: c", "credentialNam: c"),
        ("MUTUAL", "MUTAUL"),
        ("tls:", "tsl:"),
        ("tls:", "TLS:"),
        ("number: 443", "number: '443'"),
        ("number: 443", "nubmer: 443"),
        ("hosts: [a.com]", "host: [a.com]"),
        ("hosts: [a.com]", "hosts: a.com"),
        ("hosts: [a.com]", "hosts: [a.com]\n    hosts: [b.com]"),
        ("protocol: HTTPS", "protocol: HTTTPS"),
        ("protocol: HTTPS", "protocol: HTTPS, protocol: HTTP"),
        ("kind: Gateway", "kind: Gatway"),
        ("istio.io/v1", "istio.io/v2"),
        ("spec:", "specs:"),
        ("name: strict", "nmae: strict"),
        ("mode:", "a: &x 1, mode:"),
    ] {
        let text = strict.replacen(from, to, 1);
        assert_ne!(text, strict, "{from}");
        assert_eq!(closed(&text), ["a.com"], "{to}");
    }
    assert_eq!(
        closed(&strict.replace("hosts: [a.com]", "bind: 10.0.0.1\n    hosts: [a.com]\n    x: 1")),
        ["", "a.com"]
    );
    let another = strict.replace("spec:", "spec:\n  x: 1\n  selector: {istio: another}");
    assert_eq!(closed(&another), [""], "not for this gateway");
    let twice = format!("{strict}---\n{}", strict.replace("a.com", "b.com"));
    assert_eq!(closed(&twice), ["b.com"], "the first counts");
    let clear = "{mode: SIMPLE, credentialName: c}\n    x: 1";
    assert_eq!(closed(&strict.replace("{mode: MUTUAL, credentialName: c}", clear)), ["a.com"]);

    let text = service("- route: [{destination: {host: c, port: {number: 80}}}]\n");
    let rule = |policy: &str| {
        let rule = format!(
            "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: c, namespace: \
             istio-system}}\nspec: {{host: c.app.svc.cluster.local, {policy}}}\n"
        );
        alone(&format!("{text}{rule}")).0.clusters.len()
    };
    for closing in [
        "x: 1, trafficPolicy: {tls: {mode: SIMPLE}}",
        "trafficPolicy: {tls: {mode: SIMPEL}}",
        "trafficPolicy: {tls: {mod: SIMPLE}}",
        "trafficPolicy: {tsl: {mode: SIMPLE}}",
        "trafficPolicy: {tls: SIMPLE}",
        "subsets: [{name: v1, nam: v1, trafficPolicy: {portLevelSettings: [{tls: {mode: MUTUAL}}]}}]",
    ] {
        assert_eq!(rule(closing), 0, "{closing}");
    }
    for open in ["x: 1", "x: 1, trafficPolicy: {tls: {mode: DISABLE}}", "trafficPolicy: {x: 1, tls: {}}"] {
        assert_eq!(rule(open), 1, "{open}");
    }
}

#[test]
fn what_was_meant_is_said() {
    let entry = "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: cart, namespace: app}\nspec:\n\
                 \x20 hosts: [cart.app.svc.cluster.local]\n  resolution: STATIC\n\
                 \x20 ports: [{number: 80, name: a, protocol: HTTP}, {number: 81, name: b, protocol: HTTP}]\n---\n\
                 apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: cart, namespace: app}\n\
                 spec: {host: cart, subsets: [{name: stable}, {name: canary}]}\n";
    let help = |rules: &str, from: &str, to: &str| {
        let (_, findings) = alone(&format!("{}{entry}", service(rules)).replacen(from, to, 1));
        assert_eq!(findings.len(), 1, "{findings:?}");
        findings[0].help.clone().unwrap_or_default()
    };
    let to = |destination: &str| help(&format!("- route: [{{destination: {destination}}}]\n"), "", "");
    assert_eq!(to("{host: card}"), "did you mean `cart.app.svc.cluster.local`?");
    assert!(to("{host: shop}").starts_with("add a ServiceEntry"));
    assert_eq!(to("{host: cart, port: {number: 80}, subset: stabel}"), "did you mean `stable`?");
    assert!(to("{host: cart, port: {number: 80}, subset: v1}").starts_with("add it to"));
    assert!(to("{host: cart, port: {number: 8080}}").ends_with("lists: 80, 81"));
    let gateway = help("- redirect: {uri: /}\n", "gateways: [istio-system/gw]", "gateways: [istio-system/gww]");
    assert_eq!(gateway, "did you mean `istio-system/gw`?");
    let gateway = help("- redirect: {uri: /}\n", "gateways: [istio-system/gw]", "gateways: [gw]");
    assert_eq!(gateway, "did you mean `istio-system/gw`?");
}

#[test]
fn names_of_a_service_entry_have_their_weights() {
    let text = service("- route: [{destination: {host: out.com}}]\n");
    let entry = "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: out, namespace: app}\nspec:\n\
                 \x20 hosts: [out.com]\n  resolution: DNS\n  ports: [{number: 80, name: http, protocol: HTTP}]\n\
                 \x20 endpoints: [{address: A.com, weight: 3}, {address: b.com, ports: {http: 81}}]\n";
    let (config, findings) = alone(&format!("{text}{entry}"));
    assert!(findings.is_empty(), "{findings:?}");
    let Endpoints::Dns(names) = &config.clusters[0].endpoints else { panic!("no names") };
    let shown: Vec<_> = names.iter().map(|name| (name.to_string(), name.weight)).collect();
    assert_eq!(shown, [("a.com:80".to_owned(), 3), ("b.com:81".to_owned(), 1)]);
}

/// The namespace is known by the name, if no ServiceEntry says it.
#[test]
fn a_rule_beside_its_service_is_found_without_a_service_entry() {
    let text = service("- route: [{destination: {host: c, port: {number: 80}}}]\n");
    let rule = |namespace: &str, export: &str| {
        format!(
            "---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: c, namespace: \
             {namespace}}}\nspec: {{host: c.app.svc.cluster.local, exportTo: [{export}], trafficPolicy: \
             {{connectionPool: {{tcp: {{connectTimeout: 1s}}}}}}}}\n"
        )
    };
    for (namespace, export, seconds) in [("app", "'*'", 1), ("app", "'.'", 10), ("other", "'*'", 10)] {
        let (config, findings) = alone(&format!("{text}{}", rule(namespace, export)));
        assert!(findings.is_empty(), "{findings:?}");
        let timeout = config.clusters[0].connect_timeout;
        assert_eq!(timeout, std::time::Duration::from_secs(seconds), "{namespace} {export}");
    }
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
                    table.insert(name, &chain.routes);
                }
            }
            Some(table.find(&sni).copied().ok_or(Outcome::Closed))
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
