//! HTTPS redirect on an axum app, under `axum::serve`. Of the client a handler gets what axum knows: its address.
//!
//! `cargo run --example https_redirect`, then `curl -i 'http://127.0.0.1:3000/x?y=1'`.
use std::net::SocketAddr;

use axum::{Router, routing::get};
use gateway_examples::Client;
use gateway_layers::http::HttpsRedirectLayer;

fn app() -> Router {
    Router::new()
        .route("/", get(async || "only over https"))
        .route("/.well-known/acme-challenge/{token}", get(async |client: Client| client.to_string()))
        // Certificates are proved over plain HTTP.
        .layer(HttpsRedirectLayer::permanent().except("/.well-known/acme-challenge/"))
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    axum::serve(listener, app().into_make_service_with_connect_info::<SocketAddr>()).await
}

#[cfg(test)]
mod tests {
    use gateway_examples::curl;

    use super::*;

    #[tokio::test]
    async fn plain_requests_are_redirected_but_challenges_are_answered() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let service = app().into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        let shown = curl(&["-w", "%{http_code} %header{location}", &format!("http://{address}/x?y=1")]).await;
        assert_eq!(shown, format!("308 https://{address}/x?y=1"));
        let challenge = curl(&[&format!("http://{address}/.well-known/acme-challenge/t")]).await;
        assert_eq!(challenge, "127.0.0.1, server name -, no certificate");
    }
}
