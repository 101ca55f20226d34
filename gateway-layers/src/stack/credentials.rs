//! From the model's TLS settings to rustls configurations.
use std::{fmt, fs, path::Path};

use gateway_core::model::{
    CaSource, CertificateSource, Chain, ClientAuth, Config, Origin, Secret, ServerTls, TlsVersion, Transport,
};
use rustls::{ServerConfig, SupportedProtocolVersion, sign::CertifiedKey, version};

use crate::conn::tls::{certified_key, client_roots, server_config_with};

/// Something about a credential that its operator should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// A file that is named by its path: the gateway does not start without it. A secret that is missing or of no
    /// use is a warning: only its server's handshakes fail.
    pub error: bool,
    /// What, and why.
    pub message: String,
    /// The server in the YAML.
    pub origin: Origin,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.message)
    }
}

/// Reads every credential of a configuration, as the gateway will, and tells what is wrong with them.
#[must_use]
pub fn check_credentials(config: &Config) -> Vec<Problem> {
    let chains = config.listeners.iter().flat_map(|listener| match &listener.transport {
        Transport::Http(_) => &[][..],
        Transport::Tls(chains) => chains.as_slice(),
    });
    chains.filter_map(|chain| tls_config(chain, config).err()).collect()
}

/// The configuration of a TLS server.
pub(super) fn tls_config(chain: &Chain, config: &Config) -> Result<ServerConfig, Problem> {
    build(&chain.tls, config).map_err(|(error, message)| Problem { error, message, origin: chain.origin.clone() })
}

type Failure = (bool, String);

fn build(tls: &ServerTls, config: &Config) -> Result<ServerConfig, Failure> {
    if tls.certificates.is_empty() {
        return Err((false, "the Gateway has an error, and connections for its names are refused".to_owned()));
    }
    let keys = tls.certificates.iter().map(|source| key(source, config)).collect::<Result<Vec<_>, _>>()?;
    let roots = match &tls.client_auth {
        ClientAuth::None => None,
        ClientAuth::Required(source) => {
            let (error, pem) = authority(source, config)?;
            Some(client_roots(&pem).map_err(|reason| (error, reason.to_string()))?)
        }
    };
    server_config_with(keys, roots, versions(tls)).map_err(|reason| (true, reason.to_string()))
}

const BOTH: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];
const ONLY_1_2: &[&SupportedProtocolVersion] = &[&version::TLS12];
const ONLY_1_3: &[&SupportedProtocolVersion] = &[&version::TLS13];

const fn versions(tls: &ServerTls) -> &'static [&'static SupportedProtocolVersion] {
    match (tls.min_version, tls.max_version) {
        (TlsVersion::V1_2, TlsVersion::V1_2) => ONLY_1_2,
        (TlsVersion::V1_3, _) => ONLY_1_3,
        (TlsVersion::V1_2, TlsVersion::V1_3) => BOTH,
    }
}

fn key(source: &CertificateSource, config: &Config) -> Result<CertifiedKey, Failure> {
    match source {
        CertificateSource::Files { chain, key } => {
            certified_key(&file(chain)?, &file(key)?).map_err(|reason| (true, format!("{}: {reason}", chain.display())))
        }
        CertificateSource::Secret(name) => {
            let secret = config.secret(name).ok_or_else(|| (false, format!("secret {name} does not exist")))?;
            let pair = secret.certificate.as_ref();
            let (chain, key) = pair.ok_or_else(|| (false, format!("secret {name} has no certificate with its key")))?;
            certified_key(&chain.0, &key.0).map_err(|reason| (false, format!("secret {name}: {reason}")))
        }
    }
}

fn authority(source: &CaSource, config: &Config) -> Result<(bool, Vec<u8>), Failure> {
    match source {
        CaSource::File(path) => Ok((true, file(path)?)),
        CaSource::Secrets(names) => {
            let listed = || names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let found: Option<&Secret> = names.iter().find_map(|name| config.secret(name));
            let found = found.ok_or_else(|| (false, format!("none of the secrets {} exists", listed())))?;
            let ca = found.ca.as_ref();
            let ca = ca.ok_or_else(|| (false, format!("secret {} has no CA for client certificates", found.name)))?;
            Ok((false, ca.0.to_vec()))
        }
    }
}

fn file(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| (true, format!("cannot read {}: {error}", path.display())))
}
