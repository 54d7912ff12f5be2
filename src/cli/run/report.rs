//! The figures of an answer: a line for people; `domain::record::run_record` has the document for programs.

use std::time::Duration;

use domain::energy::Report;
use domain::figure::Figure;
pub(super) use domain::record::run_record::document;
use domain::record::run_record::finish;
use domain::request::Request;
use domain::session::Session;
use domain::settings;
use domain::units::{digits, or_dash, span};

/// Text without what a terminal would obey: control characters are dropped but for line ends and tabs.
pub(in crate::cli) fn harmless(text: &str) -> String {
    text.chars().filter(|c| matches!(c, '\n' | '\t') || !gguf::is_harmful(*c)).collect()
}

/// One line: prompt, generation, time to the first token, memory, energy.
pub(in crate::cli) fn line(session: &Session, answer: &Request, settings: &settings::Energy) -> String {
    let counters = &answer.figures.counters;
    let rate = |rate: Option<f64>| rate.map_or_else(|| "—".to_owned(), digits);
    let cached = match answer.figures.n_cached {
        0 => String::new(),
        n => format!(" + {n} cached"),
    };
    let reasoning = match counters.n_reasoning {
        0 => String::new(),
        n => format!(" ({n} reasoning)"),
    };
    let report = Report::of_answer(&answer.figures, settings);
    let energy = match &report.energy {
        Figure::Known { .. } => report.line(settings),
        Figure::Unknown { reason, remedy } => {
            let remedy = remedy.as_ref().map(|remedy| format!(": {remedy}")).unwrap_or_default();
            format!("energy — ({reason}{remedy})")
        }
    };
    let cost = domain::cost::cost(&session.model, &answer.figures);
    let cost = cost.map_or_else(String::new, |cost| format!(" · cost {} {}", digits(cost), settings.currency));
    let network = match (counters.ttft_us, counters.engine_ttft_us) {
        (Some(all), Some(own)) => {
            format!(" ({} without the network)", span(Duration::from_micros(own.min(all))))
        }
        _ => String::new(),
    };
    format!(
        "prompt {} tok{cached} at {} tok/s · generated {} tok{reasoning} at {} tok/s · first token {}{network} · memory {} · {energy}{cost}{}",
        counters.n_prompt,
        rate(counters.prompt_rate()),
        counters.n_generated,
        rate(counters.generation_rate()),
        or_dash(counters.ttft_us.map(|micros| span(Duration::from_micros(micros)))),
        session.engine_memory().map_or_else(|| "—".to_owned(), |bytes| bytes.to_string()),
        finish(answer).map_or_else(String::new, |(_, note)| note.to_owned()),
    )
}
