//! A bench: its table, and speed over depth.

use maud::{Markup, html};
use serde_json::Value;

use super::page::{graded, items, muted, number, table, text};
use super::plot::curve;
use crate::units::counted;

const HEADS: [&str; 10] =
    ["", "test", "tok/s", "± 95 %", "p50 ms", "p99 ms", "TTFT ms", "J/token", "tainted", "against earlier"];

pub(super) fn markup(body: &Value) -> Markup {
    let number_of = |name: &str, thing: &str| counted(body[name].as_u64().unwrap_or(0) as usize, thing);
    let (threads, repetitions) = (number_of("threads", "thread"), number_of("wanted_repetitions", "repetition"));
    let terms = format!("{} · {threads} · {repetitions}", text(&body["machine"]));
    let rows: Vec<&Value> = items(&body["rows"]).collect();
    let cells: Vec<_> = rows.iter().map(|row| cells(row)).collect();
    let what = if body["keeps_tainted"] == true { "counted all the same" } else { "refused" };
    html! {
        (muted(&terms))
        @if let Some(note) = body["note"].as_str() { (muted(note)) }
        (table(&HEADS, &cells))
        @if rows.iter().any(|row| items(&row["tainted"]).next().is_some()) {
            (muted(&format!("Tainted repetitions were {what}.")))
        }
        (by_depth(&rows))
    }
}

fn cells(row: &Value) -> Vec<String> {
    let change = match (row["change"]["verdict"].as_str(), row["change"]["share"].as_f64()) {
        (Some(verdict), Some(share)) => format!("{:.1} % {verdict}", share * 100.0),
        _ if row["earlier"].as_array().is_some_and(|earlier| !earlier.is_empty()) => "alike".to_owned(),
        _ => "—".to_owned(),
    };
    vec![
        text(&row["name"]).to_owned(),
        text(&row["test"]).to_owned(),
        row["failed"].as_str().map_or_else(|| number(&row["tokens_per_second"]), str::to_owned),
        number(&row["half_width_95"]),
        number(&row["step_ms"]["p50"]),
        number(&row["step_ms"]["p99"]),
        number(&row["ttft_ms"]),
        graded(&row["joules_per_token"], &row["joules_grade"], &row["joules_relative_uncertainty"]),
        items(&row["tainted"]).count().to_string(),
        change,
    ]
}

/// Speed over depth, a curve for each model and test that was measured at several depths.
fn by_depth(rows: &[&Value]) -> Markup {
    let mut curves: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    for row in rows {
        let cell = &row["cell"];
        let (Some(depth), Some(rate)) = (cell["depth"].as_f64(), row["tokens_per_second"].as_f64()) else { continue };
        let whole = |name: &str| cell[name].as_u64().unwrap_or(0);
        let what = if whole("n_prompt") > 0 { "pp" } else { "tg" };
        let n = whole("n_prompt").max(whole("n_generate"));
        let parallel = if whole("parallel") > 1 { format!(" × {}", whole("parallel")) } else { String::new() };
        let name = format!("{} {what}{n}{parallel}, batch {}, tokens per second", text(&row["name"]), whole("batch"));
        match curves.iter_mut().find(|(known, _)| *known == name) {
            Some((_, points)) => points.push((depth, rate)),
            None => curves.push((name, vec![(depth, rate)])),
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
