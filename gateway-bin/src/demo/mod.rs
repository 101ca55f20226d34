//! `gateway demo`.
use std::process::ExitCode;

use crate::cli::DemoArgs;

/// Not there yet.
pub(crate) fn run(_: &DemoArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not there yet")
}
