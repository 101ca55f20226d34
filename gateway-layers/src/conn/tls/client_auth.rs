//! [`ClientCertificates`]: which client certificates are good.
use std::sync::Arc;

use rustls::{
    RootCertStore,
    crypto::CryptoProvider,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};

use super::CertificateError;

/// What is asked of clients: a certificate of a CA.
#[derive(Clone, Debug)]
pub struct ClientCertificates {
    roots: RootCertStore,
    required: bool,
}

impl ClientCertificates {
    /// A certificate of this CA, or no connection.
    #[must_use]
    pub const fn of(roots: RootCertStore) -> Self {
        Self { roots, required: true }
    }

    /// Lets clients in that have no certificate; a bad one is refused all the same.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.required = false;
        self
    }

    pub(super) fn verifier(
        self,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, CertificateError> {
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(self.roots), provider);
        let builder = if self.required { builder } else { builder.allow_unauthenticated() };
        builder.build().map_err(|error| CertificateError::Authority(error.to_string()))
    }
}
