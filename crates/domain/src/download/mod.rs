//! A download as the program knows it: what is fetched, how far it is, how fast.
//!
//! Absent: how it is fetched, which `library::hub` knows.

pub mod hub;
pub mod preselection;
mod remote;
pub mod suggestion;
pub mod target;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::download::remote::{Failure, RemoteFile};
use crate::moment::Moment;
use crate::units::Bytes;

/// Names a download for the program's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct DownloadId(pub u64);

/// What is to be fetched: the files of one model at one revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// `owner/name`.
    pub repository: String,
    /// A branch, a tag or a commit.
    pub revision: String,
    /// What a person calls it: the quantisation, or the file.
    pub label: String,
    /// The files, in order of their parts.
    pub files: Vec<RemoteFile>,
}

impl Order {
    /// All files together.
    pub fn size(&self) -> Bytes {
        self.files.iter().map(|file| file.size).sum()
    }

    /// Whether both mean the same model; its files may have changed on the hub in between.
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.repository, &self.revision, &self.label) == (&other.repository, &other.revision, &other.label)
    }

    /// `owner/name:label`.
    pub fn name(&self) -> String {
        format!("{}:{}", self.repository, self.label)
    }
}

/// A download.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Download {
    /// Its name for the program.
    pub id: DownloadId,
    /// What is fetched.
    pub order: Order,
    /// Where it is in its life.
    pub phase: Phase,
    /// Bytes that are there.
    pub done: Bytes,
    /// The smoothed rate, bytes per second, while it is known.
    pub rate: Option<f64>,
    /// Where and when the rate was measured last.
    measured: Option<(Bytes, Moment)>,
}

/// Where a download is in its life.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Phase {
    /// It waits until others are done.
    Queued,
    /// The hub is asked, or what is there is read again: in one clause.
    Preparing(String),
    /// Bytes come in.
    Running,
    /// It waits for something: another program's download of the same file, or the hub's limit.
    Waiting(String),
    /// It was asked to pause.
    Pausing,
    /// It can go on from where it is.
    Paused,
    /// It is being cancelled.
    Cancelling,
    /// It ended without the file; what came so far is kept where that is of use.
    Failed(Failure),
    /// The files are in the cache under their names.
    Done,
}

/// News of a download.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum DownloadEvent {
    /// It does something that brings no bytes: in one clause.
    Preparing(String),
    /// It waits for something: in one clause.
    Waiting(String),
    /// Bytes of the whole order that are present.
    Progress(Bytes),
    /// Paused as requested. Nothing follows.
    Paused,
    /// It is gone, with what had come. Nothing follows.
    Cancelled,
    /// It failed. Nothing follows.
    Failed(Failure),
    /// All files are in the cache. Nothing follows.
    Done {
        /// The first file's path.
        path: String,
    },
}

/// A rate is smoothed over about so long.
const SMOOTH: Duration = Duration::from_secs(4);

/// The least time between two measures of the rate.
const MEASURE: Duration = Duration::from_millis(250);

impl Download {
    /// A download that has not started, with this much of it present.
    pub fn new(id: DownloadId, order: Order, phase: Phase, done: Bytes) -> Self {
        Self { id, order, phase, done, rate: None, measured: None }
    }

    /// Whether it is being worked on.
    pub fn is_active(&self) -> bool {
        matches!(
            self.phase,
            Phase::Preparing(_) | Phase::Running | Phase::Waiting(_) | Phase::Pausing | Phase::Cancelling
        )
    }

    /// The share that is there, 0 to 1.
    pub fn share(&self) -> f64 {
        let size = self.order.size().0;
        if size == 0 { 0.0 } else { (self.done.0 as f64 / size as f64).min(1.0) }
    }

    /// The time until the rest is there at the present rate; `None` while no rate is known.
    pub fn left(&self) -> Option<Duration> {
        let rate = self.rate.filter(|rate| *rate >= 1.0 && self.phase == Phase::Running)?;
        let rest = self.order.size().saturating_sub(self.done);
        Some(Duration::from_secs_f64((rest.0 as f64 / rate).min(1e9)))
    }

