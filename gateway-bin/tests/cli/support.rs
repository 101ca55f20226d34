//! Children that end with their test, curl, and YAML.
use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use tempfile::TempDir;

/// A bound for what should happen at once; a test that reaches it fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// The program, without the variables of whoever runs the tests.
pub(crate) fn gateway(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GATEWAY_")) {
        command.env_remove(name);
    }
    command.args(args).stdin(Stdio::null());
    command
}

/// What a finished command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("it ended by itself"),
            out: String::from_utf8(output.stdout).expect("UTF-8"),
            err: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }
}

/// Runs the program to its end. One that should have ended but serves is ended here, and the test fails.
pub(crate) fn ended(args: &[&str]) -> Said {
    ended_with(gateway(args), "")
}

/// The same, with text on standard input.
pub(crate) fn ended_with(mut command: Command, input: &str) -> Said {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads its input");
    let id = child.id();
    let (done, wait) = mpsc::channel();
    thread::spawn(move || done.send(child.wait_with_output()));
    let Ok(output) = wait.recv_timeout(PATIENCE) else {
        kill(id, "KILL");
        let output = wait.recv().expect("the thread answers").expect("it can be waited for");
        panic!("it did not end: {}", String::from_utf8_lossy(&output.stderr));
    };
    output.expect("it can be waited for").into()
}

/// A folder of files.
pub(crate) fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        write(&dir.path().join(name), text);
    }
    dir
}

/// Writes a file, its folders too.
pub(crate) fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a file in a folder")).expect("the folder can be made");
    fs::write(path, text).expect("the file can be written");
}

