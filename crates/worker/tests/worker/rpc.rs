//! A model over two devices: this process's processor, and the one that another process serves.

use std::io::BufRead as _;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};

use wire::{LoadDevice, RpcServer};
use worker::rpc::{Opened, ProbeError, probe, protocol};

use super::*;

const GREEDY: Sampling = Sampling { temperature: Some(0.0), seed: Some(7), ..Sampling::OPEN };

/// A process that serves this machine's processor; `None` where the build has no RPC, which is said.
struct Server {
    child: Child,
    address: SocketAddrV4,
}

impl Server {
    fn start() -> Option<Self> {
        if protocol().is_none() {
            eprintln!("skipped: {}", worker::rpc::NO_RPC);
            return None;
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_taffrail-worker"));
        command.env("TAFFRAIL_WORKER_RPC", "1").env("OMP_WAIT_POLICY", "passive").env("GGML_NO_BACKTRACE", "1");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Ok(Opened::On { port, devices, .. }) = serde_json::from_str(&line) else { panic!("{line}") };
        assert!(!devices.is_empty());
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        let server = Self { child, address };
        let started = Instant::now();
        while probe(address).is_err() {
            assert!(started.elapsed() < PATIENCE, "it does not listen");
            std::thread::yield_now();
        }
        Some(server)
    }

    fn device(&self, name: &str) -> LoadDevice {
        on(self.address, name)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn on(address: SocketAddrV4, name: &str) -> LoadDevice {
    LoadDevice { name: name.to_owned(), server: Some(RpcServer { name: "box".to_owned(), address }) }
}

/// Without AMX, for which weights are laid out here and not there: it rounds otherwise.
fn plain() -> Load {
    Load { amx: false, ..small() }
}

#[test]
fn tokens_are_the_same_wherever_the_layers_are() {
    let Some(server) = Server::start() else { return };
    let prompt = Generate { sampling: GREEDY, ..raw(1, "Call me Ishmael. Some years ago", 48) };
    let (mut alone, _) = Worker::ready(&plain());
    let expected = alone.answer(&prompt).text;
    assert!(!expected.is_empty());
    for n_gpu_layers in [Some(0), Some(2), None] {
        let load = Load { n_gpu_layers, devices: Some(vec![server.device("0")]), ..plain() };
        let (mut worker, loaded) = Worker::ready(&load);
        let there: u64 = loaded.ledger.devices.iter().filter(|row| row.device == "box:0").map(|row| row.weights).sum();
        let here: u64 = loaded.ledger.devices.iter().map(|row| row.weights).sum::<u64>() - there;
        assert_eq!(loaded.n_gpu_layers, n_gpu_layers.unwrap_or(loaded.n_layers), "{:?}", loaded.ledger);
        assert_eq!(there > 0, n_gpu_layers != Some(0), "{n_gpu_layers:?}: {:?}", loaded.ledger);
        assert!(here > 0, "the token embedding stays: {:?}", loaded.ledger);
        assert_eq!(worker.answer(&prompt).text, expected, "{n_gpu_layers:?}");
        // What is kept of a prompt is there again.
        let again = worker.answer(&Generate { id: 2, ..prompt.clone() });
        assert_eq!(again.text, expected);
    }
    // No device at all is the processor.
    let (_worker, loaded) = Worker::ready(&Load { devices: Some(Vec::new()), ..small() });
    assert_eq!(loaded.n_gpu_layers, 0);
}

#[test]
fn two_servers_have_layers_each_and_the_account_says_which() {
    let (Some(server), Some(other)) = (Server::start(), Server::start()) else { return };
    let prompt = Generate { sampling: GREEDY, ..raw(1, "Call me Ishmael. Some years ago", 32) };
    let (mut alone, _) = Worker::ready(&plain());
    let expected = alone.answer(&prompt).text;
    let shed = LoadDevice {
        name: "0".to_owned(),
        server: Some(RpcServer { name: "shed".to_owned(), address: other.address }),
    };
    let (mut worker, loaded) = Worker::ready(&Load { devices: Some(vec![server.device("0"), shed]), ..plain() });
    let weights = |name: &str| -> u64 {
        loaded.ledger.devices.iter().filter(|row| row.device == name).map(|row| row.weights).sum()
    };
    assert!(weights("box:0") > 0 && weights("shed:0") > 0, "{:?}", loaded.ledger);
    assert_eq!(worker.answer(&prompt).text, expected);
}

#[test]
fn a_worker_that_waits_ends_once_its_server_has() {
    let Some(mut server) = Server::start() else { return };
    let mut worker = Worker::spawn(&mut Command::new(env!("CARGO_BIN_EXE_taffrail-worker")), Stdio::piped());
    worker.load(&Load { devices: Some(vec![server.device("0")]), ..small() }).unwrap();
    server.child.kill().unwrap();
    assert!(!worker.wait().success());
    let mut log = String::new();
    worker.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(log.contains(&format!("box at {} ended the connection", server.address)), "{log}");
}

#[test]
fn a_server_that_dies_ends_the_worker_with_its_words() {
    let Some(mut server) = Server::start() else { return };
    let load = Load { devices: Some(vec![server.device("0")]), ..long() };
    let mut worker = Worker::spawn(&mut Command::new(env!("CARGO_BIN_EXE_taffrail-worker")), Stdio::piped());
    worker.load(&load).unwrap();
    worker.send(&Request::Generate(raw(1, "It was", 30_000)));
    while !matches!(worker.event(), Event::Text { .. }) {}
    server.child.kill().unwrap();
    assert!(!worker.wait().success());
    let mut log = String::new();
    worker.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(log.contains("Remote RPC server crashed"), "{log}");
}

#[test]
fn what_is_no_server_is_refused_in_words() {
    let Some(server) = Server::start() else { return };
    let absent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    for (address, name, message, hint) in [
        (
            SocketAddrV4::new(Ipv4Addr::LOCALHOST, absent),
            "CPU",
            "the RPC server box at 127.0.0.1:",
            "taffrail rpc-serve",
        ),
        (server.address, "CUDA7", "has no device `CUDA7`", "it has box:0"),
    ] {
        let mut worker = Worker::start();
        let failure = worker.load(&Load { devices: Some(vec![on(address, name)]), ..small() }).unwrap_err();
        assert!(failure.message.contains(message), "{failure:?}");
        assert!(failure.hint.as_ref().unwrap().contains(hint), "{failure:?}");
    }
    let local = LoadDevice { name: "CUDA7".to_owned(), server: None };
    let failure = Worker::start().load(&Load { devices: Some(vec![local]), ..small() }).unwrap_err();
    assert!(failure.message.contains("no device `CUDA7`") && failure.hint.unwrap().contains("CPU"));
}

/// A port where something else answers: what it says to each connection, and whether it keeps the last one.
fn stranger(answers: &'static [&'static [u8]], stays: bool) -> SocketAddrV4 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for (place, (answer, stream)) in answers.iter().zip(listener.incoming()).enumerate() {
            let mut stream = stream.unwrap();
            let mut buffer = [0; 1024];
            let _ = stream.read(&mut buffer);
            let _ = stream.write_all(answer);
            if stays && place + 1 == answers.len() {
                kept.push(stream);
            }
        }
        if stays {
            // Until the test ends.
            std::thread::park();
        }
    });
    SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)
}

