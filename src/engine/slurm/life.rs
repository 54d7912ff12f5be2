//! The life of a worker that is a job: pending, starting, connected, lost and found again, ended.

use std::time::Duration;

use domain::event::WorkerEvent;
use domain::session::{Job, JobRequest, JobState, WorkerId};
use domain::settings::Engine as Settings;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use wire::Decoder;

use super::cluster::Cluster;
use super::folder::{Folder, Listening, Record};
use super::link::{self, FromNode};
use super::queue::{self, Queue, Row, State};
use super::tool;
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

/// How often a worker may be lost and found again.
const MAX_LOST: u32 = 20;

/// Bytes that wait between the connection and who reads it.
const PIPE: usize = 64 << 10;

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
    let job = Life {
        worker,
        id: record.job.unwrap_or_default(),
        folder,
        record,
        queue,
        news,
        told: None,
        restart: 0,
        began: None,
        n_lost: 0,
    };
    job.run(settings, &mut inbox).await
}

/// A job that is looked after.
struct Life<'a> {
    worker: WorkerId,
    id: u64,
    folder: Folder,
    record: Record,
    queue: &'a Queue,
    news: &'a News,
    /// What was told of it last.
    told: Option<Job>,
    /// How often it was started before.
    restart: u32,
    /// When it began, in seconds since 1970.
    began: Option<i64>,
    /// How often its worker was lost.
    n_lost: u32,
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
    /// The worker is of no use any more, or has told its end.
    Over(String, Option<String>),
    Asked(Asked),
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
            match self.talk(stream, settings, inbox).await {
                Left::Asked(asked) => return self.end(asked).await,
                Left::Over(reason, hint) => return self.over(reason, hint).await,
                Left::Lost => {}
            }
            self.n_lost += 1;
            let node = self.told.take().and_then(|job| job.node).unwrap_or_else(|| "its node".to_owned());
            let reason = match self.row().await {
                Ok(Some(Row { state: State::Ended(state, why), .. })) => {
                    let (reason, hint) = queue::end(self.id, &state, &why);
                    return self.over(reason, hint.map(str::to_owned)).await;
                }
                Ok(Some(Row { state: State::Pending(_), .. })) => {
                    self.restart += 1;
                    format!("{node} failed or had to make room; Slurm put job {} back into the queue", self.id)
                }
                _ => format!("the connection to {node} was lost"),
            };
            if self.n_lost >= MAX_LOST {
                return self.over(format!("{reason}, for the {MAX_LOST}th time"), None).await;
            }
            tracing::warn!(job = self.id, reason, "a worker was lost");
            let _ = self.news.send((self.worker, WorkerEvent::Requeued { reason })).await;
        }
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
        };
        if self.told.as_ref() != Some(&job) {
            self.told = Some(job.clone());
            let _ = self.news.send((self.worker, WorkerEvent::Job(job))).await;
        }
    }

    /// Wait until the worker is connected.
    async fn wait(&mut self, inbox: &mut mpsc::Receiver<Command>) -> Waited {
        let (mut gap, mut poll, mut n_failed) = (FIRST_POLL, Instant::now(), 0);
        let mut running_since = None;
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
                    if let Some(over) = self.seen(seen, &mut n_failed, &mut running_since).await {
                        return over;
                    }
                }
            }
        }
    }

    /// See whether the worker listens, and connect.
    async fn look(&mut self) -> Option<Waited> {
        // A start that nobody saw in the queue has left its file all the same.
        while self.folder.listening(self.restart + 1).is_some() {
            self.restart += 1;
        }
        let at = self.folder.listening(self.restart)?;
        if let Listening::Refused { reason, hint } = at {
            return Some(Waited::Over(reason, hint));
        }
        match link::connect(&at).await {
            Ok(stream) => Some(Waited::Connected(stream)),
            Err(error) => {
                tracing::debug!(job = self.id, %error, "the node is not reached");
                None
            }
        }
    }

    /// Take what the queue says while the worker is waited for.
    async fn seen(
        &mut self,
        seen: Result<Option<Row>, tool::ToolError>,
        n_failed: &mut u32,
        running_since: &mut Option<Instant>,
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
                *running_since = None;
                let (reason, hint, never) = queue::reason(word);
                let hint = hint.map(|hint| hint.replace("JOB", &self.id.to_string()));
                if never {
                    return Some(Waited::Over(format!("job {} would never start: it {reason}", self.id), hint));
                }
                self.tell(JobState::Pending { reason, hint }, Some(&row)).await;
            }
            State::Runs => {
                let since = *running_since.get_or_insert_with(Instant::now);
                self.tell(JobState::Starting, Some(&row)).await;
                if since.elapsed() >= START_LIMIT {
                    let node = row.node.as_deref().unwrap_or("its node");
                    let reason = format!("job {} runs on {node}, and its worker can't be reached", self.id);
                    return Some(Waited::Over(reason, Some(self.folder_hint())));
                }
            }
            State::Ended(state, why) => {
                let (reason, hint) = queue::end(self.id, state, why);
                // What the worker wrote last says more; a job that could write nothing did not see its folder.
                let said = self.folder.last_words().or_else(|| hint.map(str::to_owned));
                return Some(Waited::Over(reason, said.or_else(|| Some(self.folder_hint()))));
            }
        }
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
                Ok(Some((reason, hint))) => Left::Over(reason, hint),
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
                self.cancel().await;
                self.folder.remove();
                "stopped".to_owned()
            }
            Asked::Leave => format!("job {} goes on without taffrail", self.id),
        };
        WorkerEvent::Exited { reason, expected: true, hint: None }
    }

    /// Nothing comes of it any more.
    async fn over(self, reason: String, hint: Option<String>) -> WorkerEvent {
        self.cancel().await;
        self.folder.remove();
        WorkerEvent::Exited { reason, expected: false, hint }
    }

    /// Cancel the job; one that has ended needs nothing more.
    async fn cancel(&self) {
        if let Err(error) = tool::run("scancel", [self.id.to_string()]).await {
            tracing::warn!(job = self.id, ?error, "a job could not be cancelled");
        }
    }
}

