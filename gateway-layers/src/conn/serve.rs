//! [`serve`]: the accept loop; knows no protocol.
use std::pin::pin;

use tower::util::Oneshot;
use tower_service::Service;
use tracing::debug;

use super::{Conn, ConnInfo, Listener, Phase, Watch};
use crate::error::Error;

/// Accepts until `drain` is closing; then takes what waits in the queue (a socket that is closed resets it) and
/// returns. Each connection has its own task and holds its watch until it is over; a connection that fails is its
/// own affair and logged at debug.
pub async fn serve<L, S>(mut listener: L, service: S, drain: Watch)
where
    L: Listener,
    L::Io: Send + 'static,
    S: Service<Conn<L::Io>, Response = (), Error = Error> + Clone + Send + 'static,
    S::Future: Send,
{
    let start = |io, mut info: ConnInfo| {
        let watch = drain.connection();
        info.drain = Some(watch.clone());
        let peer = info.peer;
        let over = Oneshot::new(service.clone(), Conn { io, info, drain: watch });
        tokio::spawn(async move {
            if let Err(error) = over.await {
                debug!(%peer, %error, "connection ended");
            }
        });
    };
    let mut closing = pin!(drain.reached(Phase::Closing));
    loop {
        let (io, info) = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut closing => break,
        };
        start(io, info);
    }
    while let Some((io, info)) = listener.waiting() {
        start(io, info);
    }
}
