//! What a Gateway server asks of client certificates.

use crate::diagnostic::{NO_EFFECT, SURPRISE};
use crate::istio::ServerTls;
use crate::translate::{pins, report::Report};
use crate::yaml::Path;

/// Pinned client certificates and keys. Envoy refuses the whole listener for an entry that is none.
pub(super) fn pins(tls: &ServerTls, path: &Path<'_>, report: &mut Report<'_>) {
    let list = path.key("verifyCertificateHash");
    for (n, text) in tls.verify_certificate_hash.iter().enumerate().filter(|(_, text)| pins::hash(text).is_none()) {
        report
            .error(&list.index(n), format!("`{text}` is no SHA-256 of a certificate"))
            .help("64 hexadecimal digits, with or without colons: `openssl x509 -in CERT -outform DER | sha256sum`");
    }
    let list = path.key("verifyCertificateSpki");
    for (n, text) in tls.verify_certificate_spki.iter().enumerate().filter(|(_, text)| pins::spki(text).is_none()) {
        report.error(&list.index(n), format!("`{text}` is no SHA-256 of a public key")).help(
            "44 characters of base64: `openssl x509 -in CERT -pubkey -noout | openssl pkey -pubin -outform DER | \
             openssl dgst -sha256 -binary | base64`",
        );
    }
}

/// Mode MUTUAL or OPTIONAL_MUTUAL.
pub(super) fn asked(tls: &ServerTls, path: &Path<'_>, report: &mut Report<'_>) {
    if tls.insecure_skip_verify == Some(true) {
        let message = "any client certificate is taken: of another CA, self-signed, expired";
        let finding = report.warn(SURPRISE, &path.key("insecureSkipVerify"), message);
        finding.note("upstreams cannot tell: x-forwarded-client-cert describes it like a verified one");
        finding.help("remove it, and give the CA of your clients");
    }
}

/// Mode SIMPLE asks for no certificate: who lists good ones may believe it does.
pub(super) fn not_asked(tls: &ServerTls, path: &Path<'_>, report: &mut Report<'_>) {
    let fields = [
        (!tls.subject_alt_names.is_empty(), "subjectAltNames"),
        (!tls.verify_certificate_hash.is_empty(), "verifyCertificateHash"),
        (!tls.verify_certificate_spki.is_empty(), "verifyCertificateSpki"),
        (tls.insecure_skip_verify == Some(true), "insecureSkipVerify"),
    ];
    for (_, field) in fields.iter().filter(|(given, _)| *given) {
        let message = format!("`{field}` has no effect: mode SIMPLE asks for no client certificate");
        report.warn(NO_EFFECT, &path.key(field), message).help("write `mode: MUTUAL`");
    }
}
