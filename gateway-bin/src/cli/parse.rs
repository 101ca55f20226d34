//! From words and variables to the flags: which of them counts.
use std::{env, ffi::OsString, path::PathBuf};

use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, error::ErrorKind, parser::ValueSource};

use super::{Admin, Cli, Command, ConfigArgs};

impl Cli {
    /// Of this process; ends it with a message and 2 if it was not used right.
    pub(crate) fn of_process() -> Self {
        Self::from_words(env::args_os()).unwrap_or_else(|error| error.exit())
    }

    /// Of these words, the program's name first, and the variables.
    pub(crate) fn from_words<I, W>(words: I) -> Result<Self, clap::Error>
    where
        I: IntoIterator<Item = W>,
        W: Into<OsString> + Clone,
    {
        let mut command = without_void_variables(Self::command());
        let matches = command.try_get_matches_from_mut(words)?;
        let mut cli = Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
        if let Some((name, matches)) = matches.subcommand()
            && let Err((kind, message)) = cli.command.settle(matches)
        {
            let command = command.find_subcommand_mut(name).expect("it was chosen");
            return Err(command.error(kind, message));
        }
        Ok(cli)
    }
}

/// A variable that is empty is as good as none: `GATEWAY_SECRETS= gateway run`. So is what Kubernetes sets for a Service
/// of the name `gateway`: `GATEWAY_PORT=tcp://10.0.0.1:80`.
fn without_void_variables(command: clap::Command) -> clap::Command {
    let void = |value: OsString| value.is_empty() || value.to_string_lossy().starts_with("tcp://");
    let command = command.mut_args(|arg| {
        let void = arg.get_env().is_some_and(|name| env::var_os(name).is_some_and(void));
        if void { arg.env(None::<&str>) } else { arg }
    });
    command.mut_subcommands(without_void_variables)
}

type Misuse = (ErrorKind, &'static str);

impl Command {
    fn settle(&mut self, matches: &ArgMatches) -> Result<(), Misuse> {
        let given = |flag| matches.value_source(flag) == Some(ValueSource::CommandLine);
        match self {
            Self::Run(args) => {
                args.config.split(given("files"));
                args.config.named()?;
            }
            Self::Check(args) => {
                args.config.split(given("files"));
                args.config.named()?;
            }
            Self::ProxyConfig(args) => {
                args.config.split(given("files"));
                if given("admin") {
                    if given("files") {
                        return Err((
                            ErrorKind::ArgumentConflict,
                            "-f and --admin exclude each other: files, or a running gateway",
                        ));
                    }
                    args.config.files.clear();
                }
                if args.admin == Admin(None) {
                    args.config.named()?;
                }
            }
            Self::Demo(_) => {}
        }
        Ok(())
    }
}

impl ConfigArgs {
    /// The variable is a list of paths as PATH is; a path among the words is one path, whatever is in it.
    fn split(&mut self, given: bool) {
        if !given {
            let paths = self.files.iter().flat_map(env::split_paths);
            self.files = paths.filter(|path| path.as_os_str() != "").collect::<Vec<PathBuf>>();
        }
    }

    fn named(&self) -> Result<(), Misuse> {
        if self.files.is_empty() {
            return Err((
                ErrorKind::MissingRequiredArgument,
                "no configuration is named: -f PATH, or GATEWAY_FILE=PATH:PATH",
            ));
        }
        Ok(())
    }
}
