//! Everything wrong is told at once: also in objects that do not fit their schema, and about all others.

use super::*;

/// The paths of the errors of one object.
fn errors(text: &str) -> Vec<String> {
    let (_, findings) = alone(text);
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    errors.map(|finding| finding.path.clone()).collect()
}

#[test]
fn an_object_that_does_not_fit_its_schema_is_checked_as_far_as_it_can_be_read() {
    let gateway = |server: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: gw}}\nspec:\n  servers:\n  - {server}\n"
        )
    };
    let cases = [
        (
            gateway("{port: {number: 70000, name: a, protocol: FOO}, hots: x}"),
            vec!["servers[0].hots", "servers[0].port.number", "servers[0].port.protocol"],
        ),
        (
            service("- timout: 5s\n  match: [{uri: {regex: '('}}]\n  redirect: {uri: /, redirectCode: 399}\n"),
            vec!["http[0].timout", "http[0].match[0].uri.regex", "http[0].redirect.redirectCode"],
        ),
        (
            service(
                "- route: [{destination: {host: c, port: 80}}]\n  timeout: 5\n- redirect: {uri: /, redirectCode: 399}\n",
            ),
            vec!["http[0].route[0].destination.port", "http[0].timeout", "http[1].redirect.redirectCode"],
        ),
    ];
    for (text, expected) in cases {
        let expected: Vec<_> = expected.iter().map(|path| format!("spec.{path}")).collect();
        assert_eq!(errors(&text), expected, "{text}");
    }
    let twice = service("- match: [{uri: {regex: '('}}]\n  redirect: {uri: /}\n");
    let again = twice.split_once("---\n").unwrap().1;
    let (_, findings) = alone(&format!("{twice}---\n{again}"));
    let lines: Vec<_> = findings.iter().map(|finding| finding.labels[0].place.line).collect();
    assert_eq!(findings.len(), 3, "{findings:?}");
    assert_eq!(lines.iter().collect::<HashSet<_>>().len(), 3, "{lines:?}");
    let wrong = service("- match: [{uri: {regex: '('}}]\n  redirect: {uri: /}\n")
        .replace("io/v1\nkind: Virt", "io/v3\nkind: Virt");
    assert_eq!(errors(&wrong), ["apiVersion", "spec.http[0].match[0].uri.regex"]);
}

/// What comes of a wrong field alone is not told: it is gone when the field is right.
#[test]
fn what_follows_from_an_error_is_not_reported() {
    let route = "route: [{destination: {host: c, port: {number: 80}}}]";
    let vs = |from: &str, to: &str| {
        let text = service(&format!("- {route}\n"));
        let changed = text.replace(from, to);
        assert_ne!(changed, text, "{from}");
        changed
    };
    let tls = |settings: &str| https(settings);
    let cases = [
        vs("hosts: [shop.example.com]", "hosts: shop.example.com"),
        vs("hosts: [shop.example.com]", "host: [shop.example.com]"),
        vs("hosts: [shop.example.com]", "hosts: [5]"),
        vs("hosts: [shop.example.com]", "hosts: {a: b}"),
        vs("hosts: [shop.example.com]\n  gateways: [istio-system/gw]", "hosts: ['*']\n  gateways: istio-system/gw"),
        vs("http:\n", "htpp:\n"),
        vs("http:\n", "rules:\n"),
        vs("spec:\n  hosts: [shop", "specs:\n  hosts: [shop"),
        vs("name: shop", "nmae: shop"),
        vs("route:", "destinations:"),
        vs(
            "route: [{destination: {host: c, port: {number: 80}}}]",
            "route: {destination: {host: c, port: {number: 80}}}",
        ),
        vs("host: c,", "hots: c,"),
        vs("host: c,", "service: c,"),
        vs("host: c,", "host: 5,"),
        vs("number: 80}}}]", "number: '80'}}}]"),
        vs("number: 80}}}]", "number: http}}}]"),
        vs("number: 80}}}]", "nubmer: 80}}}]"),
        vs("{number: 80}}}]", "80}}]"),
        service(&format!("- {route}\n  retries: {{attempts: many, perTryTimeout: 1s}}\n")),
        service(&format!("- {route}\n  rewrite: /\n")),
        service(&format!("- {route}\n  fault: {{abort: {{httpStatus: a, percentage: {{value: 1}}}}}}\n")),
        service("- redirect: /\n"),
        service("- directResponse: {status: ok}\n"),
        service("- match: [{uri: {prefx: /}}]\n  redirect: {prefixRewrite: /a}\n"),
        service("- route:\n  - {destination: {host: c}, weight: 1.5}\n  - {destination: {host: d}, weight: 0.5}\n"),
        tls("{mode: MUTAUL, credentialName: c}"),
        tls("{mode: ON, credentialName: c}"),
        tls("{mod: SIMPLE, credentialName: c}"),
        tls("{mode: MUTUAL, credentialNam: c}"),
        tls("{mode: SIMPLE, credential: c}"),
        tls("{mode: SIMPLE, credentialName: {name: c}}"),
        tls("SIMPLE"),
        tls("{mode: SIMPLE, credentialName: c}").replace("tls: {mode", "tsl: {mode"),
        tls("{mode: SIMPLE, credentialName: c}").replace("{number: 443, name: https, protocol: HTTPS}", "443"),
        tls("{mode: SIMPLE, credentialName: c}").replace("number: 443", "number: -1"),
        "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: e}\nspec: {hosts: [a.com], \
         resolution: FOO, ports: [{number: 80, name: a}], endpoints: [{address: 10.0.0.1}]}\n"
            .to_owned(),
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: e}\nspec: {host: a.com, \
         trafficPolicy: {loadBalncer: {simple: RANDOM}}}\n"
            .to_owned(),
    ];
    for text in cases {
        let (_, findings) = alone(&text);
        let told: Vec<_> = findings.iter().filter(|finding| finding.severity != Severity::Note).collect();
        let secret = |finding: &&&Diagnostic| finding.code == crate::diagnostic::CREDENTIAL;
        assert_eq!(told.len() - told.iter().filter(secret).count(), wrong(&text), "{text}\n{told:#?}");
    }
}

