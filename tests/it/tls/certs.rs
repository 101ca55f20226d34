//! Certificates made for one test, good and bad ones.
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, RevokedCertParams,
    SanType, SerialNumber, SignatureAlgorithm, date_time_ymd,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

/// A CA.
pub(super) type Authority = CertifiedIssuer<'static, KeyPair>;

/// A certificate (its own first), and the key.
#[derive(Clone)]
pub(super) struct Identity {
    pub(super) chain: String,
    pub(super) key: String,
}

impl Identity {
    pub(super) fn der(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let chain = CertificateDer::pem_slice_iter(self.chain.as_bytes()).collect::<Result<_, _>>().expect("PEM");
        (chain, PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("PEM"))
    }

    /// The certificate itself.
    pub(super) fn leaf(&self) -> CertificateDer<'static> {
        self.der().0.swap_remove(0)
    }

    /// Behind its own certificate more of the chain.
    pub(super) fn with_chain(mut self, more: &[String]) -> Self {
        self.chain += &more.concat();
        self
    }
}

pub(super) fn key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("supported")
}

fn named(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(2044, 1, 1);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

fn of_authority(common_name: &str) -> CertificateParams {
    let mut params = named(common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

pub(super) fn authority(common_name: &str) -> Authority {
    Authority::self_signed(of_authority(common_name), key()).expect("sound")
}

/// A CA below another one.
pub(super) fn intermediate(common_name: &str, issuer: &Authority) -> Authority {
    Authority::signed_by(of_authority(common_name), key(), issuer).expect("sound")
}

/// For a server of this name or a client, unless `change` says otherwise.
pub(super) fn params(name: &str, usage: ExtendedKeyUsagePurpose) -> CertificateParams {
    let mut params = named(name);
    params.is_ca = IsCa::ExplicitNoCa;
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    params.subject_alt_names = vec![SanType::DnsName(name.try_into().expect("ASCII"))];
    params
}

/// A client's certificate for these names (URIs have `://`).
pub(super) fn client(issuer: &Authority, names: &[&str]) -> Identity {
    let mut params = params(names[0], ExtendedKeyUsagePurpose::ClientAuth);
    let name = |name: &&str| {
        let value = (*name).try_into().expect("ASCII");
        if name.contains("://") { SanType::URI(value) } else { SanType::DnsName(value) }
    };
    params.subject_alt_names = names.iter().map(name).collect();
    signed(&params, issuer)
}

pub(super) fn server(issuer: &Authority, name: &str) -> Identity {
    signed(&params(name, ExtendedKeyUsagePurpose::ServerAuth), issuer)
}

/// A server's certificate with a key of this kind.
pub(super) fn server_with(issuer: &Authority, name: &str, algorithm: &'static SignatureAlgorithm) -> Identity {
    let key = KeyPair::generate_for(algorithm).expect("supported");
    let cert = params(name, ExtendedKeyUsagePurpose::ServerAuth).signed_by(&key, issuer).expect("sound");
    Identity { chain: cert.pem(), key: key.serialize_pem() }
}

pub(super) fn signed(params: &CertificateParams, issuer: &Authority) -> Identity {
    let key = key();
    let cert = params.signed_by(&key, issuer).expect("sound");
    Identity { chain: cert.pem(), key: key.serialize_pem() }
}

/// A client's certificate with this number.
pub(super) fn numbered(issuer: &Authority, number: u64) -> Identity {
    let mut params = params("client.test", ExtendedKeyUsagePurpose::ClientAuth);
    params.serial_number = Some(number.into());
    signed(&params, issuer)
}

/// The numbers that a CA has revoked, until the end of this year.
pub(super) fn crl(issuer: &Authority, numbers: &[u64], until: i32) -> String {
    let revoked = |number: &u64| RevokedCertParams {
        serial_number: SerialNumber::from(*number),
        revocation_time: date_time_ymd(2024, 2, 1),
        reason_code: None,
        invalidity_date: None,
    };
    let params = CertificateRevocationListParams {
        this_update: date_time_ymd(2024, 2, 1),
        next_update: date_time_ymd(until, 12, 31),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: numbers.iter().map(revoked).collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(issuer).expect("sound").pem().expect("PEM")
}

/// A Secret in the gateway's namespace: a chain with its key, and more keys.
pub(super) fn secret(name: &str, identity: &Identity, more: &[(&str, &str)]) -> String {
    secret_of(name, &[&[("tls.crt", identity.chain.as_str()), ("tls.key", &identity.key)], more].concat())
}

/// A Secret of these keys.
pub(super) fn secret_of(name: &str, values: &[(&str, &str)]) -> String {
    let values: Vec<_> = values.iter().map(|(key, text)| format!("  {key}: {text:?}\n")).collect();
    format!(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: istio-system}}\nstringData:\n{}",
        values.concat()
    )
}
