//! [`ClientCertificates`]: which client certificates are good.
use std::sync::Arc;

use rustls::{
    CertificateError as Reason, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{
        VerifierBuilderError, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime, pem::PemObject as _};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer as _};

use super::{CertificateError, client::sha256};

/// What is asked of clients: a certificate of a CA, perhaps only some of them.
#[derive(Clone, Debug)]
pub struct ClientCertificates {
    roots: RootCertStore,
    required: bool,
    verified: bool,
    crls: Vec<CertificateRevocationListDer<'static>>,
    lists: Lists,
}

/// What a certificate must have beside the CA's signature. An empty list asks for nothing.
#[derive(Clone, Debug, Default)]
struct Lists {
    names: Vec<String>,
    certificates: Vec<[u8; 32]>,
    keys: Vec<[u8; 32]>,
}

/// Asks rustls, then the lists.
#[derive(Debug)]
struct Listed {
    inner: Arc<dyn ClientCertVerifier>,
    /// What rustls says counts.
    verified: bool,
    lists: Lists,
}

#[derive(Debug, thiserror::Error)]
enum NotListed {
    #[error("the client's certificate has none of the wanted names")]
    Name,
    #[error("the client's certificate is none of the pinned ones")]
    Hash,
}

impl ClientCertificates {
    /// A certificate of this CA, or no connection.
    #[must_use]
    pub const fn of(roots: RootCertStore) -> Self {
        let lists = Lists { names: Vec::new(), certificates: Vec::new(), keys: Vec::new() };
        Self { roots, required: true, verified: true, crls: Vec::new(), lists }
    }

    /// Lets clients in that have no certificate; a bad one is refused all the same. Lists do not change this.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.required = false;
        self
    }

    /// Refuses what these PEM lists revoke, and with them every certificate up to the CA of which no list is there that
    /// its issuer has signed and that is not out of date.
    ///
    /// # Errors
    /// If there is no list, or a broken one: it is never left out.
    pub fn with_crls(mut self, pem: &[u8]) -> Result<Self, CertificateError> {
        let found: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(pem).collect();
        let found = found.map_err(|error| CertificateError::Revocation(error.to_string()))?;
        if found.is_empty() {
            return Err(CertificateError::Revocation("no X509 CRL block".to_owned()));
        }
        self.crls.extend(found);
        // Read now: later nobody knows which text it was.
        self.clone().verifier(Arc::new(aws_lc_rs::default_provider()))?;
        Ok(self)
    }

    /// Only certificates that have one of these DNS names (in any case) or URIs. None at all: any.
    #[must_use]
    pub fn with_names(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.lists.names.extend(names);
        self
    }

    /// Only certificates whose SHA-256, or that of whose public key (SubjectPublicKeyInfo), is one of these. None at
    /// all: any.
    #[must_use]
    pub fn with_hashes(
        mut self,
        certificates: impl IntoIterator<Item = [u8; 32]>,
        keys: impl IntoIterator<Item = [u8; 32]>,
    ) -> Self {
        self.lists.certificates.extend(certificates);
        self.lists.keys.extend(keys);
        self
    }

    /// Takes certificates of any issuer and age, but not revoked ones, and not without their key. What is said of the
    /// client afterwards is what it says of itself: such a server knows nobody.
    #[must_use]
    pub fn without_verification(mut self) -> Self {
        self.verified = false;
        self
    }

    pub(super) fn verifier(
        self,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, CertificateError> {
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(self.roots), provider);
        let builder = builder.with_crls(self.crls).enforce_revocation_expiration();
        let builder = if self.required { builder } else { builder.allow_unauthenticated() };
        let inner = builder.build().map_err(|error| match error {
            VerifierBuilderError::InvalidCrl(error) => CertificateError::Revocation(Error::from(error).to_string()),
            error => CertificateError::Authority(error.to_string()),
        })?;
        let Self { verified, lists, .. } = self;
        Ok(if verified && lists.are_empty() { inner } else { Arc::new(Listed { inner, verified, lists }) })
    }
}

impl Lists {
    const fn are_empty(&self) -> bool {
        self.names.is_empty() && self.certificates.is_empty() && self.keys.is_empty()
    }

    fn judge(&self, der: &CertificateDer<'_>) -> Result<(), Error> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| Reason::BadEncoding)?;
        let refuse = |why: NotListed| Err(Reason::Other(OtherError(Arc::new(why))).into());
        if !self.names.is_empty() && !self.has_name(&certificate) {
            return refuse(NotListed::Name);
        }
        let pinned = !self.certificates.is_empty() || !self.keys.is_empty();
        if pinned && !self.has_hash(der, &certificate) {
            return refuse(NotListed::Hash);
        }
        Ok(())
    }

    fn has_name(&self, certificate: &X509Certificate<'_>) -> bool {
        let Ok(Some(names)) = certificate.subject_alternative_name() else { return false };
        names.value.general_names.iter().any(|name| match name {
            GeneralName::DNSName(name) => self.names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name)),
            GeneralName::URI(uri) => self.names.iter().any(|wanted| wanted == uri),
            _ => false,
        })
    }

    fn has_hash(&self, der: &CertificateDer<'_>, certificate: &X509Certificate<'_>) -> bool {
        let listed = |list: &[[u8; 32]], bytes: &[u8]| sha256(bytes).is_some_and(|hash| list.contains(&hash));
        listed(&self.certificates, der) || listed(&self.keys, certificate.public_key().raw)
    }
}

/// The certificate itself is sound, and nobody has withdrawn it.
const fn is_distrust(reason: &Reason) -> bool {
    !matches!(reason, Reason::Revoked | Reason::BadEncoding)
}

impl ClientCertVerifier for Listed {
    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // A client chooses by them, and would come without a certificate that is taken here.
        if self.verified { self.inner.root_hint_subjects() } else { &[] }
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let taken = match self.inner.verify_client_cert(certificate, intermediates, now) {
            Err(Error::InvalidCertificate(reason)) if !self.verified && is_distrust(&reason) => {
                ClientCertVerified::assertion()
            }
            judged => judged?,
        };
        self.lists.judge(certificate)?;
        Ok(taken)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
