//! The Hub's models: what a search found, which quantizations a repository has, and which one to choose.
//!
//! Pure: names are parsed, sizes are compared. Absent: the network, and a file's exact memory needs, which only its
//! header can give.

use std::collections::BTreeMap;

pub use super::remote::{Failure, FailureKind, RemoteFile};
use crate::download::Order;
use crate::model::file_role::{self, FileRole};
use crate::units::{Bytes, tokens};

/// How a search goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Search {
    /// Nothing was asked yet.
    #[default]
    Idle,
    /// The hub was asked.
    Running,
    /// It answered.
    Done,
    /// It did not.
    Failed(Failure),
}

/// What results are sorted by, most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[expect(missing_docs, reason = "the columns' names")]
pub enum Sort {
    #[default]
    Downloads,
    Likes,
    Updated,
}

impl Sort {
    /// The next one.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Downloads => Self::Likes,
            Self::Likes => Self::Updated,
            Self::Updated => Self::Downloads,
        }
    }
}

/// A repository that a search found. Texts are the hub's, bounded and cleaned.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Repository {
    /// `owner/name`.
    pub id: String,
    /// Downloads of the last 30 days.
    pub downloads: Option<u64>,
    /// Likes.
    pub likes: Option<u64>,
    /// Last change, seconds since 1970.
    pub updated: Option<i64>,
    /// The declared licence.
    pub license: Option<String>,
    /// Whether its owner's terms must be accepted before anything can be fetched.
    pub gated: Option<bool>,
    /// Its models.
    pub files: Files,
}

/// What is known of a repository's files.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum Files {
    /// Nothing yet.
    #[default]
    Unasked,
    /// The hub was asked.
    Asked,
    /// The models, smallest first.
    Known(Vec<Quant>),
    /// The Hub did not report it.
    Failed(Failure),
}

/// One model of a repository: a quantisation, whatever its files.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Quant {
    /// What distinguishes it from the others: `Q4_K_M`, or the file's stem.
    pub label: String,
    /// Its files, in order of their parts.
    pub files: Vec<RemoteFile>,
    /// Parts in all; more than there are files where some are missing on the hub.
    pub n_parts: u32,
    /// What it is for: the model itself, or something that goes with one and is none.
    pub role: FileRole,
}

impl Quant {
    /// Whether it is a model that can be chosen: none of its parts is missing.
    pub fn is_choice(&self) -> bool {
        self.role == FileRole::Model && self.is_whole()
    }

    /// Whether it is a single file named as the first of several parts, with none of the others present. It may still
    /// be a whole model: only its header can tell.
    pub fn is_lone(&self) -> bool {
        let is_first = |file: &RemoteFile| {
            let name = file.path.rsplit('/').next().unwrap_or_default();
            gguf::split::parse(name).is_some_and(|(_, part)| part.number == 1)
        };
        self.n_parts > 1 && matches!(self.files.as_slice(), [file] if is_first(file))
    }

    /// Whether it can be fetched as it is.
    pub fn is_fetchable(&self) -> bool {
        self.is_whole() || self.is_lone()
    }

    /// All files together.
    pub fn size(&self) -> Bytes {
        self.files.iter().map(|file| file.size).sum()
    }

    /// Whether all its parts are on the hub.
    pub fn is_whole(&self) -> bool {
        self.files.len() == self.n_parts as usize
    }

    /// Memory needed with this context in tokens, estimated from the size of its files alone: the weights as they are,
    /// an attention cache as is usual for models with this many parameters, and a little for computing. The cache is
    /// fitted to the llama and qwen2 families (28 KiB per token at 1.5 B parameters to 320 KiB at 70 B, f16), and errs
    /// on the large side.
    pub fn needs(&self, context: u32) -> Bytes {
        let size = self.size().0;
        let parameters = size as f64 * 8.0 / bits(&self.label);
        let per_token = 48.0 * 1024.0 * (parameters / 1e9).powf(0.45);
        Bytes(size.saturating_add((per_token * f64::from(context)) as u64).saturating_add(COMPUTE))
    }
}

/// Memory for computing, on top of weights and cache, bytes.
const COMPUTE: u64 = 300_000_000;

/// A download that an earlier run of the program left unfinished.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Interrupted {
    /// What was to be fetched.
    pub order: Order,
    /// How much of it is there.
    pub done: Bytes,
}

/// News of the hub.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub enum HubEvent {
    /// A search's results, or why there are none.
    Found {
        /// Which search.
        generation: u64,
        /// What it found.
        results: Result<Vec<Repository>, Failure>,
    },
    /// The files of a repository, or why they are not known.
    Files {
        /// `owner/name`.
        repository: String,
        /// All its files.
        files: Result<Vec<RemoteFile>, Failure>,
    },
    /// Downloads that earlier runs left unfinished, or did not begin.
    Interrupted(Vec<Interrupted>),
}

