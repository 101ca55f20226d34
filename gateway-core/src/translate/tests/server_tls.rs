//! What is asked of clients, and what is agreed on with them.

use super::*;
use crate::model::{ClientAuth, ClientPolicy};

const FILES: &str = "serverCertificate: /c, privateKey: /k, caCertificates: /a";

/// The findings about settings with certificates in files.
fn found(tls: &str) -> Vec<String> {
    codes(&https(&format!("{{{FILES}, {tls}}}")))
}

fn policy(tls: &str) -> ClientPolicy {
    let (config, findings) = alone(&https(&format!("{{{FILES}, {tls}}}")));
    let Some(listener) = config.listener(443) else { panic!("{findings:?}") };
    let Transport::Tls(chains) = &listener.transport else { panic!("clear text") };
    match &chains[0].tls().unwrap().client_auth {
        ClientAuth::Asked(policy) => policy.clone(),
        ClientAuth::None => panic!("no client certificate is asked for"),
    }
}

#[test]
fn lists_of_good_client_certificates() {
    let zeros = "0".repeat(64);
    let policy_of = |mode: &str, list: &str| policy(&format!("mode: {mode}, {list}"));
    for (mode, list, required) in [
        ("MUTUAL", "subjectAltNames: []", true),
        ("OPTIONAL_MUTUAL", "subjectAltNames: []", false),
        ("OPTIONAL_MUTUAL", "subjectAltNames: [a.com]", true),
        ("OPTIONAL_MUTUAL", &format!("verifyCertificateHash: ['{zeros}']"), true),
        ("OPTIONAL_MUTUAL", "verifyCertificateSpki: ['AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=']", true),
    ] {
        assert_eq!(policy_of(mode, list).required, required, "{mode} {list}");
    }
    let all = policy(&format!("mode: MUTUAL, subjectAltNames: [a, 'spiffe://b'], verifyCertificateHash: ['{zeros}']"));
    assert_eq!((all.certificate_hashes, all.key_hashes), (vec![[0; 32]], vec![]));
    assert_eq!(all.subject_alt_names, ["a", "spiffe://b"]);
}

#[test]
fn revocation_lists_are_files_or_in_the_secret_of_the_ca() {
    assert_eq!(policy("mode: MUTUAL, caCrl: /r").crl, Some("/r".into()));
    assert_eq!(policy("mode: OPTIONAL_MUTUAL, caCrl: ''").crl, None);
    assert_eq!(found("mode: SIMPLE, caCrl: /r"), ["error IST0106 spec.servers[0].tls.caCrl"]);
    let named = "{mode: MUTUAL, credentialName: c, caCrl: /r}";
    assert_eq!(codes(&https(named))[0], "error IST0106 spec.servers[0].tls.caCrl");
    for (data, expected) in [
        ("{ca.crt: A, ca.crl: R}", Some("R")),
        ("{cacert: A, crl: R}", Some("R")),
        ("{cacert: A, ca.crt: B, crl: R, ca.crl: S}", Some("R")),
        ("{ca.crt: B, crl: R, ca.crl: S}", Some("S")),
        ("{ca.crt: A, crl: R}", Some("R")),
        ("{ca.crt: A, ca.crl: ''}", None),
        ("{ca.crl: R}", None),
    ] {
        let secret = format!(
            "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: c, namespace: istio-system}}\nstringData: {data}\n"
        );
        let (config, _) = alone(&format!("{}{secret}", https("{mode: MUTUAL, credentialName: c}")));
        let crl = config.secrets[0].crl.as_ref().map(|pem| String::from_utf8_lossy(&pem.0).into_owned());
        assert_eq!(crl.as_deref(), expected, "{data}");
    }
}

#[test]
fn lists_that_cannot_work_are_told() {
    let at = |field: &str| format!("spec.servers[0].tls.{field}");
    let right_length = "z".repeat(64);
    let cases = [
        (
            "mode: MUTUAL, verifyCertificateHash: [abc]",
            vec![format!("error IST0106 {}", at("verifyCertificateHash[0]"))],
        ),
        (
            &*format!("mode: MUTUAL, verifyCertificateHash: [{right_length}]"),
            vec![format!("error IST0106 {}", at("verifyCertificateHash[0]"))],
        ),
        (
            &*format!("mode: MUTUAL, verifyCertificateSpki: ['{}']", "!".repeat(44)),
            vec![format!("error IST0106 {}", at("verifyCertificateSpki[0]"))],
        ),
        (
            "mode: SIMPLE, subjectAltNames: [a.com]",
            vec![format!("warning {} {}", crate::diagnostic::NO_EFFECT, at("subjectAltNames"))],
        ),
        (
            "mode: OPTIONAL_MUTUAL, insecureSkipVerify: true",
            vec![format!("warning {} {}", crate::diagnostic::SURPRISE, at("insecureSkipVerify"))],
        ),
    ];
    for (tls, expected) in cases {
        assert_eq!(found(tls), expected, "{tls}");
    }
}

#[test]
fn cipher_suites_that_are_dropped_are_named() {
    let warning = |n| format!("warning {} spec.servers[0].tls.cipherSuites[{n}]", crate::diagnostic::NO_EFFECT);
    let error = || "error IST0106 spec.servers[0].tls.cipherSuites".to_owned();
    let good = "ECDHE-RSA-AES128-GCM-SHA256";
    for (list, expected) in [
        (good.to_owned(), vec![]),
        (format!("{good}, {good}, AES128-SHA, TLS_AES_128_GCM_SHA256, x"), [1, 2, 3, 4].map(warning).to_vec()),
        ("x".to_owned(), vec![warning(0)]),
        ("DES-CBC3-SHA, x".to_owned(), vec![warning(0), warning(1), error()]),
    ] {
        assert_eq!(found(&format!("mode: SIMPLE, cipherSuites: [{list}]")), expected, "{list}");
    }
    let (_, findings) = alone(&https(&format!("{{{FILES}, mode: SIMPLE, cipherSuites: [DES-CBC3-SHA]}}")));
    assert!(findings[0].message.contains("`DES-CBC3-SHA`"), "{findings:?}");
}

/// With the reason, and a cure where there is one.
#[test]
fn modes_of_the_mesh_are_refused() {
    for (mode, cure) in [("ISTIO_MUTUAL", Some("use MUTUAL with a credential")), ("AUTO_PASSTHROUGH", None)] {
        let (config, findings) = alone(&https(&format!("{{mode: {mode}}}")));
        let finding = findings.iter().find(|it| it.severity == Severity::Error).expect("refused");
        assert_eq!((finding.code, &*finding.path), (crate::diagnostic::NEEDS_MESH, "spec.servers[0].tls.mode"));
        assert!(finding.message.contains("mesh"), "{}", finding.message);
        assert_eq!(finding.help.as_deref(), cure);
        let open =
            config.listeners.iter().any(|it| it.chains().iter().any(|it| !it.tls().unwrap().certificates.is_empty()));
        assert!(!open, "{mode}: nothing is served in its place");
    }
}
