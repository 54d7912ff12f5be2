//! How jobs are submitted, and those found again that an earlier run left.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use domain::session::{JobId, JobRequest};
use domain::settings;

use super::arrays::Arrays;
use super::folder::{self, Folder, Held, OUTPUT, Record, SCRIPT};
use super::queue::{self, Queue};
use super::resources::{self, Resources};
use super::tool;
use crate::engine::start_error::StartError;

/// The longest name of a job, in characters.
const MAX_NAME: usize = 40;

/// How jobs are submitted here.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// The settings of `[slurm]`.
    pub settings: settings::Slurm,
    /// Where the folders of jobs are; `None` where there is no data folder.
    pub root: Option<PathBuf>,
    /// Whether this build can use a GPU.
    pub has_gpu_engine: bool,
    /// Job arrays whose tasks are handed out.
    arrays: Arrays,
}

impl Cluster {
    /// Jobs are submitted like this, and meet this machine in `root`.
    pub fn new(settings: settings::Slurm, root: Option<PathBuf>, has_gpu_engine: bool) -> Self {
        Self { settings, root, has_gpu_engine, arrays: Arrays::default() }
    }

    /// What the jobs ran that nobody looks after any more: each is found again by starting the same.
    pub fn left(&self) -> Vec<JobRequest> {
        self.root.as_deref().map(folder::left).unwrap_or_default().into_iter().map(|record| record.request).collect()
    }

    /// The job for a worker: one that an earlier run left, or a new one.
    pub(super) async fn obtain(
        &self,
        request: &JobRequest,
        load: &wire::Load,
        queue: &Queue,
    ) -> Result<Held, StartError> {
        if let Some(array) = request.array {
            let submit = || self.obtain_all(request, load, queue, array.size);
            return self.arrays.take(array, submit).await;
        }
        let (found, error) = self.obtain_all(request, load, queue, 1).await;
        let nothing = || StartError { reason: "no job was submitted".to_owned(), hint: None };
        found.into_iter().next().ok_or_else(|| error.unwrap_or_else(nothing))
    }

    /// So many jobs for workers that are alike: those that an earlier run left, and for the rest new ones in one array. Fewer
    /// where an error is told as well.
    async fn obtain_all(
        &self,
        request: &JobRequest,
        load: &wire::Load,
        queue: &Queue,
        n_jobs: u32,
    ) -> (Vec<Held>, Option<StartError>) {
        let Some(root) = &self.root else {
            let hint = "set `folder` under [slurm]".to_owned();
            return (
                Vec::new(),
                Some(StartError { reason: "there is no folder for jobs".to_owned(), hint: Some(hint) }),
            );
        };
        let (mut held, error) = adopt(root, request, load, queue, n_jobs as usize).await;
        let n_missing = n_jobs.saturating_sub(u32::try_from(held.len()).unwrap_or(u32::MAX));
        if n_missing == 0 || error.is_some() {
            return (held, error);
        }
        match self.submit_all(root, request, load, n_missing).await {
            Ok(submitted) => {
                held.extend(submitted);
                tokio::spawn(sweep(root.clone(), queue.clone()));
                (held, None)
            }
            Err(error) => (held, Some(error)),
        }
    }

    async fn submit_all(
        &self,
        root: &Path,
        request: &JobRequest,
        load: &wire::Load,
        n_jobs: u32,
    ) -> Result<Vec<Held>, StartError> {
        let nodes = resources::nodes().await?;
        let wanted = resources::resources(request, &self.settings, &nodes, self.has_gpu_engine)?;
        let failed = |error: std::io::Error| StartError {
            reason: format!("jobs can't be kept in {}: {error}", root.display()),
            hint: Some(
                "set `folder` under [slurm] to one that is yours alone, and that you and all nodes can write"
                    .to_owned(),
            ),
        };
        let mut record = Record::new(request.clone(), load.clone(), wanted.cpus, self.settings.keep.as_secs());
        let (base, folders) = if n_jobs == 1 {
            let folder = Folder::create(root, &record).map_err(failed)?;
            (folder.path.clone(), vec![folder])
        } else {
            Folder::create_all(root, &record, n_jobs).map_err(failed)?
        };
        let job = match self.submit(&base, &folders, request, &wanted).await {
            Ok(job) => job,
            Err(error) => {
                folders.into_iter().for_each(Folder::remove);
                return Err(error);
            }
        };
        tracing::info!(job, n_jobs, "was submitted to Slurm");
        let mut held = Vec::new();
        for (folder, task) in folders.into_iter().zip(0..) {
            (record.job, record.task) = (Some(job), (n_jobs > 1).then_some(task));
            if let Err(error) = folder.write(&record) {
                // One that could not be found again is not left alone.
                tool::cancel(JobId { job, task: None }).await;
                return Err(failed(error));
            }
            held.push((folder, record.clone()));
        }
        Ok(held)
    }

