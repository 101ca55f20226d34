//! The cure that each finding names.

use super::*;

/// Message and cure of the only finding.
fn told(text: &str) -> String {
    let (_, findings) = alone(text);
    let findings: Vec<_> = findings.iter().filter(|finding| finding.severity != Severity::Note).collect();
    assert_eq!(findings.len(), 1, "{text}\n{findings:#?}");
    format!("{}; {}", findings[0].message, findings[0].help.clone().unwrap_or_default())
}

#[test]
fn cures_of_a_virtual_service() {
    let route = "route: [{destination: {host: c, port: {number: 80}}}]";
    let unit = "a duration needs a unit: `5s`";
    let cases = [
        (format!("- {route}\n  timeout: 5\n"), unit),
        (format!("- {route}\n  timeout: '5'\n"), unit),
        (format!("- {route}\n  timeout: 0.5\n"), "a duration needs a unit: `0.5s`"),
        (format!("- {route}\n  retries: {{attempts: 1, perTryTimeout: 5}}\n"), unit),
        (format!("- {route}\n  retries: {{attempts: 1, backoff: 5}}\n"), unit),
        (format!("- {route}\n  fault: {{delay: {{fixedDelay: 5, percentage: {{value: 1}}}}}}\n"), unit),
        (format!("- {route}\n  corsPolicy: {{maxAge: 5}}\n"), unit),
        (format!("- {route}\n  timeout: 500us\n"), "`ms` is the smallest unit"),
        (format!("- {route}\n  timeout: 1500us\n"), "`ms` is the smallest unit"),
        ("- route: [{destination: {host: c, port: 80}}]\n".to_owned(), "write `{number: 80}`"),
        (format!("- {route}\n  match: [{{uri: /a}}]\n"), "write `{exact: /a}`"),
        (
            route.replace("route: [{", "- route: [{weight: 1.5, ") + "\n",
            "must be a whole number, this is a number `1.5`; write `1` or `2`",
        ),
        (
            route.replace("route: [{d", "- route: [{d").replace("host: c", "host: 10.0.0.1"),
            "`endpoints` of a ServiceEntry",
        ),
        (
            route.replace("route: [{d", "- route: [{d").replace("host: c", "host: 'c.com:80'"),
            "write the host alone: `c.com`, without its port",
        ),
        (
            route.replace("route: [{d", "- route: [{d").replace("host: c", "host: 'http://c.com/'"),
            "write the host alone: `c.com`, without `http://`",
        ),
        (
            format!("- {route}\n  headers: {{request: {{set: {{x: '%FOO%'}}}}}}\n"),
            "the operators are `%BYTES_RECEIVED%`, ",
        ),
        (format!("- {route}\n  headers: {{request: {{set: {{x: '%ROUTE_NAM%'}}}}}}\n"), "did you mean `%ROUTE_NAME%`?"),
        (format!("- {route}\n  headers: {{request: {{set: {{x y: a}}}}}}\n"), "such as `x-y`"),
        (format!("- {route}\n  match: [{{headers: {{x y: {{exact: a}}}}}}]\n"), "such as `x-y`"),
        (format!("- {route}\n\ttimeout: 5s\n"), "indent with spaces"),
    ];
    for (rules, expected) in cases {
        let told = told(&service(&rules));
        assert!(told.contains(expected), "{rules}: {told}");
    }
    let hosts = |hosts: &str| told(&service(&format!("- {route}\n")).replace("hosts: [shop.example.com]", hosts));
    assert!(hosts("hosts: ['::1', a.com]").ends_with("`*` takes the requests that name an address"));
    assert!(hosts("hosts: ['a.com:80']").ends_with("write the host alone: `a.com`, without its port"));
}

#[test]
fn cures_of_a_gateway() {
    let changed =
        |from: &str, to: &str| told(&service("- redirect: {uri: /}\n").split_once("---").unwrap().0.replace(from, to));
    assert_eq!(changed("number: 80", "number: 70000"), "70000 is no port: 1 to 65535; ");
    assert!(changed("'*'", "'::1'").ends_with("`*` takes the requests that name an address"));
    assert!(changed("'*'", "'https://a.com'").contains("write the host alone: `a.com`"));
}

/// The field itself is named, not the block around it.
#[test]
fn each_setting_of_connections_that_is_not_built_is_named() {
    let rule = |pool: &str| {
        codes(&format!(
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: c}}\nspec: {{host: c, \
             trafficPolicy: {{connectionPool: {pool}}}}}\n"
        ))
    };
    assert_eq!(rule("{tcp: {connectTimeout: 1s, maxConnections: 0}, http: {h2UpgradePolicy: UPGRADE}}"), [""; 0]);
    let pool = "error GW0001 spec.trafficPolicy.connectionPool";
    assert_eq!(
        rule("{tcp: {connectTimeout: 1s, idleTimeout: 5s}, http: {maxRetries: 3, h2UpgradePolicy: UPGRADE}}"),
        [format!("{pool}.tcp.idleTimeout"), format!("{pool}.http.maxRetries")]
    );
    let (_, findings) = alone(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: c}\nspec: {host: c, \
             trafficPolicy: {connectionPool: {tcp: {connectTimeout: 5}}}}\n",
    );
    assert_eq!(findings[0].help.as_deref(), Some("a duration needs a unit: `5s`"));
}
