//! ServiceEntry.

use std::net::IpAddr;

use crate::diagnostic::{NEEDS_MESH, NO_EFFECT};
use crate::istio::{Endpoint, Object, Resolution, ServiceEntry};
use crate::translate::names;
use crate::translate::protocol::Protocol;
use crate::translate::report::Report;
use crate::yaml::Path;

/// Checks a ServiceEntry.
pub(in crate::translate) fn service_entry(entry: &Object<ServiceEntry>, report: &mut Report<'_>) {
    let spec = Path::ROOT.key("spec");
    let service = &entry.spec;
    hosts(service, &spec.key("hosts"), report);
    addresses(service, &spec.key("addresses"), report);
    ports(service, &spec.key("ports"), report);
    resolution(service, &spec, report);
    if service.workload_selector.is_some() && !service.endpoints.is_empty() {
        let message = "`workloadSelector` and `endpoints` exclude each other";
        report.error(&spec.key("endpoints"), message).help("keep one of them");
    }
    if let Some(selector) = &service.workload_selector {
        let path = spec.key("workloadSelector");
        names::label_map(&selector.labels, &path.key("labels"), report);
    }
    let list = spec.key("endpoints");
    for (n, one) in service.endpoints.iter().enumerate() {
        endpoint(one, service, &list.index(n), report);
    }
    several_hosts(service, &spec, report);
    names::export_to(&service.export_to, entry.namespace(), true, &spec.key("exportTo"), report);
}

fn hosts(service: &ServiceEntry, path: &Path<'_>, report: &mut Report<'_>) {
    if service.hosts.is_empty() {
        report.error(path, "a ServiceEntry needs at least one host");
    }
    for (n, host) in service.hosts.iter().enumerate() {
        if host == "*" {
            report.error(&path.index(n), "`*` is no name for a service");
        } else {
            names::check_host(host, &path.index(n), report);
        }
    }
}

fn addresses(service: &ServiceEntry, path: &Path<'_>, report: &mut Report<'_>) {
    let cidr_allowed = matches!(service.resolution.unwrap_or_default(), Resolution::None | Resolution::Static);
    for (n, address) in service.addresses.iter().enumerate() {
        let entry = path.index(n);
        let (ip, bits) = address.split_once('/').map_or((address.as_str(), None), |(ip, bits)| (ip, Some(bits)));
        let longest = match ip.parse::<IpAddr>() {
            Ok(IpAddr::V4(_)) => 32,
            Ok(IpAddr::V6(_)) => 128,
            Err(_) => {
                report.error(&entry, format!("`{address}` is no IP address"));
                continue;
            }
        };
        match bits.map(str::parse::<u8>) {
            None => {}
            Some(Ok(bits)) if bits <= longest && cidr_allowed => {}
            Some(Ok(bits)) if bits <= longest => {
                report.error(&entry, "a range of addresses needs resolution NONE or STATIC");
            }
            Some(_) => {
                report.error(&entry, format!("`{address}` is no range of addresses"));
            }
        }
    }
}

fn ports(service: &ServiceEntry, path: &Path<'_>, report: &mut Report<'_>) {
    let mut seen_names: Vec<&str> = Vec::new();
    let mut seen_numbers: Vec<u32> = Vec::new();
    for (n, port) in service.ports.iter().enumerate() {
        let path = path.index(n);
        let number = port.number.unwrap_or(0);
        report.check(&path.key("number"), names::port(number));
        if seen_numbers.contains(&number) {
            report.error(&path.key("number"), format!("the port {number} is here twice"));
        }
        seen_numbers.push(number);
        let name = port.name.as_deref().unwrap_or_default();
        if !names::is_dns_label(name) {
            report
                .error(&path.key("name"), format!("a port needs a `name`, `{name}` is none"))
                .help("for example `http`");
        } else if seen_names.contains(&name) {
            report.error(&path.key("name"), format!("the port name `{name}` is here twice"));
        }
        seen_names.push(name);
        if let Some(protocol) = port.protocol.as_deref().filter(|text| !text.is_empty())
            && Protocol::parse(protocol).is_none()
        {
            let help = format!("one of {}", Protocol::NAMES);
            report.error(&path.key("protocol"), format!("`{protocol}` is no protocol")).help(help);
        }
        if let Some(target) = port.target_port.filter(|target| *target != 0) {
            report.check(&path.key("targetPort"), names::port(target));
        }
    }
}

