//! [`OnTunnel`]: who is told of connections whose bytes nobody looks into.
use super::Exchange;

/// Told of one connection from when its destination is drawn to its end. The record has what is known so far.
pub trait OnTunnel: Send + Sync {
    /// The destination is drawn, nothing is connected yet.
    fn begin(&self, exchange: &Exchange);
    /// So many bytes were handed on, of the client or for it.
    fn moved(&self, exchange: &Exchange, from_client: bool, bytes: u64);
    /// It is over; the record is complete.
    fn end(&self, exchange: &Exchange);
}
