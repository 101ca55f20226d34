//! The roof: the whole gateway, assembled from the floors by a configuration.
//!
//! Reading order: [`Gateway`] and its builder; `build` (configuration to snapshot); `listener` (floor 1 composed);
//! `http` (what every request passes); `routing` (host and route); `route` (one route's chain). Only here are the
//! layers' types pinned to `Body` and `Error`.
//!
//! ```no_run
//! use gateway_core::model::Config;
//! use gateway_layers::{conn::Drain, stack::Gateway};
//!
//! # async fn run(config: Config) -> Result<(), Box<dyn std::error::Error>> {
//! let gateway = Gateway::builder(config).build()?;
//! let bound = gateway.bind()?;
//! bound.serve(Drain::new().watch()).await?;
//! # Ok(()) }
//! ```
mod build;
mod credentials;
mod filter;
mod gateway;
mod http;
mod listener;
mod observers;
mod options;
mod refusals;
mod renew;
mod route;
mod routing;
mod tcp;

pub use self::{
    credentials::{Problem, check_credentials},
    filter::{DestinationSlot, Filter, ListenerSlot, RouteSlot},
    gateway::{BuildError, Gateway, GatewayBuilder},
    listener::{Bound, BoundListener, WorkerSockets},
    options::Options,
    renew::{Renewal, credential_files},
};
