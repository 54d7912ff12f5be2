//! Keys: read when they are needed, sent to their engine alone, shown nowhere.

use std::fmt;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::time::timeout;

use super::RemoteError;
use domain::settings::KeySource;

/// The longest key; a signed token has some thousand characters.
const MAX_KEY: usize = 16 << 10;

/// How long a command may take: it may ask a password manager, and nobody is there to answer a question.
const COMMAND_TIME: Duration = Duration::from_secs(15);

/// A key.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Key(String);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(hidden)")
    }
}

impl Key {
    /// Read it from where it comes from.
    pub(super) async fn read(source: &KeySource) -> Result<Self, RemoteError> {
        let text = match source {
            KeySource::Env(name) => std::env::var(name).map_err(|_missing| {
                let reason = format!("the variable {name} with its key is not set");
                RemoteError::new(reason).with_hint(format!("export {name}, or start taffrail from a shell that has it"))
            })?,
            KeySource::Command(command) => printed(command).await?.lines().next().unwrap_or_default().to_owned(),
        };
        // A line end within it is refused below: it would begin another header.
        let key = text.trim();
        if key.is_empty() {
            return Err(RemoteError::new("its key is empty"));
        }
        if key.len() > MAX_KEY || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(RemoteError::new("its key has characters that a header can't have"));
        }
        Ok(Self(key.to_owned()))
    }

    /// What is sent.
    pub(super) fn secret(&self) -> &str {
        &self.0
    }

    /// A text of the engine's without the key, which it may repeat.
    pub(super) fn redact(&self, text: &str) -> String {
        text.replace(&self.0, "(key)")
    }
}

/// The first bytes that a command prints. It runs without a shell and without a terminal.
async fn printed(command: &str) -> Result<String, RemoteError> {
    let wrong = |what: &str| RemoteError::new(format!("`key_command` {what}"));
    let words = shell_words::split(command).map_err(|_error| wrong("can't be read: a quote is open"))?;
    let (program, arguments) = words.split_first().ok_or_else(|| wrong("is empty"))?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| wrong(&format!("did not start: {}", error.kind())))?;
    let mut bytes = Vec::new();
    let read = async {
        if let Some(output) = child.stdout.take() {
            output.take(MAX_KEY as u64 + 2).read_to_end(&mut bytes).await?;
        }
        child.wait().await
    };
    match timeout(COMMAND_TIME, read).await {
        Ok(Ok(status)) if status.success() => String::from_utf8(bytes).map_err(|_error| wrong("did not print text")),
        Ok(Ok(status)) => Err(wrong(&format!("failed: {status}"))),
        Ok(Err(error)) => Err(wrong(&format!("failed: {}", error.kind()))),
        Err(_late) => {
            let hint = "run it once by hand: it may wait for a password";
            Err(wrong(&format!("did not end within {} s", COMMAND_TIME.as_secs())).with_hint(hint))
        }
    }
}
