//! The server and its dashboards: processes, sockets and terminals, and what is left when one of them dies.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;

use crate::make_cache;
use crate::support::{Home, Terminal, is_alive, is_worker, signal, starter, wait_for, workers};

/// Open a dashboard on the home's server, which is started where none runs, and wait for its models.
fn open(home: &Home) -> Terminal {
    open_with(home, &[])
}

fn open_with(home: &Home, arguments: &[&str]) -> Terminal {
    let terminal = Terminal::open_with(home, 120, 40, arguments);
    terminal.see("ishmael-1m");
    terminal
}

fn server(home: &Home) -> u32 {
    home.server().expect("a server runs")
}

/// Start the first model of the library; gives its worker.
fn start(home: &Home, terminal: &mut Terminal) -> u32 {
    terminal.send("\r");
    terminal.see("ready");
    workers(server(home))[0]
}

/// Ask, and wait for the whole answer.
fn ask(terminal: &mut Terminal, prompt: &str) {
    terminal.send(prompt);
    terminal.send("\r");
    terminal.wait("an answer that has ended", |screen| screen.contains("ready") && screen.contains(" tok · "));
}

fn gone(what: &str, pid: u32) {
    wait_for(what, || !is_alive(pid), || format!("{pid}"));
}

#[test]
fn sessions_outlive_the_window_and_the_server_ends_when_nobody_needs_it() {
    let home = Home::served();
    let mut terminal = open(&home);
    let pid = server(&home);
    assert!(workers(terminal.pid()).is_empty() && pid != terminal.pid());
    let worker = start(&home, &mut terminal);
    ask(&mut terminal, "Call me Ishmael");
    terminal.escape();
    terminal.send("q");
    terminal.see("Keep it running?");
    // Escape stays here.
    terminal.send("\x1b");
    terminal.wait("no question", |screen| !screen.contains("Keep it running?"));
    terminal.send("q");
    terminal.see("Keep it running?");
    terminal.send("y");
    assert!(terminal.exit().success());
    assert!(is_worker(worker) && home.server() == Some(pid));
    let status = home.run(&["serve", "status", "--json"]);
    assert_eq!(status.code, Some(0), "{status:?}");
    let status = status.json();
    assert_eq!(status["sessions"][0]["name"], "ishmael-1m");
    assert_eq!(status["sessions"][0]["phase"], "ready");
    assert_eq!((&status["pid"], &status["is_temporary"]), (&pid.into(), &true.into()));
    // The next one finds the session with its conversation, and stops it.
    let mut terminal = Terminal::open_with(&home, 120, 40, &[]);
    // A long answer pushes its prompt out of sight.
    terminal.wait("the conversation", |screen| screen.contains("Call me Ishmael") || screen.contains(" tok · "));
    terminal.send("q");
    terminal.see("Keep it running?");
    terminal.send("n");
    assert!(terminal.exit().success());
    gone("the worker's end", worker);
    gone("the server's end", pid);
    assert_eq!(home.run(&["serve", "status"]).code, Some(3));
    assert!(!home.path("run/taffrail/server.sock").exists());
}

#[test]
fn several_dashboards_see_the_same() {
    let home = Home::served();
    let mut one = open(&home);
    let mut other = open(&home);
    start(&home, &mut one);
    // Nobody's screen moves when another one acts.
    assert!(other.text().contains("ishmael-4m"));
    other.send("1");
    other.see("ready");
    ask(&mut one, "The whale");
    other.wait("the whole answer", |screen| screen.contains(" tok · "));
    // Both may act on the same session.
    other.send("\t");
    ask(&mut other, "The sea");
    // No escape, which a letter that follows would make another key.
    other.send("\t");
    other.wait("the keys of the table", |screen| screen.contains("n new"));
    one.wait("the answer to it", |screen| screen.contains("The sea") || screen.contains(" tok · "));
    other.send("x");
    other.wait("its end", |screen| screen.contains("Stop it?") || !screen.contains("■ ishmael-1m"));
    if other.text().contains("Stop it?") {
        other.send("y");
    }
    for terminal in [&one, &other] {
        terminal.wait("no session", |screen| !screen.contains("The sea") && !screen.contains(" tok · "));
    }
    drop(one);
    other.send("2");
    other.see("ishmael-4m");
}

#[test]
fn a_dashboard_that_dies_loses_nothing() {
    let home = Home::served();
    let mut terminal = open(&home);
    let worker = start(&home, &mut terminal);
    for how in ["KILL", "HUP", "close"] {
        ask(&mut terminal, how);
        if how == "close" {
            terminal.close();
        } else {
            signal(terminal.pid(), how);
        }
        terminal.exit();
        assert!(is_worker(worker), "{how}");
        terminal = Terminal::open_with(&home, 120, 40, &[]);
        // A long answer pushes its prompt out of sight.
        terminal.wait("the conversation", |screen| screen.contains(how) || screen.contains(" tok · "));
        terminal.send("\t");
        terminal.see("alt-enter");
    }
}

