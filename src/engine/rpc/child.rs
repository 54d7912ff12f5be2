//! The process that serves one client.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{self, ChildStderr};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};
use worker::rpc::{Opened, Protocol, RpcDevice};

use crate::engine::process::{describe, spawn};
use crate::engine::program::Program;
use domain::settings::SchedulingPolicy;

/// How devices are served.
#[derive(Debug, Clone)]
pub struct Options {
    /// Threads of the processor, where it is one of the devices.
    pub n_threads: u32,
    /// The devices by llama.cpp's names; none takes the GPUs, or the processor where there is no GPU.
    pub devices: Vec<String>,
    /// How the processes are scheduled.
    pub scheduling: SchedulingPolicy,
    /// Log all that llama.cpp says.
    pub verbose: bool,
}

/// How long a process may take to find its devices and to listen: a GPU's driver takes seconds the first time.
const START: Duration = Duration::from_secs(30);

/// How often it is asked whether it listens.
const POLL: Duration = Duration::from_millis(5);

/// How long the end of a process whose connection has ended is waited for.
const END: Duration = Duration::from_millis(200);

/// How long a process may stay suspended before its client is let go.
const STOPPED: Duration = Duration::from_secs(8);

/// The longest line of it that is read, bytes.
const MAX_LINE: u64 = 16 << 10;

/// A process that serves devices, on a port that nobody is told of. It is killed when this is dropped.
pub(super) struct Child {
    process: process::Child,
    pub(super) address: SocketAddrV4,
    pub(super) protocol: Protocol,
    pub(super) devices: Vec<RpcDevice>,
    last_words: JoinHandle<String>,
}

impl Child {
    /// Start one, and wait until it listens.
    pub(super) async fn start(program: &Program, options: &Options) -> Result<Self, String> {
        let mut program = program.clone();
        program.arguments = vec!["rpc-worker".into(), "--threads".into(), options.n_threads.to_string().into()];
        for device in &options.devices {
            program.arguments.extend(["--device".into(), device.into()]);
        }
        if options.verbose {
            program.arguments.push("--verbose".into());
        }
        let mut process = spawn(&program, options.scheduling).map_err(|error| error.to_string())?;
        let (Some(output), Some(log)) = (process.stdout.take(), process.stderr.take()) else {
            return Err("its process has no pipes".to_owned());
        };
        let last_words = tokio::spawn(read_log(log));
        let started = timeout(START, async {
            let mut line = String::new();
            let _ = BufReader::new(output).take(MAX_LINE).read_line(&mut line).await;
            match serde_json::from_str(&line) {
                Ok(Opened::On { port, protocol, devices }) => {
                    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
                    listens(address, &mut process).await.map(|()| (address, protocol, devices))
                }
                Ok(Opened::Nothing { reason }) => Err(reason),
                Err(_) => match process.wait().await {
                    Ok(status) => Err(describe(status)),
                    Err(error) => Err(error.to_string()),
                },
            }
        });
        match started.await {
            Ok(Ok((address, protocol, devices))) => Ok(Self { process, address, protocol, devices, last_words }),
            Ok(Err(reason)) => Err(reason),
            Err(_) => Err(format!("its process did not start within {} s", START.as_secs())),
        }
    }

    /// Whether it has not ended.
    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Return once it has stood still for [`STOPPED`], stopped by a signal: it would keep its client waiting for ever.
    pub(super) async fn stopped(&self) {
        let mut ticks = interval(STOPPED / 4);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut n_stopped = 0;
        while n_stopped < 4 {
            ticks.tick().await;
            let is_stopped = self.process.id().is_some_and(is_stopped);
            n_stopped = if is_stopped { n_stopped + 1 } else { 0 };
        }
    }

    /// Why it ended, in one clause, where it did so by itself.
    pub(super) async fn died(&mut self) -> Option<String> {
        let status = timeout(END, self.process.wait()).await.ok()?.ok()?;
        let words = timeout(END, &mut self.last_words).await.ok().and_then(Result::ok).unwrap_or_default();
        let end = describe(status);
        Some(if words.is_empty() { end } else { format!("{end}: {words}") })
    }
}

/// Whether a process is stopped by a signal; only Linux tells.
fn is_stopped(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name before it may have any sign in it.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
}

/// Wait until it takes a connection; it listens on a port that it chose, and says nothing when it does.
async fn listens(address: SocketAddrV4, process: &mut process::Child) -> Result<(), String> {
    let mut ticks = interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // One whose port was taken meanwhile ends, and what listens there is a stranger.
        if let Ok(Some(status)) = process.try_wait() {
            return Err(describe(status));
        }
        if TcpStream::connect(SocketAddr::from(address)).await.is_ok() {
            return Ok(());
        }
    }
}

/// The last line that it says.
async fn read_log(log: ChildStderr) -> String {
    let mut last = String::new();
    let mut log = BufReader::new(log);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut log).take(MAX_LINE).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return last,
            Ok(_) => {}
        }
        let text = gguf::clean(&String::from_utf8_lossy(&line), MAX_LINE as usize);
        let text = text.trim();
        if !text.is_empty() {
            tracing::debug!(text, "rpc");
            // What llama.cpp's server says of its clients is no reason.
            if !text.contains("client connection") && !text.contains("Client connection") {
                text.clone_into(&mut last);
            }
        }
    }
}