fn resolution(service: &ServiceEntry, spec: &Path<'_>, report: &mut Report<'_>) {
    let path = spec.key("resolution");
    let wildcard = service.hosts.iter().any(|host| host.starts_with('*'));
    match service.resolution.unwrap_or_default() {
        Resolution::None => {
            if !service.endpoints.is_empty() {
                let help = "write `resolution: STATIC` (addresses) or DNS (names)";
                report.error(&spec.key("endpoints"), "resolution NONE has no endpoints").help(help);
            }
            let message = "resolution NONE goes to the client's original destination, which a gateway has not: 503";
            report.warn(NO_EFFECT, &path, message).help("write `resolution: DNS` or STATIC");
        }
        Resolution::Dns | Resolution::DnsRoundRobin if wildcard && service.endpoints.is_empty() => {
            report.error(&path, "a wildcard host cannot be looked up").help("list `endpoints`");
        }
        Resolution::Static | Resolution::Dns => {}
        Resolution::DnsRoundRobin => {
            if service.endpoints.len() > 1 {
                report.error(&spec.key("endpoints"), "DNS_ROUND_ROBIN has one endpoint at most").help("write DNS");
            }
        }
        Resolution::DynamicDns => {
            let finding = report.error(&path, "DYNAMIC_DNS is not supported by a gateway");
            finding.code = NEEDS_MESH;
            finding.help("list the hosts, with `resolution: DNS`");
        }
    }
}

fn endpoint(endpoint: &Endpoint, service: &ServiceEntry, path: &Path<'_>, report: &mut Report<'_>) {
    let resolution = service.resolution.unwrap_or_default();
    let address = endpoint.address.as_deref().unwrap_or_default();
    let path_of = path.key("address");
    if let Some(socket) = address.strip_prefix("unix://") {
        unix(socket, endpoint, service, path, report);
    } else if address.is_empty() {
        if resolution != Resolution::Static || endpoint.network.as_deref().unwrap_or_default().is_empty() {
            report.error(&path_of, "an endpoint needs an `address`");
        }
    } else if address.parse::<IpAddr>().is_err() {
        match resolution {
            Resolution::Static => {
                let message = format!("`{address}` is no IP address, which resolution STATIC needs");
                report.error(&path_of, message).help("write `resolution: DNS` for names");
            }
            Resolution::None => {}
            _ => {
                report.check(&path_of, names::domain(address));
            }
        }
    }
    let ports = path.key("ports");
    for (name, number) in &endpoint.ports {
        let entry = ports.key(name);
        if !service.ports.iter().any(|port| port.name.as_deref() == Some(name)) {
            report
                .error(&entry, format!("the entry has no port of the name `{name}`"))
                .help("use a name of `spec.ports`");
        }
        report.check(&entry, names::port(*number));
    }
    names::label_map(&endpoint.labels, &path.key("labels"), report);
}

fn unix(socket: &str, endpoint: &Endpoint, service: &ServiceEntry, path: &Path<'_>, report: &mut Report<'_>) {
    let address = path.key("address");
    if service.resolution.unwrap_or_default() != Resolution::Static {
        report.error(&address, "a unix socket needs resolution STATIC");
    } else if !socket.starts_with(['/', '@']) {
        report
            .error(&address, format!("`{socket}` is no absolute path"))
            .help("write `unix:///path` or `unix://@name`");
    } else if !endpoint.ports.is_empty() || service.ports.len() != 1 {
        report.error(&address, "a unix socket needs a service with one port, and has no `ports` itself");
    } else {
        report.not_built(&address, "a unix socket as endpoint");
    }
}

/// Without HTTP or TLS nobody can tell which of several hosts is meant.
fn several_hosts(service: &ServiceEntry, spec: &Path<'_>, report: &mut Report<'_>) {
    if service.hosts.len() < 2 || service.resolution.unwrap_or_default() == Resolution::None {
        return;
    }
    let list = spec.key("ports");
    for (n, port) in service.ports.iter().enumerate() {
        let protocol = port.protocol.as_deref().and_then(Protocol::parse);
        if !protocol.is_some_and(Protocol::knows_hosts) {
            let message = "several hosts need a port of protocol HTTP, HTTP2, GRPC, HTTPS or TLS";
            report.error(&list.index(n), message).help("write one ServiceEntry for each host");
        }
    }
}
