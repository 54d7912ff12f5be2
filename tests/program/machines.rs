//! Other machines over a real sshd on loopback, with keys and settings of its own; skipped with a word where there is none.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::{Home, OFTEN, PATIENCE, Terminal, poll, skip};

/// A home that is another machine: an sshd that runs this program there.
pub(crate) struct Desk {
    home: Home,
    port: u16,
    sshd: Child,
}

/// Where systems have it.
fn sshd() -> Option<PathBuf> {
    ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"]
        .map(PathBuf::from)
        .into_iter()
        .find(|path| path.exists())
}

fn key(path: &Path) {
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path).status().unwrap();
    assert!(made.success());
}

impl Desk {
    /// `None` where there is no sshd.
    pub(crate) fn new() -> Option<Self> {
        let Some(path) = sshd() else {
            skip("there is no sshd: install openssh-server");
            return None;
        };
        let home = Home::new();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        key(&home.path("host"));
        key(&home.path("key"));
        home.write("allowed", std::fs::read(home.path("key.pub")).unwrap());
        let file = |name: &str| home.path(name).display().to_string();
        let config = home.write(
            "sshd_config",
            format!(
                "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPasswordAuthentication no\n\
                 KbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\nPidFile none\nPermitRootLogin yes\n",
                file("host"),
                file("allowed")
            ),
        );
        // The system's own may want a folder that only a service makes.
        let _ = std::fs::create_dir("/run/sshd");
        let mut command = Command::new(path);
        command.args(["-D", "-e", "-f"]).arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut sshd = command.spawn().unwrap();
        let listens = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
        if !poll(Duration::from_secs(10), OFTEN, listens) {
            let _ = sshd.kill();
            let _ = sshd.wait();
            skip("sshd does not start here");
            return None;
        }
        // What a login there has for an environment.
        let mut script = "#!/bin/sh\n".to_owned();
        for (name, value) in home.command(&[""; 0]).get_envs() {
            let value = value.map(|value| value.to_string_lossy().into_owned()).unwrap_or_default();
            script = format!("{script}export {}='{value}'\n", name.to_string_lossy());
        }
        let program = home.write("taffrail", format!("{script}exec {} \"$@\"\n", env!("CARGO_BIN_EXE_taffrail")));
        std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
        Some(Self { home, port, sshd })
    }

    /// The setting of another home that reaches it, by these lines of ssh's own settings besides.
    pub(crate) fn known_to(&self, home: &Home, more: &str) {
        let host = std::fs::read_to_string(self.home.path("host.pub")).unwrap();
        home.write("known", format!("[127.0.0.1]:{} {host}", self.port));
        let file = |home: &Home, name: &str| home.path(name).display().to_string();
        let config = home.write(
            "ssh_config",
            format!(
                "Host desk\n{more}HostName 127.0.0.1\nPort {}\nIdentityFile {}\nIdentitiesOnly yes\nIdentityAgent none\n\
                 UserKnownHostsFile {}\nGlobalKnownHostsFile /dev/null\n",
                self.port,
                file(&self.home, "key"),
                file(home, "known")
            ),
        );
        home.write(
            "config/taffrail/config.toml",
            format!(
                "[machine.desk]\nssh = \"desk\"\nprogram = \"{}\"\nssh_command = \"ssh -F {}\"\n",
                file(&self.home, "taffrail"),
                config.display()
            ),
        );
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
    }
}

