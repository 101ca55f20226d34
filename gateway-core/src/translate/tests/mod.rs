//! Translations as tables.

mod closed;
mod cures;
mod drafts;
mod gateways;
mod layer4;
mod recorded;
mod server_tls;

use super::*;
use crate::diagnostic::{Severity, SourceFile};
use crate::istio::{ParseOptions, parse};
use crate::model::{Action, Endpoints, Transport};

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

#[test]
fn a_service_entry_that_selects_workload_entries_is_not_built() {
    let entry = "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: vm, namespace: app}\nspec:\n\
                 \x20 hosts: [vm.com]\n  resolution: STATIC\n  ports: [{number: 80, name: http, protocol: HTTP}]\n\
                 \x20 workloadSelector: {labels: {app: vm}}\n";
    let workload = |namespace: &str, labels: &str| {
        let text = format!(
            "{entry}---\napiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {{name: w, namespace: \
             {namespace}}}\nspec: {{address: 10.0.0.1, labels: {labels}}}\n"
        );
        codes(&text).into_iter().filter(|code| !code.starts_with("note")).collect::<Vec<_>>()
    };
    assert_eq!(workload("app", "{app: vm, version: v1}"), ["error GW0001 spec.workloadSelector"]);
    assert_eq!(workload("app", "{app: other}"), [""; 0]);
    assert_eq!(workload("other", "{app: vm}"), [""; 0]);
}

#[test]
fn a_cluster_has_the_namespace_of_its_service() {
    let namespace = |host: &str| {
        let entry = "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: e, namespace: \
                     shop}\nspec: {hosts: [api.com], resolution: DNS, ports: [{number: 80, name: a, protocol: HTTP}]}\n";
        let route = format!("- route: [{{destination: {{host: {host}, port: {{number: 80}}}}}}]\n");
        let (config, _) = alone(&format!("{}{entry}", service(&route)));
        config.clusters[0].namespace.as_deref().map(str::to_owned)
    };
    assert_eq!(namespace("api.com").as_deref(), Some("shop"));
    assert_eq!(namespace("c").as_deref(), Some("app"));
    assert_eq!(namespace("other.com"), None);
}
