//! What is asked of the storage.

use std::sync::Arc;

use crate::model::Model;

/// What is wished for.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Request {
    /// Delete models, in all their places.
    Remove {
        /// Which.
        models: Vec<Arc<Model>>,
    },
    /// Delete what nothing uses.
    Prune {
        /// What kinds of it.
        kinds: Vec<Kind>,
        /// Models that were not used for long, which are deleted with it.
        unused: Vec<Arc<Model>>,
    },
    /// Let files of the same content share their space.
    Dedupe {
        /// Among these models' files.
        models: Vec<Arc<Model>>,
        /// Read files whose stores don't tell their hash, where another has the same size.
        read: bool,
        /// Hard links in the user's own folders too.
        link_folders: bool,
    },
    /// Empty the trash.
    Empty {
        /// Only of what went there before this, seconds since 1970.
        before: Option<i64>,
    },
}

impl Request {
    /// The subcommand that does it.
    pub fn command(&self) -> &'static str {
        match self {
            Self::Remove { .. } => "rm",
            Self::Prune { .. } | Self::Empty { .. } => "prune",
            Self::Dedupe { .. } => "dedupe",
        }
    }

    /// What the journal and a notice call it.
    pub fn title(&self) -> String {
        match self {
            Self::Remove { models } => match &models[..] {
                [model] => format!("rm {}", model.name),
                _ => format!("rm of {} models", models.len()),
            },
            Self::Prune { kinds, .. } => match &kinds[..] {
                [kind] => format!("prune of {}", kind.name()),
                _ => "prune".to_owned(),
            },
            Self::Dedupe { .. } => "dedupe".to_owned(),
            Self::Empty { .. } => "emptying of the trash".to_owned(),
        }
    }
}

/// What could be tidied up, by why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Kind {
    /// A model that the user named.
    Model,
    /// Content that nothing refers to.
    Orphan,
    /// A download that was broken off.
    Partial,
    /// A revision without a ref, when another one has a ref.
    Detached,
    /// A link or a ref to nothing.
    Dangling,
    /// A file whose content lies elsewhere too.
    Duplicate,
    /// A file that looks like another; only a comparison can confirm it.
    LikelyDuplicate,
    /// A model that was not used for long.
    Unused,
    /// What was deleted before.
    Trash,
}

impl Kind {
    /// What `prune` selects by default.
    pub const PRUNED: [Self; 4] = [Self::Orphan, Self::Partial, Self::Detached, Self::Dangling];

    /// In the plural, as a person calls them.
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "models",
            Self::Orphan => "orphan files",
            Self::Partial => "partial downloads",
            Self::Detached => "old revisions",
            Self::Dangling => "dangling links",
            Self::Duplicate => "duplicates",
            Self::LikelyDuplicate => "likely duplicates",
            Self::Unused => "unused models",
            Self::Trash => "trash",
        }
    }

    /// With its count: `1 old revision`, `3 duplicates`.
    pub fn counted(self, count: usize) -> String {
        match (self, count) {
            (Self::Trash, _) => format!("{count} in the trash"),
            (_, 1) => format!("1 {}", self.name().trim_end_matches('s')),
            _ => format!("{count} {}", self.name()),
        }
    }

    /// Why they could go, in one clause.
    pub fn help(self) -> &'static str {
        match self {
            Self::Model => "they were named",
            Self::Orphan => "no model of their store refers to them",
            Self::Partial => "interrupted more than a day ago",
            Self::Detached => "no branch or tag refers to them",
            Self::Dangling => "they hide a repository from other tools",
            Self::Duplicate => "another file has the same content",
            Self::LikelyDuplicate => "same at both ends; compared in full first",
            Self::Unused => "not read for a long time",
            Self::Trash => "undo brings it back until emptied",
        }
    }
}
