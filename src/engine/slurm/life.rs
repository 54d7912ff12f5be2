//! The life of a worker that is a job: pending, starting, connected, lost and found again, ended.

use std::time::Duration;

use domain::event::WorkerEvent;
use domain::session::{Job, JobId, JobRequest, JobState, WorkerId};
use domain::settings::Engine as Settings;
use domain::units::span;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::cluster::Cluster;
use super::folder::{Folder, Listening, Record};
use super::link;
use super::pump::{PIPE, pump};
use super::queue::{self, Queue, Row, State};
use super::tool::{self, cancel};
use crate::engine::command::{Command, News};
use crate::engine::supervise::{Asked, Ended, converse};

/// How often the folder is looked at for where the worker listens: a job that starts is used at once, without asking Slurm.
const LOOK: Duration = Duration::from_millis(500);

/// The time between two looks into the queue at first, and at most: it doubles while nothing changes.
const FIRST_POLL: Duration = Duration::from_secs(1);
const LAST_POLL: Duration = Duration::from_secs(15);

/// How long a job that runs may take to tell where its worker listens: a node that starts may be slow.
const START_LIMIT: Duration = Duration::from_mins(5);

/// Answers of Slurm that fail in a row, before the job is given up: a controller that restarts takes a minute.
const MAX_FAILED_POLLS: u32 = 20;

/// How often the connection to a worker may be lost and made again, apart from the times that its job was put back into the queue.
const MAX_LOST: u32 = 20;

/// Looks into the queue, a second apart, before a connection that is lost while the job runs is called the network's fault: Slurm
/// takes a moment to say that a job lost its node.
const LOST_LOOKS: u32 = 4;

/// Have a worker run as a job, carry messages both ways, and tell how it ended.
pub(in crate::engine) async fn supervise(
    worker: WorkerId,
    (cluster, queue): (&Cluster, &Queue),
    settings: &Settings,
    load: wire::Load,
    request: JobRequest,
    mut inbox: mpsc::Receiver<Command>,
    news: &News,
) -> WorkerEvent {
    // Nothing of this machine's own counts on a node: neither its cores nor its prompts on disk.
    let load = wire::Load { n_threads: 1, kept_prompts: None, ..load };
    let (folder, record) = match cluster.obtain(&request, &load, queue).await {
        Ok(found) => found,
        Err(error) => return WorkerEvent::Exited { reason: error.reason, expected: false, hint: error.hint },
    };
    let Some(id) = record.id() else {
        let reason = "its job has no number".to_owned();
        return WorkerEvent::Exited { reason, expected: false, hint: None };
    };
    let slurm = &cluster.settings;
    let job = Life {
        worker,
        id,
        folder,
        record,
        queue,
        news,
        max_requeues: slurm.max_requeues,
        max_pending: slurm.max_pending,
        told: None,
        used: None,
        stale: None,
        began: None,
        has_begun: false,
        written: 0,
        lost: None,
        n_lost: 0,
        n_requeued: 0,
    };
    job.run(settings, &mut inbox).await
}

/// A job that is looked after.
struct Life<'a> {
    worker: WorkerId,
    id: JobId,
    folder: Folder,
    record: Record,
    queue: &'a Queue,
    news: &'a News,
    /// How often it may be put back into the queue.
    max_requeues: u32,
    /// How long it may wait for its turn.
    max_pending: Option<Duration>,
    /// What was told of it last.
    told: Option<Job>,
    /// Where its worker listens that was connected last, and where that of an earlier start did.
    used: Option<Listening>,
    stale: Option<Listening>,
    /// When it began, in seconds since 1970.
    began: Option<i64>,
    /// It was seen to run since it last waited.
    has_begun: bool,
    /// How much it had written when it was connected last.
    written: u64,
    /// Why it waits once more.
    lost: Option<String>,
    /// How often its worker was lost.
    n_lost: u32,
    /// How often it was put back into the queue.
    n_requeued: u32,
}

/// Since when a job is what it is.
struct Since {
    pending: Instant,
    /// `None` while it does not run.
    running: Option<Instant>,
    /// Looks at which it had ended, and might come back.
    n_ended: u32,
}

/// How waiting came to an end.
enum Waited {
    Connected(TcpStream),
    /// It is asked to stop, or to be left.
    Asked(Asked),
    /// Nothing comes of it.
    Over(String, Option<String>),
}

