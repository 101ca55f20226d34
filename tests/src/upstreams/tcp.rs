//! A service that says its name and then echoes.

use super::log::{Entry, Log};
use crate::{
    case::Seen,
    wire::{Conn, Fault, raw, text},
};

/// Names itself and echoes all that comes.
pub(super) async fn serve(log: &Log, service: &str, conn: &mut Conn) -> Result<(), Fault> {
    let seen = Seen { service: service.to_owned(), version: "TCP".to_owned(), ..Seen::default() };
    let entry = log.note(seen);
    conn.write(&raw(&format!("{service}\n"))).await?;
    echo(conn, &entry).await
}

/// Sends back what comes, and writes it down.
pub(super) async fn echo(conn: &mut Conn, entry: &Entry) -> Result<(), Fault> {
    loop {
        let data = conn.some().await?;
        entry.update(|record| record.seen.body.push_str(&text(&data)));
        conn.write(&data).await?;
    }
}
