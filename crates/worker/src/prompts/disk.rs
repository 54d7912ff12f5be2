//! The folder of states on disk: which are of use to the loaded model, and its budget.
//!
//! A file's name is made of the fingerprint (model file, settings, build) and of the hash of its tokens. Files are written
//! under another name first, by a thread of their own, and the oldest go where the budget is reached: a file's time is that
//! of its last use. Several workers may share the folder; a file that is gone is none. Absent: the layout of a file (`file`).

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use data_encoding::HEXLOWER;
use wire::KeptPrompts;

use super::file::{self, Contents, Mapped, Summary};
use crate::note::note;

/// The end of a file's name.
const EXTENSION: &str = "kv";
/// While a state is tried the file has this at its end, so that one that kills the process is not tried again.
const TRIED: &str = "tried";
/// While it is written.
const PART: &str = "part";
/// A file under such a name is left over after this time.
const STALE: Duration = Duration::from_hours(1);
/// The most files of one model that are looked through for a prompt.
const MAX_FILES: usize = 256;
/// States that wait to be written. One more is not kept: memory is what they take.
const MAX_WAITING: usize = 2;

/// A state on disk that the loaded model could go on from.
pub(crate) struct Kept {
    path: PathBuf,
    pub(crate) summary: Summary,
}

/// What is to be written, and where.
type Job = (PathBuf, Contents);
type Writer = (SyncSender<Job>, JoinHandle<()>);

pub(crate) struct Disk {
    folder: PathBuf,
    max_bytes: u64,
    fingerprint: [u8; 32],
    pub(crate) files: Vec<Kept>,
    writer: Option<Writer>,
}

impl Disk {
    /// Look what there is for this fingerprint. What is wrong with a file removes it.
    pub(crate) fn open(kept: &KeptPrompts, fingerprint: [u8; 32]) -> Option<Self> {
        if let Err(error) = make_folder(&kept.folder) {
            note(&format!("prompts are not kept on disk: {}: {error}", kept.folder.display()));
            return None;
        }
        sweep(&kept.folder);
        let prefix = prefix(&fingerprint);
        let mut files = list(&kept.folder);
        files.retain(|file| file.name.starts_with(&prefix));
        files.sort_by_key(|file| std::cmp::Reverse(file.used));
        let mut found = Vec::new();
        for listed in files.into_iter().take(MAX_FILES) {
            match File::open(&listed.path).ok().and_then(|mut file| file::summary(&mut file, &fingerprint)) {
                Some(summary) => found.push(Kept { path: listed.path, summary }),
                None => _ = fs::remove_file(&listed.path),
            }
        }
        let disk =
            Self { folder: kept.folder.clone(), max_bytes: kept.max_bytes, fingerprint, files: found, writer: None };
        Some(disk)
    }

    /// Take the state of a file out of it for a try. What is wrong with the file removes it.
    pub(crate) fn take(&mut self, at: usize) -> Option<Try> {
        let kept = (at < self.files.len()).then(|| self.files.remove(at))?;
        let tried = kept.path.with_extension(TRIED);
        fs::rename(&kept.path, &tried).ok()?;
        let contents = File::open(&tried).ok().and_then(|file| file::read(&file, &self.fingerprint));
        let contents = contents.filter(|contents| contents.tokens == kept.summary.tokens);
        let Some(contents) = contents else {
            let _ = fs::remove_file(&tried);
            return None;
        };
        Some(Try { contents, kept, tried })
    }

    /// A state that was tried is sound: it stays, and was used now.
    pub(crate) fn keep(&mut self, tried: Try) -> Contents<Mapped> {
        let Try { contents, kept, tried } = tried;
        if let Ok(file) = OpenOptions::new().append(true).open(&tried) {
            let _ = file.set_modified(SystemTime::now());
        }
        if fs::rename(&tried, &kept.path).is_ok() {
            self.files.insert(0, kept);
        }
        contents
    }

    /// Whether a state of these tokens is there already.
    pub(crate) fn has(&self, tokens: &[i32]) -> bool {
        self.files.iter().any(|file| file.summary.tokens == tokens)
    }

