//! A bench for the history, and as a document.

use serde_json::{Value, json};

use super::{Bench, Row};
use crate::answer;
use crate::figure::{Figure, Graded, UNKNOWN};
use crate::history::{self, Kind, Measured, Record, Series};
use crate::machine::Sample;
use crate::settings::SessionSettings;
use crate::statistics::Change;
use crate::units::counted;

/// What a speed depends on beside the model and the program: processor, system, GPUs with their drivers.
pub fn driver(sample: &Sample) -> String {
    let mut parts = vec![sample.host.processor.clone(), sample.host.system.clone()];
    parts.extend(sample.gpus.iter().map(|gpu| gpu.name.clone()));
    parts.extend(sample.host.drivers.iter().cloned());
    parts.retain(|part| !part.is_empty());
    parts.join(" · ")
}

/// The bench as a record: a figure for each row that has a repetition, in their order.
pub fn record(bench: &Bench, at: i64) -> Record {
    let mut cells: Vec<String> = Vec::new();
    for row in &bench.rows {
        let label = row.cell.label();
        if !cells.contains(&label) {
            cells.push(label);
        }
    }
    let title = format!("{} · {}", cells.join(", "), counted(bench.plan.repetitions as usize, "repetition"));
    Record {
        models: bench.lanes.iter().map(|lane| lane.model.id.clone()).collect(),
        figures: bench.rows.iter().filter_map(|row| measured(bench, row)).collect(),
        ..Record::new(Kind::Bench, at, title, document(bench))
    }
}

fn measured(bench: &Bench, row: &Row) -> Option<Measured> {
    let rate = row.rate()?;
    Some(Measured {
        series: series(bench, row),
        what: row.cell.what().to_owned(),
        rate: Some(rate.mean),
        spread: rate.deviation,
        n: rate.n as u32,
        joules: row.joules(),
    })
}

/// Under which circumstances a row was measured.
fn series(bench: &Bench, row: &Row) -> Series {
    let (model, engine) = bench.lanes.get(row.lane).map_or_else(Default::default, |lane| {
        ((lane.model.id.clone(), history::file_hash(&lane.model)), lane.engine.clone())
    });
    // What the cell says itself stands there once.
    let settings = SessionSettings { context: 0, batch: row.cell.batch, ..bench.plan.settings };
    Series {
        model: model.0,
        hash: model.1,
        build: format!("taffrail {} · {engine}", env!("CARGO_PKG_VERSION")),
        driver: bench.driver.clone(),
        settings: format!(
            "{} · {} nice={}",
            row.cell.key(),
            history::settings_key(&settings, bench.threads, bench.manners.wait_policy),
            bench.manners.nice
        ),
    }
}

/// The settings that are not the usual ones and that the plan's lists don't tell.
fn options(settings: &SessionSettings) -> Value {
    let mut options = answer::options(settings);
    if let Some(options) = options.as_object_mut() {
        options.retain(|name, _| !matches!(name.as_str(), "context" | "batch" | "threads"));
    }
    options
}

/// The document of `taffrail bench --json`.
pub fn document(bench: &Bench) -> Value {
    let rows: Vec<Value> = bench
        .rows
        .iter()
        .map(|row| {
            let lane = bench.lanes.get(row.lane);
            let rate = row.rate();
            let latencies = row.latencies([0.5, 0.9, 0.99]);
            let energy = row.per_token(false);
            let joules = Graded::of(&energy);
            let why = if let Figure::Unknown { reason, .. } = &energy { Some(reason) } else { None };
            let (verdict, share) = match row.change() {
                Change::None => (None, None),
                Change::Slower(share) => (Some("slower"), Some(share)),
                Change::Faster(share) => (Some("faster"), Some(share)),
            };
            json!({
                "model": lane.map(|lane| &lane.model.id),
                "name": lane.map(|lane| &lane.model.name),
                "test": row.cell.label(),
                "cell": row.cell,
                "tokens_per_second": rate.map(|rate| rate.mean),
                "half_width_95": rate.and_then(|rate| rate.half_width()),
                "deviation": rate.and_then(|rate| rate.deviation),
                "repetitions": row.repetitions,
                "ttft_ms": row.first_token().map(|first| first.mean * 1e3),
                "step_ms": latencies.map(|[p50, p90, p99]| json!({ "p50": p50, "p90": p90, "p99": p99 })),
                "joules_per_token": joules.map(|joules| joules.value),
                "dynamic_joules_per_token": row.dynamic_joules().map(|joules| joules.value),
                "joules_grade": joules.map_or(UNKNOWN, Graded::word),
                "joules_relative_uncertainty": joules.and_then(|joules| joules.relative),
                "joules_range": joules.and_then(Graded::range),
                "joules_unknown": why,
                "tries": row.tries,
                "tainted": row.tainted,
                "earlier": row.earlier.iter().map(|(at, earlier)| json!({
                    "at_ms": at, "tokens_per_second": earlier.rate, "deviation": earlier.spread, "n": earlier.n,
                })).collect::<Vec<_>>(),
                "change": verdict.map(|verdict| json!({ "verdict": verdict, "share": share })),
                "failed": row.failed,
                "series": series(bench, row),
            })
        })
        .collect();
    json!({
        "schema": "taffrail/bench/1",
        "threads": bench.threads,
        "wait_policy": bench.manners.wait_policy.name(),
        "nice": bench.manners.nice,
        "wanted_repetitions": bench.plan.repetitions,
        "keeps_tainted": bench.plan.keep_tainted,
        "options": options(&bench.plan.settings),
        "machine": bench.driver,
        "cooled_s": bench.cooled.as_secs_f64(),
        "note": bench.note,
        "rows": rows,
    })
}
