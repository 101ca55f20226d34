//! One address, two axum apps, told apart by Host (HTTP/1.1) and `:authority` (HTTP/2). Under our server handlers get
//! the client from the request's record; the same app works under `axum::serve` (then by `ConnectInfo`).
//!
//! `cargo run --example virtual_hosts`, then `curl -H 'host: api.example.com' http://127.0.0.1:3000/`.
use axum::{Router, http::StatusCode, routing::get};
use gateway_examples::Client;
use gateway_layers::{
    conn::{Drain, HttpServer, TcpAcceptor, serve},
    http::VirtualHostLayer,
};
use tower::Layer as _;

fn app() -> Router {
    let api = Router::new().route("/", get(async |client: Client| format!("api for {client}")));
    let site = Router::new().route("/", get(async || "site"));
    let nobody = Router::new().fallback(async || StatusCode::NOT_FOUND);
    let hosts = VirtualHostLayer::new().host("api.example.com", api).host("*.example.com", site);
    Router::new().fallback_service(hosts.layer(nobody))
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let acceptor = TcpAcceptor::bind(([127, 0, 0, 1], 3000).into())?;
    serve(acceptor, HttpServer::new(app()), Drain::new().watch()).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use gateway_examples::curl;

    use super::*;

    #[tokio::test]
    async fn hosts_are_told_apart_over_both_protocols() {
        let acceptor = TcpAcceptor::bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        let ours = acceptor.local_addr().expect("bound");
        let drain = Drain::new();
        tokio::spawn(serve(acceptor, HttpServer::new(app()), drain.watch()));
        hosts_are_told_apart(ours, &["--http1.1", "--http2-prior-knowledge"]).await;
    }

    #[tokio::test]
    async fn the_same_under_axum() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let service = app().into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        // HTTP/2 is a feature of axum that is not on here.
        hosts_are_told_apart(address, &["--http1.1"]).await;
    }

    async fn hosts_are_told_apart(address: SocketAddr, versions: &[&str]) {
        for version in versions {
            let ask = async |host: &str| {
                let to = format!("::{address}");
                curl(&[version, "-w", " %{http_code}", "--connect-to", &to, &format!("http://{host}/")]).await
            };
            let shown = "api for 127.0.0.1, server name -, no certificate 200";
            assert_eq!(ask("api.example.com").await, shown, "{version}");
            assert_eq!(ask("www.example.com").await, "site 200", "{version}");
            assert_eq!(ask("example.com").await, " 404", "{version}");
        }
    }
}