    /// Submit a job, or an array where there are several folders; gives its number.
    async fn submit(
        &self,
        base: &Path,
        folders: &[Folder],
        request: &JobRequest,
        wanted: &Resources,
    ) -> Result<u64, StartError> {
        let program = self.program()?;
        let Some(first) = folders.first() else {
            return Err(StartError { reason: "no job is asked for".to_owned(), hint: None });
        };
        // In the name of the output each `%` begins a sign of Slurm's: `%a` is the number of the task.
        let escaped = base.to_string_lossy().replace('%', "%%");
        let is_array = folders.len() > 1;
        let output = if is_array { format!("{escaped}-%a") } else { escaped };
        let requeue = if self.settings.max_requeues == 0 { "--no-requeue" } else { "--requeue" };
        let mut options: Vec<OsString> = vec![
            "--parsable".into(),
            "--nodes=1".into(),
            "--ntasks=1".into(),
            requeue.into(),
            "--open-mode=append".into(),
            format!("--job-name=taffrail-{}", job_name(&request.name)).into(),
            format!("--cpus-per-task={}", wanted.cpus).into(),
            format!("--mem={}M", wanted.memory_mib).into(),
            format!("--output={output}/{OUTPUT}").into(),
            joined("--chdir=", base.parent().unwrap_or(base).as_os_str()),
        ];
        if is_array {
            options.push(format!("--array=0-{}", folders.len().saturating_sub(1)).into());
        }
        if wanted.gpus > 0 {
            options.push(format!("--gres=gpu:{}", wanted.gpus).into());
        }
        options.extend(wanted.partition.as_ref().map(|name| format!("--partition={name}").into()));
        options.extend(self.settings.time_limit.as_ref().map(|limit| format!("--time={limit}").into()));
        // The user's own come last, and so count.
        options.extend(self.settings.options.iter().map(OsString::from));
        options.push(first.path.join(SCRIPT).into());
        options.extend([program.into(), "worker-node".into(), base.as_os_str().to_owned()]);
        let said = tool::run("sbatch", options).await.map_err(tool::ToolError::start_error)?;
        // `12` or `12;cluster`.
        let number = said.trim().lines().last().and_then(|line| line.split(';').next()).and_then(|id| id.parse().ok());
        number.ok_or_else(|| StartError {
            reason: format!("sbatch reported no job number: {}", gguf::clean(said.trim(), 100)),
            hint: None,
        })
    }

    /// The program on the nodes.
    fn program(&self) -> Result<PathBuf, StartError> {
        if let Some(program) = &self.settings.program {
            return Ok(program.clone());
        }
        let own = std::env::current_exe().ok().filter(|path| path.exists());
        own.ok_or_else(|| StartError {
            reason: "the program's file was replaced or is gone, so that no node could start it".to_owned(),
            hint: Some("restart taffrail, or set `program` under [slurm]".to_owned()),
        })
    }
}

/// Jobs for the same that an earlier run left and that have not ended, at most so many.
async fn adopt(
    root: &Path,
    request: &JobRequest,
    load: &wire::Load,
    queue: &Queue,
    n_jobs: usize,
) -> (Vec<Held>, Option<StartError>) {
    let (mut held, mut unknown) = (Vec::new(), Vec::new());
    while held.len() < n_jobs
        && let Some((folder, record)) = Folder::adopt(root, request, load)
    {
        let Some(id) = record.id() else { continue };
        match queue.ask(id).await {
            Ok(Some(row)) if matches!(row.state, queue::State::Ended(..)) => folder.remove(),
            Ok(Some(_)) => {
                tracing::info!(job = %id, "continues with a job that an earlier run left");
                held.push((folder, record));
            }
            // It may be another cluster's: held until here, so that it is not found once more.
            Ok(None) => unknown.push(folder),
            Err(error) => return (held, Some(error.start_error())),
        }
    }
    (held, None)
}

/// Remove what is left of jobs that have ended and that no one came back for.
async fn sweep(root: PathBuf, queue: Queue) {
    for (path, record) in folder::all(&root) {
        let Some(id) = record.id() else { continue };
        let has_ended = match queue.ask(id).await {
            Ok(Some(row)) => matches!(row.state, queue::State::Ended(..)),
            // Forgotten, or another cluster's.
            Ok(None) => folder::is_old(&path),
            Err(_) => return,
        };
        if has_ended && let Some((folder, _)) = Folder::forsaken(&path) {
            folder.remove();
        }
    }
}

fn joined(name: &str, value: &OsStr) -> OsString {
    let mut option = OsString::from(name);
    option.push(value);
    option
}

/// A model's name as a part of a job's.
fn job_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    name.chars().take(MAX_NAME).map(plain).collect()
}
