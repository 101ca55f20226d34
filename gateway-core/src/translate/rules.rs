//! Which DestinationRule applies to a host.

use std::collections::BTreeMap;

use super::services::has;
use super::{Report, Settings, hosts};
use crate::diagnostic::{Diagnostic, NO_EFFECT};
use crate::istio::{ClientTls, ClientTlsMode, ConnectionPool, DestinationRule, Object, Subset};
use crate::model::HostPattern;
use crate::yaml::Path;

/// All DestinationRules that the gateway may use.
pub(super) struct Rules<'a> {
    /// Those of the gateway's namespace; if that is the root namespace, only its private ones.
    own: Vec<Group<'a>>,
    /// Those exported to the gateway, of any namespace.
    exported: Vec<Group<'a>>,
    root: String,
    /// Hosts that a rule with an error wants to be spoken to over TLS.
    closed: Vec<HostPattern>,
    /// Hosts of all rules with errors.
    left_out: Vec<HostPattern>,
}

/// The rules of one namespace for one host, older ones first.
pub(super) struct Group<'a> {
    namespace: &'a str,
    host: HostPattern,
    /// Chosen by the gateway's labels: goes before those that are for all.
    selected: bool,
    rules: Vec<&'a Object<DestinationRule>>,
}

impl<'a> Rules<'a> {
    /// `rules`: older ones first. `left_out`: those with errors.
    pub(super) fn new(
        rules: &[&'a Object<DestinationRule>],
        left_out: &[&Object<DestinationRule>],
        settings: &Settings,
        findings: &mut Vec<Diagnostic>,
    ) -> Self {
        let closing = left_out.iter().filter(|rule| wants_tls(&rule.spec));
        let closed = closing.map(|rule| pattern(rule, settings)).collect();
        let left_out = left_out.iter().map(|rule| pattern(rule, settings)).collect();
        let root = settings.root_namespace.clone();
        let mut all = Self { own: Vec::new(), exported: Vec::new(), root, closed, left_out };
        for rule in rules {
            let own_namespace = rule.namespace() == settings.namespace;
            let selector = rule.spec.workload_selector.as_ref();
            if let Some(selector) = selector.filter(|_| own_namespace)
                && !has(&settings.labels, &selector.match_labels)
            {
                let path = Path::ROOT.key("spec");
                let mut report = Report::new(rule, findings);
                report.warn(NO_EFFECT, &path.key("workloadSelector"), "the rule is for other workloads: left out");
                continue;
            }
            let export_to = &rule.spec.export_to;
            let private = selector.is_some() || export_to.iter().all(|entry| entry == "." || entry == rule.namespace());
            let private = private && (selector.is_some() || !export_to.is_empty());
            let in_root = settings.namespace == settings.root_namespace;
            if own_namespace && (private || !in_root) {
                add(&mut all.own, rule, selector.is_some(), settings);
            }
            if selector.is_none() && hosts::is_visible(export_to, rule.namespace(), settings) && !(in_root && private) {
                add(&mut all.exported, rule, false, settings);
            }
        }
        all
    }

    /// Whether a host must not be spoken to: what an operator wants to be encrypted is not sent in clear text.
    pub(super) fn closes(&self, host: &str) -> bool {
        let host = HostPattern::new(host);
        self.closed.iter().any(|closed| closed.covers(&host))
    }

    /// Whether a rule with an error is for this host.
    pub(super) fn may_be_for(&self, host: &str) -> bool {
        let host = HostPattern::new(host);
        self.left_out.iter().any(|rule| rule.covers(&host))
    }

    /// The rules for a host whose service is in `namespace`: the first place that has any, and there the most
    /// specific host.
    pub(super) fn find(&self, host: &str, namespace: Option<&str>) -> Option<&Group<'a>> {
        let host = HostPattern::new(host);
        let in_namespace = |wanted: &str| most_specific(self.exported.iter().filter(|g| g.namespace == wanted), &host);
        most_specific(self.own.iter(), &host)
            .or_else(|| namespace.and_then(in_namespace))
            .or_else(|| in_namespace(&self.root))
    }
}

fn pattern(rule: &Object<DestinationRule>, settings: &Settings) -> HostPattern {
    let host = rule.spec.host.as_deref().unwrap_or_default();
    HostPattern::new(&hosts::full_name(host, rule.namespace(), settings))
}

fn wants_tls(rule: &DestinationRule) -> bool {
    let encrypted = |tls: &Option<ClientTls>| {
        tls.as_ref().is_some_and(|tls| tls.mode.unwrap_or_default() != ClientTlsMode::Disable)
    };
    let subsets = rule.subsets.iter().filter_map(|subset| subset.traffic_policy.as_ref());
    rule.traffic_policy
        .iter()
        .chain(subsets)
        .any(|policy| encrypted(&policy.tls) || policy.port_level_settings.iter().any(|port| encrypted(&port.tls)))
}

fn add<'a>(groups: &mut Vec<Group<'a>>, rule: &'a Object<DestinationRule>, selected: bool, settings: &Settings) {
    let host = pattern(rule, settings);
    let same = |group: &&mut Group<'a>| {
        group.namespace == rule.namespace() && group.host == host && group.selected == selected
    };
    match groups.iter_mut().find(same) {
        Some(group) => group.rules.push(rule),
        None => groups.push(Group { namespace: rule.namespace(), host, selected, rules: vec![rule] }),
    }
}

fn most_specific<'g, 'a: 'g>(groups: impl Iterator<Item = &'g Group<'a>>, host: &HostPattern) -> Option<&'g Group<'a>> {
    groups.filter(|group| group.host.covers(host)).min_by(|a, b| a.host.cmp(&b.host).then(b.selected.cmp(&a.selected)))
}

impl Group<'_> {
    /// The subset of a name: the first definition counts.
    pub(super) fn subset(&self, name: &str) -> Option<&Subset> {
        self.rules.iter().flat_map(|rule| &rule.spec.subsets).find(|subset| subset.name.as_deref() == Some(name))
    }

    /// The names of all subsets.
    pub(super) fn subsets(&self) -> Vec<String> {
        self.rules.iter().flat_map(|rule| &rule.spec.subsets).filter_map(|subset| subset.name.clone()).collect()
    }

    /// The settings of connections: the subset's block in place of that of the oldest policy.
    pub(super) fn connection_pool<'s>(&'s self, subset: Option<&'s Subset>) -> Option<&'s ConnectionPool> {
        let own = subset.and_then(|subset| subset.traffic_policy.as_ref());
        let top = self.rules.iter().find_map(|rule| rule.spec.traffic_policy.as_ref());
        [own, top].into_iter().flatten().find_map(|policy| policy.connection_pool.as_ref())
    }
}

/// The labels of a subset.
pub(super) fn labels(subset: Option<&Subset>) -> BTreeMap<String, String> {
    subset.map(|subset| subset.labels.clone()).unwrap_or_default()
}
