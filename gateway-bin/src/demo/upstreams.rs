//! Two small servers that say who they are and what reached them.
use std::{fmt::Write as _, net::SocketAddr, thread};

use anyhow::Context as _;
use axum::{Router, extract::Request, http::HeaderMap};

/// A server of the demo.
#[derive(Clone, Copy, Debug)]
pub(super) struct Upstream {
    /// It answers `hello from NAME`.
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
}

/// Opens the ports, then serves in a thread until the process ends.
pub(super) fn start(upstreams: &[Upstream]) -> anyhow::Result<()> {
    let mut servers = Vec::new();
    for upstream in upstreams {
        let address = upstream.address;
        let open = || {
            let socket = std::net::TcpListener::bind(address)?;
            socket.set_nonblocking(true)?;
            Ok::<_, std::io::Error>(socket)
        };
        let socket = open().with_context(|| {
            format!("cannot open {address} for the upstream {} (other ports: --port-base N)", upstream.name)
        })?;
        servers.push((socket, router(upstream.name)));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let serve = async move {
        let mut all = tokio::task::JoinSet::new();
        for (socket, router) in servers {
            all.spawn(async move { axum::serve(tokio::net::TcpListener::from_std(socket)?, router).await });
        }
        while let Some(ended) = all.join_next().await {
            tracing::error!(?ended, "an upstream of the demo ended");
        }
    };
    thread::Builder::new().name("upstreams".to_owned()).spawn(move || runtime.block_on(serve))?;
    Ok(())
}

fn router(name: &'static str) -> Router {
    Router::new().fallback(async move |request: Request| {
        let line = format!("{} {} {:?}", request.method(), request.uri(), request.version());
        format!("hello from {name}\n{line}\n{}", fields(request.headers()))
    })
}

fn fields(headers: &HeaderMap) -> String {
    headers.iter().fold(String::new(), |mut text, (name, value)| {
        // A String takes all text.
        let _ = writeln!(text, "{name}: {}", String::from_utf8_lossy(value.as_bytes()));
        text
    })
}
