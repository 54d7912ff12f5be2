//! Models by their files' names, before anybody has looked into them.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::model::{Card, Digest, Store};

/// The longest name of a model, characters.
pub(super) const NAME_CHARS: usize = 200;

/// A model by its files' names; nobody has looked into them yet.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Candidate {
    pub(super) store: Store,
    pub(super) repository: Option<String>,
    pub(super) id: String,
    pub(super) name: String,
    /// The parts that are there, in order.
    pub(super) parts: Vec<CandidatePart>,
    /// Parts that there should be.
    pub(super) count: u32,
    /// What stands beside the weights.
    pub(super) card: Option<Box<Card>>,
    /// What it is where it is no GGUF.
    pub(super) other: Option<super::model_config::Config>,
    /// What of the files is not here yet, as the repository's listing tells.
    pub(super) short: Option<String>,
    /// A manifest says that the files are there, so one that is missing is a fault and not a race.
    pub(super) is_declared: bool,
}

/// A file of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CandidatePart {
    /// From 1.
    pub(super) number: u32,
    pub(super) path: PathBuf,
    pub(super) digest: DigestSource,
}

/// Where the digest of a file stands, so that it is looked up only for a file that is new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DigestSource {
    /// Nowhere.
    Nowhere,
    /// Here.
    Known(Digest),
    /// The file is a link to one that is named after it.
    Link,
    /// In a file of the hub's own tools.
    Metadata(PathBuf),
    /// In a repository's tree: the tree's path and the file's place in it.
    Tree(Arc<PathBuf>, String),
}

impl Candidate {
    /// A model of one file.
    pub(super) fn new(store: Store, id: String, name: &str, path: PathBuf, digest: DigestSource) -> Self {
        Self {
            store,
            repository: None,
            id,
            name: gguf::clean(name, NAME_CHARS),
            parts: vec![CandidatePart { number: 1, path, digest }],
            count: 1,
            card: None,
            other: None,
            short: None,
            is_declared: false,
        }
    }
}

impl Candidate {
    /// With the other parts that lie beside the only file, where its name says that it is a part.
    pub(super) fn with_parts_beside(self) -> Self {
        let [CandidatePart { path, digest, .. }] = self.parts.as_slice() else { return self };
        let Some(paths) = gguf::split::siblings(path) else { return self };
        let count = paths.len() as u32;
        let is_there = |one: &PathBuf| one == path || one.symlink_metadata().is_ok();
        let parts = (1..).zip(paths).filter(|(_, one)| is_there(one));
        let parts = parts.map(|(number, path)| CandidatePart { number, path, digest: digest.clone() }).collect();
        Self { parts, count, ..self }
    }
}

/// Whether a name ends in `.gguf`, however it is written.
pub(super) fn is_gguf(name: &OsStr) -> bool {
    ends_in(name, b".gguf")
}

/// Whether a name ends in `.safetensors`.
pub(super) fn is_safetensors(name: &OsStr) -> bool {
    ends_in(name, b".safetensors")
}

fn ends_in(name: &OsStr, end: &[u8]) -> bool {
    let bytes = name.as_encoded_bytes();
    bytes.len() > end.len() && bytes[bytes.len() - end.len()..].eq_ignore_ascii_case(end)
}

/// Make models of the `.gguf` names in one folder: split files are one. `id` makes an id from a file's name, `digest` says
/// where its digest stands.
pub(super) fn group(
    folder: &Path,
    names: impl IntoIterator<Item = OsString>,
    store: Store,
    repository: Option<&str>,
    id: impl Fn(&OsStr) -> String,
    digest: impl Fn(&OsStr) -> DigestSource,
) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    let mut split = BTreeMap::<(String, u32), Vec<CandidatePart>>::new();
    for name in names {
        let path = folder.join(&name);
        let digest = digest(&name);
        if let Some((stem, part)) = name.to_str().and_then(gguf::split::parse) {
            let part_of = split.entry((stem.to_owned(), part.count)).or_default();
            part_of.push(CandidatePart { number: part.number, path, digest });
        } else {
            let stem = path.file_stem().unwrap_or(&name).to_string_lossy().into_owned();
            candidates.push(Candidate {
                repository: repository.map(str::to_owned),
                ..Candidate::new(store, id(&name), &stem, path, digest)
            });
        }
    }
    for ((stem, count), mut parts) in split {
        parts.sort_unstable_by(|one, other| (one.number, &one.path).cmp(&(other.number, &other.path)));
        // The first part names the model, there or not, so that the id stays when parts come and go.
        let first = gguf::split::name(&stem, gguf::SplitPart { number: 1, count });
        candidates.push(Candidate {
            repository: repository.map(str::to_owned),
            parts,
            count,
            ..Candidate::new(store, id(OsStr::new(&first)), &stem, PathBuf::new(), DigestSource::Nowhere)
        });
    }
    candidates
}

/// A path as text that is harmless on a terminal, and still different for each path: what is no printable Unicode
/// stands as `%` and two hexadecimal digits for each byte, as in an address, and so does `%` itself.
pub(super) fn id_text(path: &OsStr) -> String {
    if let Some(text) =
        path.to_str().filter(|text| text.bytes().all(|byte| (b' '..0x7f).contains(&byte) && byte != b'%'))
    {
        return text.to_owned();
    }
    let escape = |text: &mut String, bytes: &[u8]| {
        text.extend(bytes.iter().map(|byte| percent_encoding::percent_encode_byte(*byte)));
    };
    let mut text = String::new();
    for chunk in path.as_encoded_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            let mut buffer = [0; 4];
            let one: &str = character.encode_utf8(&mut buffer);
            if character == '%' || gguf::clean(one, 4) != one {
                escape(&mut text, one.as_bytes());
            } else {
                text.push(character);
            }
        }
        escape(&mut text, chunk.invalid());
    }
    text
}
