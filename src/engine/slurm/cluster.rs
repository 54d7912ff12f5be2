//! How jobs are submitted, and those found again that an earlier run left.

use std::ffi::OsString;
use std::path::PathBuf;

use domain::session::JobRequest;
use domain::settings;

use super::folder::{self, Folder, OUTPUT, Record, SCRIPT};
use super::queue::{self, Queue};
use super::resources;
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
}

impl Cluster {
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
    ) -> Result<(Folder, Record), StartError> {
        let Some(root) = &self.root else {
            let hint = "set `folder` under [slurm]".to_owned();
            return Err(StartError { reason: "there is no folder for jobs".to_owned(), hint: Some(hint) });
        };
        while let Some((folder, record)) = Folder::adopt(root, request, load) {
            let row = queue.ask(record.job.unwrap_or_default()).await.map_err(tool::ToolError::start_error)?;
            if row.is_some_and(|row| !matches!(row.state, queue::State::Ended(..))) {
                tracing::info!(job = record.job, "goes on with a job that an earlier run left");
                return Ok((folder, record));
            }
            folder.remove();
        }
        let nodes = resources::nodes().await?;
        let wanted = resources::resources(request, &self.settings, &nodes, self.has_gpu_engine)?;
        let failed = |error: std::io::Error| StartError {
            reason: format!("{} can't be written: {error}", root.display()),
            hint: Some("set `folder` under [slurm] to one that you and all nodes can write".to_owned()),
        };
        let mut record = Record::new(request.clone(), load.clone(), wanted.cpus, self.settings.keep.as_secs());
        let folder = Folder::create(root, &record).map_err(failed)?;
        match self.submit(&folder, request, &wanted).await {
            Ok(job) => {
                record.job = Some(job);
                folder.write(&record).map_err(failed)?;
                tracing::info!(job, "was submitted to Slurm");
                Ok((folder, record))
            }
            Err(error) => {
                folder.remove();
                Err(error)
            }
        }
    }

    /// Submit a job; gives its number.
    async fn submit(
        &self,
        folder: &Folder,
        request: &JobRequest,
        wanted: &resources::Resources,
    ) -> Result<u64, StartError> {
        let program = self.program()?;
        let path = folder.path.as_os_str();
        let joined = |name: &str, value: &std::ffi::OsStr| {
            let mut option = OsString::from(name);
            option.push(value);
            option
        };
        let mut options: Vec<OsString> = vec![
            "--parsable".into(),
            "--nodes=1".into(),
            "--ntasks=1".into(),
            "--requeue".into(),
            "--open-mode=append".into(),
            format!("--job-name=taffrail-{}", job_name(&request.name)).into(),
            format!("--cpus-per-task={}", wanted.cpus).into(),
            format!("--mem={}M", wanted.memory_mib).into(),
            joined("--output=", folder.path.join(OUTPUT).as_os_str()),
            joined("--chdir=", path),
        ];
        if wanted.gpus > 0 {
            options.push(format!("--gres=gpu:{}", wanted.gpus).into());
        }
        options.extend(wanted.partition.as_ref().map(|name| format!("--partition={name}").into()));
        options.extend(self.settings.time_limit.as_ref().map(|limit| format!("--time={limit}").into()));
        // The user's own come last, and so count.
        options.extend(self.settings.options.iter().map(OsString::from));
        options.push(folder.path.join(SCRIPT).into());
        options.extend([program.into(), "worker-node".into(), path.to_owned()]);
        let said = tool::run("sbatch", options).await.map_err(tool::ToolError::start_error)?;
        // `12` or `12;cluster`.
        let number = said.trim().lines().last().and_then(|line| line.split(';').next()).and_then(|id| id.parse().ok());
        number.ok_or_else(|| StartError {
            reason: format!("sbatch told no number of a job: {}", gguf::clean(said.trim(), 100)),
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
            hint: Some("start taffrail anew, or set `program` under [slurm]".to_owned()),
        })
    }
}

/// A model's name as a part of a job's.
fn job_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    name.chars().take(MAX_NAME).map(plain).collect()
}
