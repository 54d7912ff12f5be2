//! The folder of a job, where its node and this machine meet: what was asked for, and where its worker listens.
//!
//! It lies on a file system that both have, and is this user's alone. Whoever looks after the job holds its lock, so that a
//! start after a crash finds the jobs that nobody looks after.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use domain::session::{JobId, JobRequest};
use ring::error::Unspecified;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::atomic_file;

/// The version of the files.
const VERSION: u32 = 1;

/// Far more than a file of these needs.
const MAX_FILE: u64 = 1 << 20;

/// The most folders that are looked through for a job that is left.
const MAX_FOLDERS: usize = 1000;

/// The end of a job's output that is read for the reason of its end, in bytes.
const MAX_TAIL: u64 = 4096;

const JOB: &str = "job.json";
const LOCK: &str = "lock";
/// What the names of the files begin with that nodes write, before the number of the start.
const NODE: &str = "node-";
/// What the job wrote.
pub(super) const OUTPUT: &str = "output.log";
/// What sbatch is given: it starts its arguments.
pub(super) const SCRIPT: &str = "job.sh";

/// A job as it is written down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    version: u32,
    /// What was asked for.
    pub(super) request: JobRequest,
    /// How its worker loads the model.
    pub(super) load: wire::Load,
    /// The machine that submitted it.
    pub(super) host: String,
    /// Cores that it was given.
    pub(super) cpus: u32,
    /// How long it waits for somebody to look after it, in seconds.
    pub(super) keep_s: u64,
    /// Its number, or its array's, once it is submitted.
    pub(super) job: Option<u64>,
    /// Its task of the array.
    #[serde(default)]
    pub(super) task: Option<u32>,
}

impl Record {
    pub(super) fn new(request: JobRequest, load: wire::Load, cpus: u32, keep_s: u64) -> Self {
        Self { version: VERSION, request, load, host: host_name(), cpus, keep_s, job: None, task: None }
    }

    /// Its number as Slurm's commands take it, once it is submitted.
    pub(super) fn id(&self) -> Option<JobId> {
        Some(JobId { job: self.job?, task: self.task })
    }
}

/// Where a job's worker listens, as the node writes it down; or why there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Listening {
    /// There.
    At {
        /// Names of the node, the best first.
        hosts: Vec<String>,
        port: u16,
        /// What both sides prove that they know, in hexadecimal digits.
        token: String,
    },
    /// Nothing is started.
    Refused { reason: String, hint: Option<String> },
}

/// The name of this machine.
pub(super) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// A job with its folder, as whoever looks after it has it.
pub(super) type Held = (Folder, Record);

/// The folder of one job, as long as somebody looks after it.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    _lock: File,
}

impl Folder {
    /// A new folder with what is asked for.
    pub(super) fn create(root: &Path, record: &Record) -> io::Result<Self> {
        private(root)?;
        Self::of(root.join(random_name()?), record)
    }

    /// New folders for the tasks of an array, the path before each one's number first.
    pub(super) fn create_all(root: &Path, record: &Record, n_tasks: u32) -> io::Result<(PathBuf, Vec<Self>)> {
        private(root)?;
        let base = root.join(random_name()?);
        let folder = |task: u32| {
            let mut path = base.clone().into_os_string();
            path.push(format!("-{task}"));
            Self::of(path.into(), &Record { task: Some(task), ..record.clone() })
        };
        let folders = (0..n_tasks).map(folder).collect::<io::Result<Vec<Self>>>()?;
        Ok((base, folders))
    }

    fn of(path: PathBuf, record: &Record) -> io::Result<Self> {
        DirBuilder::new().mode(0o700).create(&path)?;
        let lock = lock(&path)?.ok_or_else(|| io::Error::other("its lock is taken"))?;
        let folder = Self { path, _lock: lock };
        folder.write(record)?;
        // The last argument is a folder, or what precedes the number of each task's.
        let script = b"#!/bin/sh\nexec \"$@\"${SLURM_ARRAY_TASK_ID:+-$SLURM_ARRAY_TASK_ID}\n";
        atomic_file::replace_private(&folder.path.join(SCRIPT), script)?;
        Ok(folder)
    }

    /// Write the record down, over the one before.
    pub(super) fn write(&self, record: &Record) -> io::Result<()> {
        atomic_file::replace_private(&self.path.join(JOB), &serde_json::to_vec(record)?)
    }

