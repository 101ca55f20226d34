//! The `gateway` program: Istio's ingress configuration, served without Istio, Envoy or Kubernetes.
mod admin;
mod cli;
mod cmd;
mod demo;
mod dump;
mod load;
mod telemetry;

use std::{
    fmt,
    io::{self, Write as _},
    process::ExitCode,
};

use crate::cli::{Cli, Command};

/// Exit codes, the same for every command and output format.
mod exit {
    /// The operation failed.
    pub(crate) const FAILED: u8 = 1;
    /// The configuration has findings at or above the threshold.
    pub(crate) const FINDINGS: u8 = 3;
    /// The running gateway cannot be reached.
    pub(crate) const UNREACHABLE: u8 = 6;
}

fn main() -> ExitCode {
    let done = match Cli::of_process().command {
        Command::Run(args) => cmd::run::run(&args),
        Command::Check(args) => cmd::check::run(&args),
        Command::ProxyConfig(args) => cmd::proxy_config::run(&args),
        Command::Demo(args) => demo::run(&args),
    };
    done.unwrap_or_else(|error| {
        say(format_args!("error: {error:#}"));
        ExitCode::from(exit::FAILED)
    })
}

/// A line to standard error. Whoever closed it does not want it; `eprintln` would panic.
fn say(text: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{text}");
}
