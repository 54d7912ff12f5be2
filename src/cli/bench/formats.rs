//! A bench as a table, Markdown, CSV, and as llama-bench's own JSON.

use std::io::{self, Write};

use serde_json::{Value, json};
use wire::DeviceKind;

use crate::cli::failure;
use crate::cli::table::{self, Column};
use domain::figure::{Graded, UNKNOWN};
use domain::lab::bench::{Bench, BenchEntry, EntryPhase, Row};
use domain::lab::statistics::Change;
use domain::units::{counted, digits};

const fn column(title: &'static str, right: bool, goes: u8) -> Column {
    Column { title, right, least: None, goes }
}

const COLUMNS: [Column; 9] = [
    Column { title: "Model", right: false, least: Some(12), goes: 0 },
    column("Test", false, 0),
    column("Batch", true, 6),
    column("tok/s", true, 0),
    column("± 95%", true, 1),
    column("p50…p99 ms", true, 4),
    column("TTFT ms", true, 5),
    column("J/tok", true, 3),
    column("Against earlier", false, 2),
];

/// A table for people.
pub(super) fn table(bench: &Bench, width: Option<usize>, out: &mut impl Write) -> io::Result<()> {
    let rows: Vec<_> = bench.rows.iter().map(|row| cells(bench, row).to_vec()).collect();
    table::write(out, &COLUMNS, &rows, width)
}

/// The same for a page.
pub(super) fn markdown(bench: &Bench, out: &mut impl Write) -> io::Result<()> {
    let titles = COLUMNS.map(|column| column.title);
    writeln!(out, "| {} |", titles.join(" | "))?;
    let rules = COLUMNS.map(|column| if column.right { "---:" } else { "---" });
    writeln!(out, "| {} |", rules.join(" | "))?;
    for row in &bench.rows {
        let cells = cells(bench, row).map(|cell| cell.replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;"));
        writeln!(out, "| {} |", cells.join(" | "))?;
    }
    Ok(())
}

fn cells(bench: &Bench, row: &Row) -> [String; 9] {
    let dash = |value: Option<String>| value.unwrap_or_else(|| "—".to_owned());
    let rate = row.rate();
    // Without the network, where an engine elsewhere tells its own part.
    let engine =
        row.engine_first_token().map(|own| format!(" ({} engine)", digits(own.mean * 1e3))).unwrap_or_default();
    [
        gguf::clean(entry(bench, row).map_or("", |entry| entry.model.name.as_str()), 200),
        row.cell.label(),
        row.cell.batch.to_string(),
        match (rate, row.disturbed_rate()) {
            (None, Some(disturbed)) => format!("⚠ {}", digits(disturbed.mean)),
            (rate, _) => dash(rate.map(|rate| digits(rate.mean))),
        },
        dash(rate.or(row.disturbed_rate()).and_then(|rate| rate.half_width()).map(digits)),
        dash(row.latencies([0.5, 0.99]).map(|[p50, p99]| format!("{}…{}", digits(p50), digits(p99)))),
        dash(row.first_token().map(|first| digits(first.mean * 1e3) + &engine)),
        dash(row.joules().map(|joules| joules.text(""))),
        match row.change() {
            _ if row.failed.is_some() => "failed".to_owned(),
            Change::Slower(share) => format!("▼ {:.1}% slower", share * 100.0),
            Change::Faster(share) => format!("▲ {:.1}% faster", share * 100.0),
            Change::None if row.earlier.is_empty() => "—".to_owned(),
            Change::None => format!("as in {} earlier", row.earlier.len()),
        },
    ]
}

fn entry<'a>(bench: &'a Bench, row: &Row) -> Option<&'a BenchEntry> {
    bench.entries.get(row.entry)
}

/// What a table leaves out: failures, and repetitions that do not count.
pub(super) fn remarks(bench: &Bench, err: &mut impl Write) {
    if !bench.cooled.is_zero() {
        let seconds = bench.cooled.as_secs_f64();
        let _ = writeln!(err, "waited {seconds:.0} s between repetitions for the machine to cool down");
    }
    // A model that could not be measured at all is named once.
    for entry in &bench.entries {
        if let EntryPhase::Failed(reason) = &entry.phase {
            let _ = failure::write(err, &format!("{}: {reason}", entry.model.name), None);
        }
    }
    for row in &bench.rows {
        let name = entry(bench, row).map_or("", |entry| entry.model.name.as_str());
        let is_told = entry(bench, row).is_some_and(|entry| matches!(entry.phase, EntryPhase::Failed(_)));
        if let Some(reason) = row.failed.as_ref().filter(|_| !is_told) {
            let _ = writeln!(err, "{}", gguf::clean(&format!("{name}, {}: {reason}", row.cell.label()), 1000));
        }
        if row.has_network() {
            let text = format!(
                "{name}, {}: the speed includes the network, since the engine tells no times of its own",
                row.cell.label()
            );
            let _ = writeln!(err, "{}", gguf::clean(&text, 1000));
        }
        if let Some(last) = row.disturbed.last() {
            let what = if bench.plan.keep_disturbed { "counted although disturbed" } else { "not counted" };
            let few = if row.repetitions.len() < bench.plan.repetitions as usize {
                format!("; {} of {} count", row.repetitions.len(), bench.plan.repetitions)
            } else {
                String::new()
            };
            let count = counted(row.disturbed.len(), "repetition");
            let text = format!("{name}, {}: {count} {what}, the last: {last}{few}", row.cell.label());
            let _ = writeln!(err, "{}", gguf::clean(&text, 1000));
        }
    }
    let wanting = bench.rows.iter().any(|row| row.failed.is_none() && row.repetitions.is_empty());
    if wanting && !bench.plan.keep_disturbed {
        let _ = writeln!(
            err,
            "  hint: ⚠ marks speeds of disturbed repetitions alone, which don't count; close what else runs, or add --keep-outliers to count them"
        );
    }
}

