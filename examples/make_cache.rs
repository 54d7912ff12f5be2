//! Makes a Hugging Face cache of many small repositories, to measure the library with.
//!
//! `cargo run --example make_cache -- HUB COUNT [--from FILE] [--link]`. Each repository has one revision with one
//! file, a link to a blob. A blob is the header of FILE (a starter model unless given) with `general.name` numbered,
//! followed by nothing up to FILE's length, so that it takes little space; with `--link` it is FILE itself, linked.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, symlink};
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut places = Vec::new();
    let mut from = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/starter/ishmael-1m-Q8_0.gguf"));
    let mut link = false;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--from" => from = arguments.next().ok_or_else(|| wrong("--from needs a file"))?.into(),
            "--link" => link = true,
            _ => places.push(argument),
        }
    }
    let [hub, count] = &places[..] else { return Err(wrong("give a folder and a count")) };
    let count: usize = count.parse().map_err(|error| wrong(&format!("{count}: {error}")))?;
    make(Path::new(hub), count, &from, link)
}

/// Make the cache; `link` links the file itself instead of writing numbered headers.
pub(crate) fn make(hub: &Path, count: usize, from: &Path, link: bool) -> io::Result<()> {
    let mut mould = Mould::of(from)?;
    let stem = from.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    for number in 0..count {
        let folder = hub.join(format!("models--owner-{:02}--{stem}-{number:05}", number % 20));
        let commit = format!("{number:040x}");
        let blob = format!("{number:064x}");
        let snapshot = folder.join("snapshots").join(&commit);
        fs::create_dir_all(&snapshot)?;
        fs::create_dir_all(folder.join("blobs"))?;
        fs::create_dir_all(folder.join("refs"))?;
        fs::write(folder.join("refs/main"), &commit)?;
        let blob_path = folder.join("blobs").join(&blob);
        if link {
            fs::hard_link(from, &blob_path)?;
        } else {
            mould.write(&blob_path, number)?;
        }
        symlink(Path::new("../../blobs").join(&blob), snapshot.join(format!("{stem}-{number:05}.gguf")))?;
    }
    Ok(())
}

/// Makes files like one, that take little space and differ in the digits of their name.
pub(crate) struct Mould {
    head: Vec<u8>,
    /// Where the name stands in the head.
    name: Option<std::ops::Range<usize>>,
    length: u64,
}

impl Mould {
    /// Of a GGUF file.
    pub(crate) fn of(from: &Path) -> io::Result<Self> {
        let header = gguf::Header::open(from).map_err(io::Error::other)?;
        let mut head = vec![0; header.data_offset as usize];
        File::open(from)?.read_exact_at(&mut head, 0)?;
        let name = header.metadata.str("general.name").and_then(|name| position(&head, name.as_bytes()));
        Ok(Self { head, name, length: header.file_length })
    }

    /// The header with its number, and nothing behind it up to the length.
    pub(crate) fn write(&mut self, path: &Path, number: usize) -> io::Result<()> {
        if let Some(name) = &self.name {
            let digits = format!("{number:05}");
            let length = name.len().min(digits.len());
            self.head[name.end - length..name.end].copy_from_slice(&digits.as_bytes()[digits.len() - length..]);
        }
        let mut file = File::create(path)?;
        file.write_all(&self.head)?;
        // No two of one size, as with real ones.
        file.set_len(self.length + 32 * number as u64)
    }
}

/// Where the value first stands in the header.
fn position(head: &[u8], value: &[u8]) -> Option<std::ops::Range<usize>> {
    let start = head.windows(value.len().max(1)).position(|window| window == value)?;
    Some(start..start + value.len())
}

fn wrong(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, problem.to_owned())
}
