//! TLS settings of a Gateway server.

use super::client_tls;
use crate::diagnostic::{CREDENTIAL, NEEDS_MESH, NO_EFFECT, SURPRISE};
use crate::istio::{ServerTls, TlsMode, TlsProtocol};
use crate::translate::cipher_suites::{Choice, Dropped};
use crate::translate::protocol::Protocol;
use crate::translate::report::Report;
use crate::yaml::Path;

fn set(text: &Option<String>) -> bool {
    text.as_deref().is_some_and(|text| !text.is_empty())
}

/// `tls` on a server that does not terminate TLS: only `httpsRedirect` counts.
pub(super) fn tls_without_termination(tls: &ServerTls, protocol: Protocol, path: &Path<'_>, report: &mut Report<'_>) {
    let mode = tls.mode.unwrap_or_default();
    let fields = [
        (!matches!(mode, TlsMode::Passthrough | TlsMode::AutoPassthrough), "mode"),
        (set(&tls.server_certificate), "serverCertificate"),
        (set(&tls.private_key), "privateKey"),
        (set(&tls.ca_certificates), "caCertificates"),
    ];
    for (_, field) in fields.iter().filter(|(given, _)| *given) {
        let message = format!("a server of protocol {} cannot terminate TLS", protocol.name());
        report.error(&path.key(field), message).help("use protocol HTTPS, or keep only `httpsRedirect` here");
    }
    let ignored = [
        (set(&tls.credential_name), "credentialName"),
        (!tls.credential_names.is_empty(), "credentialNames"),
        (!tls.tls_certificates.is_empty(), "tlsCertificates"),
    ];
    for (_, field) in ignored.iter().filter(|(given, _)| *given) {
        let message = format!("`{field}` has no effect on a server of protocol {}", protocol.name());
        report.warn(NO_EFFECT, &path.key(field), message).help("use protocol HTTPS");
    }
}

/// `tls` of a server of protocol HTTPS or TLS.
pub(super) fn server_tls(tls: &ServerTls, path: &Path<'_>, report: &mut Report<'_>) {
    if tls.https_redirect == Some(true) {
        let message = "`httpsRedirect` has no effect here: the request is https already";
        report.warn(NO_EFFECT, &path.key("httpsRedirect"), message);
    }
    versions(tls, path, report);
    ciphers(tls, path, report);
    client_tls::pins(tls, path, report);
    match tls.mode.unwrap_or_default() {
        TlsMode::Passthrough => passthrough(tls, path, report),
        TlsMode::AutoPassthrough => {
            let finding =
                report.error(&path.key("mode"), "AUTO_PASSTHROUGH needs a mesh, which this gateway is no part of");
            finding.code = NEEDS_MESH;
        }
        TlsMode::IstioMutual => {
            let finding =
                report.error(&path.key("mode"), "ISTIO_MUTUAL needs the mesh's identity, which this gateway has not");
            finding.code = NEEDS_MESH;
            finding.help("use MUTUAL with a credential");
        }
        TlsMode::Simple => {
            certificates(tls, "SIMPLE", path, report);
            client_tls::not_asked(tls, path, report);
        }
        TlsMode::Mutual => {
            certificates(tls, "MUTUAL", path, report);
            client_tls::asked(tls, path, report);
        }
        TlsMode::OptionalMutual => {
            certificates(tls, "OPTIONAL_MUTUAL", path, report);
            client_tls::asked(tls, path, report);
        }
    }
}

fn passthrough(tls: &ServerTls, path: &Path<'_>, report: &mut Report<'_>) {
    let fields = [
        (set(&tls.server_certificate), "serverCertificate"),
        (set(&tls.private_key), "privateKey"),
        (set(&tls.ca_certificates), "caCertificates"),
        (set(&tls.credential_name), "credentialName"),
        (!tls.credential_names.is_empty(), "credentialNames"),
        (!tls.tls_certificates.is_empty(), "tlsCertificates"),
    ];
    for (_, field) in fields.iter().filter(|(given, _)| *given) {
        let message = format!("`{field}` has no effect: mode PASSTHROUGH does not terminate TLS");
        report.warn(NO_EFFECT, &path.key(field), message).help("write `mode: SIMPLE`");
    }
}

