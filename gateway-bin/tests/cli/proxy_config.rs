//! `gateway proxy-config`: the same for files and for the running gateway.
use crate::{
    support::{Running, arg, certificate, ended, folder, https_gateway, nobody, shop, within, write},
    upstream,
};

#[test]
fn files_and_the_running_gateway_give_the_same() {
    let (cert, key) = certificate("a.example.com");
    let dir = folder(&[("config/shop.yaml", &shop(upstream::hello()))]);
    let tls = "mode: SIMPLE, credentialName: a-cert";
    write(&within(&dir, "config/a.yaml"), &https_gateway("a", "a.example.com", tls));
    write(&within(&dir, "secrets/a-cert/tls.crt"), &cert);
    write(&within(&dir, "secrets/a-cert/tls.key"), &key);
    let (config, secrets) = (within(&dir, "config"), within(&dir, "secrets"));
    let mut running = Running::serve(&config, &["--secrets", arg(&secrets)]);
    let address = running.opened().0.to_string();
    for (plural, singular, expected) in [
        ("listeners", "listener", "443"),
        ("routes", "route", "shop.example.com"),
        ("clusters", "cluster", "shop.internal"),
        ("secrets", "secret", "ACTIVE"),
    ] {
        for form in ["table", "json", "yaml"] {
            let of_files = ["-f", arg(&config), "--secrets", arg(&secrets)];
            let files = ended(&[&["proxy-config", plural, "-o", form], &of_files[..]].concat());
            let served = ended(&["proxy-config", singular, "-o", form, "--admin", &address]);
            assert_eq!((files.code, served.code), (0, 0), "{}{}", files.err, served.err);
            assert_eq!(files.out, served.out, "{plural} {form}");
            assert!(files.out.contains(expected), "{plural} {form}: {}", files.out);
        }
    }
}

const TWO_BINDS: &str = "\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw}
spec:
  servers:
  - {port: {number: 80, name: a, protocol: HTTP}, bind: 10.0.0.1, hosts: [a.example.com]}
  - {port: {number: 80, name: b, protocol: HTTP}, bind: 10.0.0.2, hosts: [b.example.com]}
";

#[test]
fn two_addresses_of_a_port_have_listeners_and_route_tables_of_their_own() {
    let dir = folder(&[("gw.yaml", TWO_BINDS)]);
    for what in ["listeners", "routes"] {
        let said = ended(&["proxy-config", what, "-f", arg(dir.path())]);
        for name in ["http.80.10.0.0.1", "http.80.10.0.0.2"] {
            assert!(said.out.contains(name), "{what}: {}", said.out);
        }
    }
}

#[test]
fn connections_whose_bytes_nobody_looks_into_are_shown() {
    let yaml = "\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: istio-system}
spec:
  servers:
  - {port: {number: 9000, name: tcp, protocol: TCP}, hosts: ['*']}
  - {port: {number: 443, name: tls, protocol: TLS}, hosts: [t.com], tls: {mode: SIMPLE, credentialName: c}}
  - {port: {number: 443, name: pass, protocol: TLS}, hosts: ['*.p.com'], tls: {mode: PASSTHROUGH}}
  - {port: {number: 9001, name: unused, protocol: TCP}, hosts: [unused.com]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: v, namespace: app}
spec:
  hosts: [t.com, '*.p.com']
  gateways: [istio-system/gw]
  tls:
  - match: [{sniHosts: [a.p.com, b.p.com]}]
    route: [{destination: {host: p.up, port: {number: 1}}}]
  tcp:
  - match: [{port: 9000}, {port: 443}]
    route:
    - {destination: {host: a.up, port: {number: 1}}, weight: 9}
    - {destination: {host: b.up, port: {number: 1}}, weight: 1}
";
    let dir = folder(&[("gateway.yaml", yaml)]);
    let shown = |what: &str| {
        let said = ended(&["proxy-config", what, "-f", arg(dir.path())]);
        assert_eq!(said.code, 0, "{}", said.err);
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        said.out.lines().map(words).collect::<Vec<_>>()
    };
    let weighted = "Cluster: outbound|1||a.up (9/10), outbound|1||b.up (1/10)";
    let passed = "Cluster: outbound|1||p.up";
    let listeners = shown("listeners");
    for expected in [
        format!("9000 ALL {weighted}"),
        format!("443 SNI: t.com TLS ends, {weighted}"),
        format!("443 SNI: a.p.com,b.p.com PASSTHROUGH, {passed}"),
    ] {
        assert!(listeners.iter().any(|line| line.contains(&expected)), "{expected}: {listeners:#?}");
    }
    assert!(!listeners.iter().any(|line| line.contains("9001")), "{listeners:#?}");
    let routes = shown("routes");
    for expected in [
        "tcp.9000 * any connection",
        "tls.443.tls.gw.istio-system t.com any connection",
        "passthrough.443.v.app.0.0 a.p.com,b.p.com",
    ] {
        assert!(routes.iter().any(|line| line.contains(expected)), "{expected}: {routes:#?}");
    }
}

#[test]
fn nobody_to_ask_is_6() {
    let address = nobody().to_string();
    let said = ended(&["pc", "routes", "--admin", &address]);
    assert_eq!(said.code, 6);
    assert!(said.err.contains(&address) && said.err.contains("-f PATH"), "{}", said.err);
}
