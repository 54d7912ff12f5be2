//! A suite: what passed, at which cost, and every answer.

use maud::{Markup, html};

use super::page::{graded, muted, number, panel, table};
use super::plot::{Bar, bars};
use crate::lab::suite::answer::Answer;
use crate::record::{SuiteModel, SuiteRecord};
use crate::units::{Bytes, digits, or_dash};

const HEADS: [&str; 8] = ["", "passed", "rate", "95 %", "J/answer", "s/answer", "tok/answer", "memory"];

pub(super) fn markup(record: &SuiteRecord) -> Markup {
    let models = &record.document.models;
    let judge = record.document.judge.as_deref();
    let judged = judge.map(|judge| format!("judged in part by a model, {judge}: an opinion, not a measurement"));
    html! {
        p { (record.description) }
        @if let Some(judged) = judged { (muted(&judged)) }
        (table(&HEADS, &models.iter().map(row).collect::<Vec<_>>()))
        div.grid { (plots(models)) }
        h2 { "Prompts" }
        @for prompt in &record.prompts {
            section.panel {
                h3 { (prompt.id) }
                (panel("prompt", &prompt.text))
                @for model in models {
                    @for answer in model.answers.iter().filter(|answer| answer.prompt == prompt.id) {
                        (self::answer(&model.name, answer))
                    }
                }
            }
        }
    }
}

fn plots(models: &[SuiteModel]) -> Markup {
    let plot = |title: &str, value: &dyn Fn(&SuiteModel) -> Option<f64>| {
        let bar = |model: &SuiteModel| Bar { label: model.name.clone(), value: value(model), range: None };
        bars(title, &models.iter().map(bar).collect::<Vec<_>>(), &digits)
    };
    let rate = |model: &SuiteModel| Bar {
        label: model.name.clone(),
        value: model.rate.map(|rate| rate * 100.0),
        range: model.interval_95.map(|(low, high)| (low * 100.0, high * 100.0)),
    };
    let rates: Vec<_> = models.iter().map(rate).collect();
    let energies: Vec<_> = models.iter().map(|model| Bar::energy(&model.name, model.joules())).collect();
    html! {
        (bars("passed, with the 95 % interval", &rates, &|rate| format!("{rate:.0} %")))
        (bars("energy, joules an answer", &energies, &digits))
        (plot("time, seconds an answer", &|model| model.seconds_per_answer))
        (plot("memory, GB", &|model| model.memory.map(|bytes| Bytes(bytes).gigabytes())))
    }
}

fn answer(name: &str, answer: &Answer) -> Markup {
    let reasons: Vec<&str> = answer.checks.iter().filter_map(|(_, reason)| reason.as_deref()).collect();
    let (class, mark) = if reasons.is_empty() { ("good", "✓ passed") } else { ("bad", "✗ failed") };
    html! {
        details {
            summary {
                (name) " " span class=(class) { (mark) }
                @if !reasons.is_empty() { ": " (reasons.join("; ")) }
            }
            pre { (answer.text.trim()) }
        }
    }
}

fn row(model: &SuiteModel) -> Vec<String> {
    let percent = |share: Option<f64>| or_dash(share.map(|share| format!("{:.0}", share * 100.0)));
    let (low, high) = model.interval_95.unzip();
    vec![
        model.name.clone(),
        format!("{}/{}", or_dash(model.passed), or_dash(model.prompts)),
        format!("{} %", percent(model.rate)),
        format!("{}–{} %", percent(low), percent(high)),
        graded(model.joules()),
        number(model.seconds_per_answer),
        number(model.tokens_per_answer),
        or_dash(model.memory.map(Bytes)),
    ]
}
