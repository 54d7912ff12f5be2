//! A race, and the vote on it, from the race's document. What stands in its table and who won what serves text and
//! Markdown (`race::export`) as well.

use std::time::Duration;

use maud::{Markup, html};
use serde_json::Value;

use super::page::{count, energy, graded, items, muted, number, panel, reasoning, table, text};
use super::plot::{Bar, bars};
use crate::preset::quoted;
use crate::race::lockstep::visible;
use crate::units::{Bytes, digits, or_dash, span};

/// The heads of the figures' table.
pub(crate) const HEADS: [&str; 9] =
    ["", "TTFT", "prompt tok/s", "tok/s", "tokens", "thinking", "memory", "J/token", "J/answer"];

pub(super) fn markup(body: &Value) -> Markup {
    let columns: Vec<&Value> = items(&body["columns"]).collect();
    let rows: Vec<_> = columns.iter().map(|column| row(column).to_vec()).collect();
    html! {
        (muted(&terms(body)))
        @if let Some(vote) = vote(body) { p { strong { (vote) } } }
        (panel("system prompt", text(&body["system"])))
        (panel("prompt", text(&body["prompt"])))
        dl { @for (word, names) in strip(body) { div { dt { (word) } dd { (names) } } } }
        (table(&HEADS, &rows))
        div.grid { (plots(&columns)) }
        h2 { "Answers" }
        div.grid {
            @for column in &columns {
                section.panel {
                    h3 { (text(&column["name"])) }
                    @if let Some(failure) = failure(column) { p.bad { (failure) } }
                    (reasoning(text(&column["reasoning"]), column["tokens"]["reasoning"].as_u64()))
                    pre { (text(&column["text"]).trim()) }
                }
            }
        }
        @if !body["parting"].is_null() { (parting(&body["parting"], &columns)) }
    }
}

fn plots(columns: &[&Value]) -> Markup {
    let plot = |title: &str, value: &dyn Fn(&Value) -> Option<f64>| {
        let all: Vec<_> = columns
            .iter()
            .map(|column| Bar { label: text(&column["name"]).to_owned(), value: value(column), range: None })
            .collect();
        bars(title, &all, &digits)
    };
    let energies = columns.iter().map(|column| {
        let of = &column["energy"];
        let value = energy(&of["joules_per_token"], &of["grade"], &of["relative_uncertainty"]);
        Bar::energy(text(&column["name"]), value)
    });
    html! {
        (plot("time to the first token, ms", &|column| column["ttft_ms"].as_f64()))
        (plot("generation, tokens per second", &|column| column["generation_tokens_per_second"].as_f64()))
        (bars("energy of generation, joules per token", &energies.collect::<Vec<_>>(), &digits))
        (plot("memory, GB", &|column| column["memory"].as_u64().map(|bytes| Bytes(bytes).gigabytes())))
    }
}

/// Why a column failed, and what could be done.
pub(crate) fn failure(column: &Value) -> Option<String> {
    let reason = column["error"]["reason"].as_str()?;
    let hint = column["error"]["hint"].as_str().map_or_else(String::new, |hint| format!(" (hint: {hint})"));
    Some(format!("{reason}{hint}"))
}

/// Where columns in lockstep part, and what each found likely there.
fn parting(parting: &Value, columns: &[&Value]) -> Markup {
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    html! {
        h2 { "Where they part" }
        (muted(text(&parting["said"])))
        (panel("the end of what all say alike", &visible(text(&parting["before"]))))
        div.grid {
            @for (column, step) in columns.iter().zip(items(&parting["columns"])) {
                @let title = step_title(column, step);
                @let all = likely(step);
                @if all.is_empty() { p { (title) } }
                (bars(&title, &all, &percent))
            }
        }
    }
}

/// What a column says at a step.
fn step_title(column: &Value, step: &Value) -> String {
    let token = step["token"].as_str().zip(step["index"].as_u64());
    let said = token.map_or_else(
        || "ends here".to_owned(),
        |(token, index)| format!("token {} is “{}”", index.saturating_add(1), visible(token)),
    );
    format!("{}: {said}", text(&column["name"]))
}

