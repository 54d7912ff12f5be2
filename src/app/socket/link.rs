//! The client side of the socket.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::frames::{self, MAX_FRAME, MAX_HELLO};
use super::place;
use super::protocol::{FromClient, FromServer, Hello, Purpose};
use super::queue::{Queue, queue};
use domain::session::SessionStatus;
use domain::{Moment, StateMachine};

/// The timeout for the server's hello. A healthy server answers within one frame.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// The timeout over ssh, which may have to connect to the other machine and start a server there.
const REMOTE_TIMEOUT: Duration = Duration::from_mins(1);

/// How long a read-only command waits for a server. The command has other output to show.
const LOOK_TIMEOUT: Duration = Duration::from_millis(500);

/// How long a server may take to exit: it waits for its workers and for pending writes.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// The number of frames that are read ahead. Beyond it, the socket applies backpressure to the server's queue.
const MAX_AHEAD: usize = 256;

/// How long the final messages may take to be written.
const LAST_WAIT: Duration = Duration::from_millis(500);

/// The maximum number of bytes that are kept of ssh's standard error.
const MAX_STDERR: u64 = 4096;

/// The location of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// On this machine.
    Local,
    /// On another machine, over the user's own ssh.
    Ssh {
        /// The destination that is passed to ssh.
        host: String,
        /// The program to run there.
        program: String,
    },
}

impl Target {
    /// The other machine, if the target is not local.
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Local => None,
            Self::Ssh { host, .. } => Some(host),
        }
    }
}

/// Why attaching to a server failed.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No server is running.
    #[error("no server is running")]
    NoServer,
    /// The server has a different version.
    #[error("the server that runs{} can't be used: {reason}", .pid.map_or_else(String::new, |pid| format!(" (pid {pid})")))]
    Differs {
        /// How the versions differ.
        reason: String,
        /// The server's process id.
        pid: Option<u32>,
    },
    /// The server refused the connection.
    #[error("the server refused: {0}")]
    Refused(String),
    /// The other machine could not be reached, or taffrail is not installed there.
    #[error("{host} can't be attached to: {reason}")]
    Ssh {
        /// The other machine.
        host: String,
        /// The last error line of ssh or of the program there.
        reason: String,
    },
    /// The server was asked to exit and is still running.
    #[error("the server (pid {pid}) has not ended yet")]
    StillRuns {
        /// The server's process id.
        pid: u32,
    },
    /// The connection failed.
    #[error("the connection to the server failed: {0}")]
    Io(#[from] io::Error),
}

impl LinkError {
    /// Whether there is no server, or it is about to exit.
    pub(crate) fn is_gone(&self) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
        match self {
            Self::NoServer => true,
            Self::Io(error) => matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof),
            _ => false,
        }
    }
}

/// A connection to a server that this client is attached to.
#[derive(Debug)]
pub(crate) struct Link {
    /// The server's hello.
    pub(crate) server: Hello,
    frames: mpsc::Receiver<io::Result<FromServer>>,
    queue: Queue,
    reader: JoinHandle<()>,
    writer: JoinHandle<()>,
    /// Killed when the link is dropped.
    _ssh: Option<Child>,
}

/// Send this user's server on this machine a request whose only answer is the server's hello.
pub async fn ask(wants: Purpose) -> Result<Hello, LinkError> {
    hello(wants).await.map(|(hello, _)| hello)
}

async fn hello(wants: Purpose) -> Result<(Hello, UnixStream), LinkError> {
    let asked = async {
        let mut stream = connect().await?;
        stream.write_all(&frames::encode_hello(&Hello::own(wants))?).await?;
        let hello = timeout(HELLO_TIMEOUT, read_hello(&mut stream)).await.map_err(timed_out)??;
        Ok((hello, stream))
    };
    // A server that is exiting accepts a connection and drops it.
    asked.await.map_err(|error: LinkError| if error.is_gone() { LinkError::NoServer } else { error })
}

/// The sessions of this user's server, for read-only commands. Empty if no server runs or it does not answer in time.
pub fn sessions() -> Vec<SessionStatus> {
    let asked = async { timeout(LOOK_TIMEOUT, ask(Purpose::Status)).await.ok()?.ok()?.status };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let status = runtime.ok().filter(|_| place::socket().exists()).and_then(|runtime| runtime.block_on(asked));
    status.unwrap_or_default().sessions
}

/// Ask this user's server on this machine to exit, and wait until it has.
pub async fn stop() -> Result<Hello, LinkError> {
    let (server, mut stream) = hello(Purpose::Stop).await?;
    if server.refusal.is_none() {
        // The server sends nothing more; the system closes the connection when the process has exited.
        let ended = timeout(STOP_TIMEOUT, stream.read(&mut [0])).await;
        // A broken connection means the same.
        if ended.is_err() {
            return Err(LinkError::StillRuns { pid: server.pid });
        }
    }
    Ok(server)
}

async fn connect() -> Result<UnixStream, LinkError> {
    UnixStream::connect(place::socket()).await.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => LinkError::NoServer,
        _ => LinkError::Io(error),
    })
}

fn timed_out(_: tokio::time::error::Elapsed) -> LinkError {
    LinkError::Io(io::Error::new(io::ErrorKind::TimedOut, "the server does not answer"))
}

