//! The whole gateway, from Istio's YAML, beside own routes in one's own axum service.
//!
//! `cargo run --example embedded_gateway`, then `curl -H 'host: shop.example' http://127.0.0.1:3000/v1/x` and
//! `curl http://127.0.0.1:3000/whoami`.
use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::{ConnectInfo, Request},
    middleware::{Next, from_fn},
    response::Response,
    routing::get,
};
use gateway_core::{
    diagnostic::{Severity, SourceFile},
    istio::{ParseOptions, parse},
    model::Config,
    translate::{ResolveRule, Settings, translate},
};
use gateway_examples::Client;
use gateway_layers::{BoxError, conn::ConnInfo, stack::Gateway};

const YAML: &str = "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: shop, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: [shop.example]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: shop}
spec:
  hosts: [shop.example]
  gateways: [istio-system/shop]
  http:
  - match: [{uri: {prefix: /v1/}}]
    rewrite: {uri: /}
    route: [{destination: {host: cart}}]
";

/// The configuration, or what is wrong with it, with file, line and column.
fn config(cart: SocketAddr) -> Result<Config, BoxError> {
    let resolve =
        vec![ResolveRule { host: "cart.shop.svc.cluster.local".to_owned(), port: None, address: cart, h2: false }];
    let (resources, mut findings) = parse(&[SourceFile::new("shop.yaml", YAML)], &ParseOptions::default());
    let (config, more) = translate(&resources, &Settings { resolve, ..Settings::default() });
    findings.extend(more);
    match findings.iter().find(|finding| finding.severity == Severity::Error) {
        Some(error) => Err(error.short().into()),
        None => Ok(config),
    }
}

fn app(cart: SocketAddr) -> Result<Router, BoxError> {
    let gateway = Gateway::builder(config(cart)?).build()?;
    let http = gateway.http(80).ok_or("no such listener")?;
    let own = Router::new().route("/whoami", get(async |client: Client| client.to_string()));
    Ok(own.fallback_service(http).layer(from_fn(tell_peer)))
}

/// Under `axum::serve` the gateway is told who the peer is: it writes `x-forwarded-for` with it.
async fn tell_peer(ConnectInfo(peer): ConnectInfo<SocketAddr>, mut req: Request, next: Next) -> Response {
    req.extensions_mut().insert(Arc::new(ConnInfo::new(peer)));
    next.run(req).await
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let app = app(gateway_examples::upstream("cart").await?)?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?)
}

#[cfg(test)]
mod tests {
    use gateway_examples::{curl, upstream};

    use super::*;

    #[tokio::test]
    async fn own_routes_and_the_gateways_stand_side_by_side() {
        let app = app(upstream("cart").await.expect("a free port")).expect("a sound configuration");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let service = app.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        let who = curl(&[&format!("http://{address}/whoami")]).await;
        assert_eq!(who, "127.0.0.1, server name -, no certificate");
        let shop = ["-H", "host: shop.example"];
        assert_eq!(curl(&[&shop[..], &[&format!("http://{address}/v1/x")]].concat()).await, "cart /x 127.0.0.1");
        let status = ["-o", "/dev/null", "-w", "%{http_code}"];
        assert_eq!(curl(&[&status[..], &[&format!("http://{address}/v1/x")]].concat()).await, "404", "another host");
    }
}
