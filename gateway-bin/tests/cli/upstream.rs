//! Upstreams.
use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc,
    thread,
};

/// One request per connection; the answer is `hello` and the request line.
pub(crate) fn hello() -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("it has an address");
    thread::spawn(move || {
        for stream in socket.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let line = head(&stream);
                answer(&stream, &format!("hello {line}"));
            });
        }
    });
    address
}

/// An upstream that tells of each request and answers when it is told to.
pub(crate) struct Slow {
    pub(crate) address: SocketAddr,
    arrived: mpsc::Receiver<()>,
    go: mpsc::Sender<()>,
}

impl Slow {
    pub(crate) fn start() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = socket.local_addr().expect("it has an address");
        let (arrive, arrived) = mpsc::channel();
        let (go, wait) = mpsc::channel();
        thread::spawn(move || {
            for stream in socket.incoming().map_while(Result::ok) {
                head(&stream);
                if arrive.send(()).is_err() || wait.recv().is_err() {
                    return;
                }
                answer(&stream, "slow hello");
            }
        });
        Self { address, arrived, go }
    }

    /// Waits for a request.
    pub(crate) fn arrived(&self) {
        self.arrived.recv_timeout(std::time::Duration::from_secs(30)).expect("a request arrives");
    }

    /// Lets one request be answered.
    pub(crate) fn go(&self) {
        self.go.send(()).expect("the upstream waits");
    }
}

fn head(stream: &TcpStream) -> String {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    lines.find(String::is_empty);
    first
}

fn answer(mut stream: &TcpStream, body: &str) {
    let length = body.len();
    let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
}
