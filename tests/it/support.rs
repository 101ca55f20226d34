//! What the end-to-end tests share: a gateway in this process, services behind it, curl in front of it.
use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use gateway_core::{
    diagnostic::{Diagnostic, Severity, SourceFile},
    istio::{ParseOptions, parse},
    model::Config,
    translate::{Settings, translate},
};
use gateway_layers::{
    conn::Drain,
    stack::{Gateway, GatewayBuilder, Options},
};
use gateway_tests::pki::pki;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    process::Command,
    task::JoinHandle,
};

/// A gateway whose ports of the YAML are free ports of 127.0.0.1.
pub(crate) struct Running {
    pub(crate) gateway: Gateway,
    pub(crate) drain: Drain,
    pub(crate) serving: JoinHandle<std::io::Result<()>>,
    ports: HashMap<u16, SocketAddr>,
}

/// The configuration of a text, and what is to be said of it.
pub(crate) fn read(yaml: &str) -> (Config, Vec<Diagnostic>) {
    let files = [SourceFile::new("test.yaml", yaml), SourceFile::new("secrets.yaml", pki().secrets_yaml())];
    let (resources, mut findings) = parse(&files, &ParseOptions::default());
    let (config, more) = translate(&resources, &Settings::default());
    findings.extend(more);
    (config, findings)
}

impl Running {
    /// Serves this YAML, which must have no error, with the Secrets of the tests.
    pub(crate) fn start(yaml: &str) -> Self {
        Self::start_with(yaml, |builder| builder)
    }

    /// The same, with more said to the builder.
    pub(crate) fn start_with(yaml: &str, more: impl FnOnce(GatewayBuilder) -> GatewayBuilder) -> Self {
        let (config, findings) = read(yaml);
        let errors: Vec<_> = findings.iter().filter(|f| f.severity == Severity::Error).map(Diagnostic::short).collect();
        assert!(errors.is_empty(), "{errors:#?}");
        Self::serve(config, more)
    }

    /// The same, with other settings of the process.
    pub(crate) fn start_as(yaml: &str, options: Options) -> Self {
        Self::serve_with(read(yaml).0, options, |builder| builder)
    }

    /// Serves what is left of a configuration that has errors.
    pub(crate) fn start_despite_errors(yaml: &str) -> Self {
        let (config, findings) = read(yaml);
        assert!(findings.iter().any(|finding| finding.severity == Severity::Error), "no error");
        Self::serve(config, GatewayBuilder::skip_errors)
    }

    fn serve(config: Config, more: impl FnOnce(GatewayBuilder) -> GatewayBuilder) -> Self {
        Self::serve_with(config, Options::default(), more)
    }

    fn serve_with(config: Config, mut options: Options, more: impl FnOnce(GatewayBuilder) -> GatewayBuilder) -> Self {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        options.ports = config.listeners.iter().map(|listener| (listener.port, free)).collect();
        let gateway = more(Gateway::builder(config).options(options)).build().expect("usable credentials");
        let bound = gateway.bind().expect("free ports");
        let ports = bound.listeners().iter().map(|listener| (listener.port, listener.address)).collect();
        let drain = Drain::new();
        let serving = tokio::spawn(bound.serve(drain.watch()));
        Self { gateway, drain, serving, ports }
    }

    /// Where a port of the YAML is.
    pub(crate) fn address(&self, port: u16) -> SocketAddr {
        self.ports[&port]
    }

    /// curl, with every name and this port led to the gateway: standard output.
    pub(crate) async fn curl(&self, port: u16, arguments: &[&str]) -> String {
        let to = format!("::{}", self.address(port));
        curl(&[&["--connect-to", to.as_str()], arguments].concat()).await.0
    }

    /// Only the status.
    pub(crate) async fn status(&self, port: u16, arguments: &[&str]) -> String {
        self.curl(port, &[&["-o", "/dev/null", "-w", "%{http_code}"], arguments].concat()).await
    }

    /// A plain connection.
    pub(crate) async fn connect(&self, port: u16) -> TcpStream {
        TcpStream::connect(self.address(port)).await.expect("a listener")
    }
}

