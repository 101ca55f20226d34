//! What is read and what is reported.

use super::*;

fn read(text: &str) -> (Resources, Vec<String>) {
    let (resources, findings) = parse(&[SourceFile::new("f", text)], &ParseOptions::default());
    (resources, findings.iter().map(Diagnostic::short).collect())
}

const HEAD: &str =
    "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v, namespace: ns}\nspec:\n";

#[test]
fn what_does_not_fit_the_types_is_reported_with_its_place() {
    let cases = [
        ("  hosts: a.com\n", "f:5:10: error[IST0106]: `spec.hosts` must be a list, this is text `a.com`"),
        (
            "  http: [{match: [{path: {exact: /}}]}]\n",
            "f:5:20: error[IST0106]: unknown field `path` in HTTPMatchRequest",
        ),
        (
            "  http: [{match: [{headers: {x: {exact: 1}}}]}]\n",
            "f:5:41: error[IST0106]: `spec.http[0].match[0].headers.x.exact` must be text, this is a number `1`",
        ),
        (
            "  http: [{match: [{headers: {y: {exact: a}}}]}]\n",
            "f:5:30: error[IST0106]: the key `y` is a boolean to Kubernetes",
        ),
        ("  http: [{match: [{headers: {x: null}}]}]\n", "f:5:30: error[IST0106]: the entry `x` has no value"),
        ("  hosts:\n  -\n", "f:6:4: error[IST0106]: an empty list entry"),
        (
            "  http: [{match: [{port: \"80\"}]}]\n",
            "f:5:26: error[IST0106]: `spec.http[0].match[0].port` must be a whole number, this is text `80`",
        ),
        (
            "  http: [{match: [{port: 010}]}]\n",
            "f:5:26: error[IST0106]: the number `010` starts with 0: Kubernetes reads it as octal",
        ),
        (
            "  http: [{match: [{port: -1}]}]\n",
            "f:5:26: error[IST0106]: `spec.http[0].match[0].port` must be 0 to 4294967295, this is -1",
        ),
        (
            "  http: [{match: [{uri: {exact: a, prefix: b}}]}]\n",
            "f:5:36: error[IST0106]: `exact` and `prefix` exclude each other",
        ),
        ("  http: [{match: [{ignoreUriCase: yes}]}]\n", "f:5:35: warning[GW0008]: `yes` is read as `true` here"),
        (
            "  http: [{mirror_percent: 5}]\n",
            "f:5:11: warning[GW0008]: `mirror_percent` is another spelling of `mirrorPercent`, which a Kubernetes cluster ignores",
        ),
        (
            "  http: [{redirect: {derivePort: from_request_port}}]\n",
            "f:5:34: error[IST0106]: `spec.http[0].redirect.derivePort` cannot be `from_request_port`",
        ),
    ];
    for (spec, expected) in cases {
        let (_, findings) = read(&format!("{HEAD}{spec}"));
        assert_eq!(findings.len(), 1, "{spec}: {findings:?}");
        assert!(findings[0].starts_with(expected), "{spec}: {}", findings[0]);
    }
}

#[test]
fn all_unknown_fields_are_reported_with_the_cure() {
    let text = format!("{HEAD}  host: [a.com]\n  http:\n  - match:\n    - uri:\n      exact: /app\n");
    let (_, findings) = parse(&[SourceFile::new("f", text)], &ParseOptions::default());
    assert_eq!(findings.len(), 2);
    assert_eq!(findings[0].help.as_deref(), Some("did you mean `hosts`?"));
    assert_eq!(findings[1].labels[0].text, "this belongs one level deeper, under `uri`");
    assert_eq!(findings[1].labels[1].text, "`uri` is empty");
    assert_eq!(findings[1].help.as_deref(), Some("indent by 2 more spaces"));
}

#[test]
fn a_bad_object_does_not_hurt_another() {
    let good = format!("{HEAD}  hosts: [a.com]\n");
    let (resources, findings) = read(&format!("a: [\n---\n{good}---\nkind: Foo\n---\n{good}---\n"));
    assert_eq!(resources.virtual_services.len(), 1);
    assert_eq!(resources.virtual_services[0].spec.hosts, ["a.com"]);
    assert_eq!(findings.len(), 3, "{findings:?}");
    assert!(findings[1].contains("`apiVersion` is missing"), "{findings:?}");
    assert!(findings[2].contains("VirtualService ns/v is here twice"), "{findings:?}");
}

#[test]
fn lists_and_other_kinds() {
    let list = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Service, metadata: {name: s}}\n\
                - {apiVersion: networking.istio.io/v1alpha3, kind: EnvoyFilter, metadata: {name: s}}\n";
    let (_, findings) = read(list);
    assert!(findings[0].starts_with("f:4:26: note[GW0004]: Service (v1) is not read"), "{findings:?}");
    assert!(findings[1].contains("error[GW0006]: EnvoyFilter is not supported"), "{findings:?}");
    let options = ParseOptions { ignore_kinds: ["EnvoyFilter".to_owned()].into(), ..ParseOptions::default() };
    let (_, findings) = parse(&[SourceFile::new("f", list)], &options);
    assert!(findings.iter().all(|finding| finding.severity == Severity::Note));
}

