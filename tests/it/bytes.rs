//! Connections whose bytes nobody looks into: clear ones, those whose TLS ends here, and those whose TLS goes on.
use std::{
    io::Write,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use gateway_layers::{
    conn::Phase,
    http::access_log::{AccessLog, Format},
    stack::GatewayBuilder,
};
use gateway_tests::pki::pki;
use metrics_exporter_prometheus::PrometheusBuilder;
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, client::TlsStream};

use crate::support::{Running, read_until};

/// Ports 9000 (TCP) and 443: a.com (HTTPS), b.com (TLS that ends, then bytes), *.pass.com (TLS that goes on).
fn config(tcp: SocketAddr, tls: SocketAddr) -> String {
    let dead = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a free port");
    let entry = |host: &str, endpoints: String| {
        format!(
            "---\napiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: {}, namespace: app}}\n\
             spec: {{hosts: [{host}], resolution: STATIC, ports: [{{number: 1, name: tcp, protocol: TCP}}], endpoints: [{endpoints}]}}\n",
            host.replace('.', "-")
        )
    };
    let at = |address: SocketAddr| format!("{{address: {}, ports: {{tcp: {}}}}}", address.ip(), address.port());
    format!(
        "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: gw, namespace: istio-system}}
spec:
  servers:
  - {{port: {{number: 9000, name: tcp, protocol: TCP}}, hosts: ['*']}}
  - {{port: {{number: 9001, name: dead, protocol: TCP}}, hosts: ['*']}}
  - {{port: {{number: 9002, name: none, protocol: TCP}}, hosts: ['*']}}
  - {{port: {{number: 9003, name: unknown, protocol: TCP}}, hosts: ['*']}}
  - {{port: {{number: 443, name: https, protocol: HTTPS}}, hosts: [a.com], tls: {{mode: SIMPLE, credentialName: a-cert}}}}
  - {{port: {{number: 443, name: tls, protocol: TLS}}, hosts: [b.com], tls: {{mode: SIMPLE, credentialName: b-cert}}}}
  - {{port: {{number: 443, name: pass, protocol: TLS}}, hosts: ['*.pass.com'], tls: {{mode: PASSTHROUGH}}}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: v, namespace: app}}
spec:
  hosts: ['*']
  gateways: [istio-system/gw]
  http:
  - directResponse: {{status: 200, body: {{string: http}}}}
  tls:
  - match: [{{sniHosts: ['*.pass.com']}}]
    route: [{{destination: {{host: tls.up}}}}]
  tcp:
  - match: [{{port: 9000}}, {{port: 443}}]
    route: [{{destination: {{host: tcp.up}}}}]
  - match: [{{port: 9001}}]
    route: [{{destination: {{host: dead.up}}}}]
  - match: [{{port: 9002}}]
    route: [{{destination: {{host: none.up}}}}]
  - match: [{{port: 9003}}]
    route: [{{destination: {{host: unknown.up}}}}]
{}{}{}{}",
        entry("tcp.up", at(tcp)),
        entry("tls.up", at(tls)),
        entry("dead.up", at(dead)),
        entry("none.up", String::new()),
    )
}

/// Says its name, then echoes until the client ends, then says `bye`.
async fn echo(mut io: impl AsyncRead + AsyncWrite + Unpin, name: &'static str) -> std::io::Result<()> {
    io.write_all(format!("{name}\n").as_bytes()).await?;
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match io.read(&mut buffer).await? {
            0 => break,
            length => io.write_all(&buffer[..length]).await?,
        }
        io.flush().await?;
    }
    io.write_all(b"bye").await?;
    io.shutdown().await
}

async fn services() -> (SocketAddr, SocketAddr) {
    let [tcp, tls] = [TcpListener::bind("127.0.0.1:0").await, TcpListener::bind("127.0.0.1:0").await];
    let (tcp, tls) = (tcp.expect("a free port"), tls.expect("a free port"));
    let addresses = (tcp.local_addr().expect("bound"), tls.local_addr().expect("bound"));
    let (chain, key) = pki().chain("tls-upstream");
    let config = rustls::ServerConfig::builder_with_provider(gateway_tests::provider())
        .with_safe_default_protocol_versions()
        .expect("known versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a pair");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = tcp.accept().await {
            tokio::spawn(echo(stream, "tcp"));
        }
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = tls.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move { echo(acceptor.accept(stream).await?, "tls").await });
        }
    });
    addresses
}

