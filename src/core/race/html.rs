//! A race as one HTML file that needs no other: figures as a table, bars as inline SVG, light and dark by the reader's
//! system. Whatever comes from a prompt or a model is escaped, and a policy in the head forbids scripts besides.

use std::fmt::Write as _;

use super::export::{HEADS, cells, date, harmless, strip, terms, vote};
use super::{Lane, Race, Stage, per_token};

const HEAD: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>taffrail race</title>
<style>
:root { color-scheme: light dark; --ground: #fbfaf7; --text: #22262b; --muted: #6b7177; --line: #d9d6ce; --bar: #2f6f8f; --bad: #b3361b; --panel: #ffffff }
@media (prefers-color-scheme: dark) { :root { --ground: #14181c; --text: #d9dde1; --muted: #8b939b; --line: #2c333a; --bar: #6fb3d2; --bad: #e8836b; --panel: #1b2025 } }
body { background: var(--ground); color: var(--text); font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem }
h1 { font-size: 1.4rem; margin: 0 } h2 { font-size: 1.05rem; margin: 0 0 .5rem }
.muted { color: var(--muted) } .bad { color: var(--bad) }
table { border-collapse: collapse; margin: 1rem 0; width: 100%; font-variant-numeric: tabular-nums }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .6rem; text-align: right } th:first-child, td:first-child { text-align: left }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font: 13px/1.5 ui-monospace, monospace; margin: 0 }
.prompt, .column { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: .8rem 1rem }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 1rem; margin-top: 1rem }
dl { display: flex; flex-wrap: wrap; gap: .3rem 1.5rem; margin: 1rem 0 } dt { color: var(--muted); display: inline } dd { display: inline; margin: 0 0 0 .4rem }
svg text { fill: var(--text); font: 12px system-ui, sans-serif } svg .unit { fill: var(--muted) } svg rect { fill: var(--bar) }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(22rem, 1fr)); gap: 1rem }
</style>
</head>
<body>
"#;

/// Height of a bar's row, and the columns of a plot: names, bar, value.
const ROW: usize = 22;
const NAME: usize = 130;
const BAR: usize = 170;
const WIDTH: usize = 380;
/// The most characters of a name beside a bar.
const MAX_LABEL: usize = 20;

/// The file's text.
pub fn html(race: &Race) -> String {
    let mut text = String::from(HEAD);
    let _ = writeln!(text, "<h1>Race</h1>\n<p class=\"muted\">{}, {}</p>", escape(&terms(race)), date(race.at.unix));
    if let Some(system) = &race.system {
        let _ = writeln!(text, "<div class=\"prompt\"><pre class=\"muted\">{}</pre></div>", escape(system));
    }
    let _ = writeln!(text, "<div class=\"prompt\"><pre>{}</pre></div>", escape(&race.prompt));
    text.push_str("<dl>");
    for (word, names) in strip(race) {
        let _ = write!(text, "<div><dt>{word}</dt><dd>{}</dd></div>", escape(&names));
    }
    text.push_str("</dl>\n");
    if let Some(vote) = vote(race) {
        let _ = writeln!(text, "<p>{}</p>", escape(&vote));
    }
    table(&mut text, race);
    text.push_str("<div class=\"plots\">\n");
    plot(&mut text, race, "time to the first token, ms", &|lane| {
        lane.ended().map(|figures| figures.counters.ttft_us as f64 / 1e3).filter(|time| *time > 0.0)
    });
    plot(&mut text, race, "generation, tokens per second", &|lane| lane.ended()?.counters.generation_rate());
    plot(&mut text, race, "energy per token, J", &|lane| per_token(lane.ended()?).value().map(|joules| joules.0));
    plot(&mut text, race, "memory, GB", &|lane| lane.memory().map(crate::core::units::Bytes::gigabytes));
    text.push_str("</div>\n<div class=\"columns\">\n");
    for (place, lane) in race.lanes.iter().enumerate() {
        column(&mut text, race, place, lane);
    }
    text.push_str("</div>\n</body>\n</html>\n");
    text
}

fn table(text: &mut String, race: &Race) {
    text.push_str("<table><thead><tr>");
    for head in HEADS {
        let _ = write!(text, "<th>{head}</th>");
    }
    text.push_str("</tr></thead><tbody>\n");
    for (place, lane) in race.lanes.iter().enumerate() {
        let _ = write!(text, "<tr><td>{}</td>", escape(&race.name(place)));
        for cell in cells(lane) {
            let _ = write!(text, "<td>{}</td>", escape(&cell));
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</tbody></table>\n");
}

/// Bars of one figure; nothing where it is known of no column.
fn plot(text: &mut String, race: &Race, title: &str, value: &dyn Fn(&Lane) -> Option<f64>) {
    let values: Vec<Option<f64>> = race.lanes.iter().map(value).collect();
    let most = values.iter().flatten().copied().fold(0.0, f64::max);
    if most <= 0.0 {
        return;
    }
    let height = (values.len() + 1) * ROW;
    let _ = writeln!(
        text,
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\"><text class=\"unit\" x=\"0\" y=\"14\">{title}</text>"
    );
    for (place, value) in values.into_iter().enumerate() {
        let y = (place + 1) * ROW;
        let name: String = race.name(place).chars().take(MAX_LABEL).collect();
        let _ = write!(text, "<text x=\"0\" y=\"{}\">{}</text>", y + 14, escape(&name));
        let (bar, label) = match value {
            Some(value) => (value / most * BAR as f64, crate::core::units::digits(value)),
            None => (0.0, "—".to_owned()),
        };
        let _ = writeln!(
            text,
            "<rect x=\"{NAME}\" y=\"{}\" width=\"{bar:.1}\" height=\"12\" rx=\"2\"/><text x=\"{:.1}\" y=\"{}\">{label}</text>",
            y + 4,
            NAME as f64 + bar + 6.0,
            y + 14
        );
    }
    text.push_str("</svg>\n");
}

fn column(text: &mut String, race: &Race, place: usize, lane: &Lane) {
    let _ = writeln!(text, "<section class=\"column\"><h2>{}</h2>", escape(&race.name(place)));
    if let Stage::Failed { reason, .. } = &lane.stage {
        let _ = writeln!(text, "<p class=\"bad\">{}</p>", escape(reason));
    }
    if let Some(turn) = &lane.answer {
        if !turn.reasoning.trim().is_empty() {
            let count = lane.ended().map_or(0, |figures| figures.counters.n_reasoning);
            let _ = writeln!(
                text,
                "<details><summary class=\"muted\">thought for {count} tokens</summary><pre class=\"muted\">{}</pre></details>",
                escape(turn.reasoning.trim())
            );
        }
        let _ = writeln!(text, "<pre>{}</pre>", escape(turn.text.trim()));
    }
    text.push_str("</section>\n");
}

/// A text that is nothing but text, wherever it stands.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in harmless(text).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(character),
        }
    }
    escaped
}
