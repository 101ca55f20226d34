//! The program as a child process, and a service for it to forward to.
use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use tempfile::TempDir;

/// A Gateway for a.com on port 80, and a VirtualService that sends it to `up`.
pub(crate) const YAML: &str = "\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: [a.com]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: routes, namespace: app}
spec:
  hosts: [a.com]
  gateways: [istio-system/gw]
  http:
  - name: all
    route: [{destination: {host: up, port: {number: 80}}}]
";

/// A folder with these files.
pub(crate) fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
        fs::write(path, text).expect("written");
    }
    folder
}

/// The program with these arguments.
pub(crate) fn gateway(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs it to its end: exit code, standard output, standard error.
pub(crate) fn done(command: &mut Command) -> (i32, String, String) {
    shown(&command.output().expect("the program runs"))
}

fn shown(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// curl's standard output.
pub(crate) fn curl(arguments: &[&str]) -> String {
    let done = Command::new("curl").args(["-s", "-m", "20"]).args(arguments).output();
    String::from_utf8_lossy(&done.expect("curl is needed for this test: install it").stdout).into_owned()
}

/// `gateway run` in the background; ended with the test.
pub(crate) struct Running {
    child: Child,
    log: mpsc::Receiver<String>,
    /// All lines of the log so far.
    pub(crate) lines: Vec<String>,
}

impl Running {
    /// Serves these files on free ports, the admin server too.
    pub(crate) fn start(files: &Path, more: &[&str]) -> Self {
        let files = files.display().to_string();
        let common = ["run", "-f", &files, "--port", "80=127.0.0.1:0", "--port", "443=127.0.0.1:0"];
        let mut command = gateway(&common);
        command.args(["--admin", "127.0.0.1:0", "--threads", "2"]).args(more);
        Self::spawn(command)
    }

    /// Runs a command whose log is read.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the program runs");
        let (send, log) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        Self { child, log, lines: Vec::new() }
    }

    /// Waits for a line of the log.
    pub(crate) fn line(&mut self, text: &str) -> String {
        if let Some(line) = self.lines.iter().find(|line| line.contains(text)) {
            return line.clone();
        }
        loop {
            let Ok(line) = self.log.recv_timeout(Duration::from_secs(20)) else {
                panic!("no `{text}` in {:#?}", self.lines);
            };
            self.lines.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    fn address_in(&mut self, text: &str) -> SocketAddr {
        let line = self.line(text);
        let (_, address) = line.rsplit_once("address=").expect("an address");
        address.trim().parse().expect("an address")
    }

    /// Where a port of the YAML is.
    pub(crate) fn port(&mut self, port: u16) -> SocketAddr {
        self.address_in(&format!("listening port={port} "))
    }

    /// Where the admin server is.
    pub(crate) fn admin(&mut self) -> SocketAddr {
        self.address_in("INFO admin ")
    }

    /// curl through a port of the YAML.
    pub(crate) fn curl(&mut self, port: u16, arguments: &[&str]) -> String {
        let to = format!("::{}", self.port(port));
        curl(&[&["--connect-to", to.as_str()], arguments].concat())
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().expect("kill runs");
        assert!(sent.success());
    }

    /// Waits for the end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        self.child.wait().expect("it can be waited for")
    }

    /// Has it ended?
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it can be asked").is_some()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A service that answers `up PATH`; for `/slow` only after `release` was sent.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    pub(crate) asked: mpsc::Receiver<String>,
    pub(crate) release: mpsc::Sender<()>,
}

/// Starts one.
pub(crate) fn upstream() -> Upstream {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let ((send, asked), (release, released)) = (mpsc::channel(), mpsc::channel());
    let released = Arc::new(Mutex::new(released));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, send, released) = (stream.expect("a connection"), send.clone(), released.clone());
            thread::spawn(move || {
                let mut head = [0; 4096];
                let length = stream.read(&mut head).unwrap_or(0);
                let head = String::from_utf8_lossy(&head[..length]).into_owned();
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                // The test may not look.
                let _ = send.send(path.clone());
                if path == "/slow" {
                    let _ = released.lock().expect("not poisoned").recv();
                }
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\nup {path}",
                    path.len() + 3
                );
                let _ = stream.write_all(answer.as_bytes());
            });
        }
    });
    Upstream { address, asked, release }
}

/// A file's path as text.
pub(crate) fn path(folder: &TempDir, name: &str) -> String {
    let path: PathBuf = folder.path().join(name);
    path.display().to_string()
}
