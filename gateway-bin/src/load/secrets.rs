//! The folder of `--secrets`: `DIR/NAME/KEY`, each NAME a Secret of the gateway's namespace.
use std::{collections::HashMap, fs, io, path::Path};

use anyhow::Context as _;
use base64::Engine as _;
use gateway_core::diagnostic::{CREDENTIAL, Diagnostic, Place, ResourceId, Severity, SourceFile};
use serde_json::{Map, Value, json};

use super::files::sorted;

/// Keys of a secret that are read from a folder.
const KEYS: [&str; 10] =
    ["tls.crt", "tls.key", "ca.crt", "ca.crl", "tls.ocsp-staple", "cert", "key", "cacert", "crl", "cert-chain"];
/// Largest value, bytes: a Secret of Kubernetes is not larger.
const LARGEST: u64 = 1024 * 1024;

/// A folder of secrets. Each becomes the text of a Secret, to be read by the parser that reads all others.
pub(super) struct Secrets<'a> {
    pub(super) folder: &'a Path,
    pub(super) namespace: &'a str,
    pub(super) texts: Vec<SourceFile>,
    pub(super) findings: Vec<Diagnostic>,
}

impl<'a> Secrets<'a> {
    /// The error is that of the folder itself.
    pub(super) fn read(folder: &'a Path, namespace: &'a str) -> anyhow::Result<Self> {
        let cannot = || format!("cannot read the folder of secrets {}", folder.display());
        let root = fs::canonicalize(folder).with_context(cannot)?;
        let mut secrets = Self { folder, namespace, texts: Vec::new(), findings: Vec::new() };
        for path in sorted(&root).with_context(cannot)? {
            secrets.entry(&root, &path);
        }
        Ok(secrets)
    }

    fn entry(&mut self, root: &Path, path: &Path) {
        let Some(name) = path.file_name() else { return };
        let shown = self.folder.join(name);
        let Some(name) = name.to_str() else {
            self.warn(&shown, "", format!("{}: a secret's name must be text", shown.display()));
            return;
        };
        if name.starts_with('.') {
            return;
        }
        if !path.is_dir() {
            let mut message = format!("{}: a secret must be a folder of its own", shown.display());
            if KEYS.contains(&name) {
                message += &format!(", such as {}", self.folder.join("NAME").join(name).display());
            } else if !path.is_symlink() {
                // A note to the reader, a script: nobody's secret.
                return;
            }
            self.warn(&shown, "", message);
            return;
        }
        // One that cannot be read is there all the same, and empty: were it missing, the CA of another secret could
        // take its place, or a CA be used without its list of revoked certificates.
        let data = self.data(root, path, name).unwrap_or_default();
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": self.namespace}, "data": data,
        });
        self.texts.push(SourceFile::new(shown.display().to_string(), secret.to_string()));
    }

    /// The values; none at all if one cannot be read.
    fn data(&mut self, root: &Path, path: &Path, name: &str) -> Option<Map<String, Value>> {
        let mut data = Map::new();
        let mut good = true;
        for key in KEYS {
            match value(root, &path.join(key)) {
                Ok(Some(value)) => {
                    let text = base64::engine::general_purpose::STANDARD.encode(value);
                    data.insert(key.to_owned(), text.into());
                }
                Ok(None) => {}
                Err(reason) => {
                    good = false;
                    let file = self.folder.join(name).join(key);
                    let message = format!("cannot read {}: {reason}: the secret is not used", file.display());
                    self.warn(&file, name, message);
                }
            }
        }
        good.then_some(data)
    }

    fn warn(&mut self, file: &Path, secret: &str, message: String) {
        let mut finding = Diagnostic::new(CREDENTIAL, Severity::Warning, message);
        let start = Place { range: 0..0, line: 1, column: 1 };
        finding.at(&file.display().to_string().into(), start, "");
        finding.help("give it as DIR/NAME/tls.crt, tls.key, ca.crt: files below DIR that this process can read");
        if !secret.is_empty() {
            let (kind, namespace) = ("Secret".to_owned(), self.namespace.to_owned());
            finding.resource = Some(ResourceId { kind, namespace, name: secret.to_owned() });
        }
        self.findings.push(finding);
    }
}

/// A secret that was read from a folder has no lines that a user could look at: its place is the file of the key.
pub(super) fn in_folders(findings: &mut [Diagnostic], texts: &[SourceFile]) {
    let secrets: HashMap<&str, &str> = texts.iter().map(|file| (file.name.as_str(), file.text.as_str())).collect();
    for label in findings.iter_mut().flat_map(|finding| &mut finding.labels) {
        let Some(text) = secrets.get(&*label.file) else { continue };
        let marked = text.get(label.place.range.clone()).unwrap_or_default().trim_matches('"');
        if KEYS.contains(&marked) {
            label.file = format!("{}/{marked}", label.file).into();
        }
        label.place = Place { range: 0..0, line: 1, column: 1 };
    }
}

/// A key's value, if it is there. A link must not lead out of the folder of secrets.
fn value(root: &Path, path: &Path) -> Result<Option<Vec<u8>>, String> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        _ => {}
    }
    let text = |error: io::Error| error.to_string();
    let real = fs::canonicalize(path).map_err(text)?;
    if !real.starts_with(root) {
        return Err(format!("it leads out of the folder of secrets, to {}", real.display()));
    }
    let about = fs::metadata(&real).map_err(text)?;
    // A pipe may never end, or never begin.
    if !about.is_file() {
        return Err("it is no regular file".to_owned());
    }
    if about.len() > LARGEST {
        return Err(format!("it is larger than {} MiB", LARGEST >> 20));
    }
    fs::read(&real).map(Some).map_err(text)
}