#[test]
fn an_entry_of_a_list_with_an_error_hurts_no_other() {
    let gateway = |name: &str| {
        format!(
            "- apiVersion: networking.istio.io/v1\n  kind: Gateway\n  metadata:\n    name: {name}\n  spec:\n    \
             servers: []\n"
        )
    };
    for kind in ["v1\nkind: List", "networking.istio.io/v1\nkind: GatewayList"] {
        let broken = gateway("b") + "    servers: []\n";
        let text = format!("apiVersion: {kind}\nitems:\n{}{broken}{}", gateway("a"), gateway("c"));
        let (resources, findings) = parse(&[SourceFile::new("f", text.as_str())], &ParseOptions::default());
        let names = |all: &[Object<Gateway>]| all.iter().map(|one| one.name().to_owned()).collect::<Vec<_>>();
        assert_eq!(
            (names(&resources.gateways), names(&resources.left_out.gateways)),
            (vec!["a".to_owned(), "c".to_owned()], vec!["b".to_owned()])
        );
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].resource.as_ref().map(ToString::to_string).as_deref(), Some("Gateway default/b"));
        let (resources, findings) = parse(&[SourceFile::new("f", text + "kind: Lis")], &ParseOptions::default());
        assert_eq!((resources.gateways.len(), resources.left_out.gateways.len()), (0, 3));
        assert_eq!(findings.len(), 2, "{findings:?}");
    }
}

#[test]
fn slips_of_kind_and_group_are_errors() {
    let cases = [
        ("networking.istio.io/v1", "VirtualSevice", Some("did you mean `VirtualService`?")),
        ("networking.istio.io/v1", "virtualservice", Some("did you mean `VirtualService`?")),
        ("security.istio.io/v1", "authorizationpolicy", Some("did you mean `AuthorizationPolicy`?")),
        ("networking.istio/v1", "Gateway", Some("write `apiVersion: networking.istio.io/v1`")),
        ("networking.istio.io", "VirtualService", Some("write `apiVersion: networking.istio.io/v1`")),
        ("v1", "DestinationRule", Some("write `apiVersion: networking.istio.io/v1`")),
        ("v1", "List", Some("write `items:` and the objects below it")),
        ("networking.istio.io/v1", "VirtualServiceList", Some("write `items:` and the objects below it")),
        ("gateway.networking.k8s.io/v1", "Gateway", None),
        ("networking.istio.io/v1", "WorkloadEntry", None),
        ("networking.istio.io/v1", "Sidecar", None),
        ("install.istio.io/v1alpha1", "IstioOperator", None),
        ("v1", "Service", None),
    ];
    for (version, kind, help) in cases {
        let text = format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\n");
        let (_, findings) = parse(&[SourceFile::new("f", text)], &ParseOptions::default());
        assert_eq!(findings.len(), 1, "{version} {kind}");
        assert_eq!(findings[0].severity == Severity::Error, help.is_some(), "{version} {kind}");
        assert_eq!(findings[0].help.as_deref(), help, "{version} {kind}");
    }
    let item = "{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: s}}";
    let (_, findings) =
        read(&format!("apiVersion: security.istio.io/v1\nkind: AuthorizationPolicyList\nitems: [{item}]\n"));
    assert!(findings[0].contains("error[GW0006]"), "{findings:?}");
}

#[test]
fn a_secret_is_read_but_never_shown() {
    let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: c2VjcmV0}\nstringData: {b: secret}\n";
    let (resources, findings) = read(text);
    assert_eq!(findings, [""; 0]);
    let secret = &resources.secrets[0];
    assert_eq!(secret.id.namespace, "istio-system");
    assert_eq!(secret.spec.values["a"], b"secret");
    assert_eq!(secret.spec.values["b"], b"secret");
    let shown = format!("{resources:?}");
    assert!(!shown.contains("secret\"") && !shown.contains("c2VjcmV0"), "{shown}");
    let bad = [
        "data: {a: '%hunter2%'}",
        "stringData: {a: 4711}",
        "stringData: {user: hunter2, a: 4711}",
        "data: {a: 4711}",
        "DATA: {a: hunter2}",
        "data: {a: hunter2, a: hunter2}",
        "stringData:\n  a: |\n    x\nhunter2\nb: c",
        "data: &a {a: hunter2}",
        "data:\nhunter2: 4711",
    ];
    for bad in bad {
        for head in
            ["kind: Secret", "\"kind\" : \"Secret\"", "kind: secret", "kind: Sealedsecret", "a: [\nkind: Secret"]
        {
            let text = format!("apiVersion: v1\n{head}\nmetadata: {{name: s}}\n{bad}\n");
            let file = [SourceFile::new("f", text)];
            let (_, findings) = parse(&file, &ParseOptions::default());
            assert!(!findings.is_empty(), "{head} {bad}");
            let shown = crate::diagnostic::render(&findings, &file, false);
            assert!(!shown.contains("4711") && !shown.contains("hunter2: "), "{shown}");
            assert!(!shown.contains("hunter2") || shown.contains("`hunter2`"), "{shown}");
        }
    }
}
