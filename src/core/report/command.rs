//! The command that runs a record again, as a POSIX shell reads it.

use std::fmt::Write as _;

use serde_json::Value;

use crate::core::history::{Kind, Record};

/// The command that runs a record again; `None` where one command does not do it.
pub fn command(record: &Record) -> Option<String> {
    match record.kind {
        Kind::Run => run_again(record),
        // The vote was on a race.
        Kind::Race | Kind::Vote => race_again(record),
        Kind::Suite => suite_again(record),
        Kind::Bench => bench_again(record),
    }
}

/// The settings that were not the usual ones, as options.
fn options(body: &Value) -> String {
    let mut options = String::new();
    for (name, value) in body["options"].as_object().into_iter().flatten() {
        let _ = write!(options, " --{} {}", name.replace('_', "-"), quoted(value.as_str().unwrap_or("")));
    }
    options
}

/// A model as the command line takes it: one in a folder by its path, which may be in no folder that is looked at.
fn named(id: &str) -> &str {
    id.strip_prefix("folder:").unwrap_or(id)
}

fn models(record: &Record) -> Option<String> {
    let models: Vec<_> = record.models.iter().map(|model| quoted(named(model))).collect();
    (!models.is_empty()).then(|| models.join(" "))
}

fn run_again(record: &Record) -> Option<String> {
    let turns = record.body["turns"].as_array()?;
    let said = |role: &str| {
        let mut turns = turns.iter().rev().filter(move |turn| turn["role"] == role);
        turns.next().and_then(|turn| turn["text"].as_str())
    };
    let mut command = format!("taffrail run {} -p {}", quoted(named(record.models.first()?)), quoted(said("user")?));
    if let Some(system) = said("system") {
        let _ = write!(command, " --system {}", quoted(system));
    }
    if record.body["raw"] == true {
        command.push_str(" --raw");
    }
    command.push_str(&options(&record.body));
    // The grammar may have been a file that is another one now, so it comes from the record.
    for (name, option) in [("gbnf", "--grammar"), ("json_schema", "--json-schema")] {
        if let Some(text) = record.body["grammar"][name].as_str() {
            command = format!("printf %s {} | {command} {option} /dev/stdin", quoted(text));
        }
    }
    Some(command)
}

fn race_again(record: &Record) -> Option<String> {
    let body = &record.body;
    let mut command = "taffrail race".to_owned();
    for column in body["columns"].as_array()? {
        let settings: Vec<_> = column["options"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or("")))
            .collect();
        let at = if settings.is_empty() { "" } else { "@" };
        // A model whose name is hidden can't be named.
        let _ = write!(
            command,
            " {}",
            quoted(&format!("{}{at}{}", named(column["model"]["id"].as_str()?), settings.join(",")))
        );
    }
    let _ = write!(command, " -p {}", quoted(body["prompt"].as_str()?));
    if let Some(system) = body["system"].as_str() {
        let _ = write!(command, " --system {}", quoted(system));
    }
    if body["order"] == "together" {
        command.push_str(" --together");
    }
    if body["lockstep"] == true {
        command.push_str(" --lockstep");
    }
    Some(command)
}

fn suite_again(record: &Record) -> Option<String> {
    let file = record.body["file"].as_str()?;
    Some(format!("taffrail suite {} {} --anew{}", quoted(file), models(record)?, options(&record.body)))
}

fn bench_again(record: &Record) -> Option<String> {
    let rows = record.body["rows"].as_array()?;
    let list = |name: &str| {
        let mut all: Vec<u64> = rows.iter().filter_map(|row| row["cell"][name].as_u64()).collect();
        all.sort_unstable();
        all.dedup();
        // A row reads a prompt or generates: the other one's 0 is no length.
        if all.len() > 1 && name.starts_with("n_") {
            all.retain(|n| *n > 0);
        }
        all.iter().map(u64::to_string).collect::<Vec<_>>().join(",")
    };
    Some(format!(
        "taffrail bench {} --pp {} --tg {} --depth {} --batch-sizes {} --parallel {} -r {} -t {}",
        models(record)?,
        list("n_prompt"),
        list("n_generate"),
        list("depth"),
        list("batch"),
        list("parallel"),
        record.body["wanted_repetitions"],
        record.body["threads"],
    ))
}

/// A word as a POSIX shell reads it back. Control characters other than line ends are dropped.
fn quoted(text: &str) -> String {
    let text: String = text.chars().filter(|c| *c == '\n' || !gguf::is_harmful(*c)).collect();
    shell_words::quote(&text).into_owned()
}
