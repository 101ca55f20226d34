//! Warnings about what refers to nothing or has no effect.

use std::collections::{BTreeMap, BTreeSet};

use super::tls::{credentials, secret_name};
use super::virtual_hosts::Bound;
use super::{Report, Settings, hosts};
use crate::diagnostic::{CREDENTIAL, Diagnostic, HOST_NOT_IN_GATEWAY, NOT_BUILT, REFERENCE, UNBOUND};
use crate::istio::{Gateway, Object, Resolution, Resources, ServiceEntry, TlsMode, VirtualService};
use crate::model::{Secret, SecretName};
use crate::yaml::Path;

/// Gateways that a VirtualService names: do they exist, does it see this gateway at all?
pub(super) fn virtual_services(
    services: &[&Object<VirtualService>],
    resources: &Resources,
    settings: &Settings,
    findings: &mut Vec<Diagnostic>,
) {
    let name = |gateway: &Object<Gateway>| format!("{}/{}", gateway.namespace(), gateway.name());
    let existing: BTreeSet<String> = resources.gateways.iter().map(name).collect();
    let spec = Path::ROOT.key("spec");
    for vs in services {
        let list = spec.key("gateways");
        let mut report = Report::new(vs, findings);
        if vs.spec.gateways.iter().all(|name| name == "mesh") {
            report
                .warn(UNBOUND, &list, "not used here: it is bound to the mesh, not to a Gateway")
                .help("name a Gateway in `gateways`");
            continue;
        }
        if !hosts::is_visible(&vs.spec.export_to, vs.namespace(), settings) {
            let message =
                format!("not used here: it is not exported to the gateway's namespace `{}`", settings.namespace);
            report.warn(UNBOUND, &spec.key("exportTo"), message);
            continue;
        }
        for (n, written) in vs.spec.gateways.iter().enumerate().filter(|(_, name)| *name != "mesh") {
            let name = hosts::gateway_name(written, vs.namespace());
            if !existing.contains(&name) {
                let near = existing.iter().find(|other| other.rsplit('/').next() == name.rsplit('/').next());
                let finding = report.warn(REFERENCE, &list.index(n), format!("there is no Gateway `{name}`"));
                if let Some(near) = near {
                    finding.help(format!("did you mean `{near}`?"));
                }
            }
        }
    }
}

/// Hosts of VirtualServices that no server admits.
pub(super) fn hosts_without_server(
    services: &[Bound<'_>],
    used: &BTreeMap<usize, BTreeSet<usize>>,
    selected: &[&Object<Gateway>],
    findings: &mut Vec<Diagnostic>,
) {
    let spec = Path::ROOT.key("spec");
    let list = spec.key("hosts");
    for (n, bound) in services.iter().enumerate() {
        let names = |gateway: &&&Object<Gateway>| {
            bound.gateways.contains(&format!("{}/{}", gateway.namespace(), gateway.name()))
        };
        // A Gateway that is missing or not of this instance is reported, or meant, elsewhere.
        let Some(gateway) = selected.iter().find(names) else { continue };
        let Some(hosts) = used.get(&n) else {
            let mut report = Report::new(bound.vs, findings);
            let message = "not used: no server of its Gateways admits one of its hosts with one of its rules";
            let finding = report.warn(UNBOUND, &list, message);
            finding.labels.push(gateway.source.label(&Path::ROOT.key("spec").key("servers"), "these servers", false));
            continue;
        };
        for (host, text) in bound.vs.spec.hosts.iter().enumerate().filter(|(host, _)| !hosts.contains(host)) {
            let mut report = Report::new(bound.vs, findings);
            report.warn(HOST_NOT_IN_GATEWAY, &list.index(host), format!("no server of its Gateways is for `{text}`"));
        }
    }
}

/// Secrets that Gateways name, with a warning for each that is missing or of no use.
pub(super) fn secrets(
    selected: &[&Object<Gateway>],
    resources: &Resources,
    settings: &Settings,
    findings: &mut Vec<Diagnostic>,
) -> Vec<Secret> {
    let mut found: BTreeMap<SecretName, Secret> = BTreeMap::new();
    let mut find = |name: &SecretName| -> bool {
        // Secrets of other namespaces are not the gateway's to read.
        let own = *name.namespace == *settings.namespace;
        let object =
            resources.secrets.iter().find(|s| own && *s.namespace() == *name.namespace && *s.name() == *name.name);
        object.map(|object| found.insert(name.clone(), super::tls::secret(object))).is_some()
    };
    let spec = Path::ROOT.key("spec");
    let servers = spec.key("servers");
    for gateway in selected {
        for (n, server) in gateway.spec.servers.iter().enumerate() {
            let Some(tls) = server.tls.as_ref().filter(|_| super::is_terminated(server)) else { continue };
            let path = servers.index(n);
            let path = path.key("tls");
            for credential in credentials(tls) {
                let name = secret_name(credential, settings);
                if !find(&name) {
                    missing(gateway, &path, credential, &name, settings, findings);
                }
                if tls.mode == Some(TlsMode::Mutual) {
                    find(&SecretName { name: format!("{}-cacert", name.name).into(), ..name });
                }
            }
            if let Some(ca) = tls.ca_cert_credential_name.as_deref().filter(|name| !name.is_empty()) {
                let name = secret_name(ca, settings);
                if !find(&name) {
                    missing(gateway, &path, ca, &name, settings, findings);
                }
            }
        }
    }
    found.into_values().collect()
}

fn missing(
    gateway: &Object<Gateway>,
    tls: &Path<'_>,
    written: &str,
    name: &SecretName,
    settings: &Settings,
    findings: &mut Vec<Diagnostic>,
) {
    let field = tls.key("credentialName");
    let mut report = Report::new(gateway, findings);
    let finding = if *name.namespace == *settings.namespace {
        report.warn(CREDENTIAL, &field, format!("there is no Secret `{name}`: connections to this server fail"))
    } else {
        let message = format!("`{written}` is in another namespace than the gateway: it is not used");
        report.warn(CREDENTIAL, &field, message)
    };
    finding.help(format!("add a Secret in namespace `{}`, with `tls.crt` and `tls.key`", settings.namespace));
}

/// What ServiceEntries ask for and get only nearly.
pub(super) fn service_entries(entries: &[&Object<ServiceEntry>], findings: &mut Vec<Diagnostic>) {
    let spec = Path::ROOT.key("spec");
    for entry in entries.iter().filter(|entry| entry.spec.resolution == Some(Resolution::DnsRoundRobin)) {
        let mut report = Report::new(entry, findings);
        let message = "DNS_ROUND_ROBIN is served as DNS yet: all addresses of the name are used";
        report.warn(NOT_BUILT, &spec.key("resolution"), message);
    }
}
