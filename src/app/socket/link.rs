//! The client's end of the socket.

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
use super::protocol::{FromClient, FromServer, Hello, Purpose, SessionStatus};
use super::queue::{Queue, queue};
use domain::{Moment, StateMachine};

/// How long a server may take to say who it is. One that is at work answers within a frame's time.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// The same over ssh, which may have to find and reach the other machine, and start a server there.
const REMOTE_TIMEOUT: Duration = Duration::from_mins(1);

/// How long a command that looks waits for a server: it shows all else as well.
const LOOK_TIMEOUT: Duration = Duration::from_millis(500);

/// How long a server may take to end: it waits for its workers, and for what is still to be written.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// Frames that are read ahead; behind it the socket waits, and then the server's queue.
const MAX_AHEAD: usize = 256;

/// How long what is said last may take to be written.
const LAST_WAIT: Duration = Duration::from_millis(500);

/// The most bytes that are kept of what ssh says.
const MAX_STDERR: u64 = 4096;

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// On this machine.
    Local,
    /// On another one, over the user's own ssh.
    Ssh {
        /// What ssh is given as the destination.
        host: String,
        /// The program there.
        program: String,
    },
}

impl Target {
    /// The other machine.
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Local => None,
            Self::Ssh { host, .. } => Some(host),
        }
    }
}

/// Why a server can't be attached to.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// There is none.
    #[error("no server is running")]
    NoServer,
    /// It is of another version.
    #[error("the server that runs{} can't be used: {reason}", .pid.map_or_else(String::new, |pid| format!(" (pid {pid})")))]
    Differs {
        /// How.
        reason: String,
        /// Its process.
        pid: Option<u32>,
    },
    /// It refused.
    #[error("the server refused: {0}")]
    Refused(String),
    /// The other machine could not be reached, or has no taffrail.
    #[error("{host} can't be attached to: {reason}")]
    Ssh {
        /// Which.
        host: String,
        /// What ssh, or the program there, said last.
        reason: String,
    },
    /// It was told to end, and goes on.
    #[error("the server (pid {pid}) has not ended yet")]
    StillRuns {
        /// Its process.
        pid: u32,
    },
    /// The connection failed.
    #[error("the connection to the server failed: {0}")]
    Io(#[from] io::Error),
}

impl LinkError {
    /// Whether there is no server, or one that is about to be none.
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
    /// Who the server is.
    pub(crate) server: Hello,
    frames: mpsc::Receiver<io::Result<FromServer>>,
    queue: Queue,
    reader: JoinHandle<()>,
    writer: JoinHandle<()>,
    /// Killed with this.
    _ssh: Option<Child>,
}

/// Ask this user's server on this machine something that ends with its answer.
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
    // One that is dying takes a connection and drops it.
    asked.await.map_err(|error: LinkError| if error.is_gone() { LinkError::NoServer } else { error })
}

/// The sessions of this user's server, for a command that looks; none where none runs, or it does not answer at once.
pub fn sessions() -> Vec<SessionStatus> {
    let asked = async { timeout(LOOK_TIMEOUT, ask(Purpose::Status)).await.ok()?.ok()?.status };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let status = runtime.ok().filter(|_| place::socket().exists()).and_then(|runtime| runtime.block_on(asked));
    status.unwrap_or_default().sessions
}

/// Have this user's server on this machine end, and wait until it has.
pub async fn stop() -> Result<Hello, LinkError> {
    let (server, mut stream) = hello(Purpose::Stop).await?;
    if server.refusal.is_none() {
        // It says nothing more, and the system closes this when the process is gone.
        let ended = timeout(STOP_TIMEOUT, stream.read(&mut [0])).await;
        // A connection that breaks says the same.
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
    /// Attach; gives the domain as it is now.
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

    /// What the server says next; `None` where it is gone. It may be dropped halfway.
    pub(crate) async fn next(&mut self) -> Option<io::Result<FromServer>> {
        self.frames.recv().await
    }

    /// What it has said already, if anything.
    pub(crate) fn try_next(&mut self) -> Option<io::Result<FromServer>> {
        self.frames.try_recv().ok()
    }

    /// Say something. Where that is impossible the server is gone, or does not read; the next frame tells.
    pub(crate) fn say(&self, message: &FromClient) {
        match frames::encode(message) {
            Ok(frame) => drop(self.queue.push(frame.into())),
            Err(error) => tracing::error!("a command can't be sent: {error}"),
        }
    }

    /// Leave, once what was said is written.
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

/// The user's own ssh. It asks nothing: the terminal is the dashboard's.
fn ssh(host: &str, program: &str) -> io::Result<Child> {
    let mut command = Command::new("ssh");
    command.args(["-T", "-o", "BatchMode=yes", "--", host, program, "serve", "--stdio"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    // A Ctrl-C of the terminal is the dashboard's to take.
    command.process_group(0);
    command.spawn().map_err(|error| io::Error::new(error.kind(), format!("ssh can't be started: {error}")))
}

/// What was said last on a standard error that has ended, or will soon.
async fn last_line(stderr: impl AsyncRead + Unpin) -> Option<String> {
    let mut bytes = Vec::new();
    let _ = timeout(LAST_WAIT, stderr.take(MAX_STDERR).read_to_end(&mut bytes)).await;
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty())?;
    Some(gguf::clean(line, 300))
}