/// A row for each speed.
pub(super) fn csv(bench: &Bench, out: &mut impl Write) -> io::Result<()> {
    const HEAD: &str = "model,test,n_prompt,n_gen,depth,parallel,batch,threads,tokens_per_second,half_width_95,deviation,\
                        n,disturbed,ttft_ms,p50_ms,p90_ms,p99_ms,joules_per_token,\
                        joules_grade,joules_relative_uncertainty,dynamic_joules_per_token";
    let mut table = csv::Writer::from_writer(out);
    table.write_record(HEAD.split(','))?;
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    for row in &bench.rows {
        let (rate, cell) = (row.rate(), row.cell);
        let latencies = row.latencies([0.5, 0.9, 0.99]);
        let joules = row.joules();
        let id = entry(bench, row).map_or("", |entry| entry.model.id.as_str());
        let cells = [
            id.to_owned(),
            cell.label(),
            cell.n_prompt.to_string(),
            cell.n_generate.to_string(),
            cell.depth.to_string(),
            cell.parallel.to_string(),
            cell.batch.to_string(),
            entry(bench, row).map_or(0, |entry| entry.threads).to_string(),
            number(rate.map(|rate| rate.mean)),
            number(rate.and_then(|rate| rate.half_width())),
            number(rate.and_then(|rate| rate.deviation)),
            row.repetitions.len().to_string(),
            row.disturbed.len().to_string(),
            number(row.first_token().map(|first| first.mean * 1e3)),
            number(latencies.map(|all| all[0])),
            number(latencies.map(|all| all[1])),
            number(latencies.map(|all| all[2])),
            number(joules.map(|joules| joules.value)),
            joules.map_or(UNKNOWN, Graded::word).to_owned(),
            number(joules.and_then(|joules| joules.relative)),
            number(row.dynamic_joules().map(|joules| joules.value)),
        ];
        table.write_record(cells)?;
    }
    table.flush()
}

/// What llama-bench prints with `-o json`, for scripts that read that. Fields that have no counterpart here have
/// llama-bench's default; `n_parallel` is ours.
pub(super) fn llama_bench(bench: &Bench) -> Value {
    let settings = &bench.plan.settings;
    let text = |name: &str| settings.get(name).unwrap_or_default();
    let rows = bench.rows.iter().filter(|row| !row.repetitions.is_empty());
    rows.map(|row| {
        let entry = entry(bench, row);
        let summary = entry.and_then(|entry| entry.model.summary.as_ref());
        let times: Vec<u64> = row.repetitions.iter().map(|one| (one.seconds * 1e9).round() as u64).collect();
        let rates: Vec<f64> = row.repetitions.iter().map(|one| one.rate).collect();
        let seconds: Vec<f64> = row.repetitions.iter().map(|one| one.seconds).collect();
        let time = domain::lab::statistics::Summary::of(&seconds);
        let rate = row.rate();
        let deviation = |summary: Option<domain::lab::statistics::Summary>| {
            summary.and_then(|summary| summary.deviation).unwrap_or(0.0)
        };
        let kind = [
            summary.and_then(|summary| summary.architecture.clone()),
            entry.and_then(|entry| entry.model.quant().map(str::to_owned)),
        ];
        json!({
            "build_commit": entry.map_or("unknown", |entry| entry.engine.split(',').next().unwrap_or("unknown")),
            "build_number": 0,
            "cpu_info": entry.map(|entry| entry.device_names(|kind| kind == DeviceKind::Cpu)),
            "gpu_info": entry.map(|entry| {
                entry.device_names(|kind| matches!(kind, DeviceKind::Gpu | DeviceKind::IntegratedGpu))
            }),
            "backends": entry.map_or_else(|| "CPU".to_owned(), BenchEntry::backends),
            "model_filename": entry.and_then(|entry| entry.model.path_text()),
            "model_type": kind.into_iter().flatten().collect::<Vec<_>>().join(" "),
            "model_size": entry.map(|entry| entry.model.size),
            "model_n_params": summary.map(|summary| summary.parameters),
            "n_batch": row.cell.batch,
            "n_ubatch": settings.ubatch.min(row.cell.batch),
            "n_threads": entry.map(|entry| entry.threads),
            "cpu_mask": "0x0",
            "cpu_strict": false,
            "poll": 50,
            "type_k": text("cache_type_k"),
            "type_v": text("cache_type_v"),
            "n_gpu_layers": settings.gpu_layers.map_or(-1, i64::from),
            "split_mode": "layer",
            "main_gpu": 0,
            "no_kv_offload": false,
            "flash_attn": match settings.flash_attention {
                wire::FlashAttention::Auto => -1,
                wire::FlashAttention::Off => 0,
                wire::FlashAttention::On => 1,
            },
            "devices": "auto",
            "tensor_split": "0.00",
            "tensor_buft_overrides": "none",
            "use_mmap": settings.mmap,
            "embeddings": false,
            "no_op_offload": 0,
            "no_host": false,
            "n_prompt": row.cell.n_prompt,
            "n_gen": row.cell.n_generate,
            "n_depth": row.cell.depth,
            "n_parallel": row.cell.parallel,
            "avg_ns": time.map(|time| (time.mean * 1e9).round() as u64),
            "stddev_ns": (deviation(time) * 1e9).round() as u64,
            "avg_ts": rate.map(|rate| rate.mean),
            "stddev_ts": deviation(rate),
            "samples_ns": times,
            "samples_ts": rates,
        })
    })
    .collect()
}
