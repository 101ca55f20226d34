//! Rules of `tcp` and `tls`, and what can share a port.

use super::*;
use crate::model::{ChainAction, TcpRoute};

/// A Gateway `NAME` with these servers, older ones first by their name.
fn gateway(name: &str, servers: &[&str]) -> String {
    let servers: String = servers.iter().map(|server| format!("  - {server}\n")).collect();
    format!(
        "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: {name}, namespace: x}}\n\
         spec:\n  servers:\n{servers}---\n"
    )
}

fn rules(name: &str, gateways: &str, hosts: &str, rules: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}, namespace: x}}\n\
         spec: {{hosts: [{hosts}], gateways: [{gateways}], {rules}}}\n---\n"
    )
}

fn to(host: &str) -> String {
    format!("[{{destination: {{host: {host}, port: {{number: 9000}}}}}}]")
}

fn clusters(route: &TcpRoute) -> String {
    let one =
        |to: &crate::model::WeightedCluster| format!("{}*{}", to.cluster.host.split('.').next().unwrap(), to.weight);
    route.destinations.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// Each listener and what is done there, in short.
fn listeners(config: &Config) -> Vec<String> {
    let one = |listener: &crate::model::Listener| {
        let bind = listener.bind.map(|bind| format!("{bind}:")).unwrap_or_default();
        let what = match &listener.transport {
            Transport::Http(routes) => format!("http of {}", routes.origins.len()),
            Transport::Tcp(route) => format!("tcp to {}", clusters(route)),
            Transport::Tls(chains) => {
                let chain = |chain: &crate::model::Chain| {
                    let names: Vec<_> = chain.server_names.iter().map(ToString::to_string).collect();
                    let action = match &chain.action {
                        ChainAction::Http { tls, .. } if tls.certificates.is_empty() => "closed".to_owned(),
                        ChainAction::Http { .. } => "https".to_owned(),
                        ChainAction::Tcp { route, .. } => format!("tls to {}", clusters(route)),
                        ChainAction::Passthrough(route) => format!("passed to {}", clusters(route)),
                    };
                    format!("{} {action}", names.join(","))
                };
                chains.iter().map(chain).collect::<Vec<_>>().join("; ")
            }
        };
        format!("{bind}{} {what}", listener.port)
    };
    config.listeners.iter().map(one).collect()
}

const HTTP: &str = "{port: {number: 1, name: srv, protocol: HTTP}, hosts: ['*']}";
const TCP: &str = "{port: {number: 1, name: srv, protocol: TCP}, hosts: ['*']}";
const HTTPS: &str =
    "{port: {number: 1, name: srv, protocol: HTTPS}, hosts: [a.com, b.com], tls: {mode: SIMPLE, credentialName: c}}";
const PASSED: &str = "{port: {number: 1, name: srv, protocol: TLS}, hosts: [p.com], tls: {mode: PASSTHROUGH}}";

/// ISTIO.md 1.7: every row, in both orders where they differ.
#[test]
fn what_can_share_a_port() {
    let at = |server: &str, bind: &str| server.replace("hosts:", &format!("bind: {bind}, hosts:"));
    let hosts = |server: &str, hosts: &str| server.replace("[a.com, b.com]", hosts);
    let mysql = TCP.replace("TCP", "MYSQL");
    let all = [
        rules("all", "one, two", "'*'", &format!("tcp: [{{route: {}}}]", to("t"))),
        rules("some", "one, two", "p.com", &format!("tls: [{{match: [{{sniHosts: [p.com]}}], route: {}}}]", to("p"))),
    ];
    let cases: [(&str, &str, String, &[&str], bool); 17] = [
        ("nothing, then TCP", TCP, String::new(), &["1 tcp to t*1"], false),
        ("HTTP, then HTTP", HTTP, HTTP.replace("HTTP", "GRPC"), &["1 http of 2"], false),
        ("HTTP, then TCP", HTTP, TCP.to_owned(), &["1 http of 1"], true),
        ("HTTP, then HTTPS", HTTP, HTTPS.to_owned(), &["1 http of 1"], true),
        ("HTTP, then PASSTHROUGH", HTTP, PASSED.to_owned(), &["1 http of 1"], true),
        ("TCP, then TCP", TCP, mysql, &["1 tcp to t*1"], true),
        ("TCP, then HTTP", TCP, HTTP.to_owned(), &["1 tcp to t*1"], true),
        ("TCP, then HTTPS", TCP, HTTPS.to_owned(), &["1 tcp to t*1"], true),
        ("HTTPS, then other names", HTTPS, hosts(HTTPS, "[c.com]"), &["1 a.com,b.com https; c.com https"], false),
        ("HTTPS, then PASSTHROUGH", HTTPS, PASSED.to_owned(), &["1 a.com,b.com https; p.com passed to p*1"], false),
        ("PASSTHROUGH, then HTTPS", PASSED, HTTPS.to_owned(), &["1 a.com,b.com https; p.com passed to p*1"], false),
        ("HTTPS, then a shared name", HTTPS, hosts(HTTPS, "[b.com, c.com]"), &["1 a.com,b.com https"], true),
        ("HTTPS, then it in a namespace", HTTPS, hosts(HTTPS, "[x/b.com, c.com]"), &["1 a.com,b.com https"], true),
        ("HTTPS, then HTTP", HTTPS, HTTP.to_owned(), &["1 a.com,b.com https"], true),
        ("HTTPS, then TCP", HTTPS, TCP.to_owned(), &["1 a.com,b.com https"], true),
        ("HTTP and TCP, other bind", HTTP, at(TCP, "10.0.0.2"), &["1 http of 1", "10.0.0.2:1 tcp to t*1"], false),
        (
            "HTTPS twice, other bind",
            HTTPS,
            at(HTTPS, "10.0.0.2"),
            &["1 a.com,b.com https", "10.0.0.2:1 a.com,b.com https"],
            false,
        ),
    ];
    for (name, first, second, expected, conflict) in cases {
        let second = if second.is_empty() { second } else { gateway("two", &[&second]) };
        let (config, findings) = alone(&format!("{}{second}{}", gateway("one", &[first]), all.concat()));
        assert_eq!(listeners(&config), expected, "{name}");
        let conflicts: Vec<_> = findings.iter().filter(|it| it.code == crate::diagnostic::CONFLICT).collect();
        assert_eq!(conflicts.len(), usize::from(conflict), "{name}: {conflicts:?}");
        for found in conflicts {
            assert_eq!(found.resource.as_ref().unwrap().name, "two", "{name}");
            assert_eq!((found.labels.len(), found.labels[1].text.as_str()), (2, "this is first"), "{name}");
        }
    }
}

#[test]
fn the_first_tcp_rule_that_fits_has_all_connections() {
    let tcp = |rule: &str| format!("tcp: [{rule}]");
    let weighted =
        "[{destination: {host: a}, weight: 80}, {destination: {host: b}, weight: 20}, {destination: {host: c}}]";
    let cases: [(&str, Vec<String>, &[&str]); 8] = [
        ("L01 its port", vec![tcp(&format!("{{match: [{{port: 1}}], route: {}}}", to("a")))], &["1 tcp to a*1"]),
        ("L02 another port", vec![tcp(&format!("{{match: [{{port: 2}}], route: {}}}", to("a")))], &[]),
        (
            "L03 subnets",
            vec![tcp(&format!("{{match: [{{destinationSubnets: [10.0.0.0/8]}}], route: {}}}", to("a")))],
            &["1 tcp to a*1"],
        ),
        ("any entry", vec![tcp(&format!("{{match: [{{port: 2}}, {{}}], route: {}}}", to("a")))], &["1 tcp to a*1"]),
        (
            "L04 the older VirtualService",
            vec![tcp(&format!("{{route: {}}}", to("a"))), tcp(&format!("{{route: {}}}", to("b")))],
            &["1 tcp to a*1"],
        ),
        (
            "L04 the younger one",
            vec![
                tcp(&format!("{{match: [{{gateways: [x/other]}}], route: {}}}", to("a"))),
                tcp(&format!("{{route: {}}}", to("b"))),
            ],
            &["1 tcp to b*1"],
        ),
        ("L05 weights", vec![tcp(&format!("{{route: {weighted}}}"))], &["1 tcp to a*80 b*20"]),
        ("a weight alone", vec![tcp("{route: [{destination: {host: a}, weight: 0}]}")], &["1 tcp to a*1"]),
    ];
    for (name, specs, expected) in cases {
        let services = specs.iter().zip(["one", "two"]).map(|(spec, name)| rules(name, "gw", "'*'", spec));
        let (config, _) = alone(&format!("{}{}", gateway("gw", &[TCP]), services.collect::<String>()));
        assert_eq!(listeners(&config), expected, "{name}");
    }
    // No host in common: nothing is bound.
    let narrow = TCP.replace("'*'", "a.com");
    let apart = rules("v", "gw", "b.com", &tcp(&format!("{{route: {}}}", to("a"))));
    assert_eq!(listeners(&alone(&format!("{}{apart}", gateway("gw", &[&narrow]))).0), [""; 0]);
}

#[test]
fn each_match_of_tls_is_a_chain_of_its_own() {
    let tls = |entries: &str| format!("tls: [{entries}]");
    let rule = |names: &str, host: &str| format!("{{match: [{{sniHosts: [{names}]}}], route: {}}}", to(host));
    let wild = PASSED.replace("p.com", "'*.com'");
    let cases: [(&str, &str, Vec<(&str, String)>, &[&str]); 9] = [
        (
            "L06 by name",
            &wild,
            vec![("'*.a.com'", tls(&format!("{}, {}", rule("x.a.com", "a"), rule("Y.a.com", "b"))))],
            &["1 x.a.com passed to a*1; y.a.com passed to b*1"],
        ),
        (
            "several names",
            &wild,
            vec![("'*.com'", tls(&rule("a.com, b.com, a.com", "a")))],
            &["1 a.com,b.com passed to a*1"],
        ),
        (
            "L07 a name twice",
            &wild,
            vec![("x.com", tls(&rule("x.com", "a"))), ("x.com", tls(&rule("x.com", "b")))],
            &["1 x.com passed to a*1"],
        ),
        (
            "L12 not a name of the server",
            PASSED,
            vec![("'*.com'", tls(&rule("b.com", "a")))],
            &["1 b.com passed to a*1"],
        ),
        ("hosts apart", PASSED, vec![("q.com", tls(&rule("q.com", "a")))], &[]),
        ("no rules", PASSED, vec![], &[]),
        ("tcp rules", PASSED, vec![("p.com", format!("tcp: [{{route: {}}}]", to("a")))], &[]),
        (
            "L08 a tls rule, and TLS ends",
            "{port: {number: 1, name: srv, protocol: TLS}, hosts: [p.com], tls: {mode: SIMPLE, credentialName: c}}",
            vec![("p.com", tls(&rule("p.com", "a")))],
            &[],
        ),
        (
            "L09 a tcp rule, and TLS ends",
            "{port: {number: 1, name: srv, protocol: TLS}, hosts: [p.com], tls: {mode: MUTUAL, credentialName: c}}",
            vec![("p.com", format!("tcp: [{{route: {}}}]", to("a")))],
            &["1 p.com tls to a*1"],
        ),
    ];
    for (name, server, specs, expected) in cases {
        let services = specs.iter().zip(["one", "two"]).map(|((hosts, spec), name)| rules(name, "gw", hosts, spec));
        let (config, _) = alone(&format!("{}{}", gateway("gw", &[server]), services.collect::<String>()));
        assert_eq!(listeners(&config), expected, "{name}");
    }
}

/// Nobody who may write a VirtualService takes a name from a server that terminates TLS, or opens what an error closes.
#[test]
fn a_name_of_a_server_is_not_passed_through() {
    let passed = PASSED.replace("p.com", "'*.com'");
    let rule = |name: &str| format!("{{match: [{{sniHosts: [{name}]}}], route: {}}}", to("evil"));
    let spec = format!("tls: [{}, {}]", rule("a.com"), rule("free.com"));
    let service = rules("v", "one", "'*.com'", &spec);
    let servers = |second: &str| format!("{}{}{service}", gateway("one", &[&passed]), gateway("two", &[second]));
    let (config, findings) = alone(&servers(HTTPS));
    assert_eq!(listeners(&config), ["1 a.com,b.com https; free.com passed to evil*1"]);
    let found = findings.iter().find(|it| it.code == crate::diagnostic::CONFLICT).unwrap();
    assert_eq!(found.path, "spec.tls[0].match[0].sniHosts[0]");
    assert!(found.notes[0].contains("Gateway x/two"), "{found:?}");
    let (config, _) = alone(&servers(&HTTPS.replace("mode: SIMPLE", "mode: SIMPEL")));
    assert_eq!(listeners(&config), ["1 a.com,b.com closed; free.com passed to evil*1"]);
}

#[test]
fn what_has_no_effect_or_goes_nowhere_is_told() {
    let http = "http: [{redirect: {uri: /}}]";
    let tcp = |more: &str, host: &str| format!("tcp: [{{match: [{{{more}}}], route: {}}}]", to(host));
    let warned = |server: &str, spec: &str| {
        let (_, findings) = alone(&format!("{}{}", gateway("gw", &[server]), rules("v", "gw", "p.com", spec)));
        findings.iter().map(|it| format!("{} {} {}", it.severity, it.code, it.path)).collect::<Vec<_>>()
    };
    let silent = PASSED.replace("{mode: PASSTHROUGH}", "{}");
    let ignored =
        "destinationSubnets: [10.0.0.0/8], sourceLabels: {a: b}, sourceNamespace: x, sourceSubnet: 10.0.0.0/8";
    let no_effect = ["destinationSubnets", "sourceSubnet", "sourceLabels", "sourceNamespace"]
        .map(|field| format!("warning GW0007 spec.tcp[0].match[0].{field}"));
    assert_eq!(warned(TCP, &tcp(ignored, "a")), no_effect);
    assert_eq!(warned(&TCP.replace("TCP", "UDP"), &tcp("", "a")), ["warning GW0008 spec.servers[0].port.protocol"]);
    assert_eq!(
        warned(&silent, http),
        ["warning GW0008 spec.servers[0].tls", "warning GW0010 spec.hosts"],
        "`mode` was forgotten"
    );
    let nowhere = "tcp: [{route: [{destination: {host: nowhere}}]}]";
    assert_eq!(warned(TCP, nowhere), ["warning IST0101 spec.tcp[0].route[0].destination.host"]);
    let twice = format!("tcp: [{{route: {}}}]", to("a"));
    let (_, findings) = alone(&format!(
        "{}{}{}",
        gateway("gw", &[TCP]),
        rules("v", "gw", "a.com", &twice),
        rules("w", "gw", "'*'", &twice)
    ));
    let shown: Vec<_> = findings.iter().map(|it| (it.code, it.path.as_str(), it.labels.len())).collect();
    assert_eq!(shown, [(crate::diagnostic::UNREACHABLE, "spec.tcp[0]", 2)]);
}

/// What is used on one server is not told to be hidden on another, and one rule on two servers not to be in its own way.
#[test]
fn what_is_used_somewhere_is_not_told_to_be_hidden() {
    let two = TCP.replace("number: 1", "number: 2").replace("srv", "other");
    let of_one = format!("tcp: [{{match: [{{port: 1}}], route: {}}}, {{route: {}}}]", to("a"), to("b"));
    let (config, findings) = alone(&format!("{}{}", gateway("gw", &[TCP, &two]), rules("v", "gw", "'*'", &of_one)));
    assert_eq!(listeners(&config), ["1 tcp to a*1", "2 tcp to b*1"]);
    assert_eq!(findings, []);
    let (config, findings) = alone(&format!("{}{}", gateway("gw", &[TCP]), rules("v", "gw", "'*'", &of_one)));
    assert_eq!(listeners(&config), ["1 tcp to a*1"]);
    let shown: Vec<_> = findings.iter().map(|it| (it.code, it.path.as_str())).collect();
    assert_eq!(shown, [(crate::diagnostic::UNREACHABLE, "spec.tcp[1]")]);
    let other = PASSED.replace("p.com", "q.com").replace("srv", "other");
    let both = format!("tls: [{{match: [{{sniHosts: [p.com, q.com]}}], route: {}}}]", to("a"));
    let (config, findings) =
        alone(&format!("{}{}", gateway("gw", &[PASSED, &other]), rules("v", "gw", "'p.com', q.com", &both)));
    assert_eq!(listeners(&config), ["1 p.com,q.com passed to a*1"]);
    assert_eq!(findings, []);
}

#[test]
fn rules_that_are_none_are_refused() {
    let cases = [
        ("tcp: [{}]", "spec.tcp[0].route"),
        ("tcp: [{route: [{destination: {host: a}}, {destination: {host: b}}]}]", "spec.tcp[0].route"),
        ("tcp: [{route: [{destination: {host: a}, weight: -1}]}]", "spec.tcp[0].route[0].weight"),
        ("tcp: [{route: [{destination: {host: '*'}}]}]", "spec.tcp[0].route[0].destination.host"),
        (
            "tcp: [{route: [{destination: {host: a, port: {number: 0}}}]}]",
            "spec.tcp[0].route[0].destination.port.number",
        ),
        ("tcp: [{match: [{port: 70000}], route: [{destination: {host: a}}]}]", "spec.tcp[0].match[0].port"),
        ("tcp: [{match: [{gateways: [./a]}], route: [{destination: {host: a}}]}]", "spec.tcp[0].match[0].gateways[0]"),
        ("tls: [{route: [{destination: {host: a}}]}]", "spec.tls[0].match"),
        ("tls: [{match: [{}], route: [{destination: {host: a}}]}]", "spec.tls[0].match[0].sniHosts"),
        (
            "tls: [{match: [{sniHosts: [z.org]}], route: [{destination: {host: a}}]}]",
            "spec.tls[0].match[0].sniHosts[0]",
        ),
        ("tls: [{match: [{sniHosts: [p.com]}]}]", "spec.tls[0].route"),
    ];
    for (spec, path) in cases {
        let (_, findings) = alone(&rules("v", "gw", "p.com", spec));
        let errors: Vec<_> = findings.iter().filter(|it| it.severity == Severity::Error).collect();
        assert_eq!(errors.iter().map(|it| it.path.as_str()).collect::<Vec<_>>(), [path], "{spec}");
        assert!(errors[0].is_rejection(), "{spec}");
    }
}
