//! This machine's devices for models that run on other ones: the door before llama.cpp's RPC server.
//!
//! Owned here: the port, on the loopback interface alone; who may connect, and how many; what is told of the devices; and
//! a process of our own binary for each client, which serves it and may die over what it sends. Absent: llama.cpp, and the
//! protocol beyond its first byte.

mod child;

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use worker::rpc::{RpcDevice, RpcStatus};

use self::child::Child;
pub use self::child::Options;
use super::program::Program;

/// Where the server listens unless told otherwise: llama.cpp's own port.
pub const DEFAULT_ADDRESS: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 50052);

/// Clients at the same time. Each has a process of its own, with its part of the devices' memory.
const MAX_CLIENTS: usize = 16;

/// How long a client may take to say what it wants.
const FIRST_BYTE: Duration = Duration::from_secs(10);

/// The longest request for the description, bytes, and how long it may take.
const MAX_REQUEST: usize = 4096;
const REQUEST: Duration = Duration::from_secs(2);

/// Remarks that may wait to be printed.
const MAX_REMARKS: usize = 64;

/// What happened to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// One came.
    Came(SocketAddr),
    /// One left after so long, having sent and taken so many bytes.
    Left {
        /// Who.
        client: SocketAddr,
        /// How long it was here.
        after: Duration,
        /// What it sent, bytes.
        sent: u64,
        /// What it took, bytes.
        taken: u64,
    },
    /// Its process ended before it did.
    Lost {
        /// Who.
        client: SocketAddr,
        /// Why, in one clause.
        reason: String,
    },
    /// It was not served.
    Refused {
        /// Who.
        client: SocketAddr,
        /// Why, in one clause.
        reason: String,
    },
}

/// Memory of this machine that is free and that there is, bytes; `None` where the system does not report it.
pub type MainMemory = Arc<dyn Fn() -> Option<(u64, u64)> + Send + Sync>;

/// A server that listens, with the process for its first client.
pub struct RpcServer {
    listener: TcpListener,
    shared: Arc<Shared>,
}

struct Shared {
    program: Program,
    options: Options,
    memory: MainMemory,
    /// A process that waits for the next client.
    spare: Mutex<Option<Child>>,
    remarks: mpsc::Sender<Remark>,
}

impl RpcServer {
    /// Listen, and start the first process. `program` is taffrail itself, without arguments.
    ///
    /// # Errors
    ///
    /// One clause: the port is taken, or this machine has nothing to serve.
    pub async fn open(
        address: SocketAddrV4,
        program: Program,
        options: Options,
        memory: MainMemory,
    ) -> Result<(Self, mpsc::Receiver<Remark>), String> {
        let listener = TcpListener::bind(address).await.map_err(|error| format!("{address} can't be used: {error}"))?;
        let (sender, remarks) = mpsc::channel(MAX_REMARKS);
        let shared = Shared { program, options, memory, spare: Mutex::default(), remarks: sender };
        let first = shared.start().await?;
        *shared.spare.lock().await = Some(first);
        Ok((Self { listener, shared: Arc::new(shared) }, remarks))
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// What it serves.
    ///
    /// # Errors
    ///
    /// Why no process could be started, in one clause.
    pub async fn status(&self) -> Result<RpcStatus, String> {
        self.shared.status().await
    }

    /// Serve for as long as this is awaited.
    pub async fn serve(self) -> std::io::Error {
        let mut clients = JoinSet::new();
        loop {
            // Those that have left make room.
            while clients.try_join_next().is_some() {}
            let (stream, client) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => return error,
            };
            if clients.len() >= MAX_CLIENTS {
                let reason = format!("{MAX_CLIENTS} clients are here already");
                self.shared.remark(Remark::Refused { client, reason });
                continue;
            }
            let shared = Arc::clone(&self.shared);
            clients.spawn(async move { shared.client(stream, client).await });
        }
    }
}

impl Shared {
    /// Nobody waits for a remark to be printed.
    fn remark(&self, remark: Remark) {
        let _ = self.remarks.try_send(remark);
    }

