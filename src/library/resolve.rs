//! Finds the model that a person means: MODEL of the command line.
//!
//! In this order: an id; a path; then, within one store where `store:` stands before it, a name, an `owner/repo`, or a
//! unique part of either, each with `:quant` behind it or not. What is said exactly wins over what is said in part.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::env::Env;
use super::walk::is_gguf;
use super::{at_path, list};
use crate::core::model::{Model, Status, Store};
use crate::core::settings;

/// Candidates or near names that a message lists.
const MAX_LISTED: usize = 10;
/// Near names that are offered.
const MAX_NEAR: usize = 3;
/// The longest argument that a message repeats, characters.
const ARGUMENT_CHARS: usize = 120;

/// Why no model was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unresolved {
    /// Several fit.
    Ambiguous {
        /// What was asked for.
        argument: String,
        /// The ids of those that fit, sorted.
        candidates: Vec<String>,
    },
    /// None fits.
    Unknown {
        /// What was asked for.
        argument: String,
        /// The names that come closest, closest first.
        near: Vec<String>,
    },
    /// A path to nothing.
    NoFile {
        /// What was asked for.
        argument: String,
    },
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ambiguous { argument, candidates } => {
                write!(f, "{} models fit `{argument}`:", candidates.len())?;
                for candidate in candidates.iter().take(MAX_LISTED) {
                    write!(f, "\n  {candidate}")?;
                }
                match candidates.len().saturating_sub(MAX_LISTED) {
                    0 => Ok(()),
                    more => write!(f, "\n  and {more} more"),
                }
            }
            Self::Unknown { argument, .. } => write!(f, "no model fits `{argument}`"),
            Self::NoFile { argument } => write!(f, "no such file: {argument}"),
        }
    }
}

impl std::error::Error for Unresolved {}

impl Unresolved {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Ambiguous { .. } => {
                Some("give one of these in full, or add the quantisation: `name:Q4_K_M`".to_owned())
            }
            Self::Unknown { near, .. } if near.is_empty() => Some("`taffrail ls` lists all models".to_owned()),
            Self::Unknown { near, .. } => {
                let near: Vec<_> = near.iter().map(|name| format!("`{name}`")).collect();
                Some(format!("did you mean {}?", near.join(" or ")))
            }
            Self::NoFile { .. } => None,
        }
    }
}

/// The model that `argument` means. A path is looked at by itself; everything else needs a look through the stores.
pub fn find(argument: &str, settings: &settings::Library, env: &Env) -> Result<Arc<Model>, Unresolved> {
    match path_argument(argument, env) {
        Some(found) => found,
        None => resolve(&list(settings, env).models, argument),
    }
}

/// The model at the path that `argument` is; `None` where it is no path.
fn path_argument(argument: &str, env: &Env) -> Option<Result<Arc<Model>, Unresolved>> {
    let path = env.expand(Path::new(argument));
    let is_plainly_a_path = path.is_absolute() || argument.starts_with("./") || argument.starts_with("../");
    let is_path = is_plainly_a_path || (is_gguf(OsStr::new(argument)) && path.is_file());
    if !is_path {
        return None;
    }
    Some(at_path(&path, env).map(Arc::new).ok_or_else(|| Unresolved::NoFile { argument: shown(argument) }))
}

/// The model among `models` that `argument` means, where it is no path.
pub fn resolve(models: &[Arc<Model>], argument: &str) -> Result<Arc<Model>, Unresolved> {
    let argument = argument.trim();
    if let Some(model) = models.iter().find(|model| model.id == argument) {
        return Ok(Arc::clone(model));
    }
    let (store, rest) = split_store(argument);
    let in_store: Vec<_> = models.iter().filter(|model| store.is_none_or(|store| model.store == store)).collect();
    let wanted = rest.to_lowercase();
    let mut fitting = fitting(&in_store, &wanted);
    if fitting.is_empty()
        && let Some((text, quant)) = wanted.rsplit_once(':')
    {
        let has_quant = |model: &&&Arc<Model>| model.quant().is_some_and(|found| found.eq_ignore_ascii_case(quant));
        let of_quant: Vec<_> = in_store.iter().filter(has_quant).copied().collect();
        fitting = self::fitting(&of_quant, text);
    }
    match &fitting[..] {
        [] => Err(Unresolved::Unknown { argument: shown(argument), near: near(models, &wanted) }),
        [model] => Ok(Arc::clone(model)),
        _ => {
            let mut candidates: Vec<_> = fitting.iter().map(|model| model.id.clone()).collect();
            candidates.sort_unstable();
            Err(Unresolved::Ambiguous { argument: shown(argument), candidates })
        }
    }
}

/// The models that `wanted`, in lower case, names: exactly, else in part.
fn fitting<'a>(models: &[&'a Arc<Model>], wanted: &str) -> Vec<&'a Arc<Model>> {
    if wanted.is_empty() {
        return Vec::new();
    }
    let repository = |model: &Model| model.repository.as_deref().unwrap_or_default().to_lowercase();
    let ways: [&dyn Fn(&Model) -> bool; 3] =
        [&|model| model.name.to_lowercase() == wanted, &|model| repository(model) == wanted, &|model| {
            model.name.to_lowercase().contains(wanted) || model.id.to_lowercase().contains(wanted)
        }];
    for way in ways {
        let fitting: Vec<_> = models.iter().filter(|model| way(model)).copied().collect();
        // A repository's projector is not what is meant where the model itself fits too.
        let is_model = |model: &&Arc<Model>| !matches!(model.status, Status::NotAModel(_));
        let only_models: Vec<_> = fitting.iter().copied().filter(is_model).collect();
        if !fitting.is_empty() {
            return if only_models.is_empty() { fitting } else { only_models };
        }
    }
    Vec::new()
}

fn split_store(argument: &str) -> (Option<Store>, &str) {
    let store = argument.split_once(':').and_then(|(prefix, rest)| {
        let stores = [Store::Starter, Store::HuggingFace, Store::Folder];
        Some((stores.into_iter().find(|store| store.name() == prefix)?, rest))
    });
    store.map_or((None, argument), |(store, rest)| (Some(store), rest))
}

fn near(models: &[Arc<Model>], wanted: &str) -> Vec<String> {
    let mut scored: Vec<_> = models
        .iter()
        .map(|model| (strsim::jaro_winkler(&model.name.to_lowercase(), wanted), &model.name))
        .filter(|(score, _)| *score > 0.7)
        .collect();
    scored.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.1.cmp(other.1)));
    let mut names: Vec<_> = scored.into_iter().map(|(_, name)| name.clone()).collect();
    names.dedup();
    names.truncate(MAX_NEAR);
    names
}

fn shown(argument: &str) -> String {
    gguf::clean(argument, ARGUMENT_CHARS)
}
