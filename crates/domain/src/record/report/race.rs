//! A race, and the vote on it, from the race's document. What stands in its table and who won what serves text and
//! Markdown (`race::export`) as well.

use std::time::Duration;

use maud::{Markup, html};

use super::page::{count, graded, muted, number, panel, reasoning, table};
use super::plot::{Bar, bars};
use crate::figure::Graded;
use crate::lab::race::Order;
use crate::lab::race::lockstep::visible;
use crate::lab::race::winners::{Verdict, verdict};
use crate::model::preset::quoted;
use crate::record::{Award, DivergenceColumn, DivergenceRecord, RaceColumn, RaceDocument, RaceRecord};
use crate::units::{Bytes, digits, or_dash, span};

/// The heads of the figures' table. The last stands where any answer has a price.
const HEADS: [&str; 10] =
    ["", "TTFT", "prompt tok/s", "tok/s", "tokens", "thinking", "memory", "J/token", "J/answer", "cost"];

/// The figures' table: its heads, and a row for each column with its name first.
pub(crate) fn figures(race: &RaceDocument) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let has_price = race.columns.iter().any(|column| column.cost.is_some());
    let n = HEADS.len() - usize::from(!has_price);
    let rows = race.columns.iter().map(|column| row(column).into_iter().take(n).collect());
    (HEADS.into_iter().take(n).collect(), rows.collect())
}

pub(super) fn markup(record: &RaceRecord) -> Markup {
    let race = &record.document;
    let (heads, rows) = figures(race);
    html! {
        (muted(&terms(race)))
        @if let Some(vote) = vote(race) { p { strong { (vote) } } }
        (panel("system prompt", race.system.as_deref().unwrap_or_default()))
        (panel("prompt", &race.prompt))
        dl { @for (word, names) in strip(race) { div { dt { (word) } dd { (names) } } } }
        (table(&heads, &rows))
        div.grid { (plots(&race.columns)) }
        h2 { "Answers" }
        div.grid {
            @for column in &race.columns {
                section.panel {
                    h3 { (column.name) }
                    @if let Some(failure) = failure(column) { p.bad { (failure) } }
                    (reasoning(column.reasoning.as_deref().unwrap_or_default(), column.tokens.reasoning))
                    pre { (column.text.as_deref().unwrap_or_default().trim()) }
                }
            }
        }
        @if let Some(divergence) = &record.divergence { (divergence_panel(divergence, &race.columns)) }
    }
}

fn plots(columns: &[RaceColumn]) -> Markup {
    let plot = |title: &str, value: &dyn Fn(&RaceColumn) -> Option<f64>| {
        let bar = |column: &RaceColumn| Bar { label: column.name.clone(), value: value(column), range: None };
        bars(title, &columns.iter().map(bar).collect::<Vec<_>>(), &digits)
    };
    let energies = columns.iter().map(|column| Bar::energy(&column.name, joules(column).0));
    html! {
        (plot("time to the first token, ms", &|column| column.ttft_ms))
        (plot("generation, tokens per second", &|column| column.generation_tokens_per_second))
        (bars("energy of generation, joules per token", &energies.collect::<Vec<_>>(), &digits))
        (plot("memory, GB", &|column| column.memory.map(Bytes::gigabytes)))
    }
}

/// Joules per token, and of the answer.
fn joules(column: &RaceColumn) -> (Option<Graded>, Option<Graded>) {
    column.energy.as_ref().map_or((None, None), |energy| {
        (energy.provenance.graded(energy.joules_per_token), energy.provenance.graded(energy.joules))
    })
}

/// Why a column failed, and what could be done.
pub(crate) fn failure(column: &RaceColumn) -> Option<String> {
    let error = column.error.as_ref()?;
    let hint = error.hint.as_ref().map_or_else(String::new, |hint| format!(" (hint: {hint})"));
    Some(format!("{}{hint}", error.reason))
}

/// Where columns in lockstep part, and what each found likely there.
fn divergence_panel(divergence: &DivergenceRecord, columns: &[RaceColumn]) -> Markup {
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    html! {
        h2 { "Where they diverge" }
        (muted(&divergence.said))
        (panel("the end of the common text", &visible(&divergence.before)))
        div.grid {
            @for (column, step) in columns.iter().zip(&divergence.columns) {
                @let title = step_title(column, step);
                @let all = likely(step);
                @if all.is_empty() { p { (title) } }
                (bars(&title, &all, &percent))
            }
        }
    }
}

