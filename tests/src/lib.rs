//! Harness of the end-to-end tests: clients, upstreams, certificates.
