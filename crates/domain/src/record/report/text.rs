//! A record as plain text: what `taffrail history --show` prints and the dashboard opens.

use std::fmt::Write as _;

use super::conversation;
use crate::lab::race::export;
use crate::record::{Body, Record};
use crate::units::{digits, or_dash};

/// The longest line of names and settings, in characters.
const MAX_LINE: usize = 1000;

/// The record with its models, speeds and texts.
pub fn text(record: &Record) -> String {
    let mut out = String::new();
    let line = |text: &str| gguf::clean(text, MAX_LINE);
    let _ = writeln!(out, "{} {} · {}", record.kind().name(), record.id, line(&record.title));
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
    if let Some(error) = record.body.run().and_then(|run| run.document.error.as_ref()) {
        let _ = writeln!(out, "failed: {}", line(error));
    }
    if record.body.is_interrupted() {
        let _ = writeln!(out, "interrupted: the program ended before it was complete");
    }
    match &record.body {
        Body::Run(run) => {
            for (label, said) in conversation(run) {
                let said: String = said.chars().filter(|c| *c == '\n' || !gguf::is_harmful(*c)).collect();
                let _ = writeln!(out, "\n{label}\n{said}");
            }
        }
        Body::Race(race) | Body::Vote(race) => {
            let _ = write!(out, "\n{}", export::text(&race.document));
        }
        Body::Suite(_) | Body::Bench(_) => {}
    }
    out
}
