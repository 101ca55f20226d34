//! What an object with an error closes.

use super::*;

/// Objects with errors are not served; what they close does not become open.
#[test]
fn what_has_an_error_closes_what_it_names() {
    let strict =
        https("{mode: MUTUAL, credentialName: c, verifyCertificateHash: [x]}").replace("name: tls", "name: strict");
    let all = https("{mode: SIMPLE, credentialName: c}").replace("a.com", "'*'");
    let (config, findings) = alone(&format!("{strict}---\n{all}"));
    assert!(findings.iter().any(|finding| finding.severity == Severity::Error), "{findings:?}");
    let Transport::Tls(chains) = &config.listener(443).unwrap().transport else { panic!("clear text") };
    let shown: Vec<_> = chains
        .iter()
        .map(|chain| (chain.server_names[0].to_string(), chain.tls().unwrap().certificates.len()))
        .collect();
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
            let closed = chains.iter().filter(|chain| chain.tls().unwrap().certificates.is_empty());
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
        ("credentialName: c}", "credentialName: c"),
        ("credentialName: c}", "credentialName: c}\n   x: 1"),
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

/// Its author gave addresses: the name is not looked up because they cannot be read.
#[test]
fn the_host_of_a_service_entry_with_an_error_is_not_looked_up() {
    let text = service("- route: [{destination: {host: api.com, port: {number: 80}}}]\n");
    let entry = "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: api, namespace: app}\n\
                 spec: {hosts: [API.com], resolution: STATIC, ports: [{number: 80, name: a, protocol: HTTP}], endpoints: \
                 [{address: 10.0.0.1}]}\n";
    let clusters = |entry: &str| alone(&format!("{text}{entry}")).0.clusters.len();
    assert_eq!((clusters(""), clusters(entry)), (1, 1));
    for (from, to) in [("address: 10", "adress: 10"), ("10.0.0.1", "a.com"), ("number: 80", "number: 0")] {
        assert_eq!(clusters(&entry.replace(from, to)), 0, "{to}");
    }
}

/// A Secret with an error is there: another one with a CA does not take its place.
#[test]
fn a_secret_with_an_error_is_there_and_of_no_use() {
    let server = https("{mode: MUTUAL, credentialName: c}");
    let pair =
        "---\n{apiVersion: v1, kind: Secret, metadata: {name: c}, stringData: {tls.crt: C, tls.key: K, ca.crt: A}}\n";
    let ca = |text: &str| {
        let (config, findings) = alone(&format!("{server}{pair}---\n{text}\n"));
        let name = |name: &str| crate::model::SecretName { namespace: "istio-system".into(), name: name.into() };
        let found = config.secret(&name("c-cacert")).map(|secret| secret.ca.is_some());
        (found, findings.iter().map(Diagnostic::short).collect::<Vec<_>>())
    };
    let good = "apiVersion: v1\nkind: Secret\nmetadata: {name: c-cacert}\ndata: {ca.crt: QQ==}";
    assert_eq!(ca(good), (Some(true), vec![]));
    assert_eq!(ca("{apiVersion: v1, kind: Service, metadata: {name: c-cacert}}").0, None);
    for (from, to) in [
        ("QQ==", "'%'"),
        ("QQ==", "5"),
        ("QQ==", "&a QQ=="),
        ("\ndata", "\nx: 1\ndata"),
        ("QQ==}", "QQ=="),
        ("\ndata", "\ndta"),
        ("metadata", "metadta"),
        ("name: c-cacert", "nmae: c-cacert"),
        ("kind: Secret", "kind: secret"),
        ("kind: Secret", "kind: Secert"),
        ("apiVersion: v1", "apiVersion: v2"),
    ] {
        let text = good.replacen(from, to, 1);
        let (found, findings) = ca(&text);
        assert_eq!(found, Some(false), "{text} {findings:?}");
        assert_eq!(findings.len(), 1, "{text} {findings:?}");
    }
    let (config, findings) = alone(&format!(
        "{}---\n{}",
        https("{mode: SIMPLE, credentialName: c}"),
        good.replace("-cacert", "").replace("QQ==", "'%'")
    ));
    assert!(config.secrets[0].certificate.is_none());
    assert_eq!(findings.len(), 1, "{findings:?}");
}

/// What a Gateway with an error redirects to https is not served in clear text by another Gateway of the port.
#[test]
fn a_redirect_of_a_gateway_with_an_error_stays() {
    let text = service("- route: [{destination: {host: c, port: {number: 80}}}]\n")
        .replace("gateways: [istio-system/gw]", "gateways: [istio-system/gw, istio-system/strict]");
    let other = service("- redirect: {uri: /}\n").split_once("---\n").unwrap().1.replace("shop", "open");
    let strict = "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: strict, namespace: istio-system}\n\
                  spec:\n  servers:\n  - port: {number: 80, name: http, protocol: HTTP}\n    \
                  hosts: ['*.example.com']\n    tls: {httpsRedirect: true}\n";
    let hosts = |strict: &str| {
        let (config, _) = alone(&format!("{text}---\n{other}---\n{strict}"));
        let table = config.listener(80).unwrap().route_configs().next().unwrap();
        let redirected = table.virtual_hosts.iter().filter(|host| host.https_redirect);
        redirected.map(|host| host.host.to_string()).collect::<Vec<_>>()
    };
    let expected = ["shop.example.com", "*.example.com"];
    assert_eq!(hosts(strict), expected, "without an error");
    for (from, to) in [
        ("httpsRedirect: true", "httpsRedirect: true, x: 1"),
        ("httpsRedirect: true", "httpRedirect: true"),
        ("httpsRedirect: true", "httpsRedirect: 'true'"),
        ("tls:", "tsl:"),
        ("hosts: ['*.example.com']", "hosts: '*.example.com'"),
        ("protocol: HTTP", "protocol: HTPP"),
        ("protocol: HTTP", "protcol: HTTP"),
        ("protocol: HTTP", "protocol: HTTP, targetPort: 80"),
        ("  servers:\n", "  servers:\n  - port: {number: 81, name: tcp, protocol: TCP}\n    hosts: ['*']\n"),
        ("name: strict", "nmae: strict"),
    ] {
        let text = strict.replacen(from, to, 1);
        assert_ne!(text, strict, "{from}");
        let mut found = hosts(&text);
        found.retain(|host| host != "open.example.com");
        assert_eq!(found, expected, "{to}");
    }
    for open in [strict.replace("Redirect: true", "Redirect: false, x: 1"), strict.replace("HTTP}", "HTTPS}")] {
        assert_eq!(hosts(&open), [""; 0], "{open}");
    }
}