/// The title of a column at a step.
fn step_title(column: &RaceColumn, step: &DivergenceColumn) -> String {
    let said = step.token.as_deref().zip(step.index).map_or_else(
        || "ends here".to_owned(),
        |(token, index)| format!("token {} is “{}”", index.saturating_add(1), visible(token)),
    );
    format!("{}: {said}", column.name)
}

/// The likeliest tokens of a step.
fn likely(step: &DivergenceColumn) -> Vec<Bar> {
    let all = step.probable.iter().flatten();
    all.map(|other| Bar {
        label: format!("“{}”", visible(&other.token)),
        value: other.probability.map(f64::from),
        range: None,
    })
    .collect()
}

/// One line on how it was run.
pub(crate) fn terms(race: &RaceDocument) -> String {
    let order = if race.order == Order::Together { "at once" } else { "in turn" };
    let mut parts = vec![format!("{} models {order}", race.columns.len())];
    let sampling = || race.columns.iter().map(|column| column.settings.as_ref().map(|settings| settings.sampling));
    let temperature = shared(sampling().map(|sampling| sampling?.temperature));
    parts.extend(temperature.map(|temperature| format!("temperature {temperature}")));
    parts.extend(shared(sampling().map(|sampling| sampling?.seed)).map(|seed| format!("seed {seed}")));
    if !race.stop.is_empty() {
        let stop: Vec<&str> = race.stop.iter().map(String::as_str).collect();
        parts.push(format!("stop {}", quoted(&stop)));
    }
    if race.blind {
        parts.push("blind".to_owned());
    }
    parts.join(", ")
}

/// The value that all have.
fn shared<T: PartialEq>(mut values: impl Iterator<Item = Option<T>>) -> Option<T> {
    let first = values.next()??;
    values.all(|value| value.as_ref() == Some(&first)).then_some(first)
}

/// The vote in words.
pub(crate) fn vote(race: &RaceDocument) -> Option<String> {
    let winner = &race.vote.as_ref()?.winner;
    Some(winner.as_ref().map_or_else(|| "Voted a tie".to_owned(), |name| format!("Voted best: {name}")))
}

/// Who won what, as rows of a word and names.
pub(crate) fn strip(race: &RaceDocument) -> Vec<(&'static str, String)> {
    let Some(winners) = &race.winners else {
        return vec![("hidden", "names and figures, until the vote".to_owned())];
    };
    let has_finished = |column: &&RaceColumn| column.finish.is_some_and(crate::record::Finished::is_complete);
    let n_finished = race.columns.iter().filter(has_finished).count();
    let row = |award: Award| {
        let is_energy = award == Award::LowestEnergy;
        let names = winners.names(award);
        let said = match (verdict(names, n_finished), winners.most_frugal_unknown.as_deref()) {
            (Verdict::None, Some(reason)) if is_energy => format!("— ({reason})"),
            (Verdict::None, _) => "—".to_owned(),
            (Verdict::AllIdentical, _) => "all identical".to_owned(),
            (Verdict::Won(names), _) => names.join(" and "),
        };
        let as_far = if is_energy && names.len() > 1 { ", as far as the meters can tell" } else { "" };
        (award.words(), format!("{said}{as_far}"))
    };
    Award::ALL.map(row).into()
}

/// A column's figures, in the order of [`HEADS`].
fn row(column: &RaceColumn) -> [String; HEADS.len()] {
    let time = |ms: Option<f64>| {
        let ms = ms.filter(|ms| ms.is_finite() && *ms >= 0.0)?;
        Duration::try_from_secs_f64(ms / 1e3).ok().map(span)
    };
    // Without the network, if a remote engine reports its own time.
    let engine = time(column.ttft_engine_ms).map_or_else(String::new, |own| format!(" ({own} engine)"));
    let (per_token, of_answer) = joules(column);
    [
        column.name.clone(),
        or_dash(time(column.ttft_ms).map(|all| all + &engine)),
        number(column.prompt_tokens_per_second),
        number(column.generation_tokens_per_second),
        count(column.tokens.generated),
        count(column.tokens.reasoning),
        or_dash(column.memory),
        graded(per_token),
        graded(of_answer),
        or_dash(column.cost.map(digits)),
    ]
}
