//! One address, two axum apps, told apart by Host (HTTP/1.1) and `:authority` (HTTP/2). Under our server handlers get
//! the connection from the request's record; the same app works under `axum::serve` (then by `ConnectInfo`).
//!
//! `cargo run --example virtual_hosts`, then `curl -H 'host: api.example.com' http://127.0.0.1:3000/`.
use std::{convert::Infallible, sync::Arc};

use axum::{Extension, Router, body::Body, http::StatusCode, response::Response, routing::get};
use gateway_layers::{
    conn::{Drain, HttpServer, TcpAcceptor, serve},
    exchange::Exchange,
    http::VirtualHostLayer,
};
use tower::{Layer as _, Service};

/// The server's requests, axum's responses.
fn app() -> impl Service<http::Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ Sync
+ 'static {
    let api = Router::new().route("/", get(peer));
    let site = Router::new().route("/", get(async || "site"));
    let nobody = Router::new().fallback(async || StatusCode::NOT_FOUND);
    VirtualHostLayer::new().host("api.example.com", api).host("*.example.com", site).layer(nobody)
}

async fn peer(Extension(exchange): Extension<Arc<Exchange>>) -> String {
    let conn = exchange.conn();
    let name = conn.tls.as_ref().and_then(|tls| tls.server_name.as_deref());
    format!("api for {}, server name {}", conn.peer.ip(), name.unwrap_or("-"))
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let acceptor = TcpAcceptor::bind(([127, 0, 0, 1], 3000).into())?;
    serve(acceptor, HttpServer::new(app()), Drain::new().watch()).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use gateway_examples::curl;

    use super::*;

    #[tokio::test]
    async fn hosts_are_told_apart_over_both_protocols() {
        let acceptor = TcpAcceptor::bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        let address = acceptor.local_addr().expect("bound");
        let drain = Drain::new();
        tokio::spawn(serve(acceptor, HttpServer::new(app()), drain.watch()));
        for version in ["--http1.1", "--http2-prior-knowledge"] {
            let ask = async |host: &str| {
                let to = format!("::{address}");
                curl(&[version, "-w", " %{http_code}", "--connect-to", &to, &format!("http://{host}/")]).await
            };
            assert_eq!(ask("api.example.com").await, "api for 127.0.0.1, server name - 200", "{version}");
            assert_eq!(ask("www.example.com").await, "site 200", "{version}");
            assert_eq!(ask("example.com").await, " 404", "{version}");
        }
    }
}
