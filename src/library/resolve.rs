//! Finds the model that a person means: MODEL of the command line.
//!
//! In this order: an id; a path; then, within one store where `store:` stands before it, a name, an `owner/repo`, or a
//! unique part of either, each with `:quant` behind it or not. What is said exactly wins over what is said in part.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::candidate::is_gguf;
use super::env::Env;
use super::{at_path, list};
use domain::download::target::Target;
use domain::model::{Model, Status, Store};
use domain::settings;

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
                Some("give one of these in full, or add the quantization: `name:Q4_K_M`".to_owned())
            }
            Self::Unknown { near, argument } if near.is_empty() => Some(match Target::parse(argument) {
                Ok(target) => format!("`taffrail pull {}` fetches it; `taffrail ls` lists what is here", target.name()),
                Err(_) => "`taffrail ls` lists all models, `taffrail pull OWNER/REPO` fetches one".to_owned(),
            }),
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

/// The model with what Ollama puts beside its copy, where `argument` names that copy and another one is preferred: who
/// names it wants its parameters and its prompt.
pub fn as_named(model: Arc<Model>, argument: &str) -> Arc<Model> {
    let argument = argument.trim();
    let (store, rest) = split_store(argument);
    let names_it = |place: &&Arc<Model>| {
        place.store == Store::Ollama
            && (store == Some(Store::Ollama) || place.name == rest || place.name == format!("{rest}:latest"))
    };
    match model.also.iter().find(names_it).filter(|_| model.store != Store::Ollama && model.name != rest) {
        Some(place) => Arc::new(Model { card: place.card.clone(), ..Model::clone(&model) }),
        None => model,
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
    // Ollama's own tools take a name without a tag for the latest.
    let latest = format!("{argument}:latest");
    for id in [argument, latest.as_str()] {
        if let Some(model) = models.iter().find(|model| model.places().any(|place| place.id == id)) {
            return Ok(Arc::clone(model));
        }
    }
    // An engine's name says whose it is.
    if let Some((engine, rest)) = argument.trim_start_matches("remote.").split_once(':') {
        let is_there = |model: &&Arc<Model>| model.remote.as_ref().is_some_and(|remote| remote.engine == engine);
        let there: Vec<_> = models.iter().filter(is_there).collect();
        match &fitting(&there, &rest.to_lowercase())[..] {
            [model] => return Ok(Arc::clone(model)),
            [] => {}
            several => {
                let candidates = several.iter().map(|model| model.id.clone()).collect();
                return Err(Unresolved::Ambiguous { argument: shown(argument), candidates });
            }
        }
    }
    let (store, rest) = split_store(argument);
    let is_in = |model: &&Arc<Model>| store.is_none_or(|store| model.places().any(|place| place.store == store));
    let in_store: Vec<_> = models.iter().filter(is_in).collect();
    let wanted = rest.to_lowercase();
    let mut fitting = fitting(&in_store, &wanted);
    if fitting.is_empty()
        && let Some((text, quant)) = wanted.rsplit_once(':')
    {
        // Where the file's own word and its name differ, either finds it.
        let has_quant = |model: &&&Arc<Model>| {
            let named = model.places().find_map(|place| gguf::quant_in_name(&place.name));
            let known = [model.quant(), named.as_deref()];
            known.into_iter().flatten().any(|found| found.eq_ignore_ascii_case(quant))
        };
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
            let (_, inside) = split_store(&model.id);
            model.name.to_lowercase().contains(wanted) || inside.to_lowercase().contains(wanted)
        }];
    for way in ways {
        let fitting: Vec<_> = models.iter().filter(|model| model.places().any(way)).copied().collect();
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
    let store = argument.split_once(':').and_then(|(prefix, rest)| Some((Store::from_name(prefix)?, rest)));
    store.map_or((None, argument), |(store, rest)| (Some(store), rest))
}

/// How like a name must be to be offered.
const LEAST_LIKENESS: f64 = 0.8;

fn near(models: &[Arc<Model>], wanted: &str) -> Vec<String> {
    // Comparing costs the product of the lengths, and no name is this long.
    if wanted.len() > 200 {
        return Vec::new();
    }
    let mut scored: Vec<_> = models
        .iter()
        .map(|model| (likeness(&model.name.to_lowercase(), wanted), &model.name))
        .filter(|(score, _)| *score > LEAST_LIKENESS)
        .collect();
    scored.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.1.cmp(other.1)));
    let mut names: Vec<_> = scored.into_iter().map(|(_, name)| name.clone()).collect();
    names.dedup();
    names.truncate(MAX_NEAR);
    names
}

