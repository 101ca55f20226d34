//! From the model's TLS settings to rustls configurations.
use std::{fmt, fs, path::Path};

use gateway_core::model::{
    self, CaSource, CertificateSource, Chain, ClientAuth, ClientPolicy, Config, Credential, Listener, Origin, PemRole,
    Secret, SecretName, ServerTls, TlsVersion,
};
use rustls::{CipherSuite, ServerConfig, SupportedProtocolVersion, sign::CertifiedKey, version};

use crate::conn::tls::{CertificateError, ClientCertificates, certified_key, client_roots, server_config_with};

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
    /// The text that is of no use. None if nothing is there to be looked at: a secret that does not exist or lacks a
    /// part, a server with an error of another kind.
    pub credential: Option<Credential>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.message)
    }
}

/// Reads every credential of a configuration, as the gateway will, and tells what is wrong with them.
#[must_use]
pub fn check_credentials(config: &Config) -> Vec<Problem> {
    let chains = config.listeners.iter().flat_map(Listener::chains);
    let ended = chains.filter_map(|chain| Some((chain, chain.tls()?)));
    ended.flat_map(|(chain, tls)| tls_config(chain, tls, config).err().unwrap_or_default()).collect()
}

/// The configuration of a chain that terminates TLS, or everything that is wrong with its credentials.
pub(super) fn tls_config(chain: &Chain, tls: &ServerTls, config: &Config) -> Result<ServerConfig, Vec<Problem>> {
    let problem = |Failure { error, message, credential }| {
        let origin = chain.origin.clone();
        Problem { error, message, origin, credential }
    };
    build(tls, config).map_err(|failures| failures.into_iter().map(problem).collect())
}

/// A [`Problem`] of a server that is not named yet.
struct Failure {
    error: bool,
    message: String,
    credential: Option<Credential>,
}

impl Failure {
    const fn warning(message: String) -> Self {
        Self { error: false, message, credential: None }
    }
}

fn build(tls: &ServerTls, config: &Config) -> Result<ServerConfig, Vec<Failure>> {
    if tls.certificates.is_empty() {
        let message = "the Gateway has an error, and connections for its names are refused".to_owned();
        return Err(vec![Failure::warning(message)]);
    }
    let mut failures = Vec::new();
    let keys = tls.certificates.iter().filter_map(|source| kept(key(source, config), &mut failures)).collect();
    let clients = match &tls.client_auth {
        ClientAuth::None => None,
        ClientAuth::Asked(policy) => kept(clients(policy, config), &mut failures),
    };
    if !failures.is_empty() {
        return Err(failures);
    }
    let refused =
        |reason: CertificateError| vec![Failure { error: true, message: reason.to_string(), credential: None }];
    server_config_with(keys, clients, versions(tls), &suites(tls)).map_err(refused)
}

/// A part, or its failure put aside.
fn kept<T>(part: Result<T, Failure>, failures: &mut Vec<Failure>) -> Option<T> {
    part.map_err(|failure| failures.push(failure)).ok()
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

fn suites(tls: &ServerTls) -> Vec<CipherSuite> {
    let suite = |suite: &model::CipherSuite| match suite {
        model::CipherSuite::EcdsaAes128 => CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        model::CipherSuite::RsaAes128 => CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        model::CipherSuite::EcdsaAes256 => CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        model::CipherSuite::RsaAes256 => CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        model::CipherSuite::EcdsaChaCha20 => CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        model::CipherSuite::RsaChaCha20 => CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    };
    tls.cipher_suites.iter().map(suite).collect()
}

fn key(source: &CertificateSource, config: &Config) -> Result<CertifiedKey, Failure> {
    match source {
        CertificateSource::Files { chain, key } => {
            let texts = (file(chain, PemRole::Chain)?, file(key, PemRole::Key)?);
            certified_key(&texts.0, &texts.1)
                .map_err(|reason| of_file(if role(&reason) == PemRole::Key { key } else { chain }, &reason))
        }
        CertificateSource::Secret(name) => {
            let secret =
                config.secret(name).ok_or_else(|| Failure::warning(format!("secret {name} does not exist")))?;
            let pair = secret.certificate.as_ref();
            let (chain, key) =
                pair.ok_or_else(|| Failure::warning(format!("secret {name} has no certificate with its key")))?;
            certified_key(&chain.0, &key.0).map_err(|reason| of_secret(secret, &reason))
        }
    }
}

fn clients(policy: &ClientPolicy, config: &Config) -> Result<ClientCertificates, Failure> {
    let mut clients = match &policy.ca {
        CaSource::File(path) => {
            let roots = client_roots(&file(path, PemRole::ClientCa)?);
            ClientCertificates::of(roots.map_err(|reason| of_file(path, &reason))?)
        }
        CaSource::Secrets(names) => of_authority(names, config)?,
    };
    if let Some(path) = &policy.crl {
        let lists = file(path, PemRole::ClientCrl)?;
        clients = clients.with_crls(&lists).map_err(|reason| of_file(path, &reason))?;
    }
    let clients = clients
        .with_names(policy.subject_alt_names.iter().cloned())
        .with_hashes(policy.certificate_hashes.iter().copied(), policy.key_hashes.iter().copied());
    let clients = if policy.insecure_skip_verify { clients.without_verification() } else { clients };
    Ok(if policy.required { clients } else { clients.optional() })
}

/// The CA of the first secret that exists, with its revocation lists.
fn of_authority(names: &[SecretName], config: &Config) -> Result<ClientCertificates, Failure> {
    let listed = || names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let found: Option<&Secret> = names.iter().find_map(|name| config.secret(name));
    let found = found.ok_or_else(|| Failure::warning(format!("none of the secrets {} exists", listed())))?;
    let ca = found.ca.as_ref();
    let ca = ca.ok_or_else(|| Failure::warning(format!("secret {} has no CA for client certificates", found.name)))?;
    let clients = client_roots(&ca.0).map(ClientCertificates::of);
    let clients = match &found.crl {
        Some(lists) => clients.and_then(|clients| clients.with_crls(&lists.0)),
        None => clients,
    };
    clients.map_err(|reason| of_secret(found, &reason))
}

/// A file that is there and of no use.
fn of_file(path: &Path, reason: &CertificateError) -> Failure {
    let message = format!("{}: {reason}", path.display());
    Failure { error: true, message, credential: Some(Credential::File(path.to_owned(), role(reason))) }
}

/// A secret that is there and of no use: only its servers' handshakes fail.
fn of_secret(secret: &Secret, reason: &CertificateError) -> Failure {
    Failure {
        error: false,
        message: format!("secret {}: {reason}", secret.name),
        credential: Some(Credential::Secret(secret.name.clone(), role(reason))),
    }
}

/// The text that the error is about. Of a pair that does not fit the key is more often the wrong one.
const fn role(reason: &CertificateError) -> PemRole {
    match reason {
        CertificateError::Certificate(_) => PemRole::Chain,
        CertificateError::Authority(_) => PemRole::ClientCa,
        CertificateError::Revocation(_) => PemRole::ClientCrl,
        CertificateError::Key(_) | CertificateError::Mismatch(_) | CertificateError::Tls(_) => PemRole::Key,
    }
}

fn file(path: &Path, role: PemRole) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure {
        error: true,
        message: format!("cannot read {}: {error}", path.display()),
        credential: Some(Credential::File(path.to_owned(), role)),
    })
}