    /// The folder of a job that no one looks after and that has ended; `None` where someone does.
    pub(super) fn forsaken(path: &Path) -> Option<(Self, Record)> {
        let record = read_record(path).ok()?;
        let lock = lock(path).ok()??;
        Some((Self { path: path.to_owned(), _lock: lock }, record))
    }

    /// A job that was submitted for the same, and that nobody looks after any more.
    pub(super) fn adopt(root: &Path, request: &JobRequest, load: &wire::Load) -> Option<(Self, Record)> {
        folders(root).find_map(|path| {
            let record = read_record(&path).ok()?;
            let is_same = record.request.settings == request.settings
                && record.request.model == request.model
                && record.load == *load
                && record.job.is_some();
            let lock = lock(&path).ok()??;
            is_same.then(|| (Self { path, _lock: lock }, record))
        })
    }

    /// Where the worker of the latest start listens.
    pub(super) fn latest(&self) -> Option<Listening> {
        let restart = |entry: fs::DirEntry| {
            let name = entry.file_name();
            name.to_str()?.strip_prefix(NODE)?.strip_suffix(".json")?.parse::<u32>().ok()
        };
        let restarts = fs::read_dir(&self.path).ok()?.flatten().take(MAX_FOLDERS).filter_map(restart);
        read(&listening(&self.path, restarts.max()?)).ok()
    }

    /// How much the job has written so far, in bytes.
    pub(super) fn written(&self) -> u64 {
        fs::metadata(self.path.join(OUTPUT)).map_or(0, |file| file.len())
    }

    /// The end of what the job wrote after its first so many bytes.
    pub(super) fn tail(&self, from: u64) -> Option<String> {
        use std::io::{Seek as _, SeekFrom};
        let mut file = File::open(self.path.join(OUTPUT)).ok()?;
        let length = file.metadata().ok()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(MAX_TAIL).max(from))).ok()?;
        let mut tail = Vec::new();
        file.take(MAX_TAIL).read_to_end(&mut tail).ok()?;
        Some(String::from_utf8_lossy(&tail).into_owned())
    }

    /// The last line that the job wrote.
    pub(super) fn last_words(&self) -> Option<String> {
        let text = self.tail(0)?;
        let is_said = |line: &&str| !line.trim().is_empty();
        text.lines().rev().find(is_said).map(|line| gguf::clean(line.trim(), 300))
    }

    /// The job has ended: nothing of it is needed any more.
    pub(super) fn remove(self) {
        // What a node still writes there is left for the next look.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Whether nothing was done in a folder for longer than a job's name is of use: Slurm forgets jobs after some minutes, and a job
/// of another cluster that shares the folder is left to those who know it for so long.
pub(super) fn is_old(path: &Path) -> bool {
    const OLD: std::time::Duration = std::time::Duration::from_hours(24 * 30);
    let changed = fs::metadata(path).and_then(|folder| folder.modified());
    changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|age| age > OLD))
}

/// All folders of jobs with their records, someone's or no one's.
pub(super) fn all(root: &Path) -> Vec<(PathBuf, Record)> {
    folders(root).filter_map(|path| read_record(&path).ok().map(|record| (path, record))).collect()
}

/// The jobs that nobody looks after.
pub(super) fn left(root: &Path) -> Vec<Record> {
    let is_left = |path: &PathBuf| lock(path).is_ok_and(|lock| lock.is_some());
    let records = folders(root).filter(is_left).filter_map(|path| read_record(&path).ok());
    records.filter(|record| record.job.is_some()).collect()
}

/// What a node is to do.
pub(super) fn read_record(folder: &Path) -> io::Result<Record> {
    let record: Record = read(&folder.join(JOB))?;
    if record.version != VERSION {
        return Err(io::Error::other(format!("the job is of version {}, this program of {VERSION}", record.version)));
    }
    Ok(record)
}

/// Tell where a worker listens.
pub(super) fn tell(folder: &Path, restart: u32, at: &Listening) -> io::Result<()> {
    atomic_file::replace_private(&listening(folder, restart), &serde_json::to_vec(at)?)
}

fn listening(folder: &Path, restart: u32) -> PathBuf {
    folder.join(format!("{NODE}{restart}.json"))
}

