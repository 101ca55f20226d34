//! The demo's services: they say who they are and what they saw.
use axum::{Router, extract::Request};
use tracing::error;

/// Answers every request on this socket, in a runtime of its own, until the process ends.
pub(super) fn serve(name: &'static str, socket: std::net::TcpListener) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let served = runtime.and_then(|runtime| {
        runtime.block_on(async {
            socket.set_nonblocking(true)?;
            let app = Router::new().fallback(async move |req: Request| seen(name, &req));
            axum::serve(tokio::net::TcpListener::from_std(socket)?, app).await
        })
    });
    if let Err(error) = served {
        error!(%error, name, "the demo's upstream ended");
    }
}

fn seen(name: &str, req: &Request) -> String {
    let mut out = format!("hello from {name}\n{} {}\n", req.method(), req.uri());
    for (key, value) in req.headers() {
        // A certificate is a page of its own.
        if key != "x-forwarded-client-cert" {
            out.push_str(&format!("{key}: {}\n", String::from_utf8_lossy(value.as_bytes())));
        }
    }
    out
}
