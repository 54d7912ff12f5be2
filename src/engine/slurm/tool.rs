//! Slurm's own commands: bounded in time and output, and given none of this user's secrets.

use std::ffi::OsStr;
use std::io;
use std::process::Stdio;
use std::time::Duration;

use domain::session::JobId;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::time::timeout;

use crate::engine::process;
use crate::engine::start_error::StartError;

/// The longest that a command may take: a busy controller answers after some seconds.
const LIMIT: Duration = Duration::from_secs(30);

/// The most bytes of output that are read: a line for each of a cluster's partitions, or of a suite's jobs.
const MAX_OUTPUT: u64 = 1 << 20;

/// The longest error that is shown, in characters.
const MAX_ERROR: usize = 300;

/// What Slurm's commands read of the environment. What a surrounding job has set (`SLURM_MEM_PER_NODE` and others) would be
/// taken for wishes.
const NAMES: [&str; 2] = ["SLURM_CONF", "SLURM_CLUSTERS"];
const PREFIX: &str = "SBATCH_";

/// Devices of this machine, which are none of a node's.
const DEVICES: [&str; 5] = [
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "GPU_DEVICE_ORDINAL",
];

/// Whether Slurm's commands, and the jobs that get their environment from them, are given this variable.
fn is_for_slurm(name: &str) -> bool {
    let is_own = NAMES.contains(&name) || name.starts_with(PREFIX);
    is_own || (process::is_for_worker(name) && !DEVICES.contains(&name))
}

/// Why a command gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ToolError {
    /// It is not on this machine.
    Missing(String),
    /// It said why.
    Failed(String),
}

impl ToolError {
    /// As the reason that nothing starts.
    pub(super) fn start_error(self) -> StartError {
        match self {
            Self::Missing(name) => StartError {
                reason: format!("Slurm's `{name}` is not on this machine"),
                hint: Some("run taffrail on a login node of the cluster, where Slurm's commands are".to_owned()),
            },
            Self::Failed(reason) => StartError { hint: remedy(&reason).map(str::to_owned), reason },
        }
    }
}

/// What could be done about what a command said.
fn remedy(error: &str) -> Option<&'static str> {
    let all = [
        ("nvalid partition", "`sinfo` lists the partitions; name one with --on slurm:PARTITION"),
        ("ccount", "name one that may run there: options = [\"--account=NAME\"] under [slurm]"),
        ("time limit", "lower time_limit under [slurm]; `sinfo` shows the partition's"),
        ("onfiguration is not available", "no node has what is asked for: lower threads, context or slurm.gpus"),
        ("contact slurm controller", "the cluster's controller does not answer: `scontrol ping` says more"),
        ("configuration source", "SLURM_CONF names no slurm.conf that is there"),
        ("ubmit limit", "too many jobs of yours are in the queue: wait for some, or lower slurm.suite_jobs"),
    ];
    all.into_iter().find(|(sign, _)| error.contains(sign)).map(|(_, remedy)| remedy)
}

/// Run a command and give its output; times in it are seconds since 1970.
pub(super) async fn run<S: AsRef<OsStr>>(
    name: &str,
    arguments: impl IntoIterator<Item = S>,
) -> Result<String, ToolError> {
    let mut command = Command::new(name);
    command
        .args(arguments)
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| is_for_slurm(&name.to_string_lossy())))
        .env("SLURM_TIME_FORMAT", "%s")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        // A Ctrl-C is for the program, which then cancels its jobs.
        .process_group(0);
    let mut child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ToolError::Missing(name.to_owned()),
        _ => ToolError::Failed(format!("{name}: {error}")),
    })?;
    let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(ToolError::Failed(format!("{name} has no pipes")));
    };
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let (mut out, mut err) = (out.take(MAX_OUTPUT), err.take(MAX_OUTPUT));
    let all = async {
        let (out, err) = tokio::join!(out.read_to_end(&mut output), err.read_to_end(&mut errors));
        (out.and(err), child.wait().await)
    };
    let Ok((read, status)) = timeout(LIMIT, all).await else {
        return Err(ToolError::Failed(format!("{name} gave no answer for {} s", LIMIT.as_secs())));
    };
    let status = read.and(status).map_err(|error| ToolError::Failed(format!("{name}: {error}")))?;
    if status.success() {
        return Ok(String::from_utf8_lossy(&output).into_owned());
    }
    Err(ToolError::Failed(said(name, &String::from_utf8_lossy(&errors))))
}

/// What a command said against it, in a clause: its lines without what stands before each.
fn said(name: &str, errors: &str) -> String {
    let clean = |line: &str| {
        let line = line.trim();
        let line = line.strip_prefix(name).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(line);
        let line = ["error: ", "fatal: "].iter().find_map(|prefix| line.strip_prefix(prefix)).unwrap_or(line);
        line.to_owned()
    };
    let lines: Vec<String> = errors.lines().map(clean).filter(|line| !line.is_empty()).collect();
    let text = if lines.is_empty() { format!("{name} failed and said nothing") } else { lines.join("; ") };
    gguf::clean(&text, MAX_ERROR)
}

/// Cancel a job, a task or an array; one that has ended needs nothing more.
pub(super) async fn cancel(id: JobId) {
    if let Err(error) = run("scancel", [id.to_string()]).await {
        tracing::warn!(job = %id, ?error, "a job could not be cancelled");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_given_no_secret_and_no_device_of_this_machine() {
        for name in ["PATH", "HOME", "SLURM_CONF", "SBATCH_ACCOUNT", "LD_LIBRARY_PATH"] {
            assert!(is_for_slurm(name), "{name}");
        }
        for name in ["HF_TOKEN", "OPENAI_API_KEY", "SLURM_JOB_ID", "SLURM_MEM_PER_NODE", "CUDA_VISIBLE_DEVICES"] {
            assert!(!is_for_slurm(name), "{name}");
        }
    }

    #[test]
    fn what_a_command_says_is_a_clause() {
        let text = "sbatch: error: invalid partition specified: no\u{1b}pe\nsbatch: error: Batch job submission failed: Invalid partition name specified\n";
        let said = said("sbatch", text);
        assert_eq!(
            said,
            "invalid partition specified: nope; Batch job submission failed: Invalid partition name specified"
        );
        assert!(ToolError::Failed(said).start_error().hint.unwrap().contains("sinfo"));
        assert_eq!(super::said("sbatch", ""), "sbatch failed and said nothing");
    }

    #[tokio::test]
    async fn what_is_missing_is_told_with_its_remedy() {
        let error = run("no-such-command-of-slurm", [""; 0]).await.unwrap_err();
        assert_eq!(error, ToolError::Missing("no-such-command-of-slurm".to_owned()));
        assert!(error.start_error().hint.unwrap().contains("login node"));
    }
}
