//! A CA of the demo's own, and what it signed. The CA's key is thrown away.
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, Error, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, date_time_ymd,
};

/// Names of the files that [`make`] gives.
pub(super) const FILES: [&str; 8] = [
    "ca.pem",
    "client.pem",
    "client.key",
    "secrets/demo-cert/tls.crt",
    "secrets/demo-cert/tls.key",
    "secrets/admin-cert/tls.crt",
    "secrets/admin-cert/tls.key",
    "secrets/admin-cert/ca.crt",
];

/// All files by their names in the folder.
pub(super) fn make() -> Result<Vec<(&'static str, String)>, Error> {
    let mut params = params("gateway demo CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?)?;
    let public = ["prd.istioinaction.io", "api.istioinaction.io", "apiserver.istioinaction.io"];
    let (cert, key) = leaf(&ca, &public, ExtendedKeyUsagePurpose::ServerAuth)?;
    let (admin_cert, admin_key) = leaf(&ca, &["admin.istioinaction.io"], ExtendedKeyUsagePurpose::ServerAuth)?;
    let (client_cert, client_key) = leaf(&ca, &["client.istioinaction.io"], ExtendedKeyUsagePurpose::ClientAuth)?;
    let texts = [ca.pem(), client_cert, client_key, cert, key, admin_cert, admin_key, ca.pem()];
    Ok(FILES.into_iter().zip(texts).collect())
}

/// A certificate and its key.
fn leaf(
    ca: &CertifiedIssuer<'_, KeyPair>,
    names: &[&str],
    usage: ExtendedKeyUsagePurpose,
) -> Result<(String, String), Error> {
    let mut params = params(names.first().copied().unwrap_or_default());
    params.is_ca = IsCa::ExplicitNoCa;
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    params.subject_alt_names =
        CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>())?.subject_alt_names;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let cert = params.signed_by(&key, ca)?;
    Ok((cert.pem(), key.serialize_pem()))
}

/// A folder that is kept works for years, whatever the clock says.
fn params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(2044, 1, 1);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}
