//! One model over several machines: `taffrail rpc-serve` on the loopback interface is the other one.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::machines::Desk;
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
        name(home, &[("box", self.port)]);
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

/// Name servers in the settings of a home.
fn name(home: &Home, servers: &[(&str, u16)]) {
    let section = |(name, port): &(&str, u16)| format!("[rpc.{name}]\naddress = \"127.0.0.1:{port}\"\n");
    home.write("config/taffrail/config.toml", servers.iter().map(section).collect::<String>());
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

/// Restart the session as a person does: again where the server was still busy with what it had lost.
fn restart(terminal: &mut Terminal) {
    let is_ready = |terminal: &mut Terminal| {
        terminal.send("r");
        poll(PATIENCE / 4, OFTEN, || terminal.text().contains("ready"))
    };
    assert!((0..4).any(|_| is_ready(terminal)), "never ready:\n{}", terminal.text());
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
    // The process of the client dies, and the server lives on: nobody has to ask for it to be told.
    let pids = server.processes();
    assert!(!pids.is_empty());
    for pid in pids {
        signal(pid, "KILL");
    }
    terminal.see("the RPC server box at 127.0.0.1:");
    terminal.see("was lost");
    terminal.escape();
    restart(&mut terminal);
    // The server itself dies, of which an idle session is told as well.
    let port = server.port;
    let ended = server.end("KILL");
    assert_eq!(ended.code, None, "{ended:?}");
    terminal.see("✕ failed");
    // It is there again: the session goes on.
    let server = Server::on(&home, port);
    restart(&mut terminal);
    // In the middle of an answer it is no different.
    terminal.send("\r");
    terminal.send("Call me\r");
    terminal.see("tok/s");
    signal(server.child.id(), "KILL");
    terminal.see("✕ failed");
    terminal.close();
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

#[test]
fn a_machine_that_hangs_is_noticed_and_told() {
    let home = Home::new();
    let Some(server) = Server::start(&home) else { return };
    server.name(&home);
    let settings = ["--set", "session.device=box:CPU", "--set", "engine.hang_timeout_s=3"];
    let mut terminal = Terminal::open_with(&home, 160, 40, &settings);
    terminal.see(MODEL);
    terminal.send("\r");
    terminal.see("ready");
    // All of it hangs, as where its machine is suspended or the network is gone.
    signal(server.child.id(), "STOP");
    terminal.see("✕ failed");
    terminal.see("busy with another client");
    signal(server.child.id(), "CONT");
    terminal.escape();
    restart(&mut terminal);
    // The process of the client alone.
    let taken: Vec<u32> = server.processes();
    for pid in &taken {
        signal(*pid, "STOP");
    }
    terminal.see("the RPC server box at 127.0.0.1:");
    terminal.see("✕ failed");
    terminal.close();
    wait_for("the stopped ones to be gone", || !server.processes().iter().any(|pid| taken.contains(pid)), String::new);
    let ended = server.end("TERM");
    assert!(ended.stderr.contains("stopped by a signal"), "{}", ended.stderr);
}

#[test]
fn several_machines_share_a_model_and_the_one_that_is_lost_is_named() {
    let home = Home::new();
    let Some(server) = Server::start(&home) else { return };
    let other = Server::on(&home, 0);
    let alone = run(&home, &[]);
    name(&home, &[("box", server.port), ("shed", other.port)]);
    let both = "box:CPU,shed:CPU";
    let together = run(&home, &["--device", both]);
    assert_eq!((together.code, &together.stdout), (Some(0), &alone.stdout), "{}", together.stderr);
    let mut terminal = Terminal::open_with(&home, 160, 50, &["--set", &format!("session.device={both}")]);
    terminal.see(MODEL);
    terminal.send("\r");
    terminal.see("ready");
    // Both are on the Machine screen, with their devices and memory.
    terminal.escape();
    terminal.send("5");
    for name in ["box:CPU", "shed:CPU"] {
        let told = |screen: &str| screen.lines().any(|line| line.contains(name) && line.contains("GB"));
        terminal.wait(name, told);
    }
    terminal.send("1");
    for pid in other.processes() {
        signal(pid, "KILL");
    }
    terminal.see(&format!("the RPC server shed at 127.0.0.1:{} was lost", other.port));
    terminal.close();
    drop(server);
}

/// The memory that a server says it has free, changed on the way: what it computes is its own. A machine with little memory is
/// none that a test could have.
struct Smaller {
    port: u16,
    free: Arc<AtomicU64>,
}

impl Smaller {
    fn before(server: &Server) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (port, behind) = (listener.local_addr().unwrap().port(), server.port);
        let free = Arc::new(AtomicU64::new(0));
        let told = Arc::clone(&free);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let told = Arc::clone(&told);
                std::thread::spawn(move || pass(&stream, behind, told.load(Ordering::Relaxed)));
            }
        });
        Self { port, free }
    }
}

