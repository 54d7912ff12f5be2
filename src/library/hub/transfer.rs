//! The transfer: an order's files, one after the other, into the cache.
//!
//! It can be dropped at any instant: what is written is always a part that the next attempt goes on from, or a file
//! that is complete, verified and named. It blocks on the disk, so it belongs on a thread of its own.

use std::fs;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE};
use tokio::sync::{mpsc, watch};

use super::api::Head;
use super::cache::{self, Folder};
use super::client::{About, Client, broken};
use super::journal;
use super::lock::{self, Lock};
use super::names;
use super::part::PartFile;
use super::place::HubAccess;
use super::problem::HubError;
use domain::download::{DownloadEvent, DownloadId, Order};
use domain::units::{Bytes, span};

/// The least time between two tellings of the progress.
const TELL: Duration = Duration::from_millis(100);
/// The time between two looks at a lock that another has.
const LOOK: Duration = Duration::from_millis(200);
/// The longest wait before another attempt, unless the hub asks for more.
const LONGEST: Duration = Duration::from_secs(30);
/// Progress that makes an attempt worth another one.
const WORTH: u64 = 1 << 20;

/// What is wanted of a running transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferCommand {
    /// That it goes on.
    Go,
    /// That it stands still, and can go on later.
    Pause,
    /// That it goes, with all that came.
    Cancel,
}

/// Tells what becomes of a download.
#[derive(Debug, Clone)]
pub struct Reporter {
    /// Of which.
    pub id: DownloadId,
    /// To whom.
    pub to: mpsc::Sender<(DownloadId, DownloadEvent)>,
}

impl Reporter {
    async fn say(&self, event: DownloadEvent) {
        // Nobody listens any more: the program is ending.
        let _ = self.to.send((self.id, event)).await;
    }
}

/// Fetch an order, and tell how it goes and ends.
pub async fn fetch(
    place: HubAccess,
    order: &Order,
    mut command: watch::Receiver<TransferCommand>,
    reporter: &Reporter,
) {
    let cache = place.cache.clone();
    let end = tokio::select! {
        biased;
        command = command.wait_for(|command| *command != TransferCommand::Go) => match command.map_or(TransferCommand::Pause, |command| *command) {
            TransferCommand::Cancel => DownloadEvent::Cancelled,
            _ => DownloadEvent::Paused,
        },
        result = transfer(place, order, reporter) => match result {
            Ok(path) => DownloadEvent::Done { path },
            Err(problem) => DownloadEvent::Failed(problem.failure()),
        },
    };
    if end == DownloadEvent::Cancelled {
        journal::discard(&cache, order);
    }
    reporter.say(end).await;
}

async fn transfer(place: HubAccess, order: &Order, reporter: &Reporter) -> Result<String, HubError> {
    names::check_repository(&order.repository)?;
    names::check_revision(&order.revision)?;
    if order.files.is_empty() || order.files.len() > journal::MAX_FILES {
        return Err(HubError::NotFound { what: format!("whole model {} in {}", order.label, order.repository) });
    }
    reporter.say(DownloadEvent::Preparing("contacting the Hub".to_owned())).await;
    let client = Client::new(place)?;
    let mut transfer = Transfer {
        folder: Folder::new(&client.place.cache, &order.repository),
        client: &client,
        order,
        reporter,
        before: 0,
        told: None,
    };
    transfer.run().await
}

struct Transfer<'a> {
    client: &'a Client,
    folder: Folder,
    order: &'a Order,
    reporter: &'a Reporter,
    /// Bytes of the files that are complete.
    before: u64,
    /// When the progress was told last.
    told: Option<Instant>,
}