fn folders(root: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(root).into_iter().flatten().flatten().take(MAX_FOLDERS).map(|entry| entry.path())
}

fn read<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    let mut text = Vec::new();
    File::open(path)?.take(MAX_FILE).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

/// Create a folder for this user alone, where it is missing. One in which others could put another folder in a job's place is
/// refused.
fn private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    const STICKY: u32 = 0o1000;
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let found = fs::metadata(folder)?;
    let own = rustix::process::geteuid().as_raw();
    if ![own, 0].contains(&found.uid()) {
        return Err(io::Error::other(format!("it belongs to the user {}", found.uid())));
    }
    // Where each may remove what is his own alone, a job's folder is safe.
    if found.mode() & 0o022 != 0 && found.mode() & STICKY == 0 {
        return Err(io::Error::other("other users may write there"));
    }
    Ok(())
}

fn random_name() -> io::Result<String> {
    let mut name = [0; 8];
    let random = SystemRandom::new().fill(&mut name);
    random.map_err(|Unspecified| io::Error::other("no random number can be had"))?;
    Ok(HEXLOWER.encode(&name))
}

/// The lock of a folder; `None` where somebody has it.
fn lock(folder: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(folder.join(LOCK))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(fs::TryLockError::WouldBlock) => Ok(None),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use domain::settings::SessionSettings;
    use domain::units::Bytes;

    fn record(context: u32) -> Record {
        let settings = SessionSettings { on: "slurm".parse().unwrap(), context, ..SessionSettings::default() };
        let request =
            JobRequest { model: "m".to_owned(), name: "m".to_owned(), settings, memory: Bytes(1), array: None };
        Record { job: Some(7), ..Record::new(request, crate::engine::testing::load(), 1, 600) }
    }

    #[test]
    fn a_job_that_nobody_looks_after_is_found_and_no_other() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().join("slurm");
        let (mine, other) = (record(512), record(1024));
        let adopt = |record: &Record| Folder::adopt(&root, &record.request, &record.load);
        let folder = Folder::create(&root, &mine).unwrap();
        assert!(adopt(&mine).is_none(), "somebody has it");
        assert!(left(&root).is_empty());
        drop(folder);
        assert_eq!(left(&root).first(), Some(&mine));
        assert!(adopt(&other).is_none(), "it was submitted for something else");
        let (folder, found) = adopt(&mine).unwrap();
        assert_eq!(found, mine);
        folder.remove();
        assert!(adopt(&mine).is_none());
    }

    #[test]
    fn the_tasks_of_an_array_have_a_folder_each_and_are_found_again() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().join("slurm");
        let asked = record(512);
        let (base, folders) = Folder::create_all(&root, &asked, 2).unwrap();
        let paths: Vec<String> = folders.iter().map(|folder| folder.path.display().to_string()).collect();
        assert_eq!(paths, [0, 1].map(|task| format!("{}-{task}", base.display())));
        drop(folders);
        let adopt = || Folder::adopt(&root, &asked.request, &asked.load);
        let mut found = [adopt().unwrap(), adopt().unwrap()];
        assert!(adopt().is_none());
        found.sort_by_key(|(_, record)| record.task);
        assert_eq!(found.map(|(_, record)| record.id().unwrap().to_string()), ["7_0", "7_1"]);
    }

    #[test]
    fn a_folder_that_others_could_put_theirs_into_is_refused() {
        let root = tempfile::tempdir().unwrap();
        for (mode, is_taken) in [(0o755, true), (0o1777, true), (0o777, false), (0o770, false)] {
            fs::set_permissions(root.path(), fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(Folder::create(root.path(), &record(512)).is_ok(), is_taken, "{mode:o}");
        }
    }

    #[test]
    fn nobody_else_reads_where_a_worker_listens() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::create(root.path(), &record(512)).unwrap();
        let at = Listening::At { hosts: vec!["n1".to_owned()], port: 1, token: "ab".to_owned() };
        assert_eq!(folder.latest(), None);
        tell(&folder.path, 0, &Listening::Refused { reason: "no".to_owned(), hint: None }).unwrap();
        // A start that died before it listened leaves no file.
        tell(&folder.path, 10, &at).unwrap();
        assert_eq!(folder.latest(), Some(at));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder.path), 0o700);
        assert_eq!(mode(&listening(&folder.path, 0)), 0o600);
    }
}
