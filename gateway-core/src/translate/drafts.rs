//! What else is wrong with objects that do not fit their schema.

use super::{Report, Settings, references, validate};
use crate::diagnostic::{Diagnostic, NOT_BUILT};
use crate::istio::{Draft, Object, Resources};

/// Reports it, but not what may be there only because something had to be guessed.
pub(super) fn report(resources: &Resources, settings: &Settings, findings: &mut Vec<Diagnostic>) {
    let all = &resources.left_out.drafts;
    each(&all.gateways, findings, |gateway, own| {
        validate::gateway(gateway, &mut Report::new(gateway, own));
        references::of_left_out(&[gateway], &[], resources, settings, own);
    });
    each(&all.virtual_services, findings, |service, own| {
        validate::virtual_service(service, &mut Report::new(service, own));
        references::of_left_out(&[], &[service], resources, settings, own);
    });
    each(&all.destination_rules, findings, |rule, own| {
        validate::destination_rule(rule, &mut Report::new(rule, own));
        // As of one that fits: of a policy that is invalid it is not said that it is not built.
        own.retain(|finding| finding.code != NOT_BUILT);
    });
    each(&all.service_entries, findings, |entry, own| {
        validate::service_entry(entry, &mut Report::new(entry, own));
        references::workload_entries(entry, &resources.workload_entries, &mut Report::new(entry, own));
    });
}

fn each<T>(drafts: &[Draft<T>], findings: &mut Vec<Diagnostic>, check: impl Fn(&Object<T>, &mut Vec<Diagnostic>)) {
    for draft in drafts {
        let mut own = Vec::new();
        check(&draft.object, &mut own);
        findings.extend(own.into_iter().filter(|finding| !draft.explains(&finding.path)));
    }
}
