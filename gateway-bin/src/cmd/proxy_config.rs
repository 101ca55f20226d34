//! `gateway proxy-config`: the same answer for files and for the running gateway.
use std::{
    io::{self, Write as _},
    net::SocketAddr,
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use gateway_core::diagnostic::Severity;
use http::{Request, header::HOST};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Serialize;

use crate::{
    cli::{Output, ProxyConfigArgs, What},
    cmd::check::summary,
    dump::Dump,
    exit,
    load::load,
    say,
};

/// Prints the part that was asked for.
pub(crate) fn run(args: &ProxyConfigArgs) -> anyhow::Result<ExitCode> {
    let dump = if args.config.files.is_empty() {
        let address = args.admin.0.context("name files (-f PATH) or a running gateway (--admin ADDR)")?;
        match ask(address) {
            Ok(dump) => dump,
            Err(error) => {
                say(format_args!(
                    "error: {error:#} (is it running? another address: --admin ADDR:PORT; or name files: -f PATH)"
                ));
                return Ok(ExitCode::from(exit::UNREACHABLE));
            }
        }
    } else {
        let loaded = load(&args.config, false)?;
        if loaded.has(Severity::Error) {
            say(format_args!("{}: objects with errors are left out (`gateway check` shows them)", summary(&loaded)));
        }
        Dump::new(&loaded.config, &[])
    };
    let text = match args.what {
        What::Listeners => shown(args.output, &dump.listeners, || listeners(&dump)),
        What::Routes => shown(args.output, &dump.routes, || routes(&dump)),
        What::Clusters => shown(args.output, &dump.clusters, || clusters(&dump)),
        What::Secrets => shown(args.output, &dump.secrets, || secrets(&dump)),
    }?;
    io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn shown<T: Serialize>(output: Output, data: &T, table: impl Fn() -> String) -> anyhow::Result<String> {
    Ok(match output {
        Output::Table => table(),
        Output::Json => serde_json::to_string_pretty(data)? + "\n",
        Output::Yaml => serde_yaml::to_string(data)?,
    })
}

fn listeners(dump: &Dump) -> String {
    let row = |row: &crate::dump::ListenerDump| {
        vec![row.address.clone(), row.port.to_string(), row.r#match.clone(), row.destination.clone()]
    };
    table(&["ADDRESS", "PORT", "MATCH", "DESTINATION"], dump.listeners.iter().map(row))
}

fn routes(dump: &Dump) -> String {
    let mut rows = Vec::new();
    for host in &dump.routes {
        let row = |matches: &str, action: &str, service: &str, origin: &str| {
            [&host.name, &host.domain, matches, action, service, origin].map(ToOwned::to_owned).to_vec()
        };
        if host.https_redirect {
            rows.push(row("http", "redirect 301 https:", "", ""));
        }
        if host.rules.is_empty() && !host.https_redirect {
            rows.push(row("", "404", "", ""));
        }
        let rules = host.rules.iter();
        rows.extend(rules.map(|rule| row(&rule.r#match, &rule.action, &rule.virtual_service, &rule.origin)));
    }
    table(&["NAME", "DOMAIN", "MATCH", "ACTION", "VIRTUAL SERVICE", "ORIGIN"], rows)
}

fn clusters(dump: &Dump) -> String {
    let row = |row: &crate::dump::ClusterDump| {
        let subset = if row.subset.is_empty() { "-" } else { &row.subset };
        let endpoints = if row.endpoints.is_empty() { "-".to_owned() } else { row.endpoints.join(",") };
        vec![
            row.host.clone(),
            row.port.to_string(),
            subset.to_owned(),
            "outbound".to_owned(),
            row.r#type.clone(),
            row.protocol.clone(),
            endpoints,
        ]
    };
    let heads = ["SERVICE FQDN", "PORT", "SUBSET", "DIRECTION", "TYPE", "PROTOCOL", "ENDPOINTS"];
    table(&heads, dump.clusters.iter().map(row))
}

fn secrets(dump: &Dump) -> String {
    let row = |row: &crate::dump::SecretDump| {
        vec![
            row.name.clone(),
            row.r#type.clone(),
            row.status.clone(),
            row.valid.to_string(),
            row.serial.clone(),
            row.not_after.clone(),
            row.not_before.clone(),
            row.days_left.map(|days| days.to_string()).unwrap_or_default(),
        ]
    };
    let heads =
        ["RESOURCE NAME", "TYPE", "STATUS", "VALID CERT", "SERIAL NUMBER", "NOT AFTER", "NOT BEFORE", "DAYS LEFT"];
    table(&heads, dump.secrets.iter().map(row))
}

/// Columns as wide as their widest cell, three blanks between them.
fn table(heads: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut all = vec![heads.iter().map(|&head| head.to_owned()).collect::<Vec<_>>()];
    all.extend(rows);
    let width = |column: usize| all.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<_> = (0..heads.len()).map(|column| width(column).unwrap_or(0)).collect();
    let mut out = String::new();
    for row in &all {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        out.push_str(cells.join("   ").trim_end());
        out.push('\n');
    }
    out
}

/// What a running gateway serves.
fn ask(address: SocketAddr) -> anyhow::Result<Dump> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let body = runtime.block_on(async {
        let io = tokio::net::TcpStream::connect(address).await?;
        let (mut send, driver) = http1::handshake(TokioIo::new(io)).await?;
        tokio::spawn(driver);
        let request = Request::get("/config_dump").header(HOST, address.to_string()).body(Empty::<Bytes>::new())?;
        let answer = send.send_request(request).await?;
        if !answer.status().is_success() {
            bail!("it answered {}", answer.status());
        }
        Ok(answer.into_body().collect().await?.to_bytes())
    });
    let body = body.with_context(|| format!("cannot ask the gateway at {address}"))?;
    serde_json::from_slice(&body).with_context(|| format!("{address} gave something else than a configuration"))
}
