//! `taffrail config set`, `unset` and `edit`, on a file as a user has it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::Home;

const FILE: &str = "config/taffrail/config.toml";

#[test]
fn a_setting_is_changed_in_the_file_with_its_comments() {
    let home = Home::new();
    // The file and its folder are made where they are missing.
    let ran = home.run(&["config", "set", "ui.theme", "light"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("ui.theme = \"light\" in ") && ran.stderr.contains("config.toml"), "{ran:?}");
    assert_eq!(fs::read_to_string(home.path(FILE)).unwrap(), "[ui]\ntheme = \"light\"\n");
    home.write(FILE, "# mine\n[ui]\ntheme = \"light\" # by day\n\n[session]\n# short\ncontext = 4096\n");
    for (arguments, expected) in [
        (&["config", "set", "ui.theme", "dark"][..], "theme = \"dark\" # by day\n"),
        (&["config", "set", "session.context", "16384"], "# short\ncontext = 16384\n"),
        (&["config", "set", "session.seed", "-1"], ""),
        (&["config", "set", "session.temperature", "0.5"], "temperature = 0.5\n"),
        (&["config", "unset", "session.temperature"], "context = 16384\n"),
    ] {
        let ran = home.run(arguments);
        let text = fs::read_to_string(home.path(FILE)).unwrap();
        assert_eq!(ran.code, Some(if expected.is_empty() { 2 } else { 0 }), "{arguments:?}: {ran:?}");
        assert!(text.contains(expected) && text.starts_with("# mine\n"), "{arguments:?}: {text}");
    }
    let settings = home.run(&["config", "--json"]).json();
    assert_eq!(settings["settings"]["session"]["context"]["value"], 16384);
    assert_eq!(settings["problems"], serde_json::json!([]));
}

#[test]
fn what_can_not_be_set_is_said_and_the_file_stays() {
    let home = Home::new();
    let file = home.write(FILE, "[ui]\ntheme = \"light\"\n");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    for (arguments, code, said) in [
        (&["config", "set", "ui.thme", "x"][..], 2, "did you mean `theme`"),
        (&["config", "set", "theme", "x"], 2, "did you mean `ui.theme`"),
        (&["config", "set", "ui.theme", "lihgt"], 2, "did you mean `light`"),
        (&["config", "set", "session.temperature", "hot"], 2, "must be a number from 0 to 10"),
        (&["config", "unset", "session.seed"], 3, "session.seed is not in "),
        (&["config", "set", "ui.theme"], 2, "Usage: taffrail config set"),
    ] {
        let ran = home.run(arguments);
        assert_eq!(ran.code, Some(code), "{arguments:?}: {ran:?}");
        assert!(ran.stderr.contains(said), "{arguments:?}: {ran:?}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "[ui]\ntheme = \"light\"\n");
    // A link stays one, and so does what only the user may read.
    let real = home.write("dotfiles/config.toml", "[ui]\n");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o600)).unwrap();
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink(&real, &file).unwrap();
    assert_eq!(home.run(&["config", "set", "ui.theme", "mono"]).code, Some(0));
    assert!(fs::symlink_metadata(&file).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&real).unwrap(), "[ui]\ntheme = \"mono\"\n");
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o600);
    let mut command = home.command(&["config", "set", "ui.theme", "dark"]);
    let output = command.env("TAFFRAIL_UI_THEME", "light").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("environment variable TAFFRAIL_UI_THEME overrides"));
}

#[test]
fn the_file_opens_in_the_editor_and_is_checked_then() {
    let home = Home::new();
    let edit = |script: &str| {
        let editor = home.write("editor", format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(&editor, fs::Permissions::from_mode(0o755)).unwrap();
        let output = home.command(&["config", "edit"]).env("EDITOR", &editor).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    // A new file has every setting as a comment.
    assert_eq!(edit("grep -q '^# theme = ' \"$1\" && grep -q '^\\[session\\]' \"$1\"").0, Some(0));
    let (code, said) = edit("printf '[ui]\\nthems = 1\\n' >\"$1\"");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("config.toml:2:1") && said.contains("did you mean `theme`"), "{said}");
    assert!(edit("exit 3").1.contains("ended with"));
    let output = home.command(&["config", "edit"]).env("EDITOR", "no-such-editor").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("set EDITOR to your editor"));
}