    /// Write a state; it is not kept where too many wait. `is_superseded` tells which others are of no use beside it.
    pub(crate) fn write(&mut self, contents: Contents, is_superseded: impl Fn(&Summary) -> bool) {
        if file::n_bytes(&contents) > self.max_bytes {
            return;
        }
        let marks = contents.marks.iter().map(|mark| mark.n_tokens).collect();
        let summary = Summary { tokens: contents.tokens.clone(), first: contents.first, marks };
        let name = HEXLOWER.encode(&file::hash(&contents.tokens));
        let path = self.folder.join(format!("{}{name}.{EXTENSION}", prefix(&self.fingerprint)));
        let Some(sender) = self.writer() else { return };
        if sender.try_send((path.clone(), contents)).is_err() {
            return note("a prompt is not kept on disk: too many wait to be written");
        }
        for file in self.files.extract_if(.., |file| is_superseded(&file.summary)) {
            let _ = fs::remove_file(&file.path);
        }
        self.files.retain(|file| file.path != path);
        self.files.insert(0, Kept { path, summary });
        self.files.truncate(MAX_FILES);
    }

    fn writer(&mut self) -> Option<&SyncSender<Job>> {
        if self.writer.is_none() {
            let (sender, jobs) = sync_channel::<Job>(MAX_WAITING);
            let (folder, max_bytes, fingerprint) = (self.folder.clone(), self.max_bytes, self.fingerprint);
            let run = move || {
                for (path, contents) in jobs {
                    make_room(&folder, max_bytes.saturating_sub(file::n_bytes(&contents)));
                    if let Err(error) = put(&path, &contents, fingerprint) {
                        note(&format!("a prompt is not kept on disk: {}: {error}", path.display()));
                    }
                }
            };
            let thread = std::thread::Builder::new().name("prompts".to_owned()).spawn(run).ok()?;
            self.writer = Some((sender, thread));
        }
        self.writer.as_ref().map(|(sender, _)| sender)
    }

    /// Wait until all is written.
    pub(crate) fn finish(&mut self) {
        if let Some((sender, thread)) = self.writer.take() {
            drop(sender);
            let _ = thread.join();
        }
    }
}

/// A state that is about to be tried.
pub(crate) struct Try {
    pub(crate) contents: Contents<Mapped>,
    kept: Kept,
    tried: PathBuf,
}

impl Try {
    /// It was not sound.
    pub(crate) fn reject(self) {
        let _ = fs::remove_file(&self.tried);
    }
}

/// What the names of a fingerprint's files begin with.
fn prefix(fingerprint: &[u8; 32]) -> String {
    format!("{}-", HEXLOWER.encode(&fingerprint[..8]))
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

struct Listed {
    name: String,
    path: PathBuf,
    n_bytes: u64,
    used: SystemTime,
}

/// The files of a folder that are ours, whatever they are for.
fn list(folder: &Path) -> Vec<Listed> {
    let read = |entry: fs::DirEntry| {
        let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
        let path = entry.path();
        let ours = [EXTENSION, TRIED, PART].iter().any(|end| path.extension().is_some_and(|found| found == *end));
        let name = entry.file_name().into_string().ok().filter(|_| ours)?;
        Some(Listed { name, path, n_bytes: metadata.len(), used: metadata.modified().ok()? })
    };
    fs::read_dir(folder).into_iter().flatten().flatten().filter_map(read).collect()
}

/// Remove what a process left that died while it wrote or tried a file.
fn sweep(folder: &Path) {
    let now = SystemTime::now();
    for file in list(folder) {
        let is_old = now.duration_since(file.used).is_ok_and(|age| age > STALE);
        if is_old && !file.name.ends_with(EXTENSION) {
            let _ = fs::remove_file(&file.path);
        }
    }
}

/// Remove the files that were used longest ago until the others have so many bytes at most.
fn make_room(folder: &Path, max_bytes: u64) {
    let mut files = list(folder);
    files.sort_by_key(|file| file.used);
    let mut n_bytes: u64 = files.iter().map(|file| file.n_bytes).sum();
    for file in files {
        if n_bytes <= max_bytes {
            return;
        }
        if fs::remove_file(&file.path).is_ok() {
            n_bytes -= file.n_bytes;
        }
    }
}

/// Write a file that is complete under its name or not there.
fn put(path: &Path, contents: &Contents, fingerprint: [u8; 32]) -> io::Result<()> {
    let part = path.with_extension(format!("{}.{PART}", std::process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&part)?;
    let written = file::write(&mut file, contents, fingerprint).and_then(|()| file.sync_all());
    if let Err(error) = written.and_then(|()| fs::rename(&part, path)) {
        let _ = fs::remove_file(&part);
        return Err(error);
    }
    // So that the name survives a loss of power too; not every file system can.
    if let Some(folder) = path.parent().and_then(|folder| File::open(folder).ok()) {
        let _ = folder.sync_all();
    }
    Ok(())
}