/// The quantisations among a repository's files, smallest first, what is no model last: parts of a split model are one.
pub fn quants(files: &[RemoteFile]) -> Vec<Quant> {
    let mut groups = BTreeMap::<(&str, &str), (u32, Vec<(u32, &RemoteFile)>)>::new();
    for file in files {
        let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
        let Some(stem) = strip_gguf(name) else { continue };
        let (stem, number, count) =
            gguf::split::parse(name).map_or((stem, 1, 1), |(stem, part)| (stem, part.number, part.count));
        let (n_parts, group) = groups.entry((folder, stem)).or_default();
        *n_parts = (*n_parts).max(count);
        group.push((number, file));
    }
    let mut groups: Vec<Group<'_>> = groups.into_iter().map(|(place, parts)| Group::new(place, parts)).collect();
    let unmarked = groups.iter().filter(|group| group.mark.is_none());
    let largest = unmarked.map(Group::parameters).fold(0.0, f64::max);
    for group in &mut groups {
        group.role = group.mark.map_or(FileRole::Model, |mark| mark.role(group.parameters(), largest));
    }
    // A label that two have in common doesn't distinguish them.
    let mut counts: BTreeMap<(FileRole, String), usize> = BTreeMap::new();
    for group in &groups {
        *counts.entry((group.role, group.short())).or_default() += 1;
    }
    let is_only = |group: &Group<'_>| counts.get(&(group.role, group.short())) == Some(&1);
    let mut quants: Vec<_> = groups
        .iter()
        .map(|group| {
            let label = match (is_only(group), group.folder) {
                (true, _) => group.short(),
                (false, "") => group.stem.to_owned(),
                (false, folder) => format!("{folder}/{}", group.stem),
            };
            Quant { label, files: group.files.clone(), n_parts: group.n_parts, role: group.role }
        })
        .collect();
    quants.sort_by(|one, other| (one.role, one.size(), &one.label).cmp(&(other.role, other.size(), &other.label)));
    quants
}

/// The parts of one file.
struct Group<'a> {
    folder: &'a str,
    stem: &'a str,
    n_parts: u32,
    files: Vec<RemoteFile>,
    mark: Option<file_role::Mark>,
    role: FileRole,
}

impl<'a> Group<'a> {
    fn new((folder, stem): (&'a str, &'a str), (n_parts, mut parts): (u32, Vec<(u32, &RemoteFile)>)) -> Self {
        parts.sort_by_key(|(number, _)| *number);
        parts.dedup_by_key(|(number, _)| *number);
        let files = parts.into_iter().map(|(_, file)| file.clone()).collect();
        let quant = quant_in(stem);
        Self { folder, stem, n_parts, files, mark: file_role::mark(folder, stem, quant), role: FileRole::Model }
    }

    /// Its parameters, about.
    fn parameters(&self) -> f64 {
        let size: Bytes = self.files.iter().map(|file| file.size).sum();
        size.0 as f64 * 8.0 / bits(&label(self.stem))
    }

    /// What it is called where no other is called so.
    fn short(&self) -> String {
        match self.role {
            FileRole::Model => label(self.stem),
            FileRole::Projector => format!("mmproj-{}", label(self.stem).trim_start_matches("mmproj-")),
            _ => self.stem.to_owned(),
        }
    }
}

fn strip_gguf(name: &str) -> Option<&str> {
    let (stem, suffix) = name.rsplit_once('.')?;
    (suffix.eq_ignore_ascii_case("gguf") && !stem.is_empty()).then_some(stem)
}

/// A label that distinguishes a file from the others: the quantization in its stem, as commonly written, else the stem itself.
fn label(stem: &str) -> String {
    let Some(place) = quant_in(stem) else { return stem.to_owned() };
    let upper = stem.to_ascii_uppercase();
    let is_dynamic = upper.get(..place.start).is_some_and(|before| before.ends_with("UD-"));
    let quant = upper.get(place).unwrap_or_default();
    if is_dynamic { format!("UD-{quant}") } else { quant.to_owned() }
}

/// Position of the quantization in a stem: the last one if there are several.
fn quant_in(stem: &str) -> Option<std::ops::Range<usize>> {
    let upper = stem.to_ascii_uppercase();
    let starts = upper
        .char_indices()
        .filter(|(at, _)| *at == 0 || upper.get(..*at).is_some_and(|before| before.ends_with(['-', '.', '_', ' '])));
    starts.rev().find_map(|(at, _)| Some(at..at + quant_at(upper.get(at..)?)?.len()))
}

/// The quantization at the start of a text, up to the next `-`, `.` or blank.
fn quant_at(text: &str) -> Option<&str> {
    let word = text.split(['-', '.', ' ']).next()?;
    let digits = ["IQ", "TQ", "Q"].iter().find_map(|prefix| word.strip_prefix(prefix));
    let is_quant = digits.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        || ["F16", "F32", "BF16", "FP16", "FP32", "MXFP4", "NVFP4", "MXFP4_MOE"].contains(&word);
    is_quant.then_some(word)
}

