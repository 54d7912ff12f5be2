//! A race as a document: JSON for programs, Markdown and HTML for people.

use std::fmt::Write as _;

use super::{Column, Race, Stage, per_token};
use crate::energy::Report;
use crate::figure::{Figure, Uncertain};
use crate::record::report::race::{failure, figures as table_of, strip, terms, vote};
use crate::record::{
    self, BlindRace, ColumnError, ColumnSettings, Finished, ModelRef, Provenance, RaceColumn, RaceDocument, RaceEnergy,
    RaceRecord, TokenCounts, VoteResult, WinnerNames, report,
};
use crate::request::Figures;
use crate::session::End;
use crate::settings;
use crate::units::{Joules, counted};

/// What the heads of energy say.
pub(crate) const MEANS: &str = "J/token is the energy of generation alone; J/answer includes reading the prompt.";

/// The document of `--json`: of a blind race before its vote what [`BlindRace`] has. Text is as the models said it.
pub fn document(race: &Race) -> RaceDocument {
    if race.hides_names() { RaceRecord::from(BlindRace::of(&race.race_record())).document } else { complete(race) }
}

/// The document with all that is known.
pub(super) fn complete(race: &Race) -> RaceDocument {
    RaceDocument {
        at: Some(race.at.unix),
        prompt: race.prompt.clone(),
        system: race.system.clone(),
        stop: race.stop.clone(),
        order: race.order,
        blind: race.blind,
        columns: race.columns.iter().enumerate().map(|(place, column)| race_column(race.name(place), column)).collect(),
        winners: Some(WinnerNames::of(&race.winners(), |place| race.name(place))),
        vote: race.vote.map(|vote| VoteResult { winner: vote.map(|place| race.name(place)), tie: vote.is_none() }),
        ..RaceDocument::default()
    }
}

fn race_column(name: String, column: &Column) -> RaceColumn {
    let figures = column.ended();
    let counters = figures.map(|figures| figures.counters);
    let answer = column.answer.as_ref();
    let finish = answer.and_then(|turn| match turn.end.as_ref()? {
        End::Finished(finish) => Some(*finish),
        End::Failed { .. } => None,
    });
    RaceColumn {
        name,
        model: Some(ModelRef::of(&column.model)),
        settings: Some(ColumnSettings {
            context: Some(column.loaded.as_ref().map_or(column.settings.context, |loaded| loaded.n_ctx))
                .filter(|n_ctx| *n_ctx > 0),
            max_tokens: column.settings.max_tokens,
            sampling: figures.map_or(column.settings.sampling, |figures| figures.sampling),
        }),
        text: answer.map(|turn| turn.text.clone()),
        reasoning: answer.map(|turn| turn.reasoning.clone()),
        finish: finish.map(Finished::of),
        stopped_at_stop_text: matches!(finish, Some(wire::Finish::StopText(_))),
        error: error(column),
        tokens: TokenCounts {
            prompt: counters.map(|counters| counters.n_prompt),
            cached: None,
            generated: counters.map(|counters| counters.n_generated),
            reasoning: counters.map(|counters| counters.n_reasoning),
        },
        load_ms: column.loaded.as_ref().map(|loaded| loaded.load_us as f64 / 1e3),
        ttft_ms: counters.and_then(|counters| counters.ttft_us).map(|micros| micros as f64 / 1e3),
        ttft_engine_ms: counters.and_then(|counters| counters.engine_ttft_us).map(|micros| micros as f64 / 1e3),
        cost: figures.and_then(|figures| crate::cost::cost(&column.model, figures)),
        prompt_tokens_per_second: counters.and_then(|counters| counters.prompt_rate()),
        generation_tokens_per_second: counters.and_then(|counters| counters.generation_rate()),
        memory: column.memory(),
        energy: figures.map(energy),
        options: Some(record::options(&column.settings)),
    }
}

fn error(column: &Column) -> Option<ColumnError> {
    match &column.stage {
        Stage::Failed { reason, hint } => Some(ColumnError { reason: reason.clone(), hint: hint.clone() }),
        _ => None,
    }
}

/// Why a column failed, as it may be shown now.
pub fn shown_error(race: &Race, column: &Column) -> Option<ColumnError> {
    let error = error(column)?;
    if !race.hides_names() {
        return Some(error);
    }
    let columns: Vec<RaceColumn> = race.columns.iter().map(|column| race_column(column.name.clone(), column)).collect();
    Some(error.without_names(&columns))
}

fn energy(figures: &Figures) -> RaceEnergy {
    let report = Report::of_answer(figures, &settings::Energy::default());
    let off = report.energy.value().copied();
    match &figures.energy {
        Figure::Known { value: Joules(joules), grade, source } => RaceEnergy {
            joules: Some(*joules),
            joules_per_token: per_token(figures).value().map(|joules| joules.0),
            dynamic_joules_per_token: report.dynamic_per_token.value().map(|joules| joules.value),
            joules_per_token_of: Some("generation".to_owned()),
            provenance: Provenance::Known {
                grade: *grade,
                relative_uncertainty: off.map(|joules| joules.relative),
                range_joules: off.map(Uncertain::range),
                boundary: Some(report.boundary),
                coverage: Some(report.coverage),
                source: Some(source.clone()),
                metered_s: Some(figures.metered.as_secs_f64()),
            },
        },
        Figure::Unknown { reason, remedy } => {
            let provenance = Provenance::unknown(Some(reason.clone()), remedy.clone());
            RaceEnergy { provenance, ..RaceEnergy::default() }
        }
    }
}