async fn started(more: impl FnOnce(GatewayBuilder) -> GatewayBuilder) -> Running {
    let (tcp, tls) = services().await;
    Running::start_with(&config(tcp, tls), more)
}

fn connector() -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    for pem in rustls_pki_types::pem::PemObject::pem_slice_iter(pki().file("ca.pem").as_bytes()) {
        roots.add(pem.expect("PEM")).expect("a CA");
    }
    let config = rustls::ClientConfig::builder_with_provider(gateway_tests::provider())
        .with_safe_default_protocol_versions()
        .expect("known versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

/// The certificate is verified: it is that of the service, or of the gateway, for this name.
async fn handshake<I: AsyncRead + AsyncWrite + Unpin>(io: I, name: &str) -> std::io::Result<TlsStream<I>> {
    connector().connect(ServerName::try_from(name.to_owned()).expect("a name"), io).await
}

/// Everything until the end of a connection.
async fn rest(mut io: impl AsyncRead + Unpin) -> String {
    let mut seen = Vec::new();
    // A reset is an end too.
    let _ = timeout(Duration::from_secs(10), io.read_to_end(&mut seen)).await.expect("it ends");
    String::from_utf8_lossy(&seen).into_owned()
}

#[tokio::test]
async fn each_name_goes_its_way_and_one_end_at_a_time() {
    let gateway = started(|builder| builder).await;
    let mut clear = gateway.connect(9000).await;
    clear.write_all(b"hello").await.expect("open");
    clear.shutdown().await.expect("open");
    assert_eq!(rest(clear).await, "tcp\nhellobye");
    let mut ended = handshake(gateway.connect(443).await, "b.com").await.expect("the gateway's certificate");
    ended.write_all(b"hello").await.expect("open");
    ended.shutdown().await.expect("open");
    assert_eq!(rest(ended).await, "tcp\nhellobye");
    // Of the service: pass.com, *.pass.com.
    let mut passed = handshake(gateway.connect(443).await, "x.pass.com").await.expect("the service's certificate");
    passed.write_all(b"hello").await.expect("open");
    passed.shutdown().await.expect("open");
    assert_eq!(rest(passed).await, "tls\nhellobye");
    for name in ["pass.com", "nobody.com"] {
        assert!(handshake(gateway.connect(443).await, name).await.is_err(), "{name}");
    }
}

#[tokio::test]
async fn much_goes_both_ways_at_once() {
    const LENGTH: usize = 20 * 1024 * 1024;
    let gateway = started(|builder| builder).await;
    let mut stream = gateway.connect(9000).await;
    assert_eq!(read_until(&mut stream, "\n").await, "tcp\n");
    let (mut read, mut write) = stream.into_split();
    let sending = tokio::spawn(async move {
        let block: Vec<u8> = (0..=255).cycle().take(64 * 1024).collect();
        for _ in 0..LENGTH / block.len() {
            write.write_all(&block).await.expect("open");
        }
        write.shutdown().await.expect("open");
    });
    let mut seen = Vec::new();
    timeout(Duration::from_secs(60), read.read_to_end(&mut seen)).await.expect("in time").expect("open");
    sending.await.expect("no panic");
    assert_eq!(seen.len(), LENGTH + 3);
    assert!(seen[..LENGTH].iter().enumerate().all(|(n, byte)| *byte == n as u8), "in order");
}

/// What a client says first, as rustls writes it: with a post-quantum key share.
fn client_hello(name: &str) -> Vec<u8> {
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let mut client = rustls::ClientConnection::new(connector().config().clone(), name).expect("a valid configuration");
    let mut hello = Vec::new();
    client.write_tls(&mut hello).expect("a buffer");
    hello
}

/// S-frag: the answer is the gateway's or the service's ServerHello (a handshake record), or nothing at all.
#[tokio::test]
async fn a_client_hello_in_any_pieces_finds_its_way() {
    let gateway = started(|builder| builder).await;
    for (name, answered) in [("a.com", true), ("b.com", true), ("x.pass.com", true), ("nobody.com", false)] {
        let hello = client_hello(name);
        assert!(hello.len() > 1200, "post-quantum sized: {}", hello.len());
        let body = &hello[5..];
        let records = |cut: &[usize]| {
            let mut out = Vec::new();
            for pair in [&[0], cut, &[body.len()]].concat().windows(2) {
                out.extend([22, 3, 1]);
                out.extend(u16::try_from(pair[1] - pair[0]).expect("short").to_be_bytes());
                out.extend(&body[pair[0]..pair[1]]);
            }
            out
        };
        let every = (1..body.len()).step_by(37).chain([1, 2, 3, 4, 5, body.len() - 1]);
        let mut forms: Vec<_> = every.map(|at| records(&[at])).collect();
        forms.push(records(&(1..body.len()).collect::<Vec<_>>()));
        for form in forms {
            let mut stream = gateway.connect(443).await;
            // The bytes after the choice may find a closed connection.
            let _ = stream.write_all(&form).await;
            let mut first = [0];
            let came = timeout(Duration::from_secs(10), stream.read(&mut first)).await.expect("an answer or an end");
            assert_eq!(came.unwrap_or(0) == 1, answered, "{name}");
            assert!(!answered || first[0] == 22, "{name}: {first:?}");
        }
        // One byte in each segment.
        let mut stream = gateway.connect(443).await;
        for byte in &hello {
            if stream.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let came = timeout(Duration::from_secs(10), stream.read(&mut [0])).await.expect("an answer or an end");
        assert_eq!(came.unwrap_or(0) == 1, answered, "{name}");
    }
}

#[tokio::test]
async fn what_no_server_is_for_gets_no_byte() {
    let gateway = started(|builder| builder).await;
    let big = [&[22, 3, 1, 64, 0, 1, 0, 255, 255][..], &[0; 16380]].concat();
    let alert = b"\x15\x03\x01\x00\x02\x02\xff";
    for (name, bytes) in [
        ("clear text", &b"GET / HTTP/1.1\r\nhost: a.com\r\n\r\n"[..]),
        ("SSL 2", b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00"),
        ("an alert", alert),
        ("no record", b"\x16\x03\x01\xff\xff"),
        ("no end", &big.repeat(5)),
    ] {
        let mut stream = gateway.connect(443).await;
        let _ = stream.write_all(bytes).await;
        assert_eq!(rest(stream).await, "", "{name}");
    }
    for port in [9001, 9002, 9003] {
        let mut stream = gateway.connect(port).await;
        let _ = stream.write_all(b"hello").await;
        assert_eq!(rest(stream).await, "", "{port}");
    }
}

#[tokio::test]
async fn a_host_that_is_passed_through_is_misdirected() {
    let gateway = started(|builder| builder).await;
    for (host, status) in
        [("a.com", "200"), ("x.pass.com", "421"), ("X.Pass.Com.:443", "421"), ("b.com", "421"), ("pass.com", "404")]
    {
        let mut stream = handshake(gateway.connect(443).await, "a.com").await.expect("a.com's certificate");
        let request = format!("GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("open");
        let answer = rest(stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{host}: {answer}");
    }
}

#[tokio::test]
async fn a_drain_waits_for_tunnels_until_its_deadline() {
    let gateway = started(|builder| builder).await;
    for ends in [true, false] {
        let mut stream = gateway.connect(9000).await;
        assert_eq!(read_until(&mut stream, "\n").await, "tcp\n");
        assert_eq!(gateway.gateway.in_flight(), 1);
        if !ends {
            let all = gateway.gateway.drain(&gateway.drain, Duration::ZERO, Duration::from_millis(50)).await;
            assert!(!all, "it is still there");
            stream.write_all(b"more").await.expect("and still served");
            assert_eq!(read_until(&mut stream, "more").await, "more");
            assert_eq!(gateway.drain.watch().phase(), Phase::Closing);
        }
        drop(stream);
        gateway.gateway.idle().await;
    }
    gateway.drain.ended().await;
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn connections_are_logged_and_counted() {
    let lines = Lines::default();
    let log = AccessLog::new(Format::default_text(), lines.clone()).expect("a thread");
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let written = log.clone();
    let gateway = started(move |builder| builder.access_log(log).metrics(Arc::new(recorder))).await;
    let mut clear = gateway.connect(9000).await;
    clear.write_all(b"hello").await.expect("open");
    clear.shutdown().await.expect("open");
    rest(clear).await;
    let mut passed = handshake(gateway.connect(443).await, "x.pass.com").await.expect("the service's certificate");
    passed.shutdown().await.expect("open");
    rest(passed).await;
    for port in [9001, 9002, 9003] {
        rest(gateway.connect(port).await).await;
    }
    assert!(handshake(gateway.connect(443).await, "nobody.com").await.is_err());
    gateway.gateway.idle().await;
    assert!(written.flush(Duration::from_secs(10)));
    let text = String::from_utf8(lines.0.lock().expect("no panic").clone()).expect("UTF-8");
    let lines: Vec<_> = text.lines().map(|line| line.split_once("] ").expect("a time").1).collect();
    assert_eq!(lines.len(), 6, "{text}");
    assert!(lines[0].starts_with("\"- - -\" 0 - - - \"-\" 5 12 "), "{}", lines[0]);
    assert!(lines[0].contains(" outbound|1||tcp.up 127.0.0.1:"), "{}", lines[0]);
    assert!(lines[1].ends_with(" x.pass.com -") && lines[1].contains("outbound|1||tls.up"), "{}", lines[1]);
    let refused = "\"- - -\" 0 UF,URX - - \"Connection refused";
    for (line, start) in lines[2..5].iter().zip([refused, "\"- - -\" 0 UH - -", "\"- - -\" 0 NC - -"]) {
        assert!(line.starts_with(start), "{line}");
    }
    assert!(lines[5].starts_with("\"- - -\" 0 NR filter_chain_not_found - "), "{}", lines[5]);
    assert!(lines[5].ends_with(" nobody.com -"), "{}", lines[5]);
    let metrics = metrics.render();
    let value = |name: &str, labels: &[&str]| {
        let mut found = metrics.lines().filter(|line| line.starts_with(name));
        let line = found.find(|line| labels.iter().all(|label| line.contains(label)));
        line.and_then(|line| line.rsplit_once(' ')).map(|(_, value)| value.to_owned())
    };
    let to_tcp = ["destination_service=\"tcp.up\"", "request_protocol=\"tcp\"", "response_flags=\"-\""];
    for (name, expected) in [
        ("istio_tcp_connections_opened_total", "1"),
        ("istio_tcp_connections_closed_total", "1"),
        ("istio_tcp_received_bytes_total", "5"),
        ("istio_tcp_sent_bytes_total", "12"),
    ] {
        assert_eq!(value(name, &to_tcp).as_deref(), Some(expected), "{name}");
    }
    let dead = ["destination_service=\"dead.up\"", "response_flags=\"UF,URX\""];
    assert_eq!(value("istio_tcp_connections_closed_total", &dead).as_deref(), Some("1"));
    assert!(!metrics.contains("istio_requests_total"), "{metrics}");
}

/// The share of each destination.
#[tokio::test]
async fn weights_divide_connections() {
    let (tcp, tls) = services().await;
    let weighted = "[{destination: {host: tcp.up}, weight: 80}, {destination: {host: none.up}, weight: 20}]";
    let yaml = config(tcp, tls).replacen("[{destination: {host: tcp.up}}]", weighted, 1);
    let gateway = Running::start(&yaml);
    let mut served = 0;
    for _ in 0..200 {
        let mut stream = gateway.connect(9000).await;
        served += stream.read(&mut [0; 3]).await.unwrap_or(0) / 3;
    }
    assert!((130..190).contains(&served), "{served} of 200");
}

/// The upstream is asked only when the handshake is over.
#[tokio::test]
async fn a_client_without_its_certificate_reaches_nobody() {
    let (tcp, tls) = services().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let watched = listener.local_addr().expect("bound");
    let yaml = config(watched, tls)
        .replace("{mode: SIMPLE, credentialName: b-cert}", "{mode: MUTUAL, credentialName: b-mtls}");
    assert_ne!(yaml, config(tcp, tls));
    let gateway = Running::start(&yaml);
    let io: TcpStream = gateway.connect(443).await;
    // With TLS 1.3 the refusal comes after the client's handshake.
    if let Ok(mut stream) = handshake(io, "b.com").await {
        let _ = stream.write_all(b"hello").await;
        assert!(stream.read(&mut [0]).await.is_err());
    }
    gateway.gateway.idle().await;
    assert!(timeout(Duration::ZERO, listener.accept()).await.is_err(), "nobody came");
}
