//! A connection to one machine: an ssh that runs taffrail there, whose lines become events.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::protocol::{Hello, Line, MAX_LINE, MAX_MODELS, MAX_SESSIONS, Order};
use super::ssh::{LAST_WORDS, read_stderr};
use super::{models, ssh};
use crate::app::Clock;
use domain::machine::remote::{RemoteEvent, RemoteFigures};
use domain::session::SessionStatus;
use domain::settings::Machine;

/// How long a machine may take until it says who it is: ssh has to find and reach it.
const HELLO_TIMEOUT: Duration = Duration::from_secs(30);

/// How long one that answers may be silent: it says something with every tick of its sensors.
const SILENCE: Duration = Duration::from_secs(20);

/// The longest time between two samples that is asked for: well below that.
const MAX_INTERVAL: Duration = Duration::from_secs(5);

/// Pauses between two tries to connect: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// Lines that a login may print before the program says who it is.
const MAX_GREETING: usize = 200;

/// Where news go.
type News = mpsc::Sender<(String, RemoteEvent)>;

/// Keep a connection to a machine until nobody listens any more.
pub(super) async fn keep(
    name: String,
    (machine, interval): (Machine, Duration),
    clock: Clock,
    mut pids: watch::Receiver<Vec<u32>>,
    news: News,
) {
    let mut pause = PAUSES.0;
    loop {
        if news.send((name.clone(), RemoteEvent::Connecting)).await.is_err() {
            return;
        }
        let (name, machine, news) = (&name, &machine, &news);
        let mut link = Link { name, machine, interval, clock, news, is_known: false, differs: None };
        let (reason, hint) = link.run(&mut pids).await;
        if link.is_known {
            pause = PAUSES.0;
        }
        tracing::info!(machine = name, reason, "not connected");
        if news.send((name.clone(), RemoteEvent::Lost { reason, hint, again: pause })).await.is_err() {
            return;
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

struct Link<'a> {
    name: &'a str,
    machine: &'a Machine,
    /// The time between two samples.
    interval: Duration,
    clock: Clock,
    news: &'a News,
    /// Whether it has said who it is.
    is_known: bool,
    differs: Option<String>,
}

impl Link<'_> {
    /// Connect, and pass on what is said until that ends; gives why.
    async fn run(&mut self, pids: &mut watch::Receiver<Vec<u32>>) -> (String, Option<String>) {
        let mut child = match spawn(self.machine, self.interval) {
            Ok(child) => child,
            Err(error) => return (format!("ssh can't be started: {error}"), None),
        };
        let (Some(stdout), Some(stdin), Some(stderr)) = (child.stdout.take(), child.stdin.take(), child.stderr.take())
        else {
            return ("ssh has no pipes".to_owned(), None);
        };
        let said = tokio::spawn(read_stderr(stderr));
        let ended = self.listen(stdout, stdin, pids).await;
        if let Err(reason) = ended {
            let _ = child.start_kill();
            let _ = child.wait().await;
            return (reason, None);
        }
        // It has closed its output: it ends, or is of no use.
        let code = match timeout(LAST_WORDS, child.wait()).await {
            Ok(status) => status.ok().and_then(|status| status.code()),
            Err(_) => child.start_kill().err().and(None),
        };
        let said = timeout(LAST_WORDS, said).await.ok().and_then(Result::ok).unwrap_or_default();
        ssh::why(self.machine, code, &said)
    }

    /// Pass on what is said until the end of the output; an error is what else ends the connection.
    async fn listen(
        &mut self,
        stdout: ChildStdout,
        mut stdin: ChildStdin,
        pids: &mut watch::Receiver<Vec<u32>>,
    ) -> Result<(), String> {
        let mut lines = BufReader::new(stdout);
        let mut line = Vec::new();
        let mut n_greeting = 0;
        let until = Instant::now() + HELLO_TIMEOUT;
        pids.mark_changed();
        loop {
            let deadline = if self.is_known { Instant::now() + SILENCE } else { until };
            tokio::select! {
                biased;
                changed = pids.changed(), if self.is_known && self.differs.is_none() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    let order = Order { watch: Some(pids.borrow_and_update().clone()) };
                    let mut text = serde_json::to_vec(&order).unwrap_or_default();
                    text.push(b'\n');
                    // One that does not read is silent soon.
                    let _ = timeout(LAST_WORDS, stdin.write_all(&text)).await;
                    continue;
                }
                // What was read of a line stays in the buffer when a change of the processes comes between.
                read = timeout_at(deadline, next(&mut lines, &mut line)) => match read {
                    Err(_) if self.is_known => return Err(format!("it has said nothing for {} s", SILENCE.as_secs())),
                    Err(_) => return Err(format!("it does not answer within {} s", HELLO_TIMEOUT.as_secs())),
                    Ok(Err(error)) => return Err(error.to_string()),
                    Ok(Ok(false)) => return Ok(()),
                    Ok(Ok(true)) => {}
                },
            }
            let is_greeting = !self.take(&line).await?;
            line.clear();
            n_greeting += usize::from(is_greeting);
            if n_greeting > MAX_GREETING {
                return Err("what answers there is not taffrail".to_owned());
            }
        }
    }

    /// Take a line; whether it was one of the protocol.
    async fn take(&mut self, line: &[u8]) -> Result<bool, String> {
        let Ok(line) = serde_json::from_slice::<Line>(line) else { return Ok(false) };
        if let Some(hello) = line.hello.filter(|hello| hello.program == Hello::own().program) {
            self.is_known = true;
            self.differs = hello.difference(self.name);
            let version = gguf::clean(&hello.version, 40);
            self.tell(RemoteEvent::Connected { version, differs: self.differs.clone() }).await;
        }
        if !self.is_known {
            return Ok(false);
        }
        if let Some(figures) = line.figures {
            self.tell(RemoteEvent::Figures(Box::new(cleaned(figures)))).await;
        }
        if let Some(mut sessions) = line.sessions {
            sessions.truncate(MAX_SESSIONS);
            let sessions = sessions.into_iter().map(SessionStatus::cleaned).collect();
            self.tell(RemoteEvent::Sessions(sessions)).await;
        }
        if self.differs.is_none() {
            if let Some(mut sample) = line.sample {
                sample.at = self.clock.now();
                self.tell(RemoteEvent::Sample(sample)).await;
            }
            if let Some(found) = line.models {
                let found = found.into_iter().take(MAX_MODELS);
                let models = found.filter_map(|model| models::there(self.name, model)).collect();
                self.tell(RemoteEvent::Models(models)).await;
            }
        }
        Ok(true)
    }

    async fn tell(&self, event: RemoteEvent) {
        let _ = self.news.send((self.name.to_owned(), event)).await;
    }
}

