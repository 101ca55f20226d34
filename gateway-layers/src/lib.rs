//! The running half of the gateway.
