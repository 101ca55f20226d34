//! Warnings about what refers to nothing or has no effect.

use std::collections::{BTreeMap, BTreeSet};

use super::names::meant;
use super::tls::{credentials, secret_name};
use super::virtual_hosts::Bound;
use super::{Report, Settings, hosts, services, tls};
use crate::diagnostic::{CREDENTIAL, Diagnostic, HOST_NOT_IN_GATEWAY, NOT_BUILT, REFERENCE, Severity, UNBOUND};
use crate::istio::{
    self, Gateway, Object, Resolution, Resources, ServerTls, ServiceEntry, TlsMode, VirtualService, WorkloadEntry,
};
use crate::model::{Secret, SecretName};
use crate::yaml::Path;

/// Gateways that VirtualServices name: do they exist, do they see this gateway at all?
pub(super) fn virtual_services(
    services: &[&Object<VirtualService>],
    resources: &Resources,
    settings: &Settings,
    findings: &mut Vec<Diagnostic>,
) {
    let name = |gateway: &Object<Gateway>| format!("{}/{}", gateway.namespace(), gateway.name());
    let existing: BTreeSet<String> = resources.gateways.iter().chain(&resources.left_out.gateways).map(name).collect();
    for vs in services {
        virtual_service(vs, &existing, settings, &mut Report::new(vs, findings));
    }
}

fn virtual_service(
    vs: &Object<VirtualService>,
    existing: &BTreeSet<String>,
    settings: &Settings,
    report: &mut Report<'_>,
) {
    let spec = Path::ROOT.key("spec");
    let list = spec.key("gateways");
    if vs.spec.gateways.iter().all(|name| name == "mesh") {
        report
            .warn(UNBOUND, &list, "not used here: it is bound to the mesh, not to a Gateway")
            .help("name a Gateway in `gateways`");
        return;
    }
    if !hosts::is_visible(&vs.spec.export_to, vs.namespace(), settings) {
        let message = format!("not used here: it is not exported to the gateway's namespace `{}`", settings.namespace);
        report.warn(UNBOUND, &spec.key("exportTo"), message);
        return;
    }
    for (n, written) in vs.spec.gateways.iter().enumerate().filter(|(_, name)| *name != "mesh") {
        let name = hosts::gateway_name(written, vs.namespace());
        if !existing.contains(&name) {
            let same = existing.iter().find(|other| other.rsplit('/').next() == name.rsplit('/').next());
            let near = same.map(String::as_str).or_else(|| meant(&name, existing.iter().map(String::as_str)));
            let finding = report.warn(REFERENCE, &list.index(n), format!("there is no Gateway `{name}`"));
            if let Some(near) = near {
                finding.help(format!("did you mean `{near}`?"));
            }
        }
    }
}

/// What objects with errors refer to, as if they were served.
pub(super) fn of_left_out(
    gateways: &[&Object<Gateway>],
    services: &[&Object<VirtualService>],
    resources: &Resources,
    settings: &Settings,
    findings: &mut Vec<Diagnostic>,
) {
    let mine = gateways.iter().filter(|gateway| services::has(&settings.labels, &gateway.spec.selector));
    let mut own = Vec::new();
    secrets(&mine.copied().collect::<Vec<_>>(), resources, settings, &mut own);
    virtual_services(services, resources, settings, &mut own);
    // Of a name that is an error itself nothing more is to be said.
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    let wrong: BTreeSet<_> = errors.map(|finding| (finding.resource.clone(), finding.path.clone())).collect();
    findings.extend(own.into_iter().filter(|it| !wrong.contains(&(it.resource.clone(), it.path.clone()))));
}

