//! The recorded verdicts, and translations as tables.

use std::path::{Path, PathBuf};

use super::*;
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::istio::{ParseOptions, parse};

fn cases_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases")
}

/// `${certs/NAME}` stands for a file's text; any text will do here.
fn without_files(config: &str) -> String {
    let mut out = String::new();
    let mut rest = config;
    while let Some((before, after)) = rest.split_once("${certs/") {
        out += before;
        out += "PEM";
        rest = after.split_once('}').map_or("", |(_, rest)| rest);
    }
    out + rest
}

fn load(config: &str) -> (Config, Vec<Diagnostic>) {
    let fixture = std::fs::read_to_string(cases_folder().join("fixture.yaml")).unwrap();
    let files = [SourceFile::new("fixture.yaml", fixture), SourceFile::new("config", without_files(config))];
    let (resources, mut findings) = parse(&files, &ParseOptions::default());
    let (config, more) = translate(&resources, &Settings::default());
    findings.extend(more);
    (config, findings)
}

#[test]
fn recorded_verdicts() {
    let mut wrong = Vec::new();
    let mut total = 0;
    let mut topics: Vec<_> = std::fs::read_dir(cases_folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    topics.sort();
    for topic in topics.iter().filter(|path| path.is_dir()) {
        let mut files: Vec<_> = std::fs::read_dir(topic).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for file in files {
            let case: serde_yaml::Value = serde_yaml::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
            let Some(config) = case["config"].as_str() else { continue };
            let expected = case["expected_verdict"].as_str().or_else(|| case["verdict"].as_str()).unwrap();
            let (_, findings) = load(config);
            let rejected = findings.iter().any(Diagnostic::is_rejection);
            total += 1;
            if (expected == "rejected") != rejected {
                let shown: Vec<_> = findings.iter().filter(|d| d.is_rejection()).map(Diagnostic::short).collect();
                wrong.push(format!("{}: expected {expected}: {shown:?}", file.display()));
            }
        }
    }
    assert!(total > 0);
    assert!(wrong.is_empty(), "{} of {total}:\n{}", wrong.len(), wrong.join("\n"));
}