#[test]
fn a_server_that_dies_leaves_no_worker_and_the_next_one_says_what_was_lost() {
    let home = Home::served();
    let mut terminal = open(&home);
    let (pid, worker) = (server(&home), start(&home, &mut terminal));
    terminal.send("Call me\r");
    terminal.see("Call me");
    signal(pid, "KILL");
    gone("the worker's end", worker);
    terminal.see("ended unexpectedly");
    // What was known is still to be read, and nothing is done to it.
    terminal.send("n");
    terminal.wait("no question", |screen| !screen.contains("ended unexpectedly"));
    terminal.send("x");
    terminal.wait("the server's end", |screen| screen.contains("Stop it?") || screen.contains("the server has ended"));
    if terminal.text().contains("Stop it?") {
        terminal.send("y");
    }
    terminal.see("the server has ended");
    terminal.send(":reattach\r");
    terminal.see("lost 1 session: ishmael-1m");
    let new = server(&home);
    assert_ne!(new, pid);
    terminal.wait("no session", |screen| !screen.contains("Call me"));
    start_again(&home, &mut terminal);
}

fn start_again(home: &Home, terminal: &mut Terminal) {
    terminal.send("2");
    terminal.see("ishmael-4m");
    start(home, terminal);
}

#[test]
fn there_is_one_server_and_a_stale_socket_is_replaced() {
    let home = Home::served();
    let started = home.run(&["serve", "--detach"]);
    assert_eq!(started.code, Some(0), "{started:?}");
    let pid = server(&home);
    assert!(started.stderr.contains(&pid.to_string()), "{started:?}");
    let socket = home.path("run/taffrail/server.sock");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&socket), mode(socket.parent().unwrap())), (0o600, 0o700));
    for arguments in [["serve", "--detach"].as_slice(), &["serve"]] {
        let refused = home.run(arguments);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.stderr.contains(&format!("a server runs already (pid {pid})")), "{refused:?}");
    }
    signal(pid, "KILL");
    gone("the server's end", pid);
    assert!(socket.exists());
    assert_eq!(home.run(&["serve", "status"]).code, Some(3));
    assert_eq!(home.run(&["serve", "stop"]).code, Some(3));
    assert_eq!(home.run(&["serve", "--detach"]).code, Some(0));
    let new = server(&home);
    assert_ne!(new, pid);
    let stopped = home.run(&["serve", "stop"]);
    assert_eq!(stopped.code, Some(0), "{stopped:?}");
    gone("the server's end", new);
    assert!(!socket.exists());
}

#[test]
fn a_socket_that_is_removed_comes_back() {
    let home = Home::served();
    assert_eq!(home.run(&["serve", "--detach"]).code, Some(0));
    let pid = server(&home);
    std::fs::remove_dir_all(home.path("run/taffrail")).unwrap();
    wait_for("the socket", || home.run(&["serve", "status"]).code == Some(0), String::new);
    assert_eq!(home.server(), Some(pid));
}

#[test]
fn a_server_that_is_stopped_says_so_and_may_be_started_again() {
    let home = Home::served();
    let mut terminal = open(&home);
    let worker = start(&home, &mut terminal);
    let pid = server(&home);
    assert_eq!(home.run(&["serve", "stop"]).code, Some(0));
    gone("the server", pid);
    gone("its worker", worker);
    terminal.see("it was stopped by");
    terminal.send("y");
    terminal.see("attached to the server again");
    assert_ne!(server(&home), pid);
}

#[test]
fn a_server_of_another_version_is_told_and_not_used() {
    let home = Home::served();
    let folder = home.path("run/taffrail");
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
    let listener = UnixListener::bind(folder.join("server.sock")).unwrap();
    let other = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 4];
        stream.read_exact(&mut head).unwrap();
        let mut body = vec![0; u32::from_le_bytes(head) as usize];
        stream.read_exact(&mut body).unwrap();
        let hello = br#"{"program":"taffrail","protocol":99,"version":"9.9.9","pid":4711,"new":{}}"#;
        stream.write_all(&(hello.len() as u32).to_le_bytes()).unwrap();
        stream.write_all(hello).unwrap();
        String::from_utf8(body).unwrap()
    });
    let mut terminal = Terminal::open_with(&home, 160, 40, &[]);
    terminal.see("(pid 4711) can't be used: it is taffrail 9.9.9");
    assert!(other.join().unwrap().contains("\"wants\":\"attach\""));
    // Its sessions are its own.
    terminal.see("ishmael-1m");
    terminal.send("\r");
    terminal.see("ready");
    assert_eq!(workers(terminal.pid()).len(), 1);
}

#[test]
fn what_becomes_of_sessions_can_be_set() {
    let home = Home::served();
    let mut terminal = open_with(&home, &["--set", "ui.on_quit=keep"]);
    let worker = start(&home, &mut terminal);
    terminal.escape();
    terminal.send("q");
    assert!(terminal.exit().success());
    assert!(is_worker(worker));
    let mut terminal = Terminal::open_with(&home, 120, 40, &["--set", "ui.on_quit=stop"]);
    terminal.see("ready");
    terminal.send("q");
    assert!(terminal.exit().success());
    gone("the worker's end", worker);
}

