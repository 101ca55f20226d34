//! The README's configuration and commands do what it says.
use crate::{
    support::{Running, arg, ended, folder, get, within},
    upstream,
};

const README: &str = include_str!("../../../README.md");

fn yaml() -> &'static str {
    let (_, rest) = README.split_once("```yaml\n").expect("the README has YAML");
    rest.split_once("```").expect("the block ends").0
}

#[test]
fn the_readmes_configuration_is_served() {
    let files = folder(&[("gateway.yaml", yaml())]);
    let said = ended(&["check", "-f", arg(&within(&files, "gateway.yaml"))]);
    assert_eq!((said.code, said.out.as_str()), (0, ""));
    let resolve = format!("apigateway={}", upstream::hello());
    let mut running = Running::serve(files.path(), &["--resolve", &resolve]);
    let (_, http) = running.opened();
    let host = "apiserver.istioinaction.io";
    assert!(get(http, host, "/v1/users").contains("hello GET /users HTTP/1.1"));
    assert!(get(http, host, "/v2/").starts_with("HTTP/1.1 404"));
    assert!(get(http, "nobody.example", "/").starts_with("HTTP/1.1 404"));
}
