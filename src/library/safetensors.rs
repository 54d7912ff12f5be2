//! Repositories of safetensors: what `config.json` says of weights that llama.cpp does not run.

use std::ffi::OsStr;
use std::path::Path;

use super::candidate::{Candidate, CandidatePart, DigestSource, is_safetensors};
pub(super) use super::model_config::Config;
use super::walk::{Entry, Kind, Walk};
use domain::model::Store;

/// The longest `config.json`; those of large mixtures have some 100 kB.
const MAX_CONFIG: u64 = 4 << 20;

/// The repository of safetensors in one folder, if it is one: `config.json` with weights beside it.
pub(super) fn collect(
    folder: &Path,
    entries: &[Entry],
    store: Store,
    id: String,
    name: &str,
    walk: &Walk<'_>,
    digest: impl Fn(&OsStr) -> DigestSource,
) -> Option<Candidate> {
    let has_config = entries.iter().any(|entry| entry.kind != Kind::Directory && entry.name == "config.json");
    let files = entries.iter().filter(|entry| entry.kind != Kind::Directory && is_safetensors(&entry.name));
    let mut parts: Vec<_> = files
        .filter(|_| has_config)
        .map(|entry| {
            let number = numbers(&entry.name).map_or(0, |(number, _)| number);
            CandidatePart { number, path: folder.join(&entry.name), digest: digest(&entry.name) }
        })
        .collect();
    if parts.is_empty() {
        return None;
    }
    parts.sort_unstable_by(|one, other| (one.number, &one.path).cmp(&(other.number, &other.path)));
    let names = parts.iter().filter_map(|part| part.path.file_name());
    let count = names.filter_map(numbers).map(|(_, count)| count).max().unwrap_or(0);
    let config = walk.small_file(&folder.join("config.json"), MAX_CONFIG, |bytes| (Config::parse(bytes), true));
    Some(Candidate {
        parts,
        count,
        other: Some(config.unwrap_or_else(|_| Config::unknown())),
        ..Candidate::new(store, id, name, folder.to_owned(), DigestSource::Nowhere)
    })
}

/// Number and count of a part's name: `model-00001-of-00004.safetensors`.
fn numbers(name: &OsStr) -> Option<(u32, u32)> {
    let (rest, count) = name.to_str()?.strip_suffix(".safetensors")?.rsplit_once("-of-")?;
    let (_, number) = rest.rsplit_once('-')?;
    let digits =
        |text: &str| (text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?;
    let (number, count) = (digits(number)?, digits(count)?);
    (1..=count).contains(&number).then_some((number, count))
}
