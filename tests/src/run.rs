//! Runs cases against a gateway, many at a time.

use std::{
    net::{Ipv4Addr, SocketAddr},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    task::JoinSet,
    time::timeout,
};

use crate::{
    case::{self, Case, Verdict},
    compare::{Known, compare},
    gateway::{self, Finding, NOT_BUILT, Started},
    observe::ask,
    pki::pki,
    upstreams::Upstreams,
};

/// The environment variable with a command that starts another gateway for a case.
///
/// It gets the case's path as last argument, prints `ready`, listens on the ports of the case and ends with its
/// standard input. The services then have the ports of the cases, and there is one lane.
/// `GATEWAY_CASES_CERTS` names the folder of its certificates.
pub const EXTERNAL: &str = "GATEWAY_CASES_EXTERNAL";

/// Longer than any request of a case takes.
const IDLE: Duration = Duration::from_secs(15);
const LANES: usize = 8;

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All is as recorded.
    Passed,
    /// It needs something that is not built yet.
    NotYet,
    /// These are the differences.
    Failed(Vec<String>),
}

/// The gateway that answers a case.
#[derive(Debug)]
pub enum Target {
    /// Ours.
    Own(Started),
    /// Another one, in a process of its own.
    External(Child),
}

impl Target {
    /// Where a port of the configuration is.
    pub fn port(&self, number: u16) -> Option<SocketAddr> {
        match self {
            Self::Own(started) => started.port(number),
            Self::External(_) => Some(SocketAddr::from((Ipv4Addr::LOCALHOST, number))),
        }
    }

    /// Waits until nothing more goes on.
    pub async fn idle(&self) {
        match self {
            Self::Own(started) => timeout(IDLE, started.idle()).await.expect("the gateway comes to rest"),
            // Another gateway does not say when it is done.
            Self::External(_) => tokio::time::sleep(Duration::from_millis(60)).await,
        }
    }

    async fn stop(self) {
        match self {
            Self::Own(started) => started.stop().await,
            Self::External(mut child) => {
                drop(child.stdin.take());
                child.wait().await.expect("the gateway can be waited for");
            }
        }
    }
}

/// Runs all these cases and gives the outcome of each.
pub async fn all(cases: Vec<Case>) -> Vec<(Case, Outcome)> {
    let external = std::env::var(EXTERNAL).ok();
    let lanes = if external.is_some() { 1 } else { LANES };
    let shared = Arc::new(Shared {
        external,
        cases: cases.into_iter().map(Arc::new).collect(),
        next: AtomicUsize::new(0),
        fixture: case::fixture(),
        secrets: pki().secrets_yaml(),
        known: Known::load(),
    });
    let mut running = JoinSet::new();
    for _ in 0..lanes {
        running.spawn(lane(shared.clone()));
    }
    let mut out: Vec<_> = running.join_all().await.into_iter().flatten().collect();
    out.sort_by_key(|(at, _)| *at);
    out.into_iter().map(|(at, outcome)| (shared.cases[at].as_ref().clone(), outcome)).collect()
}

struct Shared {
    external: Option<String>,
    cases: Vec<Arc<Case>>,
    next: AtomicUsize,
    fixture: String,
    secrets: String,
    known: Known,
}

async fn lane(shared: Arc<Shared>) -> Vec<(usize, Outcome)> {
    let ups = if shared.external.is_some() { Upstreams::start_fixed().await } else { Upstreams::start().await };
    let ups = Arc::new(ups);
    let mut out = Vec::new();
    loop {
        let at = shared.next.fetch_add(1, Ordering::Relaxed);
        let Some(case) = shared.cases.get(at) else { return out };
        let (shared, ups, case) = (shared.clone(), ups.clone(), case.clone());
        // In a task of its own: one case that panics must not end the others.
        let done = tokio::spawn(async move { Box::pin(shared.run(&ups, &case)).await }).await;
        out.push((at, done.unwrap_or_else(|err| Outcome::Failed(vec![format!("the run ended: {err}")]))));
    }
}

impl Shared {
    async fn run(&self, ups: &Upstreams, case: &Case) -> Outcome {
        let config = documents(&self.fixture, &pki().filled(&case.config));
        if self.external.is_none() {
            let findings = gateway::verdict(&config, &self.secrets).await;
            let verdict = verdict(&findings);
            match verdict {
                None => return Outcome::NotYet,
                Some(verdict) if verdict != case.wanted() => {
                    let found = findings.iter().map(|found| format!("found: {} {}", found.code, found.text));
                    let line = format!("verdict: want {:?} got {verdict:?}", case.wanted());
                    return Outcome::Failed(std::iter::once(line).chain(found).collect());
                }
                Some(_) => {}
            }
        }
        let unasked = case.wanted() == Verdict::Rejected || case.answers.is_empty();
        if unasked || case.deviation.is_some() && case.deviation_requests.is_none() {
            return Outcome::Passed;
        }
        let target = match self.start(ups, case, &config).await {
            Ok(target) => target,
            Err(findings) if verdict(&findings).is_none() => return Outcome::NotYet,
            Err(findings) => {
                return Outcome::Failed(findings.iter().map(|f| format!("start: {} {}", f.code, f.text)).collect());
            }
        };
        let lines = self.asked(ups, case, &target).await;
        target.stop().await;
        if lines.is_empty() { Outcome::Passed } else { Outcome::Failed(lines) }
    }

    async fn start(&self, ups: &Upstreams, case: &Case, config: &str) -> Result<Target, Vec<Finding>> {
        match &self.external {
            Some(command) => Ok(Target::External(external(command, case).await)),
            None => Started::start(config, &self.secrets, ups.connect_to()).await.map(Target::Own),
        }
    }

    async fn asked(&self, ups: &Upstreams, case: &Case, target: &Target) -> Vec<String> {
        let got = ask(ups, target, case).await;
        let mut lines = Vec::new();
        for (at, ((request, want), got)) in case.requests.iter().zip(&case.answers).zip(&got).enumerate() {
            if !case.deviates(at + 1) {
                let differences = compare(&case.name, request, want, got, &self.known);
                lines.extend(differences.iter().map(|line| format!("request {} ({}): {line}", at + 1, request.note)));
            }
        }
        lines
    }
}

/// None: it needs something that is not built yet.
fn verdict(findings: &[Finding]) -> Option<Verdict> {
    if findings.iter().any(|found| found.code == NOT_BUILT) {
        return None;
    }
    let rejected = findings.iter().any(|found| found.error);
    Some(if rejected { Verdict::Rejected } else { Verdict::Accepted })
}

fn documents(fixture: &str, config: &str) -> String {
    format!("{}\n---\n{}\n", fixture.trim_matches('\n'), config.trim_matches('\n'))
}

async fn external(command: &str, case: &Case) -> Child {
    let path = case::folder().join(&case.topic).join(format!("{}.yaml", case.name));
    let mut child = Command::new("sh")
        .args(["-c", &format!("exec {command} \"$0\""), &path.to_string_lossy()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the command can be started");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let ready = lines.next_line().await.expect("its output is text");
    assert_eq!(ready.as_deref(), Some("ready"), "the gateway for {} did not start", case.id());
    child
}
