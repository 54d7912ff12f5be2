//! `taffrail top` in a real terminal, its recordings, and what the screens make of them.

use crate::support::{Home, Terminal, wait_for};

/// Let `top` record until the file holds so many ticks.
fn record(home: &Home, n_ticks: usize) -> std::path::PathBuf {
    let file = home.path("trace.jsonl");
    let name = file.display().to_string();
    let mut terminal =
        Terminal::open_with(home, 80, 24, &["--set", "telemetry.interval_ms=250", "top", "--record", &name]);
    let lines = || std::fs::read_to_string(&file).unwrap_or_default().lines().count();
    wait_for("ticks in the recording", || lines() > n_ticks, || terminal.text());
    terminal.send("q");
    assert!(terminal.exit().success());
    file
}

#[test]
fn top_shows_the_machine_and_q_leaves() {
    let home = Home::new();
    let mut terminal = Terminal::open_with(&home, 120, 40, &["top"]);
    terminal.see("taffrail itself");
    terminal.see("ram GB");
    assert!(!terminal.text().contains("Library"), "{}", terminal.text());
    terminal.send("p");
    terminal.see("❚❚ paused");
    terminal.send("\x1b[D");
    terminal.see("ago  ❚❚");
    terminal.send("q");
    assert!(terminal.exit().success());
    assert!(!terminal.is_alternate());
}

#[test]
fn a_recording_drives_top_the_dashboard_and_the_texts() {
    let home = Home::new();
    let file = record(&home, 6);
    let name = file.display().to_string();
    let rows = |text: &str| text.lines().count();
    let ticks = rows(&std::fs::read_to_string(&file).unwrap()) - 1;
    let csv = home.run(&["top", "--replay", &name, "--csv"]);
    assert_eq!((csv.code, rows(&csv.stdout)), (Some(0), ticks + 1), "{csv:?}");
    let once = home.run(&["top", "--replay", &name, "--once", "--json"]);
    assert_eq!(once.json()["schema"], "taffrail/top/1");
    for arguments in [&["top", "--replay", &name, "--speed", "100"][..], &["--replay", &name, "--speed", "100"]] {
        let mut terminal = Terminal::open_with(&home, 120, 40, arguments);
        terminal.see("the recording has ended");
        terminal.send("5");
        terminal.see("taffrail itself");
        terminal.send("q");
        assert!(terminal.exit().success());
    }
    // What is there is not written over, and what is damaged says where.
    let again = home.run(&["top", "--record", &name, "--csv"]);
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("exists"), "{again:?}");
    let text = std::fs::read_to_string(&file).unwrap();
    let cut = home.write("cut.jsonl", &text[..text.len() - 9]);
    let cut = home.run(&["top", "--replay", &cut.display().to_string(), "--csv"]);
    assert_eq!((cut.code, rows(&cut.stdout)), (Some(1), ticks), "{cut:?}");
    assert!(cut.stderr.contains(&format!("line {} of the recording: it is cut off", ticks + 1)), "{cut:?}");
    let newer = home.write("newer.jsonl", text.replacen("\"version\":1", "\"version\":9", 1));
    let newer = home.run(&["top", "--replay", &newer.display().to_string(), "--once"]);
    assert!(newer.code == Some(1) && newer.stderr.contains("line 1 of the recording: version 9"), "{newer:?}");
}

#[test]
fn a_recording_that_can_not_begin_is_an_error() {
    let home = Home::new();
    let missing = home.run(&["top", "--record", "/nowhere/trace.jsonl", "--csv"]);
    assert_eq!(missing.code, Some(1), "{missing:?}");
    assert!(missing.stderr.contains("/nowhere/trace.jsonl"), "{missing:?}");
}
