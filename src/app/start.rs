//! Starts a server in the background: this program once more, in a session of its own, so that neither a terminal that
//! closes nor its Ctrl-C reaches it.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::time::timeout;

/// What a server in the background says on its standard output once clients may come.
const READY: &str = "ready";

/// How long a server may take until clients may come.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// The most bytes that are read of what it says before.
const MAX_SAID: u64 = 16 << 10;

/// What makes `taffrail serve` one in the background.
const DAEMON: &str = "--daemon";

/// What makes it end once nobody needs it.
const TEMPORARY: &str = "--temporary";

/// Why no server could be started.
#[derive(Debug, thiserror::Error)]
pub enum StartServerError {
    /// The program could not be run.
    #[error("no server can be started: {0}")]
    Io(#[from] io::Error),
    /// It ended again.
    #[error("the server could not start: {0}")]
    Ended(String),
    /// It does not become ready.
    #[error("the server does not become ready")]
    Slow,
}

/// Start a server with these arguments, one that ends once nobody needs it or one that stays, and wait until clients may
/// come.
///
/// # Errors
///
/// What it said, where it ended instead.
pub async fn in_background(is_temporary: bool, arguments: &[OsString]) -> Result<(), StartServerError> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["serve", DAEMON]).args(is_temporary.then_some(TEMPORARY)).args(arguments).current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    // Both end when it is ready, or has ended.
    let said = async { tokio::join!(read(stdout), read(stderr)) };
    let Ok((stdout, stderr)) = timeout(START_TIMEOUT, said).await else {
        let _ = child.start_kill();
        return Err(StartServerError::Slow);
    };
    if stdout.trim() == READY {
        return Ok(());
    }
    let status = child.wait().await?;
    // Without the name of the program before it.
    let said = stderr.trim().trim_start_matches(env!("CARGO_PKG_NAME")).trim_start_matches(": ");
    Err(StartServerError::Ended(if said.is_empty() { status.to_string() } else { said.to_owned() }))
}

async fn read(from: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        let _ = from.take(MAX_SAID).read_to_end(&mut bytes).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Become a process of the background: in a session of its own. Whoever started it still hears what is said.
///
/// # Errors
///
/// Where the system refuses.
pub fn leave_terminal() -> io::Result<()> {
    rustix::process::setsid()?;
    Ok(())
}

/// Tell whoever started this server that clients may come, and say nothing more: the log has it.
///
/// # Errors
///
/// Where the system refuses.
pub fn ready() -> io::Result<()> {
    // Whoever started it may have given up.
    let _ = writeln!(io::stdout(), "{READY}").and_then(|()| io::stdout().flush());
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}
