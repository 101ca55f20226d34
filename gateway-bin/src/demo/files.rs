//! The demo's folder: what is there is kept, what is missing is made.
use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    process,
};

use anyhow::Context as _;

use super::{Ports, pki};

/// `DIR`, with `config/*.yaml`, `secrets/NAME/*`, `ca.pem`, `client.pem` and `client.key`.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// The folder that was named, or a new one that nobody else can read.
    pub(super) fn open(dir: Option<&Path>) -> anyhow::Result<Self> {
        let path =
            dir.map_or_else(|| std::env::temp_dir().join(format!("gateway-demo-{}", process::id())), Path::to_path_buf);
        // Without --dir the folder must be new: in a folder of someone else, that one would choose the YAML.
        let made = DirBuilder::new().mode(0o700).recursive(dir.is_some()).create(&path);
        made.with_context(|| format!("cannot make the folder {} (another one: --dir DIR)", path.display()))?;
        let path = fs::canonicalize(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self(path))
    }

    /// The folder itself.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// The YAML's folder.
    pub(super) fn config(&self) -> PathBuf {
        self.0.join("config")
    }

    /// The file with the addresses of the upstreams.
    pub(super) fn services(&self) -> PathBuf {
        self.config().join("services.yaml")
    }

    /// The folder of `--secrets`.
    pub(super) fn secrets(&self) -> PathBuf {
        self.0.join("secrets")
    }

    /// A file in the folder.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes what is missing. Certificates belong together: if one is missing, all are made anew.
    pub(super) fn fill(&self, ports: Ports) -> anyhow::Result<()> {
        let services = include_str!("config/services.yaml")
            .replace("PRD_PORT", &ports.prd.to_string())
            .replace("API_PORT", &ports.api.to_string());
        for (name, text) in [
            ("config/gateway.yaml", include_str!("config/gateway.yaml")),
            ("config/routes.yaml", include_str!("config/routes.yaml")),
            ("config/services.yaml", services.as_str()),
        ] {
            let path = self.file(name);
            if !path.exists() {
                write(&path, text, 0o644)?;
            }
        }
        if pki::FILES.iter().any(|name| !self.file(name).exists()) {
            for (name, text) in pki::make().context("cannot make certificates")? {
                let mode = if name.ends_with("key") { 0o600 } else { 0o644 };
                write(&self.file(name), &text, mode)?;
            }
        }
        Ok(())
    }
}

fn write(path: &Path, text: &str, mode: u32) -> anyhow::Result<()> {
    let put = || {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
        file.write_all(text.as_bytes())
    };
    put().with_context(|| format!("cannot write {} (another folder: --dir DIR)", path.display()))
}
