//! TLS settings of a server and the credentials they name, to the model.

use std::sync::Arc;

use super::{Settings, cipher_suites::Choice, pins};
use crate::istio::{self, Object, TlsMode, TlsProtocol};
use crate::model::{
    CaSource, CertificateSource, ClientAuth, ClientPolicy, Pem, PemRole, Secret, SecretName, ServerTls, TlsVersion,
};

/// The TLS settings of a server that passed the checks.
pub(super) fn server_tls(tls: &istio::ServerTls, settings: &Settings) -> ServerTls {
    let min = tls.min_protocol_version.unwrap_or_default();
    let max = tls.max_protocol_version.unwrap_or_default();
    ServerTls {
        certificates: certificates(tls, settings),
        client_auth: client_auth(tls, settings),
        min_version: if min == TlsProtocol::TlsV13 { TlsVersion::V1_3 } else { TlsVersion::V1_2 },
        max_version: if max == TlsProtocol::TlsV12 { TlsVersion::V1_2 } else { TlsVersion::V1_3 },
        cipher_suites: Choice::of(&tls.cipher_suites).suites,
    }
}

fn client_auth(tls: &istio::ServerTls, settings: &Settings) -> ClientAuth {
    let mode = tls.mode.unwrap_or_default();
    if !matches!(mode, TlsMode::Mutual | TlsMode::OptionalMutual) {
        return ClientAuth::None;
    }
    // As Envoy does it: a list that nobody without a certificate can be in.
    let listed = [&tls.subject_alt_names, &tls.verify_certificate_hash, &tls.verify_certificate_spki];
    ClientAuth::Asked(ClientPolicy {
        required: mode == TlsMode::Mutual || listed.iter().any(|list| !list.is_empty()),
        ca: client_ca(tls, settings),
        crl: tls.ca_crl.as_deref().filter(|path| !path.is_empty()).map(Into::into),
        subject_alt_names: tls.subject_alt_names.clone(),
        // What is no hash was an error; were it not, it would be the hash of nothing.
        certificate_hashes: tls.verify_certificate_hash.iter().map(|it| pins::hash(it).unwrap_or_default()).collect(),
        key_hashes: tls.verify_certificate_spki.iter().map(|it| pins::spki(it).unwrap_or_default()).collect(),
        insecure_skip_verify: tls.insecure_skip_verify == Some(true),
    })
}

fn certificates(tls: &istio::ServerTls, settings: &Settings) -> Vec<CertificateSource> {
    let names = credentials(tls);
    if !names.is_empty() {
        return names.iter().map(|name| CertificateSource::Secret(secret_name(name, settings))).collect();
    }
    let pair = |chain: &Option<String>, key: &Option<String>| CertificateSource::Files {
        chain: chain.clone().unwrap_or_default().into(),
        key: key.clone().unwrap_or_default().into(),
    };
    if tls.tls_certificates.is_empty() {
        return vec![pair(&tls.server_certificate, &tls.private_key)];
    }
    tls.tls_certificates.iter().map(|entry| pair(&entry.server_certificate, &entry.private_key)).collect()
}

fn client_ca(tls: &istio::ServerTls, settings: &Settings) -> CaSource {
    if let Some(name) = tls.ca_cert_credential_name.as_deref().filter(|name| !name.is_empty()) {
        return CaSource::Secrets(vec![secret_name(name, settings)]);
    }
    match credentials(tls).first() {
        Some(name) => {
            let own = secret_name(name, settings);
            let ca = SecretName { name: format!("{}-cacert", own.name).into(), ..own.clone() };
            CaSource::Secrets(vec![ca, own])
        }
        None => CaSource::File(tls.ca_certificates.clone().unwrap_or_default().into()),
    }
}

/// The names of a server's certificate credentials.
pub(super) fn credentials(tls: &istio::ServerTls) -> Vec<&str> {
    let one = tls.credential_name.as_deref().filter(|name| !name.is_empty());
    one.into_iter().chain(tls.credential_names.iter().map(String::as_str)).collect()
}

/// `name`, `namespace/name` or `kubernetes://namespace/name`.
pub(super) fn secret_name(text: &str, settings: &Settings) -> SecretName {
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    let (namespace, name) = text.split_once('/').unwrap_or((&settings.namespace, text));
    SecretName { namespace: namespace.into(), name: name.into() }
}

/// The first pair of which neither is empty; its content is not looked at.
const CERTIFICATE_KEYS: [(&str, &str); 2] = [("cert", "key"), ("tls.crt", "tls.key")];
const CA_KEYS: [&str; 2] = ["cacert", "ca.crt"];
/// Revocation lists, in the order of [`CA_KEYS`] that they belong to.
const CRL_KEYS: [&str; 2] = ["crl", "ca.crl"];

/// The key whose value serves as this, if one is there.
pub(super) fn key_of(secret: &istio::Secret, role: PemRole) -> Option<&'static str> {
    let there = |key: &str| secret.values.get(key).is_some_and(|value| !value.is_empty());
    let pair = || CERTIFICATE_KEYS.into_iter().find(|(chain, key)| there(chain) && there(key));
    match role {
        PemRole::Chain => pair().map(|(chain, _)| chain),
        PemRole::Key => pair().map(|(_, key)| key),
        PemRole::ClientCa => CA_KEYS.into_iter().find(|key| there(key)),
        PemRole::ClientCrl => {
            let ca = CA_KEYS.into_iter().position(there)?;
            // One under the name that goes with the other CA counts if it is the only one: a list of revoked
            // certificates is never passed over.
            [CRL_KEYS[ca], CRL_KEYS[1 - ca]].into_iter().find(|key| there(key))
        }
    }
}

/// A credential as the model has it.
pub(super) fn secret(object: &Object<istio::Secret>) -> Secret {
    let pem = |role| {
        let value = object.spec.values.get(key_of(&object.spec, role)?)?;
        Some(Pem(Arc::from(value.as_slice())))
    };
    let name = SecretName { namespace: object.namespace().into(), name: object.name().into() };
    let certificate = pem(PemRole::Chain).zip(pem(PemRole::Key));
    Secret { name, certificate, ca: pem(PemRole::ClientCa), crl: pem(PemRole::ClientCrl) }
}
