//! The gateway under test. Only this file knows how one is built.

use std::{collections::HashMap, net::SocketAddr};

/// The code of a finding that says: the gateway cannot do this yet.
pub const NOT_BUILT: &str = "GW0001";

/// Something the check of a configuration found.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Its code.
    pub code: String,
    /// Whether the configuration is rejected for it.
    pub error: bool,
    /// What it says.
    pub text: String,
}

/// A gateway of one case, in this process.
#[derive(Debug)]
pub struct Started {
    ports: HashMap<u16, SocketAddr>,
}

impl Started {
    /// Starts a gateway: listeners on free ports, connections to a port of the configuration's endpoints at
    /// 127.0.0.1 led to the address in `connect_to`.
    pub async fn start(
        _config_yaml: &str,
        _secrets_yaml: &str,
        _connect_to: HashMap<u16, SocketAddr>,
    ) -> Result<Self, Vec<Finding>> {
        Err(vec![not_built()])
    }

    /// Where the listener for a port of the configuration really is; none if there is no such listener.
    pub fn port(&self, number: u16) -> Option<SocketAddr> {
        self.ports.get(&number).copied()
    }

    /// Waits until all requests are over, copies included.
    pub async fn idle(&self) {}

    /// Ends it, and all its connections.
    pub async fn stop(self) {}
}

/// What the check finds in a configuration.
pub fn verdict(_config_yaml: &str, _secrets_yaml: &str) -> Vec<Finding> {
    vec![not_built()]
}

fn not_built() -> Finding {
    Finding { code: NOT_BUILT.to_owned(), error: false, text: "there is no gateway yet".to_owned() }
}
