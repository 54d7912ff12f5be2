//! The figures of an answer: a line for people, a document for programs.

use std::time::Duration;

use serde_json::{Value, json};
use wire::Finish;

use crate::core::State;
use crate::core::energy::Report;
use crate::core::figure::{Figure, Uncertain};
use crate::core::ledger::{account, misplaced};
use crate::core::roofline::roofline;
use crate::core::session::{End, Session};
use crate::core::settings;
use crate::core::units::{Bytes, digits, span};

/// Text without what a terminal would obey: control characters are dropped but for line ends and tabs.
pub(super) fn harmless(text: &str) -> String {
    text.chars().filter(|c| matches!(c, '\n' | '\t') || !gguf::is_harmful(*c)).collect()
}

/// One line: prompt, generation, time to the first token, memory, energy.
pub(super) fn line(session: &Session, settings: &settings::Energy) -> String {
    let counters = &session.figures.counters;
    let rate = |rate: Option<f64>| rate.map_or_else(|| "—".to_owned(), digits);
    let cached = match session.figures.n_cached {
        0 => String::new(),
        n => format!(" + {n} cached"),
    };
    let reasoning = match counters.n_reasoning {
        0 => String::new(),
        n => format!(" ({n} reasoning)"),
    };
    let report = Report::of_answer(&session.figures, settings);
    let energy = match &report.energy {
        Figure::Known { .. } => report.line(settings),
        Figure::Unknown { reason, remedy } => {
            let remedy = remedy.as_ref().map(|remedy| format!(": {remedy}")).unwrap_or_default();
            format!("energy — ({reason}{remedy})")
        }
    };
    format!(
        "prompt {} tok{cached} at {} tok/s · generated {} tok{reasoning} at {} tok/s · first token {} · memory {} · {energy}{}",
        counters.n_prompt,
        rate(counters.prompt_rate()),
        counters.n_generated,
        rate(counters.generation_rate()),
        span(Duration::from_micros(counters.ttft_us)),
        memory(session).map_or_else(|| "—".to_owned(), |bytes| bytes.to_string()),
        finish(session).map_or_else(String::new, |(_, note)| note.to_owned()),
    )
}

/// Memory as llama.cpp reports it, all of it.
fn memory(session: &Session) -> Option<Bytes> {
    let devices = &session.loaded.as_ref()?.ledger.devices;
    Some(Bytes(devices.iter().map(|device| device.weights + device.context + device.compute).sum()))
}

/// How the answer ended: the word for programs, and what a person should know.
fn finish(session: &Session) -> Option<(&'static str, &'static str)> {
    match session.turns.last()?.end.as_ref()? {
        End::Finished(Finish::Stop) => Some(("stop", "")),
        End::Finished(Finish::Length) => Some(("length", " · stopped at the token limit")),
        End::Finished(Finish::ContextFull) => Some(("context_full", " · stopped: the context is full")),
        End::Finished(Finish::Cancelled) => Some(("cancelled", " · cancelled")),
        End::Failed(_) => None,
    }
}

/// The document of `--json`.
pub(super) fn document(state: &State, session: &Session) -> Value {
    let counters = &session.figures.counters;
    let turn = session.turns.last();
    let loaded = session.loaded.as_ref();
    let devices = loaded.map(|loaded| &loaded.ledger.devices);
    let sum = |part: fn(&wire::DeviceMemory) -> u64| devices.map(|all| all.iter().map(part).sum::<u64>());
    json!({
        "schema": "taffrail/run/1",
        "model": {
            "id": session.model.id,
            "name": session.model.name,
            "quant": session.model.quant(),
            "path": session.model.path(),
        },
        "text": turn.map(|turn| &turn.text),
        "reasoning": turn.map(|turn| &turn.reasoning),
        "finish": finish(session).map(|(word, _)| word),
        "tokens": {
            "prompt": counters.n_prompt,
            "cached": session.figures.n_cached,
            "generated": counters.n_generated,
            "reasoning": counters.n_reasoning,
        },
        "load_ms": loaded.map(|loaded| loaded.load_us as f64 / 1e3),
        "ttft_ms": (counters.ttft_us > 0).then_some(counters.ttft_us as f64 / 1e3),
        "prompt_tokens_per_second": counters.prompt_rate(),
        "generation_tokens_per_second": counters.generation_rate(),
        "memory": {
            "weights": sum(|device| device.weights),
            "context": sum(|device| device.context),
            "compute": sum(|device| device.compute),
            "total": memory(session),
            "resident": session.process.map(|process| process.resident),
            "devices": devices,
            "account": account(session),
            "misplaced": misplaced(state, session),
        },
        "roofline": match roofline(state, session) {
            Ok(roofline) => json!(roofline),
            Err(reason) => json!({ "share": null, "reason": reason }),
        },
        "energy": energy(session, &state.settings.energy),
        "settings": {
            "context": session.n_ctx(),
            "gpu_layers": loaded.map(|loaded| loaded.n_gpu_layers),
            "sampling": session.figures.sampling,
        },
    })
}

fn energy(session: &Session, settings: &settings::Energy) -> Value {
    let report = Report::of_answer(&session.figures, settings);
    let number = |figure: &Figure<Uncertain>| figure.value().map(|quantity| quantity.value);
    let mut document = json!({
        "joules": number(&report.energy),
        "joules_per_token": number(&report.per_token),
        "dynamic_joules_per_token": number(&report.dynamic_per_token),
        "joules_per_prompt_token": number(&report.per_prompt_token),
        "watt_hours": number(&report.watt_hours),
        "g_co2e": number(&report.carbon),
        "cost": number(&report.cost),
        "currency": settings.currency,
    });
    let details = match &report.energy {
        Figure::Known { value, grade, source } => json!({
            "grade": grade,
            "relative_uncertainty": value.relative,
            "range_joules": value.range(),
            "boundary": report.boundary,
            "coverage": report.coverage,
            "source": source,
            "metered_s": report.metered,
        }),
        Figure::Unknown { reason, remedy } => json!({ "grade": "unknown", "reason": reason, "remedy": remedy }),
    };
    if let (Value::Object(document), Value::Object(details)) = (&mut document, details) {
        document.extend(details);
    }
    document
}
