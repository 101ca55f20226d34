//! The paths of `-f` to texts. What a folder holds and cannot be read is a finding, and the rest is read.
use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use anyhow::bail;
use gateway_core::{
    diagnostic::{Diagnostic, NO_EFFECT, Place, Severity, SourceFile, UNREADABLE},
    yaml::MAX_BYTES,
};

/// What was read, and what could not be.
#[derive(Debug, Default)]
pub(super) struct Texts {
    pub(super) files: Vec<SourceFile>,
    pub(super) findings: Vec<Diagnostic>,
}

/// Reads files, folders and `-`. The error names every path that is not there: that is a slip of the command, not of
/// the configuration.
pub(super) fn read(paths: &[PathBuf]) -> anyhow::Result<Texts> {
    let mut texts = Texts::default();
    let failures: Vec<_> = paths.iter().filter_map(|path| texts.named(path).err()).collect();
    if !failures.is_empty() {
        bail!(failures.join("; "));
    }
    Ok(texts)
}

impl Texts {
    fn named(&mut self, path: &Path) -> Result<(), String> {
        if path == Path::new("-") {
            return self.text("<stdin>", io::stdin()).map_err(|error| format!("cannot read standard input: {error}"));
        }
        let name = path.display().to_string();
        let cannot = |error| format!("cannot read {name}: {error}");
        if fs::metadata(path).map_err(cannot)?.is_dir() {
            let entries = sorted(path).map_err(cannot)?;
            let before = self.files.len() + self.findings.len();
            self.folder(entries);
            if self.files.len() + self.findings.len() == before {
                return Err(format!("{name} has no *.yaml, *.yml or *.json"));
            }
            return Ok(());
        }
        File::open(path).and_then(|file| self.text(&name, file)).map_err(cannot)
    }

    /// A folder's entries in the order of their names; hidden ones (`..data`, editors' copies) are left out.
    fn folder(&mut self, entries: Vec<PathBuf>) {
        for path in entries {
            let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            if hidden {
                continue;
            }
            let known = ["yaml", "yml", "json"].iter().any(|ours| path.extension().is_some_and(|own| own == *ours));
            match fs::metadata(&path) {
                // A link to a folder above would never end.
                Ok(about) if about.is_dir() && path.is_symlink() => self.linked_folder(&path),
                Ok(about) if about.is_dir() => match sorted(&path) {
                    Ok(entries) => self.folder(entries),
                    Err(error) => self.unreadable(&path, &error.to_string()),
                },
                _ if !known => {}
                // A pipe may never end, or never begin.
                Ok(about) if !about.is_file() => self.unreadable(&path, "it is no regular file"),
                Ok(_) => self.entry(&path),
                Err(error) if path.is_symlink() => self.unreadable(&path, &format!("where the link leads: {error}")),
                Err(error) => self.unreadable(&path, &error.to_string()),
            }
        }
    }

    fn entry(&mut self, path: &Path) {
        let read = File::open(path).and_then(|file| self.text(&path.display().to_string(), file));
        if let Err(error) = read {
            self.unreadable(path, &error.to_string());
        }
    }

    /// A text of bounded size. What it is, is a matter of the configuration; that it cannot be read, is the caller's.
    fn text(&mut self, name: &str, from: impl Read) -> io::Result<()> {
        let mut bytes = Vec::new();
        from.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > MAX_BYTES {
            let message = format!("{name} is larger than {} MiB", MAX_BYTES >> 20);
            self.add(name, Place { range: 0..0, line: 1, column: 1 }, message).help(
                "split it into several files, or take fewer objects at once (one namespace, no Secrets of others)",
            );
            return Ok(());
        }
        match String::from_utf8(bytes) {
            Ok(text) => self.files.push(SourceFile::new(name, text)),
            Err(error) => {
                let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                let place = end(&String::from_utf8_lossy(good));
                let message = format!("{name} is not UTF-8 (line {}, column {})", place.line, place.column);
                self.add(name, place, message).help("save it as UTF-8");
            }
        }
        Ok(())
    }

    fn unreadable(&mut self, path: &Path, reason: &str) {
        let name = path.display().to_string();
        self.add(&name, Place { range: 0..0, line: 1, column: 1 }, format!("cannot read {name}: {reason}"))
            .help("let this process read it, or take it out of the folder");
    }

    fn linked_folder(&mut self, path: &Path) {
        let name = path.display().to_string();
        let message = format!("{name} is a link to a folder, which is not followed");
        let finding = self.add(&name, Place { range: 0..0, line: 1, column: 1 }, message);
        finding.code = NO_EFFECT;
        finding.severity = Severity::Warning;
        finding.help(format!("name it: -f {name}"));
    }

    fn add(&mut self, name: &str, place: Place, message: String) -> &mut Diagnostic {
        let mut finding = Diagnostic::new(UNREADABLE, Severity::Error, message);
        finding.at(&name.into(), place, "");
        self.findings.push(finding);
        let last = self.findings.len() - 1;
        &mut self.findings[last]
    }
}

/// A folder's entries in the order of their names.
pub(super) fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = entries.collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// The place behind a text.
fn end(text: &str) -> Place {
    let line = text.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = text.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    Place { range: text.len()..text.len(), line, column }
}
