//! The client of the cases: it sends exactly what a case says and mends nothing.

mod frame;
mod http1;
mod http2;
mod tcp;
mod tls;

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};

use crate::{
    case::{Answer, Handshake, Send, To},
    wire::{Conn, Fault},
};

const DEADLINE: Duration = Duration::from_secs(10);

/// Sends one request to this address; none: there is no listener for the port.
pub async fn exchange(to: &To, send: &Send, address: Option<SocketAddr>) -> Answer {
    let Some(address) = address else { return Answer { refused: true, ..Answer::default() } };
    let deadline = Instant::now() + DEADLINE;
    let stream = match timeout_at(deadline, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(err)) if err.kind() == io::ErrorKind::ConnectionRefused => {
            return Answer { refused: true, ..Answer::default() };
        }
        Ok(Err(_)) | Err(_) => return closed(),
    };
    // A request must not wait for the answer to its own first part.
    let _ = stream.set_nodelay(true);
    let (mut conn, handshake) = match open(to, stream, deadline).await {
        Ok(opened) => opened,
        Err(fault) => return failed(fault, None),
    };
    conn.deadline = Some(deadline);
    let version = send.version.as_deref().unwrap_or("HTTP/1.1");
    let done = match version {
        "TCP" => tcp::exchange(&mut conn, send).await,
        "HTTP/2" => http2::exchange(&mut conn, send, to.tls.is_some()).await,
        _ => http1::exchange(&mut conn, send, version).await,
    };
    match done {
        Ok(answer) => Answer { tls: handshake, ..answer },
        Err(fault) => failed(fault, handshake),
    }
}

async fn open(to: &To, stream: TcpStream, deadline: Instant) -> Result<(Conn, Option<Handshake>), Fault> {
    let Some(tls) = &to.tls else { return Ok((Conn::new(stream), None)) };
    let opened = timeout_at(deadline, tls::open(tls, stream)).await.map_err(|_| Fault::Timeout)?;
    opened.map(|(conn, handshake)| (conn, Some(handshake)))
}

fn failed(fault: Fault, handshake: Option<Handshake>) -> Answer {
    match fault {
        Fault::Timeout => Answer { timeout: true, tls: handshake, ..Answer::default() },
        Fault::Alert(name) => Answer { tls_alert: Some(name), ..Answer::default() },
        Fault::Ended | Fault::Tls => closed(),
    }
}

fn closed() -> Answer {
    Answer { closed: true, ..Answer::default() }
}

/// Writes, and does not mind if the peer has left: an answer may still be there to read.
async fn push(conn: &mut Conn, data: &[u8]) -> Result<(), Fault> {
    match conn.write(data).await {
        Err(Fault::Timeout) => Err(Fault::Timeout),
        Ok(()) | Err(_) => Ok(()),
    }
}
