//! Raw bytes, and what comes back until nothing more does.

use std::time::Duration;

use tokio::time::Instant;

use super::{closed, push};
use crate::{
    case::{Answer, Send},
    wire::{Conn, Fault, raw, text},
};

/// So long nothing more must have come for the answer to be complete.
const QUIET: Duration = Duration::from_millis(400);
/// So long may the first byte take.
const FIRST: Duration = Duration::from_secs(2);

pub(super) async fn exchange(conn: &mut Conn, send: &Send) -> Result<Answer, Fault> {
    push(conn, &raw(&send.body)).await?;
    let end = conn.deadline;
    let cut = loop {
        let pause = Instant::now() + if conn.buffer.is_empty() { FIRST } else { QUIET };
        conn.deadline = Some(end.map_or(pause, |end| end.min(pause)));
        match conn.more().await {
            Ok(()) => {}
            Err(Fault::Ended) => break true,
            Err(Fault::Timeout) => break false,
            Err(fault) => return Err(fault),
        }
    };
    if cut && conn.buffer.is_empty() {
        return Ok(closed());
    }
    Ok(Answer { body: Some(text(&conn.buffer)), cut, ..Answer::default() })
}

/// What comes after a switch of protocols.
pub(super) async fn rest(conn: &mut Conn) -> Result<Vec<u8>, Fault> {
    let pause = Instant::now() + QUIET;
    conn.deadline = Some(conn.deadline.map_or(pause, |end| end.min(pause)));
    loop {
        match conn.more().await {
            Ok(()) => {}
            Err(Fault::Timeout) => return Ok(std::mem::take(&mut conn.buffer)),
            Err(fault) => return Err(fault),
        }
    }
}
