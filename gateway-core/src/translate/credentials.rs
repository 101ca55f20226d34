//! Where to point at when a PEM text turns out to be of no use. That is found out where TLS is: not here.

use super::tls::{self, credentials};
use crate::diagnostic::{CREDENTIAL, Diagnostic, ResourceId, Severity};
use crate::istio::{Gateway, Object, Resources, ServerTls, TlsCertificate};
use crate::model::{Credential, Origin, PemRole, SecretName};
use crate::yaml::Path;

/// A finding about a PEM text that is there and cannot be used: at the key of its Secret, or at the field that names
/// its file. `origin` is the server that uses it.
pub fn unusable(
    resources: &Resources,
    origin: &Origin,
    credential: &Credential,
    severity: Severity,
    message: impl Into<String>,
) -> Diagnostic {
    let mut finding = Diagnostic::new(CREDENTIAL, severity, message);
    if let Credential::Secret(name, role) = credential {
        in_secret(resources, name, *role, &mut finding);
    }
    at_server(resources, origin, credential, &mut finding);
    finding
}

fn in_secret(resources: &Resources, name: &SecretName, role: PemRole, finding: &mut Diagnostic) {
    let same = |s: &&Object<_>| *s.namespace() == *name.namespace && *s.name() == *name.name;
    let Some(secret) = resources.secrets.iter().find(same) else { return };
    let Some(key) = tls::key_of(&secret.spec, role) else { return };
    // `stringData` wins over `data`. A key that is not written there has the place of the whole.
    let [data, texts] = ["data", "stringData"].map(|field| Path::ROOT.key(field));
    let as_text = secret.source.key_place(&texts.key(key)) != secret.source.key_place(&texts);
    let path = if as_text { texts.key(key) } else { data.key(key) };
    finding.at(&secret.source.file, secret.source.key_place(&path), "");
    finding.resource = Some(secret.id.clone());
    finding.path = path.to_string();
    finding.secret = true;
}

/// The field of the server that names the credential.
fn at_server(resources: &Resources, origin: &Origin, credential: &Credential, finding: &mut Diagnostic) {
    let Some(gateway) = resources.gateways.iter().find(|gateway| is(&gateway.id, origin)) else { return };
    let spec = Path::ROOT.key("spec");
    let servers = spec.key("servers");
    let here = |(n, _): &(usize, &_)| servers.index(*n).to_string() == *origin.path;
    let Some((n, server)) = gateway.spec.servers.iter().enumerate().find(here) else { return };
    let server_path = servers.index(n);
    let path = server_path.key("tls");
    let Some(tls) = &server.tls else { return };
    match credential {
        Credential::Secret(name, role) => by_name(gateway, tls, &path, (name, *role), finding),
        Credential::File(file, role) => {
            let list = path.key("tlsCertificates");
            let named = |entry: &TlsCertificate| text(entry, *role).is_some_and(|text| file.as_os_str() == text);
            match tls.tls_certificates.iter().position(named) {
                Some(n) => mark(gateway, &list.index(n).key(field(*role)), finding),
                None => mark(gateway, &path.key(field(*role)), finding),
            }
        }
    }
}

fn is(id: &ResourceId, origin: &Origin) -> bool {
    let object = &origin.object;
    id.kind == *object.kind && id.namespace == *object.namespace && id.name == *object.name
}

fn by_name(
    gateway: &Object<Gateway>,
    tls: &ServerTls,
    path: &Path<'_>,
    (name, role): (&SecretName, PemRole),
    finding: &mut Diagnostic,
) {
    let of_ca = tls.ca_cert_credential_name.as_deref().is_some_and(|name| !name.is_empty());
    let list = path.key("credentialNames");
    let listed = credentials(tls).iter().position(|text| text.rsplit('/').next() == Some(&name.name));
    if matches!(role, PemRole::ClientCa | PemRole::ClientCrl) && of_ca {
        mark(gateway, &path.key("caCertCredentialName"), finding);
    } else if let Some(n) = listed.filter(|_| !tls.credential_names.is_empty()) {
        mark(gateway, &list.index(n), finding);
    } else {
        mark(gateway, &path.key("credentialName"), finding);
    }
}

/// The place itself, unless there is one already.
fn mark(gateway: &Object<Gateway>, path: &Path<'_>, finding: &mut Diagnostic) {
    let first = finding.labels.is_empty();
    let text = if first { "" } else { "this server uses it" };
    finding.labels.push(gateway.source.label(path, text, first));
    if first {
        finding.resource = Some(gateway.id.clone());
        finding.path = path.to_string();
    }
}

const fn field(role: PemRole) -> &'static str {
    match role {
        PemRole::Chain => "serverCertificate",
        PemRole::Key => "privateKey",
        PemRole::ClientCa => "caCertificates",
        PemRole::ClientCrl => "caCrl",
    }
}

fn text(entry: &TlsCertificate, role: PemRole) -> Option<&str> {
    match role {
        PemRole::Chain => entry.server_certificate.as_deref(),
        PemRole::Key => entry.private_key.as_deref(),
        PemRole::ClientCa => entry.ca_certificates.as_deref(),
        PemRole::ClientCrl => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::SourceFile;
    use crate::istio::{ParseOptions, parse};
    use crate::model::ObjectName;

    const TEXT: &str = "\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: ns}
spec:
  servers:
  - {}
  - tls:
      credentialNames: [one, kubernetes://istio-system/two]
      caCertCredentialName: ca
      tlsCertificates:
      - {serverCertificate: /a.crt, privateKey: /a.key}
      - {serverCertificate: /b.crt, privateKey: /b.key}
      caCertificates: /ca.crt
---
{apiVersion: v1, kind: Secret, metadata: {name: one}, stringData: {tls.crt: pem, tls.key: pem}}
---
{apiVersion: v1, kind: Secret, metadata: {name: two}, data: {cert: eA==, key: eA==, tls.crt: eA==}}
---
{apiVersion: v1, kind: Secret, metadata: {name: ca}, data: {cacert: eA==, crl: eA==}}
";

    #[test]
    fn the_places_of_texts_that_cannot_be_used() {
        let (resources, _) = parse(&[SourceFile::new("f", TEXT)], &ParseOptions::default());
        let object = ObjectName { kind: "Gateway".into(), namespace: "ns".into(), name: "gw".into() };
        let origin = Origin { object, path: "spec.servers[1]".into(), file: "f".into(), line: 7 };
        let secret = |name: &str, role| {
            Credential::Secret(SecretName { namespace: "istio-system".into(), name: name.into() }, role)
        };
        let cases = [
            (secret("one", PemRole::Key), "stringData[\"tls.key\"]", vec![15, 8]),
            (secret("two", PemRole::Chain), "data.cert", vec![17, 8]),
            (secret("ca", PemRole::ClientCa), "data.cacert", vec![19, 9]),
            (secret("ca", PemRole::ClientCrl), "data.crl", vec![19, 9]),
            (
                Credential::File("/b.key".into(), PemRole::Key),
                "spec.servers[1].tls.tlsCertificates[1].privateKey",
                vec![12],
            ),
            (Credential::File("/ca.crt".into(), PemRole::ClientCa), "spec.servers[1].tls.caCertificates", vec![13]),
        ];
        for (credential, path, lines) in cases {
            let finding = unusable(&resources, &origin, &credential, Severity::Warning, "bad");
            assert_eq!(finding.path, path);
            let found: Vec<_> = finding.labels.iter().map(|label| label.place.line).collect();
            assert_eq!(found, lines, "{path}");
            assert_eq!(finding.secret, matches!(credential, Credential::Secret(..)), "{path}");
        }
    }
}
