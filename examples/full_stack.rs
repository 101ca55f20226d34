//! The whole gateway by hand, from the public API: everything that `stack::Gateway` does for one listener, in the
//! order in which it does it. The proof that nothing of it is private.
//!
//! `cargo run --example full_stack`, then `curl -k --connect-to ::127.0.0.1:3443 https://shop.example/v1/x` (and
//! `/whoami`).
use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use gateway_core::{
    model::{
        self, ClusterName, Cors, Endpoint, Endpoints, HeaderOp, HeaderOps, PathRewrite, Protocol, RequestMatch,
        RetryPolicy, StringMatch,
    },
    template::Template,
};
use gateway_examples::{Certificates, upstream, whoami};
use gateway_layers::{
    BoxError, HttpService,
    body::Body,
    conn::{
        Drain, HttpServer, TcpAcceptor, serve,
        tls::{TlsLayer, TlsServer, TlsTable, server_config},
    },
    error::{Error, Kind},
    exchange::InFlight,
    http::{
        CorsLayer, HeadersLayer, HttpsRedirectLayer, MirrorLayer, NormalizeLayer, ObserveLayer, RequestHeadLayer,
        RescueLayer, ResponseHeadLayer, RetryLayer, RewriteLayer, RouteLayer, Split, TimeoutLayer, UpgradeLayer,
        UpstreamHeadLayer, VirtualHostLayer,
        access_log::{AccessLog, Format},
    },
    live::Live,
    random::Random,
    service::SharedService,
    upstream::{Cluster, Context},
};
use http::{HeaderName, Request, Response};
use tower::{Layer as _, Service, ServiceBuilder, ServiceExt as _, service_fn};

fn cluster(name: &str, address: SocketAddr) -> Cluster {
    let model = model::Cluster {
        name: ClusterName { host: name.into(), port: 80, subset: "".into() },
        namespace: None,
        protocol: Protocol::Http1,
        endpoints: Endpoints::Static(vec![Endpoint::new(address)]),
        connect_timeout: Duration::from_secs(10),
    };
    Cluster::new(model, &Context::default())
}

/// One destination, from the outside in.
fn destination(to: &Cluster, mirror: &Cluster, random: &Random) -> Result<HttpService, BoxError> {
    let stage = HeaderOp::Set(HeaderName::from_static("x-served-by"), Template::header(&to.name().host)?);
    let client = Template::header("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%")?;
    let client = HeaderOp::Set(HeaderName::from_static("x-client"), client);
    let cut = PathRewrite::Prefix { length: "/v1/".len(), with: "/".to_owned() };
    let mirror: HttpService = SharedService::new(mirror.service());
    let origins = Cors { allow_origins: vec![StringMatch::Exact("https://app.example".to_owned())], ..Cors::default() };
    let chain = ServiceBuilder::new()
        .layer(CorsLayer::new(origins))
        .layer(HeadersLayer::new(HeaderOps::default(), HeaderOps(vec![stage])))
        .layer(RescueLayer)
        .map_response(|response: Response<_>| response.map(Body::new))
        .layer(TimeoutLayer::new(Some(Duration::from_secs(15))))
        .layer(UpstreamHeadLayer)
        .layer(HeadersLayer::new(HeaderOps(vec![client]), HeaderOps::default()))
        .layer(RewriteLayer::new(Some(cut), None))
        .layer(MirrorLayer::new([(mirror, model::Fraction::ALL)], random.clone()))
        .layer(UpgradeLayer)
        .layer(RetryLayer::new(RetryPolicy::default(), random.clone()))
        .service(to.service());
    Ok(SharedService::new(chain.map_err(Error::from)))
}

/// What every request passes.
fn http(
    [blue, green, shadow]: [SocketAddr; 3],
    log: AccessLog,
) -> Result<
    impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone + Send + Sync + 'static,
    BoxError,