/// As one HTML file. The names that are hidden are hidden in it.
pub fn html(race: &Race) -> String {
    let record = race.record(race.at.unix.saturating_mul(1000));
    report::html(&if race.hides_names() { record.redacted() } else { record })
}

/// As Markdown. What was asked and answered stands in fences, so that nothing in it can be taken for ours.
pub fn markdown(race: &Race) -> String {
    let mut text = String::from("# Race\n\n");
    let document = document(race);
    let _ = write!(text, "{}, {}\n\n", terms(&document), date(race.at.unix));
    if let Some(system) = &race.system {
        let _ = write!(text, "System prompt:\n\n{}\n", fenced(system));
    }
    let _ = write!(text, "Prompt:\n\n{}\n", fenced(&race.prompt));
    let (heads, rows) = cells(&document);
    let _ = writeln!(text, "| {} |", heads.join(" | "));
    let _ = writeln!(text, "|---|{}", "--:|".repeat(heads.len() - 1));
    for row in rows {
        let row: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    text.push('\n');
    if is_metered(&document) {
        let _ = write!(text, "{MEANS}\n\n");
    }
    for (word, names) in strip(&document) {
        let _ = writeln!(text, "- {word}: {}", gguf::clean(&names, MAX_NAME));
    }
    if let Some(vote) = vote(&document) {
        let _ = write!(text, "\n{}\n", gguf::clean(&vote, MAX_NAME));
    }
    for (place, column) in race.columns.iter().enumerate() {
        let _ = write!(text, "\n## {}\n\n", gguf::clean(&race.name(place), MAX_NAME));
        if let Some(failure) = document.columns.get(place).and_then(failure) {
            let _ = write!(text, "Failed: {}\n\n", gguf::clean(&failure, MAX_NAME));
        }
        if let Some(turn) = &column.answer {
            if !turn.reasoning.trim().is_empty() {
                let _ = write!(text, "Reasoning:\n\n{}\n", fenced(&turn.reasoning));
            }
            if !turn.text.trim().is_empty() {
                text.push_str(&fenced(&turn.text));
            }
        }
    }
    text
}

/// The figures' table, cleaned: its heads, and its rows with names in the first cells.
fn cells(document: &RaceDocument) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let (heads, rows) = table_of(document);
    let clean = |row: Vec<String>| row.iter().map(|cell| gguf::clean(cell, MAX_NAME)).collect();
    (heads, rows.into_iter().map(clean).collect())
}

/// The most bytes of a name or a reason in a document.
const MAX_NAME: usize = 400;

/// A text in a fence longer than any in it, without what a terminal would obey.
fn fenced(text: &str) -> String {
    let text = harmless(text.trim());
    let longest = text.split(|character| character != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{text}\n{fence}\n")
}

/// A text without control characters but for line breaks and tabs.
fn harmless(text: &str) -> String {
    text.chars().filter(|character| matches!(character, '\n' | '\t') || !gguf::is_harmful(*character)).collect()
}

/// `2026-11-25 01:20 UTC` of seconds since 1970; a dash where the calendar doesn't reach.
pub(crate) fn date(unix: i64) -> String {
    let time = jiff::Timestamp::from_second(unix);
    time.map_or_else(|_| "—".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M UTC").to_string())
}

/// For a terminal, from the document: the answers, one below the other, and the figures as a table.
pub fn text(document: &RaceDocument) -> String {
    answers(document) + &table(document)
}

/// The answers, one below the other.
pub fn answers(document: &RaceDocument) -> String {
    let mut text = String::new();
    let said = |text: &Option<String>| text.as_deref().unwrap_or_default().trim().to_owned();
    for column in &document.columns {
        let _ = writeln!(text, "── {}", gguf::clean(column.name.trim(), MAX_NAME));
        if !said(&column.reasoning).is_empty() {
            let count = column.tokens.reasoning.unwrap_or(0);
            let _ = writeln!(text, "(thought for {})", counted(count as usize, "token"));
        }
        match said(&column.text).as_str() {
            "" if column.error.is_none() => text.push_str("(no output)\n"),
            "" => {}
            said => {
                let _ = writeln!(text, "{}", harmless(said));
            }
        }
        if let Some(failure) = failure(column) {
            let _ = writeln!(text, "failed: {}", gguf::clean(&failure, MAX_NAME));
        }
        text.push('\n');
    }
    text
}

/// The figures as a table, who won what, and the vote.
pub fn table(document: &RaceDocument) -> String {
    let mut text = String::new();
    let (heads, rows) = cells(document);
    let heads: Vec<String> = heads.into_iter().map(str::to_owned).collect();
    let rows: Vec<_> = std::iter::once(heads).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    for row in rows {
        let mut line = String::new();
        for (place, (cell, width)) in row.iter().zip(widths.iter().copied()).enumerate() {
            let _ = if place == 0 { write!(line, "{cell:<width$}") } else { write!(line, "  {cell:>width$}") };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.push('\n');
    for (word, names) in strip(document) {
        let _ = writeln!(text, "{word:<12} {}", gguf::clean(&names, MAX_NAME));
    }
    text.extend(vote(document).map(|vote| format!("{}\n", gguf::clean(&vote, MAX_NAME))));
    let _ = writeln!(text, "{}", terms(document));
    if is_metered(document) {
        let _ = writeln!(text, "{MEANS}");
    }
    text
}

/// Whether the energy of any answer is known.
fn is_metered(document: &RaceDocument) -> bool {
    document.columns.iter().any(|column| column.energy.as_ref().is_some_and(|energy| energy.joules.is_some()))
}
