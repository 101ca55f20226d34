//! Credentials that are there and cannot be used: in `check`, `proxy-config`, `run`.
use base64::Engine as _;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    support::{Running, admin, arg, certificate, curl, ended, folder, https_gateway, shop, within, write},
    upstream,
};

/// A Secret `a-cert`; the key's value is in line 6.
fn secret(cert: &str, key: &str) -> String {
    let encoded = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: a-cert}}\ndata:\n  tls.crt: {}\n  tls.key: {}\n",
        encoded(cert),
        encoded(key)
    )
}

const NAMED: &str = "mode: SIMPLE, credentialName: a-cert";

fn with_secret(cert: &str, key: &str) -> TempDir {
    folder(&[("gw.yaml", &https_gateway("a", "a.example.com", NAMED)), ("secret.yaml", &secret(cert, key))])
}

/// Nothing of a text that is secret was said.
fn hidden(said: &str, text: &str) {
    for line in text.lines().filter(|line| !line.starts_with("-----")) {
        let encoded = base64::engine::general_purpose::STANDARD.encode(line);
        assert!(!said.contains(line) && !said.contains(&encoded[..16]), "{said}");
    }
}

#[test]
fn a_key_of_another_certificate_is_a_warning_at_the_secrets_key() {
    let (cert, _) = certificate("a.example.com");
    let (_, key) = certificate("b.example.com");
    let dir = with_secret(&cert, &key);
    let said = ended(&["check", "-f", arg(dir.path())]);
    assert_eq!(said.code, 0, "{}", said.out);
    for part in ["secret.yaml:6:3", "gw.yaml:9:41", "warning[IST0161]", "istio-system/a-cert", "help: give it"] {
        assert!(said.out.contains(part), "{part}: {}", said.out);
    }
    hidden(&said.out, &key);
    assert!(said.err.contains("1 warning"), "{}", said.err);
    let short = ended(&["check", "-f", arg(dir.path()), "-o", "short", "--fail-on", "warning"]);
    assert_eq!(short.code, 3);
    assert!(short.out.contains("secret.yaml:6:3: warning[IST0161]: "), "{}", short.out);
}

#[test]
fn garbage_is_told_once_for_all_servers_and_shown_as_unusable() {
    let dir = with_secret("no certificate", "no key");
    write(&within(&dir, "gw2.yaml"), &https_gateway("b", "b.example.com", NAMED));
    let said = ended(&["check", "-f", arg(dir.path())]);
    assert!(said.out.contains("secret.yaml:5:3") && said.err.contains("1 warning"), "{}{}", said.out, said.err);
    let table = ended(&["pc", "secrets", "-f", arg(dir.path())]);
    assert!(table.out.contains("UNUSABLE: ") && !table.out.contains("ACTIVE"), "{}", table.out);
    let json = ended(&["pc", "secrets", "-f", arg(dir.path()), "-o", "json"]).out;
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json[0]["used_by"].as_array().map(Vec::len), Some(2), "{json}");
}

#[test]
fn the_running_gateway_shows_it_too() {
    let (cert, _) = certificate("a.example.com");
    let (_, key) = certificate("b.example.com");
    let dir = with_secret(&cert, &key);
    write(&within(&dir, "shop.yaml"), &shop(upstream::hello()));
    let mut running = Running::serve(dir.path(), &[]);
    let (address, _) = running.opened();
    let dump = admin(address, "/config_dump");
    assert!(dump.contains("UNUSABLE: ") && !dump.contains("ACTIVE"), "{dump}");
}

#[test]
fn a_missing_secret_is_told_once() {
    let dir = folder(&[("gw.yaml", &https_gateway("a", "a.example.com", NAMED))]);
    let said = ended(&["check", "-f", arg(dir.path())]);
    assert!(said.err.contains("0 errors, 1 warning,"), "{}{}", said.out, said.err);
    assert!(ended(&["pc", "secrets", "-f", arg(dir.path())]).out.contains("MISSING: "));
}

