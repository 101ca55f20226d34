//! Whether an object is valid: everything that Istio, its schema or Envoy would refuse, and what is not built here.
//!
//! Each check looks at one object alone. A missing Gateway, service or Secret is no error of the object that names it.

mod actions;
mod client_tls;
mod destination_rule;
mod gateway;
mod header_ops;
mod http_match;
mod http_policy;
mod http_rule;
mod layer4;
mod server_tls;
mod service_entry;
mod traffic_policy;
mod virtual_service;

pub(super) use destination_rule::destination_rule;
pub(super) use gateway::gateway;
pub(super) use header_ops::{is_framing, is_host};
pub(super) use service_entry::service_entry;
pub(super) use virtual_service::virtual_service;
