//! Rules in words.
use gateway_core::model::{
    Action, Destination, Forward, HeaderKey, HeaderMatch, PathMatch, Redirect, RedirectPath, RequestMatch, Route,
    StringMatch,
};

use super::RuleDump;

/// A rule: what it takes, and what it does.
pub(super) fn rule(route: &Route) -> RuleDump {
    let object = &route.origin.object;
    let place = if route.origin.file.is_empty() {
        String::new()
    } else {
        format!("{}:{}", route.origin.file, route.origin.line)
    };
    RuleDump {
        name: route.name.clone(),
        r#match: matches(&route.matches),
        action: action(&route.action),
        virtual_service: format!("{}.{}", object.name, object.namespace),
        origin: place,
    }
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
    let total: u32 = forward.destinations.iter().map(|to| to.weight).sum();
    let one = |to: &Destination| match forward.destinations.len() {
        1 => to.cluster.to_string(),
        _ => format!("{} ({}/{total})", to.cluster, to.weight),
    };
    forward.destinations.iter().map(one).collect::<Vec<_>>().join(", ")
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
