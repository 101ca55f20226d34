//! The README's configuration and commands do what it says.
use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    thread,
};

const README: &str = include_str!("../../README.md");

/// Ends the gateway with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn yaml() -> &'static str {
    let (_, rest) = README.split_once("```yaml\n").expect("the README has YAML");
    rest.split_once("```").expect("the block ends").0
}

/// Answers every request with the path that it saw.
fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut head = [0; 1024];
            let length = stream.read(&mut head).expect("a request");
            let head = String::from_utf8_lossy(&head[..length]);
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            let answer =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{path}", path.len());
            stream.write_all(answer.as_bytes()).expect("an open connection");
        }
    });
    address
}

fn curl(arguments: &[&str]) -> String {
    let done = Command::new("curl").arg("-s").args(arguments).output();
    let done = done.expect("curl is needed for this test: install it");
    String::from_utf8(done.stdout).expect("UTF-8")
}

#[test]
fn the_readmes_configuration_is_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("gateway.yaml");
    fs::write(&file, yaml()).expect("written");
    let program = env!("CARGO_BIN_EXE_gateway");
    let checked = Command::new(program).args(["check", "-f"]).arg(&file).output().expect("runs");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));

    let resolve = format!("apigateway={}", upstream());
    let mut command = Command::new(program);
    command.args(["run", "--port", "80=127.0.0.1:0", "--admin", "off", "--resolve", &resolve, "-f"]).arg(&file);
    let mut running = Running(command.stderr(Stdio::piped()).spawn().expect("runs"));
    let log = BufReader::new(running.0.stderr.take().expect("piped"));
    let listening = log.lines().map_while(Result::ok).find(|line| line.contains("listening"));
    let address = listening.and_then(|line| line.rsplit_once("address=").map(|(_, address)| address.to_owned()));
    let to = format!("::{}", address.expect("it listens"));

    let host = "http://apiserver.istioinaction.io";
    assert_eq!(curl(&["--connect-to", &to, &format!("{host}/v1/users")]), "/users");
    let status = ["-o", "/dev/null", "-w", "%{http_code}", "--connect-to", &to];
    assert_eq!(curl(&[&status[..], &[&format!("{host}/v2/")]].concat()), "404");
    assert_eq!(curl(&[&status[..], &["http://nobody.example/"]].concat()), "404");
}
