//! Looks into the files of a candidate: what they are, whether they are whole, and when they were last read.

use std::path::Path;
use std::{fs, io};

use super::index::{FileRecord, Index, Stamp, nanoseconds};
use super::walk::{Candidate, reason};
use crate::core::model::{Format, Model, ModelFile, Status};
use crate::core::units::Bytes;

const DAY: i64 = 86_400;
const NANOSECONDS: i64 = 1_000_000_000;

/// What one file turned out to be.
struct Look {
    file: ModelFile,
    used: Option<i64>,
    outcome: Result<gguf::Summary, Status>,
}

/// The model; `None` where all its files have vanished meanwhile.
pub(super) fn inspect(candidate: Candidate, index: &Index<'_>, now: i64) -> Option<Model> {
    let Candidate { store, repository, id, name, parts, count } = candidate;
    let looks: Vec<_> =
        parts.into_iter().filter_map(|(number, path)| Some((number, look(&path, index, now)?))).collect();
    if looks.is_empty() {
        return None;
    }
    let status = status(&looks, count);
    let mut summaries = looks.iter().filter_map(|(_, look)| look.outcome.as_ref().ok().cloned());
    let summary = summaries.next().map(|first| summaries.fold(first, add));
    let files: Vec<_> = looks.iter().map(|(_, look)| look.file.clone()).collect();
    Some(Model {
        id,
        name,
        store,
        repository,
        size: files.iter().map(|file| file.size).sum(),
        files,
        status,
        used: looks.iter().filter_map(|(_, look)| look.used).max(),
        summary,
        note: None,
        format: Format::Gguf,
        card: None,
        also: Vec::new(),
    })
}

fn look(path: &Path, index: &Index<'_>, now: i64) -> Option<Look> {
    let unreadable = |reason| {
        let file = ModelFile { path: path.to_owned(), size: Bytes(0), modified: 0, digest: None };
        Some(Look { file, used: None, outcome: Err(Status::Unreadable(reason)) })
    };
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        // Without a link of that name either, it was there a moment ago and is gone.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let target = fs::read_link(path).ok()?;
            return unreadable(gguf::clean(&format!("a link to {}, which is not there", target.display()), 300));
        }
        Err(error) => return unreadable(reason(&error)),
    };
    let stamp = Stamp::of(&metadata);
    let file =
        ModelFile { path: path.to_owned(), size: Bytes(metadata.len()), modified: modified(&metadata), digest: None };
    if let Some(known) = index.file(path, stamp) {
        // What read it last, as far as the times tell, was our own look at the header.
        let is_untouched = nanoseconds(metadata.accessed()) == known.accessed;
        let used = if is_untouched { known.used } else { used(&metadata, now) };
        return Some(Look { file, used, outcome: known.outcome.map_err(Status::Damaged) });
    }
    let used = used(&metadata, now);
    let outcome = match header(path, metadata.is_file()) {
        Ok(header) => Ok(header.summary()),
        Err(gguf::Error::Io(error)) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(gguf::Error::Io(error)) => {
            return Some(Look { file, used, outcome: Err(Status::Unreadable(reason(&error))) });
        }
        Err(error) => Err(error.to_string()),
    };
    let accessed = fs::metadata(path).map_or(0, |metadata| nanoseconds(metadata.accessed()));
    index.add_file(path, stamp, FileRecord { outcome: outcome.clone(), used, accessed });
    Some(Look { file, used, outcome: outcome.map_err(Status::Damaged) })
}

/// Read a header, leaving no time of reading where the system allows that, which it does to a file's owner.
#[cfg_attr(not(target_os = "linux"), expect(unused_variables, reason = "Linux alone has such a way to open"))]
fn header(path: &Path, is_file: bool) -> Result<gguf::Header, gguf::Error> {
    #[cfg(target_os = "linux")]
    if is_file {
        use rustix::fs::{Mode, OFlags};
        // Should it have become a FIFO meanwhile, opening does not wait for its other end.
        let flags = OFlags::RDONLY | OFlags::NOATIME | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, Mode::empty()).ok().map(fs::File::from);
        if let Some(file) = file.filter(|file| file.metadata().is_ok_and(|metadata| metadata.is_file())) {
            return gguf::Header::read(&file);
        }
    }
    gguf::Header::open(path)
}