/// Hosts of VirtualServices that no server admits.
pub(super) fn hosts_without_server(
    services: &[Bound<'_>],
    used: &BTreeMap<usize, BTreeSet<usize>>,
    (selected, left_out): (&[&Object<Gateway>], &[&Object<Gateway>]),
    findings: &mut Vec<Diagnostic>,
) {
    let spec = Path::ROOT.key("spec");
    let list = spec.key("hosts");
    for (n, bound) in services.iter().enumerate() {
        let names = |gateway: &&&Object<Gateway>| {
            bound.gateways.contains(&format!("{}/{}", gateway.namespace(), gateway.name()))
        };
        // A Gateway that is missing or not of this instance is reported, or meant, elsewhere; one with an error may
        // admit the rest.
        let Some(gateway) = selected.iter().find(names).filter(|_| !left_out.iter().any(|it| names(&it))) else {
            continue;
        };
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
    let mut secrets = Secrets { resources, settings, found: BTreeMap::new() };
    let spec = Path::ROOT.key("spec");
    let servers = spec.key("servers");
    for gateway in selected {
        for (n, server) in gateway.spec.servers.iter().enumerate() {
            let Some(tls) = server.tls.as_ref().filter(|_| super::is_terminated(server)) else { continue };
            let path = servers.index(n);
            let mut report = Report::new(gateway, findings);
            secrets.certificates(tls, &path.key("tls"), &mut report);
            secrets.client_ca(tls, &path.key("tls"), &mut report);
        }
    }
    secrets.found.into_values().collect()
}

struct Secrets<'a> {
    resources: &'a Resources,
    settings: &'a Settings,
    found: BTreeMap<SecretName, Secret>,
}

impl Secrets<'_> {
    fn object(&self, name: &SecretName) -> Option<&Object<istio::Secret>> {
        // Secrets of other namespaces are not the gateway's to read.
        let own = *name.namespace == *self.settings.namespace;
        let same = |s: &&Object<istio::Secret>| own && *s.namespace() == *name.namespace && *s.name() == *name.name;
        self.resources.secrets.iter().find(same)
    }

    /// Whether it is left out because of an error. That is told, and the server's handshakes fail.
    fn is_left_out(&self, name: &SecretName) -> bool {
        let own = *name.namespace == *self.settings.namespace;
        let mut left_out = self.resources.left_out.secrets.iter();
        own && left_out.any(|id| *id.namespace == *name.namespace && *id.name == *name.name)
    }

    fn find(&mut self, name: &SecretName) -> Option<&Secret> {
        if !self.found.contains_key(name) {
            // One with an error is there, and of no use: no other may serve in its place.
            let unusable = || Secret { name: name.clone(), certificate: None, ca: None, crl: None };
            let left_out = self.is_left_out(name).then(unusable);
            let secret = left_out.or_else(|| self.object(name).map(tls::secret))?;
            self.found.insert(name.clone(), secret);
        }
        self.found.get(name)
    }

    fn without_ca(&self, name: &SecretName, field: &Path<'_>, report: &mut Report<'_>) {
        if self.is_left_out(name) {
            return;
        }
        let message = format!("the Secret `{name}` has no client CA: connections to this server fail");
        report.warn(CREDENTIAL, field, message).help("it needs `ca.crt`");
    }

    fn certificates(&mut self, server: &ServerTls, path: &Path<'_>, report: &mut Report<'_>) {
        let list = path.key("credentialNames");
        for (n, written) in credentials(server).into_iter().enumerate() {
            let name = secret_name(written, self.settings);
            let single = path.key("credentialName");
            let of_list = list.index(n);
            let field = if server.credential_names.is_empty() { &single } else { &of_list };
            let (settings, left_out) = (self.settings, self.is_left_out(&name));
            match self.find(&name) {
                None => missing(written, &name, settings, field, report),
                Some(secret) if secret.certificate.is_none() && !left_out => {
                    let message = format!("the Secret `{name}` has no certificate: connections to this server fail");
                    report.warn(CREDENTIAL, field, message).help("it needs `tls.crt` and `tls.key`, both not empty");
                }
                Some(_) => {}
            }
        }
    }

    fn client_ca(&mut self, server: &ServerTls, path: &Path<'_>, report: &mut Report<'_>) {
        if server.mode != Some(TlsMode::Mutual) {
            return;
        }
        let field = path.key("caCertCredentialName");
        let settings = self.settings;
        if let Some(ca) = server.ca_cert_credential_name.as_deref().filter(|name| !name.is_empty()) {
            let name = secret_name(ca, settings);
            match self.find(&name) {
                None => missing(ca, &name, settings, &field, report),
                Some(secret) if secret.ca.is_none() => self.without_ca(&name, &field, report),
                Some(_) => {}
            }
            return;
        }
        let Some(written) = credentials(server).first().copied() else { return };
        let own = secret_name(written, settings);
        let ca = SecretName { name: format!("{}-cacert", own.name).into(), ..own.clone() };
        // The first that exists counts, even if it is of no use.
        let name = if self.find(&ca).is_some() { ca } else { own };
        if self.find(&name).is_some_and(|secret| secret.ca.is_none()) {
            self.without_ca(&name, &path.key("credentialName"), report);
        }
    }
}

fn missing(written: &str, name: &SecretName, settings: &Settings, field: &Path<'_>, report: &mut Report<'_>) {
    let finding = if *name.namespace == *settings.namespace {
        report.warn(CREDENTIAL, field, format!("there is no Secret `{name}`: connections to this server fail"))
    } else {
        let message = format!("`{written}` is in another namespace than the gateway: it is not used");
        report.warn(CREDENTIAL, field, message)
    };
    finding.help(format!("add a Secret in namespace `{}`, with `tls.crt` and `tls.key`", settings.namespace));
}

/// A ServiceEntry whose endpoints are WorkloadEntries: without them it would be a service without endpoints.
pub(super) fn workload_entries(
    entry: &Object<ServiceEntry>,
    workloads: &[Object<WorkloadEntry>],
    report: &mut Report<'_>,
) {
    let Some(selector) = entry.spec.workload_selector.as_ref().filter(|selector| !selector.labels.is_empty()) else {
        return;
    };
    let selected = |workload: &&Object<WorkloadEntry>| {
        workload.namespace() == entry.namespace() && services::has(&workload.spec.labels, &selector.labels)
    };
    let Some(workload) = workloads.iter().find(selected) else { return };
    let spec = Path::ROOT.key("spec");
    let what = format!("`workloadSelector`, which selects the {},", workload.id);
    let finding = report.not_built(&spec.key("workloadSelector"), what);
    finding.labels.push(workload.source.label(&Path::ROOT.key("kind"), "this is selected", false));
    finding.help("list the addresses of the WorkloadEntries as `endpoints`");
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