    async fn start(&self) -> Result<Child, String> {
        Child::start(&self.program, &self.options).await
    }

    /// The process that waits, or a new one where it has ended.
    async fn waiting(&self, spare: &mut Option<Child>) -> Result<Child, String> {
        if let Some(mut child) = spare.take()
            && child.is_alive()
        {
            return Ok(child);
        }
        self.start().await
    }

    /// A process for a client. The next one is started at once, so that it is there when somebody comes.
    async fn take(self: &Arc<Self>) -> Result<Child, String> {
        let mut spare = self.spare.lock().await;
        let child = self.waiting(&mut spare).await?;
        drop(spare);
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            let mut spare = shared.spare.lock().await;
            if spare.is_none() {
                *spare = shared.start().await.ok();
            }
        });
        Ok(child)
    }

    async fn status(&self) -> Result<RpcStatus, String> {
        let mut spare = self.spare.lock().await;
        let child = self.waiting(&mut spare).await?;
        let child = spare.insert(child);
        let address = child.address;
        let memory = Arc::clone(&self.memory);
        // What a GPU has free, its driver says now; the waiting process asks it.
        let now = tokio::task::spawn_blocking(move || (worker::rpc::probe_bare(address), memory())).await;
        let (now, memory) = now
            .map_or((Vec::new(), None), |(now, memory)| (now.map(|status| status.devices).unwrap_or_default(), memory));
        let device = |(place, device): (usize, &RpcDevice)| {
            let of_driver = now.get(place).and_then(|now| now.free.zip(now.total));
            // ggml calls all of the main memory free.
            let (free, total) = if device.name == "CPU" { memory } else { of_driver }.unzip();
            RpcDevice { free, total: total.or(device.total), ..device.clone() }
        };
        Ok(RpcStatus {
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            protocol: child.protocol,
            devices: child.devices.iter().enumerate().map(device).collect(),
        })
    }

    async fn client(self: Arc<Self>, mut stream: TcpStream, client: SocketAddr) {
        let mut first = [0];
        // A connection that is opened and closed asks for nothing.
        let Ok(Ok(1)) = timeout(FIRST_BYTE, stream.peek(&mut first)).await else { return };
        if first == *b"G" {
            let _ = timeout(REQUEST, self.describe(&mut stream)).await;
            return;
        }
        let mut child = match self.take().await {
            Ok(child) => child,
            Err(reason) => return self.remark(Remark::Refused { client, reason }),
        };
        self.remark(Remark::Came(client));
        let begun = Instant::now();
        let (mut sent, mut taken) = (0, 0);
        if let Ok(mut server) = TcpStream::connect(SocketAddr::from(child.address)).await {
            // Each is a step of an answer, and waits for the one before.
            let _ = stream.set_nodelay(true).and(server.set_nodelay(true));
            let copied = tokio::select! {
                copied = copy_bidirectional(&mut stream, &mut server) => copied,
                () = child.stopped() => {
                    let reason = "it was stopped by a signal, and stood still".to_owned();
                    return self.remark(Remark::Lost { client, reason });
                }
            };
            if let Ok(bytes) = copied {
                (sent, taken) = bytes;
            }
        }
        let remark = match child.died().await {
            Some(reason) => Remark::Lost { client, reason },
            None => Remark::Left { client, after: begun.elapsed(), sent, taken },
        };
        self.remark(remark);
    }

    /// Answer `GET /`: what is served, for taffrail on the other machine and for people.
    async fn describe(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        let mut request = Vec::new();
        let mut buffer = [0; 512];
        while !request.windows(4).any(|four| four == b"\r\n\r\n") && request.len() < MAX_REQUEST {
            match stream.read(&mut buffer).await? {
                0 => break,
                count => request.extend_from_slice(&buffer[..count]),
            }
        }
        let (code, body) = match self.status().await {
            Ok(status) => ("200 OK", serde_json::to_string(&status).unwrap_or_default()),
            Err(reason) => ("503 Service Unavailable", serde_json::json!({ "error": reason }).to_string()),
        };
        let head =
            format!("HTTP/1.0 {code}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).await?;
        stream.shutdown().await
    }
}