#[test]
fn whatever_answers_on_a_port_is_told_apart_in_time() {
    const PAGE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    // Sizes of 8 bytes before what follows: another version, one that is too long, one of nothing.
    const OLD: &[u8] = b"\x03\0\0\0\0\0\0\0\x01\x00\x00";
    const LONG: &[u8] = b"\xff\xff\xff\xff\xff\xff\xff\xff";
    const TERMINAL: &[u8] = b"SSH-2.0-OpenSSH_9.2\x1b[31m\r\n";
    const OTHER: &[u8] =
        b"HTTP/1.0 200 OK\r\n\r\n{\"taffrail\":\"9.9\",\"protocol\":\"99.1.0\",\"devices\":[{\"name\":\"CPU\"}]}";
    const HOSTILE: &[u8] = b"HTTP/1.0 200 OK\r\n\r\n{\"protocol\":\"99.1.0\",\"devices\":[]}";
    let Some(ours) = protocol() else { return };
    let theirs = |text: &str| ProbeError::Version { theirs: text.parse().unwrap(), ours };
    for (answers, stays, expected) in [
        (&[PAGE] as &[&[u8]], false, "it is a web server"),
        (&[b"", b""], false, "closed the connection"),
        (&[b"", OLD], true, &*theirs("1.0.0").to_string()),
        (&[b"", LONG], true, "18446744073709551615 bytes as its version"),
        (&[TERMINAL], false, "SSH-2.0-OpenSSH_9.2"),
        (&[OTHER], false, &*theirs("99.1.0").to_string()),
        (&[HOSTILE], false, "that it has 0 devices"),
        (&[b""], true, "says nothing"),
    ] {
        let answers: &'static [&'static [u8]] = Box::leak(answers.to_vec().into_boxed_slice());
        let started = Instant::now();
        let error = probe(stranger(answers, stays)).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}, not {expected}");
        assert!(!error.to_string().contains('\u{1b}'), "{error:?}");
        assert!(started.elapsed() < 3 * worker::rpc::PATIENCE);
    }
}
