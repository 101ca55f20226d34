//! The demo's certificates: a CA, two servers, a client.
use std::{fs, path::Path};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

type Issuer = CertifiedIssuer<'static, KeyPair>;

/// `ca.pem`, `client.pem` with its key, and the servers' secrets below `secrets/`.
pub(super) fn write(folder: &Path) -> anyhow::Result<()> {
    let ca = authority()?;
    fs::create_dir_all(folder)?;
    fs::write(folder.join("ca.pem"), ca.pem())?;
    let (client, key) = leaf(&ca, "demo-client", ExtendedKeyUsagePurpose::ClientAuth)?;
    fs::write(folder.join("client.pem"), client)?;
    key_file(&folder.join("client.key"), &key)?;
    for (name, mutual) in [("apiserver", false), ("admin", true)] {
        let secret = folder.join("secrets").join(name);
        fs::create_dir_all(&secret)?;
        let (chain, key) = leaf(&ca, &format!("{name}.istioinaction.io"), ExtendedKeyUsagePurpose::ServerAuth)?;
        fs::write(secret.join("tls.crt"), chain)?;
        key_file(&secret.join("tls.key"), &key)?;
        if mutual {
            fs::write(secret.join("ca.crt"), ca.pem())?;
        }
    }
    Ok(())
}

fn authority() -> anyhow::Result<Issuer> {
    let mut params = CertificateParams::new([])?;
    params.distinguished_name.push(DnType::CommonName, "gateway demo CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

fn leaf(ca: &Issuer, name: &str, usage: ExtendedKeyUsagePurpose) -> anyhow::Result<(String, String)> {
    let mut params = CertificateParams::new([name.to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    Ok((params.signed_by(&key, ca)?.pem(), key.serialize_pem()))
}

/// Nobody else may read a key.
fn key_file(path: &Path, pem: &str) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, "")?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(fs::write(path, pem)?)
}
