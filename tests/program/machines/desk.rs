//! Another machine: a home of its own behind a real sshd on loopback, and machines whose meters count what a test says.

use std::ffi::OsString;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::support::{Home, OFTEN, PATIENCE, poll, skip};

/// A home that is another machine: an sshd that runs this program there.
pub(crate) struct Desk {
    pub(crate) home: Home,
    pub(crate) port: u16,
    pub(crate) sshd: Child,
}

/// Where systems have it.
fn sshd() -> Option<PathBuf> {
    ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"]
        .map(PathBuf::from)
        .into_iter()
        .find(|path| path.exists())
}

pub(crate) fn key(path: &Path) {
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path).status().unwrap();
    assert!(made.success());
}

impl Desk {
    /// `None` where there is no sshd.
    pub(crate) fn new() -> Option<Self> {
        Self::with(Home::new(), |argv| argv)
    }

    /// One whose commands use its server.
    pub(crate) fn served() -> Option<Self> {
        Self::with(Home::served(), |argv| argv)
    }

    /// One with this meter.
    pub(crate) fn metered(meter: &Meter) -> Option<Self> {
        Self::with(Home::new(), |argv| meter.around(argv))
    }

    fn with(home: Home, around: impl FnOnce(Vec<OsString>) -> Vec<OsString>) -> Option<Self> {
        let Some(path) = sshd() else {
            skip("there is no sshd: install openssh-server");
            return None;
        };
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
        let argv = around(vec![path.into(), "-D".into(), "-e".into(), "-f".into(), config.into()]);
        let mut command = Command::new(&argv[0]);
        command.args(&argv[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
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
        home.write("config/taffrail/config.toml", machine("desk", "desk", &self.home.path("taffrail"), &config));
    }

    /// One more machine of another home, behind this sshd and with another program there.
    pub(crate) fn also_known_to(home: &Home, name: &str, host: &str, program: &Path) {
        let path = home.path("config/taffrail/config.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let more = machine(name, host, program, &home.path("ssh_config"));
        std::fs::write(path, format!("{text}\n{more}")).unwrap();
    }

    /// A program there that is a shell's script.
    pub(crate) fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.write(name, format!("#!/bin/sh\n{text}\n"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// Listen again, after [`Desk::go_away`].
    pub(crate) fn come_back(&mut self) {
        let mut command = Command::new(sshd().unwrap());
        command.args(["-D", "-e", "-f"]).arg(self.home.path("sshd_config"));
        self.sshd = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let listens = || TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok();
        assert!(poll(Duration::from_secs(10), OFTEN, listens), "sshd does not come back");
    }

    /// End the listener and all of its connections at once.
    pub(crate) fn go_away(&mut self) {
        let sessions = self.sessions();
        self.sshd.kill().unwrap();
        self.sshd.wait().unwrap();
        for pid in sessions {
            let _ = Command::new("kill").args(["-KILL", &pid]).status();
        }
    }

    /// The processes of its connections.
    pub(crate) fn sessions(&self) -> Vec<String> {
        let children = format!("/proc/{0}/task/{0}/children", self.sshd.id());
        let all = std::fs::read_to_string(children).unwrap_or_default();
        all.split_whitespace().map(str::to_owned).collect()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
    }
}

fn machine(name: &str, host: &str, program: &Path, config: &Path) -> String {
    format!(
        "[machine.{name}]\nssh = \"{host}\"\nprogram = \"{}\"\nssh_command = \"ssh -F {}\"\n",
        program.display(),
        config.display()
    )
}

/// A machine whose meter counts so many watts, whatever it does: a made tree in place of `/sys/class`, in a mount namespace of
/// its own.
pub(crate) struct Meter {
    folder: tempfile::TempDir,
    ends: Arc<AtomicBool>,
    counts: Option<JoinHandle<()>>,
}

/// Mounts the tree, and becomes what it is given.
const BEHIND: &str = "mount --make-rprivate / && mount --bind \"$0\" /sys/class && exec \"$@\"";

impl Meter {
    /// `None` where this user may not mount.
    pub(crate) fn new(watts: f64) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let zone = folder.path().join("powercap/intel-rapl:0");
        std::fs::create_dir_all(&zone).unwrap();
        let put = |zone: &Path, name: &str, text: String| {
            // Whoever reads sees a whole number.
            std::fs::write(zone.join(".new"), text).unwrap();
            std::fs::rename(zone.join(".new"), zone.join(name)).unwrap();
        };
        put(&zone, "name", "package-0\n".to_owned());
        put(&zone, "max_energy_range_uj", "262143328850\n".to_owned());
        put(&zone, "energy_uj", "1000000000\n".to_owned());
        let ends = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&ends);
        let counts = std::thread::spawn(move || {
            let start = Instant::now();
            poll(PATIENCE * 5, OFTEN, || {
                let joules = 1000.0 + watts * start.elapsed().as_secs_f64();
                put(&zone, "energy_uj", format!("{}\n", (joules * 1e6) as u64));
                is_over.load(Ordering::Relaxed)
            });
        });
        let meter = Self { folder, ends, counts: Some(counts) };
        let argv = meter.around(vec!["true".into()]);
        let tried = Command::new(&argv[0]).args(&argv[1..]).stderr(Stdio::null()).status();
        if tried.is_ok_and(|status| status.success()) {
            return Some(meter);
        }
        skip("a made meter needs root, unshare and mount");
        None
    }

    /// The words that run these with this meter.
    pub(crate) fn around(&self, argv: Vec<OsString>) -> Vec<OsString> {
        let words = ["unshare", "-m", "sh", "-c", BEHIND].map(OsString::from);
        words.into_iter().chain([self.folder.path().into()]).chain(argv).collect()
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(counts) = self.counts.take() {
            let _ = counts.join();
        }
    }
}
