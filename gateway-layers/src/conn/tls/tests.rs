//! The choice by server name.
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use rustls::{ClientConfig, ClientConnection, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    time::Instant,
};
use tower::{Layer as _, ServiceExt as _, service_fn};

use super::{TlsLayer, TlsServer, TlsTable};
use crate::{
    conn::{Conn, ConnInfo, Drain, Rewind},
    error::Error,
    exchange::{Exchange, OnFinish},
    live::Live,
    service::SharedService,
};

type Untouched = SharedService<Conn<Rewind<DuplexStream>>, (), Error>;

/// Says which entry it is of, then sends back what came.
fn says(entry: &'static str) -> Untouched {
    SharedService::new(service_fn(move |mut conn: Conn<Rewind<DuplexStream>>| async move {
        let mut seen = vec![0; 4096];
        let length = conn.io.read(&mut seen).await.unwrap_or(0);
        let name = conn.info.server_name.as_deref().unwrap_or("-");
        let answer = [format!("{entry} {name} ").as_bytes(), &seen[..length]].concat();
        conn.io.write_all(&answer).await.map_err(|error| Error::from(crate::BoxError::from(error)))
    }))
}

fn table() -> TlsTable<Untouched> {
    TlsTable::empty()
        .passthrough("x.a.com", says("exact"))
        .passthrough("*.a.com", says("wildcard"))
        .passthrough("*.b.a.com", says("longer"))
        .server("closed.a.com", TlsServer::unavailable())
}

#[derive(Default)]
struct Missed(Mutex<Vec<String>>);

impl OnFinish for Missed {
    fn finish(&self, exchange: &Exchange) {
        let record = exchange.record();
        let name = exchange.conn().server_name.as_deref().unwrap_or("-");
        let line = format!("{name} {} {}", record.flags, record.details.unwrap_or_default());
        self.0.lock().expect("no panic").push(line);
    }
}

/// Serves one connection.
fn serve(
    table: TlsTable<Untouched>,
    missed: &Arc<Missed>,
) -> (DuplexStream, tokio::task::JoinHandle<Result<(), Error>>) {
    let (client, io) = duplex(8192);
    let terminated = service_fn(async |_: Conn<_>| -> Result<(), Error> { panic!("there is no such server") });
    let service = TlsLayer::new(Arc::new(Live::new(table))).observe(missed.clone()).layer(terminated);
    let info = ConnInfo::new(([10, 0, 0, 1], 1).into());
    let conn = Conn { io, info, drain: Drain::new().watch() };
    (client, tokio::spawn(service.oneshot(conn)))
}

fn hello(name: Option<&str>) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("known versions")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    // An address is no server name: it is not sent.
    let name = ServerName::try_from(name.unwrap_or("10.0.0.1").to_owned()).expect("a name");
    let mut client = ClientConnection::new(Arc::new(config), name).expect("a configuration");
    let mut out = Vec::new();
    client.write_tls(&mut out).expect("a buffer");
    out
}

#[tokio::test]
async fn the_most_specific_name_has_the_connection() {
    let with_fallback = || table().passthrough("*", says("fallback"));
    for (name, entry, fallback) in [
        (Some("x.a.com"), "exact", "exact"),
        (Some("X.A.com"), "exact", "exact"),
        (Some("y.a.com"), "wildcard", "wildcard"),
        (Some("q.b.a.com"), "longer", "longer"),
        (Some("b.a.com"), "wildcard", "wildcard"),
        (Some("closed.a.com"), "", ""),
        (Some("a.com"), "", "fallback"),
        (None, "", "fallback"),
    ] {
        for (table, expected) in [(table(), entry), (with_fallback(), fallback)] {
            let missed = Arc::new(Missed::default());
            let (mut client, serving) = serve(table, &missed);
            let sent = hello(name);
            client.write_all(&sent).await.expect("open");
            let mut seen = Vec::new();
            client.read_to_end(&mut seen).await.expect("an end");
            let lower = name.map_or_else(|| "-".to_owned(), str::to_ascii_lowercase);
            let answer = [format!("{expected} {lower} ").as_bytes(), &sent].concat();
            assert_eq!(seen, if expected.is_empty() { Vec::new() } else { answer }, "{name:?}");
            assert_eq!(serving.await.expect("no panic").is_ok(), !expected.is_empty());
            // A server without a credential is a server.
            let told = expected.is_empty() && name != Some("closed.a.com");
            let line = format!("{lower} NR filter_chain_not_found");
            assert_eq!(*missed.0.lock().expect("no panic"), if told { vec![line] } else { vec![] }, "{name:?}");
        }
    }
}

#[tokio::test]
async fn what_is_no_tls_is_hung_up_on() {
    let missed = Arc::new(Missed::default());
    let (mut client, serving) = serve(table().passthrough("*", says("fallback")), &missed);
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("open");
    assert_eq!(client.read(&mut [0]).await.expect("an end"), 0);
    assert!(serving.await.expect("no panic").is_err());
    assert_eq!(*missed.0.lock().expect("no panic"), ["- NR filter_chain_not_found"]);
    let (client, serving) = serve(table(), &missed);
    drop(client);
    assert!(serving.await.expect("no panic").is_err());
    assert_eq!(missed.0.lock().expect("no panic").len(), 1, "a client that left asked for nothing");
}

#[tokio::test(start_paused = true)]
async fn half_a_client_hello_is_waited_for_ten_seconds() {
    let missed = Arc::new(Missed::default());
    let sent = hello(Some("x.a.com"));
    for length in [0, 1, 4, sent.len() / 2, sent.len() - 1] {
        let (mut client, serving) = serve(table().passthrough("*", says("fallback")), &missed);
        client.write_all(&sent[..length]).await.expect("open");
        let start = Instant::now();
        let mut seen = Vec::new();
        client.read_to_end(&mut seen).await.expect("an end");
        assert_eq!((seen.len(), Instant::now() - start), (0, Duration::from_secs(10)), "{length}");
        assert!(serving.await.expect("no panic").is_err());
    }
}

/// A table without anything that is passed through needs no service for it.
#[tokio::test]
async fn a_table_of_servers_alone() {
    let table = Arc::new(Live::new(TlsTable::default().server("a.com", TlsServer::unavailable())));
    let never = service_fn(async |_: Conn<_>| Ok::<_, Error>(()));
    let (mut client, io) = duplex(8192);
    let conn = Conn { io, info: ConnInfo::new(([10, 0, 0, 1], 1).into()), drain: Drain::new().watch() };
    client.write_all(&hello(Some("b.com"))).await.expect("open");
    let error = TlsLayer::new(table).layer(never).oneshot(conn).await.expect_err("no such name");
    assert_eq!(error.to_string(), "tls_handshake_failed: filter_chain_not_found");
}
