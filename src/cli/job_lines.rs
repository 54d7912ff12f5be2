//! What becomes of the jobs of a command, a line for each change: a job may wait for hours.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};

use domain::Domain;
use domain::session::Job;

/// The longest line.
const MAX_LINE: usize = 300;

/// What was said already.
#[derive(Default)]
pub(super) struct JobLines(BTreeMap<u64, String>);

impl JobLines {
    /// Say what is new of the jobs of all sessions.
    pub(super) fn tell(&mut self, domain: &Domain) {
        for line in self.news(domain) {
            // The line of the progress is open on a terminal.
            let clear = if io::stderr().is_terminal() { "\r\x1b[K" } else { "" };
            let _ = writeln!(io::stderr(), "{clear}{line}");
        }
    }

    fn news(&mut self, domain: &Domain) -> Vec<String> {
        let sessions = domain.sessions.iter().filter_map(|session| Some((session.worker.0, session.waiting_job()?)));
        let mut news = Vec::new();
        for (worker, job) in sessions {
            let line = pending(job);
            if self.0.get(&worker) != Some(&line) {
                news.push(gguf::clean(&line, MAX_LINE));
                self.0.insert(worker, line);
            }
        }
        news
    }
}

/// What is said of a job that waits: why, and what could be done.
pub(super) fn pending(job: &Job) -> String {
    let node = job.node.as_ref().map_or_else(String::new, |node| format!(" on {node}"));
    format!("job {}{node}: {}", job.id, job.why_waiting().unwrap_or_default())
}
