//! The command that runs a record again, as a POSIX shell reads it.

use std::fmt::Write as _;

use serde_json::{Value, json};
use wire::{Grammar, Role, ToolCall};

use crate::lab::bench::TestCase;
use crate::lab::race::Order;
use crate::record::{BenchDocument, Body, Options, RaceRecord, Record, RunRecord, SuiteRecord, TurnRecord};
use crate::settings::SessionUse;

/// The longest prompt that is given as an option: a system takes 128 KiB in one word.
const MAX_OPTION: usize = 100_000;

/// The command that runs a record again; `None` where one command does not do it.
pub fn command(record: &Record) -> Option<String> {
    match &record.body {
        Body::Run(run) => run_again(record, run),
        // The vote was on a race.
        Body::Race(race) | Body::Vote(race) => race_again(race),
        Body::Suite(suite) => suite_again(record, suite),
        Body::Bench(bench) => bench_again(record, &bench.document),
    }
}

/// The settings that were not the usual ones, as options of a command that takes them.
fn options(options: &Options, kind: SessionUse) -> String {
    options.iter().filter(|(name, _)| kind.takes_named(name)).fold(String::new(), |mut text, (name, value)| {
        let _ = write!(text, " --{} {}", name.replace('_', "-"), quoted(value));
        text
    })
}

/// The texts that end an answer, as options.
fn stops(stop: &[String]) -> String {
    stop.iter().fold(String::new(), |mut text, stop| {
        let _ = write!(text, " --stop {}", quoted(stop));
        text
    })
}

/// A model as the command line takes it: one in a folder by its path, which may be in no folder that is looked at.
fn named(id: &str) -> &str {
    id.strip_prefix("folder:").unwrap_or(id)
}

fn models(record: &Record) -> Option<String> {
    let models: Vec<_> = record.models.iter().map(|model| quoted(named(model))).collect();
    (!models.is_empty()).then(|| models.join(" "))
}

fn run_again(record: &Record, run: &RunRecord) -> Option<String> {
    let said = |role: Role| run.turns.iter().rev().find(|turn| turn.role == role).map(|turn| turn.text.as_str());
    let mut command = format!("taffrail run {}", quoted(named(record.models.first()?)));
    let is_chat = run.turns.iter().any(|turn| matches!(turn.role, Role::Assistant | Role::Tool));
    let prompt = if is_chat { Given::conversation(run) } else { Given::new(said(Role::User)?, run.raw) };
    command.push_str(&prompt.option);
    if is_chat {
        // The system prompt is one of the messages.
    } else if let Some(system) = said(Role::System) {
        let _ = write!(command, " --system {}", quoted(system));
    } else if run.no_system {
        command.push_str(" --system ''");
    }
    if run.raw {
        command.push_str(" --raw");
    }
    command.push_str(&options(&run.options, SessionUse::Answer));
    // The seed that was drawn gives the same answer.
    if let Some(seed) = run.document.settings.sampling.seed.filter(|_| !run.options.contains_key("seed")) {
        let _ = write!(command, " --seed {seed}");
    }
    command.push_str(&stops(&run.stop));
    // The grammar may have been a file that is another one now, so it comes from the record.
    let grammar = run.grammar.as_ref().map(|grammar| match grammar {
        Grammar::Gbnf(text) => (text, "--grammar"),
        Grammar::JsonSchema(text) => (text, "--json-schema"),
    });
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

    /// A conversation with all its turns, as a JSON list of messages.
    fn conversation(run: &RunRecord) -> Self {
        let empty = run.no_system.then(|| json!({ "role": Role::System, "content": "" }));
        let messages: Vec<Value> = empty.into_iter().chain(run.turns.iter().map(message)).collect();
        Self { option: " --messages -".to_owned(), input: Some(Value::Array(messages).to_string()) }
    }
}

/// A turn as `OpenAI`'s API has it.
fn message(turn: &TurnRecord) -> Value {
    let mut message = json!({ "role": turn.role, "content": turn.text });
    if !turn.tool_calls.is_empty() {
        let call = |call: &ToolCall| {
            let function = json!({ "name": call.name, "arguments": call.arguments });
            json!({ "id": call.id, "type": "function", "function": function })
        };
        message["tool_calls"] = turn.tool_calls.iter().map(call).collect();
    }
    if let Some(id) = &turn.tool_call_id {
        message["tool_call_id"] = json!(id);
    }
    message
}

