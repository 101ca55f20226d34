//! Which of flags and variables counts.
use crate::{
    support::{GATEWAY, Running, arg, ended, ended_with, folder, gateway, nobody, shop, within},
    upstream,
};

#[test]
fn an_empty_variable_is_none() {
    let dir = folder(&[("gw.yaml", GATEWAY)]);
    let mut command = gateway(&["check", "-f", arg(dir.path())]);
    let names = ["SECRETS", "LABELS", "RESOLVE", "IGNORE_KIND", "NAMESPACE", "FAIL_ON"];
    command.envs(names.map(|name| (format!("GATEWAY_{name}"), "")));
    let said = ended_with(command, "");
    assert_eq!(said.code, 0, "{}", said.err);
    let mut command = gateway(&["check"]);
    command.env("GATEWAY_FILE", "");
    assert_eq!(ended_with(command, "").code, 2);

    let dir = folder(&[("shop.yaml", &shop(upstream::hello()))]);
    let mut command = gateway(&["run", "-f", arg(dir.path()), "--port", "80=127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let names = ["THREADS", "ACCESS_LOG", "LOG_LEVEL", "MIN_DRAIN", "SERVER_HEADER", "PORTS", "ON_ERROR"];
    command.envs(names.map(|name| (format!("GATEWAY_{name}"), "")));
    Running::start(command).opened();
}

#[test]
fn the_variable_is_a_list_and_a_flag_is_one_path() {
    let dir = folder(&[("a:b.yaml", GATEWAY), ("c.yaml", GATEWAY), ("d.yaml", "a: [\n")]);
    let said = ended(&["check", "-f", arg(&within(&dir, "a:b.yaml"))]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let mut command = gateway(&["check"]);
    command.env("GATEWAY_FILE", format!("{}::{}", arg(&within(&dir, "c.yaml")), arg(&within(&dir, "d.yaml"))));
    let said = ended_with(command, "");
    assert_eq!(said.code, 3, "{}", said.err);
    assert!(said.err.contains("in 2 files"), "{}", said.err);
}

#[test]
fn an_address_that_is_given_goes_before_files_of_the_variable() {
    let dir = folder(&[("shop.yaml", &shop(upstream::hello())), ("other.yaml", GATEWAY)]);
    let mut running = Running::serve(&within(&dir, "shop.yaml"), &[]);
    let address = running.opened().0.to_string();
    let mut command = gateway(&["pc", "routes", "--admin", &address]);
    command.env("GATEWAY_FILE", within(&dir, "other.yaml"));
    let said = ended_with(command, "");
    assert!(said.code == 0 && said.out.contains("shop.example.com"), "{}{}", said.out, said.err);

    let mut command = gateway(&["pc", "routes", "-f", arg(&within(&dir, "shop.yaml"))]);
    command.env("GATEWAY_ADMIN", nobody().to_string());
    let said = ended_with(command, "");
    assert!(said.code == 0 && said.out.contains("shop.example.com"), "{}{}", said.out, said.err);
    let said = ended(&["pc", "routes", "-f", arg(dir.path()), "--admin", &address]);
    assert_eq!(said.code, 2, "{}", said.err);
    assert!(said.err.contains("-f and --admin"), "{}", said.err);
}

#[test]
fn an_address_that_nobody_uses_is_warned_about_and_a_bad_one_is_refused() {
    let dir = folder(&[("shop.yaml", &shop(upstream::hello()))]);
    let said = ended(&["check", "-f", arg(dir.path()), "--resolve", "shop.internl=127.0.0.1:9"]);
    assert_eq!(said.code, 0, "{}", said.out);
    assert!(said.out.contains("`shop.internl` (--resolve)") && said.out.contains("`shop.internal`?"), "{}", said.out);
    for bad in ["=127.0.0.1:9", "a:0=127.0.0.1:9", "a=127.0.0.1:0"] {
        let said = ended(&["check", "-f", arg(dir.path()), "--resolve", bad]);
        assert!(said.code == 2 && said.err.contains("HOST[:PORT]=ADDR:PORT"), "{bad}: {}", said.err);
    }
}
