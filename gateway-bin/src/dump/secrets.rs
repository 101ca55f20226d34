//! Certificates: what they are, until when, and who uses them. Never their keys.
use std::{collections::BTreeMap, fs, path::Path};

use gateway_core::model::{CaSource, CertificateSource, ClientAuth, Config, Credential, PemRole, ServerTls};
use gateway_layers::stack::{Problem, check_credentials};
use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use serde::{Deserialize, Serialize};

/// A credential that a server names.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct SecretDump {
    pub(crate) name: String,
    /// `Cert Chain` or `CA`.
    pub(crate) r#type: String,
    /// `ACTIVE`, or what is wrong: `MISSING: ...`, `UNUSABLE: ...`.
    pub(crate) status: String,
    pub(crate) valid: bool,
    pub(crate) serial: String,
    pub(crate) not_after: String,
    pub(crate) not_before: String,
    /// Whole days until the certificate ends; negative: since it did.
    pub(crate) days_left: Option<i64>,
    /// The servers in the YAML.
    pub(crate) used_by: Vec<String>,
}

/// All credentials of a configuration, in the order of their names.
pub(crate) fn of(config: &Config) -> Vec<SecretDump> {
    let problems = check_credentials(config);
    let mut found = BTreeMap::<(String, &str), SecretDump>::new();
    for listener in &config.listeners {
        for (chain, tls) in listener.chains().iter().filter_map(|chain| Some((chain, chain.tls()?))) {
            for named in named(tls, config) {
                let key = (named.name.clone(), named.kind);
                let entry = found.entry(key).or_insert_with(|| dump(named, &problems));
                entry.used_by.push(chain.origin.to_string());
            }
        }
    }
    found.into_values().collect()
}

/// A credential of a server: its certificate, and the texts that must be good for it to be of use.
struct Named {
    name: String,
    kind: &'static str,
    pem: Result<Vec<u8>, String>,
    parts: Vec<Credential>,
}

fn named(tls: &ServerTls, config: &Config) -> Vec<Named> {
    let mut out: Vec<_> = tls.certificates.iter().map(|source| pair(source, config)).collect();
    match &tls.client_auth {
        ClientAuth::None => {}
        ClientAuth::Asked(policy) => {
            let mut ca = authority(&policy.ca, config);
            // A list that is of no use takes its CA with it.
            ca.parts.extend(policy.crl.clone().map(|path| Credential::File(path, PemRole::ClientCrl)));
            out.push(ca);
        }
    }
    out
}

fn pair(source: &CertificateSource, config: &Config) -> Named {
    let kind = "Cert Chain";
    match source {
        CertificateSource::Files { chain, key } => {
            let parts =
                vec![Credential::File(chain.clone(), PemRole::Chain), Credential::File(key.clone(), PemRole::Key)];
            Named { name: chain.display().to_string(), kind, pem: file(chain), parts }
        }
        CertificateSource::Secret(name) => {
            let secret = config.secret(name).ok_or_else(|| "does not exist".to_owned());
            let pem = secret.and_then(|secret| {
                let pair = secret.certificate.as_ref().ok_or_else(|| "has no certificate with its key".to_owned());
                pair.map(|(chain, _)| chain.0.to_vec())
            });
            let parts = [PemRole::Chain, PemRole::Key].map(|role| Credential::Secret(name.clone(), role)).to_vec();
            Named { name: name.to_string(), kind, pem, parts }
        }
    }
}

fn authority(source: &CaSource, config: &Config) -> Named {
    let kind = "CA";
    match source {
        CaSource::File(path) => {
            let parts = vec![Credential::File(path.clone(), PemRole::ClientCa)];
            Named { name: path.display().to_string(), kind, pem: file(path), parts }
        }
        CaSource::Secrets(names) => {
            let found = names.iter().find_map(|name| config.secret(name));
            let name = found.map(|secret| &secret.name).or_else(|| names.first());
            let ca = found.and_then(|secret| secret.ca.as_ref()).map(|ca| ca.0.to_vec());
            Named {
                name: name.map(ToString::to_string).unwrap_or_default(),
                kind,
                pem: ca.ok_or_else(|| "has no CA".to_owned()),
                parts: [PemRole::ClientCa, PemRole::ClientCrl]
                    .into_iter()
                    .filter_map(|role| Some(Credential::Secret(name?.clone(), role)))
                    .collect(),
            }
        }
    }
}

fn file(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| error.to_string())
}

fn dump(named: Named, problems: &[Problem]) -> SecretDump {
    let mut dump = SecretDump {
        name: named.name,
        r#type: named.kind.to_owned(),
        status: "ACTIVE".to_owned(),
        valid: false,
        serial: String::new(),
        not_after: String::new(),
        not_before: String::new(),
        days_left: None,
        used_by: Vec::new(),
    };
    let about = |problem: &&Problem| problem.credential.as_ref().is_some_and(|part| named.parts.contains(part));
    let problem = problems.iter().find(about);
    match named.pem {
        Err(reason) => dump.status = format!("MISSING: {reason}"),
        Ok(pem) => {
            certificate(&pem, &mut dump);
            if let Some(problem) = problem {
                dump.status = format!("UNUSABLE: {}", problem.message);
                dump.valid = false;
            }
        }
    }
    dump
}

/// What the first certificate says about itself.
fn certificate(pem: &[u8], dump: &mut SecretDump) {
    let Ok(der) = CertificateDer::from_pem_slice(pem) else { return };
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(&der) else { return };
    let validity = certificate.validity();
    let time = |seconds| Timestamp::from_second(seconds).map(|time| time.to_string()).unwrap_or_default();
    dump.valid = validity.is_valid();
    let left = validity.not_after.timestamp() - Timestamp::now().as_second();
    dump.days_left = Some(left.div_euclid(24 * 3600));
    dump.serial = certificate.raw_serial_as_string().replace(':', "");
    dump.not_after = time(validity.not_after.timestamp());
    dump.not_before = time(validity.not_before.timestamp());
}