/// How many fields of a case are wrong.
fn wrong(text: &str) -> usize {
    if text.contains("weight: 0.5") { 2 } else { 1 }
}

#[test]
fn an_error_in_one_object_hides_no_warning_about_others() {
    let server = https("{mode: SIMPLE, credentialName: c}");
    let broken = server.replace("number: 443", "number: 70000");
    assert_eq!(codes(&broken).last().unwrap(), "warning IST0161 spec.servers[0].tls.credentialName");
    let unknown = server.replace("hosts:", "x: 1\n    hosts:");
    assert_eq!(codes(&unknown).last().unwrap(), "warning IST0161 spec.servers[0].tls.credentialName");
    let lost = service("- redirect: {uri: /, redirectCode: 399}\n").replace("[istio-system/gw]", "[gone]");
    assert_eq!(codes(&lost), ["error IST0106 spec.http[0].redirect.redirectCode", "warning IST0101 spec.gateways[0]"]);
    let lost = service("- redirect: {uri: /}\n  x: 1\n").replace("[istio-system/gw]", "[gone]");
    assert_eq!(codes(&lost), ["error IST0106 spec.http[0].x", "warning IST0101 spec.gateways[0]"]);
}

/// What an object with an error describes is not missing.
#[test]
fn references_to_objects_with_errors_are_not_called_missing() {
    let to = |destination: &str| service(&format!("- route: [{{destination: {destination}}}]\n"));
    let head = |kind: &str| {
        format!("---\napiVersion: networking.istio.io/v1\nkind: {kind}\nmetadata: {{name: c, namespace: app}}\n")
    };
    let entry = "hosts: [c.app.svc.cluster.local], ports: [{number: 80, name: a, protocol: HTTP}], resolution: STATIC";
    let rule = "host: c, subsets: [{name: v1}]";
    let cases = [
        ("{host: c}", "ServiceEntry", format!("{entry}, x: 1")),
        ("{host: c}", "ServiceEntry", format!("{entry}, location: FOO")),
        ("{host: c}", "ServiceEntry", entry.replace("number: 80", "number: 70000")),
        ("{host: c}", "ServiceEntri", entry.to_owned()),
        ("{host: c, port: {number: 80}, subset: v1}", "DestinationRule", format!("{rule}, x: 1")),
        (
            "{host: c, port: {number: 80}, subset: v1}",
            "DestinationRule",
            rule.replace("name: v1", "name: v1, labels: {-: a}"),
        ),
    ];
    for (destination, kind, spec) in cases {
        let text = format!("{}{}spec: {{{spec}}}\n", to(destination), head(kind));
        let warned = codes(&text).into_iter().filter(|code| code.starts_with("warning")).collect::<Vec<_>>();
        assert_eq!(warned, [""; 0], "{text}");
    }
    let both = service("- redirect: {uri: /}\n")
        .replace("gateways: [istio-system/gw]", "gateways: [istio-system/gw, istio-system/other]")
        .replace("hosts: ['*']", "hosts: [a.com]");
    let other = "---\napiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: other, namespace: istio-system}\n\
                 spec: {servers: [{port: {number: 81, name: a, protocol: HTTP}, hosts: [shop.example.com], x: 1}]}\n";
    assert_eq!(codes(&format!("{both}{other}")), ["error IST0106 spec.servers[0].x"]);
    let (resources, _) = parse(&[SourceFile::new("f", to("{host: c}, x: 1"))], &ParseOptions::default());
    let rule = ResolveRule { host: "c".to_owned(), port: None, address: ([127, 0, 0, 1], 9).into(), h2: false };
    assert_eq!(translate(&resources, &Settings { resolve: vec![rule], ..Settings::default() }).1, []);
}