/// curl's standard output, and its exit code.
pub(crate) async fn curl(arguments: &[&str]) -> (String, i32) {
    let command = Command::new("curl").args(["-sS", "-m", "20"]).args(arguments).stdin(Stdio::null()).output();
    let done = command.await.expect("curl is needed for this test: install it");
    (String::from_utf8_lossy(&done.stdout).into_owned(), done.status.code().unwrap_or(-1))
}

/// A file with a certificate of the tests, for curl.
pub(crate) fn pem(name: &str) -> String {
    let folder: PathBuf = std::env::temp_dir().join(format!("gateway-it-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join(name);
    std::fs::write(&path, pki().file(name)).expect("written");
    path.display().to_string()
}

/// Reads until `end` has come; what was read.
pub(crate) async fn read_until(io: &mut (impl AsyncRead + Unpin), end: &str) -> String {
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(end.as_bytes()) {
        let length = io.read(&mut byte).await.expect("an open connection");
        assert!(length > 0, "ended after {:?}", String::from_utf8_lossy(&seen));
        seen.push(byte[0]);
    }
    String::from_utf8_lossy(&seen).into_owned()
}

/// An HTTP/1 service by hand: counts its connections, remembers request heads, answers with what `answer` makes of a
/// head (its body, if it has a length, was read).
#[derive(Clone, Default)]
pub(crate) struct Seen {
    pub(crate) connections: Arc<Mutex<usize>>,
    pub(crate) heads: Arc<Mutex<Vec<String>>>,
}

impl Seen {
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("not poisoned").clone()
    }

    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().expect("not poisoned")
    }
}

/// Starts such a service; `close` ends each connection after one answer, without a word of it.
pub(crate) async fn service(
    answer: impl Fn(&str) -> String + Send + Sync + 'static,
    close: bool,
) -> (SocketAddr, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (seen, answer) = (Seen::default(), Arc::new(answer));
    let watched = seen.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            *watched.connections.lock().expect("not poisoned") += 1;
            tokio::spawn(one_connection(stream, watched.clone(), answer.clone(), close));
        }
    });
    (address, seen)
}

async fn one_connection(
    mut stream: TcpStream,
    seen: Seen,
    answer: Arc<impl Fn(&str) -> String + Send + Sync + 'static>,
    close: bool,
) {
    let mut ahead = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        while !ahead.windows(4).any(|window| window == b"\r\n\r\n") {
            match stream.read(&mut buffer).await {
                Ok(length @ 1..) => ahead.extend_from_slice(&buffer[..length]),
                _ => return,
            }
        }
        let end = ahead.windows(4).position(|window| window == b"\r\n\r\n").expect("just found") + 4;
        let head = String::from_utf8_lossy(&ahead[..end]).into_owned();
        ahead.drain(..end);
        let length: usize = header(&head, "content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
        while ahead.len() < length {
            match stream.read(&mut buffer).await {
                Ok(length @ 1..) => ahead.extend_from_slice(&buffer[..length]),
                _ => return,
            }
        }
        ahead.drain(..length);
        seen.heads.lock().expect("not poisoned").push(head.clone());
        if stream.write_all(answer(&head).as_bytes()).await.is_err() || close {
            return;
        }
    }
}

/// A header of a head.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// A 200 with this body.
pub(crate) fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// A service that says its name and the path it saw.
pub(crate) async fn named(name: &'static str) -> (SocketAddr, Seen) {
    service(move |head| ok(&format!("{name} {}", head.split(' ').nth(1).unwrap_or_default())), false).await
}

/// A ServiceEntry in namespace `app` for a service at this address.
pub(crate) fn entry(name: &str, port: u16, address: SocketAddr) -> String {
    protocol_entry(name, port, "HTTP", address)
}

/// The same, with a protocol.
pub(crate) fn protocol_entry(name: &str, port: u16, protocol: &str, address: SocketAddr) -> String {
    format!(
        "\n---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: {name}, namespace: app}}\n\
         spec:\n  hosts: [{name}.app.svc.cluster.local]\n  location: MESH_INTERNAL\n  resolution: STATIC\n  \
         ports: [{{name: port, number: {port}, protocol: {protocol}}}]\n  endpoints:\n  \
         - {{address: {}, ports: {{port: {}}}}}\n",
        address.ip(),
        address.port()
    )
}

/// Waits for a condition that something else brings about.
pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(10), async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("in vain: {what}"));
}