fn certificates(tls: &ServerTls, mode: &str, path: &Path<'_>, report: &mut Report<'_>) {
    let files = set(&tls.server_certificate) && set(&tls.private_key);
    let sources = [
        (set(&tls.credential_name), "credentialName"),
        (!tls.credential_names.is_empty(), "credentialNames"),
        (files, "serverCertificate"),
        (!tls.tls_certificates.is_empty(), "tlsCertificates"),
    ];
    let given: Vec<&str> = sources.iter().filter(|(given, _)| *given).map(|(_, name)| *name).collect();
    if given.len() > 1 {
        report
            .error(&path.key(given[1]), format!("`{}` and `{}` exclude each other", given[0], given[1]))
            .help("keep one source of certificates");
        return;
    }
    if let Some(name) = &tls.ca_cert_credential_name {
        scheme(name, &path.key("caCertCredentialName"), report);
    }
    if set(&tls.credential_name) || !tls.credential_names.is_empty() {
        credentials(tls, path, report);
        return;
    }
    if set(&tls.ca_crl) && mode == "SIMPLE" {
        report.error(&path.key("caCrl"), "`caCrl` is for client certificates, which mode SIMPLE does not ask for");
    }
    if tls.tls_certificates.is_empty() {
        pair(&tls.server_certificate, &tls.private_key, mode, path, report);
    }
    for (n, entry) in tls.tls_certificates.iter().enumerate() {
        let list = path.key("tlsCertificates");
        pair(&entry.server_certificate, &entry.private_key, mode, &list.index(n), report);
        if set(&entry.ca_certificates) {
            let entry = list.index(n);
            let message = "`caCertificates` of an entry is not used: that of `tls` is";
            report.warn(NO_EFFECT, &entry.key("caCertificates"), message);
        }
    }
    if mode != "SIMPLE" && !set(&tls.ca_certificates) && !set(&tls.ca_cert_credential_name) {
        let message = format!("mode {mode} needs the client CA: `caCertificates`");
        report.error(&path.key("caCertificates"), message).help("or a `credentialName`, whose Secret has it");
    }
}

fn pair(certificate: &Option<String>, key: &Option<String>, mode: &str, path: &Path<'_>, report: &mut Report<'_>) {
    for (text, field, what) in
        [(certificate, "serverCertificate", "a certificate"), (key, "privateKey", "a private key")]
    {
        if !set(text) {
            report
                .error(&path.key(field), format!("mode {mode} needs {what}: `{field}`"))
                .help("or a `credentialName`, whose Secret has both");
        }
    }
}

fn credentials(tls: &ServerTls, path: &Path<'_>, report: &mut Report<'_>) {
    if set(&tls.ca_crl) {
        report.error(&path.key("caCrl"), "`caCrl` is not used beside a credential").help("remove it");
    }
    let one = tls.credential_name.iter().map(|name| (path.key("credentialName"), name));
    let list = path.key("credentialNames");
    let many = tls.credential_names.iter().enumerate().map(|(n, name)| (list.index(n), name));
    for (path, name) in one.chain(many) {
        scheme(name, &path, report);
    }
}

/// Where a credential comes from: a Secret is all that there is.
fn scheme(name: &str, path: &Path<'_>, report: &mut Report<'_>) {
    match name.split_once("://") {
        None | Some(("kubernetes" | "kubernetes-gateway", _)) => {}
        Some(("configmap", _)) => {
            report.not_built(path, "a ConfigMap as credential").help("put the CA into a Secret");
        }
        Some((scheme, _)) => {
            let finding = report.error(path, format!("`{scheme}://` credentials need another source of secrets"));
            finding.code = CREDENTIAL;
            finding.help("name a Secret");
        }
    }
}

fn versions(tls: &ServerTls, path: &Path<'_>, report: &mut Report<'_>) {
    let min = tls.min_protocol_version.unwrap_or_default();
    let max = tls.max_protocol_version.unwrap_or_default();
    if matches!(min, TlsProtocol::TlsV10 | TlsProtocol::TlsV11) {
        let message = "TLS before 1.2 is not spoken: the minimum is 1.2";
        report.warn(SURPRISE, &path.key("minProtocolVersion"), message).help("write TLSV1_2");
    }
    if matches!(max, TlsProtocol::TlsV10 | TlsProtocol::TlsV11) {
        report.error(&path.key("maxProtocolVersion"), "TLS before 1.2 is not spoken").help("write TLSV1_2 or TLSV1_3");
    } else if min == TlsProtocol::TlsV13 && max == TlsProtocol::TlsV12 {
        report.error(&path.key("minProtocolVersion"), "`minProtocolVersion` is above `maxProtocolVersion`");
    }
}

fn ciphers(tls: &ServerTls, path: &Path<'_>, report: &mut Report<'_>) {
    let list = path.key("cipherSuites");
    let choice = Choice::of(&tls.cipher_suites);
    for (n, name, why) in &choice.dropped {
        let why = match why {
            Dropped::Twice => "is here twice",
            Dropped::Weak => "is not spoken: it is too weak",
            Dropped::Newer => "cannot be chosen: all suites of TLS 1.3 are spoken",
            Dropped::Unknown => "is no known cipher suite",
        };
        report.warn(NO_EFFECT, &list.index(*n), format!("`{name}` {why}")).help("remove it");
    }
    if choice.is_none_left() {
        report.error(&list, "none of these cipher suites can be spoken").help("remove the list");
    }
}
