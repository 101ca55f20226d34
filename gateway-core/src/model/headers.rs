//! Header operations.
use http::HeaderName;

use crate::template::Template;

/// One change of a header map.
#[derive(Clone, Debug, PartialEq)]
pub enum HeaderOp {
    /// Removes all lines of this name.
    Remove(HeaderName),
    /// Replaces all lines by one at the end. An empty result changes nothing.
    Set(HeaderName, Template),
    /// Adds a line at the end. An empty result adds nothing.
    Add(HeaderName, Template),
}

/// Changes in the order in which they are made; route and destination level are merged already (Istio's order).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeaderOps(pub Vec<HeaderOp>);

impl HeaderOps {
    /// Nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
