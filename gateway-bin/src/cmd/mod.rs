//! The commands.
pub(crate) mod check;
pub(crate) mod proxy_config;
pub(crate) mod run;