/// Bits per weight of a quantisation by its name, about.
fn bits(label: &str) -> f64 {
    const BITS: &[(&str, f64)] = &[
        ("F32", 32.0),
        ("FP32", 32.0),
        ("BF16", 16.0),
        ("F16", 16.0),
        ("FP16", 16.0),
        ("IQ1", 1.8),
        ("IQ2", 2.5),
        ("IQ3", 3.5),
        ("IQ4", 4.4),
        ("TQ1", 1.7),
        ("TQ2", 2.1),
        ("MXFP4", 4.3),
        ("NVFP4", 4.5),
        ("Q1", 1.2),
        ("Q2", 3.0),
        ("Q3", 3.9),
        ("Q4", 4.8),
        ("Q5", 5.7),
        ("Q6", 6.6),
        ("Q8", 8.5),
    ];
    let name = label.strip_prefix("UD-").unwrap_or(label);
    BITS.iter().find(|(prefix, _)| name.starts_with(prefix)).map_or(5.0, |(_, bits)| *bits)
}

/// Whether a quantisation keeps more than a quantised model needs: twice the memory for no gain worth measuring.
fn is_full(label: &str) -> bool {
    bits(label) > 10.0
}

/// Which quantisation to take, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Its place in the list.
    pub index: usize,
    /// Why, in one clause.
    pub reason: String,
    /// Whether it is expected to fit; `None` where the memory is not known.
    pub fits: Option<bool>,
}

/// The best of a repository's quantizations for this much free memory: the largest that fits with this context. Full
/// floats, and a single file named as a part, are chosen only if nothing else is available. `None` if there is no
/// model.
pub fn pick(quants: &[Quant], free: Option<Bytes>, context: u32) -> Option<Choice> {
    let has_whole = quants.iter().any(Quant::is_choice);
    let is_offered =
        |quant: &Quant| quant.is_choice() || !has_whole && quant.role == FileRole::Model && quant.is_lone();
    let choices = || quants.iter().enumerate().filter(|(_, quant)| is_offered(quant));
    let has_quantised = choices().any(|(_, quant)| !is_full(&quant.label));
    let offered: Vec<_> = choices().filter(|(_, quant)| !(has_quantised && is_full(&quant.label))).collect();
    let (smallest, _) = *offered.iter().min_by_key(|(_, quant)| quant.size())?;
    let only = if offered.len() == 1 { Some(smallest) } else { None };
    let the_only = match offered.as_slice() {
        [(_, quant)] if quant.is_lone() => "the only one, called a part though no other is there",
        _ => "the only one",
    };
    let Some(free) = free else {
        let usual = offered.iter().find(|(_, quant)| quant.label.eq_ignore_ascii_case("Q4_K_M"));
        return Some(match (only, usual) {
            (Some(index), _) => Choice { index, reason: the_only.to_owned(), fits: None },
            (_, Some((index, _))) => Choice {
                index: *index,
                reason: "the usual compromise; free memory is not known".to_owned(),
                fits: None,
            },
            _ => Choice { index: smallest, reason: "the smallest; free memory is not known".to_owned(), fits: None },
        });
    };
    let room = format!("{free} free with {} context", tokens(u64::from(context)));
    let fitting =
        offered.iter().filter(|(_, quant)| quant.needs(context) <= free).max_by_key(|(_, quant)| quant.size());
    Some(match (fitting, only) {
        (Some((index, _)), Some(_)) => {
            Choice { index: *index, reason: format!("{the_only}; it fits {room}, estimated"), fits: Some(true) }
        }
        (Some((index, _)), None) => {
            Choice { index: *index, reason: format!("largest that fits {room}, estimated"), fits: Some(true) }
        }
        (None, Some(index)) => {
            Choice { index, reason: format!("{the_only}; it does not fit {room}, estimated"), fits: Some(false) }
        }
        (None, None) => {
            Choice { index: smallest, reason: format!("the smallest; none fits {room}, estimated"), fits: Some(false) }
        }
    })
}

/// The quantisation that a person names: its label, a file's path or name, or a part of one label only. What is no model
/// is meant only where its own name is given whole.
pub fn named(quants: &[Quant], name: &str) -> Option<usize> {
    let all = || (0..quants.len()).filter(|index| quants[*index].is_fetchable());
    let models = || all().filter(|index| quants[*index].role == FileRole::Model);
    let is_file = |file: &RemoteFile| file.path == name || file.path.rsplit('/').next() == Some(name);
    let is_called = |index: &usize, name: &str| quants[*index].label.eq_ignore_ascii_case(name);
    let exact = all().find(|index| quants[*index].files.iter().any(is_file));
    let by_label = || models().find(|index| is_called(index, name));
    let dynamic = || models().find(|index| is_called(index, &format!("UD-{name}")));
    let other = || all().find(|index| is_called(index, name));
    let by_part = || {
        let wanted = name.to_ascii_uppercase();
        let mut found = models().filter(|index| quants[*index].label.to_ascii_uppercase().contains(&wanted));
        found.next().filter(|_| found.next().is_none() && !name.is_empty())
    };
    exact.or_else(by_label).or_else(dynamic).or_else(other).or_else(by_part)
}

#[cfg(test)]
#[path = "hub_tests.rs"]
mod tests;
