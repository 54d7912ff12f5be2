//! Progress on standard error for what takes longer than a moment: a line that is written over in a terminal, and lines far
//! apart elsewhere, so that a log tells what was waited for.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What takes less is not told of.
pub const QUIET: Duration = Duration::from_millis(500);

/// How often the line in a terminal is renewed.
const RENEW: Duration = Duration::from_millis(250);

/// The time between two lines where there is no terminal.
const LINE: Duration = Duration::from_secs(5);

/// Tells that something is going on, until it is dropped.
#[derive(Debug)]
pub struct Progress {
    ends: Option<Sender<String>>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Begin something: `what` is a clause such as `scanning the stores`.
    pub fn begin(what: impl Into<String>) -> Self {
        let what = what.into();
        let (ends, ended) = channel();
        let thread = std::thread::Builder::new().name("progress".to_owned());
        let thread = thread.spawn(move || {
            let mut line = Line::new(what);
            let mut next = line.begun + line.first();
            loop {
                // However often something is told, the line is renewed in time.
                match ended.recv_timeout(next.saturating_duration_since(Instant::now())) {
                    Ok(what) => line.what = what,
                    Err(RecvTimeoutError::Timeout) => next = Instant::now() + line.show(),
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            line.clear();
        });
        Self { ends: Some(ends), thread: thread.ok() }
    }

    /// Go on with something else, or say more of it.
    pub fn tell(&self, what: impl Into<String>) {
        if let Some(ends) = &self.ends {
            // Without its thread nothing is told, and nothing is missed.
            let _ = ends.send(what.into());
        }
    }

    /// Do something that takes its time.
    pub fn during<T>(what: &str, work: impl FnOnce() -> T) -> T {
        let _progress = Self::begin(what);
        work()
    }
}

impl Drop for Progress {
    /// The line is gone before anything else is written.
    fn drop(&mut self) {
        self.ends = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The line.
struct Line {
    what: String,
    begun: Instant,
    is_terminal: bool,
    is_open: bool,
}

impl Line {
    fn new(what: String) -> Self {
        Self { what, begun: Instant::now(), is_terminal: io::stderr().is_terminal(), is_open: false }
    }

    /// When it is shown first.
    fn first(&self) -> Duration {
        if self.is_terminal { QUIET } else { LINE }
    }

    /// Show it; gives when it is to be shown again.
    fn show(&mut self) -> Duration {
        let seconds = self.begun.elapsed().as_secs();
        let time = if seconds > 0 { format!("  {seconds} s") } else { String::new() };
        let text = gguf::clean(&format!("{} …{time}", self.what), 200);
        let mut err = io::stderr().lock();
        // Nobody is left who could be told that this failed.
        if self.is_terminal {
            let columns = crate::app::machine::terminal_columns();
            let cut: String = text.chars().take(columns - 1).collect();
            let _ = write!(err, "\r\x1b[K{cut}").and_then(|()| err.flush());
            self.is_open = true;
            RENEW
        } else {
            let _ = writeln!(err, "{text}");
            LINE
        }
    }

    fn clear(&mut self) {
        if self.is_open {
            let mut err = io::stderr().lock();
            let _ = write!(err, "\r\x1b[K").and_then(|()| err.flush());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quick_is_not_told_and_its_thread_has_ended() {
        assert_eq!(Progress::during("counting", || 3), 3);
        let progress = Progress::begin("one thing");
        progress.tell("another thing");
        drop(progress);
    }
}
