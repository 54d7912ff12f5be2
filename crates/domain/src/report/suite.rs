//! A suite: what passed, at which cost, and every answer.

use maud::{Markup, html};
use serde_json::Value;

use super::page::{count, energy, items, muted, number, panel, table, text};
use super::plot::{Bar, bars};
use crate::figure::{Grade, Graded};
use crate::units::{Bytes, digits, or_dash};

const HEADS: [&str; 8] = ["", "passed", "rate", "95 %", "J/answer", "s/answer", "tok/answer", "memory"];

pub(super) fn markup(body: &Value) -> Markup {
    let models: Vec<&Value> = items(&body["models"]).collect();
    let judge = body["judge"].as_str();
    let judged = judge.map(|judge| format!("judged in part by a model, {judge}: an opinion, not a measurement"));
    html! {
        p { (text(&body["description"])) }
        @if let Some(judged) = judged { (muted(&judged)) }
        (table(&HEADS, &models.iter().map(|model| row(model)).collect::<Vec<_>>()))
        div.grid { (plots(&models)) }
        h2 { "Prompts" }
        @for prompt in items(&body["prompts"]) {
            section.panel {
                h3 { (text(&prompt["id"])) }
                (panel("prompt", text(&prompt["text"])))
                @for model in &models {
                    @for answer in items(&model["answers"]).filter(|answer| answer["prompt"] == prompt["id"]) {
                        (self::answer(name(model), answer))
                    }
                }
            }
        }
    }
}

fn plots(models: &[&Value]) -> Markup {
    let plot = |title: &str, value: &dyn Fn(&Value) -> Option<f64>| {
        let bar = |model: &&Value| Bar { label: name(model).to_owned(), value: value(model), range: None };
        bars(title, &models.iter().map(bar).collect::<Vec<_>>(), &digits)
    };
    let rate = |model: &&Value| {
        let interval = &model["interval_95"];
        let range = interval[0].as_f64().zip(interval[1].as_f64());
        let (value, range) = (model["rate"].as_f64(), range.map(|(low, high)| (low * 100.0, high * 100.0)));
        Bar { label: name(model).to_owned(), value: value.map(|rate| rate * 100.0), range }
    };
    let rates: Vec<_> = models.iter().map(rate).collect();
    let energies: Vec<_> = models.iter().map(|model| Bar::energy(name(model), joules(model))).collect();
    html! {
        (bars("passed, with the 95 % interval", &rates, &|rate| format!("{rate:.0} %")))
        (bars("energy, joules an answer", &energies, &digits))
        (plot("time, seconds an answer", &|model| model["seconds_per_answer"].as_f64()))
        (plot("memory, GB", &|model| model["memory"].as_u64().map(|bytes| Bytes(bytes).gigabytes())))
    }
}

fn answer(name: &str, answer: &Value) -> Markup {
    let reasons: Vec<&str> = items(&answer["checks"]).filter_map(|check| check[1].as_str()).collect();
    let (class, mark) = if reasons.is_empty() { ("good", "✓ passed") } else { ("bad", "✗ failed") };
    html! {
        details {
            summary {
                (name) " " span class=(class) { (mark) }
                @if !reasons.is_empty() { ": " (reasons.join("; ")) }
            }
            pre { (text(&answer["text"]).trim()) }
        }
    }
}

/// Joules of an answer, the mean. A record of an earlier version has the grades of its answers alone, of which the worst
/// counts.
fn joules(model: &Value) -> Option<Graded> {
    if model["joules_grade"].is_string() {
        return energy(&model["joules_per_answer"], &model["joules_grade"], &model["joules_relative_uncertainty"]);
    }
    let grades = items(&model["answers"]).map(|answer| answer["grade"].as_str().and_then(Grade::from_word));
    let grade = grades.collect::<Option<Vec<_>>>().and_then(|grades| grades.into_iter().max());
    Graded::kept(model["joules_per_answer"].as_f64(), grade.map(Grade::word), None)
}

fn name(model: &Value) -> &str {
    text(&model["name"])
}

fn row(model: &Value) -> Vec<String> {
    let percent = |value: &Value| or_dash(value.as_f64().map(|share| format!("{:.0}", share * 100.0)));
    vec![
        name(model).to_owned(),
        format!("{}/{}", count(&model["passed"]), count(&model["prompts"])),
        format!("{} %", percent(&model["rate"])),
        format!("{}–{} %", percent(&model["interval_95"][0]), percent(&model["interval_95"][1])),
        joules(model).map_or_else(|| "—".to_owned(), |joules| joules.text("")),
        number(&model["seconds_per_answer"]),
        number(&model["tokens_per_answer"]),
        or_dash(model["memory"].as_u64().map(Bytes)),
    ]
}
