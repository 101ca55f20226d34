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
fn nobody_to_ask_is_6() {
    let address = nobody().to_string();
    let said = ended(&["pc", "routes", "--admin", &address]);
    assert_eq!(said.code, 6);
    assert!(said.err.contains(&address) && said.err.contains("-f PATH"), "{}", said.err);
}