fn status(looks: &[(u32, Look)], count: u32) -> Status {
    for (number, look) in looks {
        let part = |reason: &str| if count > 1 { format!("part {number}: {reason}") } else { reason.to_owned() };
        match &look.outcome {
            Err(Status::Damaged(reason)) => return Status::Damaged(part(reason)),
            Err(Status::Unreadable(reason)) => return Status::Unreadable(part(reason)),
            _ => {}
        }
    }
    let Some((_, Look { outcome: Ok(first), .. })) = looks.first() else {
        return Status::Unreadable("no file".to_owned());
    };
    let found = looks.len() as u32;
    // A part under a name that does not say so can't be loaded: llama.cpp goes by the names.
    let count = first.part.map_or(count, |part| count.max(part.count));
    match first.kind {
        gguf::Kind::Model if found < count => Status::Incomplete { found, count },
        gguf::Kind::Model => Status::Runnable,
        gguf::Kind::Adapter => Status::NotAModel("adapter for another model (LoRA)".to_owned()),
        gguf::Kind::Projector => Status::NotAModel("vision projector (mmproj)".to_owned()),
        gguf::Kind::Imatrix => Status::NotAModel("importance matrix (imatrix)".to_owned()),
        gguf::Kind::Other => Status::NotAModel("GGUF, but no language model".to_owned()),
    }
}

/// The next part's figures added; the rest stays the first part's, which alone has the metadata.
fn add(mut sum: gguf::Summary, part: gguf::Summary) -> gguf::Summary {
    let is_known = |one: &gguf::Summary| one.parameters == 0 || one.bits_per_weight.is_some();
    let all_known = is_known(&sum) && is_known(&part);
    sum.parameters = sum.parameters.saturating_add(part.parameters);
    sum.routed_parameters = sum.routed_parameters.saturating_add(part.routed_parameters);
    sum.routed_bytes = sum.routed_bytes.saturating_add(part.routed_bytes);
    sum.output_parameters = sum.output_parameters.saturating_add(part.output_parameters);
    sum.tensor_bytes = sum.tensor_bytes.saturating_add(part.tensor_bytes);
    sum.bits_per_weight =
        (all_known && sum.parameters > 0).then(|| 8.0 * sum.tensor_bytes as f64 / sum.parameters as f64);
    sum.quant = sum.quant.or(part.quant);
    sum.vocabulary = sum.vocabulary.or(part.vocabulary);
    for share in part.types {
        if let Some(known) = sum.types.iter_mut().find(|known| known.name == share.name) {
            known.n_tensors = known.n_tensors.saturating_add(share.n_tensors);
            known.parameters = known.parameters.saturating_add(share.parameters);
            known.bytes = known.bytes.zip(share.bytes).map(|(one, other)| one.saturating_add(other));
        } else {
            sum.types.push(share);
        }
    }
    sum.types.sort_by_key(|share| std::cmp::Reverse(share.bytes));
    sum
}

/// Last change, seconds since 1970.
pub(super) fn modified(metadata: &fs::Metadata) -> i64 {
    nanoseconds(metadata.modified()) / NANOSECONDS
}

/// Last read, seconds since 1970; `None` where nothing has read it since it was written, or the time can't be true.
pub(super) fn used(metadata: &fs::Metadata, now: i64) -> Option<i64> {
    let accessed = nanoseconds(metadata.accessed());
    let is_plausible = accessed > nanoseconds(metadata.modified()) && accessed / NANOSECONDS <= now + DAY;
    is_plausible.then_some(accessed / NANOSECONDS)
}