/// How being connected came to an end.
enum Left {
    /// The worker is of no use any more.
    Over(String, Option<String>),
    Asked(Asked),
    /// The node told that its worker has ended, and why: of itself, or by Slurm.
    Told(String, Option<String>),
    /// The connection is gone, or the job is no longer where it was.
    Lost,
}

impl Life<'_> {
    async fn run(mut self, settings: &Settings, inbox: &mut mpsc::Receiver<Command>) -> WorkerEvent {
        loop {
            let stream = match self.wait(inbox).await {
                Waited::Connected(stream) => stream,
                Waited::Asked(asked) => return self.end(asked).await,
                Waited::Over(reason, hint) => return self.over(reason, hint).await,
            };
            let told = match self.talk(stream, settings, inbox).await {
                Left::Asked(asked) => return self.end(asked).await,
                Left::Over(reason, hint) => return self.over(reason, hint).await,
                Left::Told(reason, hint) => Some((reason, hint)),
                Left::Lost => None,
            };
            let lost = self.why_lost().await;
            let is_slurms = !self.has_begun || self.tail().contains(queue::ENDED_BY_SLURM);
            let reason = match (told, lost) {
                // It ended of itself.
                (Some((reason, hint)), _) if !is_slurms => return self.over(reason, hint).await,
                (_, Ok(reason)) => reason,
                (_, Err((reason, hint))) => return self.over(reason, hint).await,
            };
            self.told = None;
            tracing::warn!(job = %self.id, reason, "a worker was lost");
            let _ = self.news.send((self.worker, WorkerEvent::Requeued { reason })).await;
        }
    }

    /// Why the connection is gone, where the job lives on; else how it ended, and what could be done.
    async fn why_lost(&mut self) -> Result<String, (String, Option<String>)> {
        self.n_lost += 1;
        for look in 1..=LOST_LOOKS {
            match self.row().await {
                Ok(Some(row)) if look < LOST_LOOKS && row.state.may_come_back() => {}
                Ok(Some(Row { state: State::Ended(state, why), .. })) => {
                    let (reason, hint) = queue::end(self.id, &state, &why);
                    return Err((reason, hint.map(str::to_owned)));
                }
                // Its processes may take long to be gone from the node, and so does its state to change.
                Ok(Some(_)) if self.tail().contains(queue::TIME_LIMIT) => {
                    let (reason, hint) = queue::end(self.id, "TIMEOUT", "");
                    return Err((reason, hint.map(str::to_owned)));
                }
                Ok(Some(Row { state: State::Pending(_), .. })) => return self.requeued(),
                Ok(Some(Row { state: State::Suspended, .. })) => {
                    return Ok(format!("job {} was suspended on {}", self.id, self.node()));
                }
                _ => {}
            }
        }
        let reason = format!("the connection to {} was lost", self.node());
        if self.n_lost >= MAX_LOST { Err((format!("{reason}, for the {MAX_LOST}th time"), None)) } else { Ok(reason) }
    }

    /// It is back in the queue: why, or why it is given up.
    fn requeued(&mut self) -> Result<String, (String, Option<String>)> {
        self.n_requeued += 1;
        // Where its worker listened, none does any more.
        self.stale = self.used.take();
        (self.has_begun, self.began) = (false, None);
        let why = match self.last_words() {
            Some(why) => format!("job {} {why}", self.id),
            None => format!("{} failed, or had to make room for another job", self.node()),
        };
        if self.n_requeued > self.max_requeues {
            let hint = "raise slurm.max_requeues, or name another partition: --on slurm:PARTITION";
            let times = if self.n_requeued == 1 { "once".to_owned() } else { format!("{} times", self.n_requeued) };
            return Err((format!("{why}; it lost its node {times}"), Some(hint.to_owned())));
        }
        self.lost = Some(format!("{why}, and is back in the queue"));
        Ok(format!("{why}; Slurm put job {} back into the queue", self.id))
    }

    /// What Slurm wrote into its output about the end of its last start.
    fn last_words(&self) -> Option<&'static str> {
        queue::lost(&self.tail())
    }

    /// What was written into its output since it was connected last.
    fn tail(&self) -> String {
        self.folder.tail(self.written).unwrap_or_default()
    }

    fn node(&self) -> String {
        self.told.as_ref().and_then(|job| job.node.clone()).unwrap_or_else(|| "its node".to_owned())
    }

    async fn row(&self) -> Result<Option<Row>, tool::ToolError> {
        self.queue.ask(self.id).await
    }

    /// Tell what has changed of the job.
    async fn tell(&mut self, state: JobState, row: Option<&Row>) {
        let before = self.told.as_ref();
        let job = Job {
            id: self.id,
            state,
            partition: row.map_or_else(|| before.and_then(|job| job.partition.clone()), |row| row.partition.clone()),
            node: row.map_or_else(|| before.and_then(|job| job.node.clone()), |row| row.node.clone()),
            ends: row.map_or_else(|| before.and_then(|job| job.ends), |row| row.ends),
            expected: row.and_then(|row| row.expected),
            n_requeued: self.n_requeued,
        };
        if self.told.as_ref() != Some(&job) {
            self.told = Some(job.clone());
            let _ = self.news.send((self.worker, WorkerEvent::Job(job))).await;
        }
    }

    /// Wait until the worker is connected.
    async fn wait(&mut self, inbox: &mut mpsc::Receiver<Command>) -> Waited {
        let (mut gap, mut poll, mut n_failed) = (FIRST_POLL, Instant::now(), 0);
        let mut since = Since { pending: Instant::now(), running: None, n_ended: 0 };
        // A node that tells of itself while Slurm is asked is seen at the next look.
        loop {
            tokio::select! {
                command = inbox.recv() => match command {
                    Some(Command::Stop | Command::Kill) | None => return Waited::Asked(Asked::Stop),
                    Some(Command::Leave) => return Waited::Asked(Asked::Leave),
                    // It is loaded as it was ordered, and asked nothing before.
                    Some(Command::Tell(_)) => {}
                },
                () = sleep(LOOK) => {
                    if let Some(waited) = self.look().await {
                        return waited;
                    }
                }
                () = sleep_until(poll) => {
                    let seen = self.row().await;
                    poll = Instant::now() + gap;
                    gap = (gap * 2).min(LAST_POLL);
                    if let Some(over) = self.seen(seen, &mut n_failed, &mut since).await {
                        return over;
                    }
                }
            }
        }
    }

    /// See whether the worker listens, and connect.
    async fn look(&mut self) -> Option<Waited> {
        // A start that nobody saw in the queue has left its file all the same.
        let at = self.folder.latest().filter(|at| Some(at) != self.stale.as_ref())?;
        if let Listening::Refused { reason, hint } = at {
            return Some(Waited::Over(reason, hint));
        }
        match link::connect(&at).await {
            Ok(stream) => {
                self.used = Some(at);
                Some(Waited::Connected(stream))
            }
            Err(error) => {
                tracing::debug!(job = %self.id, %error, "the node is not reached");
                None
            }
        }
    }

    /// Take what the queue says while the worker is waited for.
    async fn seen(
        &mut self,
        seen: Result<Option<Row>, tool::ToolError>,
        n_failed: &mut u32,
        since: &mut Since,
    ) -> Option<Waited> {
        let row = match seen {
            Ok(row) => row,
            Err(error) => {
                *n_failed += 1;
                let error = error.start_error();
                return (*n_failed >= MAX_FAILED_POLLS).then_some(Waited::Over(error.reason, error.hint));
            }
        };
        *n_failed = 0;
        let Some(row) = row else {
            return Some(Waited::Over(format!("Slurm knows job {} no longer", self.id), None));
        };
        match &row.state {
            State::Pending(word) => {
                since.running = None;
                if self.has_begun {
                    // It lost its node before its worker was connected, or while that one was looked for.
                    if let Err((reason, hint)) = self.requeued() {
                        return Some(Waited::Over(reason, hint));
                    }
                    since.pending = Instant::now();
                }
                return self.pending(word, &row, since.pending).await;
            }
            State::Suspended => {
                since.running = None;
                self.tell(JobState::Suspended, Some(&row)).await;
            }
            State::Runs => {
                self.has_begun = true;
                let since = *since.running.get_or_insert_with(Instant::now);
                self.tell(JobState::Starting, Some(&row)).await;
                if since.elapsed() >= START_LIMIT {
                    let node = row.node.as_deref().unwrap_or("its node");
                    let reason = format!("job {} runs on {node}, and its worker can't be reached", self.id);
                    return Some(Waited::Over(reason, Some(self.folder_hint())));
                }
            }
            state if state.may_come_back() && since.n_ended < LOST_LOOKS => since.n_ended += 1,
            State::Ended(state, why) => {
                // It may have told why a moment ago.
                if let Some(Listening::Refused { reason, hint }) = self.folder.latest() {
                    return Some(Waited::Over(reason, hint));
                }
                let (reason, hint) = queue::end(self.id, state, why);
                // What the worker wrote last says more of a failure; one that could write nothing did not see its folder.
                let said = hint.map(str::to_owned).or_else(|| self.folder.last_words());
                return Some(Waited::Over(reason, said.or_else(|| Some(self.folder_hint()))));
            }
        }
        None
    }

    /// It waits for its turn: tell why. Gives the end of one that waits in vain, or for too long.
    async fn pending(&mut self, word: &str, row: &Row, since: Instant) -> Option<Waited> {
        let (reason, hint, never) = queue::reason(word);
        let hint = hint.map(|hint| hint.replace("JOB", &self.id.to_string()));
        if never {
            return Some(Waited::Over(format!("job {} would never start: {reason}", self.id), hint));
        }
        if let Some(limit) = self.max_pending.filter(|limit| since.elapsed() >= *limit) {
            let reason = format!("job {} had not begun after {}: {reason}", self.id, span(limit));
            let more = "raise slurm.max_pending_s, or name another partition: --on slurm:PARTITION";
            return Some(Waited::Over(reason, Some(hint.unwrap_or_else(|| more.to_owned()))));
        }
        let reason = self.lost.as_ref().map_or(reason.clone(), |lost| format!("{lost}; {reason}"));
        self.tell(JobState::Pending { reason, hint }, Some(row)).await;
        None
    }

    fn folder_hint(&self) -> String {
        let folder = gguf::clean(&self.folder.path.display().to_string(), 200);
        format!("{folder} must be on a file system that all nodes have, and they must reach each other: see [slurm]")
    }

    /// Talk with the worker that is connected.
    async fn talk(&mut self, stream: TcpStream, settings: &Settings, inbox: &mut mpsc::Receiver<Command>) -> Left {
        let row = self.row().await.ok().flatten();
        self.began = row.as_ref().and_then(|row| row.began).or(self.began);
        (self.has_begun, self.lost, self.written) = (true, None, self.folder.written());
        self.tell(JobState::Running, row.as_ref()).await;
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let pump = tokio::spawn(pump(self.worker, stream, theirs, self.news.clone()));
        let load = self.record.load.clone();
        let (worker, news) = (self.worker, self.news);
        let ended = {
            let talk = converse(worker, tokio::io::split(ours), settings, load, inbox, news);
            tokio::select! {
                ended = talk => Some(ended),
                () = self.watch() => None,
            }
        };
        let Some(Ended { verdict, is_silent, asked }) = ended else {
            // The job is elsewhere by now: what is left of it there is to end.
            pump.abort();
            return Left::Lost;
        };
        if let Some(asked) = asked {
            pump.abort();
            return Left::Asked(asked);
        }
        match verdict {
            // It may be the node or the network that is silent.
            Some(_) if is_silent => {
                pump.abort();
                Left::Lost
            }
            Some(reason) => Left::Over(reason, None),
            None => match pump.await {
                Ok(Some((reason, hint))) => Left::Told(reason, hint),
                _ => Left::Lost,
            },
        }
    }

    /// Watch the queue while the worker is connected: tell how long it has, and return once it is no longer where it was.
    async fn watch(&mut self) {
        loop {
            sleep(LAST_POLL).await;
            let Ok(Some(row)) = self.row().await else { continue };
            let is_same = row.state == State::Runs && (self.began.is_none() || row.began == self.began);
            if !is_same {
                return;
            }
            self.tell(JobState::Running, Some(&row)).await;
        }
    }

    /// It was asked to stop, or to be left.
    async fn end(self, asked: Asked) -> WorkerEvent {
        let reason = match asked {
            Asked::Stop => {
                cancel(self.id).await;
                self.folder.remove();
                "stopped".to_owned()
            }
            Asked::Leave => format!("job {} goes on without taffrail", self.id),
        };
        WorkerEvent::Exited { reason, expected: true, hint: None }
    }

    /// Nothing comes of it any more.
    async fn over(self, reason: String, hint: Option<String>) -> WorkerEvent {
        cancel(self.id).await;
        self.folder.remove();
        WorkerEvent::Exited { reason, expected: false, hint }
    }
}