#[test]
fn commands_use_a_running_server() {
    let home = Home::served();
    let arguments = ["run", "ishmael-1m", "-p", "The sea", "--max-tokens", "8", "--seed", "1", "--temperature", "0"];
    let alone = home.run(&arguments);
    assert_eq!((alone.code, home.server()), (Some(0), None), "{alone:?}");
    assert_eq!(home.run(&["serve", "--detach"]).code, Some(0));
    let loaded = home.run(&arguments);
    assert_eq!(loaded.code, Some(0), "{loaded:?}");
    assert!(loaded.stderr.contains("loaded by the server"), "{loaded:?}");
    assert_eq!(loaded.stdout, alone.stdout);
    // It was for that answer only.
    wait_for("no worker", || workers(server(&home)).is_empty(), String::new);
    let mut terminal = open(&home);
    let worker = start(&home, &mut terminal);
    let answered = home.run(&["run", "ishmael-1m", "-p", "The sea"]);
    assert_eq!(answered.code, Some(0), "{answered:?}");
    assert!(answered.stderr.contains("answered by the server") && !answered.stdout.is_empty(), "{answered:?}");
    assert!(is_worker(worker));
    // The conversation is left alone.
    assert!(!terminal.text().contains("The sea"));
    let race = home.run(&["race", "ishmael-1m", "ishmael-4m", "-p", "The sea", "--max-tokens", "4", "--json"]);
    assert_eq!(race.code, Some(0), "{race:?}");
    assert_eq!(race.json()["schema"], "taffrail/race/1");
}

#[test]
fn a_command_waits_for_the_servers_first_scan() {
    let home = Home::served();
    // So many that the command, which is given a file, has found its model long before the server has found them.
    make_cache::make(&home.path("hub"), 1000, &starter("ishmael-4m"), false).unwrap();
    let file = home.write("models/ishmael.gguf", std::fs::read(starter("ishmael-1m")).unwrap());
    let library = format!("[library]\nfolders = [{:?}]\n", file.parent().unwrap());
    home.write("config/taffrail/config.toml", library);
    assert_eq!(home.run(&["serve", "--detach"]).code, Some(0));
    let ran = home.run(&["run", file.to_str().unwrap(), "-p", "The sea", "--max-tokens", "4"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("loaded by the server"), "{ran:?}");
}

/// An ssh that runs the command on this machine, for the user whose files are in another home.
fn fake_ssh(home: &Home, other: &Home) -> String {
    let script = format!(
        "#!/bin/sh\necho \"$@\" >> '{}'\nwhile [ \"$1\" != -- ]; do shift; done\nshift 2\n\
         export HOME='{home}' XDG_CONFIG_HOME='{home}/config' XDG_CACHE_HOME='{home}/cache' \
         XDG_DATA_HOME='{home}/data' XDG_STATE_HOME='{home}/state' XDG_RUNTIME_DIR='{home}/run' HF_HUB_CACHE='{home}/hub'\n\
         exec \"$@\"\n",
        home.path("ssh.log").display(),
        home = other.path("").display().to_string().trim_end_matches('/'),
    );
    let path = home.write("bin/ssh", script);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", path.parent().unwrap().display(), std::env::var("PATH").unwrap())
}

fn attach(home: &Home, path: &str, host: &str) -> Terminal {
    let words = ["env".to_owned(), format!("PATH={path}")];
    let program = env!("CARGO_BIN_EXE_taffrail");
    Terminal::open_behind(home, 140, 40, &words, &["attach", "--ssh", host, "--program", program])
}

#[test]
fn another_machines_server_is_attached_to_over_ssh() {
    let (home, other) = (Home::served(), Home::served());
    let path = fake_ssh(&home, &other);
    let mut terminal = attach(&home, &path, "box");
    terminal.send("2");
    terminal.see("ishmael-1m");
    terminal.send("\r");
    terminal.see("ready");
    ask(&mut terminal, "Call me");
    // All of it is there, and nothing here.
    assert_eq!(home.server(), None);
    let worker = workers(server(&other))[0];
    let said = std::fs::read_to_string(home.path("ssh.log")).unwrap();
    assert!(said.contains("-o BatchMode=yes -- box ") && said.contains("serve --stdio"), "{said}");
    // The history is that machine's as well.
    terminal.escape();
    terminal.send("4H");
    terminal.see("Call me");
    terminal.send("q");
    terminal.see("Keep it running?");
    terminal.send("y");
    assert!(terminal.exit().success());
    assert!(is_worker(worker));
    let again = attach(&home, &path, "box");
    again.wait("the conversation", |screen| screen.contains("Call me") || screen.contains(" tok · "));
}

#[test]
fn an_ssh_that_fails_is_told() {
    let home = Home::served();
    let path = home.write("bin/ssh", "#!/bin/sh\necho 'user@box: Permission denied (publickey).' >&2\nexit 255\n");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", path.parent().unwrap().display());
    let mut terminal = attach(&home, &path, "box");
    assert_eq!(terminal.exit().exit_code(), 1);
    terminal.see("box can't be attached to: user@box: Permission denied (publickey).");
}
