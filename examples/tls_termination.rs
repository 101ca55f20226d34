//! TLS in front of any tower service: SIMPLE for one name, MUTUAL (a client certificate is demanded) for another. The
//! handler gets peer, server name and client certificate from the request's record.
//!
//! `cargo run --example tls_termination` prints the curl commands.
use std::sync::Arc;

use axum::{Router, routing::get};
use gateway_examples::{Certificates, Client};
use gateway_layers::{
    BoxError,
    conn::{
        Drain, HttpServer, TcpAcceptor, serve,
        tls::{TlsLayer, TlsServer, TlsTable, server_config},
    },
    live::Live,
};
use tower::Layer as _;

fn app() -> Router {
    Router::new().route("/", get(async |client: Client| client.to_string()))
}

/// Two servers, each with its own policy; any other name ends the connection.
fn table(certificates: &Certificates) -> Result<TlsTable, BoxError> {
    let pair = [(certificates.server.chain.as_bytes(), certificates.server.key.as_bytes())];
    let simple = TlsServer::new(server_config(&pair, None)?);
    let mutual = TlsServer::new(server_config(&pair, Some(certificates.ca.as_bytes()))?);
    Ok(TlsTable::default().server("open.example", simple).server("closed.example", mutual))
}

async fn run(acceptor: TcpAcceptor, certificates: &Certificates, drain: &Drain) -> Result<(), BoxError> {
    // Replace the table at any time: the next handshake uses the new one.
    let table = Arc::new(Live::new(table(certificates)?));
    serve(acceptor, TlsLayer::new(table).layer(HttpServer::new(app())), drain.watch()).await;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let certificates = Certificates::new(&["open.example", "closed.example"])?;
    let folder = std::env::temp_dir().join("tls_termination");
    std::fs::create_dir_all(&folder)?;
    certificates.write(&folder)?;
    let folder = folder.display();
    println!("curl --connect-to ::127.0.0.1:3443 --cacert {folder}/ca.pem https://open.example/");
    println!(
        "curl --connect-to ::127.0.0.1:3443 --cacert {folder}/ca.pem --cert {folder}/client.pem \
         --key {folder}/client.key https://closed.example/"
    );
    run(TcpAcceptor::bind(([127, 0, 0, 1], 3443).into())?, &certificates, &Drain::new()).await
}

#[cfg(test)]
mod tests {
    use gateway_examples::curl;

    use super::*;

    #[tokio::test]
    async fn each_name_has_its_own_policy() {
        let certificates =
            Arc::new(Certificates::new(&["open.example", "closed.example", "other.example"]).expect("names"));
        let folder = tempfile::tempdir().expect("a folder");
        certificates.write(folder.path()).expect("written");
        let file = |name: &str| folder.path().join(name).display().to_string();
        let acceptor = TcpAcceptor::bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        let to = format!("::{}", acceptor.local_addr().expect("bound"));
        let served = certificates.clone();
        tokio::spawn(async move { run(acceptor, &served, &Drain::new()).await });

        let ask = async |host: &str, more: &[&str]| {
            let (ca, url) = (file("ca.pem"), format!("https://{host}/"));
            let common = ["--connect-to", &to, "--cacert", &ca, &url];
            curl(&[&common[..], more].concat()).await
        };
        let (chain, key) = (file("client.pem"), file("client.key"));
        let client = ["--cert", chain.as_str(), "--key", key.as_str()];
        assert_eq!(ask("open.example", &[]).await, "127.0.0.1, server name open.example, no certificate");
        assert_eq!(ask("closed.example", &[]).await, "", "refused");
        assert_eq!(ask("closed.example", &client).await, "127.0.0.1, server name closed.example, a certificate");
        assert_eq!(ask("other.example", &[]).await, "", "no server has this name");
    }
}
