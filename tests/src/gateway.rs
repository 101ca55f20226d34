//! The gateway under test. Only this file knows how one is built.

use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

pub use gateway_core::diagnostic::NOT_BUILT;
use gateway_core::{
    diagnostic::{Diagnostic, SourceFile},
    istio::{ParseOptions, parse},
    model::Config,
    translate::{Settings, translate},
};
use gateway_layers::{
    BoxFuture,
    conn::Drain,
    random::Random,
    stack::{Gateway, Options},
    upstream::Resolve,
};
use tokio::task::JoinHandle;

/// Something the check of a configuration found.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Its code.
    pub code: String,
    /// Whether the configuration is rejected for it.
    pub error: bool,
    /// What it says.
    pub text: String,
}

/// A gateway of one case, in this process.
#[derive(Debug)]
pub struct Started {
    ports: HashMap<u16, SocketAddr>,
    gateway: Gateway,
    drain: Drain,
    serving: JoinHandle<io::Result<()>>,
}

/// Its first draws are small, so back-offs are short: a busy machine does not change how many tries fit into a
/// recorded timeout.
const SEED: u64 = 30461;

/// Knows what the cases know: `localhost`, and nothing else.
struct OnlyLocalhost;

impl Resolve for OnlyLocalhost {
    fn resolve(&self, host: &str, port: u16) -> BoxFuture<Vec<SocketAddr>, io::Error> {
        let known = host == "localhost" || host.ends_with(".localhost");
        Box::pin(std::future::ready(if known {
            Ok(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))])
        } else {
            Err(io::ErrorKind::NotFound.into())
        }))
    }
}

impl Started {
    /// Starts a gateway: listeners on free ports, connections to a port of the configuration's endpoints at
    /// 127.0.0.1 led to the address in `connect_to`.
    ///
    /// # Errors
    /// What the check finds, if something of the configuration is not built yet.
    pub async fn start(
        config_yaml: &str,
        secrets_yaml: &str,
        connect_to: HashMap<u16, SocketAddr>,
    ) -> Result<Self, Vec<Finding>> {
        let (config, found) = translated(config_yaml, secrets_yaml).await;
        if found.iter().any(|found| found.code == NOT_BUILT) {
            return Err(found);
        }
        let mut options = Options::default();
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        options.ports = config.listeners.iter().map(|listener| (listener.port, free)).collect();
        let gateway = Gateway::builder(config)
            .options(options)
            .random(Random::seeded(SEED, 1))
            .resolver(OnlyLocalhost)
            .connect_to(move |endpoint| connect_to.get(&endpoint.port()).copied().unwrap_or(endpoint))
            .build()
            .expect("cases name no files");
        let bound = gateway.bind().expect("free ports");
        let ports = bound.listeners().iter().map(|listener| (listener.port, listener.address)).collect();
        let drain = Drain::new();
        let serving = tokio::spawn(bound.serve(drain.watch()));
        Ok(Self { ports, gateway, drain, serving })
    }

    /// Where the listener for a port of the configuration really is; none if there is no such listener.
    pub fn port(&self, number: u16) -> Option<SocketAddr> {
        self.ports.get(&number).copied()
    }

    /// Waits until all requests are over, copies included.
    pub async fn idle(&self) {
        self.gateway.idle().await;
    }

    /// Ends it, and all its connections.
    pub async fn stop(self) {
        self.gateway.drain(&self.drain, Duration::ZERO, Duration::from_secs(1)).await;
        self.serving.await.expect("no panic").expect("sockets can be served");
    }
}

/// Not on the threads that answer requests of other cases: their recorded times would not hold.
async fn translated(config_yaml: &str, secrets_yaml: &str) -> (Config, Vec<Finding>) {
    let files = [SourceFile::new("config.yaml", config_yaml), SourceFile::new("secrets.yaml", secrets_yaml)];
    let translating = tokio::task::spawn_blocking(move || {
        let (resources, mut found) = parse(&files, &ParseOptions::default());
        let (config, more) = translate(&resources, &Settings::default());
        found.extend(more);
        (config, found.iter().map(finding).collect())
    });
    translating.await.expect("no panic")
}

/// What the check finds in a configuration.
pub async fn verdict(config_yaml: &str, secrets_yaml: &str) -> Vec<Finding> {
    translated(config_yaml, secrets_yaml).await.1
}

fn finding(found: &Diagnostic) -> Finding {
    Finding { code: found.code.to_owned(), error: found.is_rejection(), text: found.message.clone() }
}
