//! A bench for the history, and as a document.

use super::{Bench, Repetition, Row};
use crate::figure::{Figure, Graded, UNKNOWN, Uncertain};
use crate::lab::statistics::Change;
use crate::record::{
    self, BenchChange, BenchDocument, BenchRecord, BenchRepetition, BenchRow, Body, EarlierBench, Measured, Options,
    Record, Series, StepTimes,
};
use crate::settings::SessionSettings;
use crate::units::counted;

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
    let body = BenchRecord { document: document(bench), ..BenchRecord::default() };
    Record {
        models: bench.entries.iter().map(|entry| entry.model.id.clone()).collect(),
        figures: bench.rows.iter().filter_map(|row| measured(bench, row)).collect(),
        ..Record::new(at, title, Body::Bench(Box::new(body)))
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
    let entry = bench.entries.get(row.entry);
    let (model, engine) = entry.map_or_else(Default::default, |entry| {
        ((entry.model.id.clone(), record::file_hash(&entry.model)), entry.engine.clone())
    });
    let threads = entry.map_or(0, |entry| entry.threads);
    // What the cell says itself stands there once.
    let settings = SessionSettings { context: 0, batch: row.cell.batch, ..bench.plan.settings };
    Series {
        model: model.0,
        hash: model.1,
        build: format!("taffrail {} · {engine}", env!("CARGO_PKG_VERSION")),
        driver: entry.map(|entry| entry.driver.clone()).unwrap_or_default(),
        settings: format!(
            "{} · {} nice={}",
            row.cell.key(),
            record::settings_key(&settings, threads, bench.scheduling.wait_policy),
            bench.scheduling.nice
        ),
    }
}

/// The settings that are not the usual ones and that the plan's lists don't tell.
fn options(settings: &SessionSettings) -> Options {
    let mut options = record::options(settings);
    options.retain(|name, _| !matches!(name.as_str(), "context" | "batch" | "threads"));
    options
}

/// The document of `taffrail bench --json`.
pub fn document(bench: &Bench) -> BenchDocument {
    BenchDocument {
        threads: bench.threads(),
        wait_policy: Some(bench.scheduling.wait_policy.name().to_owned()),
        nice: Some(bench.scheduling.nice),
        wanted_repetitions: Some(bench.plan.repetitions),
        keeps_disturbed: bench.plan.keep_disturbed,
        options: options(&bench.plan.settings),
        machine: bench.machines(),
        cooled_s: Some(bench.cooled.as_secs_f64()),
        note: bench.note.clone(),
        rows: bench.rows.iter().map(|row| document_row(bench, row)).collect(),
        ..BenchDocument::default()
    }
}

fn document_row(bench: &Bench, row: &Row) -> BenchRow {
    let entry = bench.entries.get(row.entry);
    let rate = row.rate();
    let energy = match entry.and_then(|entry| entry.model.remote.as_ref()) {
        // No meter saw it.
        Some(remote) => remote.energy(rate.map_or(0.0, |rate| 1.0 / rate.mean)).map(|joules| elsewhere(joules.0)),
        None => row.per_token(false),
    };
    let joules = Graded::of(&energy);
    let change = match row.change() {
        Change::None => None,
        Change::Slower(share) => Some(("slower", share)),
        Change::Faster(share) => Some(("faster", share)),
    };
    let step = |[p50, p90, p99]: [f64; 3]| StepTimes { p50: Some(p50), p90: Some(p90), p99: Some(p99) };
    let earlier = |(at, earlier): &(i64, Measured)| EarlierBench {
        at_ms: *at,
        tokens_per_second: earlier.rate,
        deviation: earlier.spread,
        n: Some(earlier.n),
    };
    BenchRow {
        model: entry.map(|entry| entry.model.id.clone()),
        name: entry.map(|entry| entry.model.name.clone()),
        test: row.cell.label(),
        cell: Some(row.cell),
        tokens_per_second: rate.map(|rate| rate.mean),
        disturbed_tokens_per_second: row.disturbed_rate().map(|rate| rate.mean),
        half_width_95: rate.and_then(|rate| rate.half_width()),
        deviation: rate.and_then(|rate| rate.deviation),
        repetitions: row.repetitions.iter().map(repetition).collect(),
        ttft_ms: row.first_token().map(|first| first.mean * 1e3),
        ttft_engine_ms: row.engine_first_token().map(|first| first.mean * 1e3),
        step_ms: row.latencies([0.5, 0.9, 0.99]).map(step),
        joules_per_token: joules.map(|joules| joules.value),
        dynamic_joules_per_token: row.dynamic_joules().map(|joules| joules.value),
        joules_grade: joules.map_or(UNKNOWN, Graded::word).to_owned(),
        joules_relative_uncertainty: joules.and_then(|joules| joules.relative),
        joules_range: joules.and_then(Graded::range),
        joules_unknown: if let Figure::Unknown { reason, .. } = energy { Some(reason) } else { None },
        tries: Some(row.tries),
        disturbed: row.disturbed.clone(),
        earlier: row.earlier.iter().map(earlier).collect(),
        change: change.map(|(verdict, share)| BenchChange { verdict: verdict.to_owned(), share }),
        failed: row.failed.clone(),
        series: series(bench, row),
    }
}

/// An estimate by the user's watts: as far off as any other.
fn elsewhere(joules: f64) -> Uncertain {
    Uncertain { value: joules, relative: 1.0 }
}

/// A repetition with its power's grade: what was booked is no figure for others.
fn repetition(repetition: &Repetition) -> BenchRepetition {
    let watts = repetition.watts();
    BenchRepetition {
        rate: Some(repetition.rate),
        seconds: Some(repetition.seconds),
        watts: watts.map(|watts| watts.value),
        watts_grade: watts.map_or(UNKNOWN, Graded::word).to_owned(),
        watts_relative_uncertainty: watts.and_then(|watts| watts.relative),
        mhz: repetition.mhz,
        celsius: repetition.celsius,
        others: repetition.others,
    }
}
