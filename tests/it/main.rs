//! One binary for all end-to-end tests.
mod cases;
mod harness;
mod mission;
mod support;
mod traffic;
