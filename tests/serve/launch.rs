//! Other programs started against the server.

use std::os::unix::fs::PermissionsExt as _;

use crate::support::{Home, MODEL};

/// A program that writes its arguments and some variables, and ends with a code of its own.
const SCRIPT: &str = "#!/bin/sh\nfor one in \"$@\"; do echo \"argument $one\"; done\nenv\nexit 7\n";

fn with_program(name: &str) -> Home {
    let home = Home::new();
    home.write(&format!("bin/{name}"), SCRIPT);
    let path = home.path(&format!("bin/{name}"));
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    home.write("config/taffrail/config.toml", "[server]\nlisten = \"127.0.0.1:0\"\n");
    home
}

/// Run `taffrail launch`: its exit code, standard output and standard error.
fn launch(home: &Home, arguments: &[&str]) -> (i32, String, String) {
    let path = format!("{}:/usr/bin:/bin", home.path("bin").display());
    let mut command = home.command(&[&["launch"], arguments].concat());
    let output = command.env("PATH", path).env("ANTHROPIC_API_KEY", "real").output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_program_gets_the_server_and_the_model() {
    for (program, arguments, expected) in [
        (
            "claude",
            vec!["-p", "hello"],
            vec!["argument -p", "ANTHROPIC_MODEL=ishmael-1m", "ANTHROPIC_BASE_URL=http://127.0.0.1:"],
        ),
        ("codex", vec!["exec"], vec!["argument model=\"ishmael-1m\"", "argument exec"]),
        ("aider", vec![], vec!["AIDER_MODEL=openai/ishmael-1m", "OPENAI_API_BASE=http://127.0.0.1:"]),
        ("opencode", vec![], vec!["OPENCODE_CONFIG_CONTENT={"]),
    ] {
        let home = with_program(program);
        // A part of its name is enough.
        let (code, out, error) = launch(&home, &[&[program, "ishmael-1", "--"], &arguments[..]].concat());
        assert_eq!(code, 7, "{out}{error}");
        for line in expected {
            assert!(out.lines().any(|one| one.starts_with(line)), "{program}: {line}: {out}{error}");
        }
        assert!(program != "claude" || !out.contains("ANTHROPIC_API_KEY"), "{out}");
        assert!(error.contains(&format!("{MODEL} is loaded with")), "{error}");
        // The server that was started for it ends with the model.
        assert_eq!(home.run(&["serve", "stop"]).0, 0);
    }
}

#[test]
fn what_is_not_installed_is_said_before_anything_is_loaded() {
    let home = with_program("other");
    let (code, _, error) = launch(&home, &["codex", MODEL]);
    assert!(code == 3 && error.contains("npm install -g @openai/codex"), "{code} {error}");
    assert_eq!(home.run(&["serve", "status"]).0, 3, "no server was started");
    let (code, _, error) = launch(&home, &["env", "no-such-model"]);
    assert!(code == 3 && error.contains("no-such-model"), "{code} {error}");
    // The server that was started for it ends by itself, sooner or later.
    home.run(&["serve", "stop"]);
}