/// Texts of figures without what a terminal would obey, and numbers that are some.
fn cleaned(mut figures: RemoteFigures) -> RemoteFigures {
    figures.host = gguf::clean(&figures.host, 64);
    figures.processor = gguf::clean(&figures.processor, 64);
    figures.gpus.truncate(64);
    figures.gpus.iter_mut().for_each(|gpu| gpu.name = gguf::clean(&gpu.name, 64));
    figures.why_no_power = figures.why_no_power.map(|why| gguf::clean(&why, 200));
    if let Some(power) = &mut figures.power {
        power.boundary = gguf::clean(&power.boundary, 40);
    }
    figures.power = figures.power.filter(|power| power.watts.value().is_none_or(|watts| watts.0 >= 0.0));
    figures
}

/// Read to the end of a line; whether there was one. What is read already stays in `line` if this is dropped.
async fn next(lines: &mut BufReader<ChildStdout>, line: &mut Vec<u8>) -> io::Result<bool> {
    let room = MAX_LINE.saturating_sub(line.len() as u64);
    lines.take(room).read_until(b'\n', line).await?;
    if line.last() == Some(&b'\n') {
        return Ok(true);
    }
    if line.len() as u64 >= MAX_LINE {
        return Err(io::Error::other(format!("it said a line of more than {} MiB", MAX_LINE >> 20)));
    }
    Ok(false)
}

fn spawn(machine: &Machine, interval: Duration) -> io::Result<Child> {
    let interval = interval.min(MAX_INTERVAL).as_millis().to_string();
    let remote = ["machine-agent".to_owned(), "--interval".to_owned(), interval];
    let mut words = ssh::words(machine, &remote).into_iter();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    // No window that asks for a password either.
    command.env("SSH_ASKPASS_REQUIRE", "never");
    // A Ctrl-C of the terminal is the dashboard's to take.
    command.process_group(0);
    command.spawn()
}
