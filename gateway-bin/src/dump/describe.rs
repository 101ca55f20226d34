//! Rules in words.
use gateway_core::model::{
    Action, Destination, Forward, HeaderKey, HeaderMatch, Origin, PathMatch, Redirect, RedirectPath, RequestMatch,
    Route, StringMatch, TcpRoute, WeightedCluster,
};

use super::RuleDump;

/// A rule: what it takes, and what it does.
pub(super) fn rule(route: &Route) -> RuleDump {
    written(route.name.clone(), matches(&route.matches), action(&route.action), &route.origin)
}

/// What every connection of a TCP route is done with.
pub(super) fn tcp(route: &TcpRoute) -> RuleDump {
    written(String::new(), "any connection".to_owned(), clusters(route), &route.origin)
}

fn written(name: String, r#match: String, action: String, origin: &Origin) -> RuleDump {
    let object = &origin.object;
    let place = if origin.file.is_empty() { String::new() } else { format!("{}:{}", origin.file, origin.line) };
    RuleDump { name, r#match, action, virtual_service: format!("{}.{}", object.name, object.namespace), origin: place }
}

/// The destinations of connections.
pub(super) fn clusters(route: &TcpRoute) -> String {
    let one = |to: &WeightedCluster| (to.cluster.to_string(), to.weight);
    format!("Cluster: {}", weighted(&route.destinations.iter().map(one).collect::<Vec<_>>()))
}

fn matches(matches: &RequestMatch) -> String {
    let mut parts = Vec::new();
    parts.push(matches.path.as_ref().map_or_else(|| "/*".to_owned(), path));
    let named = |what: &str, condition: &Option<StringMatch>| {
        condition.as_ref().map(|condition| format!("{what}={}", text(condition)))
    };
    parts.extend(named("method", &matches.method));
    parts.extend(named("scheme", &matches.scheme));
    parts.extend(named("authority", &matches.authority));
    parts.extend(matches.headers.iter().map(header));
    parts.extend(matches.query.iter().map(|query| {
        query
            .value
            .as_ref()
            .map_or_else(|| format!("?{}", query.name), |value| format!("?{}={}", query.name, text(value)))
    }));
    parts.join(" ")
}

fn path(path: &PathMatch) -> String {
    let mut out = text(&path.value);
    if path.ignore_case {
        out.push_str(" (any case)");
    }
    out
}

fn text(condition: &StringMatch) -> String {
    match condition {
        StringMatch::Exact(text) => text.clone(),
        StringMatch::Prefix(text) => format!("{text}*"),
        StringMatch::Regex(regex) => format!("regex {}", regex.source()),
    }
}

fn header(header: &HeaderMatch) -> String {
    let name = match &header.key {
        HeaderKey::Authority => ":authority",
        HeaderKey::Path => ":path",
        HeaderKey::Method => ":method",
        HeaderKey::Scheme => ":scheme",
        HeaderKey::Status => ":status",
        HeaderKey::Field(name) => name.as_str(),
    };
    let not = if header.without { "!" } else { "" };
    header.value.as_ref().map_or_else(|| format!("{not}{name}"), |value| format!("{not}{name}={}", text(value)))
}

fn action(action: &Action) -> String {
    match action {
        Action::Forward(to) => forward(to),
        Action::Redirect(to) => format!("redirect {}", redirect(to)),
        Action::DirectResponse(answer) => format!("respond {}", answer.status.as_u16()),
    }
}

fn forward(forward: &Forward) -> String {
    let one = |to: &Destination| (to.cluster.to_string(), to.weight);
    weighted(&forward.destinations.iter().map(one).collect::<Vec<_>>())
}

fn weighted(destinations: &[(String, u32)]) -> String {
    let total: u64 = destinations.iter().map(|(_, weight)| u64::from(*weight)).sum();
    let one = |(cluster, weight): &(String, u32)| match destinations.len() {
        1 => cluster.clone(),
        _ => format!("{cluster} ({weight}/{total})"),
    };
    destinations.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn redirect(redirect: &Redirect) -> String {
    let mut out = redirect.status.as_u16().to_string();
    if let Some(scheme) = redirect.scheme {
        out.push_str(&format!(" {}:", scheme.as_str()));
    }
    if let Some(authority) = &redirect.authority {
        out.push_str(&format!(" //{authority}"));
    }
    if let Some(port) = redirect.port {
        out.push_str(&format!(" port {port}"));
    }
    match &redirect.path {
        Some(RedirectPath::Full(path)) => out.push_str(&format!(" {path}")),
        Some(RedirectPath::Prefix { with, .. }) => out.push_str(&format!(" prefix {with}")),
        None => {}
    }
    out
}
