//! The dashboard in a real terminal, with real models.

use crate::support::{Home, Terminal, signal, wait_for, workers};

/// Open the dashboard and wait for its models.
fn open(home: &Home, columns: u16, rows: u16) -> Terminal {
    let terminal = Terminal::open(home, columns, rows);
    terminal.see("ishmael-1m");
    terminal
}

/// Start the first model of the library, which is ishmael-1m.
fn start(terminal: &mut Terminal) {
    terminal.send("\r");
    terminal.see("ready");
}

#[test]
fn from_the_library_to_an_answer() {
    for (columns, rows) in [(80, 24), (200, 50)] {
        let home = Home::new();
        let mut terminal = open(&home, columns, rows);
        start(&mut terminal);
        terminal.send("Call me");
        terminal.see("Call me");
        terminal.send("\r");
        terminal.see("tok/s");
        terminal.wait("an answer that has ended", |screen| screen.contains("ready") && screen.contains(" tok · "));
        // q is a letter while the prompt has the keys.
        terminal.send("quiet");
        terminal.see("quiet");
        terminal.escape();
        terminal.quit();
        assert!(terminal.exit().success());
        assert!(!terminal.is_alternate());
    }
}

#[test]
fn escape_cancels_and_x_stops() {
    let home = Home::new();
    let mut terminal = Terminal::open_with(&home, 120, 40, &["--set", "session.max_tokens=auto"]);
    terminal.see("ishmael-1m");
    start(&mut terminal);
    let pid = terminal.pid();
    assert_eq!(workers(pid).len(), 1);
    terminal.send("The whale\r");
    terminal.see("The whale");
    terminal.send("\x1b");
    terminal.see("ready");
    terminal.escape();
    terminal.send("x");
    wait_for("no worker", || workers(pid).is_empty(), || terminal.text());
    terminal.wait("no session", |screen| !screen.contains("● ") && !screen.contains("ready"));
}

#[test]
fn themes_help_palette_and_filter() {
    let home = Home::new();
    let mut terminal = open(&home, 120, 40);
    terminal.send("?");
    terminal.see("One row down");
    terminal.send("\x1b[6~\x1b[6~\x1b[6~");
    terminal.see("with the context of a new session");
    terminal.send("\x1b");
    terminal.wait("help closed", |screen| !screen.contains("with the context of a new session"));
    terminal.send(":");
    terminal.send("theme light");
    terminal.see("theme light");
    terminal.send("\r");
    terminal.send("/");
    terminal.send("4m");
    terminal.wait("the filter at work", |screen| screen.contains("ishmael-4m") && !screen.contains("ishmael-1m"));
    terminal.send("\x1b");
    terminal.see("ishmael-1m");
    assert!(!terminal.text().contains("theme light"), "the palette is gone");
    terminal.send("5");
    terminal.see("powercap");
}

#[test]
fn resizing_never_breaks() {
    let home = Home::new();
    let mut terminal = open(&home, 80, 24);
    start(&mut terminal);
    terminal.send("The sea\r");
    for (columns, rows) in [(200, 50), (40, 10), (1, 1), (3, 60), (220, 4), (80, 24), (120, 40)] {
        terminal.resize(columns, rows);
        terminal.send("1");
    }
    terminal.see("alt-enter");
    terminal.escape();
    terminal.quit();
    assert!(terminal.exit().success());
}

#[test]
fn a_signal_restores_the_terminal_and_leaves_no_worker() {
    for name in ["TERM", "HUP", "INT", "QUIT", "ABRT"] {
        let home = Home::new();
        let mut terminal = open(&home, 100, 30);
        start(&mut terminal);
        let workers = workers(terminal.pid());
        assert!(terminal.is_alternate());
        signal(terminal.pid(), name);
        terminal.exit();
        wait_for("the terminal as it was", || !terminal.is_alternate(), || terminal.text());
        for worker in workers {
            wait_for("the worker's end", || !crate::support::is_worker(worker), || name.to_owned());
        }
    }
}

#[test]
fn a_suspended_program_gives_the_terminal_back_and_takes_it_again() {
    let home = Home::new();
    let mut terminal = open(&home, 100, 30);
    start(&mut terminal);
    let worker = workers(terminal.pid())[0];
    let stat = format!("/proc/{}/stat", terminal.pid());
    let is_stopped = || {
        std::fs::read_to_string(&stat)
            .is_ok_and(|text| text.rsplit(") ").next().is_some_and(|end| end.starts_with('T')))
    };
    // As a shell's job control does it, and as nobody can be told of.
    for name in ["TSTP", "STOP"] {
        signal(terminal.pid(), name);
        wait_for("a stopped program", is_stopped, || terminal.text());
        if name == "TSTP" {
            wait_for("the terminal as it was", || !terminal.is_alternate(), || terminal.text());
        }
        signal(terminal.pid(), "CONT");
        wait_for("the dashboard", || terminal.is_alternate(), || terminal.text());
        terminal.see("ready");
        assert!(crate::support::is_worker(worker), "{name} ended the worker");
    }
    terminal.send("Call me\r");
    terminal.wait("an answer that has ended", |screen| screen.contains("ready") && screen.contains(" tok · "));
    terminal.escape();
    terminal.quit();
    assert!(terminal.exit().success());
}

#[test]
fn a_closed_terminal_ends_the_program() {
    let home = Home::new();
    let mut terminal = open(&home, 100, 30);
    start(&mut terminal);
    let workers = workers(terminal.pid());
    assert_eq!(workers.len(), 1);
    terminal.close();
    terminal.exit();
    wait_for("the worker's end", || !crate::support::is_worker(workers[0]), String::new);
}
