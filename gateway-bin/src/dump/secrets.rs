//! Certificates: what they are, until when, and who uses them. Never their keys.
use std::{collections::BTreeMap, fs, path::Path};

use gateway_core::model::{CaSource, CertificateSource, Chain, ClientAuth, Config, Transport};
use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use serde::{Deserialize, Serialize};

/// A credential that a server names.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct SecretDump {
    pub(crate) name: String,
    /// `Cert Chain` or `CA`.
    pub(crate) r#type: String,
    /// `ACTIVE`, or what is wrong.
    pub(crate) status: String,
    pub(crate) valid: bool,
    pub(crate) serial: String,
    pub(crate) not_after: String,
    pub(crate) not_before: String,
    /// The servers in the YAML.
    pub(crate) used_by: Vec<String>,
}

/// All credentials of a configuration, in the order of their names.
pub(super) fn of(config: &Config) -> Vec<SecretDump> {
    let mut found = BTreeMap::<(String, &str), SecretDump>::new();
    for listener in &config.listeners {
        let Transport::Tls(chains) = &listener.transport else { continue };
        for chain in chains {
            for (name, kind, pem) in named(chain, config) {
                let entry = found.entry((name.clone(), kind)).or_insert_with(|| dump(name, kind, pem));
                entry.used_by.push(chain.origin.to_string());
            }
        }
    }
    found.into_values().collect()
}

type Named = (String, &'static str, Result<Vec<u8>, String>);

fn named(chain: &Chain, config: &Config) -> Vec<Named> {
    let certificates = chain.tls.certificates.iter().map(|source| match source {
        CertificateSource::Files { chain, .. } => (chain.display().to_string(), "Cert Chain", file(chain)),
        CertificateSource::Secret(name) => {
            let secret = config.secret(name).ok_or_else(|| "does not exist".to_owned());
            let pem = secret.and_then(|secret| {
                let pair = secret.certificate.as_ref().ok_or_else(|| "has no certificate with its key".to_owned());
                pair.map(|(chain, _)| chain.0.to_vec())
            });
            (name.to_string(), "Cert Chain", pem)
        }
    });
    let mut out: Vec<_> = certificates.collect();
    match &chain.tls.client_auth {
        ClientAuth::None => {}
        ClientAuth::Required(CaSource::File(path)) => out.push((path.display().to_string(), "CA", file(path))),
        ClientAuth::Required(CaSource::Secrets(names)) => {
            let found = names.iter().find_map(|name| config.secret(name));
            let name = found.map(|secret| &secret.name).or_else(|| names.first());
            let ca = found.and_then(|secret| secret.ca.as_ref()).map(|ca| ca.0.to_vec());
            let name = name.map(ToString::to_string).unwrap_or_default();
            out.push((name, "CA", ca.ok_or_else(|| "has no CA".to_owned())));
        }
    }
    out
}

fn file(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| error.to_string())
}

fn dump(name: String, kind: &str, pem: Result<Vec<u8>, String>) -> SecretDump {
    let mut dump = SecretDump {
        name,
        r#type: kind.to_owned(),
        status: "ACTIVE".to_owned(),
        valid: false,
        serial: String::new(),
        not_after: String::new(),
        not_before: String::new(),
        used_by: Vec::new(),
    };
    let read = pem.and_then(|pem| CertificateDer::from_pem_slice(&pem).map_err(|error| error.to_string()));
    match read {
        Err(reason) => dump.status = format!("MISSING: {reason}"),
        Ok(der) => match x509_parser::parse_x509_certificate(&der) {
            Err(error) => dump.status = format!("UNREADABLE: {error}"),
            Ok((_, certificate)) => {
                let validity = certificate.validity();
                let time = |seconds| Timestamp::from_second(seconds).map(|time| time.to_string()).unwrap_or_default();
                dump.valid = validity.is_valid();
                dump.serial = certificate.raw_serial_as_string().replace(':', "");
                dump.not_after = time(validity.not_after.timestamp());
                dump.not_before = time(validity.not_before.timestamp());
            }
        },
    }
    dump
}
