//! A home for the program under test, and a terminal to see it in.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};

/// Nothing here takes as long on the slowest machine, unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A home directory of its own, so that no test sees this machine's models and settings.
pub(crate) struct Home {
    folder: tempfile::TempDir,
    /// Whether dashboards and commands use a server.
    is_served: bool,
}

impl Home {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("run")).unwrap();
        Self { folder, is_served: false }
    }

    /// One whose dashboards attach to a server.
    pub(crate) fn served() -> Self {
        let mut home = Self::new();
        home.is_served = true;
        home
    }

    /// The process of the server that has this home's socket.
    pub(crate) fn server(&self) -> Option<u32> {
        let pid = std::fs::read_to_string(self.path("run/taffrail/server.lock")).ok()?.trim().parse().ok()?;
        is_alive(pid).then_some(pid)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file of this content.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        let home = self.folder.path();
        vec![
            ("HOME", home.into()),
            ("XDG_CONFIG_HOME", home.join("config")),
            ("XDG_CACHE_HOME", home.join("cache")),
            ("XDG_DATA_HOME", home.join("data")),
            ("XDG_RUNTIME_DIR", home.join("run")),
            // What else listens on this machine is none of the tests'.
            ("TAFFRAIL_LIBRARY_DISCOVER", "false".into()),
            ("HF_HUB_CACHE", home.join("hub")),
            // Any free port.
            ("TAFFRAIL_SERVER_LISTEN", "127.0.0.1:0".into()),
            ("TAFFRAIL_SERVER_ATTACH", self.is_served.to_string().into()),
        ]
    }

    pub(crate) fn command<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_taffrail"));
        command.args(arguments).env_clear().envs(self.environment()).env("PATH", std::env::var_os("PATH").unwrap());
        command.stdin(Stdio::null());
        command
    }

    /// Run a command to its end.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Ran {
        self.command(arguments).output().unwrap().into()
    }

    /// Run a command with this on its standard input.
    pub(crate) fn run_with_input<A: AsRef<OsStr>>(&self, arguments: &[A], input: &str) -> Ran {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap().into()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // A server in the background is nobody's child.
        if let Some(pid) = self.server() {
            let _ = Command::new("kill").args(["-KILL".to_owned(), pid.to_string()]).status();
        }
    }
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// The program in a pseudo-terminal.
pub(crate) struct Terminal {
    parser: Arc<Mutex<vt100::Parser>>,
    pub(crate) child: Box<dyn portable_pty::Child + Send + Sync>,
    master: Option<Box<dyn MasterPty + Send>>,
    keys: Option<Box<dyn Write + Send>>,
    /// The reader lets go of the terminal at the next thing it reads, which is a second away at most.
    closed: Arc<AtomicBool>,
}

impl Terminal {
    /// Open the dashboard.
    pub(crate) fn open(home: &Home, columns: u16, rows: u16) -> Self {
        Self::open_with(home, columns, rows, &[])
    }

    pub(crate) fn open_with(home: &Home, columns: u16, rows: u16, arguments: &[&str]) -> Self {
        Self::open_behind(home, columns, rows, &[], arguments)
    }

