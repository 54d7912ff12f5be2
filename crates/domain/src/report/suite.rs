//! A suite: what passed, at which cost, and every answer.

use std::fmt::Write as _;

use serde_json::Value;

use super::page::{count, energy, escape, items, number, panel, table, text};
use super::plot::{Bar, bars};
use crate::figure::{Grade, Graded};
use crate::units::{Bytes, digits, or_dash};

const HEADS: [&str; 8] = ["", "passed", "rate", "95 %", "J/answer", "s/answer", "tok/answer", "memory"];

pub(super) fn write(page: &mut String, body: &Value) {
    let models: Vec<&Value> = items(&body["models"]).collect();
    let _ = writeln!(page, "<p>{}</p>", escape(text(&body["description"])));
    if let Some(judge) = body["judge"].as_str() {
        let text = format!("judged in part by a model, {judge}: an opinion, not a measurement");
        let _ = writeln!(page, "<p class=\"muted\">{}</p>", escape(&text));
    }
    table(page, &HEADS, &models.iter().map(|model| row(model)).collect::<Vec<_>>());
    let plot = |page: &mut String, title: &str, unit: &dyn Fn(f64) -> String, value: &dyn Fn(&Value) -> Option<f64>| {
        let bar = |model: &&Value| Bar { label: name(model).to_owned(), value: value(model), range: None };
        bars(page, title, &models.iter().map(bar).collect::<Vec<_>>(), unit);
    };
    page.push_str("<div class=\"grid\">\n");
    let rates: Vec<_> = models
        .iter()
        .map(|model| {
            let interval = &model["interval_95"];
            let range = interval[0].as_f64().zip(interval[1].as_f64());
            let (value, range) = (model["rate"].as_f64(), range.map(|(low, high)| (low * 100.0, high * 100.0)));
            Bar { label: name(model).to_owned(), value: value.map(|rate| rate * 100.0), range }
        })
        .collect();
    bars(page, "passed, with the 95 % interval", &rates, &|rate| format!("{rate:.0} %"));
    let energies: Vec<_> = models.iter().map(|model| Bar::energy(name(model), joules(model))).collect();
    bars(page, "energy, joules an answer", &energies, &digits);
    plot(page, "time, seconds an answer", &digits, &|model| model["seconds_per_answer"].as_f64());
    plot(page, "memory, GB", &digits, &|model| model["memory"].as_u64().map(|bytes| Bytes(bytes).gigabytes()));
    page.push_str("</div>\n<h2>Prompts</h2>\n");
    for prompt in items(&body["prompts"]) {
        let id = text(&prompt["id"]);
        let _ = writeln!(page, "<section class=\"panel\"><h3>{}</h3>", escape(id));
        panel(page, "prompt", text(&prompt["text"]));
        for model in &models {
            let answers = items(&model["answers"]);
            for answer in answers.filter(|answer| answer["prompt"] == id) {
                write_answer(page, name(model), answer);
            }
        }
        page.push_str("</section>\n");
    }
}

fn write_answer(page: &mut String, name: &str, answer: &Value) {
    let reasons: Vec<&str> = items(&answer["checks"]).filter_map(|check| check[1].as_str()).collect();
    let (class, mark) = if reasons.is_empty() { ("good", "✓ passed") } else { ("bad", "✗ failed") };
    let _ = write!(page, "<details><summary>{} <span class=\"{class}\">{mark}</span>", escape(name));
    if !reasons.is_empty() {
        let _ = write!(page, ": {}", escape(&reasons.join("; ")));
    }
    let _ = writeln!(page, "</summary><pre>{}</pre></details>", escape(text(&answer["text"]).trim()));
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
