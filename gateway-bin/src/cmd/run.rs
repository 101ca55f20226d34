//! `gateway run`: serves until a signal ends it.
use std::{
    io::{self, IsTerminal as _, Write as _},
    panic::{self, AssertUnwindSafe},
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use anyhow::Context as _;
use gateway_core::{diagnostic::Severity, forwarded::Trust, model::Config};
use gateway_layers::{
    conn::{Drain, HttpOptions},
    http::{access_log::AccessLog, metrics::BUCKETS},
    stack::{Bound, Gateway, Options, WorkerSockets},
    worker,
};
use http::HeaderValue;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::{
    runtime::{self, Runtime},
    signal::unix::{Signal, SignalKind, signal},
};
use tracing::{info, warn};

use super::{
    check::{no_color, summary},
    credentials::Credentials,
    findings, skip,
};
use crate::{
    admin,
    cli::{DrainArgs, OnError, RunArgs},
    exit,
    load::{Loaded, load},
    say, telemetry,
};

/// Loads, opens, serves.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    telemetry::logs(&args.logs)?;
    match loaded(args)? {
        Ok(config) => serve(args, config, || Ok(())),
        Err(code) => Ok(code),
    }
}

/// The configuration, or the exit code if its findings forbid to start; they are printed.
pub(crate) fn loaded(args: &RunArgs) -> anyhow::Result<Result<Config, ExitCode>> {
    let loaded = load(&args.config, true)?;
    Ok(refused(args, &loaded)?.map_or(Ok(loaded.config), Err))
}

/// Prints the findings; the exit code if they forbid to start.
fn refused(args: &RunArgs, loaded: &Loaded) -> anyhow::Result<Option<ExitCode>> {
    let color = io::stderr().is_terminal() && !no_color();
    let text = findings::text(&loaded.findings, Severity::Warning, &loaded.files, color);
    // A reader that went away is no reason not to serve.
    let _ = io::stderr().write_all(text.as_bytes());
    let notes = loaded.findings.iter().filter(|finding| finding.severity == Severity::Note);
    for note in notes.take(findings::MOST) {
        info!("{}", note.short());
    }
    if loaded.has(Severity::Error) {
        if args.on_error == OnError::Refuse {
            say(format_args!("{}; not started (gateway run --on-error=skip serves the valid rest)", summary(loaded)));
            return Ok(Some(ExitCode::from(exit::FINDINGS)));
        }
        if let Some(finding) = loaded.findings.iter().find(|finding| skip::forbids(finding, &loaded.files)) {
            say(format_args!(
                "not started: nobody knows what the object with this error closes, and the rest might open it: {}",
                finding.short()
            ));
            return Ok(Some(ExitCode::from(exit::FINDINGS)));
        }
        warn!("degraded: {}; the objects with errors are not served", summary(loaded));
    }
    if loaded.config.listeners.is_empty() {
        let labels: Vec<_> = args.config.labels.0.iter().map(|(key, value)| format!("{key}={value}")).collect();
        say(format_args!(
            "error: no listener to open: no Gateway selects this gateway, whose labels are {} (--labels), or none \
             of the selected has a server that can be served",
            labels.join(",")
        ));
        return Ok(Some(ExitCode::from(exit::FAILED)));
    }
    Ok(None)
}

/// Serves a configuration until a signal comes and everything has ended. `opened` is called when all ports are open.
pub(crate) fn serve(
    args: &RunArgs,
    config: Config,
    opened: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    raise_file_limit();
    // Before anything is open: a signal must not find a gateway that is said to listen and does not drain.
    let control = Control::new()?;
    let workers = args.threads.map_or_else(|| thread::available_parallelism().map_or(1, usize::from), |n| n.max(1));
    let recorder = PrometheusBuilder::new().set_buckets(&BUCKETS)?.build_recorder();
    let metrics = recorder.handle();
    let recorder = Arc::new(recorder);
    let mut builder = Gateway::builder(config).options(options(args)?).workers(workers).metrics(recorder.clone());
    let access_log = telemetry::access_log(&args.logs)?;
    if let Some(log) = &access_log {
        builder = builder.access_log(log.clone());
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
    for listener in bound.listeners() {
        info!(port = listener.port, address = %listener.address, "listening");
    }
    opened()?;
    let credentials =
        Credentials { args: args.config.clone(), gateway: gateway.clone(), recorder, every: args.watch_interval };
    let end = End { gateway, drain: drain.clone(), args: args.drain, access_log };
    let control = control.start(end, metrics, admin, credentials)?;
    work(workers, bound, &drain)?;
    control.join().map_err(|_| anyhow::anyhow!("the control thread panicked"))
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
struct Control {
    runtime: Runtime,
    signals: Signals,
}

/// What ends the process.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Control {
    /// From here on signals are taken.
    fn new() -> anyhow::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let signals = {
            let _entered = runtime.enter();
            Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? }
        };
        Ok(Self { runtime, signals })
    }

    fn start(
        self,
        end: End,
        metrics: PrometheusHandle,
        admin: Option<admin::Admin>,
        credentials: Credentials,
    ) -> anyhow::Result<thread::JoinHandle<ExitCode>> {
        let main = async move {
            if let Some(admin) = admin {
                tokio::spawn(admin.serve());
            }
            tokio::spawn(credentials.watch());
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(Duration::from_secs(5)).await;
                    metrics.run_upkeep();
                }
            });
            end.after(self.signals).await
        };
        let thread = thread::Builder::new().name("control".to_owned());
        Ok(thread.spawn(move || {
            let ended = panic::catch_unwind(AssertUnwindSafe(|| self.runtime.block_on(main)));
            // Without this thread nothing could end the process any more.
            ended.unwrap_or_else(|_| std::process::exit(i32::from(exit::FAILED)))
        })?)
    }
}

