//! Configuration to snapshot.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use gateway_core::{
    model::{ChainAction, ClusterName, Config, Listener, Route, RouteConfig, Transport},
    route_table::RouteTable,
};

use super::{
    credentials::Problem,
    filter::Filter,
    observers::Observers,
    renew::{self, Served},
    route::Parts,
    routing::{Host, Routes, Server, Snapshot, Target, chain_table},
    tcp::tcp_route,
};
use crate::{
    conn::ServerId,
    exchange::RouteInfo,
    random::Random,
    upstream::{Cluster, Context},
};

/// What a build needs beside the configuration.
pub(super) struct Builder {
    pub(super) context: Context,
    pub(super) filters: Vec<Arc<dyn Filter>>,
    pub(super) random: Random,
    pub(super) ids: ServerIds,
    pub(super) observers: Arc<Observers>,
}

/// Numbers of servers, the same for the same server in every configuration.
#[derive(Debug, Default)]
pub(super) struct ServerIds(Mutex<HashMap<String, ServerId>>);

impl ServerIds {
    /// The number of a route table, or of a TCP route, on a listener.
    pub(super) fn get(&self, listener: &Listener, name: &str) -> ServerId {
        let key = format!("{:?} {} {name}", listener.bind, listener.port);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = ServerId(u32::try_from(known.len()).unwrap_or(u32::MAX));
        *known.entry(key).or_insert(next)
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// A snapshot, and what its TLS tables are made of, in the order of the configuration's listeners.
pub(super) struct Built {
    pub(super) snapshot: Snapshot,
    /// The servers of each TLS chain.
    pub(super) served: Vec<Vec<Served>>,
    pub(super) problems: Vec<Problem>,
}

impl Builder {
    pub(super) fn build(&self, config: Config) -> Built {
        let config = Arc::new(config);
        let cluster = |cluster: &gateway_core::model::Cluster| {
            (cluster.name.clone(), Cluster::new(cluster.clone(), &self.context))
        };
        let clusters: HashMap<ClusterName, Cluster> = config.clusters.iter().map(cluster).collect();
        let mut parts = Parts {
            clusters: &clusters,
            destinations: HashMap::new(),
            filters: &self.filters,
            random: &self.random,
            workers: self.context.workers,
        };
        let mut tables = Tables { made: HashMap::new(), servers: Vec::new() };
        let mut problems = Vec::new();
        let mut served = Vec::new();
        for listener in &config.listeners {
            self.listener(listener, &mut tables, &mut parts);
            served.push(renew::chains(listener, &config, &[], &mut problems));
        }
        let mut servers: Vec<_> = (0..self.ids.count()).map(|_| Server::empty()).collect();
        for (id, server) in tables.servers {
            if let Some(slot) = servers.get_mut(id.0 as usize) {
                *slot = server;
            }
        }
        Built { snapshot: Snapshot { config, servers: servers.into() }, served, problems }
    }

    /// Makes a listener's servers.
    fn listener(&self, listener: &Listener, tables: &mut Tables, parts: &mut Parts<'_>) {
        match &listener.transport {
            Transport::Http(routes) => {
                let id = self.ids.get(listener, &routes.name);
                tables.add(id, routes, None, parts);
            }
            Transport::Tcp(route) => {
                let id = self.ids.get(listener, &route.name);
                tables.servers.push((id, Server::Tcp(tcp_route(route, parts, &self.observers))));
            }
            Transport::Tls(chains) => {
                let ids: Vec<_> = chains.iter().map(|chain| self.ids.get(listener, chain.name())).collect();
                let named = chains.iter().map(|chain| chain.server_names.clone()).zip(ids.iter().copied());
                let names = chain_table(&named.collect::<Vec<_>>());
                for (chain, id) in chains.iter().zip(ids) {
                    match &chain.action {
                        ChainAction::Http { routes, .. } => tables.add(id, routes, Some(names.clone()), parts),
                        ChainAction::Tcp { route, .. } | ChainAction::Passthrough(route) => {
                            tables.servers.push((id, Server::Tcp(tcp_route(route, parts, &self.observers))));
                        }
                    }
                }
            }
        }
    }
}

impl Server {
    fn empty() -> Self {
        Self::Http(Routes { hosts: gateway_core::host_table::HostTable::default(), chains: None })
    }
}

/// Servers so far, and the routes that were made for them: one rule may stand in many hosts.
struct Tables {
    made: HashMap<*const Route, Target>,
    servers: Vec<(ServerId, Server)>,
}

impl Tables {
    fn add(
        &mut self,
        id: ServerId,
        routes: &RouteConfig,
        chains: Option<Arc<gateway_core::host_table::HostTable<ServerId>>>,
        parts: &mut Parts<'_>,
    ) {
        let hosts = routes.virtual_hosts.iter().map(|host| {
            let routes = host.routes.iter().map(|route| (route.matches.clone(), self.target(route, parts)));
            let routes = RouteTable::new(routes.collect::<Vec<_>>());
            (host.host.clone(), Arc::new(Host { https_redirect: host.https_redirect, routes }))
        });
        let hosts = hosts.collect();
        self.servers.push((id, Server::Http(Routes { hosts, chains })));
    }

    fn target(&mut self, route: &Arc<Route>, parts: &mut Parts<'_>) -> Target {
        let make = || Target {
            info: Arc::new(RouteInfo { name: route.name.clone(), origin: route.origin.clone() }),
            service: parts.route(route),
        };
        self.made.entry(Arc::as_ptr(route)).or_insert_with(make).clone()
    }
}
