//! The settings of `[slurm]`.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How jobs are submitted to Slurm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slurm {
    /// The partition where none is named; `None` takes the cluster's default.
    pub partition: Option<String>,
    /// How long a job may run, as sbatch takes it; `None` takes the partition's default.
    pub time_limit: Option<String>,
    /// Cores of a job where a session's `threads` leaves it open; `None` takes [`Slurm::CPUS`], or what a node has.
    pub cpus: Option<u32>,
    /// GPUs of a job; `None` asks for one where the partition has some and this build can use them.
    pub gpus: Option<u32>,
    /// Jobs that a suite spreads its prompts over.
    pub suite_jobs: u32,
    /// How often a job may be put back into the queue after it has started; 0 has Slurm put none back.
    pub max_requeues: u32,
    /// How long a job may wait for its turn, before it is cancelled; `None` waits for as long as it takes.
    pub max_pending: Option<Duration>,
    /// How long a job waits for a taffrail that has gone before it exits.
    pub keep: Duration,
    /// Where jobs and this machine meet, on a file system that all nodes have; `None` takes `slurm` in the data folder.
    pub folder: Option<PathBuf>,
    /// The program on the nodes; `None` takes this very file.
    pub program: Option<PathBuf>,
    /// Further options of sbatch.
    pub options: Vec<String>,
}

impl Slurm {
    /// Cores of a job: a small model's speed hardly grows beyond, since the memory limits it.
    pub const CPUS: u32 = 8;
}

impl Default for Slurm {
    fn default() -> Self {
        Self {
            partition: None,
            time_limit: None,
            cpus: None,
            gpus: None,
            suite_jobs: 2,
            max_requeues: 5,
            max_pending: None,
            keep: Duration::from_mins(10),
            folder: None,
            program: None,
            options: Vec::new(),
        }
    }
}
