//! `gateway run`: serves until a signal ends it.
use std::{
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use anyhow::Context as _;
use gateway_core::{
    diagnostic::{Severity, render},
    model::Config,
};
use gateway_layers::{
    conn::{Drain, HttpOptions},
    http::metrics::BUCKETS,
    stack::{Bound, Gateway, Options, WorkerSockets},
    worker,
};
use http::HeaderValue;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

use super::check::summary;
use crate::{
    admin,
    cli::{DrainArgs, OnError, RunArgs},
    exit,
    load::{Loaded, load},
    telemetry,
};

/// Loads, opens, serves.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    telemetry::logs(&args.logs)?;
    let loaded = load(&args.config, true)?;
    if let Some(code) = refused(args, &loaded)? {
        return Ok(code);
    }
    serve(args, loaded.config)
}

/// Prints the findings; the exit code if they forbid to start.
fn refused(args: &RunArgs, loaded: &Loaded) -> anyhow::Result<Option<ExitCode>> {
    let color = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let worth: Vec<_> = loaded.findings.iter().filter(|finding| finding.severity > Severity::Note).cloned().collect();
    io::stderr().write_all(render(&worth, &loaded.files, color).as_bytes())?;
    for note in loaded.findings.iter().filter(|finding| finding.severity == Severity::Note) {
        info!("{}", note.short());
    }
    if loaded.has(Severity::Error) {
        if args.on_error == OnError::Refuse {
            eprintln!("{}; not started (--on-error=skip serves the valid rest)", summary(loaded));
            return Ok(Some(ExitCode::from(exit::FINDINGS)));
        }
        warn!("degraded: {}; the objects with errors are not served", summary(loaded));
    }
    if loaded.config.listeners.is_empty() {
        let labels: Vec<_> = args.config.labels.0.iter().map(|(key, value)| format!("{key}={value}")).collect();
        eprintln!(
            "error: no listener to open: no Gateway selects this gateway, whose labels are {} (--labels), or none \
             of the selected has a server that can be served",
            labels.join(",")
        );
        return Ok(Some(ExitCode::from(exit::FAILED)));
    }
    Ok(None)
}

/// Serves a configuration until a signal comes and everything has ended.
fn serve(args: &RunArgs, config: Config) -> anyhow::Result<ExitCode> {
    raise_file_limit();
    let workers = args.threads.map_or_else(|| thread::available_parallelism().map_or(1, usize::from), |n| n.max(1));
    let recorder = PrometheusBuilder::new().set_buckets(&BUCKETS)?.build_recorder();
    let metrics = recorder.handle();
    let mut builder = Gateway::builder(config).options(options(args)?).workers(workers).metrics(Arc::new(recorder));
    if let Some(log) = telemetry::access_log(&args.logs)? {
        builder = builder.access_log(log);
    }
    if args.on_error == OnError::Skip {
        builder = builder.skip_errors();
    }
    let gateway = builder.build()?;
    for problem in gateway.problems() {
        warn!("{problem}; this server's handshakes fail");
    }
    let bound = gateway.bind()?;
    let drain = Drain::new();
    let admin = admin::Admin::open(args.admin.0, gateway.clone(), metrics.clone(), drain.clone(), &bound)?;
    let control = control(gateway, drain.clone(), args.drain, metrics, admin)?;
    for listener in bound.listeners() {
        info!(port = listener.port, address = %listener.address, "listening");
    }
    work(workers, bound, &drain)?;
    control.join().map_err(|_| anyhow::anyhow!("the control thread panicked"))?
}

/// One runtime, one set of sockets per worker.
fn work(workers: usize, bound: Bound, drain: &Drain) -> anyhow::Result<()> {
    let sockets: Mutex<Vec<WorkerSockets>> = Mutex::new(bound.into_workers());
    worker::run(workers, async |_| {
        let own = sockets.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(own) = own {
            own.serve(drain.watch()).await?;
        }
        // The connections of this worker go on in its runtime until the drain is over.
        drain.ended().await;
        Ok(())
    })
    .context("cannot run the workers")
}

/// Signals, metrics' upkeep and the admin server: a thread and a runtime of their own, so that a scrape cannot delay
/// traffic.
fn control(
    gateway: Gateway,
    drain: Drain,
    args: DrainArgs,
    metrics: PrometheusHandle,
    admin: Option<admin::Admin>,
) -> anyhow::Result<thread::JoinHandle<anyhow::Result<ExitCode>>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let signals = {
        // Before anything is served: a signal is never met by the system's default, which kills.
        let _in_runtime = runtime.enter();
        Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? }
    };
    let main = async move {
        if let Some(admin) = admin {
            tokio::spawn(admin.serve());
        }
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(5)).await;
                metrics.run_upkeep();
            }
        });
        until_drained(&gateway, &drain, args, signals).await
    };
    let thread = thread::Builder::new().name("control".to_owned());
    Ok(thread.spawn(move || runtime.block_on(main))?)
}

/// The signals that end the process.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

async fn until_drained(
    gateway: &Gateway,
    drain: &Drain,
    args: DrainArgs,
    signals: Signals,
) -> anyhow::Result<ExitCode> {
    let Signals { mut terminate, mut interrupt } = signals;
    let least = tokio::select! {
        _ = terminate.recv() => args.min_drain,
        _ = interrupt.recv() => Duration::ZERO,
    };
    info!(requests = gateway.in_flight(), connections = drain.connections(), "draining");
    let all = tokio::select! {
        all = gateway.drain(drain, least, args.drain_timeout) => all,
        _ = terminate.recv() => std::process::exit(143),
        _ = interrupt.recv() => std::process::exit(130),
    };
    if all {
        info!("drained");
        return Ok(ExitCode::SUCCESS);
    }
    warn!(connections = drain.connections(), "the drain's time is over; ending what is left");
    std::process::exit(i32::from(exit::FAILED))
}

fn options(args: &RunArgs) -> anyhow::Result<Options> {
    let limits = &args.limits;
    let mut http = HttpOptions::default();
    http.head_timeout = limits.head_timeout;
    http.keep_alive = limits.keep_alive;
    http.max_head = limits.max_head;
    http.max_fields = limits.max_fields;
    http.max_streams = limits.max_streams;
    http.max_pending_resets = limits.max_pending_resets;
    http.max_error_resets = limits.max_error_resets;
    let mut options = Options::default();
    options.ports = args.ports.iter().map(|map| (map.port, map.address)).collect();
    options.handshake_timeout = limits.handshake_timeout;
    options.http = http;
    options.server = HeaderValue::try_from(limits.server_header.as_str()).context("--server-header")?;
    options.normalization = limits.path_normalization.into();
    Ok(options)
}

/// As many connections as the system allows, not as a shell's default does.
fn raise_file_limit() {
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        warn!(%error, "cannot raise the limit of open files");
    }
}