/// The likeliest tokens of a step.
fn likely(step: &Value) -> Vec<Bar> {
    let bar = |other: &Value| Bar {
        label: format!("“{}”", visible(text(&other["token"]))),
        value: other["probability"].as_f64(),
        range: None,
    };
    items(&step["probable"]).map(bar).collect()
}

/// One line on how it was run.
pub(crate) fn terms(body: &Value) -> String {
    let order = if body["order"] == "together" { "at once" } else { "in turn" };
    let mut parts = vec![format!("{} models {order}", items(&body["columns"]).count())];
    for name in ["temperature", "seed"] {
        let mut values = items(&body["columns"]).map(|column| &column["settings"]["sampling"][name]);
        if let Some(first) = values.next().filter(|first| first.is_number())
            && values.all(|value| value == first)
        {
            // They were of this width before.
            parts.push(format!("{name} {}", first.as_f64().unwrap_or_default() as f32));
        }
    }
    let stop: Vec<&str> = items(&body["stop"]).filter_map(Value::as_str).collect();
    if !stop.is_empty() {
        parts.push(format!("stop {}", quoted(&stop)));
    }
    if body["blind"] == true {
        parts.push("blind".to_owned());
    }
    parts.join(", ")
}

/// The vote in words.
pub(crate) fn vote(body: &Value) -> Option<String> {
    let winner = &body["vote"].as_object()?["winner"];
    Some(winner.as_str().map_or_else(|| "Voted a tie".to_owned(), |name| format!("Voted best: {name}")))
}

/// Who won what, as rows of a word and names.
pub(crate) fn strip(body: &Value) -> Vec<(&'static str, String)> {
    let winners = &body["winners"];
    if winners.is_null() {
        return vec![("hidden", "names and figures, until the vote".to_owned())];
    }
    let has_finished = |column: &&Value| matches!(column["finish"].as_str(), Some("stop" | "length" | "context_full"));
    let n_finished = items(&body["columns"]).filter(has_finished).count();
    let row = |(word, key): (&'static str, &str)| {
        let names: Vec<&str> = items(&winners[key]).map(text).collect();
        let said = match (names.len(), winners["most_frugal_unknown"].as_str()) {
            (0, Some(reason)) if key == "most_frugal" => format!("— ({reason})"),
            (0, _) => "—".to_owned(),
            (n, _) if n > 1 && key == "most_frugal" => {
                format!("{}, as far as the meters can tell", tie(&names, n_finished))
            }
            (n, _) if n > 1 && n == n_finished => "all alike".to_owned(),
            _ => names.join(" and "),
        };
        (word, said)
    };
    [("first", "first"), ("fastest", "fastest"), ("lowest energy", "most_frugal"), ("shortest", "shortest")]
        .map(row)
        .into()
}

/// Several that can't be told apart.
fn tie(names: &[&str], n_finished: usize) -> String {
    if names.len() == n_finished { "all alike".to_owned() } else { names.join(" and ") }
}

/// A column's figures, in the order of [`HEADS`].
pub(crate) fn row(column: &Value) -> [String; HEADS.len()] {
    let energy = &column["energy"];
    let mark = |value: &Value| graded(value, &energy["grade"], &energy["relative_uncertainty"]);
    let first = column["ttft_ms"].as_f64().filter(|ms| ms.is_finite() && *ms >= 0.0);
    [
        text(&column["name"]).to_owned(),
        or_dash(first.and_then(|ms| Duration::try_from_secs_f64(ms / 1e3).ok()).map(span)),
        number(&column["prompt_tokens_per_second"]),
        number(&column["generation_tokens_per_second"]),
        count(&column["tokens"]["generated"]),
        count(&column["tokens"]["reasoning"]),
        or_dash(column["memory"].as_u64().map(Bytes)),
        mark(&energy["joules_per_token"]),
        mark(&energy["joules"]),
    ]
}
