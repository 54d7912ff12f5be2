//! Writes files on a thread of its own, one after the other in the order in which they were asked for, so that a slow disk
//! never holds up a key or a frame.
//!
//! Owned here: the thread, its bounds, and what is lost when they are reached. Absent: what is written, and how
//! (`crate::atomic_file`).

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tokio::sync::mpsc;

use domain::Event;

/// Writes that may wait: minutes of what a user does. One more is refused, and that is reported.
const MAX_WAITING: usize = 256;

/// How long the program waits at its end for what is still to be written. A local disk needs a fraction of it.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// Writes something; gives what is to be reported, if anything.
type Job = Box<dyn FnOnce() -> Option<Event> + Send>;

/// The thread, and the way to it.
pub(super) struct Writer {
    /// The thread's name.
    name: &'static str,
    /// Where jobs go, once there was one.
    jobs: Option<SyncSender<Job>>,
    answers: mpsc::UnboundedSender<Event>,
    events: mpsc::UnboundedReceiver<Event>,
    /// Closed when the thread has ended.
    ended: Option<Receiver<()>>,
}

impl Writer {
    pub(super) fn new(name: &'static str) -> Self {
        // At most one answer for each job, and jobs are bounded.
        let (answers, events) = mpsc::unbounded_channel();
        Self { name, jobs: None, answers, events, ended: None }
    }

    /// Have something written; what it gives comes as an event. Where that is impossible, the reason is given.
    pub(super) fn write(&mut self, job: impl FnOnce() -> Option<Event> + Send + 'static) -> Result<(), String> {
        if self.jobs.is_none() {
            let (jobs, inbox) = sync_channel::<Job>(MAX_WAITING);
            let (ending, ended) = sync_channel(0);
            let answers = self.answers.clone();
            let thread = move || {
                let _ending: SyncSender<()> = ending;
                for event in inbox.iter().filter_map(|job| job()) {
                    // Whoever asked may have left meanwhile.
                    let _ = answers.send(event);
                }
            };
            let thread = std::thread::Builder::new().name(self.name.to_owned()).spawn(thread);
            thread.map_err(|error| format!("no thread can be started: {error}"))?;
            self.ended = Some(ended);
            self.jobs = Some(jobs);
        }
        match self.jobs.as_ref().map(|jobs| jobs.try_send(Box::new(job))) {
            Some(Ok(())) => Ok(()),
            Some(Err(TrySendError::Full(_))) => Err("the disk does not keep up".to_owned()),
            // A panic ended it; the next job starts another one.
            Some(Err(TrySendError::Disconnected(_))) | None => {
                self.jobs = None;
                Err("the thread that writes has ended".to_owned())
            }
        }
    }

    /// The next answer. Never ends while this lives, since it holds a sender itself.
    pub(super) async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    pub(super) fn try_next(&mut self) -> Option<Event> {
        self.events.try_recv().ok()
    }

    /// Wait until all is written, for a few seconds at most. Gives what went wrong, a sentence each.
    pub(super) fn close(&mut self) -> Vec<String> {
        self.jobs = None;
        let waited = self.ended.take().map(|ended| ended.recv_timeout(LAST_WAIT));
        let mut lost = Vec::new();
        while let Some(event) = self.try_next() {
            if let Event::Failed(reason) = event {
                lost.push(reason);
            }
        }
        if waited == Some(Err(RecvTimeoutError::Timeout)) {
            lost.push("the disk does not answer: what was saved last may be missing".to_owned());
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[tokio::test]
    async fn jobs_run_in_order_and_their_answers_come() {
        let mut writer = Writer::new("test");
        let order = Arc::new(Mutex::new(Vec::new()));
        for number in 0..9 {
            let order = Arc::clone(&order);
            let job = move || {
                order.lock().unwrap().push(number);
                (number == 8).then(|| Event::Notice("done".to_owned()))
            };
            writer.write(job).unwrap();
        }
        assert!(matches!(writer.next().await, Some(Event::Notice(text)) if text == "done"));
        assert_eq!(*order.lock().unwrap(), (0..9).collect::<Vec<_>>());
    }

    #[test]
    fn the_caller_never_waits_and_what_is_too_much_is_refused() {
        let mut writer = Writer::new("test");
        let (go, gate) = sync_channel::<()>(0);
        writer.write(move || gate.recv().err().map(|_| Event::Elapsed)).unwrap();
        let refused = (0..2 * MAX_WAITING).filter(|_| writer.write(|| None).is_err()).count();
        // The first job may still be waiting itself.
        assert!((MAX_WAITING..=MAX_WAITING + 1).contains(&refused), "{refused}");
        drop(go);
        assert_eq!(writer.close(), [""; 0]);
    }

    #[test]
    fn closing_waits_for_what_is_left_and_reports_failures() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last");
        let mut writer = Writer::new("test");
        let to = path.clone();
        writer
            .write(move || {
                let written = (0..20).try_for_each(|_| crate::atomic_file::replace(&to, b"x"));
                written.err().map(|error| Event::Failed(error.to_string()))
            })
            .unwrap();
        writer.write(|| Some(Event::Failed("full".to_owned()))).unwrap();
        assert_eq!(writer.close(), ["full"]);
        assert!(path.exists());
    }
}
