//! Reading files and folders: nothing is lost in silence, and nothing bad hides the rest.
use std::{fs, os::unix::fs::symlink, process::Command};

use crate::{
    support::{
        GATEWAY, Running, arg, certificate, curl, ended, ended_with, folder, gateway, get, https_gateway, shop, within,
        write,
    },
    upstream,
};

/// An object with an error in line 3.
const BAD: &str = "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {nmae: x}\nspec: {}\n";

#[test]
fn what_a_folder_holds_and_cannot_be_read_is_told_with_all_else() {
    let dir = folder(&[("bad.yaml", BAD), ("real/more.yaml", GATEWAY), (".hidden.yaml", BAD)]);
    symlink("gone.yaml", within(&dir, "dangling.yaml")).expect("a link");
    symlink("gone", within(&dir, "dangling.txt")).expect("a link");
    symlink(within(&dir, "real"), within(&dir, "linked")).expect("a link");
    symlink(within(&dir, "real/more.yaml"), within(&dir, "sub.yml")).expect("a link");
    fs::write(within(&dir, "latin.yaml"), b"# one\n# caf\xe9\n").expect("a file");
    fs::write(within(&dir, "large.yaml"), vec![b'#'; 16 * 1024 * 1024 + 1]).expect("a file");
    assert!(Command::new("mkfifo").arg(within(&dir, "pipe.yaml")).status().expect("mkfifo runs").success());
    let said = ended(&["check", "-f", arg(dir.path()), "-o", "short"]);
    assert_eq!(said.code, 3, "{}{}", said.out, said.err);
    for expected in [
        "bad.yaml:3:",
        "dangling.yaml:1:1: error[GW0011]: cannot read ",
        "latin.yaml:2:6: error[GW0011]: ",
        "large.yaml:1:1: error[GW0011]: ",
        "pipe.yaml:1:1: error[GW0011]: ",
        "linked:1:1: warning[GW0007]: ",
        // The same object by its link and by its name: a linked file is read.
        "here twice",
    ] {
        assert!(said.out.contains(expected), "{expected}: {}", said.out);
    }
    assert!(!said.out.contains("hidden") && !said.out.contains(".txt"), "{}", said.out);
    let text = ended(&["check", "-f", arg(dir.path())]).out;
    assert!(text.contains("help: save it as UTF-8") && text.contains("16 MiB"), "{text}");
}

#[test]
fn all_paths_that_are_not_there_are_named() {
    let said = ended(&["check", "-f", "/nowhere/a.yaml", "-f", "/nowhere/b"]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("/nowhere/a.yaml: No such file") && said.err.contains("/nowhere/b"), "{}", said.err);
    let dir = folder(&[("a.txt", "")]);
    let said = ended(&["check", "-f", arg(dir.path())]);
    assert!(said.code == 1 && said.err.contains("has no *.yaml"), "{}", said.err);
}

#[test]
fn standard_input_and_files_that_are_named_are_bounded_too() {
    let dir = folder(&[("bad.yaml", BAD)]);
    let large = "#".repeat(16 * 1024 * 1024 + 1);
    let command = gateway(&["check", "-f", "-", "-f", arg(&within(&dir, "bad.yaml")), "-o", "short"]);
    let said = ended_with(command, &large);
    assert_eq!(said.code, 3, "{}", said.err);
    assert!(said.out.contains("<stdin>:1:1: error[GW0011]: ") && said.out.contains("bad.yaml:3:"), "{}", said.out);
}

#[test]
fn a_broken_folder_of_a_secret_hurts_its_own_server_alone() {
    let dir = folder(&[("config/shop.yaml", &shop(upstream::hello())), ("outside.key", "")]);
    for name in ["a", "b", "c", "d"] {
        let (cert, key) = certificate(&format!("{name}.example.com"));
        write(&within(&dir, &format!("secrets/{name}/tls.crt")), &cert);
        write(&within(&dir, &format!("secrets/{name}/tls.key")), &key);
        let tls = format!("mode: SIMPLE, credentialName: {name}");
        let yaml = https_gateway(name, &format!("{name}.example.com"), &tls);
        write(&within(&dir, &format!("config/{name}.yaml")), &yaml);
    }
    let key = |name: &str| within(&dir, &format!("secrets/{name}/tls.key"));
    for name in ["b", "c", "d"] {
        fs::remove_file(key(name)).expect("it was there");
    }
    symlink("gone", key("b")).expect("a link");
    symlink(within(&dir, "outside.key"), key("c")).expect("a link");
    fs::create_dir(key("d")).expect("a folder");
    write(&within(&dir, "secrets/tls.crt"), "in the wrong place");
    write(&within(&dir, "secrets/README"), "not of interest");

    let (config, secrets) = (within(&dir, "config"), within(&dir, "secrets"));
    let said = ended(&["check", "-f", arg(&config), "--secrets", arg(&secrets), "-o", "short"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    for expected in [
        "secrets/b/tls.key:1:1: warning[IST0161]: ",
        "secrets/c/tls.key:1:1: warning[IST0161]: ",
        "secrets/d/tls.key:1:1: warning[IST0161]: ",
        "secrets/tls.crt:1:1: warning[IST0161]: ",
    ] {
        assert!(said.out.contains(expected), "{expected}: {}", said.out);
    }
    assert!(!said.out.contains("README") && !said.out.contains("secrets/a"), "{}", said.out);

    let mut running = Running::serve(&config, &["--secrets", arg(&secrets)]);
    let (_, http) = running.opened();
    let https = running.https();
    let ask = |host: &str| {
        let to = format!("{host}:443:{https}");
        let ca = within(&dir, "secrets/a/tls.crt");
        curl(&["-i", "--cacert", arg(&ca), "--connect-to", &to, &format!("https://{host}/")]).code
    };
    assert_eq!((ask("a.example.com"), ask("b.example.com")), (0, 35), "35: a handshake error");
    assert!(get(http, "shop.example.com", "/").starts_with("HTTP/1.1 200"));
}

#[test]
fn a_ca_that_cannot_be_read_is_not_replaced_by_another() {
    let (cert, key) = certificate("a.example.com");
    let tls = "mode: MUTUAL, credentialName: a";
    let dir = folder(&[("config/a.yaml", &https_gateway("a", "a.example.com", tls))]);
    for (name, text) in [("a/tls.crt", &cert), ("a/tls.key", &key), ("a/ca.crt", &cert), ("a-cacert/ca.crt", &cert)] {
        write(&within(&dir, &format!("secrets/{name}")), text);
    }
    symlink("gone", within(&dir, "secrets/a-cacert/ca.crl")).expect("a link");
    let (config, secrets) = (within(&dir, "config"), within(&dir, "secrets"));
    let said = ended(&["pc", "secrets", "-f", arg(&config), "--secrets", arg(&secrets)]);
    assert!(said.out.contains("istio-system/a-cacert   CA           MISSING: has no CA"), "{}", said.out);
}