/// A path as an argument.
pub(crate) fn arg(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A path in a folder.
pub(crate) fn within(dir: &TempDir, name: &str) -> PathBuf {
    dir.path().join(name)
}

/// A running program: its lines as they come; it ends with the value.
pub(crate) struct Running {
    child: Child,
    err: mpsc::Receiver<String>,
    out: mpsc::Receiver<String>,
    /// All lines of standard error that were waited past.
    pub(crate) log: Vec<String>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let err = lines(child.stderr.take().expect("piped"));
        let out = lines(child.stdout.take().expect("piped"));
        Self { child, err, out, log: Vec::new() }
    }

    /// `run` of a folder on free ports: 80 and 443 of the YAML, and the admin server.
    pub(crate) fn serve(config: &Path, more: &[&str]) -> Self {
        let mut args = vec!["run", "-f", arg(config), "--port", "80=127.0.0.1:0", "--port", "443=127.0.0.1:0"];
        args.extend(["--admin", "127.0.0.1:0", "--threads", "2"]);
        args.extend(more);
        Self::start(gateway(&args))
    }

    /// Waits for a line of standard error that holds the text, unless it was there already.
    pub(crate) fn until(&mut self, text: &str) -> String {
        if let Some(line) = self.log.iter().find(|line| line.contains(text)) {
            return line.clone();
        }
        loop {
            let line = self.err.recv_timeout(PATIENCE);
            let Ok(line) = line else { panic!("no line with `{text}` on standard error: {:#?}", self.log) };
            self.log.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// The next line of standard output; nothing if it was closed.
    pub(crate) fn line(&mut self) -> Option<String> {
        match self.out.recv_timeout(PATIENCE) {
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("no line on standard output: {:#?}", self.log),
            line => line.ok(),
        }
    }

    /// The address in a line of the log such as `listening port=80 address=127.0.0.1:4711`.
    fn address(&mut self, line: &str) -> SocketAddr {
        let line = self.until(line);
        let (_, address) = line.rsplit_once("address=").expect("the line has an address");
        address.trim().parse().expect("an address")
    }

    /// Where the admin server is, and port 80.
    pub(crate) fn opened(&mut self) -> (SocketAddr, SocketAddr) {
        (self.address("admin address="), self.http())
    }

    /// Where port 80 is.
    pub(crate) fn http(&mut self) -> SocketAddr {
        self.address("listening port=80 ")
    }

    /// Where port 443 is.
    pub(crate) fn https(&mut self) -> SocketAddr {
        self.address("listening port=443 ")
    }

    /// Sends a signal: `TERM`, `INT`.
    pub(crate) fn signal(&self, name: &str) {
        kill(self.child.id(), name);
    }

    /// Waits for its end: both outputs are closed then.
    pub(crate) fn end(&mut self) -> ExitStatus {
        loop {
            match self.err.recv_timeout(PATIENCE) {
                Ok(line) => self.log.push(line),
                Err(mpsc::RecvTimeoutError::Disconnected) => return self.child.wait().expect("it can be waited for"),
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("it did not end: {:#?}", self.log),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(from: impl std::io::Read + Send + 'static) -> mpsc::Receiver<String> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || BufReader::new(from).lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
    receive
}

/// Sends a signal.
pub(crate) fn kill(id: u32, signal: &str) {
    let sent = Command::new("kill").args([format!("-{signal}"), id.to_string()]).status();
    assert!(sent.expect("kill is there").success(), "the process {id} takes SIG{signal}");
}

/// curl's output and exit code.
pub(crate) fn curl(args: &[&str]) -> Said {
    need_curl();
    let command = Command::new("curl").args(["-q", "-sS", "--noproxy", "*", "--max-time", "30"]).args(args).output();
    command.expect("curl runs").into()
}

/// The tests need curl.
pub(crate) fn need_curl() {
    let there = Command::new("curl").arg("--version").output().is_ok();
    assert!(there, "curl is needed for this test: install it");
}

/// `curl -i http://HOST/PATH`, HOST being at the address.
pub(crate) fn get(address: SocketAddr, host: &str, path: &str) -> String {
    let to = format!("{host}:80:{address}");
    let said = curl(&["-i", "--connect-to", &to, &format!("http://{host}{path}")]);
    assert_eq!(said.code, 0, "{}", said.err);
    said.out
}

/// `curl -i` of the admin server.
pub(crate) fn admin(address: SocketAddr, path: &str) -> String {
    let said = curl(&["-i", &format!("http://{address}{path}")]);
    assert_eq!(said.code, 0, "{}", said.err);
    said.out
}

/// An address where nothing listens: a port that was free a moment ago may be another test's now, port 1 is not.
pub(crate) fn nobody() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 1))
}

/// A Gateway for `*` on port 80 and a VirtualService `shop` for `shop.example.com` to the address.
pub(crate) fn shop(upstream: SocketAddr) -> String {
    format!(
        "{GATEWAY}---\n{VIRTUAL_SERVICE}---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: shop}}\n\
         spec:\n  hosts: [shop.internal]\n  resolution: STATIC\n  ports: [{{number: 80, name: http, protocol: HTTP}}]\n\
         \x20 endpoints: [{{address: {}, ports: {{http: {}}}}}]\n",
        upstream.ip(),
        upstream.port()
    )
}

/// Port 80 for all hosts.
pub(crate) const GATEWAY: &str = "\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: ['*']
";

/// `shop.example.com`, rule `main`, to `shop.internal`.
pub(crate) const VIRTUAL_SERVICE: &str = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: [shop.example.com]
  gateways: [gw]
  http:
  - name: main
    route:
    - destination: {host: shop.internal, port: {number: 80}}
";

/// A Gateway with an HTTPS server on 443 whose `tls` is given.
pub(crate) fn https_gateway(name: &str, host: &str, tls: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: {name}}}\nspec:\n  \
         selector: {{istio: ingressgateway}}\n  servers:\n  \
         - port: {{number: 443, name: https, protocol: HTTPS}}\n    hosts: [{host}]\n    tls: {{{tls}}}\n"
    )
}

/// A self-signed certificate and its key, PEM.
pub(crate) fn certificate(name: &str) -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("a certificate");
    (made.cert.pem(), made.signing_key.serialize_pem())
}
