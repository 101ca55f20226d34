//! Addresses that are given for hosts from outside, whatever the resources say about them.

use std::collections::BTreeSet;

use super::{ResolveRule, Settings, hosts};
use crate::diagnostic::{Diagnostic, NO_EFFECT, Severity};
use crate::yaml::closest;

/// How like a host must be to one that is used to be taken for a slip of it, 0 to 1.
const LIKENESS: f64 = 0.85;

/// The rules, and which of them were of use.
pub(super) struct FixedAddresses<'a> {
    settings: &'a Settings,
    used: BTreeSet<usize>,
    asked: BTreeSet<String>,
}

impl<'a> FixedAddresses<'a> {
    pub(super) const fn new(settings: &'a Settings) -> Self {
        Self { settings, used: BTreeSet::new(), asked: BTreeSet::new() }
    }

    /// The port of a host, if rules name one and no other.
    pub(super) fn only_port(&self, host: &str) -> Option<u16> {
        let mut ports = self.of(host).filter_map(|(_, rule)| rule.port);
        let first = ports.next()?;
        ports.all(|port| port == first).then_some(first)
    }

    /// The address of a host and port: a rule for this port goes before one for all.
    pub(super) fn find(&mut self, host: &str, port: u16) -> Option<&'a ResolveRule> {
        self.asked.insert(host.to_owned());
        let exact = self.of(host).find(|(_, rule)| rule.port == Some(port));
        let (n, rule) = exact.or_else(|| self.of(host).find(|(_, rule)| rule.port.is_none()))?;
        self.used.insert(n);
        Some(rule)
    }

    fn of(&self, host: &str) -> impl Iterator<Item = (usize, &'a ResolveRule)> {
        let settings = self.settings;
        settings.resolve.iter().enumerate().filter(move |(_, rule)| is(rule, host, settings))
    }

    /// Warns of rules that no destination asked for.
    pub(super) fn report_unused(&self, findings: &mut Vec<Diagnostic>) {
        let unused = self.settings.resolve.iter().enumerate().filter(|(n, _)| !self.used.contains(n));
        for (n, rule) in unused {
            let host = &rule.host;
            let name = rule.port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
            let known = self.asked.iter().any(|asked| is(rule, asked, self.settings));
            let same = |other: &ResolveRule| other.host.eq_ignore_ascii_case(host) && other.port == rule.port;
            let why = match self.settings.resolve.iter().take(n).any(same) {
                true => "the one before it counts",
                false if known => "no destination of this host has the port, or all have rules of their own",
                false => "no destination has this host",
            };
            let message = format!("the address of `{name}` (--resolve) is not used: {why}");
            let mut finding = Diagnostic::new(NO_EFFECT, Severity::Warning, message);
            let near = closest(host, self.asked.iter().map(String::as_str), LIKENESS).filter(|_| !known);
            finding.help(near.map_or_else(
                || "write host and port as the `destination` of a route has them, or leave it out".to_owned(),
                |near| format!("did you mean `{near}`?"),
            ));
            findings.push(finding);
        }
    }
}

