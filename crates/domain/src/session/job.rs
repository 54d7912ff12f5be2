//! The job of a cluster that a session runs in.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::moment::Moment;
use crate::settings::SessionSettings;
use crate::units::{Bytes, span};

/// What a worker asks of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobRequest {
    /// The model's id, to find its job again after a restart.
    pub model: String,
    /// The model's name.
    pub name: String,
    /// How its session runs, and in which partition.
    pub settings: SessionSettings,
    /// Memory that it is expected to take.
    pub memory: Bytes,
    /// The job array that it is a task of; `None` for a separate job.
    #[serde(default)]
    pub array: Option<JobArray>,
}

/// A place in a job array: several workers alike, which are submitted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobArray {
    /// Which array, within the program's life.
    pub id: u64,
    /// Its place in the array, from 0 on.
    pub place: u32,
    /// How many workers it has.
    pub size: u32,
}

/// A job's number as Slurm's commands take it: `12`, or `12_3` for a task of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId {
    /// The job, or the array.
    pub job: u64,
    /// The task of an array.
    #[serde(default)]
    pub task: Option<u32>,
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.task {
            None => write!(f, "{}", self.job),
            Some(task) => write!(f, "{}_{task}", self.job),
        }
    }
}

/// A job as it was last seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// What it does.
    pub state: JobState,
    /// The partition that it is in, once that is known.
    pub partition: Option<String>,
    /// The node that it runs on.
    pub node: Option<String>,
    /// When its time is up, in seconds since 1970.
    pub ends: Option<i64>,
    /// When Slurm expects a job that waits to begin, in seconds since 1970.
    pub expected: Option<i64>,
    /// How often it lost its node or had to make room, and was put back into the queue.
    pub n_requeued: u32,
}

/// What a job does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It waits for its turn.
    Pending {
        /// Why, in Slurm's word and a clause.
        reason: String,
        /// What could be done.
        hint: Option<String>,
    },
    /// It was given its node, and its worker is not connected yet.
    Starting,
    /// It has its node, and is suspended there until Slurm resumes it.
    Suspended,
    /// Its worker is connected.
    Running,
}

impl Job {
    /// The word for its state.
    pub fn word(&self) -> &'static str {
        match self.state {
            JobState::Pending { .. } => "pending",
            JobState::Starting => "starting",
            JobState::Suspended => "suspended",
            JobState::Running => "running",
        }
    }

    /// Where it is, in a line: `job 12 on n1, 42 min left`.
    pub fn line(&self, now: Moment) -> String {
        let id = self.id;
        match &self.state {
            JobState::Pending { reason, .. } => {
                let expected = self.begins_in(now).map_or_else(String::new, |time| format!(", {time}"));
                format!("job {id} is pending: {reason}{expected}")
            }
            JobState::Starting | JobState::Suspended | JobState::Running => {
                let node = self.node.as_ref().map_or_else(String::new, |node| format!(" on {node}"));
                let left = self.left(now).map_or_else(String::new, |left| format!(", {} left", span(left)));
                format!("job {id}{node}{left}")
            }
        }
    }

    /// Why its worker is not there, and what could be done; `None` where it is.
    pub fn why_waiting(&self) -> Option<String> {
        match &self.state {
            JobState::Pending { reason, hint: Some(hint) } => Some(format!("{reason}: {hint}")),
            JobState::Pending { reason, hint: None } => Some(reason.clone()),
            JobState::Suspended => Some("is suspended until Slurm resumes it".to_owned()),
            JobState::Starting => Some("has begun, and its worker is not there yet".to_owned()),
            JobState::Running => None,
        }
    }

    /// When it is expected to begin, in a clause; `None` where Slurm expects nothing.
    pub fn begins_in(&self, now: Moment) -> Option<String> {
        let wait = u64::try_from(self.expected?.saturating_sub(now.unix)).ok().filter(|seconds| *seconds > 0)?;
        Some(format!("expected to begin in {}", span(std::time::Duration::from_secs(wait))))
    }

    /// How long it may still run.
    pub fn left(&self, now: Moment) -> Option<std::time::Duration> {
        let left = self.ends?.saturating_sub(now.unix);
        Some(std::time::Duration::from_secs(u64::try_from(left).unwrap_or(0)))
    }
}

/// Why nothing is known of a session's energy that runs elsewhere.
pub(crate) const ELSEWHERE: &str = "it runs on a node of Slurm, whose sensors are not read";