async fn read_hello(from: &mut (impl AsyncRead + Unpin)) -> Result<Hello, LinkError> {
    let body = frames::read(from, MAX_HELLO).await?.ok_or(io::Error::from(io::ErrorKind::UnexpectedEof))?;
    Ok(serde_json::from_slice(&body).map_err(io::Error::from)?)
}

impl Link {
    /// Attach to a server; returns the current state of the domain.
    pub(crate) async fn attach(target: &Target) -> Result<(Self, Moment, Box<StateMachine>), LinkError> {
        match target {
            Target::Local => {
                let (from, to) = connect().await?.into_split();
                Self::over(from, to, None, HELLO_TIMEOUT).await
            }
            Target::Ssh { host, program } => {
                let mut ssh = ssh(host, program)?;
                let (Some(from), Some(to), Some(stderr)) = (ssh.stdout.take(), ssh.stdin.take(), ssh.stderr.take())
                else {
                    return Err(io::Error::from(io::ErrorKind::BrokenPipe).into());
                };
                match Self::over(from, to, Some(ssh), REMOTE_TIMEOUT).await {
                    Err(LinkError::Io(error)) => {
                        let reason = last_line(stderr).await.unwrap_or_else(|| error.to_string());
                        Err(LinkError::Ssh { host: host.clone(), reason })
                    }
                    attached => attached,
                }
            }
        }
    }

    async fn over(
        mut from: impl AsyncRead + Unpin + Send + 'static,
        mut to: impl AsyncWrite + Unpin + Send + 'static,
        ssh: Option<Child>,
        patience: Duration,
    ) -> Result<(Self, Moment, Box<StateMachine>), LinkError> {
        let own = Hello { is_remote: ssh.is_some(), ..Hello::own(Purpose::Attach) };
        to.write_all(&frames::encode_hello(&own)?).await?;
        to.flush().await?;
        let server = timeout(patience, read_hello(&mut from)).await.map_err(timed_out)??;
        if let Some(reason) = own.difference(&server, ssh.is_some()) {
            return Err(LinkError::Differs { reason, pid: Some(server.pid).filter(|pid| *pid > 0) });
        }
        if let Some(reason) = server.refusal {
            return Err(LinkError::Refused(reason));
        }
        let body = timeout(patience, frames::read(&mut from, MAX_FRAME)).await.map_err(timed_out)??;
        let body = body.ok_or(io::Error::from(io::ErrorKind::UnexpectedEof))?;
        let FromServer::Snapshot(now, machine) = postcard::from_bytes(&body).map_err(io::Error::other)? else {
            return Err(io::Error::other("it does not begin with a snapshot").into());
        };
        let (queue, outlet) = queue();
        let writer = tokio::spawn(async move { drop(outlet.run(to).await) });
        let (sender, frames) = mpsc::channel(MAX_AHEAD);
        let reader = tokio::spawn(listen(from, sender));
        Ok((Self { server, frames, queue, reader, writer, _ssh: ssh }, now, machine))
    }

    /// The next message of the server; `None` if the connection is closed. This future is cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<io::Result<FromServer>> {
        self.frames.recv().await
    }

    /// The next message that has already arrived, if any.
    pub(crate) fn try_next(&mut self) -> Option<io::Result<FromServer>> {
        self.frames.try_recv().ok()
    }

    /// Send a message. If that fails, the server is gone or does not read; reading the next frame reports it.
    pub(crate) fn say(&self, message: &FromClient) {
        match frames::encode(message) {
            Ok(frame) => drop(self.queue.push(frame.into())),
            Err(error) => tracing::error!("a command can't be sent: {error}"),
        }
    }

    /// Close the connection after pending messages are written.
    pub(crate) async fn close(self) {
        let Self { queue, mut writer, reader, .. } = self;
        drop(queue);
        if timeout(LAST_WAIT, &mut writer).await.is_err() {
            writer.abort();
        }
        reader.abort();
    }
}

async fn listen(mut from: impl AsyncRead + Unpin, sender: mpsc::Sender<io::Result<FromServer>>) {
    loop {
        let said = match frames::read(&mut from, MAX_FRAME).await {
            Ok(Some(body)) => postcard::from_bytes(&body).map_err(io::Error::other),
            Ok(None) => return,
            Err(error) => Err(error),
        };
        let is_over = said.is_err();
        if sender.send(said).await.is_err() || is_over {
            return;
        }
    }
}

/// The user's own ssh. It does not prompt, because the terminal belongs to the dashboard.
fn ssh(host: &str, program: &str) -> io::Result<Child> {
    let mut command = Command::new("ssh");
    command.args(["-T", "-o", "BatchMode=yes", "--", host, program, "serve", "--stdio"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    // The dashboard handles Ctrl-C of the terminal, not ssh.
    command.process_group(0);
    command.spawn().map_err(|error| io::Error::new(error.kind(), format!("ssh can't be started: {error}")))
}

/// The last line of a standard error that is closed or about to be.
async fn last_line(stderr: impl AsyncRead + Unpin) -> Option<String> {
    let mut bytes = Vec::new();
    let _ = timeout(LAST_WAIT, stderr.take(MAX_STDERR).read_to_end(&mut bytes)).await;
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty())?;
    Some(gguf::clean(line, 300))
}
