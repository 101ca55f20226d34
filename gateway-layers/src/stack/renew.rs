//! Credentials that are replaced while the gateway runs: live at the next handshake, and no connection is touched.
use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::Path,
    sync::{Arc, PoisonError},
};

use gateway_core::model::{
    CaSource, CertificateSource, Chain, ClientAuth, Config, Listener, Secret, SecretName, ServerTls,
};

use super::{
    build::ServerIds,
    credentials::{Problem, tls_config},
    gateway::Gateway,
    routing::Snapshot,
    tcp::{Passthrough, TcpRouting},
};
use crate::{
    conn::tls::{TlsServer, TlsTable},
    live::Live,
};

/// The server of a TLS chain as it is served, and what it was made of.
#[derive(Clone, Debug)]
pub(super) struct Served {
    /// None: its TLS is passed through.
    server: Option<TlsServer>,
    made_of: u64,
}

/// What came of reading credentials anew.
#[derive(Debug, Default)]
pub struct Renewal {
    /// TLS servers that have new ones.
    pub changed: usize,
    /// What could not be used: those servers go on with what they had.
    pub problems: Vec<Problem>,
}

impl Gateway {
    /// Reads every credential anew: files from their paths, secrets from `secrets`. A pair that cannot be used, one
    /// half of which is still to come for example, changes nothing: the last good one goes on, and the answer says
    /// so. What has not changed keeps its sessions; what has, makes new ones, so that no ticket of an older policy is
    /// taken.
    pub fn renew(&self, secrets: Vec<Secret>) -> Renewal {
        let shared = &self.0;
        let config = Config { secrets, ..(*self.config()).clone() };
        let mut renewal = Renewal::default();
        let mut served = shared.served.lock().unwrap_or_else(PoisonError::into_inner);
        for ((listener, table), before) in config.listeners.iter().zip(&shared.tls).zip(served.iter_mut()) {
            let now = chains(listener, &config, before, &mut renewal.problems);
            let changed = now.iter().zip(&*before).filter(|(now, before)| now.made_of != before.made_of).count();
            *before = now;
            renewal.changed += changed;
            if changed > 0 {
                table.store(servers_by_name(listener, &shared.builder.ids, before, &shared.live));
            }
        }
        drop(served);
        let servers = shared.live.look(|snapshot| snapshot.servers.clone());
        shared.live.store(Snapshot { config: config.into(), servers });
        renewal
    }
}

/// The servers of a listener's chains; `before` are those that are served, if any.
pub(super) fn chains(
    listener: &Listener,
    config: &Config,
    before: &[Served],
    problems: &mut Vec<Problem>,
) -> Vec<Served> {
    let each = listener.chains().iter().enumerate().map(|(n, chain)| chain_of(chain, config, before.get(n), problems));
    each.collect()
}

fn chain_of(chain: &Chain, config: &Config, before: Option<&Served>, problems: &mut Vec<Problem>) -> Served {
    let Some(tls) = chain.tls() else { return Served { server: None, made_of: 0 } };
    let made_of = made_of(tls, config);
    if let Some(before) = before
        && before.made_of == made_of
    {
        return before.clone();
    }
    match tls_config(chain, tls, config) {
        Ok(config) => Served { server: Some(TlsServer::new(config)), made_of },
        Err(found) => {
            problems.extend(found);
            // Not made of this: it is tried again.
            before.cloned().unwrap_or_else(|| Served { server: Some(TlsServer::unavailable()), made_of: !made_of })
        }
    }
}

/// The servers by their names, to be replaced when there are new credentials.
pub(super) fn tls_table(
    listener: &Listener,
    ids: &ServerIds,
    served: &[Served],
    live: &Arc<Live<Snapshot>>,
) -> Arc<Live<TlsTable<Passthrough>>> {
    Arc::new(Live::new(servers_by_name(listener, ids, served, live)))
}

fn servers_by_name(
    listener: &Listener,
    ids: &ServerIds,
    served: &[Served],
    live: &Arc<Live<Snapshot>>,
) -> TlsTable<Passthrough> {
    let mut table = TlsTable::empty();
    for (chain, served) in listener.chains().iter().zip(served) {
        let id = ids.get(listener, chain.name());
        for name in &chain.server_names {
            match &served.server {
                Some(server) => table.insert(name, server.clone().with_id(id)),
                None => table.insert_passthrough(name, Passthrough { id, inner: TcpRouting(live.clone()) }),
            }
        }
    }
    table
}

/// A number that is another one when the texts are others.
fn made_of(tls: &ServerTls, config: &Config) -> u64 {
    let mut hasher = DefaultHasher::new();
    let mut file = |path: &Path| fs::read(path).ok().hash(&mut hasher);
    let mut secrets: Vec<&SecretName> = Vec::new();
    for source in &tls.certificates {
        match source {
            CertificateSource::Secret(name) => secrets.push(name),
            CertificateSource::Files { chain, key } => {
                file(chain);
                file(key);
            }
        }
    }
    if let ClientAuth::Asked(policy) = &tls.client_auth {
        match &policy.ca {
            CaSource::File(path) => file(path),
            CaSource::Secrets(names) => secrets.extend(names),
        }
        policy.crl.iter().for_each(|path| file(path));
    }
    for name in secrets {
        let secret = config.secret(name);
        secret.and_then(|secret| secret.certificate.as_ref()).map(|(chain, key)| (&chain.0, &key.0)).hash(&mut hasher);
        secret.and_then(|secret| secret.ca.as_ref()).map(|ca| &ca.0).hash(&mut hasher);
        secret.and_then(|secret| secret.crl.as_ref()).map(|crl| &crl.0).hash(&mut hasher);
    }
    hasher.finish()
}

/// The files that the credentials of a configuration are in.
#[must_use]
pub fn credential_files(config: &Config) -> Vec<&Path> {
    let mut files = Vec::new();
    for tls in config.listeners.iter().flat_map(Listener::chains).filter_map(Chain::tls) {
        for source in &tls.certificates {
            if let CertificateSource::Files { chain, key } = source {
                files.extend([chain.as_path(), key.as_path()]);
            }
        }
        if let ClientAuth::Asked(policy) = &tls.client_auth {
            files.extend(policy.crl.as_deref());
            if let CaSource::File(path) = &policy.ca {
                files.push(path);
            }
        }
    }
    files
}