> {
    let random = Random::new(1);
    let shadow = cluster("shadow", shadow);
    let split: HttpService = SharedService::new(Split::new(
        [
            (1, destination(&cluster("blue", blue), &shadow, &random)?),
            (1, destination(&cluster("green", green), &shadow, &random)?),
        ],
        random.clone(),
    ));
    let nothing: HttpService = SharedService::new(service_fn(async |_| Err(Error::new(Kind::NoRoute))));
    let who: HttpService = SharedService::new(service_fn(whoami));
    let routes = [(RequestMatch::prefix("/v1/"), split), (RequestMatch::prefix("/whoami"), who)];
    let shop = RouteLayer::new(routes).layer(nothing.clone());
    let shop: HttpService = SharedService::new(HttpsRedirectLayer::moved_permanently().layer(shop));
    Ok(ServiceBuilder::new()
        .layer(ObserveLayer::new(Arc::new(log), InFlight::default()).keep_heads(true))
        .layer(ResponseHeadLayer::default())
        .layer(RescueLayer)
        .layer(NormalizeLayer::default())
        .layer(RequestHeadLayer::new())
        .layer(VirtualHostLayer::new().host("shop.example", shop))
        .service(nothing))
}

async fn run(
    plain: TcpAcceptor,
    secure: TcpAcceptor,
    certificates: &Certificates,
    upstreams: [SocketAddr; 3],
) -> Result<(), BoxError> {
    let log = AccessLog::new(Format::default_text(), std::io::stdout())?;
    let server = HttpServer::new(http(upstreams, log)?);
    let pair = (certificates.server.chain.as_bytes(), certificates.server.key.as_bytes());
    let table = TlsTable::default().server("shop.example", TlsServer::new(server_config(&[pair], None)?));
    let tls = TlsLayer::new(Arc::new(Live::new(table))).layer(server.clone());
    let drain = Drain::new();
    tokio::join!(serve(plain, server, drain.watch()), serve(secure, tls, drain.watch()));
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let certificates = Certificates::new(&["shop.example"])?;
    let upstreams = [upstream("blue").await?, upstream("green").await?, upstream("shadow").await?];
    let open = |port| TcpAcceptor::bind(([127, 0, 0, 1], port).into());
    run(open(3000)?, open(3443)?, &certificates, upstreams).await
}

#[cfg(test)]
mod tests {
    use gateway_examples::curl;

    use super::*;

    #[tokio::test]
    async fn the_hand_made_gateway_works() {
        let certificates = Arc::new(Certificates::new(&["shop.example"]).expect("a name"));
        let mut upstreams = [SocketAddr::from(([127, 0, 0, 1], 1)); 3];
        for (slot, name) in upstreams.iter_mut().zip(["blue", "green", "shadow"]) {
            *slot = upstream(name).await.expect("a free port");
        }
        let open = || TcpAcceptor::bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        let (plain, secure) = (open(), open());
        let to = |acceptor: &TcpAcceptor| format!("::{}", acceptor.local_addr().expect("bound"));
        let (to_plain, to_secure) = (to(&plain), to(&secure));
        tokio::spawn(async move { run(plain, secure, &certificates, upstreams).await });

        let redirect = ["-w", "%{http_code} %header{location}", "--connect-to", &to_plain, "http://shop.example/v1/x"];
        assert_eq!(curl(&redirect).await, "301 https://shop.example/v1/x");
        let who = curl(&["-k", "--connect-to", &to_secure, "https://shop.example/whoami"]).await;
        assert_eq!(who, "127.0.0.1, server name shop.example, no certificate");
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..40 {
            let shown =
                ["-k", "-w", " by %header{x-served-by}", "--connect-to", &to_secure, "https://shop.example/v1/x"];
            seen.insert(curl(&shown).await);
        }
        let expected = ["blue /x 127.0.0.1 by blue", "green /x 127.0.0.1 by green"];
        assert_eq!(seen.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    }
}