fn race_again(record: &RaceRecord) -> Option<String> {
    let race = &record.document;
    let mut command = "taffrail race".to_owned();
    for column in &race.columns {
        let settings: Vec<_> = column.options.iter().flatten().map(|(name, value)| format!("{name}={value}")).collect();
        let at = if settings.is_empty() { "" } else { "@" };
        // A model whose name is hidden can't be named.
        let id = column.model.as_ref()?.id.as_deref()?;
        let _ = write!(command, " {}", quoted(&format!("{}{at}{}", named(id), settings.join(","))));
    }
    if race.columns.is_empty() {
        return None;
    }
    let prompt = Given::new(&race.prompt, false);
    command.push_str(&prompt.option);
    if let Some(system) = &race.system {
        let _ = write!(command, " --system {}", quoted(system));
    }
    command.push_str(&stops(&race.stop));
    if race.order == Order::Together {
        command.push_str(" --concurrent");
    }
    if record.lockstep {
        command.push_str(" --lockstep");
    }
    if let Some(input) = prompt.input {
        command = format!("printf %s {} | {command}", quoted(&input));
    }
    Some(command)
}

fn suite_again(record: &Record, suite: &SuiteRecord) -> Option<String> {
    let file = suite.file.as_ref()?;
    let options = format!("{}{}", stops(&suite.document.stop), options(&suite.options, SessionUse::Answer));
    Some(format!("taffrail suite {} {} --fresh{options}", quoted(file), models(record)?))
}

fn bench_again(record: &Record, bench: &BenchDocument) -> Option<String> {
    let cells: Vec<TestCase> = bench.rows.iter().filter_map(|row| row.cell).collect();
    let list = |count: fn(&TestCase) -> u32, is_length: bool| {
        let mut all: Vec<u32> = cells.iter().map(count).collect();
        all.sort_unstable();
        all.dedup();
        // A row reads a prompt or generates: the other one's 0 is no length.
        if all.len() > 1 && is_length {
            all.retain(|n| *n > 0);
        }
        all.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
    };
    let keeps = if bench.keeps_disturbed { " --keep-outliers" } else { "" };
    Some(format!(
        "taffrail bench {} --pp {} --tg {} --depth {} --batch-sizes {} --parallel {} -r {} -t {}{keeps}{}",
        models(record)?,
        list(|cell| cell.n_prompt, true),
        list(|cell| cell.n_generate, true),
        list(|cell| cell.depth, false),
        list(|cell| cell.batch, false),
        list(|cell| cell.parallel, false),
        bench.wanted_repetitions?,
        bench.threads?,
        options(&bench.options, SessionUse::Measure),
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
    use wire::{Role, Sampling};

    use super::{command, quoted};
    use crate::record::{Body, Kind, Record, RunRecord, TurnRecord};

    fn turn(role: Role, text: &str) -> TurnRecord {
        TurnRecord { role, text: text.to_owned(), tool_calls: Vec::new(), tool_call_id: None }
    }

    /// A chat is answered again from all its turns, with the seed that was drawn.
    #[test]
    fn a_chat_is_repeated_with_its_turns_and_seed() {
        let mut run = RunRecord {
            turns: [(Role::User, "one"), (Role::Assistant, "it's"), (Role::User, "two")]
                .map(|(role, text)| turn(role, text))
                .to_vec(),
            // What a lone prompt has no use for is not asked for again.
            options: [("parallel", "4"), ("threads", "2")].map(|(name, value)| (name.into(), value.into())).into(),
            ..RunRecord::default()
        };
        run.document.settings.sampling = Sampling { seed: Some(7), ..Sampling::default() };
        let again = |run: &RunRecord| {
            let body = Body::Run(Box::new(run.clone()));
            let record = Record { models: vec!["starter:m".to_owned()], ..Record::new(0, String::new(), body) };
            assert_eq!(record.kind(), Kind::Run);
            command(&record).unwrap()
        };
        let messages = r#"[{"content":"one","role":"user"},{"content":"it'\''s","role":"assistant"},{"content":"two","role":"user"}]"#;
        let expected = format!("printf %s '{messages}' | taffrail run starter:m --messages - --threads 2 --seed 7");
        assert_eq!(again(&run), expected);
        run.no_system = true;
        assert!(again(&run).contains(r#"'[{"content":"","role":"system"},{"#), "{}", again(&run));
        run.turns.truncate(1);
        run.no_system = false;
        assert_eq!(again(&run), "taffrail run starter:m -p one --threads 2 --seed 7");
    }

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
