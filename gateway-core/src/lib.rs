//! The computing half of the gateway: model, tables, Istio configuration. No async, no sockets.
