//! `gateway check`: all findings of all files in one run.
use std::{
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
};

use gateway_core::diagnostic::{Diagnostic, Severity};
use serde_json::json;

use crate::{
    cli::{CheckArgs, CheckOutput, Color, FailOn},
    cmd::findings,
    exit,
    load::{Loaded, load},
    say,
};

/// Prints the findings; the exit code does not depend on the form.
pub(crate) fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let loaded = load(&args.config, false)?;
    let text = match args.output {
        CheckOutput::Text => findings::text(&loaded.findings, Severity::Note, &loaded.files, colored(args.color)),
        CheckOutput::Short => loaded.findings.iter().map(|finding| finding.short() + "\n").collect(),
        CheckOutput::Json => {
            let findings: Vec<_> = loaded.findings.iter().map(to_json).collect();
            serde_json::to_string_pretty(&findings)? + "\n"
        }
    };
    io::stdout().write_all(text.as_bytes())?;
    say(summary(&loaded));
    let failed = match args.fail_on {
        FailOn::Error => loaded.has(Severity::Error),
        FailOn::Warning => loaded.has(Severity::Warning),
        FailOn::Never => false,
    };
    Ok(if failed { ExitCode::from(exit::FINDINGS) } else { ExitCode::SUCCESS })
}

/// Colours on standard output?
fn colored(color: Color) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => io::stdout().is_terminal() && !no_color(),
    }
}

/// Are colours unwanted everywhere? See <https://no-color.org>.
pub(crate) fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// `2 errors, 1 warning in 3 files`.
pub(crate) fn summary(loaded: &Loaded) -> String {
    let count = |severity| loaded.findings.iter().filter(|finding| finding.severity == severity).count();
    let plural = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    format!(
        "{}, {}, {} in {}",
        plural(count(Severity::Error), "error"),
        plural(count(Severity::Warning), "warning"),
        plural(count(Severity::Note), "note"),
        plural(loaded.files.len(), "file")
    )
}

fn to_json(finding: &Diagnostic) -> serde_json::Value {
    let labels: Vec<_> = finding
        .labels
        .iter()
        .map(|label| {
            let place = &label.place;
            json!({
                "file": &*label.file, "line": place.line, "column": place.column, "text": label.text,
                "primary": label.primary, "bytes": [place.range.start, place.range.end],
            })
        })
        .collect();
    json!({
        "code": finding.code,
        "severity": finding.severity.to_string(),
        "message": finding.message,
        "resource": finding.resource.as_ref().map(ToString::to_string),
        "path": finding.path,
        "labels": labels,
        "help": finding.help,
        "notes": finding.notes,
    })
}
