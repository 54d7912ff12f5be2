//! One model over several machines: `taffrail rpc-serve` on the loopback interface is the other one.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Stdio};

use crate::support::{Home, OFTEN, PATIENCE, Ran, Terminal, poll, signal, skip, wait_for};

const MODEL: &str = "ishmael-1m";

/// `taffrail rpc-serve` on a port of the system's choice.
struct Server {
    child: Child,
    port: u16,
    told: String,
}

impl Server {
    /// `None` where this build has no RPC, which is said.
    fn start(home: &Home) -> Option<Self> {
        if worker::rpc::protocol().is_none() {
            skip(worker::rpc::NO_RPC);
            return None;
        }
        Some(Self::on(home, 0))
    }

    fn on(home: &Home, port: u16) -> Self {
        let listen = format!("127.0.0.1:{port}");
        let mut command = home.command(&["rpc-serve", "--threads", "1", "--listen", &listen]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut told = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        while output.read_line(&mut told).unwrap() > 0 && !told.contains("then `taffrail run") {}
        let port = told.lines().next().and_then(|line| line.split("127.0.0.1:").nth(1));
        let port = port.and_then(|rest| rest.split(',').next()).and_then(|port| port.parse().ok());
        let Some(port) = port else { panic!("{told:?}: {:?}", child.wait_with_output()) };
        Self { child, port, told }
    }

    /// Name it in the settings of this home.
    fn name(&self, home: &Home) {
        home.write("config/taffrail/config.toml", format!("[rpc.box]\naddress = \"127.0.0.1:{}\"\n", self.port));
    }

    /// The processes that serve clients, or wait for one.
    fn processes(&self) -> Vec<u32> {
        let children = format!("/proc/{0}/task/{0}/children", self.child.id());
        let all = std::fs::read_to_string(children).unwrap_or_default();
        all.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    }

    /// End it by a signal; gives its exit code and what it said.
    fn end(mut self, name: &str) -> Ran {
        signal(self.child.id(), name);
        let (mut stderr, status) = (String::new(), self.child.wait().unwrap());
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        Ran { code: status.code(), stdout: std::mem::take(&mut self.told), stderr }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(home: &Home, more: &[&str]) -> Ran {
    // AMX, for which weights are laid out here and not there, rounds otherwise.
    let first = [
        "--set",
        "engine.amx=false",
        "run",
        MODEL,
        "Call me Ishmael. Some years ago",
        "--raw",
        "--temperature",
        "0",
        "-n",
        "24",
    ];
    home.run(&[&first, more].concat())
}

#[test]
fn a_model_over_two_machines_answers_as_over_one() {
    let home = Home::new();
    let Some(server) = Server::start(&home) else { return };
    assert!(server.told.contains("llama.cpp's RPC") && server.told.contains("CPU"), "{}", server.told);
    assert!(server.told.contains("ssh -N -L") && server.told.contains("free"), "{}", server.told);
    server.name(&home);
    let alone = run(&home, &[]);
    assert_eq!(alone.code, Some(0), "{alone:?}");
    for more in [
        &["--device", "box:CPU"] as &[&str],
        &["-dev", "box:CPU", "-ngl", "2"],
        &["--device", "box:CPU", "-ngl", "0"],
        &["--device", "none"],
    ] {
        let together = run(&home, more);
        assert_eq!((together.code, &together.stdout), (Some(0), &alone.stdout), "{more:?}: {}", together.stderr);
    }
    // What the machine says of the others: name, device, memory.
    let doctor = home.run(&["doctor"]);
    assert!(doctor.stdout.contains("Other machines") && doctor.stdout.contains("box:CPU"), "{}", doctor.stdout);
    let document = home.run(&["top", "--once", "--json"]).json();
    let device = &document["rpc"][0]["devices"][0];
    assert_eq!(device["name"], "CPU", "{document}");
    let [free, total] = ["memory_free_bytes", "memory_total_bytes"].map(|key| device[key].as_u64().unwrap());
    assert!(free > 0 && free < total, "ggml's own figure calls all memory free: {free} of {total}");
    // A session holds what it holds there, and is told so.
    let mut terminal = Terminal::open_with(&home, 120, 40, &["--set", "session.device=box:CPU"]);
    terminal.see(MODEL);
    terminal.send("\r");
    terminal.see("ready");
    terminal.escape();
    terminal.quit();
    terminal.exit();
    let ended = server.end("TERM");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("connected") && ended.stderr.contains("left after"), "{}", ended.stderr);
}

#[test]
fn a_machine_that_is_lost_costs_its_session_and_is_named() {
    let home = Home::new();
    let Some(server) = Server::start(&home) else { return };
    server.name(&home);
    let mut terminal = Terminal::open_with(&home, 160, 40, &["--set", "session.device=box:CPU"]);
    terminal.see(MODEL);
    terminal.send("\r");
    terminal.see("ready");
    // The process of the client dies, and the server lives on.
    let pids = server.processes();
    assert!(!pids.is_empty());
    for pid in pids {
        signal(pid, "KILL");
    }
    terminal.send("Call me\r");
    terminal.see("the RPC server box at 127.0.0.1:");
    terminal.see("was lost");
    terminal.send("r");
    terminal.see("ready");
    // The server itself dies.
    let port = server.port;
    let ended = server.end("KILL");
    assert_eq!(ended.code, None, "{ended:?}");
    terminal.send("\r");
    terminal.send("Once\r");
    // What was said of the first loss stands in the chat still.
    terminal.see("✕ failed");
    // It is there again: the session goes on.
    let server = Server::on(&home, port);
    terminal.send("r");
    terminal.see("ready");
    terminal.quit();
    terminal.exit();
    drop(server);
}

#[test]
fn a_machine_that_is_not_there_is_told_before_a_model_is_loaded() {
    let home = Home::new();
    let Some(server) = Server::start(&home) else { return };
    server.name(&home);
    let absent = run(&home, &["--device", "box:CUDA3"]);
    assert_eq!(absent.code, Some(1), "{absent:?}");
    assert!(absent.stderr.contains("has no device `CUDA3`") && absent.stderr.contains("box:CPU"), "{}", absent.stderr);
    let unknown = run(&home, &["--device", "shed:CPU"]);
    assert_ne!(unknown.code, Some(0));
    assert!(unknown.stderr.contains("shed") && unknown.stderr.contains("[rpc.shed]"), "{}", unknown.stderr);
    let wrong = run(&home, &["--device", "box:"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    server.end("INT");
    let gone = run(&home, &["--device", "box:CPU"]);
    assert_eq!(gone.code, Some(1), "{gone:?}");
    for words in ["the RPC server box at 127.0.0.1:", "is not there", "taffrail rpc-serve", "ssh -N -L"] {
        assert!(gone.stderr.contains(words), "no {words}: {}", gone.stderr);
    }
    let doctor = home.run(&["doctor"]);
    assert!(doctor.stdout.contains("nothing listens there"), "{}", doctor.stdout);
}

#[test]
fn nobody_from_elsewhere_is_served_and_nothing_sent_ends_the_server() {
    let home = Home::new();
    let Some(server) = Server::start(&home) else { return };
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:50052"] {
        let refused = home.run(&["rpc-serve", "--listen", address]);
        assert_eq!(refused.code, Some(4), "{refused:?}");
        assert!(refused.stderr.contains("ssh -N -L"), "{}", refused.stderr);
    }
    let taken = home.run(&["rpc-serve", "--listen", &format!("127.0.0.1:{}", server.port)]);
    assert_eq!(taken.code, Some(1), "{taken:?}");
    let none = home.run(&["rpc-serve", "--listen", "127.0.0.1:0", "--device", "CUDA7"]);
    assert_eq!(none.code, Some(1), "{none:?}");
    assert!(none.stderr.contains("no device `CUDA7`") && none.stderr.contains("CPU"), "{}", none.stderr);
    // A hello, then sizes that nobody has: an allocation of 2^62 bytes, a tensor of 2^60.
    let hello: Vec<u8> = [&[14], &24_u64.to_le_bytes()[..], &[0; 24]].concat();
    let hostile: [Vec<u8>; 5] = [
        b"\xff\xff\xff\xff".to_vec(),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        [b"GET ".to_vec(), vec![b'a'; 100_000]].concat(),
        [&hello[..], &[0], &12_u64.to_le_bytes(), &0_u32.to_le_bytes(), &(1_u64 << 62).to_le_bytes()].concat(),
        [&hello[..], &[6], &(1_u64 << 60).to_le_bytes()].concat(),
    ];
    for bytes in hostile {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.set_read_timeout(Some(PATIENCE));
        let _ = stream.read_to_end(&mut Vec::new());
    }
    server.name(&home);
    let answered = run(&home, &["--device", "box:CPU"]);
    assert_eq!(answered.code, Some(0), "{answered:?}");
    // None of their processes stays.
    wait_for("one process that waits", || server.processes().len() <= 1, || format!("{:?}", server.processes()));
    let pids = server.processes();
    server.end("TERM");
    assert!(poll(PATIENCE, OFTEN, || pids.iter().all(|pid| !crate::support::is_alive(*pid))), "{pids:?}");
}
