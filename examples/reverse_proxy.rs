//! A reverse proxy with path rules, made of single layers: routes, rewrite, retry, timeout, pooled connections.
//!
//! `cargo run --example reverse_proxy`, then `curl http://127.0.0.1:3000/api/users` (and `/whoami`).
use std::{convert::Infallible, net::SocketAddr, time::Duration};

use gateway_core::model::{self, ClusterName, Endpoint, Endpoints, PathRewrite, Protocol, RequestMatch, RetryPolicy};
use gateway_layers::{
    HttpService,
    body::Body,
    conn::{Drain, HttpServer, TcpAcceptor, serve},
    error::{Error, Kind},
    exchange::InFlight,
    http::{
        NormalizeLayer, ObserveLayer, RequestHeadLayer, RescueLayer, ResponseHeadLayer, RetryLayer, RewriteLayer,
        RouteLayer, TimeoutLayer, UpstreamHeadLayer,
    },
    random::Random,
    service::SharedService,
    upstream::{Cluster, Context},
};
use http::{Request, Response};
use tower::{Layer as _, Service, ServiceBuilder, ServiceExt as _, service_fn};

/// A service at one address.
fn cluster(name: &str, address: SocketAddr) -> Cluster {
    let model = model::Cluster {
        name: ClusterName { host: name.into(), port: address.port(), subset: "".into() },
        namespace: None,
        protocol: Protocol::Http1,
        endpoints: Endpoints::Static(vec![Endpoint::new(address)]),
        connect_timeout: Duration::from_secs(1),
    };
    Cluster::new(model, &Context::default())
}

/// `prefix` is cut off, connection failures are retried, and it takes two seconds at most.
fn route(prefix: &str, to: &Cluster) -> (RequestMatch, HttpService) {
    let cut = PathRewrite::Prefix { length: prefix.len(), with: "/".to_owned() };
    let chain = ServiceBuilder::new()
        .layer(TimeoutLayer::new(Some(Duration::from_secs(2))))
        .layer(UpstreamHeadLayer)
        .layer(RewriteLayer::new(Some(cut), None))
        .layer(RetryLayer::new(RetryPolicy::default(), Random::new(1)))
        .service(to.service());
    (RequestMatch::prefix(prefix), SharedService::new(chain.map_response(|response| response.map(Body::new))))
}

fn proxy(
    api: SocketAddr,
    files: SocketAddr,
) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone + Send + Sync + 'static
{
    // A service of one's own beside the upstreams gets the client from the request's record.
    let who: HttpService = SharedService::new(service_fn(gateway_examples::whoami));
    let routes = [
        route("/api/", &cluster("api", api)),
        route("/static/", &cluster("files", files)),
        (RequestMatch::prefix("/whoami"), who),
    ];
    let nothing: HttpService = SharedService::new(service_fn(async |_| Err(Error::new(Kind::NoRoute))));
    ServiceBuilder::new()
        .layer(ObserveLayer::new(std::sync::Arc::new(Silent), InFlight::default()))
        .layer(ResponseHeadLayer::default())
        .layer(RescueLayer)
        .layer(NormalizeLayer::default())
        .layer(RequestHeadLayer::new())
        .service(RouteLayer::new(routes).layer(nothing))
}

/// No log.
struct Silent;

impl gateway_layers::exchange::OnFinish for Silent {
    fn finish(&self, _: &gateway_layers::exchange::Exchange) {}
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let (api, files) = (gateway_examples::upstream("api").await?, gateway_examples::upstream("files").await?);
    let acceptor = TcpAcceptor::bind(([127, 0, 0, 1], 3000).into())?;
    serve(acceptor, HttpServer::new(proxy(api, files)), Drain::new().watch()).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use gateway_examples::{curl, upstream};

    use super::*;

    #[tokio::test]
    async fn paths_choose_upstreams() {
        let api = upstream("api").await.expect("a free port");
        let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
        let acceptor = TcpAcceptor::bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        let address = acceptor.local_addr().expect("bound");
        tokio::spawn(serve(acceptor, HttpServer::new(proxy(api, nobody)), Drain::new().watch()));
        assert_eq!(curl(&[&format!("http://{address}/api/users?x=1")]).await, "api /users?x=1 127.0.0.1");
        let who = curl(&[&format!("http://{address}/whoami")]).await;
        assert_eq!(who, "127.0.0.1, server name -, no certificate");
        let status = async |path: &str| {
            curl(&["-o", "/dev/null", "-w", "%{http_code}", &format!("http://{address}{path}")]).await
        };
        assert_eq!(status("/").await, "404");
        assert_eq!(status("/static/a.css").await, "503", "nobody listens there");
    }
}
