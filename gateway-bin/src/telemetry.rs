//! Logs and the access log of the process.
use std::{fs::OpenOptions, io, path::Path};

use anyhow::{Context as _, bail};
use gateway_core::template::Template;
use gateway_layers::http::access_log::{AccessLog, Format};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use crate::cli::{LogArgs, LogFormat};

/// What a level may be.
const LEVELS: &str = "it must be error, warn, info, debug, trace, off, or a filter such as info,h2=debug";

/// Logs to standard error.
pub(crate) fn logs(args: &LogArgs) -> anyhow::Result<()> {
    let level = args.log_level.trim();
    // A lone word that is no level would be taken for the name of a module, and silence everything else.
    if !level.contains(['=', ',', '[']) && level.parse::<LevelFilter>().is_err() {
        bail!("--log-level `{level}`: {LEVELS}");
    }
    let filter = EnvFilter::try_new(level).with_context(|| format!("--log-level `{level}`: {LEVELS}"))?;
    // A reader that went away must not end what it only watched: failed writes are not reported, which would panic.
    let builder = tracing_subscriber::fmt().log_internal_errors(false).with_env_filter(filter);
    let builder = builder.with_writer(io::stderr).with_target(false);
    match args.log_format {
        LogFormat::Text => builder.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).try_init(),
        LogFormat::Json => builder.json().try_init(),
    }
    .map_err(|error| anyhow::anyhow!("cannot set up logs: {error}"))
}

/// The access log, if one is wanted.
pub(crate) fn access_log(args: &LogArgs) -> anyhow::Result<Option<AccessLog>> {
    let Some(path) = &args.access_log else { return Ok(None) };
    let format = match args.access_log_format.as_str() {
        "text" => Format::default_text(),
        "json" => Format::default_json(),
        text => Format::Text(Template::parse(text.trim_end_matches('\n')).context("--access-log-format")?),
    };
    let log = if path == Path::new("-") {
        AccessLog::new(format, io::LineWriter::new(io::stdout()))
    } else {
        let open = OpenOptions::new().create(true).append(true).open(path);
        let file = open.with_context(|| format!("cannot write the access log {}", path.display()))?;
        AccessLog::new(format, io::BufWriter::new(file))
    };
    log.map(Some).context("cannot start the access log")
}
