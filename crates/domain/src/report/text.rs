//! A record as plain text: what `taffrail history --show` prints and the dashboard opens.

use std::fmt::Write as _;

use super::conversation;
use crate::history::{Kind, Record};
use crate::race::export;
use crate::units::{digits, or_dash};

/// The longest line of names and settings, in characters.
const MAX_LINE: usize = 1000;

/// The record with its models, speeds and texts.
pub fn text(record: &Record) -> String {
    let mut out = String::new();
    let line = |text: &str| gguf::clean(text, MAX_LINE);
    let _ = writeln!(out, "{} {} · {}", record.kind.name(), record.id, line(&record.title));
    for model in &record.models {
        let _ = writeln!(out, "model {}", line(model));
    }
    for figure in &record.figures {
        let spread = figure.spread.map_or_else(String::new, |spread| format!(" (deviation {})", digits(spread)));
        let (rate, joules) = (
            or_dash(figure.rate.map(digits)),
            figure.joules.map_or_else(|| "— J/tok".to_owned(), |joules| joules.text("J/tok")),
        );
        let settings = line(&figure.series.settings);
        let _ = writeln!(out, "{} {rate} tok/s{spread} · {joules} · {settings}", figure.what);
    }
    if let Some(error) = record.body["error"].as_str() {
        let _ = writeln!(out, "failed: {}", line(error));
    }
    if is_interrupted(record) {
        let _ = writeln!(out, "interrupted: the program ended before it was complete");
    }
    match record.kind {
        Kind::Run => {
            for (label, said) in conversation(record) {
                let said: String = said.chars().filter(|c| *c == '\n' || !gguf::is_harmful(*c)).collect();
                let _ = writeln!(out, "\n{label}\n{said}");
            }
        }
        Kind::Race | Kind::Vote => {
            let _ = write!(out, "\n{}", export::text(&record.body));
        }
        Kind::Suite | Kind::Bench => {}
    }
    out
}

/// Whether the program ended before the record was complete.
fn is_interrupted(record: &Record) -> bool {
    record.body["interrupted"] == true || record.body["finish"] == crate::answer::INTERRUPTED
}
