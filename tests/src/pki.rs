//! The certificates that the recorded cases speak of, made once per process.

use std::{collections::BTreeMap, fmt::Write as _, sync::OnceLock};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, date_time_ymd,
};
use regex::{Captures, Regex};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

/// The name of a Secret, of its certificate, and whether it holds `ca.crt` too.
const SECRETS: [(&str, &str, bool); 5] = [
    ("a-cert", "a-cert", false),
    ("b-cert", "b-cert", false),
    ("wild-cert", "wild-cert", false),
    ("a-mtls", "a-cert", true),
    ("b-mtls", "b-cert", true),
];

/// All files by name, as `rig/certs.py` would have written them.
#[derive(Debug)]
pub struct Pki {
    files: BTreeMap<String, String>,
}

/// The certificates of this process.
pub fn pki() -> &'static Pki {
    static PKI: OnceLock<Pki> = OnceLock::new();
    PKI.get_or_init(|| match std::env::var_os("GATEWAY_CASES_CERTS") {
        Some(folder) => Pki::read(folder.as_ref()),
        None => Pki::make(),
    })
}

impl Pki {
    fn make() -> Self {
        let mut out = Self { files: BTreeMap::new() };
        let ca = out.authority("ca", "rig-ca");
        let other = out.authority("other-ca", "rig-other-ca");
        let server = ExtendedKeyUsagePurpose::ServerAuth;
        let client = ExtendedKeyUsagePurpose::ClientAuth;
        out.leaf("a-cert", &ca, &["a.com"], &server, 2044);
        out.leaf("b-cert", &ca, &["b.com"], &server, 2044);
        out.leaf("wild-cert", &ca, &["*.wild.com"], &server, 2044);
        out.leaf("tls-upstream", &ca, &["tls.app.svc.cluster.local", "pass.com", "*.pass.com"], &server, 2044);
        let good = ["client.good", "spiffe://cluster.local/ns/app/sa/client"];
        out.leaf("client-good", &ca, &good, &client, 2044);
        out.leaf("client-other-ca", &other, &["client.other"], &client, 2044);
        out.leaf("client-expired", &ca, &["client.expired"], &client, 2025);
        out
    }

    /// The files of a folder: an external gateway has its own copy of them.
    fn read(folder: &std::path::Path) -> Self {
        let files = std::fs::read_dir(folder).expect("GATEWAY_CASES_CERTS is a folder").map(|entry| {
            let path = entry.expect("the folder can be listed").path();
            let name = path.file_name().expect("an entry has a name").to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).expect("a certificate is text"))
        });
        Self { files: files.collect() }
    }

    fn authority(&mut self, stem: &str, common_name: &str) -> CertifiedIssuer<'static, KeyPair> {
        let mut params = params(common_name, 2044);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let ca = CertifiedIssuer::self_signed(params, key()).expect("the parameters are sound");
        self.save(stem, ca.pem(), ca.key());
        ca
    }

    fn leaf(
        &mut self,
        stem: &str,
        ca: &CertifiedIssuer<'_, KeyPair>,
        names: &[&str],
        usage: &ExtendedKeyUsagePurpose,
        end: i32,
    ) {
        let mut params = params(names[0], end);
        params.is_ca = IsCa::ExplicitNoCa;
        params.extended_key_usages = vec![usage.clone()];
        params.use_authority_key_identifier_extension = true;
        params.subject_alt_names = names
            .iter()
            .map(|&name| {
                let value = name.try_into().expect("the names are ASCII");
                if name.contains("://") { SanType::URI(value) } else { SanType::DnsName(value) }
            })
            .collect();
        let key = key();
        let cert = params.signed_by(&key, ca).expect("the parameters are sound");
        self.save(stem, cert.pem(), &key);
    }

    fn save(&mut self, stem: &str, cert: String, key: &KeyPair) {
        self.files.insert(format!("{stem}.pem"), cert);
        self.files.insert(format!("{stem}.key"), key.serialize_pem());
    }

    /// The text of one file.
    pub fn file(&self, name: &str) -> &str {
        self.files.get(name).unwrap_or_else(|| panic!("there is no certificate file {name}"))
    }

    /// The certificate and its key, for a TLS configuration.
    pub fn chain(&self, stem: &str) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let cert = CertificateDer::from_pem_slice(self.file(&format!("{stem}.pem")).as_bytes());
        let key = PrivateKeyDer::from_pem_slice(self.file(&format!("{stem}.key")).as_bytes());
        (vec![cert.expect("PEM of ours")], key.expect("PEM of ours"))
    }

    /// The file name, without its end, of a certificate that a peer presented.
    pub fn name_of(&self, der: &CertificateDer<'_>) -> String {
        let ours = self.files.iter().filter(|(name, _)| name.ends_with(".pem")).find(|(_, text)| {
            CertificateDer::from_pem_slice(text.as_bytes()).is_ok_and(|own| own.as_ref() == der.as_ref())
        });
        ours.map_or_else(|| "unknown".to_owned(), |(name, _)| name.trim_end_matches(".pem").to_owned())
    }

    /// The Secrets that are loaded with every case.
    pub fn secrets_yaml(&self) -> String {
        let docs = SECRETS.map(|(secret, cert, mutual)| {
            let base64 = |name: &str| STANDARD.encode(self.file(name));
            let kind = if mutual { "Opaque" } else { "kubernetes.io/tls" };
            let mut doc = format!(
                "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {secret}\n  namespace: istio-system\n\
                 type: {kind}\ndata:\n  tls.crt: {}\n  tls.key: {}\n",
                base64(&format!("{cert}.pem")),
                base64(&format!("{cert}.key")),
            );
            if mutual {
                writeln!(doc, "  ca.crt: {}", base64("ca.pem")).expect("a String takes all text");
            }
            doc
        });
        docs.join("---\n")
    }

    /// The config with `${certs/NAME}` replaced by that file's text.
    pub fn filled(&self, config: &str) -> String {
        let pattern = Regex::new(r"\$\{certs/([a-z.-]+)\}").expect("the pattern is sound");
        let text = |found: &Captures<'_>| serde_json::to_string(self.file(&found[1])).expect("text is JSON");
        pattern.replace_all(config, text).into_owned()
    }
}

fn key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("the algorithm is supported")
}

/// Fixed dates: certificates of the cases are never the reason why a run of another day differs.
fn params(common_name: &str, end: i32) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(end, 1, 1);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_known_by_its_file_name() {
        let (chain, _) = pki().chain("client-good");
        assert_eq!(pki().name_of(&chain[0]), "client-good");
    }

    #[test]
    fn a_config_is_filled_with_quoted_text() {
        let filled = pki().filled("caCertificates: ${certs/ca.pem}\n");
        assert!(filled.starts_with("caCertificates: \"-----BEGIN CERTIFICATE-----\\n"), "{filled}");
    }
}
