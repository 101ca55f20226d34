//! Files to a configuration and its findings: the one way, for every command.
mod credentials;
mod files;
mod secrets;

use gateway_core::{
    diagnostic::{Diagnostic, Severity, SourceFile, UNSUPPORTED_KIND},
    istio::{ParseOptions, parse},
    model::Config,
    translate::{Settings, translate},
};

use self::secrets::{Secrets, in_folders};
use crate::cli::ConfigArgs;

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
    let mut texts = files::read(&args.files)?;
    let in_files = texts.files.len();
    if let Some(folder) = &args.secrets {
        let secrets = Secrets::read(folder, &args.namespace)?;
        texts.files.extend(secrets.texts);
        texts.findings.extend(secrets.findings);
    }
    let files = texts.files;
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
    let (resources, more) = parse(&files, &options);
    let mut findings = texts.findings;
    findings.extend(more);
    for finding in findings.iter_mut().filter(|finding| finding.code == UNSUPPORTED_KIND) {
        let kind = finding.resource.as_ref().map_or_else(|| "KIND".to_owned(), |resource| resource.kind.to_string());
        finding.help(format!("remove the object, or leave its kind out: --ignore-kind {kind}"));
    }
    let (config, more) = translate(&resources, &settings);
    findings.extend(more);
    findings.extend(credentials::findings(&config, &resources, start));
    in_folders(&mut findings, &files[in_files..]);
    Ok(Loaded { files, config, findings })
}
