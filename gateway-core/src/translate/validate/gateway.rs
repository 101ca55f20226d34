//! Gateway.

use std::net::{IpAddr, Ipv4Addr};

use super::server_tls::{server_tls, tls_without_termination};
use crate::diagnostic::{NO_EFFECT, SURPRISE};
use crate::istio::{Gateway, Object, Server};
use crate::translate::names;
use crate::translate::protocol::Protocol;
use crate::translate::report::Report;
use crate::yaml::Path;

/// Checks a Gateway.
pub(in crate::translate) fn gateway(gateway: &Object<Gateway>, report: &mut Report<'_>) {
    if !names::is_dns_label(gateway.name()) {
        let metadata = Path::ROOT.key("metadata");
        report
            .error(&metadata.key("name"), format!("`{}` is no name for a Gateway", gateway.name()))
            .help("letters, digits and `-`, at most 63, with a letter or digit at both ends");
    }
    let spec = Path::ROOT.key("spec");
    let servers = spec.key("servers");
    if gateway.spec.servers.is_empty() {
        report.error(&servers, "a Gateway needs at least one server");
    }
    let mut port_names: Vec<&str> = Vec::new();
    for (n, one) in gateway.spec.servers.iter().enumerate() {
        let path = servers.index(n);
        server(one, &path, report);
        let Some(name) = one.port.as_ref().and_then(|port| port.name.as_deref()) else { continue };
        if port_names.contains(&name) {
            let port = path.key("port");
            report
                .error(&port.key("name"), format!("the port name `{name}` is here twice"))
                .help("give each server's port a name of its own");
        }
        port_names.push(name);
    }
}

fn server(server: &Server, path: &Path<'_>, report: &mut Report<'_>) {
    let protocol = port(server, path, report);
    bind(server, path, report);
    if server.hosts.is_empty() {
        report.error(&path.key("hosts"), "a server needs at least one host").help("`*` is every host");
    }
    for (n, host) in server.hosts.iter().enumerate() {
        let hosts = path.key("hosts");
        let path = hosts.index(n);
        if let Err(message) = server_host(host) {
            report.error(&path, message).help = match host.parse::<IpAddr>() {
                Ok(_) => Some("`*` takes the requests that name an address".to_owned()),
                Err(_) => names::host_cure(host),
            };
        }
    }
    if server.default_endpoint.is_some() {
        report.warn(NO_EFFECT, &path.key("defaultEndpoint"), "`defaultEndpoint` has no effect, in Istio neither");
    }
    if let Some(protocol) = protocol {
        tls(server, protocol, path, report);
        served_as(protocol, path, report);
    }
}

fn port(server: &Server, path: &Path<'_>, report: &mut Report<'_>) -> Option<Protocol> {
    let path = path.key("port");
    let Some(port) = &server.port else {
        report.error(&path, "a server needs a `port`");
        return None;
    };
    let unix = server.bind.as_deref().is_some_and(|bind| bind.starts_with("unix://"));
    match port.number {
        Some(0) | None if unix => {}
        Some(number) if unix => {
            report.error(&path.key("number"), format!("a unix socket has no port, this is {number}")).help("write 0");
        }
        number => {
            report.check(&path.key("number"), names::port(number.unwrap_or(0)));
        }
    }
    if port.name.as_deref().unwrap_or_default().is_empty() {
        report.error(&path.key("name"), "a server's port needs a `name`").help("for example `name: http`");
    }
    if port.target_port.is_some_and(|port| port > 0) {
        report.error(&path.key("targetPort"), "`targetPort` has no meaning in a Gateway").help("remove it");
    }
    let text = port.protocol.as_deref().unwrap_or_default();
    let protocol = Protocol::parse(text);
    if protocol.is_none() {
        let message = if text.is_empty() {
            "a server's port needs a `protocol`".to_owned()
        } else {
            format!("`{text}` is no protocol")
        };
        report.error(&path.key("protocol"), message).help(format!("one of {}", Protocol::NAMES));
    }
    protocol
}

fn bind(server: &Server, path: &Path<'_>, report: &mut Report<'_>) {
    let Some(bind) = server.bind.as_deref().filter(|bind| !bind.is_empty()) else { return };
    let path = path.key("bind");
    match bind.strip_prefix("unix://") {
        Some(socket) if socket.starts_with('/') || socket.starts_with('@') => {
            report.not_built(&path, "a unix socket as `bind`").help("bind to an address");
        }
        Some(socket) => {
            report
                .error(&path, format!("`{socket}` is no absolute path"))
                .help("write `unix:///path` or `unix://@name`");
        }
        None if bind.parse::<IpAddr>().is_err() => {
            report
                .error(&path, format!("`{bind}` is no IP address"))
                .help("write an address, `unix:///path` or `unix://@name`");
        }
        None => {}
    }
}

/// `[namespace/]name`.
fn server_host(host: &str) -> Result<(), String> {
    let name = match host.split_once('/') {
        None => host,
        Some((namespace, name)) => {
            if !matches!(namespace, "*" | ".") && !names::is_dns_label(namespace) {
                let cure = "before the `/` stands `*`, `.` or a namespace";
                return Err(format!("`{namespace}` is no namespace: {cure}"));
            }
            name
        }
    };
    if name == "*" || name.parse::<Ipv4Addr>().is_ok() {
        return Ok(());
    }
    names::wildcard_domain(name)?;
    if name.starts_with('*') && !name.starts_with("*.") {
        return Err(format!("`{name}`: here a wildcard is a whole part, `*.example.com`"));
    }
    if !name.contains('.') {
        return Err(format!("`{name}` is a short name: write it with its domain, or `*`"));
    }
    Ok(())
}

fn tls(server: &Server, protocol: Protocol, path: &Path<'_>, report: &mut Report<'_>) {
    let path = path.key("tls");
    match (&server.tls, protocol) {
        (None, Protocol::Https | Protocol::Tls) => {
            let message = format!("a server of protocol {} needs `tls`", protocol.name());
            report.error(&path, message).help("for example `tls: {mode: SIMPLE, credentialName: NAME}`");
        }
        (Some(settings), Protocol::Https | Protocol::Tls) => {
            server_tls(settings, &path, report);
        }
        (Some(settings), _) if protocol.is_clear_http() => tls_without_termination(settings, protocol, &path, report),
        (Some(_), _) => {
            let message = format!("a server of protocol {} cannot have `tls`", protocol.name());
            report.error(&path, message).help("use protocol TLS, or remove it");
        }
        (None, _) => {}
    }
}

fn served_as(protocol: Protocol, path: &Path<'_>, report: &mut Report<'_>) {
    let port = path.key("port");
    let path = port.key("protocol");
    match protocol {
        Protocol::HttpProxy => {
            report.warn(SURPRISE, &path, "HTTP_PROXY is served as plain HTTP").help("write HTTP");
        }
        Protocol::Udp => {
            report.warn(SURPRISE, &path, "UDP is served as TCP, as Istio does").help("write TCP");
        }
        Protocol::GrpcWeb => {
            report
                .warn(SURPRISE, &path, "gRPC-Web requests are passed on as they are: they are not made gRPC yet")
                .help("write GRPC if only gRPC comes, or let the service speak gRPC-Web");
        }
        _ => {}
    }
}
