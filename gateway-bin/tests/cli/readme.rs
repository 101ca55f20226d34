//! The README's configuration and commands do what it says.
use crate::support::{Running, done, folder, gateway, path, upstream};

const README: &str = include_str!("../../../README.md");

fn yaml() -> &'static str {
    let (_, rest) = README.split_once("```yaml\n").expect("the README has YAML");
    rest.split_once("```").expect("the block ends").0
}

#[test]
fn the_readmes_configuration_is_served() {
    let files = folder(&[("gateway.yaml", yaml())]);
    let (code, out, _) = done(&mut gateway(&["check", "-f", &path(&files, "gateway.yaml")]));
    assert_eq!((code, out.as_str()), (0, ""));
    let resolve = format!("apigateway={}", upstream().address);
    let mut running = Running::start(files.path(), &["--resolve", &resolve]);
    let host = "http://apiserver.istioinaction.io";
    assert_eq!(running.curl(80, &[&format!("{host}/v1/users")]), "up /users");
    let status = ["-o", "/dev/null", "-w", "%{http_code}"];
    assert_eq!(running.curl(80, &[&status[..], &[&format!("{host}/v2/")]].concat()), "404");
    assert_eq!(running.curl(80, &[&status[..], &["http://nobody.example/"]].concat()), "404");
}
