//! Housekeeping as data: what is asked for, what would be done, and what the disks hold.
//!
//! Owned here: plans, the sums over them, and the usage of the disks. Absent: how a plan comes to be and how it is
//! carried out, which `library::house` does.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::model::{Model, Store};
use crate::units::Bytes;

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
    /// A revision that no ref names, beside one that a ref does.
    Detached,
    /// A link or a ref to nothing.
    Dangling,
    /// A file whose content lies elsewhere too.
    Duplicate,
    /// A file that looks like another, which only comparing them tells for certain.
    Alike,
    /// A model that was not used for long.
    Unused,
    /// What was deleted before.
    Trash,
}

impl Kind {
    /// What `prune` takes unless told otherwise.
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
            Self::Alike => "likely duplicates",
            Self::Unused => "unused models",
            Self::Trash => "trash",
        }
    }

    /// So many of them: `1 old revision`, `3 duplicates`.
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
            Self::Partial => "broken off more than a day ago",
            Self::Detached => "no branch or tag names them",
            Self::Dangling => "they hide a repository from other tools",
            Self::Duplicate => "their content lies elsewhere too",
            Self::Alike => "alike at both ends, compared first",
            Self::Unused => "nothing has read them for long",
            Self::Trash => "undo brings it back until emptied",
        }
    }
}

/// What is done to one path.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Act {
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
    pub act: Act,
    /// To what.
    pub path: PathBuf,
    /// Space that is free afterwards (once the trash is emptied); hard links count with the last of them.
    pub frees: Bytes,
}

impl Step {
    /// A step whose space is not known yet.
    pub fn new(act: Act, path: PathBuf) -> Self {
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
pub struct Refusal {
    /// What.
    pub what: String,
    /// Why, in one clause.
    pub reason: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What would be done.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Plan {
    /// What is done, in order.
    pub items: Vec<Item>,
    /// What is left alone though it was asked for.
    pub refusals: Vec<Refusal>,
    /// What was met and stands in nobody's way.
    pub remarks: Vec<String>,
}

impl Plan {
    /// Leave something out, and say why in a clause.
    pub fn refuse(&mut self, what: &str, reason: &str, hint: Option<String>) {
        self.refusals.push(Refusal { what: what.to_owned(), reason: reason.to_owned(), hint });
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
            let asks = item.steps.iter().any(|step| matches!(step.act, Act::Ask { .. }));
            let keeps = item.steps.iter().any(|step| step.act == Act::Keep);
            item.kind != Kind::Trash && (!asks || keeps)
        })
    }

    /// Whether it puts anything into the trash.
    pub fn fills_trash(&self) -> bool {
        self.steps().any(|(_, step)| matches!(step.act, Act::Move | Act::Keep))
    }
}

/// A file on disk and whom it counts for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Device and inode: two names of one file count once, for the first.
    pub identity: (u64, u64),
    /// Space that it takes.
    pub allocated: Bytes,
    /// In which store.
    pub store: Store,
    /// The model that it is of, by its id.
    pub id: String,
    /// What a person calls that model.
    pub name: String,
    /// Its family.
    pub family: String,
}

/// A share of the disks.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Share {
    /// Of what.
    pub name: String,
    /// How much.
    pub bytes: Bytes,
    /// Of how many models.
    pub n_models: usize,
}

/// What the models take of the disks; shares largest first.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Usage {
    /// All together, each file once.
    pub total: Bytes,
    /// By store.
    pub stores: Vec<Share>,
    /// By family.
    pub families: Vec<Share>,
    /// By model.
    pub models: Vec<ModelShare>,
}

/// A model's share.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ModelShare {
    /// How much, and what a person calls it.
    pub share: Share,
    /// Its id.
    pub id: String,
    /// Its family.
    pub family: String,
}

impl Usage {
    /// Sum up the pieces, each file once.
    pub fn new(pieces: &[Piece]) -> Self {
        let mut seen = std::collections::HashSet::new();
        let mut stores = BTreeMap::<&str, (Bytes, std::collections::BTreeSet<&str>)>::new();
        let mut families = stores.clone();
        let mut models = BTreeMap::<&str, (Bytes, &Piece)>::new();
        let mut total = Bytes(0);
        for piece in pieces {
            let bytes = if seen.insert(piece.identity) { piece.allocated } else { Bytes(0) };
            total = total + bytes;
            for (sums, name) in [(&mut stores, piece.store.name()), (&mut families, piece.family.as_str())] {
                let (sum, ids) = sums.entry(name).or_default();
                *sum = *sum + bytes;
                ids.insert(&piece.id);
            }
            let (sum, _) = models.entry(&piece.id).or_insert((Bytes(0), piece));
            *sum = *sum + bytes;
        }
        let shares = |sums: BTreeMap<&str, (Bytes, std::collections::BTreeSet<&str>)>| {
            let mut shares: Vec<_> = sums
                .into_iter()
                .map(|(name, (bytes, names))| Share { name: name.to_owned(), bytes, n_models: names.len() })
                .collect();
            shares.sort_by_key(|share| std::cmp::Reverse(share.bytes));
            shares
        };
        let mut models: Vec<_> = models
            .into_iter()
            .map(|(id, (bytes, piece))| ModelShare {
                share: Share { name: piece.name.clone(), bytes, n_models: 1 },
                id: id.to_owned(),
                family: piece.family.clone(),
            })
            .collect();
        models.sort_by_key(|model| std::cmp::Reverse(model.share.bytes));
        Self { total, stores: shares(stores), families: shares(families), models }
    }
}

