//! Terminated TLS: who is let in, with which certificate, and that there is no other way in.
mod certs;
mod choice;
mod client;
mod clients;
mod names;
mod resumption;
mod revocation;
mod secrets;

use std::net::SocketAddr;

use crate::support::entry;

/// A Gateway for port 443 with a server for each of these hosts and TLS settings.
fn gateway(servers: &[(&str, &str)]) -> String {
    let server = |(n, (hosts, tls)): (usize, &(&str, &str))| {
        format!(
            "  - port: {{number: 443, name: https-{n}, protocol: HTTPS}}\n    hosts: [{hosts}]\n    tls: {{{tls}}}\n"
        )
    };
    let servers: Vec<_> = servers.iter().enumerate().map(server).collect();
    format!(
        "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: gw, namespace: istio-system}}\n\
         spec:\n  selector: {{istio: ingressgateway}}\n  servers:\n{}",
        servers.concat()
    )
}

/// All requests for these hosts go to this service.
fn routes(name: &str, hosts: &str, service: SocketAddr) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}, namespace: app}}\n\
         spec: {{hosts: [{hosts}], gateways: [istio-system/gw], http: [{{route: [{{destination: {{host: {name}}}}}]}}]}}\n\
         {}",
        entry(name, 80, service)
    )
}
