//! Two kinds of TLS on one port, told apart by the name that the client asks for: for `shop.example` TLS ends here and an
//! axum app answers; connections for names below `db.example` go on to another server as they came, TLS and all. Any
//! other name, and clear text, is hung up on.
//!
//! `cargo run --example sni_passthrough` prints the curl commands.
use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, routing::get};
use gateway_core::model::{self, ClusterName, Endpoint, Endpoints, Protocol};
use gateway_examples::{Certificates, Client};
use gateway_layers::{
    BoxError,
    conn::{
        Drain, HttpServer, TcpAcceptor, serve,
        tls::{TlsLayer, TlsServer, TlsTable, server_config},
    },
    http::Split,
    live::Live,
    random::Random,
    upstream::{Cluster, Context, TcpProxy},
};
use tower::Layer as _;

/// A server for some names, with a certificate of its own.
fn server(certificates: &Certificates) -> Result<TlsServer, BoxError> {
    let pair = [(certificates.server.chain.as_bytes(), certificates.server.key.as_bytes())];
    Ok(TlsServer::new(server_config(&pair, None)?))
}

fn proxy(name: &str, address: SocketAddr) -> TcpProxy {
    let cluster = model::Cluster {
        name: ClusterName { host: name.into(), port: 443, subset: "".into() },
        namespace: None,
        protocol: Protocol::Http1,
        endpoints: Endpoints::Static(vec![Endpoint::new(address)]),
        connect_timeout: Duration::from_secs(10),
    };
    TcpProxy::new(Cluster::new(cluster, &Context::default())).idle_timeout(Some(Duration::from_secs(600)))
}

/// What is behind the gateway: it has its own key, which the gateway never sees.
async fn database(certificates: &Certificates) -> Result<SocketAddr, BoxError> {
    let table = TlsTable::default().server("*.db.example", server(certificates)?);
    let acceptor = TcpAcceptor::bind(([127, 0, 0, 1], 0).into())?;
    let address = acceptor.local_addr()?;
    let app = Router::new().route("/", get(async |client: Client| client.to_string()));
    let conn = TlsLayer::new(Arc::new(Live::new(table))).layer(HttpServer::new(app));
    tokio::spawn(async move { serve(acceptor, conn, Drain::new().watch()).await });
    Ok(address)
}

/// Nine of ten connections to the database go to `main`, the others to `replica`.
fn table(shop: TlsServer, main: SocketAddr, replica: SocketAddr) -> TlsTable<Split<TcpProxy>> {
    let database = Split::new([(9, proxy("main", main)), (1, proxy("replica", replica))], Random::new(1));
    TlsTable::empty().server("shop.example", shop).passthrough("*.db.example", database)
}

async fn run(acceptor: TcpAcceptor, table: TlsTable<Split<TcpProxy>>, drain: &Drain) {
    let app = Router::new().route("/", get(async |client: Client| format!("shop: {client}")));
    let conn = TlsLayer::new(Arc::new(Live::new(table))).layer(HttpServer::new(app));
    serve(acceptor, conn, drain.watch()).await;
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (shop, db) = (Certificates::new(&["shop.example"])?, Certificates::new(&["a.db.example"])?);
    let folder = std::env::temp_dir().join("sni_passthrough");
    for (name, certificates) in [("shop", &shop), ("db", &db)] {
        std::fs::create_dir_all(folder.join(name))?;
        certificates.write(&folder.join(name))?;
    }
    for (name, host) in [("shop", "shop.example"), ("db", "a.db.example")] {
        let ca = folder.join(name).join("ca.pem");
        println!("curl --connect-to ::127.0.0.1:3443 --cacert {} https://{host}/", ca.display());
    }
    let table = table(server(&shop)?, database(&db).await?, database(&db).await?);
    run(TcpAcceptor::bind(([127, 0, 0, 1], 3443).into())?, table, &Drain::new()).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use gateway_examples::curl;

    use super::*;

    #[tokio::test]
    async fn one_name_ends_here_and_the_others_go_on() {
        let shop = Certificates::new(&["shop.example", "other.example"]).expect("names");
        let db = Certificates::new(&["a.db.example", "b.c.db.example"]).expect("names");
        let folder = tempfile::tempdir().expect("a folder");
        let ca = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(ca("shop"), &shop.ca).expect("written");
        std::fs::write(ca("db"), &db.ca).expect("written");
        let (main, replica) = (database(&db).await.expect("a port"), database(&db).await.expect("a port"));
        let table = table(server(&shop).expect("a pair"), main, replica);
        let acceptor = TcpAcceptor::bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        let to = acceptor.local_addr().expect("bound");
        tokio::spawn(async move { run(acceptor, table, &Drain::new()).await });

        let connect_to = format!("::{to}");
        let ask = async |name: &str, host: &str| {
            let url = format!("https://{host}/");
            curl(&["--connect-to", &connect_to, "--cacert", &ca(name), &url]).await
        };
        let shown = |name: &str| format!("127.0.0.1, server name {name}, no certificate");
        assert_eq!(ask("shop", "shop.example").await, format!("shop: {}", shown("shop.example")));
        // curl has verified the certificate that only the database has.
        assert_eq!(ask("db", "a.db.example").await, shown("a.db.example"));
        assert_eq!(ask("db", "B.c.db.example").await, shown("b.c.db.example"));
        assert_eq!(ask("shop", "a.db.example").await, "", "another CA");
        assert_eq!(ask("shop", "other.example").await, "", "no server has this name");
        assert_eq!(curl(&[&format!("http://{to}/")]).await, "", "clear text");
    }
}
