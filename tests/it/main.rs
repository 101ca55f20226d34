//! One binary for all end-to-end tests.
mod binds;
mod bytes;
mod cases;
mod ending;
mod harness;
mod http2;
mod mission;
mod slow;
mod streaming;
mod support;
mod tls;
mod traffic;
