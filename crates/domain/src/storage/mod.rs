//! Housekeeping as data: what is asked for, what would be done, and what the disks hold.
//!
//! Owned here: plans, the sums over them, and the usage of the disks. Absent: how a plan comes to be and how it is
//! carried out, which `library::cleanup` does.

mod disk_usage;
mod request;

pub use disk_usage::{CleanupCandidate, DiskUsageReport, Grouping, ModelShare, Piece, Share, Usage, family};
pub use request::{Kind, Request};

use std::path::PathBuf;

use crate::ids::StorageJobId;
use crate::model::Store;
use crate::units::Bytes;

/// What is done to one path.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Operation {
    /// Move it to the trash.
    Move,
    /// Keep another name of it in the trash, before its owner deletes it.
    Keep,
    /// Ask its owner, a server on this machine, to delete the model: `path` is the manifest that goes.
    Ask {
        /// Its address.
        host: String,
        /// The model's name there.
        model: String,
    },
    /// Let it share the content of another file.
    Share {
        /// The other file.
        source: PathBuf,
        /// How.
        how: Sharing,
    },
    /// Delete what lies in the trash under this id.
    Empty {
        /// The journal's id.
        id: String,
    },
}

/// How two files share their content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sharing {
    /// Two files whose blocks are the same until one is written to.
    Reflink,
    /// One file with two names.
    HardLink,
}

/// One step of a plan. Steps are done in order: references first, content last.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Step {
    /// What to do.
    pub act: Operation,
    /// To what.
    pub path: PathBuf,
    /// Space that is free afterwards (once the trash is emptied); hard links count with the last of them.
    pub frees: Bytes,
}

impl Step {
    /// A step whose space is not known yet.
    pub fn new(act: Operation, path: PathBuf) -> Self {
        Self { act, path, frees: Bytes(0) }
    }
}

/// What belongs together in a plan: one model in one place, one old revision, one partial download.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Item {
    /// What a person calls it.
    pub what: String,
    /// Why it is in the plan.
    pub kind: Kind,
    /// In which store.
    pub store: Store,
    /// Where the store is; the trash lies beside.
    pub root: PathBuf,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// What else the user should know.
    pub note: Option<String>,
}

impl Item {
    /// Space that is free afterwards.
    pub fn frees(&self) -> Bytes {
        self.steps.iter().map(|step| step.frees).sum()
    }

    /// Where it lies, in a word: its store, or the trash.
    pub fn place(&self) -> &'static str {
        if self.kind == Kind::Trash { "trash" } else { self.store.name() }
    }
}

/// Why something is left alone.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Skipped {
    /// What.
    pub what: String,
    /// Why, in one clause.
    pub reason: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What would be done.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct CleanupPlan {
    /// What is done, in order.
    pub items: Vec<Item>,
    /// What is left alone though it was asked for.
    pub refusals: Vec<Skipped>,
    /// What was met and stands in nobody's way.
    pub remarks: Vec<String>,
}

impl CleanupPlan {
    /// Leave something out, and say why in a clause.
    pub fn refuse(&mut self, what: &str, reason: &str, hint: Option<String>) {
        self.refusals.push(Skipped { what: what.to_owned(), reason: reason.to_owned(), hint });
    }

    /// Space that is free afterwards.
    pub fn frees(&self) -> Bytes {
        self.items.iter().map(Item::frees).sum()
    }

    /// All steps in order, with the store's place.
    pub fn steps(&self) -> impl Iterator<Item = (&Item, &Step)> {
        self.items.iter().flat_map(|item| item.steps.iter().map(move |step| (item, step)))
    }

    /// Whether all of it can be taken back.
    pub fn can_undo(&self) -> bool {
        self.items.iter().all(|item| {
            let asks = item.steps.iter().any(|step| matches!(step.act, Operation::Ask { .. }));
            let keeps = item.steps.iter().any(|step| step.act == Operation::Keep);
            item.kind != Kind::Trash && (!asks || keeps)
        })
    }

    /// Whether it puts anything into the trash.
    pub fn fills_trash(&self) -> bool {
        self.steps().any(|(_, step)| matches!(step.act, Operation::Move | Operation::Keep))
    }
}

/// Housekeeping as the dashboard knows it.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct CleanupState {
    /// What the last disk usage report found.
    pub disk_usage: Option<DiskUsageReport>,
    /// A disk usage report is being made.
    pub surveying: bool,
    /// What is being done.
    pub work: Option<CleanupProgress>,
}

/// Something that is being done.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CleanupProgress {
    /// What a person calls it.
    pub title: String,
    /// Steps done.
    pub done: usize,
    /// Steps in all; 0 while that is not known.
    pub count: usize,
}

impl CleanupState {
    /// What could be tidied up.
    pub fn reclaimable(&self) -> &[CleanupCandidate] {
        self.disk_usage.as_ref().map(|disk_usage| &disk_usage.reclaimable[..]).unwrap_or_default()
    }

    /// The shares of the grouping, largest first.
    pub fn shares(&self, grouping: Grouping) -> Vec<&Share> {
        let Some(DiskUsageReport { usage, .. }) = &self.disk_usage else { return Vec::new() };
        match grouping {
            Grouping::Model => usage.models.iter().map(|model| &model.share).collect(),
            Grouping::Family => usage.families.iter().collect(),
            Grouping::Store => usage.stores.iter().collect(),
        }
    }

    /// All rows.
    pub fn n_rows(&self, grouping: Grouping) -> usize {
        self.reclaimable().len() + self.shares(grouping).len()
    }
}

/// Work for the driver.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum CleanupJob {
    /// Measure the disk usage.
    DiskUsageReport,
    /// Make a plan.
    Plan {
        /// Which job.
        job: StorageJobId,
        /// What to plan.
        request: Request,
    },
    /// Carry out a plan that was shown.
    Perform {
        /// Which job.
        job: StorageJobId,
        /// What was planned.
        request: Request,
        /// The plan.
        plan: CleanupPlan,
    },
    /// Undo the last change.
    Undo {
        /// Which job.
        job: StorageJobId,
    },
}

/// What the driver reports.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub enum StorageEvent {
    /// The disk usage.
    Surveyed(DiskUsageReport),
    /// A plan was made.
    Planned {
        /// Which job.
        job: StorageJobId,
        /// What was planned.
        request: Request,
        /// The plan.
        plan: CleanupPlan,
    },
    /// Steps done, and total steps.
    Progress(usize, usize),
    /// A change or an undo has ended.
    Ended {
        /// Which job.
        job: StorageJobId,
        /// The sentence.
        text: String,
        /// Whether something went wrong.
        is_error: bool,
    },
}
