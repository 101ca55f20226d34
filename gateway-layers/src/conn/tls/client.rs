//! What a client certificate tells: `x-forwarded-client-cert` and the subject.
use std::fmt::Write as _;

use http::HeaderValue;
use rustls::crypto::hash::HashAlgorithm;
use x509_parser::{
    certificate::X509Certificate,
    extensions::GeneralName,
    prelude::{FromDer as _, X509Name},
};

/// Envoy's `Hash=..;Cert="..";Subject="..";URI=..;DNS=..`.
pub(super) fn forwarded_client_cert(der: &[u8]) -> Option<HeaderValue> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let mut out =
        format!("Hash={};Cert=\"{}\";Subject=\"{}\"", hex(&sha256(der)?), escaped_pem(der), subject_of(&certificate));
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.map(|extension| extension.value.general_names.as_slice()).unwrap_or_default();
    let mut uris = names.iter().filter_map(|name| match name {
        GeneralName::URI(uri) => Some(*uri),
        _ => None,
    });
    // Writing into a String cannot fail.
    let _ = write!(out, ";URI={}", one_element(uris.next().unwrap_or_default()));
    for uri in uris {
        let _ = write!(out, ";URI={}", one_element(uri));
    }
    for name in names {
        if let GeneralName::DNSName(name) = name {
            let _ = write!(out, ";DNS={}", one_element(name));
        }
    }
    HeaderValue::try_from(out).ok()
}

/// A name in a certificate must not be able to forge a further element.
fn one_element(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            ';' => out.push_str("%3B"),
            ',' => out.push_str("%2C"),
            '"' => out.push_str("%22"),
            c => out.push(c),
        }
    }
    out
}

/// The subject as RFC 2253 writes it: the last part first.
pub(super) fn subject(der: &[u8]) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(subject_of(&certificate))
}

fn subject_of(certificate: &X509Certificate<'_>) -> String {
    rfc2253(certificate.subject())
}

fn rfc2253(name: &X509Name<'_>) -> String {
    let parts = name.iter_attributes().map(|part| {
        let key = x509_parser::objects::oid2abbrev(part.attr_type(), x509_parser::objects::oid_registry());
        let key = key.map_or_else(|_| part.attr_type().to_id_string(), ToOwned::to_owned);
        format!("{key}={}", escaped(part.as_str().unwrap_or_default()))
    });
    let mut parts: Vec<_> = parts.collect();
    parts.reverse();
    parts.join(",")
}

fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for (at, c) in value.char_indices() {
        let at_the_edge = (c == ' ' && (at == 0 || at + 1 == value.len())) || (c == '#' && at == 0);
        if at_the_edge || matches!(c, ',' | '+' | '"' | '\\' | '<' | '>' | ';') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(64), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// As rustls has it: no cryptography of another library for this.
pub(super) fn sha256(bytes: &[u8]) -> Option<[u8; 32]> {
    let suites = rustls::crypto::aws_lc_rs::ALL_CIPHER_SUITES.iter();
    let mut hashes = suites.filter_map(|suite| suite.tls13()).map(|suite| suite.common.hash_provider);
    hashes.find(|hash| hash.algorithm() == HashAlgorithm::SHA256)?.hash(bytes).as_ref().try_into().ok()
}

/// PEM, with newline, blank, `+`, `/`, `=` percent-encoded, as Envoy does.
fn escaped_pem(der: &[u8]) -> String {
    let mut out = String::from("-----BEGIN%20CERTIFICATE-----%0A");
    for line in base64_lines(der) {
        for c in line.chars() {
            match c {
                '+' => out.push_str("%2B"),
                '/' => out.push_str("%2F"),
                '=' => out.push_str("%3D"),
                c => out.push(c),
            }
        }
        out.push_str("%0A");
    }
    out.push_str("-----END%20CERTIFICATE-----%0A");
    out
}

/// Base64 in lines of 64 characters: 48 bytes each.
fn base64_lines(der: &[u8]) -> impl Iterator<Item = String> {
    use base64::Engine as _;
    der.chunks(48).map(|chunk| base64::engine::general_purpose::STANDARD.encode(chunk))
}
