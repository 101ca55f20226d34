//! Servers: credentials, conflicts, addresses.

use super::*;
use crate::model::{CaSource, ClientAuth, ClientPolicy};

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
            vec![],
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
    let ClientAuth::Asked(ClientPolicy { required: true, ca: CaSource::Secrets(names), .. }) =
        &chains[0].tls().unwrap().client_auth
    else {
        panic!("no client certificate is demanded")
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
        let tables: HashSet<_> = config.listeners.iter().flat_map(|it| it.route_configs()).map(|it| &it.name).collect();
        assert_eq!(tables.len(), config.listeners.len(), "each route table has a name of its own");
        assert_eq!(config.listeners_of(80).count(), config.listeners.len());
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