impl Transfer<'_> {
    async fn run(&mut self) -> Result<String, HubError> {
        let mut heads = Vec::new();
        let mut commit = None;
        for file in &self.order.files {
            // All files are of the same commit, also when the branch moves on meanwhile.
            let revision = commit.clone().unwrap_or_else(|| self.order.revision.clone());
            let head = self.head(&revision, &file.path).await?;
            commit.get_or_insert_with(|| head.commit.clone());
            heads.push(head);
        }
        cache::check_space(&self.client.place.cache, heads.iter().map(|head| self.missing(head)).sum())?;
        let mut first = None;
        for (file, head) in self.order.files.iter().zip(&heads) {
            let path = self.file(&file.path, head).await?;
            first.get_or_insert(path);
            self.before += head.size;
            self.progress(0).await;
        }
        if let Some(commit) = commit {
            self.folder.name(&self.order.revision, &commit)?;
        }
        journal::clear(&self.client.place.cache, self.order);
        Ok(first.map(|path| path.display().to_string()).unwrap_or_default())
    }

    /// Bytes of a file that are still to come.
    fn missing(&self, head: &Head) -> u64 {
        if self.folder.has(head.digest, head.size) {
            return 0;
        }
        let part = fs::metadata(self.folder.part(head.digest)).map_or(0, |metadata| metadata.len());
        head.size.saturating_sub(part)
    }

    async fn head(&self, revision: &str, path: &str) -> Result<Head, HubError> {
        let mut failures = 0;
        loop {
            match self.client.metadata(&self.order.repository, revision, path).await {
                Err(problem) if problem.is_passing() => {
                    failures += 1;
                    self.wait(problem, failures).await?;
                }
                answer => return answer,
            }
        }
    }

    /// Wait before the next attempt, if there is to be one.
    async fn wait(&self, problem: HubError, failures: u32) -> Result<(), HubError> {
        let patience = self.client.place.patience;
        if failures >= patience.attempts {
            return Err(problem);
        }
        let pause = match problem {
            HubError::TooMany(Some(pause)) => pause,
            _ => (patience.pause * 2_u32.saturating_pow(failures - 1)).min(LONGEST),
        };
        self.reporter.say(DownloadEvent::Waiting(format!("{problem}; trying again in {}", span(pause)))).await;
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// Fetch one file unless it is there; gives its path in the snapshot.
    async fn file(&mut self, path: &str, head: &Head) -> Result<std::path::PathBuf, HubError> {
        if let Some(there) = self.folder.find(&head.commit, path, head.size) {
            return Ok(there);
        }
        let _lock = self.lock(head).await?;
        if !self.folder.has(head.digest, head.size) {
            let part_path = self.folder.part(head.digest);
            self.folder.prepare(&head.commit, path)?;
            journal::write(&self.folder, head, self.order, self.before)?;
            let mut part = PartFile::open(&part_path, head.digest, head.size)?;
            self.fill(&mut part, path, head).await?;
            self.folder.publish(head.digest)?;
        }
        self.folder.point(&head.commit, path, head.digest, cache::symlink)
    }

    /// The lock on a blob, once it is to be had.
    async fn lock(&self, head: &Head) -> Result<Lock, HubError> {
        let path = self.folder.lock(head.digest);
        let mut told = None;
        loop {
            if let Some(lock) = Lock::take(&path).map_err(HubError::at(&path))? {
                return Ok(lock);
            }
            let holder = lock::holder(&path);
            if told.as_ref() != Some(&holder) {
                self.reporter.say(DownloadEvent::Waiting(format!("{holder} is downloading this file"))).await;
                told = Some(holder);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Bring a part to its end, and verify it.
    async fn fill(&mut self, part: &mut PartFile, path: &str, head: &Head) -> Result<(), HubError> {
        self.take_up(part, head.size).await?;
        // What an earlier run wrote may be what is wrong, so then a second look at the whole is worth it.
        let mut had_before = part.len > 0;
        let mut failures = 0;
        loop {
            let start = part.len;
            if !part.is_complete()
                && let Err(problem) = self.stream(part, path, head).await
            {
                if !problem.is_passing() {
                    return Err(problem);
                }
                failures = if part.len >= start + WORTH { 1 } else { failures + 1 };
                self.wait(problem, failures).await?;
                continue;
            }
            self.reporter.say(DownloadEvent::Preparing("verifying the hash".to_owned())).await;
            if part.verify()? {
                return Ok(());
            }
            if !std::mem::take(&mut had_before) {
                let _ = fs::remove_file(self.folder.part(head.digest));
                return Err(HubError::Hash { file: path.to_owned(), expected: head.digest });
            }
        }
    }

    /// Hash what an earlier run left.
    async fn take_up(&mut self, part: &mut PartFile, size: u64) -> Result<(), HubError> {
        let mut told: Option<Instant> = None;
        let reporter = self.reporter;
        part.take_up(async |len| {
            if told.is_none_or(|told| told.elapsed() >= TELL) {
                let percent = len * 100 / size.max(1);
                reporter.say(DownloadEvent::Preparing(format!("checks, {percent}%"))).await;
                told = Some(Instant::now());
            }
            tokio::task::yield_now().await;
        })
        .await
    }

    /// One attempt at what is missing.
    async fn stream(&mut self, part: &mut PartFile, path: &str, head: &Head) -> Result<(), HubError> {
        let url = self.client.file_url(&self.order.repository, &head.commit, path)?;
        let about = About { repository: Some(&self.order.repository), what: path };
        let mut response = self.client.get(url, part.len, about).await?;
        let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let wrong_length = || HubError::Length { file: path.to_owned() };
        let promised = text(CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
        match response.status() {
            StatusCode::PARTIAL_CONTENT => {
                let range = text(CONTENT_RANGE).and_then(content_range);
                if range.is_none_or(|(start, total)| start != part.len || total != Some(head.size)) {
                    return Err(HubError::Answer(format!("it is another piece of {path} than was asked for")));
                }
            }
            // The whole again.
            _ if promised.is_some_and(|length| length != head.size) => return Err(wrong_length()),
            _ if part.len > 0 => part.restart()?,
            _ => {}
        }
        self.progress(part.len).await;
        while let Some(chunk) = response.chunk().await.map_err(|error| broken(&error))? {
            part.append(&chunk).map_err(|problem| match problem {
                HubError::Length { .. } => wrong_length(),
                problem => problem,
            })?;
            self.progress(part.len).await;
        }
        if part.is_complete() {
            return Ok(());
        }
        Err(HubError::Broken(format!("{} of {} came", Bytes(part.len), Bytes(head.size))))
    }

    /// Tell how much is there, at most every so often.
    async fn progress(&mut self, of_part: u64) {
        if self.told.is_none_or(|told| told.elapsed() >= TELL) {
            self.told = Some(Instant::now());
            // The newest counts: one that finds no room is made up for by the next.
            let event = DownloadEvent::Progress(Bytes(self.before + of_part));
            let _ = self.reporter.to.try_send((self.reporter.id, event));
            tokio::task::yield_now().await;
        }
    }
}

/// Start and total of `bytes 5-9/10`.
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.trim().parse().ok()?, total.trim().parse().ok()))
}
