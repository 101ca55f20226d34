//! `gateway demo`: a complete gateway on this machine, served through the same code as `gateway run`.
mod files;
mod pki;
mod tour;
mod upstreams;

use std::{
    ffi::OsStr,
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use gateway_core::model::{Config, Endpoints};

use self::{files::Folder, upstreams::Upstream};
use crate::{
    cli::{Admin, Cli, Command, DemoArgs, PortMap, RunArgs},
    cmd::run,
    telemetry,
};

/// What is added to the first port for the last one.
const LAST: u16 = 1001;

/// The ports of the demo, all on 127.0.0.1.
#[derive(Clone, Copy, Debug)]
struct Ports {
    http: u16,
    https: u16,
    admin: u16,
    /// The upstream of prd.
    prd: u16,
    /// The upstream of api.
    api: u16,
}

impl Ports {
    fn from_base(base: u16) -> anyhow::Result<Self> {
        if base == 0 || base.checked_add(LAST).is_none() {
            bail!("--port-base {base}: five ports up to +{LAST} are needed: give one of 1 to {}", u16::MAX - LAST);
        }
        Ok(Self { http: base, https: base + 363, admin: base + 920, prd: base + 1000, api: base + LAST })
    }
}

/// Makes what is missing in the folder, starts the upstreams, serves.
pub(crate) fn run(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    let ports = Ports::from_base(args.port_base)?;
    let folder = Folder::open(args.dir.as_deref())?;
    folder.fill(ports)?;
    let run_args = run_args(&folder, ports)?;
    telemetry::logs(&run_args.logs)?;
    let config = match run::loaded(&run_args)? {
        Ok(config) => config,
        Err(code) => return Ok(code),
    };
    warn_of_other_ports(&config, &folder, ports);
    upstreams::start(&[
        Upstream { name: "prd", address: local(ports.prd) },
        Upstream { name: "api", address: local(ports.api) },
    ])?;
    let text = tour::text(&folder, ports);
    run::serve(&run_args, config, || {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot print what to try")
    })
}

/// The flags that `gateway run` would be given; what is not set here comes from `GATEWAY_*` or is `run`'s default.
fn run_args(folder: &Folder, ports: Ports) -> anyhow::Result<RunArgs> {
    let config = folder.config();
    let words = ["gateway", "run", "--file"].map(OsStr::new).into_iter().chain([config.as_os_str()]);
    let Command::Run(mut args) = Cli::from_words(words)?.command else {
        bail!("`gateway run` is not a command");
    };
    args.config.secrets = Some(folder.secrets());
    args.ports = [(80, ports.http), (443, ports.https)].map(|(port, to)| PortMap { port, address: local(to) }).to_vec();
    args.admin = Admin(Some(local(ports.admin)));
    args.logs.access_log.get_or_insert_with(|| PathBuf::from("-"));
    Ok(*args)
}

/// A folder of an earlier run with another `--port-base` has YAML that leads to other ports.
fn warn_of_other_ports(config: &Config, folder: &Folder, ports: Ports) {
    for port in [ports.prd, ports.api] {
        let address = local(port);
        let leads = |endpoints: &Endpoints| match endpoints {
            Endpoints::Static(all) => all.iter().any(|endpoint| endpoint.address.to_string() == address.to_string()),
            _ => false,
        };
        if !config.clusters.iter().any(|cluster| leads(&cluster.endpoints)) {
            tracing::warn!(
                "no destination leads to the demo's upstream at {address}: was {} written with another --port-base? \
                 Put the port there, or remove the file: it is made anew",
                folder.services().display()
            );
        }
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
