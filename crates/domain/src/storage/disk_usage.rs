//! What lies on the disks, and what could be cleaned up.

use std::collections::BTreeMap;

use super::request::{Kind, Request};
use crate::model::{Model, Store};
use crate::units::Bytes;

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

/// The family that a model is counted in: the common prefix of its name, else its architecture.
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
pub struct CleanupCandidate {
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
pub struct DiskUsageReport {
    /// What the models take.
    pub usage: Usage,
    /// What could be tidied up; kinds without anything are left out.
    pub reclaimable: Vec<CleanupCandidate>,
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