    /// Take what happened.
    pub(crate) fn on_event(&mut self, now: Moment, event: DownloadEvent) {
        // No transfer is running: this event is late.
        if matches!(self.phase, Phase::Paused | Phase::Failed(_) | Phase::Done) {
            return;
        }
        let is_ending = matches!(self.phase, Phase::Pausing | Phase::Cancelling);
        let phase = match event {
            DownloadEvent::Progress(done) => {
                self.progress(now, done);
                Phase::Running
            }
            DownloadEvent::Preparing(what) => Phase::Preparing(what),
            DownloadEvent::Waiting(what) => Phase::Waiting(what),
            DownloadEvent::Paused | DownloadEvent::Cancelled => return self.end(Phase::Paused),
            DownloadEvent::Failed(failure) => return self.end(Phase::Failed(failure)),
            DownloadEvent::Done { .. } => {
                self.done = self.order.size();
                return self.end(Phase::Done);
            }
        };
        // What was sent before the stop arrived changes nothing.
        if !is_ending {
            if phase != Phase::Running {
                self.rate = None;
                self.measured = None;
            }
            self.phase = phase;
        }
    }

    fn end(&mut self, phase: Phase) {
        self.rate = None;
        self.measured = None;
        self.phase = phase;
    }

    fn progress(&mut self, now: Moment, done: Bytes) {
        let (before, at) = *self.measured.get_or_insert((done, now));
        let time = now.uptime.saturating_sub(at.uptime);
        if time >= MEASURE {
            let rate = done.saturating_sub(before).0 as f64 / time.as_secs_f64();
            let weight = 1.0 - (-time.as_secs_f64() / SMOOTH.as_secs_f64()).exp();
            self.rate = Some(self.rate.map_or(rate, |old| old + weight * (rate - old)));
            self.measured = Some((done, now));
        } else if done < self.done {
            // It restarted from the beginning.
            self.measured = Some((done, now));
        }
        self.done = done;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn download() -> Download {
        let file = RemoteFile { path: "m.gguf".into(), size: Bytes(1000) };
        let order =
            Order { repository: "a/b".into(), revision: "main".into(), label: "Q8_0".into(), files: vec![file] };
        Download::new(DownloadId(1), order, Phase::Queued, Bytes(0))
    }

    fn at(milliseconds: u64) -> Moment {
        Moment { uptime: Duration::from_millis(milliseconds), unix: 0 }
    }

    #[test]
    fn the_rate_and_the_time_left_come_from_progress() {
        let mut download = download();
        download.on_event(at(0), DownloadEvent::Progress(Bytes(100)));
        assert_eq!((download.rate, download.left()), (None, None), "what was there before is no rate");
        download.on_event(at(1000), DownloadEvent::Progress(Bytes(300)));
        assert_eq!(download.rate, Some(200.0));
        assert_eq!(download.left(), Some(Duration::from_millis(3500)));
        download.on_event(at(1100), DownloadEvent::Progress(Bytes(0)));
        download.on_event(at(2100), DownloadEvent::Progress(Bytes(200)));
        assert!(download.rate.is_some_and(|rate| (199.0..=201.0).contains(&rate)), "{:?}", download.rate);
        download.on_event(at(2200), DownloadEvent::Waiting("for another program".into()));
        assert_eq!((download.rate, download.left()), (None, None));
    }

    #[test]
    fn news_from_before_a_pause_change_nothing() {
        let mut download = download();
        download.phase = Phase::Pausing;
        download.on_event(at(0), DownloadEvent::Progress(Bytes(5)));
        assert_eq!((download.phase.clone(), download.done), (Phase::Pausing, Bytes(5)));
        download.on_event(at(0), DownloadEvent::Paused);
        assert_eq!(download.phase, Phase::Paused);
    }
}
