//! Header operations of a rule and of its destinations, merged in Istio's order.

use http::{HeaderName, HeaderValue};

use super::validate::{is_framing, is_host};
use crate::istio::{HeaderOperations, Headers};
use crate::model::{HeaderOp, HeaderOps, HostRewrite};
use crate::template::Template;

/// Which half of `headers` is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Request,
    Response,
}

impl Side {
    fn of(self, headers: Option<&Headers>) -> Option<&HeaderOperations> {
        match self {
            Self::Request => headers?.request.as_ref(),
            Self::Response => headers?.response.as_ref(),
        }
    }
}

/// The operations of a destination. With one destination Istio makes one list of both levels, so the destination has
/// the last word; with several Envoy evaluates the destination first, so the rule has it.
pub(super) fn merged(rule: Option<&Headers>, destination: Option<&Headers>, several: bool, side: Side) -> HeaderOps {
    let (rule, destination) = (side.of(rule), side.of(destination));
    let mut ops = Vec::new();
    if several {
        for level in [destination, rule].into_iter().flatten() {
            removes(level, &mut ops);
            changes(level, &mut ops);
        }
    } else {
        let levels = [rule, destination];
        levels.into_iter().flatten().for_each(|level| removes(level, &mut ops));
        levels.into_iter().flatten().for_each(|level| changes(level, &mut ops));
    }
    HeaderOps(ops)
}

fn removes(level: &HeaderOperations, ops: &mut Vec<HeaderOp>) {
    let names = level.remove.iter().filter(|name| !is_framing(name));
    ops.extend(names.filter_map(|name| name.parse::<HeaderName>().ok()).map(HeaderOp::Remove));
}

fn changes(level: &HeaderOperations, ops: &mut Vec<HeaderOp>) {
    for (map, change) in
        [(&level.set, HeaderOp::Set as fn(HeaderName, Template) -> HeaderOp), (&level.add, HeaderOp::Add)]
    {
        for (name, value) in map.iter().filter(|(name, _)| !is_host(name) && !is_framing(name)) {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), Template::header(value)) {
                ops.push(change(name, value));
            }
        }
    }
}

/// The Host for the upstream: the rule's rewrite, the rule's headers, the destination's headers.
pub(super) fn host_rewrite(
    authority: Option<&str>,
    rule: Option<&Headers>,
    destination: Option<&Headers>,
    several: bool,
) -> Option<HostRewrite> {
    let of_rule = authority.filter(|authority| !authority.is_empty()).or_else(|| host_of(rule));
    let value = of_rule.or_else(|| host_of(destination))?;
    let host = HeaderValue::from_str(value).ok()?;
    Some(HostRewrite { host, keep_original: of_rule.is_some() || !several })
}

/// `set` beats `add`.
fn host_of(headers: Option<&Headers>) -> Option<&str> {
    let request = headers?.request.as_ref()?;
    let mut values = request.set.iter().chain(&request.add);
    values.find(|(name, value)| is_host(name) && !value.is_empty()).map(|(_, value)| value.as_str())
}
