//! The settings of `[slurm]`.

use std::path::PathBuf;

use super::setting::{Setting, auto, put, seconds};
use crate::config::value::Value;
use domain::settings::{Settings, partition};

/// The section of Slurm.
pub(super) const SLURM: &str = "slurm";

/// The most jobs of a suite: each is a place in the queue and a model that is loaded.
const MAX_JOBS: u32 = 64;

pub(super) static SETTINGS: &[Setting] = &[
    of(
        "partition",
        |settings, _| auto(settings.slurm.partition.clone(), Value::Text),
        |settings, _, value| put(&mut settings.slurm.partition, value.or_auto(name)),
    ),
    of(
        "time_limit",
        |settings, _| auto(settings.slurm.time_limit.clone(), Value::Text),
        |settings, _, value| put(&mut settings.slurm.time_limit, value.or_auto(time)),
    ),
    of(
        "cpus",
        |settings, _| auto(settings.slurm.cpus, |cpus| Value::Number(cpus.to_string())),
        |settings, _, value| put(&mut settings.slurm.cpus, value.or_auto(|value| value.whole(1, 1024))),
    ),
    of(
        "gpus",
        |settings, _| auto(settings.slurm.gpus, |gpus| Value::Number(gpus.to_string())),
        |settings, _, value| put(&mut settings.slurm.gpus, value.or_auto(|value| value.whole(0, 64))),
    ),
    of(
        "suite_jobs",
        |settings, _| Value::Number(settings.slurm.suite_jobs.to_string()),
        |settings, _, value| put(&mut settings.slurm.suite_jobs, value.whole(1, MAX_JOBS)),
    ),
    of(
        "keep_s",
        |settings, _| seconds(settings.slurm.keep),
        |settings, _, value| put(&mut settings.slurm.keep, value.seconds(10, 86_400)),
    ),
    of(
        "folder",
        |settings, _| path(settings.slurm.folder.clone()),
        |settings, _, value| put(&mut settings.slurm.folder, value.or_auto(Value::path)),
    ),
    of(
        "program",
        |settings, _| path(settings.slurm.program.clone()),
        |settings, _, value| put(&mut settings.slurm.program, value.or_auto(Value::path)),
    ),
    of(
        "options",
        |settings, _| Value::List(settings.slurm.options.clone()),
        |settings, _, value| put(&mut settings.slurm.options, value.words()),
    ),
];

const fn of(
    key: &'static str,
    get: fn(&Settings, &str) -> Value,
    set: fn(&mut Settings, &str, &Value) -> Result<(), String>,
) -> Setting {
    Setting { section: SLURM, key, get, set }
}

fn path(path: Option<PathBuf>) -> Value {
    auto(path, |path| Value::Text(path.display().to_string()))
}

/// A partition, or several of which the first that is free is taken.
fn name(value: &Value) -> Result<String, String> {
    partition(value.word().unwrap_or_default()).map(|name| name.to_string())
}

/// A limit of time as sbatch takes it.
fn time(value: &Value) -> Result<String, String> {
    let text = value.word().or_else(|| value.number()).unwrap_or_default();
    let is_time = text.starts_with(|c: char| c.is_ascii_digit())
        && text.len() <= 16
        && text.chars().all(|c| c.is_ascii_digit() || ":-".contains(c));
    if is_time {
        return Ok(text.to_owned());
    }
    Err("must be a time limit as sbatch takes it: minutes, \"2:00:00\" or \"1-12:00:00\"".to_owned())
}

/// One further option of sbatch.
pub(super) fn entry(word: &str) -> Result<(), String> {
    let is_option = word.starts_with("--") && word.len() > 2 && !word.chars().any(char::is_control);
    if is_option { Ok(()) } else { Err("must be one option of sbatch, such as \"--account=NAME\"".to_owned()) }
}
