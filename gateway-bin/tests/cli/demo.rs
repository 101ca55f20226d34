//! `gateway demo`: every command that it prints does what it says.
use std::{
    net::TcpListener,
    process::{Command, Stdio},
};

use crate::support::{Running, folder, gateway, path};

/// A first port of which all the demo's are free.
fn base() -> u16 {
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let all = |base: &u16| [0, 363, 920, 1000, 1001].iter().all(|distance| free(base + distance));
    (21_000..50_000).step_by(37).find(all).expect("free ports")
}

#[test]
fn every_printed_command_does_what_it_says() {
    let dir = folder(&[]);
    let (demo, base) = (path(&dir, "demo"), base().to_string());
    let out = dir.path().join("printed");
    let mut command = gateway(&["demo", "--dir", &demo, "--port-base", &base]);
    command.stdout(Stdio::from(std::fs::File::create(&out).expect("created")));
    let mut running = Running::spawn(command);
    running.line("listening port=443");

    let printed = std::fs::read_to_string(&out).expect("printed");
    let commands: Vec<_> = printed.lines().filter(|line| line.starts_with("curl ")).collect();
    let answers = [
        "hello from prd",
        "hello from api\nGET /users",
        "HTTP/1.1 301",
        "hello from api",
        "",
        "hello from prd",
        "HTTP/1.1 404",
    ];
    assert_eq!(commands.len(), answers.len(), "{printed}");
    for (command, answer) in commands.iter().zip(answers) {
        let done = Command::new("sh").args(["-c", &format!("{command} -s")]).output().expect("a shell");
        let shown = String::from_utf8_lossy(&done.stdout);
        assert!(shown.starts_with(answer), "{command}\n{shown}");
        assert_eq!(answer.is_empty(), shown.is_empty(), "{command}\n{shown}");
    }
    assert!(printed.contains("proxy-config routes --admin"), "{printed}");

    // Edited YAML stays.
    let config = format!("{demo}/config/demo.yaml");
    let edited = std::fs::read_to_string(&config).expect("written") + "\n# mine\n";
    std::fs::write(&config, &edited).expect("written");
    running.signal("INT");
    assert!(running.ended().success());
    let mut again = Running::spawn(gateway(&["demo", "--dir", &demo, "--port-base", &base]));
    again.line("listening port=443");
    assert_eq!(std::fs::read_to_string(&config).expect("kept"), edited);
}
