//! A bench: its table, and speed over depth.

use maud::{Markup, html};

use super::page::{graded, muted, number, table};
use super::plot::curve;
use crate::record::{BenchDocument, BenchRow};
use crate::units::{counted, or_dash};

const HEADS: [&str; 10] =
    ["", "test", "tok/s", "± 95 %", "p50 ms", "p99 ms", "TTFT ms", "J/token", "disturbed", "against earlier"];

pub(super) fn markup(bench: &BenchDocument) -> Markup {
    let number_of = |count: Option<u32>, thing: &str| {
        count.map_or_else(|| format!("— {thing}s"), |count| counted(count as usize, thing))
    };
    let (threads, repetitions) =
        (number_of(bench.threads, "thread"), number_of(bench.wanted_repetitions, "repetition"));
    let terms = format!("{} · {threads} · {repetitions}", bench.machine);
    let cells: Vec<_> = bench.rows.iter().map(cells).collect();
    let what = if bench.keeps_disturbed { "counted all the same" } else { "refused" };
    html! {
        (muted(&terms))
        @if let Some(note) = &bench.note { (muted(note)) }
        (table(&HEADS, &cells))
        @if bench.rows.iter().any(|row| !row.disturbed.is_empty()) {
            (muted(&format!("Tainted repetitions were {what}.")))
        }
        (by_depth(&bench.rows))
    }
}

fn cells(row: &BenchRow) -> Vec<String> {
    let change = match &row.change {
        Some(change) => format!("{:.1} % {}", change.share * 100.0, change.verdict),
        None if !row.earlier.is_empty() => "identical".to_owned(),
        None => "—".to_owned(),
    };
    vec![
        or_dash(row.name.as_deref()),
        row.test.clone(),
        row.failed.clone().unwrap_or_else(|| number(row.tokens_per_second)),
        number(row.half_width_95),
        number(row.step_ms.and_then(|step| step.p50)),
        number(row.step_ms.and_then(|step| step.p99)),
        number(row.ttft_ms),
        graded(row.joules()),
        row.disturbed.len().to_string(),
        change,
    ]
}

/// Speed over depth, a curve for each model and test that was measured at several depths.
fn by_depth(rows: &[BenchRow]) -> Markup {
    let mut curves: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    for row in rows {
        let (Some(cell), Some(rate)) = (row.cell, row.tokens_per_second) else { continue };
        let n = cell.n_prompt.max(cell.n_generate);
        let parallel = if cell.parallel > 1 { format!(" × {}", cell.parallel) } else { String::new() };
        let name = row.name.as_deref().unwrap_or_default();
        let name = format!("{name} {}{n}{parallel}, batch {}, tokens per second", cell.what(), cell.batch);
        let point = (f64::from(cell.depth), rate);
        match curves.iter_mut().find(|(known, _)| *known == name) {
            Some((_, points)) => points.push(point),
            None => curves.push((name, vec![point])),
        }
    }
    curves.retain(|(_, points)| points.len() > 1);
    for (_, points) in &mut curves {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    html! {
        @if !curves.is_empty() {
            h2 { "Speed by depth" }
            div.grid {
                @for (name, points) in &curves {
                    @if let Some(curve) = curve(name, points, &|depth| format!("depth {depth:.0}")) { (curve) }
                }
            }
        }
    }
}
