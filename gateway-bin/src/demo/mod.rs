//! `gateway demo`: everything that it takes to see the gateway work, on 127.0.0.1.
mod pki;
mod upstream;

use std::{fs, net::SocketAddr, path::Path, process::ExitCode, thread};

use anyhow::Context as _;
use clap::Parser as _;

use crate::{
    cli::{Cli, Command, DemoArgs},
    cmd,
};

/// The YAML that is written, to be edited.
const CONFIG: &str = include_str!("demo.yaml");
/// Where it lies in the demo's folder.
const CONFIG_FILE: &str = "config/demo.yaml";

/// The ports, each at a fixed distance from the first.
#[derive(Clone, Copy)]
struct Ports {
    http: u16,
    https: u16,
    admin: u16,
    prd: u16,
    api: u16,
}

impl Ports {
    fn from(base: u16) -> anyhow::Result<Self> {
        let port = |distance: u16| base.checked_add(distance).context("--port-base is too high");
        Ok(Self { http: base, https: port(363)?, admin: port(920)?, prd: port(1000)?, api: port(1001)? })
    }
}

/// Writes what is missing, starts the upstreams, tells what to try, and serves like `run`.
pub(crate) fn run(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    let ports = Ports::from(args.port_base)?;
    let folder = match &args.dir {
        Some(folder) => folder.clone(),
        None => std::env::temp_dir().join(format!("gateway-demo-{}", args.port_base)),
    };
    write(&folder, ports).with_context(|| format!("cannot write the demo's files to {}", folder.display()))?;
    upstreams(ports)?;
    let command = serving(&folder, ports)?;
    print!("{}", told(&folder, ports));
    match command {
        Command::Run(args) => cmd::run::run(&args),
        _ => anyhow::bail!("the demo's own command line is not `run`"),
    }
}

/// Certificates are made anew each time; YAML that was edited stays.
fn write(folder: &Path, ports: Ports) -> anyhow::Result<()> {
    pki::write(folder)?;
    let config = folder.join(CONFIG_FILE);
    fs::create_dir_all(config.parent().unwrap_or(folder))?;
    if !config.exists() {
        let text = CONFIG.replace("@PRD@", &ports.prd.to_string()).replace("@API@", &ports.api.to_string());
        fs::write(config, text)?;
    }
    Ok(())
}

fn upstreams(ports: Ports) -> anyhow::Result<()> {
    for (name, port) in [("prd", ports.prd), ("api", ports.api)] {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let socket = std::net::TcpListener::bind(address)
            .with_context(|| format!("cannot open port {port} for the upstream `{name}` (others: --port-base N)"))?;
        thread::Builder::new().name(format!("upstream-{name}")).spawn(move || upstream::serve(name, socket))?;
    }
    Ok(())
}

/// The same as a user would type.
fn serving(folder: &Path, ports: Ports) -> anyhow::Result<Command> {
    let folder = folder.display();
    let words = [
        "gateway".to_owned(),
        "run".to_owned(),
        format!("--file={folder}/config"),
        format!("--secrets={folder}/secrets"),
        format!("--port=80=127.0.0.1:{}", ports.http),
        format!("--port=443=127.0.0.1:{}", ports.https),
        format!("--admin=127.0.0.1:{}", ports.admin),
        "--min-drain=0s".to_owned(),
    ];
    Ok(Cli::try_parse_from(words)?.command)
}

/// What to try, and what each answers.
fn told(folder: &Path, ports: Ports) -> String {
    let http = |host: &str| format!("--connect-to {host}:80:127.0.0.1:{}", ports.http);
    let https =
        |host: &str| format!("--connect-to {host}:443:127.0.0.1:{} --cacert {}/ca.pem", ports.https, folder.display());
    let client = format!("--cert {0}/client.pem --key {0}/client.key", folder.display());
    let (prd, api, admin) = ("prd.istioinaction.io", "api.istioinaction.io", "admin.istioinaction.io");
    let secure = "apiserver.istioinaction.io";
    let tries = [
        ("plain HTTP, one address and two names: prd answers", format!("curl {} http://{prd}/", http(prd))),
        ("and api, under another path", format!("curl {} http://{api}/v1/users", http(api))),
        ("redirect to HTTPS: 301", format!("curl -i {} 'http://{secure}/x?y=1'", http(secure))),
        ("HTTPS: api answers", format!("curl {} https://{secure}/", https(secure))),
        ("a client certificate is demanded: refused without", format!("curl {} https://{admin}/", https(admin))),
        ("and with it prd answers", format!("curl {} {client} https://{admin}/", https(admin))),
        ("a host nobody knows: 404", format!("curl -i {} http://nobody.example/", http("nobody.example"))),
        ("what is served", format!("gateway proxy-config routes --admin 127.0.0.1:{}", ports.admin)),
    ];
    let mut out = format!(
        "The demo's folder: {0}\n  {0}/{CONFIG_FILE} is the configuration: edit it and start again.\n\nTry:\n",
        folder.display()
    );
    for (what, command) in tries {
        out.push_str(&format!("\n# {what}\n{command}\n"));
    }
    out.push_str("\nIt ends with Ctrl-C.\n\n");
    out
}