/// A short name stands for that service in every namespace.
fn is(rule: &ResolveRule, host: &str, settings: &Settings) -> bool {
    if rule.host.eq_ignore_ascii_case(host) {
        return true;
    }
    hosts::service(host, settings).is_some_and(|(name, _)| rule.host.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use crate::diagnostic::SourceFile;
    use crate::istio::{ParseOptions, parse};
    use crate::model::{Endpoints, Protocol};
    use crate::translate::{ResolveRule, Settings, translate};

    /// `HOST[:PORT]=PORT OF 127.0.0.1`
    fn rule(text: &str) -> ResolveRule {
        let (from, to) = text.split_once('=').unwrap();
        let (host, port) = from.split_once(':').map_or((from, None), |(host, port)| (host, port.parse().ok()));
        let address: SocketAddr = ([127, 0, 0, 1], to.parse().unwrap()).into();
        ResolveRule { host: host.to_owned(), port, address, h2: false }
    }

    /// Where the destinations of a rule go to, and the warnings.
    fn served(rules: &[&str], destinations: &[&str], more: &str) -> (Vec<String>, Vec<String>) {
        let route: Vec<_> = destinations.iter().map(|text| format!("{{destination: {{{text}}}, weight: 1}}")).collect();
        let yaml = format!(
            "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: gw, namespace: app}}\n\
             spec: {{servers: [{{port: {{number: 80, name: http, protocol: HTTP}}, hosts: ['*']}}]}}\n---\n\
             apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: v, namespace: app}}\n\
             spec: {{hosts: [v.com], gateways: [gw], http: [{{route: [{}]}}]}}\n---\n{more}",
            route.join(", ")
        );
        let (resources, _) = parse(&[SourceFile::new("f", yaml)], &ParseOptions::default());
        let resolve = rules.iter().map(|text| rule(text)).collect();
        let (config, findings) = translate(&resources, &Settings { resolve, ..Settings::default() });
        let shown = config.clusters.iter().map(|cluster| match &cluster.endpoints {
            Endpoints::Static(all) => format!("{} {}", cluster.name, all[0].address.port()),
            other => format!("{} {other:?}", cluster.name),
        });
        assert!(config.clusters.iter().all(|cluster| cluster.protocol == Protocol::Http1));
        (shown.collect(), findings.into_iter().map(|finding| finding.message).collect())
    }

    #[test]
    fn the_rule_of_a_port_goes_before_that_of_all() {
        let to = ["host: a.com, port: {number: 80}", "host: a.com, port: {number: 8080}"];
        let expected = ["outbound|80||a.com 2", "outbound|8080||a.com 1"];
        for rules in [["a.com=1", "A.com:80=2"], ["a.com:80=2", "a.com=1"]] {
            assert_eq!(served(&rules, &to, ""), (expected.map(str::to_owned).to_vec(), vec![]));
        }
        let (clusters, _) = served(&["a.com:80=2"], &to, "");
        assert_eq!(clusters[0], "outbound|80||a.com 2");
        assert!(clusters[1].contains("Unlisted"), "{clusters:?}");
    }

    #[test]
    fn a_rule_of_another_port_than_the_services_only_one_is_not_taken() {
        let entry = "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: a, namespace: app}\n\
                     spec: {hosts: [a.com], resolution: STATIC, ports: [{number: 8080, name: http, protocol: HTTP}],\n\
                     \x20 endpoints: [{address: 127.0.0.1, ports: {http: 9}}]}\n";
        let (clusters, warnings) = served(&["a.com:80=2"], &["host: a.com"], entry);
        assert_eq!(clusters, ["outbound|8080||a.com 9"]);
        assert!(warnings[0].contains("`a.com:80`") && warnings[0].contains("the port"), "{warnings:?}");
    }

    #[test]
    fn a_short_name_is_the_service_of_every_namespace() {
        let to = ["host: a, port: {number: 80}", "host: a.other.svc.cluster.local, port: {number: 80}"];
        let expected = ["outbound|80||a.app.svc.cluster.local 1", "outbound|80||a.other.svc.cluster.local 1"];
        assert_eq!(served(&["a=1"], &to, "").0, expected);
    }

    #[test]
    fn a_subset_must_exist() {
        let rule = |host: &str| {
            format!(
                "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: a, namespace: app}}\n\
                 spec: {{host: {host}, subsets: [{{name: v1}}]}}\n"
            )
        };
        for host in ["a", "a.com"] {
            let to = ["v1", "v2"].map(|subset| format!("host: {host}, subset: {subset}, port: {{number: 80}}"));
            let (clusters, warnings) = served(&[&format!("{host}=1")], &to.each_ref().map(String::as_str), &rule(host));
            assert_eq!(clusters.len(), 1, "{clusters:?}");
            assert!(clusters[0].starts_with("outbound|80|v1|a."), "{clusters:?}");
            assert!(warnings[0].contains("no subset `v2`"), "{warnings:?}");
        }
    }

    #[test]
    fn a_rule_that_nobody_uses_is_warned_about() {
        let (_, warnings) = served(&["a.com=1", "a.con=2", "a.com=3"], &["host: a.com, port: {number: 80}"], "");
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings[1].contains("the one before it counts"), "{warnings:?}");
        assert!(warnings[0].contains("`a.con` (--resolve) is not used: no destination has this host"), "{warnings:?}");
    }
}