#[test]
fn the_keys_file_is_named_for_a_folder_of_secrets() {
    let (cert, _) = certificate("a.example.com");
    let dir = folder(&[("config/gw.yaml", &https_gateway("a", "a.example.com", NAMED))]);
    write(&within(&dir, "secrets/a-cert/tls.crt"), &cert);
    write(&within(&dir, "secrets/a-cert/tls.key"), "no key");
    let config = within(&dir, "config");
    let said = ended(&["check", "-f", arg(&config), "--secrets", arg(&within(&dir, "secrets"))]);
    assert!(said.out.contains("secrets/a-cert/tls.key:1:1"), "{}", said.out);
}

#[test]
fn a_bad_file_has_the_place_of_the_field_that_names_it() {
    let (cert, key) = certificate("a.example.com");
    let dir = folder(&[("tls.crt", &cert), ("tls.key", &key), ("bad.key", "no key")]);
    let path = |name: &str| arg(&within(&dir, name)).to_owned();
    let tls = |key: &str| {
        let (cert, key) = (path("tls.crt"), path(key));
        format!("mode: SIMPLE,\n      serverCertificate: {cert},\n      privateKey: {key}")
    };
    write(&within(&dir, "config/gw.yaml"), &https_gateway("a", "a.example.com", &tls("bad.key")));
    let said = ended(&["check", "-f", &path("config")]);
    assert_eq!(said.code, 0, "{}", said.out);
    assert!(said.out.contains("gw.yaml:11:19") && said.out.contains("privateKey: /"), "{}", said.out);
    assert!(ended(&["pc", "secrets", "-f", &path("config")]).out.contains("UNUSABLE: "));
    let said = ended(&["run", "-f", &path("config"), "--port", "443=127.0.0.1:0", "--admin", "off"]);
    assert_eq!(said.code, 3, "{}", said.err);
    assert!(said.err.contains("gw.yaml:11:19") && said.err.contains("error[IST0161]"), "{}", said.err);

    write(&within(&dir, "config/gw.yaml"), &https_gateway("a", "a.example.com", &tls("tls.key")));
    let said = ended(&["check", "-f", &path("config")]);
    assert_eq!((said.code, said.out.as_str()), (0, ""));
}

#[test]
fn mutual_with_files_lets_in_whom_the_ca_signed_and_nobody_else() {
    let dir = folder(&[("config/shop.yaml", &shop(upstream::hello()))]);
    // Each is its own CA.
    for name in ["server", "client", "other"] {
        let (cert, key) = certificate(&format!("{name}.example.com"));
        write(&within(&dir, &format!("{name}.crt")), &cert);
        write(&within(&dir, &format!("{name}.key")), &key);
    }
    let path = |name: &str| arg(&within(&dir, name)).to_owned();
    let tls = format!(
        "mode: MUTUAL, serverCertificate: {}, privateKey: {}, caCertificates: {}",
        path("server.crt"),
        path("server.key"),
        path("client.crt")
    );
    write(&within(&dir, "config/server.yaml"), &https_gateway("server", "server.example.com", &tls));
    let mut running = Running::serve(&within(&dir, "config"), &[]);
    let to = format!("server.example.com:443:{}", running.https());
    let ca = path("server.crt");
    let ask = |more: &[&str]| {
        let args = ["-i", "--cacert", &ca, "--connect-to", &to, "https://server.example.com/"];
        curl(&[&args[..], more].concat())
    };
    let pair = |name: &str| [path(&format!("{name}.crt")), path(&format!("{name}.key"))];
    let ([cert, key], [other, other_key]) = (pair("client"), pair("other"));
    let good = ask(&["--cert", &cert, "--key", &key]);
    assert!(good.code == 0 && good.out.starts_with("HTTP/2 404"), "{good:?}");
    for refused in [ask(&[]), ask(&["--cert", &other, "--key", &other_key])] {
        assert!(refused.code != 0 && refused.out.is_empty(), "{refused:?}");
    }

    write(&within(&dir, "client.crt"), "no CA");
    let said = ended(&["check", "-f", &path("config"), "-o", "short"]);
    assert!(said.out.contains("server.yaml:9:") && said.out.contains(".tls.caCertificates"), "{}", said.out);
}
