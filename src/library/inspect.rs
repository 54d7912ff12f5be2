//! Looks into the files of a candidate: what they are, whether they are whole, and when they were last read.

use std::ffi::OsStr;
use std::path::Path;
use std::{fs, io};

use super::candidate::{Candidate, DigestSource, NAME_CHARS, id_text};
use super::digest;
use super::index::{FileRecord, Index, Stamp};
use super::safetensors;
use super::stat::Root;
use super::tries::Tries;
use super::walk::{open, reason};
use domain::model::{Digest, Format, Model, ModelFile, Status};
use domain::units::Bytes;

/// Whether the engine that was built in can use a GPU.
pub const HAS_GPU_ENGINE: bool = cfg!(any(feature = "cuda", feature = "vulkan", feature = "metal", feature = "rocm"));

/// A model, and what else a look at its files tells.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    pub(super) model: Model,
    /// Of the first file: the content's place in its file system, and its stamp.
    pub(super) node: Option<(Node, Stamp)>,
    /// All its files are links that lead nowhere.
    pub(super) is_dangling: bool,
}

/// A file by its device and number, whatever its names.
pub(super) type Node = (u64, u64);

/// What one file turned out to be.
struct Look {
    file: ModelFile,
    used: Option<i64>,
    /// `None` for a file whose header nobody reads.
    outcome: Result<Option<gguf::Summary>, Status>,
    node: Option<(Node, Stamp)>,
    is_dangling: bool,
}

/// The models; none where all its files have vanished meanwhile. A file that is called like a part and is none is a model of
/// its own: llama.cpp goes by the header.
pub(super) fn inspect(candidate: Candidate, root: &Root<'_>, index: &Index<'_>, tries: &Tries, now: i64) -> Vec<Found> {
    let Candidate { parts, is_declared, .. } = &candidate;
    let is_gguf = candidate.other.is_none();
    let looks: Vec<_> = parts
        .iter()
        .filter_map(|part| {
            let look = look(&part.path, &part.digest, is_gguf, root, index, now);
            let missing = || missing(&part.path, "is not there, although a manifest names it".to_owned());
            Some((part.number, look.or_else(|| is_declared.then(missing))?))
        })
        .collect();
    let (whole, rest): (Vec<_>, Vec<_>) =
        looks.into_iter().partition(|(_, look)| candidate.count > 1 && is_whole_model(look));
    let alone = whole.len() == 1 && rest.is_empty();
    let whole: Vec<_> = whole.into_iter().map(|look| (of_whole(&candidate, &look.1, alone), vec![look])).collect();
    let all = whole.into_iter().chain([(candidate, rest)]);
    all.filter_map(|(candidate, looks)| found(candidate, &looks, tries)).collect()
}

/// Whether a file that is called like a part is a whole model by its header.
fn is_whole_model(look: &Look) -> bool {
    let is_named_as_part =
        look.file.path.file_name().and_then(OsStr::to_str).is_some_and(|name| gguf::split::parse(name).is_some());
    let is_whole = |summary: &gguf::Summary| {
        summary.part.is_none() && summary.kind == gguf::Kind::Model && !summary.types.is_empty()
    };
    is_named_as_part && matches!(&look.outcome, Ok(Some(summary)) if is_whole(summary))
}

/// The candidate of a whole model among files that are called like parts. Its id ends in its file's name, as ids do.
fn of_whole(candidate: &Candidate, look: &Look, alone: bool) -> Candidate {
    let text = |name: &OsStr| id_text(name);
    let file_name = look.file.path.file_name().unwrap_or_default();
    let first = file_name
        .to_str()
        .and_then(gguf::split::parse)
        .map(|(stem, part)| gguf::split::name(stem, gguf::SplitPart { number: 1, ..part }));
    let base = first.as_ref().and_then(|first| candidate.id.strip_suffix(&text(first.as_ref())));
    let stem = look.file.path.file_stem().unwrap_or_default().to_string_lossy();
    let (id, name) = match base {
        Some(base) => (format!("{base}{}", text(file_name)), gguf::clean(&stem, NAME_CHARS)),
        // A configuration has named it.
        None if alone => (candidate.id.clone(), candidate.name.clone()),
        None => (format!("{}#{}", candidate.id, text(file_name)), candidate.name.clone()),
    };
    Candidate { id, name, count: 1, parts: Vec::new(), ..candidate.clone() }
}

/// The model of a candidate by what its files turned out to be.
fn found(candidate: Candidate, looks: &[(u32, Look)], tries: &Tries) -> Option<Found> {
    let Candidate { store, repository, id, name, count, card, other, short, .. } = candidate;
    let (_, first) = looks.first()?;
    let status = match (status(looks, count, other.as_ref()), short) {
        (Status::Runnable | Status::OtherFormat(_), Some(short)) => Status::Damaged(short),
        (status, _) => status,
    };
    let format = other.as_ref().map_or(Format::Gguf, |config| config.format);
    let mut summaries = looks.iter().filter_map(|(_, look)| look.outcome.as_ref().ok().cloned().flatten());
    let mut summary = match other {
        Some(config) => config.summary(),
        None => summaries.next().map(|first| summaries.fold(first, add)),
    };
    if let Some(summary) = summary.as_mut().filter(|_| format == Format::Gguf) {
        let file_name = first.file.path.file_name().unwrap_or_default().to_string_lossy();
        let general = summary.name.clone().unwrap_or_default();
        let of_store = card.as_ref().and_then(|card| card.file_type.as_deref()).unwrap_or_default();
        // Where a GPU may do the work it is the session's settings that decide.
        summary.remarks.extend(summary.fatal_on_cpu.clone().filter(|_| HAS_GPU_ENGINE));
        summary.name_quant([of_store, &*file_name, &*name, &*general]);
    }
    let files: Vec<_> = looks.iter().map(|(_, look)| look.file.clone()).collect();
    let mut model = Model {
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
        format,
        card,
        overridden: None,
        tried: None,
        also: Vec::new(),
        machine: None,
        remote: None,
    };
    tries.apply(&mut model);
    let is_dangling = looks.iter().all(|(_, look)| look.is_dangling);
    Some(Found { node: first.node, is_dangling, model })
}