/// The family that a model counts for: what its name begins with, as people say it; else its architecture.
pub fn family(model: &Model) -> String {
    let name = model.name.rsplit('/').next().unwrap_or(&model.name).trim_start_matches("mmproj-");
    let word: String = name.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '.').collect();
    let letters: String = word.chars().take_while(char::is_ascii_alphabetic).collect();
    match (letters.len(), model.summary.as_ref().and_then(|summary| summary.architecture.clone())) {
        (2.., _) => letters.to_lowercase(),
        (_, Some(architecture)) => architecture,
        (_, None) => "other".to_owned(),
    }
}

/// One kind of what could be tidied up.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Tidy {
    /// What.
    pub kind: Kind,
    /// How many.
    pub count: usize,
    /// Space that is free afterwards.
    pub frees: Bytes,
    /// What does it.
    pub request: Request,
}

/// What lies on the disks, and what could be tidied up.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Survey {
    /// What the models take.
    pub usage: Usage,
    /// What could be tidied up; kinds without anything are left out.
    pub tidy: Vec<Tidy>,
    /// What was done last and can be taken back.
    pub undo: Option<String>,
    /// What could not be looked at.
    pub problems: Vec<String>,
}

/// What the disk use is drawn and listed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Grouping {
    #[default]
    Model,
    Family,
    Store,
}

impl Grouping {
    /// The next one.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Model => Self::Family,
            Self::Family => Self::Store,
            Self::Store => Self::Model,
        }
    }
}

/// Housekeeping as the dashboard knows it.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct Keeping {
    /// What the last survey found.
    pub survey: Option<Survey>,
    /// A survey runs.
    pub surveying: bool,
    /// What is being done.
    pub work: Option<Work>,
}

/// Something that is being done.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Work {
    /// What a person calls it.
    pub title: String,
    /// Steps done.
    pub done: usize,
    /// Steps in all; 0 while that is not known.
    pub count: usize,
}

impl Keeping {
    /// What could be tidied up.
    pub fn tidy(&self) -> &[Tidy] {
        self.survey.as_ref().map(|survey| &survey.tidy[..]).unwrap_or_default()
    }

    /// The shares of the grouping, largest first.
    pub fn shares(&self, grouping: Grouping) -> Vec<&Share> {
        let Some(Survey { usage, .. }) = &self.survey else { return Vec::new() };
        match grouping {
            Grouping::Model => usage.models.iter().map(|model| &model.share).collect(),
            Grouping::Family => usage.families.iter().collect(),
            Grouping::Store => usage.stores.iter().collect(),
        }
    }

    /// All rows.
    pub fn n_rows(&self, grouping: Grouping) -> usize {
        self.tidy().len() + self.shares(grouping).len()
    }
}

/// What the dashboard has done for it.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Chore {
    /// Look what lies on the disks.
    Survey,
    /// Make a plan.
    Plan(Request),
    /// Carry out a plan that was shown.
    Perform {
        /// What was wished for.
        request: Request,
        /// The plan.
        plan: Plan,
    },
    /// Take back what was done last.
    Undo,
}

/// What comes of it.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub enum News {
    /// What lies on the disks.
    Surveyed(Survey),
    /// What would be done.
    Planned {
        /// What was wished for.
        request: Request,
        /// The plan.
        plan: Plan,
    },
    /// So many steps are done, of so many.
    Progress(usize, usize),
    /// It has ended: one sentence.
    Ended {
        /// The sentence.
        text: String,
        /// Whether something went wrong.
        is_error: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(inode: u64, bytes: u64, store: Store, family: &str, model: &str) -> Piece {
        let (family, name) = (family.to_owned(), model.to_owned());
        Piece { identity: (1, inode), allocated: Bytes(bytes), store, id: format!("x:{name}"), name, family }
    }

    #[test]
    fn a_file_counts_once_and_the_largest_share_comes_first() {
        let usage = Usage::new(&[
            piece(1, 10, Store::HuggingFace, "qwen", "qwen-a"),
            piece(2, 50, Store::Ollama, "llama", "llama-b"),
            piece(1, 10, Store::LmStudio, "qwen", "qwen-a"),
            piece(3, 5, Store::LmStudio, "qwen", "qwen-c"),
        ]);
        let shares = |shares: &[Share]| {
            let all: Vec<_> = shares.iter().map(|s| format!("{} {} {}", s.name, s.bytes.0, s.n_models)).collect();
            all.join(", ")
        };
        assert_eq!(usage.total, Bytes(65));
        assert_eq!(shares(&usage.stores), "ollama 50 1, hf 10 1, lmstudio 5 2");
        assert_eq!(shares(&usage.families), "llama 50 1, qwen 15 2");
        let models: Vec<_> = usage.models.iter().map(|model| model.share.clone()).collect();
        assert_eq!(shares(&models), "llama-b 50 1, qwen-a 10 1, qwen-c 5 1");
    }
}
