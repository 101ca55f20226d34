//! [`Routing`]: host and route in one choice, against the snapshot that is live when the request comes.
use std::{fmt, sync::Arc};

use gateway_core::{
    authority::server_name,
    host_table::{HostTable, without_port},
    model::{Config, HostPattern},
    route_table::RouteTable,
};
use http::{Request, header::HOST};

use crate::{
    HttpService,
    body::Body,
    conn::ServerId,
    error::{Error, Kind},
    exchange::{Exchange, RouteInfo},
    http::{HttpsRedirectLayer, Select, Split, observe::head, route},
    live::Live,
    service::SharedService,
    upstream::TcpProxy,
};

/// A configuration, ready to serve; replaced as a whole.
pub(super) struct Snapshot {
    pub(super) config: Arc<Config>,
    /// By the number of the server that took the connection.
    pub(super) servers: Arc<[Server]>,
}

/// What a listener's plain chain, or one of its TLS chains, does with connections.
pub(super) enum Server {
    /// HTTP.
    Http(Routes),
    /// Bytes.
    Tcp(Split<TcpProxy>),
}

/// A route table.
pub(super) struct Routes {
    pub(super) hosts: HostTable<Arc<Host>>,
    /// The TLS chains of the same listener by their names: a Host that would have chosen another one is not served
    /// here (421), whatever is done there.
    pub(super) chains: Option<Arc<HostTable<ServerId>>>,
}

/// A virtual host.
pub(super) struct Host {
    pub(super) https_redirect: bool,
    pub(super) routes: RouteTable<Target>,
}

/// A route and its finished service.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) info: Arc<RouteInfo>,
    pub(super) service: HttpService,
}

/// Chooses host and route.
#[derive(Clone)]
pub(super) struct Routing(Arc<Shared>);

struct Shared {
    live: Arc<Live<Snapshot>>,
    /// A copy of the head is kept for the access log.
    keep_heads: bool,
    redirect: HttpService,
    misdirected: HttpService,
}

enum Choice {
    Route(Target),
    Redirect,
    Misdirected,
}

impl Routing {
    pub(super) fn new(live: Arc<Live<Snapshot>>, keep_heads: bool) -> Self {
        use tower::Layer as _;
        let never = tower::service_fn(async |_: Request<Body>| Err(Error::new(Kind::NoRoute)));
        let redirect = HttpsRedirectLayer::moved_permanently().layer(never);
        let redirect =
            tower::ServiceExt::<Request<Body>>::map_response(redirect, |mut response: http::Response<Body>| {
                response.extensions_mut().insert(crate::http::LocalReply::default());
                response
            });
        let misdirected = tower::service_fn(async |_: Request<Body>| Err(Error::new(Kind::Misdirected)));
        Self(Arc::new(Shared {
            live,
            keep_heads,
            redirect: SharedService::new(redirect),
            misdirected: SharedService::new(misdirected),
        }))
    }
}

impl Snapshot {
    fn choose(&self, server: ServerId, req: &Request<Body>, https: bool) -> Option<Choice> {
        let Server::Http(this) = self.servers.get(server.0 as usize)? else { return None };
        // Its form was checked when the request was normalised.
        let host = without_port(req.headers().get(HOST)?.to_str().ok()?);
        if let Some(chains) = &this.chains {
            // The same normal form as for the server name of a handshake.
            let chosen = chains.find(server_name(host));
            if chosen.is_some_and(|&chosen| chosen != server) {
                return Some(Choice::Misdirected);
            }
        }
        let host = this.hosts.find(host)?;
        if host.https_redirect && !https {
            return Some(Choice::Redirect);
        }
        host.routes.find(&route::head(req)).cloned().map(Choice::Route)
    }
}

impl Select<Body> for Routing {
    type Service = HttpService;

    fn select(&self, req: &mut Request<Body>) -> Option<HttpService> {
        let exchange = Exchange::of(req)?.clone();
        if self.0.keep_heads {
            exchange.record().request = Some(Box::new(head(req)));
        }
        let conn = exchange.conn();
        let choice = self.0.live.look(|snapshot| snapshot.choose(conn.server?, req, exchange.is_https()));
        match choice? {
            Choice::Route(target) => {
                exchange.record().route = Some(target.info);
                Some(target.service)
            }
            Choice::Redirect => Some(self.0.redirect.clone()),
            Choice::Misdirected => Some(self.0.misdirected.clone()),
        }
    }
}

/// The names of TLS servers, for the check of Hosts.
pub(super) fn chain_table(chains: &[(Vec<HostPattern>, ServerId)]) -> Arc<HostTable<ServerId>> {
    let names = chains.iter().flat_map(|(names, id)| names.iter().map(move |name| (name.clone(), *id)));
    Arc::new(names.collect())
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("servers", &self.servers.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Routing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Routing")
    }
}