/// What is to be ended.
struct End {
    gateway: Gateway,
    drain: Drain,
    args: DrainArgs,
    access_log: Option<AccessLog>,
}

impl End {
    /// Waits for a signal, drains, and writes out what is logged.
    async fn after(self, signals: Signals) -> ExitCode {
        let forced = self.drained(signals).await;
        if self.access_log.as_ref().is_some_and(|log| !log.flush(Duration::from_secs(1))) {
            warn!("the access log cannot be written out in time");
        }
        // Whoever is left is not waited for.
        forced.map_or(ExitCode::SUCCESS, |code| std::process::exit(code))
    }

    /// The exit code, if not all could be ended in peace.
    async fn drained(&self, Signals { mut terminate, mut interrupt }: Signals) -> Option<i32> {
        let least = tokio::select! {
            _ = terminate.recv() => self.args.min_drain,
            _ = interrupt.recv() => Duration::ZERO,
        };
        info!(requests = self.gateway.in_flight(), connections = self.drain.connections(), "draining");
        let all = tokio::select! {
            all = self.gateway.drain(&self.drain, least, self.args.drain_timeout) => all,
            _ = terminate.recv() => return Some(143),
            _ = interrupt.recv() => return Some(130),
        };
        if all {
            info!("drained");
            return None;
        }
        warn!(connections = self.drain.connections(), "the drain's time is over; ending what is left");
        Some(i32::from(exit::FAILED))
    }
}

fn options(args: &RunArgs) -> anyhow::Result<Options> {
    let limits = &args.limits;
    let mut http = HttpOptions::default();
    http.head_timeout = limits.head_timeout;
    http.keep_alive = limits.keep_alive;
    http.body_timeout = limits.body_timeout;
    http.write_timeout = limits.write_timeout;
    http.stream_timeout = limits.stream_timeout;
    http.max_head = limits.max_head;
    http.max_fields = limits.max_fields;
    http.max_streams = limits.max_streams;
    http.max_pending_resets = limits.max_pending_resets;
    http.max_error_resets = limits.max_error_resets;
    let mut options = Options::default();
    options.ports = args.ports.iter().map(|map| (map.port, map.address)).collect();
    options.handshake_timeout = limits.handshake_timeout;
    options.max_connections = Some(limits.max_connections.unwrap_or_else(most_connections));
    options.max_connections_per_address = limits.max_connections_per_address;
    options.http = http;
    options.proxy_protocol.clone_from(&args.front.proxy_protocol);
    options.trust = match (args.front.trusted_hops, args.front.trusted_proxies.as_slice()) {
        (Some(hops), _) => Trust::Hops(hops),
        (None, []) => Trust::Nobody,
        (None, networks) => Trust::Networks(networks.to_vec()),
    };
    options.forward_client_cert = args.front.forward_client_cert.into();
    options.server = HeaderValue::try_from(limits.server_header.as_str()).context("--server-header")?;
    options.normalization = limits.path_normalization.into();
    Ok(options)
}

/// A connection has another one to its upstream: half of the files that may be open, less some for everything else.
fn most_connections() -> usize {
    let files = rlimit::getrlimit(rlimit::Resource::NOFILE).map_or(1024, |(soft, _)| soft);
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    let others = if files < 4096 { 0 } else { 1000 };
    files / 2 - others
}

/// As many connections as the system allows, not as a shell's default does.
fn raise_file_limit() {
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        warn!(%error, "cannot raise the limit of open files");
    }
}