#[test]
fn a_model_of_another_machine_answers_and_races() {
    let Some(desk) = Desk::new() else { return };
    let home = Home::new();
    desk.known_to(&home, "");
    let ran = home.run(&["run", "desk/ishmael-1m", "The whale", "--max-tokens", "8", "--temp", "0"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let here = home.run(&["run", "ishmael-1m", "The whale", "--max-tokens", "8", "--temp", "0"]);
    assert_eq!(ran.stdout, here.stdout);
    let race =
        home.run(&["race", "ishmael-1m", "desk/ishmael-1m", "--prompt", "The whale", "--max-tokens", "8", "--json"]);
    assert_eq!(race.code, Some(0), "{race:?}");
    assert!(race.stdout.contains("desk/ishmael-1m"), "{race:?}");
    let none = home.run(&["run", "desk/nothing", "x"]);
    assert_eq!(none.code, Some(3), "{none:?}");
}

#[test]
fn its_models_and_sensors_show_and_its_end_costs_its_session_only() {
    let Some(mut desk) = Desk::new() else { return };
    let home = Home::new();
    desk.known_to(&home, "");
    let mut terminal = Terminal::open(&home, 120, 40);
    terminal.see("desk/ishmael-4m");
    terminal.send("5");
    terminal.see("together ");
    terminal.wait("its card", |screen| screen.lines().any(|line| line.starts_with("  desk") && line.contains("ram")));
    terminal.send("2");
    terminal.send("/on:desk\r");
    terminal.wait("its models alone", |screen| screen.contains("2 of 4 models"));
    terminal.send("\r");
    terminal.see("ready");
    terminal.send("Call me Ishmael\r");
    terminal.wait("an answer", |screen| screen.contains("answer") || screen.contains(" tok · "));
    // The listener and all of its connections.
    let children = format!("/proc/{0}/task/{0}/children", desk.sshd.id());
    let sessions = std::fs::read_to_string(children).unwrap();
    desk.sshd.kill().unwrap();
    desk.sshd.wait().unwrap();
    for pid in sessions.split_whitespace() {
        let _ = Command::new("kill").args(["-KILL", pid]).status();
    }
    terminal.wait("the loss", |screen| screen.contains("the connection to desk was lost"));
    terminal.send("\x1b");
    terminal.wait("the table has the keys", |screen| !screen.contains("alt-enter"));
    terminal.send("5");
    terminal.see("tried again every");
}

#[test]
fn what_ssh_refuses_is_told_with_a_remedy() {
    let Some(desk) = Desk::new() else { return };
    let home = Home::new();
    let other = home.path("other");
    key(&other);
    let wrong = std::fs::read_to_string(home.path("other.pub")).unwrap();
    for (what, more, program, expected) in [
        ("a password is wanted", "PubkeyAuthentication no\n", None, ["wants a password", "ssh-copy-id"]),
        ("another host key", "", Some("known"), ["has changed", "ssh-keygen -R"]),
        ("an unknown host", "UserKnownHostsFile /dev/null\n", None, ["is not known", "fingerprint"]),
        ("no taffrail", "", Some("config"), ["is not found on desk", "install it there"]),
        ("nobody listens", "Port 1\n", None, ["Connection refused", "shows more"]),
    ] {
        desk.known_to(&home, more);
        match program {
            Some("known") => drop(home.write("known", format!("[127.0.0.1]:{} {wrong}", desk.port))),
            Some(_) => {
                let path = home.path("config/taffrail/config.toml");
                let text = std::fs::read_to_string(&path).unwrap();
                let own = desk.home.path("taffrail").display().to_string();
                std::fs::write(path, text.replace(&own, "/nowhere/taffrail")).unwrap();
            }
            None => {}
        }
        let ran = home.run(&["run", "desk/ishmael-1m", "x"]);
        assert_eq!(ran.code, Some(1), "{what}: {ran:?}");
        for part in expected {
            assert!(ran.stderr.contains(part), "{what}: {}", ran.stderr);
        }
    }
}

#[test]
fn another_version_is_told_and_a_silent_machine_delays_nothing() {
    let Some(desk) = Desk::new() else { return };
    let home = Home::new();
    desk.known_to(&home, "");
    let figures = r#"{"figures":{"host":"x","cpu":0.5,"memory":[1000000000,8000000000],"why_no_power":"none"}}"#;
    let hello = r#"{"hello":{"program":"taffrail","protocol":99,"version":"9.9.9","wire":1}}"#;
    let path = desk.home.path("taffrail");
    std::fs::write(&path, format!("#!/bin/sh\necho '{hello}'\necho '{figures}'\nexec sleep 600\n")).unwrap();
    let terminal = {
        let mut terminal = Terminal::open(&home, 120, 40);
        terminal.see("ishmael-1m");
        terminal.send("5");
        terminal.see("desk runs taffrail 9.9.9, and this is");
        terminal.see("ram 1.0/8 GB");
        terminal
    };
    drop(terminal);
    std::fs::write(&path, "#!/bin/sh\nexec sleep 600\n").unwrap();
    let started = std::time::Instant::now();
    let mut terminal = Terminal::open(&home, 120, 40);
    terminal.see("ishmael-1m");
    terminal.send("\r");
    terminal.see("ready");
    assert!(started.elapsed() < PATIENCE / 2);
}
