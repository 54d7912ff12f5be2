//! The command that runs a record again, as a POSIX shell reads it.

use std::fmt::Write as _;

use serde_json::Value;

use crate::history::{Kind, Record};

/// The longest prompt that is given as an option: a system takes 128 KiB in one word.
const MAX_OPTION: usize = 100_000;

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

/// The texts that end an answer, as options.
fn stops(body: &Value) -> String {
    let mut options = String::new();
    for stop in body["stop"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let _ = write!(options, " --stop {}", quoted(stop));
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
    let is_raw = record.body["raw"] == true;
    let mut command = format!("taffrail run {}", quoted(named(record.models.first()?)));
    let prompt = Given::new(said("user")?, is_raw);
    command.push_str(&prompt.option);
    if let Some(system) = said("system") {
        let _ = write!(command, " --system {}", quoted(system));
    } else if record.body["no_system"] == true {
        command.push_str(" --system ''");
    }
    if is_raw {
        command.push_str(" --raw");
    }
    command.push_str(&options(&record.body));
    command.push_str(&stops(&record.body));
    // The grammar may have been a file that is another one now, so it comes from the record.
    let grammars = [("gbnf", "--grammar"), ("json_schema", "--json-schema")];
    let grammar =
        grammars.into_iter().find_map(|(name, option)| Some((record.body["grammar"][name].as_str()?, option)));
    let printed = |text: &str| format!("printf %s {}", quoted(text));
    Some(match (prompt.input, grammar) {
        (None, None) => command,
        (Some(input), None) => format!("{} | {command}", printed(&input)),
        (None, Some((text, option))) => format!("{} | {command} {option} /dev/stdin", printed(text)),
        (Some(input), Some((text, option))) => {
            format!("{} | {{ {} | {command} {option} /dev/fd/3; }} 3<&0", printed(text), printed(&input))
        }
    })
}

/// How a prompt is given: as an option, or on standard input where an option can't hold it.
struct Given {
    option: String,
    input: Option<String>,
}

impl Given {
    fn new(prompt: &str, is_raw: bool) -> Self {
        if prompt != "-" && prompt.len() <= MAX_OPTION {
            return Self { option: format!(" -p {}", quoted(prompt)), input: None };
        }
        // One line end is taken off there, unless the prompt is raw.
        let end = if !is_raw && prompt.ends_with('\n') { "\n" } else { "" };
        Self { option: String::new(), input: Some(format!("{prompt}{end}")) }
    }
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
    let prompt = Given::new(body["prompt"].as_str()?, false);
    command.push_str(&prompt.option);
    if let Some(system) = body["system"].as_str() {
        let _ = write!(command, " --system {}", quoted(system));
    }
    command.push_str(&stops(body));
    if body["order"] == "together" {
        command.push_str(" --together");
    }
    if body["lockstep"] == true {
        command.push_str(" --lockstep");
    }
    if let Some(input) = prompt.input {
        command = format!("printf %s {} | {command}", quoted(&input));
    }
    Some(command)
}

fn suite_again(record: &Record) -> Option<String> {
    let file = record.body["file"].as_str()?;
    let options = format!("{}{}", stops(&record.body), options(&record.body));
    Some(format!("taffrail suite {} {} --anew{options}", quoted(file), models(record)?))
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
    let keeps = if record.body["keeps_tainted"] == true { " --keep-tainted" } else { "" };
    Some(format!(
        "taffrail bench {} --pp {} --tg {} --depth {} --batch-sizes {} --parallel {} -r {} -t {}{keeps}{}",
        models(record)?,
        list("n_prompt"),
        list("n_generate"),
        list("depth"),
        list("batch"),
        list("parallel"),
        record.body["wanted_repetitions"],
        record.body["threads"],
        options(&record.body),
    ))
}

/// A word as a POSIX shell reads it back. What a terminal would obey, when it is shown or pasted there, tabs among it, is
/// made by `printf` as the command runs.
fn quoted(text: &str) -> String {
    let text: String = text.chars().filter(|c| *c != '\0').collect();
    let is_harmful = |c: char| c != '\n' && gguf::is_harmful(c);
    if !text.contains(is_harmful) {
        return shell_words::quote(&text).into_owned();
    }
    let mut word = String::new();
    let characters: Vec<char> = text.chars().collect();
    for run in characters.chunk_by(|a, b| is_harmful(*a) == is_harmful(*b)) {
        let run: String = run.iter().collect();
        if run.contains(is_harmful) {
            word.push_str("\"$(printf '");
            for byte in run.bytes() {
                let _ = write!(word, "\\{byte:03o}");
            }
            word.push_str("')\"");
        } else {
            word.push_str(&shell_words::quote(&run));
        }
    }
    word
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_for_a_shell() {
        for (text, expected) in [
            ("plain/-_", "plain/-_"),
            ("", "''"),
            ("it's $HOME", "'it'\\''s $HOME'"),
            ("- one\n\n", "'- one\n\n'"),
            ("a\tb\r", "a\"$(printf '\\011')\"b\"$(printf '\\015')\""),
            ("\u{202e}é", "\"$(printf '\\342\\200\\256')\"é"),
            ("a\0b", "ab"),
        ] {
            assert_eq!(quoted(text), expected, "{text:?}");
        }
    }
}