    /// Open the dashboard by another command, which becomes it.
    pub(crate) fn open_behind(home: &Home, columns: u16, rows: u16, words: &[String], arguments: &[&str]) -> Self {
        let pair = native_pty_system().openpty(size(columns, rows)).unwrap();
        let program = words.iter().map(String::as_str).chain([env!("CARGO_BIN_EXE_taffrail")]);
        let argv = program.chain(arguments.iter().copied()).map(Into::into).collect();
        let mut command = CommandBuilder::from_argv(argv);
        command.env_clear();
        command.env("TERM", "xterm-256color");
        command.env("PATH", std::env::var_os("PATH").unwrap());
        for (name, path) in home.environment() {
            command.env(name, path);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        let parser = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        let mut reader = pair.master.try_clone_reader().unwrap();
        let screen = Arc::clone(&parser);
        let closed = Arc::new(AtomicBool::new(false));
        let is_closed = Arc::clone(&closed);
        std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if is_closed.load(Ordering::Relaxed) {
                    return;
                }
                screen.lock().unwrap().process(&buffer[..count]);
            }
        });
        let keys = pair.master.take_writer().unwrap();
        Self { parser, child, master: Some(pair.master), keys: Some(keys), closed }
    }

    pub(crate) fn send(&mut self, keys: &str) {
        let writer = self.keys.as_mut().unwrap();
        writer.write_all(keys.as_bytes()).unwrap();
        writer.flush().unwrap();
    }

    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        self.parser.lock().unwrap().screen_mut().set_size(rows, columns);
        self.master.as_ref().unwrap().resize(size(columns, rows)).unwrap();
    }

    pub(crate) fn text(&self) -> String {
        self.parser.lock().unwrap().screen().contents()
    }

    pub(crate) fn is_alternate(&self) -> bool {
        self.parser.lock().unwrap().screen().alternate_screen()
    }

    /// Wait until the screen is as it should be.
    pub(crate) fn wait(&self, what: &str, is_so: impl Fn(&str) -> bool) {
        wait_for(what, || is_so(&self.text()), || self.text());
    }

    /// Wait until the screen shows this.
    pub(crate) fn see(&self, text: &str) {
        self.wait(text, |screen| screen.contains(text));
    }

    /// Leave the prompt for the table. A terminal tells Escape from Alt and a letter only by the time between them, so
    /// the next key waits until this one has been seen.
    /// An answer that still runs takes the first Escape for itself.
    pub(crate) fn escape(&mut self) {
        for _ in 0..5 {
            self.send("\x1b");
            if poll(Duration::from_secs(2), OFTEN, || !self.text().contains("alt-enter")) {
                return;
            }
        }
        panic!("the prompt keeps the keys:\n{}", self.text());
    }

    /// Quit, and stop the sessions that run.
    pub(crate) fn quit(&mut self) {
        self.send("q");
        self.see("Quit and stop");
        self.send("y");
    }

    /// Close the terminal under the program, as closing a window does.
    pub(crate) fn close(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
        self.keys = None;
        self.master = None;
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.process_id().unwrap()
    }

    /// Wait for the end.
    pub(crate) fn exit(&mut self) -> portable_pty::ExitStatus {
        let mut status = None;
        poll(PATIENCE, OFTEN, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap_or_else(|| panic!("the program does not end:\n{}", self.text()))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }
}

/// Wait for a condition; fails with what is there instead.
pub(crate) fn wait_for(what: &str, is_so: impl Fn() -> bool, instead: impl Fn() -> String) {
    assert!(poll(PATIENCE, OFTEN, is_so), "waited in vain for {what:?}:\n{}", instead());
}

/// The condition is another process's; looking again every few milliseconds leaves it the processor.
pub(crate) const OFTEN: Duration = Duration::from_millis(5);

/// Look again and again until a condition holds or the time is over; gives whether it held. The one place that waits by
/// looking: `tests/architecture.rs` allows no other.
pub(crate) fn poll(patience: Duration, every: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    loop {
        if is_so() {
            return true;
        }
        let Some(left) = patience.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) else { return false };
        std::thread::park_timeout(every.min(left));
    }
}

/// Say why a test ends without having tested. It is shown although the test passes, since the harness captures only what
/// goes through its macros.
pub(crate) fn skip(why: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}

/// The children of a process that are workers.
pub(crate) fn workers(parent: u32) -> Vec<u32> {
    let children = format!("/proc/{parent}/task/{parent}/children");
    let all = std::fs::read_to_string(children).unwrap_or_default();
    all.split_whitespace().filter_map(|pid| pid.parse().ok()).filter(|pid| is_worker(*pid)).collect()
}

/// Whether a process lives: one that nobody has waited for yet does not.
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|end| !end.is_empty() && !end.starts_with('Z'))
}

/// Whether a process lives and is a worker.
pub(crate) fn is_worker(pid: u32) -> bool {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).any(|word| word == b"worker")
}

/// Send a signal to a process of ours.
pub(crate) fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status().unwrap();
    assert!(status.success());
}

/// A starter model's file.
pub(crate) fn starter(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("starter").join(format!("{name}-Q8_0.gguf"))
}
