//! `gateway demo`: what it prints works when pasted.
use std::{net::TcpListener, process::Command};

use crate::support::{Running, arg, ended, gateway, need_curl, within, write};

/// A first port for which all five are free.
fn base() -> u16 {
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let start = 10_000 + u16::try_from(std::process::id() % 20_000).expect("less than 20000");
    let mut bases = (start..40_000).step_by(7);
    bases.find(|base| [0, 363, 920, 1000, 1001].iter().all(|add| free(base + add))).expect("free ports")
}

/// Command and what its answer contains, until the end of the text.
fn printed(demo: &mut Running) -> Vec<(String, Vec<String>)> {
    let mut all: Vec<(String, Vec<String>)> = Vec::new();
    loop {
        let line = demo.line();
        if let Some(answer) = line.strip_prefix("  -> ") {
            all.last_mut().expect("a command comes first").1.push(answer.to_owned());
        } else if let Some(command) = line.strip_prefix("  curl ") {
            all.push((format!("curl {command}"), Vec::new()));
        } else if line.starts_with("Ctrl-C") {
            return all;
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
    let base = base().to_string();
    let args = ["demo", "--dir", arg(&folder), "--port-base", &base];
    let mut demo = Running::start(gateway(&args));
    let commands = printed(&mut demo);
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
    let commands = printed(&mut demo);
    assert!(pasted(&commands[0].0).starts_with("hello from api"));
    assert_eq!(std::fs::read(folder.join("ca.pem")).expect("the CA"), ca);

    // The ports are taken now.
    let said = ended(&["demo", "--dir", arg(&folder), "--port-base", &base]);
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