fn missing(path: &Path, reason: String) -> Look {
    Look {
        file: ModelFile { path: path.to_owned(), size: Bytes(0), modified: 0, digest: None },
        used: None,
        outcome: Err(Status::Unreadable(reason)),
        node: None,
        is_dangling: false,
    }
}

fn look(
    path: &Path,
    digest: &DigestSource,
    is_gguf: bool,
    root: &Root<'_>,
    index: &Index<'_>,
    now: i64,
) -> Option<Look> {
    let stat = match root.stat(path) {
        Ok(stat) => stat,
        // Without a link of that name either, it was there a moment ago and is gone.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let target = fs::read_link(path).ok()?;
            let reason = gguf::clean(&format!("a link to {}, which is not there", target.display()), 300);
            return Some(Look { is_dangling: true, ..missing(path, reason) });
        }
        Err(error) => {
            let is_dangling = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
            return Some(Look { is_dangling, ..missing(path, reason(&error)) });
        }
    };
    let stamp = Stamp::from(&stat);
    let look = |used, digest, outcome| {
        let file =
            ModelFile { path: path.to_owned(), size: Bytes(stat.size), modified: stat.modified_seconds(), digest };
        Some(Look { file, used, outcome, node: Some(((stat.device, stat.inode), stamp)), is_dangling: false })
    };
    if !is_gguf {
        return look(stat.used(now), digest::find(path, digest, &stat, index), Ok(None));
    }
    if let Some(known) = index.file(path, stamp) {
        // What read it last, as far as the times tell, was our own look at the header.
        let is_untouched = stat.accessed == known.accessed;
        let used = if is_untouched { known.used } else { stat.used(now) };
        return look(used, known.digest, known.outcome.map(Some).map_err(Status::Damaged));
    }
    let used = stat.used(now);
    let digest: Option<Digest> = digest::find(path, digest, &stat, index);
    let outcome = match header(path, stat.is_file) {
        Ok(header) => Ok(header.summary()),
        Err(gguf::Error::Io(error)) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(gguf::Error::Io(error)) => return look(used, digest, Err(Status::Unreadable(reason(&error)))),
        Err(error) => Err(error.to_string()),
    };
    let accessed = root.stat(path).map_or(0, |stat| stat.accessed);
    index.add_file(path, stamp, FileRecord { outcome: outcome.clone(), digest, used, accessed });
    look(used, digest, outcome.map(Some).map_err(Status::Damaged))
}

/// Read a header. What is no regular file is refused without being opened.
fn header(path: &Path, is_file: bool) -> Result<gguf::Header, gguf::Error> {
    let file = is_file.then(|| open(path).ok()).flatten();
    match file.filter(|file| file.metadata().is_ok_and(|metadata| metadata.is_file())) {
        Some(file) => gguf::Header::read(&file),
        None => gguf::Header::open(path),
    }
}

fn status(looks: &[(u32, Look)], count: u32, other: Option<&safetensors::Config>) -> Status {
    for (number, look) in looks {
        let part = |reason: &str| if count > 1 { format!("part {number}: {reason}") } else { reason.to_owned() };
        match &look.outcome {
            Err(Status::Damaged(reason)) | Ok(Some(gguf::Summary { fatal: Some(reason), .. })) => {
                return Status::Damaged(part(reason));
            }
            Ok(Some(gguf::Summary { fatal_on_cpu: Some(reason), .. })) if !HAS_GPU_ENGINE => {
                return Status::Damaged(part(reason));
            }
            Err(Status::Unreadable(reason)) => return Status::Unreadable(part(reason)),
            _ => {}
        }
    }
    if let Some(config) = other {
        // What has no number is beside the parts.
        let found = looks.iter().filter(|(number, _)| *number > 0).count() as u32;
        let is_whole = found >= count;
        return if is_whole { Status::OtherFormat(config.format) } else { Status::Incomplete { found, count } };
    }
    let Some((number, Look { outcome: Ok(Some(first)), .. })) = looks.first() else {
        return Status::Unreadable("no file".to_owned());
    };
    if let Some(part) = first.part.filter(|part| count > 1 && (part.number, part.count) != (*number, count)) {
        let gguf::SplitPart { number: says, count: of } = part;
        let text = format!(
            "its name says part {number} of {count}, its header part {says} of {of}: llama.cpp needs both to be the same"
        );
        return Status::Damaged(text);
    }
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
    sum.is_aligned &= part.is_aligned;
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