fn pass(mut client: &TcpStream, behind: u16, free: u64) -> Option<()> {
    let server = TcpStream::connect(("127.0.0.1", behind)).ok()?;
    let mut first = [0];
    client.peek(&mut first).ok()?;
    if first == *b"G" {
        let mut request = [0; 512];
        let count = client.read(&mut request).ok()?;
        (&server).write_all(&request[..count]).ok()?;
        let mut answer = String::new();
        (&server).read_to_string(&mut answer).ok()?;
        let mut document: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()?;
        document["devices"][0]["free"] = free.into();
        return client.write_all(format!("HTTP/1.0 200 OK\r\n\r\n{document}").as_bytes()).ok();
    }
    let _ = client.set_nodelay(true).and(server.set_nodelay(true));
    let (from, to) = (client.try_clone().ok()?, server.try_clone().ok()?);
    let there = std::thread::spawn(move || {
        let _ = std::io::copy(&mut &from, &mut &to);
        let _ = to.shutdown(Shutdown::Both);
    });
    let _ = std::io::copy(&mut &server, &mut client);
    let _ = client.shutdown(Shutdown::Both);
    there.join().ok()
}

#[test]
fn layers_go_where_there_is_room_and_what_stays_is_told() {
    let home = Home::new();
    let Some(server) = Server::start(&home) else { return };
    let smaller = Smaller::before(&server);
    name(&home, &[("box", smaller.port)]);
    let alone = run(&home, &[]);
    let layers = |free: u64| {
        smaller.free.store(free, Ordering::Relaxed);
        let ran = run(&home, &["--device", "box:CPU", "--context", "256", "--json"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let document = ran.json();
        assert_eq!(document["text"].as_str().unwrap().trim(), alone.stdout.trim());
        // How many went there of how many, where not all did.
        let misplaced = &document["memory"]["misplaced"];
        misplaced["placed"].as_u64().map(|placed| (placed, misplaced["n_layers"].as_u64().unwrap()))
    };
    let (mut least, mut most) = (256_u64 << 20, 1_u64 << 30);
    let Some((0, all)) = layers(least) else { panic!("a layer went where there is no room") };
    assert_eq!(layers(most), None, "all go where there is room for all");
    // Somewhere between is room for some.
    let some = loop {
        let middle = least.midpoint(most);
        match layers(middle) {
            Some((0, _)) => least = middle,
            None => most = middle,
            Some(_) => break middle,
        }
        assert!(most - least > 1024, "no amount of memory takes a part");
    };
    // More than fit are refused with the figures, and a part shows as such.
    smaller.free.store(some, Ordering::Relaxed);
    let refused = run(&home, &["--device", "box:CPU", "--context", "256", "-ngl", &all.to_string()]);
    assert_eq!(refused.code, Some(4), "{refused:?}");
    assert!(refused.stderr.contains("layers on box:CPU would need about"), "{}", refused.stderr);
    for (free, word) in [(some, "part on CPU"), (256 << 20, "on CPU!")] {
        smaller.free.store(free, Ordering::Relaxed);
        let settings = ["--set", "session.device=box:CPU", "--set", "session.context=256"];
        let mut terminal = Terminal::open_with(&home, 160, 40, &settings);
        terminal.see(MODEL);
        terminal.send("\r");
        terminal.see("ready");
        terminal.see(word);
        terminal.escape();
        terminal.quit();
        terminal.exit();
    }
}

#[test]
fn a_machine_behind_a_tunnel_of_ssh_is_used_and_its_end_is_noticed() {
    let Some(desk) = Desk::new() else { return };
    let home = Home::new();
    let Some(server) = Server::start(&home) else { return };
    desk.known_to(&home, "");
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let mut ssh = Command::new("ssh");
    ssh.arg("-F").arg(home.path("ssh_config")).args(["-N", "-o", "ExitOnForwardFailure=yes", "-L"]);
    ssh.args([&format!("{port}:127.0.0.1:{}", server.port), "desk"]).stdin(Stdio::null());
    let mut ssh = ssh.spawn().unwrap();
    wait_for("a tunnel", || TcpStream::connect(("127.0.0.1", port)).is_ok(), String::new);
    name(&home, &[("box", port)]);
    let alone = run(&home, &[]);
    let together = run(&home, &["--device", "box:CPU"]);
    assert_eq!((together.code, &together.stdout), (Some(0), &alone.stdout), "{}", together.stderr);
    let mut terminal = Terminal::open_with(&home, 160, 40, &["--set", "session.device=box:CPU"]);
    terminal.see(MODEL);
    terminal.send("\r");
    terminal.see("ready");
    ssh.kill().unwrap();
    ssh.wait().unwrap();
    terminal.see("✕ failed");
    terminal.see("the RPC server box at");
    terminal.see("taffrail rpc-serve");
    terminal.close();
}