/// Carry bytes between the node and who talks with the worker. Gives the worker's end where the node tells it.
async fn pump(worker: WorkerId, stream: TcpStream, pipe: DuplexStream, news: News) -> Option<(String, Option<String>)> {
    let (mut input, mut output) = stream.into_split();
    let (mut asked, mut said) = tokio::io::split(pipe);
    let requests = async move { tokio::io::copy(&mut asked, &mut output).await };
    let events = async move {
        let mut decoder = Decoder::default();
        let mut buffer = vec![0; PIPE];
        loop {
            let count = input.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
            decoder.push(buffer.get(..count).unwrap_or_default());
            loop {
                match decoder.next::<FromNode>() {
                    Ok(Some(FromNode::Worker(event))) => {
                        let frame = wire::encode(&event).ok()?;
                        said.write_all(&frame).await.ok()?;
                    }
                    Ok(Some(FromNode::Log(line))) => {
                        let line = gguf::clean(&line, MAX_LINE);
                        let _ = news.send((worker, WorkerEvent::Logged(line))).await;
                    }
                    Ok(Some(FromNode::Exited { reason, hint })) => {
                        let hint = hint.map(|hint| gguf::clean(&hint, MAX_LINE));
                        return Some((gguf::clean(&reason, MAX_LINE), hint));
                    }
                    Ok(None) => break,
                    Err(error) => return Some((format!("the node can't be understood: {error}"), None)),
                }
            }
        }
    };
    tokio::pin!(events);
    tokio::pin!(requests);
    tokio::select! {
        end = &mut events => end,
        // Whoever asks has gone, or the connection takes nothing any more; the worker's last words may still come.
        _ = &mut requests => events.await,
    }
}

/// The longest line that a node tells, in bytes.
const MAX_LINE: usize = 2048;
