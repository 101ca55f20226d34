//! The commands.
pub(crate) mod check;
mod credentials;
mod findings;
pub(crate) mod proxy_config;
pub(crate) mod run;
mod skip;
