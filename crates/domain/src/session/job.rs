//! The job of a cluster that a session runs in.

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
}

/// A job as it was last seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its number.
    pub id: u64,
    /// What it does.
    pub state: JobState,
    /// The partition that it is in, once that is known.
    pub partition: Option<String>,
    /// The node that it runs on.
    pub node: Option<String>,
    /// When its time is up, in seconds since 1970.
    pub ends: Option<i64>,
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
    /// Its worker is connected.
    Running,
}

impl Job {
    /// The word for its state.
    pub fn word(&self) -> &'static str {
        match self.state {
            JobState::Pending { .. } => "pending",
            JobState::Starting => "starting",
            JobState::Running => "running",
        }
    }

    /// Where it is, in a line: `job 12 on n1, 42 min left`.
    pub fn line(&self, now: Moment) -> String {
        let id = self.id;
        match &self.state {
            JobState::Pending { reason, .. } => format!("job {id} is pending: {reason}"),
            JobState::Starting | JobState::Running => {
                let node = self.node.as_ref().map_or_else(String::new, |node| format!(" on {node}"));
                let left = self.left(now).map_or_else(String::new, |left| format!(", {} left", span(left)));
                format!("job {id}{node}{left}")
            }
        }
    }

    /// How long it may still run.
    pub fn left(&self, now: Moment) -> Option<std::time::Duration> {
        let left = self.ends?.saturating_sub(now.unix);
        Some(std::time::Duration::from_secs(u64::try_from(left).unwrap_or(0)))
    }
}

/// Why nothing is known of a session's energy that runs elsewhere.
pub(crate) const ELSEWHERE: &str = "it runs on a node of Slurm, whose sensors are not read";
