//! The user's own ssh: how it is called, and what its failures mean.

use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};

use domain::settings::Machine;

/// What ssh is always told: it asks nothing, gives up on a host that does not answer, and notices one that has gone.
const OPTIONS: [&str; 8] =
    ["-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3"];

/// The most bytes that are kept of what ssh says.
const MAX_STDERR: u64 = 16 << 10;

/// How long the last words of ssh are waited for.
pub(super) const LAST_WORDS: Duration = Duration::from_millis(500);

/// The words of the command that runs the machine's taffrail with these words. ssh joins them and gives them to the shell
/// there.
pub(super) fn words(machine: &Machine, remote: &[String]) -> Vec<String> {
    let (program, own) = machine.ssh_command.split_first().map_or(("ssh", &[][..]), |(first, rest)| (first, rest));
    let is_ssh = Path::new(program).file_name().is_some_and(|name| name == "ssh");
    let options = OPTIONS.iter().map(|word| (*word).to_owned());
    let mut words = vec![program.to_owned()];
    // The first of two options counts: it must ask nothing, whatever else is set. Another program's come after its words.
    if is_ssh {
        words.extend(options);
        words.extend_from_slice(own);
        words.push("-T".to_owned());
    } else {
        words.extend_from_slice(own);
        words.extend(options);
    }
    words.extend(["--".to_owned(), machine.ssh.clone(), machine.program.clone()]);
    words.extend_from_slice(remote);
    words
}

/// A word as the shell there reads it.
pub(super) fn quoted(word: &str) -> String {
    shell_words::quote(word).into_owned()
}

/// Why a connection ended and what could be done, by what ssh or the program there said on standard error.
pub(super) fn why(machine: &Machine, code: Option<i32>, said: &str) -> (String, Option<String>) {
    let Machine { ssh: host, program, .. } = machine;
    let has = |part: &str| said.contains(part);
    let by_hand = shell_words::join(machine.ssh_command.iter().chain([host]));
    if has("REMOTE HOST IDENTIFICATION HAS CHANGED") || has("host key has changed") {
        let reason = format!("the host key of {host} has changed: somebody may be listening in");
        let hint =
            format!("find out why; if it is right, `ssh-keygen -R {host}` forgets the old one, then run `{by_hand}`");
        return (reason, Some(hint));
    }
    if has("Host key verification failed") || has("host key is known for") {
        let reason = format!("the host key of {host} is not known");
        return (reason, Some(format!("run `{by_hand}` once, and compare the fingerprint that it shows")));
    }
    if has("Permission denied") || has("Too many authentication failures") {
        let reason = format!("{host} wants a password or a key that ssh has not: taffrail never asks for one");
        let hint = format!("`ssh-copy-id {host}` sets up a key; `ssh -o BatchMode=yes {host} true` must work");
        return (reason, Some(hint));
    }
    let is_unknown = has("unrecognized subcommand") || has("unexpected argument");
    if is_unknown {
        let reason = format!("the taffrail on {host} is too old to be shown here");
        return (reason, Some("update it there".to_owned()));
    }
    if code == Some(127) || (code == Some(126) && !has("ssh:")) {
        let reason = format!("{program} is not found on {host}");
        let hint = "install it there, or set `program` to its path in config.toml: ssh's PATH may be another one";
        return (reason, Some(hint.to_owned()));
    }
    let last = said.lines().map(str::trim).rfind(|line| !line.is_empty());
    match last {
        Some(line) => {
            let line = line.trim_start_matches("ssh: ");
            (gguf::clean(line, 200), (code == Some(255)).then(|| format!("`{by_hand}` shows more")))
        }
        None => ("the connection ended".to_owned(), None),
    }
}

/// What is said on a standard error, as far as it is kept; the rest is read and dropped.
pub(super) async fn read_stderr(mut stderr: impl AsyncRead + Unpin) -> String {
    let mut kept = Vec::new();
    let _ = (&mut stderr).take(MAX_STDERR).read_to_end(&mut kept).await;
    let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&kept).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_asks_nothing_whatever_is_set() {
        let machine = Machine { ssh: "desk".into(), ..Machine::default() };
        let all = words(&machine, &["machine-agent".to_owned()]);
        assert_eq!(
            (&all[..3], &all[9..]),
            (
                &["ssh", "-o", "BatchMode=yes"].map(str::to_owned)[..],
                &["-T", "--", "desk", "taffrail", "machine-agent"].map(str::to_owned)[..]
            )
        );
        let own = ["/usr/bin/ssh", "-F", "c", "-o", "BatchMode=no"].map(str::to_owned).to_vec();
        let all = words(&Machine { ssh_command: own, ..machine }, &[]);
        let at = |word: &str| all.iter().position(|found| found == word).unwrap();
        assert!(at("BatchMode=yes") < at("BatchMode=no"), "{all:?}");
    }

    #[test]
    fn failures_have_a_reason_and_a_remedy() {
        let machine = Machine { ssh: "desk".into(), ..Machine::default() };
        for (code, said, reason, hint) in [
            (255, "u@desk: Permission denied (publickey,password).", "wants a password", "ssh-copy-id desk"),
            (
                255,
                "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
                "has changed",
                "find out",
            ),
            (
                255,
                "No ED25519 host key is known for desk\nHost key verification failed.",
                "is not known",
                "fingerprint",
            ),
            (255, "ssh: connect to host desk port 22: Connection refused", "Connection refused", "shows more"),
            (255, "ssh: Could not resolve hostname desk: Name or service not known", "Could not resolve", "shows more"),
            (127, "bash: line 1: taffrail: command not found", "taffrail is not found on desk", "`program`"),
            (2, "error: unrecognized subcommand 'machine-agent'", "too old", "update"),
            (1, "\x1b[31mbad\x1b[0m", "bad", ""),
            (0, "", "the connection ended", ""),
        ] {
            let (found, remedy) = why(&machine, Some(code), said);
            assert!(found.contains(reason) && !found.contains('\x1b'), "{said}: {found}");
            assert!(remedy.unwrap_or_default().contains(hint), "{said}");
        }
    }
}
