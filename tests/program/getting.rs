//! What a package and a shell take from the program: its version, completions and man pages.

use std::fs;
use std::process::{Command, Stdio};

use crate::support::{Home, skip};

#[test]
fn the_version_tells_which_build_it_is() {
    let home = Home::new();
    let ran = home.run(&["--version"]);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines[0], concat!("taffrail ", env!("CARGO_PKG_VERSION")), "{ran:?}");
    for (line, name) in lines[1..].iter().zip(["commit", "llama.cpp", "features", "target", "CPU"]) {
        assert!(line.starts_with(name) && line.len() > 14, "{line}");
    }
    assert_eq!(home.run(&["-V"]).stdout, format!("{}\n", lines[0]));
    if cfg!(feature = "llama") {
        assert!(ran.stdout.contains("llama-cpp-sys"), "{ran:?}");
    }
    let root = env!("CARGO_MANIFEST_DIR");
    let commit = Command::new("git").args(["-C", root, "rev-parse", "--short=12", "HEAD"]).output();
    match commit.ok().filter(|output| output.status.success()) {
        Some(output) => {
            let commit = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            assert!(ran.stdout.contains(&format!("commit      {commit} of 20")), "{commit}: {ran:?}");
        }
        None => skip("this is no clone"),
    }
}

#[test]
fn completions_are_such_as_their_shells_read() {
    let home = Home::new();
    for (shell, check) in [("bash", Some("-n")), ("zsh", Some("-n")), ("fish", Some("--no-execute")), ("elvish", None)]
    {
        let ran = home.run(&["completions", shell]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        for word in ["perplexity", "ctx-size", "completions"] {
            assert!(ran.stdout.contains(word), "{shell} is not told of {word}");
        }
        assert!(!ran.stdout.contains("worker"), "{shell} is told of what is hidden");
        let file = home.write(shell, &ran.stdout);
        let Some(option) = check else { continue };
        match Command::new(shell).arg(option).arg(&file).stdin(Stdio::null()).output() {
            Ok(output) => assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr)),
            Err(error) => skip(&format!("{shell}: {error}")),
        }
    }
    let ran = home.run(&["completions", "ksh"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("bash") && ran.stderr.contains("Usage: taffrail completions"), "{ran:?}");
}

/// bash completes a command, an option, and the value of one.
#[test]
fn bash_completes_commands_and_options() {
    let home = Home::new();
    let file = home.write("completions", home.run(&["completions", "bash"]).stdout);
    let complete = |words: &[&str]| {
        let script = format!(
            "source {}\nCOMP_WORDS=({})\nCOMP_CWORD={}\n_taffrail taffrail \"${{COMP_WORDS[COMP_CWORD]}}\" \
             \"${{COMP_WORDS[COMP_CWORD-1]}}\"\necho \"${{COMPREPLY[@]}}\"",
            file.display(),
            words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" "),
            words.len() - 1,
        );
        let output = Command::new("bash").arg("-c").arg(script).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commands) = complete(&["taffrail", "per"]) else { return skip("there is no bash") };
    assert_eq!(commands, "perplexity");
    assert_eq!(complete(&["taffrail", "run", "--ctx"]).as_deref(), Some("--ctx-size"));
    assert_eq!(complete(&["taffrail", "completions", "zs"]).as_deref(), Some("zsh"));
}

#[test]
fn every_command_has_a_man_page() {
    let home = Home::new();
    let folder = home.path("man");
    let ran = home.run(&["man", folder.to_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for page in ["taffrail", "taffrail-run", "taffrail-serve-status", "taffrail-config-set"] {
        let text = fs::read_to_string(folder.join(format!("{page}.1"))).unwrap();
        assert!(text.contains(".TH") && text.contains(".SH DESCRIPTION"), "{page}");
    }
    assert!(!folder.join("taffrail-worker.1").exists());
    let file = home.write("file", "");
    assert_eq!(home.run(&["man", file.join("man").to_str().unwrap()]).code, Some(1));
}
