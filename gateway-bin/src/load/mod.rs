//! Files to a configuration and its findings: the one way, for every command.
mod credentials;

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use gateway_core::{
    diagnostic::{Diagnostic, Label, Place, Severity, SourceFile, UNSUPPORTED_KIND},
    istio::{ParseOptions, parse},
    model::Config,
    translate::{Settings, translate},
};

use crate::cli::ConfigArgs;

/// Largest file that is read, bytes.
const LARGEST: u64 = 4 * 1024 * 1024;
/// Keys of a secret that are read from a folder.
const SECRET_KEYS: [&str; 10] =
    ["tls.crt", "tls.key", "ca.crt", "ca.crl", "tls.ocsp-staple", "cert", "key", "cacert", "crl", "cert-chain"];

/// What was read.
pub(crate) struct Loaded {
    pub(crate) files: Vec<SourceFile>,
    pub(crate) config: Config,
    pub(crate) findings: Vec<Diagnostic>,
}

impl Loaded {
    /// Is there a finding of this severity, or a worse one?
    pub(crate) fn has(&self, severity: Severity) -> bool {
        self.findings.iter().any(|finding| finding.severity >= severity)
    }
}

/// Reads and translates everything. `start`: a PEM file that does not exist is an error, not a warning.
pub(crate) fn load(args: &ConfigArgs, start: bool) -> anyhow::Result<Loaded> {
    let mut files = Vec::new();
    for path in &args.files {
        read(path, &mut files)?;
    }
    let in_files = files.len();
    if let Some(folder) = &args.secrets {
        secrets(folder, &args.namespace, &mut files)?;
    }
    let options = ParseOptions {
        ignore_kinds: args.ignore_kind.iter().cloned().collect(),
        gateway_namespace: args.namespace.clone(),
        ..ParseOptions::default()
    };
    let settings = Settings {
        labels: args.labels.0.clone(),
        namespace: args.namespace.clone(),
        root_namespace: args.root_namespace.clone(),
        cluster_domain: args.cluster_domain.clone(),
        resolve: args.resolve.iter().map(|resolve| resolve.0.clone()).collect(),
    };
    let (resources, mut findings) = parse(&files, &options);
    for finding in findings.iter_mut().filter(|finding| finding.code == UNSUPPORTED_KIND) {
        let kind = finding.resource.as_ref().map_or_else(|| "KIND".to_owned(), |resource| resource.kind.to_string());
        finding.help(format!("remove the object, or leave its kind out: --ignore-kind {kind}"));
    }
    let (config, more) = translate(&resources, &settings);
    findings.extend(more);
    findings.extend(credentials::findings(&config, &resources, start));
    let folders = &files[in_files..];
    findings.iter_mut().flat_map(|finding| &mut finding.labels).for_each(|label| in_folder(label, folders));
    Ok(Loaded { files, config, findings })
}

fn read(path: &Path, files: &mut Vec<SourceFile>) -> anyhow::Result<()> {
    if path == Path::new("-") {
        let mut text = String::new();
        io::stdin().take(LARGEST + 1).read_to_string(&mut text).context("cannot read standard input")?;
        files.push(SourceFile::new("<stdin>", text));
        return Ok(());
    }
    let about = fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    if !about.is_dir() {
        return file(path, files);
    }
    let mut found = Vec::new();
    walk(path, &mut found)?;
    if found.is_empty() {
        bail!("{} has no *.yaml, *.yml or *.json", path.display());
    }
    found.iter().try_for_each(|path| file(path, files))
}

fn file(path: &Path, files: &mut Vec<SourceFile>) -> anyhow::Result<()> {
    let name = path.display().to_string();
    if fs::metadata(path).with_context(|| format!("cannot read {name}"))?.len() > LARGEST {
        bail!("{name} is larger than 4 MiB: split it");
    }
    let bytes = fs::read(path).with_context(|| format!("cannot read {name}"))?;
    let text = String::from_utf8(bytes).map_err(|_| anyhow::anyhow!("{name} is not UTF-8"))?;
    files.push(SourceFile::new(name, text));
    Ok(())
}

/// The folder's files in the order of their names; hidden ones (`..data`, editors' copies) are left out.
fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let known =
            path.extension().is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|ours| extension == *ours));
        if hidden {
            continue;
        }
        // Symbolic links are followed for files alone: a link to a folder above would never end.
        if path.is_dir() && !path.is_symlink() {
            walk(&path, found)?;
        } else if known && path.is_file() {
            found.push(path);
        }
    }
    Ok(())
}

/// `DIR/NAME/KEY`: each NAME is a Secret of the gateway's namespace, read through the same parser.
fn secrets(folder: &Path, namespace: &str, files: &mut Vec<SourceFile>) -> anyhow::Result<()> {
    let root = fs::canonicalize(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let entries = fs::read_dir(&root).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut names = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    names.sort();
    for path in names {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if name.starts_with('.') || !path.is_dir() {
            continue;
        }
        let mut data = serde_json::Map::new();
        for key in SECRET_KEYS {
            if let Some(value) = secret_value(&root, &path.join(key))? {
                data.insert(key.to_owned(), base64::engine::general_purpose::STANDARD.encode(value).into());
            }
        }
        let secret = serde_json::json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}, "data": data,
        });
        files.push(SourceFile::new(folder.join(name).display().to_string(), secret.to_string()));
    }
    Ok(())
}

/// A secret that was read from a folder has no lines that a user could look at: its place is the file of the key.
fn in_folder(label: &mut Label, folders: &[SourceFile]) {
    let Some(secret) = folders.iter().find(|folder| *folder.name == *label.file) else { return };
    let marked = secret.text.get(label.place.range.clone()).unwrap_or_default().trim_matches('"');
    if SECRET_KEYS.contains(&marked) {
        label.file = format!("{}/{marked}", label.file).into();
    }
    label.place = Place { range: 0..0, line: 1, column: 1 };
}

/// A key's file, if it is there. A link must not lead out of the folder of secrets.
fn secret_value(root: &Path, path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    let Ok(real) = fs::canonicalize(path) else { return Ok(None) };
    if !real.starts_with(root) {
        bail!("{} leads out of the folder of secrets, to {}", path.display(), real.display());
    }
    fs::read(&real).map(Some).with_context(|| format!("cannot read {}", path.display()))
}
