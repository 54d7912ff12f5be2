//! A race, and the vote on it, from the race's document. What stands in its table and who won what serves text and
//! Markdown (`race::export`) as well.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;

use super::page::{count, energy, escape, graded, items, number, panel, table, text, thoughts};
use super::plot::{Bar, bars};
use crate::core::preset::quoted;
use crate::core::race::lockstep::visible;
use crate::core::units::{Bytes, digits, or_dash, span};

/// The heads of the figures' table.
pub(in crate::core) const HEADS: [&str; 9] =
    ["", "TTFT", "prompt tok/s", "tok/s", "tokens", "thinking", "memory", "J/token", "J/answer"];

pub(super) fn write(page: &mut String, body: &Value) {
    let columns: Vec<&Value> = items(&body["columns"]).collect();
    let _ = writeln!(page, "<p class=\"muted\">{}</p>", escape(&terms(body)));
    if let Some(vote) = vote(body) {
        let _ = writeln!(page, "<p><strong>{}</strong></p>", escape(&vote));
    }
    panel(page, "system prompt", text(&body["system"]));
    panel(page, "prompt", text(&body["prompt"]));
    page.push_str("<dl>");
    for (word, names) in strip(body) {
        let _ = write!(page, "<div><dt>{word}</dt><dd>{}</dd></div>", escape(&names));
    }
    page.push_str("</dl>\n");
    table(page, &HEADS, &columns.iter().map(|column| row(column).to_vec()).collect::<Vec<_>>());
    page.push_str("<div class=\"grid\">\n");
    let plot = |page: &mut String, title: &str, value: &dyn Fn(&Value) -> Option<f64>| {
        let all: Vec<_> = columns
            .iter()
            .map(|column| Bar { label: text(&column["name"]).to_owned(), value: value(column), range: None })
            .collect();
        bars(page, title, &all, &digits);
    };
    plot(page, "time to the first token, ms", &|column| column["ttft_ms"].as_f64());
    plot(page, "generation, tokens per second", &|column| column["generation_tokens_per_second"].as_f64());
    let energies = columns.iter().map(|column| {
        let of = &column["energy"];
        let value = energy(&of["joules_per_token"], &of["grade"], &of["relative_uncertainty"]);
        Bar::energy(text(&column["name"]), value)
    });
    bars(page, "energy of generation, joules per token", &energies.collect::<Vec<_>>(), &digits);
    plot(page, "memory, GB", &|column| column["memory"].as_u64().map(|bytes| Bytes(bytes).gigabytes()));
    page.push_str("</div>\n<h2>Answers</h2>\n<div class=\"grid\">\n");
    for column in &columns {
        let _ = writeln!(page, "<section class=\"panel\"><h3>{}</h3>", escape(text(&column["name"])));
        if let Some(failure) = failure(column) {
            let _ = writeln!(page, "<p class=\"bad\">{}</p>", escape(&failure));
        }
        thoughts(page, text(&column["reasoning"]), column["tokens"]["reasoning"].as_u64());
        let _ = writeln!(page, "<pre>{}</pre></section>", escape(text(&column["text"]).trim()));
    }
    page.push_str("</div>\n");
    parting(page, &body["parting"], &columns);
}

/// Why a column failed, and what could be done.
pub(in crate::core) fn failure(column: &Value) -> Option<String> {
    let reason = column["error"]["reason"].as_str()?;
    let hint = column["error"]["hint"].as_str().map_or_else(String::new, |hint| format!(" (hint: {hint})"));
    Some(format!("{reason}{hint}"))
}

/// Where columns in lockstep part, and what each found likely there.
fn parting(page: &mut String, parting: &Value, columns: &[&Value]) {
    if parting.is_null() {
        return;
    }
    page.push_str("<h2>Where they part</h2>\n");
    let _ = writeln!(page, "<p class=\"muted\">{}</p>", escape(text(&parting["said"])));
    panel(page, "the end of what all say alike", &visible(text(&parting["before"])));
    page.push_str("<div class=\"grid\">\n");
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    for (column, step) in columns.iter().zip(items(&parting["columns"])) {
        let token = step["token"].as_str().zip(step["index"].as_u64());
        let said = token.map_or_else(
            || "ends here".to_owned(),
            |(token, index)| format!("token {} is “{}”", index.saturating_add(1), visible(token)),
        );
        let title = format!("{}: {said}", text(&column["name"]));
        let all: Vec<_> = items(&step["probable"])
            .map(|other| Bar {
                label: format!("“{}”", visible(text(&other["token"]))),
                value: other["probability"].as_f64(),
                range: None,
            })
            .collect();
        if all.is_empty() {
            let _ = writeln!(page, "<p>{}</p>", escape(&title));
        }
        bars(page, &title, &all, &percent);
    }
    page.push_str("</div>\n");
}

/// One line on how it was run.
pub(in crate::core) fn terms(body: &Value) -> String {
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
pub(in crate::core) fn vote(body: &Value) -> Option<String> {
    let winner = &body["vote"].as_object()?["winner"];
    Some(winner.as_str().map_or_else(|| "Voted a tie".to_owned(), |name| format!("Voted best: {name}")))
}

/// Who won what, as rows of a word and names.
pub(in crate::core) fn strip(body: &Value) -> Vec<(&'static str, String)> {
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
                format!("{}, as far as the meters tell", tie(&names, n_finished))
            }
            (n, _) if n > 1 && n == n_finished => "all alike".to_owned(),
            _ => names.join(" and "),
        };
        (word, said)
    };
    [("first", "first"), ("fastest", "fastest"), ("most frugal", "most_frugal"), ("shortest", "shortest")]
        .map(row)
        .into()
}

/// Several that can't be told apart.
fn tie(names: &[&str], n_finished: usize) -> String {
    if names.len() == n_finished { "all alike".to_owned() } else { names.join(" and ") }
}

/// A column's figures, in the order of [`HEADS`].
pub(in crate::core) fn row(column: &Value) -> [String; HEADS.len()] {
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
