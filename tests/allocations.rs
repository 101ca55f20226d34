//! How many allocations a plain proxied request costs: a number that does not depend on the machine, and may only
//! fall.
use std::{net::SocketAddr, sync::Arc};

use gateway_core::{
    diagnostic::SourceFile,
    istio::{ParseOptions, parse},
    translate::{ResolveRule, Settings, translate},
};
use gateway_layers::{
    conn::Drain,
    stack::{Gateway, Options},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// Measured: 16.03. Both sides of hyper: read buffers and the shared head that headers point into (4), the server's
/// and the client's exchange (2). Ours: the extensions' map with the record of the exchange (3), the request id (1), the
/// route's box (1), the cluster's box (1), the response's body (1), and a copy of the head (3): a request that may be
/// repeated is not lost when the upstream closes its idle connection at the same moment; hyper does not give it back.
const MOST: u64 = 17;
const REQUESTS: u64 = 200;

const YAML: &str = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: ['*']
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: routes, namespace: app}
spec:
  hosts: [a.com]
  gateways: [istio-system/gw]
  http:
  - match: [{uri: {prefix: /api/}}]
    route: [{destination: {host: up}}]
  - route: [{destination: {host: up}}]
";

const REQUEST: &[u8] = b"GET /api/x HTTP/1.1\r\nhost: a.com\r\nuser-agent: test\r\naccept: */*\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-type: text/plain\r\n\r\nhello";

/// Answers without an allocation.
async fn upstream(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok(1..) = stream.read(&mut buffer).await {
                stream.write_all(ANSWER).await.expect("open");
            }
        });
    }
}

fn gateway(up: SocketAddr) -> Gateway {
    let host = "up.app.svc.cluster.local".to_owned();
    let settings =
        Settings { resolve: vec![ResolveRule { host, port: None, address: up, h2: false }], ..Settings::default() };
    let (resources, _) = parse(&[SourceFile::new("test.yaml", YAML)], &ParseOptions::default());
    let (config, _) = translate(&resources, &settings);
    let mut options = Options::default();
    options.ports.insert(80, ([127, 0, 0, 1], 0).into());
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    Gateway::builder(config).options(options).metrics(Arc::new(recorder)).build().expect("sound")
}

async fn ask(client: &mut TcpStream, times: u64) {
    let mut buffer = [0; 4096];
    for _ in 0..times {
        client.write_all(REQUEST).await.expect("open");
        let mut length = 0;
        while !buffer[..length].ends_with(b"hello") {
            length += client.read(&mut buffer[length..]).await.expect("open");
        }
        assert!(buffer.starts_with(b"HTTP/1.1 200"));
    }
}

#[test]
fn a_plain_request_has_a_budget() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut client = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let up = listener.local_addr().expect("bound");
        tokio::spawn(upstream(listener));
        let bound = gateway(up).bind().expect("a free port");
        let address = bound.address(80).expect("open");
        tokio::spawn(bound.serve(Drain::new().watch()));
        let mut client = TcpStream::connect(address).await.expect("a listener");
        ask(&mut client, 20).await;
        client
    });
    let counted = allocation_counter::measure(|| runtime.block_on(ask(&mut client, REQUESTS)));
    let each = counted.count_total.div_ceil(REQUESTS);
    println!("{} allocations in {REQUESTS} requests", counted.count_total);
    assert!(each <= MOST, "{each} allocations a request, {MOST} are allowed");
}