/// How like a name is to what was typed: as a whole, or a word of it, or some that stand together.
fn likeness(name: &str, wanted: &str) -> f64 {
    let is_end = |c: char| !c.is_alphanumeric();
    let words = name.match_indices(is_end).map(|(at, mark)| at + mark.len());
    let starts: Vec<usize> = std::iter::once(0).chain(words).collect();
    let ends = name.match_indices(is_end).map(|(at, _)| at).chain([name.len()]);
    // What is typed of a part is about as long as the part.
    let is_near = |length: usize| length.abs_diff(wanted.len()) <= 2;
    let parts = ends.flat_map(|end| starts.iter().filter_map(move |start| name.get(*start..end)));
    let part = parts.filter(|part| is_near(part.len()) && part.len() > 2).map(|part| {
        // A part that is right but for a letter is nearer than a name that begins alike.
        strsim::normalized_damerau_levenshtein(part, wanted) + 0.05
    });
    part.fold(strsim::jaro_winkler(name, wanted), f64::max).min(1.0)
}

fn shown(argument: &str) -> String {
    gguf::clean(argument, ARGUMENT_CHARS)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::library::tests::{Machine, model, part, write};
    use domain::model::Format;

    fn a_model(id: &str, quant: &str, status: Status) -> Arc<Model> {
        let bytes = gguf::testing::Builder::tiny_llama().build();
        let mut summary = gguf::Header::read(&bytes[..]).unwrap().summary();
        summary.quant = Some(quant.to_owned());
        let (store, rest) = split_store(id);
        let (repository, file) = rest.rsplit_once('/').unwrap_or(("", rest));
        Arc::new(Model {
            id: id.to_owned(),
            name: file.trim_end_matches(".gguf").to_owned(),
            store: store.unwrap(),
            repository: (store == Some(Store::HuggingFace)).then(|| repository.to_owned()),
            files: Vec::new(),
            size: domain::units::Bytes(1),
            status,
            used: None,
            summary: Some(summary),
            note: None,
            format: Format::Gguf,
            card: None,
            overridden: None,
            tried: None,
            also: Vec::new(),
            machine: None,
            remote: None,
        })
    }

    fn library() -> Vec<Arc<Model>> {
        let projector = || Status::NotAModel("vision projector (mmproj)".to_owned());
        [
            ("starter:ishmael-1m", "Q8_0", Status::Runnable),
            ("starter:ishmael-4m", "Q8_0", Status::Runnable),
            ("hf:Qwen/Qwen3-8B-GGUF/Qwen3-8B-Q4_K_M.gguf", "Q4_K_M", Status::Runnable),
            ("hf:Qwen/Qwen3-8B-GGUF/Qwen3-8B-Q8_0.gguf", "Q8_0", Status::Runnable),
            ("hf:ggml-org/gemma-3-4b-it-GGUF/gemma-3-4b-it-Q4_K_M.gguf", "Q4_K_M", Status::Runnable),
            ("hf:ggml-org/gemma-3-4b-it-GGUF/mmproj-gemma-3-4b-it.gguf", "F16", projector()),
            ("folder:/models/same.gguf", "Q4_0", Status::Runnable),
            ("hf:a/b/same.gguf", "Q4_0", Status::Runnable),
            ("folder:/models/same-but-longer.gguf", "Q4_0", Status::Damaged("cut off".to_owned())),
            ("folder:/models/other-UD-Q4_K_XL.gguf", "Q4_K_M", Status::Runnable),
        ]
        .into_iter()
        .map(|(id, quant, status)| a_model(id, quant, status))
        .collect()
    }

    #[test]
    fn what_a_person_types() {
        let models = library();
        for (argument, expected) in [
            ("starter:ishmael-1m", "starter:ishmael-1m"),
            ("ishmael-4m", "starter:ishmael-4m"),
            ("ISHMAEL-4M", "starter:ishmael-4m"),
            (" 4m ", "starter:ishmael-4m"),
            ("starter:4m", "starter:ishmael-4m"),
            ("qwen3-8b-q8_0", "hf:Qwen/Qwen3-8B-GGUF/Qwen3-8B-Q8_0.gguf"),
            ("qwen/qwen3-8b-gguf:q4_k_m", "hf:Qwen/Qwen3-8B-GGUF/Qwen3-8B-Q4_K_M.gguf"),
            ("hf:Qwen/Qwen3-8B-GGUF:Q8_0", "hf:Qwen/Qwen3-8B-GGUF/Qwen3-8B-Q8_0.gguf"),
            ("qwen3:q8_0", "hf:Qwen/Qwen3-8B-GGUF/Qwen3-8B-Q8_0.gguf"),
            // The projector beside it is not what is meant, unless it is named.
            ("gemma", "hf:ggml-org/gemma-3-4b-it-GGUF/gemma-3-4b-it-Q4_K_M.gguf"),
            ("ggml-org/gemma-3-4b-it-GGUF", "hf:ggml-org/gemma-3-4b-it-GGUF/gemma-3-4b-it-Q4_K_M.gguf"),
            ("mmproj", "hf:ggml-org/gemma-3-4b-it-GGUF/mmproj-gemma-3-4b-it.gguf"),
            ("folder:same", "folder:/models/same.gguf"),
            ("hf:same", "hf:a/b/same.gguf"),
            ("a/b", "hf:a/b/same.gguf"),
            ("longer", "folder:/models/same-but-longer.gguf"),
            // The file's own word and its name's, where they differ.
            ("other:q4_k_m", "folder:/models/other-UD-Q4_K_XL.gguf"),
            ("other:ud-q4_k_xl", "folder:/models/other-UD-Q4_K_XL.gguf"),
        ] {
            assert_eq!(resolve(&models, argument).map(|model| model.id.clone()), Ok(expected.to_owned()), "{argument}");
        }
    }

    #[test]
    fn what_fits_several_or_none() {
        let models = library();
        let said = |argument: &str| {
            let error = resolve(&models, argument).unwrap_err();
            format!("{error}\nhint: {}", error.hint().unwrap_or_default())
        };
        insta::assert_snapshot!(said("qwen3"), @r#"
        2 models fit `qwen3`:
          hf:Qwen/Qwen3-8B-GGUF/Qwen3-8B-Q4_K_M.gguf
          hf:Qwen/Qwen3-8B-GGUF/Qwen3-8B-Q8_0.gguf
        hint: give one of these in full, or add the quantization: `name:Q4_K_M`
        "#);
        insta::assert_snapshot!(said("same"), @r#"
        2 models fit `same`:
          folder:/models/same.gguf
          hf:a/b/same.gguf
        hint: give one of these in full, or add the quantization: `name:Q4_K_M`
        "#);
        insta::assert_snapshot!(said("ishmeal-1m"), @r#"
        no model fits `ishmeal-1m`
        hint: did you mean `ishmael-1m` or `ishmael-4m`?
        "#);
        insta::assert_snapshot!(said("zebra\u{1b}[2J"), @r#"
        no model fits `zebra[2J`
        hint: `taffrail ls` lists all models, `taffrail pull OWNER/REPO` fetches one
        "#);
        insta::assert_snapshot!(said("Mistral/Mistral-7B-GGUF:Q4_K_M"), @r#"
        no model fits `Mistral/Mistral-7B-GGUF:Q4_K_M`
        hint: `taffrail pull Mistral/Mistral-7B-GGUF:Q4_K_M` fetches it; `taffrail ls` lists what is here
        "#);
        insta::assert_snapshot!(said("gema"), @r#"
        no model fits `gema`
        hint: did you mean `gemma-3-4b-it-Q4_K_M` or `mmproj-gemma-3-4b-it`?
        "#);
        insta::assert_snapshot!(said("qwne3-8b"), @r#"
        no model fits `qwne3-8b`
        hint: did you mean `Qwen3-8B-Q4_K_M` or `Qwen3-8B-Q8_0`?
        "#);
        insta::assert_snapshot!(said("qwen3:q5_k_m"), @r#"
        no model fits `qwen3:q5_k_m`
        hint: did you mean `Qwen3-8B-Q4_K_M` or `Qwen3-8B-Q8_0`?
        "#);
        insta::assert_snapshot!(said("starter:qwen3-8b-q8_0"), @r#"
        no model fits `starter:qwen3-8b-q8_0`
        hint: did you mean `Qwen3-8B-Q8_0` or `Qwen3-8B-Q4_K_M`?
        "#);
        for nothing in ["", " ", ":", "hf:", "hf::", "::q8_0"] {
            assert!(matches!(resolve(&models, nothing), Err(Unresolved::Unknown { .. })), "{nothing:?}");
        }
    }

    #[test]
    fn paths() {
        let mut machine = Machine::new();
        let folder = machine.folder();
        machine.settings.folders.clear();
        write(&folder.join("one.gguf"), &model("1"));
        write(&folder.join("no-extension"), &model("1"));
        write(&folder.join("text.gguf"), b"text");
        for number in 1..=2 {
            write(&folder.join(format!("split-0000{number}-of-00003.gguf")), &part(number, 3));
        }
        let found = |name: &str| {
            let argument = folder.join(name).to_str().unwrap().to_owned();
            find(&argument, &machine.settings, &machine.env).map(|model| (model.name.clone(), model.status.to_string()))
        };
        for (name, expected) in [
            ("one.gguf", ("one", "ready")),
            ("no-extension", ("no-extension", "ready")),
            ("text.gguf", ("text", "not a GGUF file (starts with \"text\")")),
            ("split-00002-of-00003.gguf", ("split", "2 of 3 parts")),
            ("../models/one.gguf", ("one", "ready")),
        ] {
            assert_eq!(found(name), Ok((expected.0.to_owned(), expected.1.to_owned())), "{name}");
        }
        assert!(matches!(found("none.gguf"), Err(Unresolved::NoFile { .. })));
        assert!(matches!(find("./none", &machine.settings, &machine.env), Err(Unresolved::NoFile { .. })));
        // A name that is no path is looked for in the stores.
        assert!(matches!(find("one", &machine.settings, &machine.env), Err(Unresolved::Unknown { .. })));
        let home = machine.env.home.clone().unwrap();
        fs::create_dir_all(&home).unwrap();
        fs::copy(folder.join("one.gguf"), home.join("mine.gguf")).unwrap();
        assert_eq!(find("~/mine.gguf", &machine.settings, &machine.env).unwrap().name, "mine");
    }
}
