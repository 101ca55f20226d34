//! `gateway demo`: what it prints works when pasted.
use std::{net::TcpListener, path::Path, process::Command};

use crate::support::{Running, arg, ended, gateway, need_curl, within, write};

/// First ports for which all five are free now, below those that the system gives to clients. Another process may
/// take one of them before the demo does: hence several.
fn bases() -> impl Iterator<Item = String> {
    let free =
        |base: &u16| [0, 363, 920, 1000, 1001].iter().all(|add| TcpListener::bind(("127.0.0.1", base + add)).is_ok());
    let spread = u16::try_from(std::process::id() * 7919 % 20_000).expect("less than 20000");
    (0..20_000)
        .step_by(101)
        .map(move |step| 10_000 + (spread + step) % 20_000)
        .filter(free)
        .map(|base| base.to_string())
}

/// A demo in a folder of its own, what it printed, and its arguments.
fn started(folder: &Path) -> (Running, Vec<(String, Vec<String>)>, [String; 5]) {
    for base in bases().take(10) {
        let dir = folder.join(&base);
        let args = ["demo", "--dir", arg(&dir), "--port-base", &base].map(str::to_owned);
        let mut demo = Running::start(gateway(&args.each_ref().map(String::as_str)));
        if let Some(commands) = printed(&mut demo) {
            return (demo, commands, args);
        }
        assert_eq!(demo.end().code(), Some(1), "only ports keep it from starting: {:#?}", demo.log);
        assert!(demo.log.iter().any(|line| line.contains("in use")), "{:#?}", demo.log);
    }
    panic!("no ports are free");
}

/// Command and what its answer contains, until the end of the text; nothing if the demo ended before.
fn printed(demo: &mut Running) -> Option<Vec<(String, Vec<String>)>> {
    let mut all: Vec<(String, Vec<String>)> = Vec::new();
    loop {
        let line = demo.line()?;
        if let Some(answer) = line.strip_prefix("  -> ") {
            all.last_mut().expect("a command comes first").1.push(answer.to_owned());
        } else if let Some(command) = line.strip_prefix("  curl ") {
            all.push((format!("curl {command}"), Vec::new()));
        } else if line.starts_with("Ctrl-C") {
            return Some(all);
        }
    }
}

fn pasted(command: &str) -> String {
    let done = Command::new("sh").args(["-c", command]).output().expect("there is a shell");
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}

#[test]
fn every_printed_command_does_what_it_says() {
    need_curl();
    let dir = tempfile::tempdir().expect("a folder");
    let folder = within(&dir, "it's a demo");
    let (mut demo, commands, args) = started(&folder);
    let args = args.each_ref().map(String::as_str);
    let folder = Path::new(args[2]);
    assert_eq!(commands.len(), 10, "{commands:?}");
    for (command, answers) in &commands {
        let answer = pasted(command);
        assert!(!answers.is_empty(), "{command}");
        for expected in answers {
            assert!(answer.contains(expected), "{command}\nlacks {expected}:\n{answer}");
        }
    }
    demo.signal("INT");
    assert_eq!(demo.end().code(), Some(0));

    // Certificates and edits survive a restart.
    let ca = std::fs::read(folder.join("ca.pem")).expect("the CA");
    let routes = folder.join("config/routes.yaml");
    let text = std::fs::read_to_string(&routes).expect("the routes");
    write(&routes, &text.replacen("host: prd", "host: apigateway", 1));
    let mut demo = Running::start(gateway(&args));
    let commands = printed(&mut demo).expect("its ports are free again");
    assert!(pasted(&commands[0].0).starts_with("hello from api"));
    assert_eq!(std::fs::read(folder.join("ca.pem")).expect("the CA"), ca);

    // The ports are taken now.
    let said = ended(&args);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("--port-base"), "{}", said.err);
}

#[test]
fn ports_that_do_not_exist_are_refused() {
    for base in ["0", "64535"] {
        let said = ended(&["demo", "--port-base", base]);
        assert_eq!(said.code, 1, "{}", said.err);
        assert!(said.err.contains("64534"), "{}", said.err);
    }
}
