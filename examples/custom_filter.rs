//! A layer of one's own in the assembled gateway: requests without a tenant are refused on one route.
//!
//! `cargo run --example custom_filter`, then `curl -i -H 'host: a.example' http://127.0.0.1:3000/` (with and without
//! `-H 'x-tenant: blue'`).
use std::sync::Arc;

use gateway_core::model::{
    Action, Config, DirectResponse, HeaderOps, HostPattern, Listener, Origin, RequestMatch, Route, RouteConfig,
    Transport, VirtualHost,
};
use gateway_examples::Client;
use gateway_layers::{
    BoxError, HttpService,
    body::Body,
    conn::Drain,
    service::SharedService,
    stack::{Filter, Gateway, Options, RouteSlot},
};
use http::{Request, Response, StatusCode};
use tower::{ServiceExt as _, service_fn};

/// Refuses requests without `x-tenant` on routes whose name begins with `tenant`.
#[derive(Debug)]
struct RequireTenant;

impl Filter for RequireTenant {
    fn route(&self, slot: &RouteSlot<'_>, next: HttpService) -> HttpService {
        if !slot.route.name.starts_with("tenant") {
            // Costs nothing: it was decided when the configuration was built.
            return next;
        }
        SharedService::new(service_fn(move |req: Request<Body>| {
            let next = next.clone();
            async move {
                if req.headers().contains_key("x-tenant") {
                    return next.oneshot(req).await;
                }
                let client = Client::of(&req);
                let mut refused = Response::new(Body::from(bytes::Bytes::from(format!("which tenant? ({client})\n"))));
                *refused.status_mut() = StatusCode::UNAUTHORIZED;
                Ok(refused)
            }
        }))
    }
}

/// A configuration made in Rust: no YAML, no Istio.
fn config() -> Config {
    let answer = |name: &str, path: &str, text: &str| {
        let body = text.as_bytes().to_vec();
        let action = DirectResponse { status: StatusCode::OK, body, response_headers: HeaderOps::default() };
        Arc::new(Route {
            name: name.to_owned(),
            matches: RequestMatch::prefix(path),
            action: Action::DirectResponse(action),
            origin: Origin::default(),
        })
    };
    let routes = vec![answer("public", "/public", "for all\n"), answer("tenant-all", "/", "for tenants\n")];
    let host = VirtualHost { host: HostPattern::new("a.example"), https_redirect: false, routes };
    let table = RouteConfig { name: "http.80".to_owned(), virtual_hosts: vec![host], origins: Vec::new() };
    Config {
        listeners: vec![Listener { bind: None, port: 80, transport: Transport::Http(table) }],
        ..Config::default()
    }
}

fn gateway(port: u16) -> Result<Gateway, BoxError> {
    let mut options = Options::default();
    options.ports.insert(80, ([127, 0, 0, 1], port).into());
    Ok(Gateway::builder(config()).options(options).filter(RequireTenant).build()?)
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    Ok(gateway(3000)?.bind()?.serve(Drain::new().watch()).await?)
}

#[cfg(test)]
mod tests {
    use gateway_examples::curl;

    use super::*;

    #[tokio::test]
    async fn the_filter_stands_on_its_routes_alone() {
        let bound = gateway(0).expect("sound").bind().expect("a free port");
        let to = format!("::{}", bound.address(80).expect("open"));
        tokio::spawn(bound.serve(Drain::new().watch()));
        let ask = async |path: &str, more: &[&str]| {
            let url = format!("http://a.example{path}");
            curl(&[&["--connect-to", &to, &url][..], more].concat()).await
        };
        assert_eq!(ask("/public", &[]).await, "for all\n");
        assert_eq!(ask("/", &[]).await, "which tenant? (127.0.0.1, server name -, no certificate)\n");
        assert_eq!(ask("/", &["-H", "x-tenant: blue"]).await, "for tenants\n");
    }
}
