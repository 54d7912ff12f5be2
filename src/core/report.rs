//! A record as one HTML file, and as the command that runs it again.
//!
//! The file needs nothing but itself: styles and plots (SVG) stand in it, and no script. What came from outside (prompts,
//! answers, names) is escaped wherever it stands.

use std::fmt::Write as _;

use serde_json::Value;

use super::history::{Kind, Measured, Record};
use super::units::digits;

/// Colours for light and dark, as the reader's system has it.
const STYLE: &str = "
:root { color-scheme: light dark; --ground: #fff; --text: #1d2733; --muted: #66717d; --line: #d9dee4; --accent: #0b6e99; --bad: #b3261e; --good: #1b7f4b }
@media (prefers-color-scheme: dark) { :root { --ground: #14181d; --text: #e4e8ec; --muted: #94a0ac; --line: #333c46; --accent: #5cb8e0; --bad: #ff8a80; --good: #6fd39b } }
body { background: var(--ground); color: var(--text); font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem; overflow-wrap: anywhere } h2 { font-size: 1.1rem; margin-top: 2rem }
p.meta, caption, .note { color: var(--muted) }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); overflow-wrap: anywhere }
th { color: var(--muted); font-weight: 600 } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
pre { white-space: pre-wrap; overflow-wrap: anywhere; border: 1px solid var(--line); border-radius: 6px; padding: .8rem }
.bad { color: var(--bad) } .good { color: var(--good) }
svg { width: 100%; height: auto; font: 13px system-ui, sans-serif } svg text { fill: var(--text) } svg .m { fill: var(--muted) }
svg .bar { fill: var(--accent) } svg .axis { stroke: var(--muted); stroke-width: 1.5 } svg .whisker { stroke: var(--text); stroke-width: 2 } svg .curve { fill: none; stroke: var(--accent); stroke-width: 2 }
";

/// The whole file.
pub fn html(record: &Record) -> String {
    let title = format!("taffrail {} {}: {}", record.kind.name(), record.id, record.title);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <title>{}</title><style>{STYLE}</style></head><body>\n<h1>{}</h1>\n",
        escape(&title),
        escape(&title)
    );
    let _ = writeln!(page, "<p class=\"meta\">{} · {}</p>", date(record.at), escape(&record.models.join(", ")));
    match record.kind {
        Kind::Bench => bench(&mut page, record),
        Kind::Run => run(&mut page, record),
        Kind::Race | Kind::Vote | Kind::Suite => {}
    }
    figures(&mut page, &record.figures);
    let _ = write!(
        page,
        "<h2>All of it</h2>\n<details><summary>The record as JSON</summary><pre>{}</pre></details>\n</body></html>\n",
        escape(&format!("{:#}", record.body))
    );
    page
}

/// Text as HTML shows it.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if gguf::is_harmful(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// The turns of an answer's conversation with who speaks, the reasoning apart.
pub fn conversation(record: &Record) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let turns = record.body["turns"].as_array().into_iter().flatten();
    let mut all: Vec<_> = turns.map(|turn| (text(&turn["role"]), text(&turn["text"]))).collect();
    all.push(("reasoning".to_owned(), text(&record.body["reasoning"])));
    all.push(("answer".to_owned(), text(&record.body["text"])));
    all.retain(|(_, text)| !text.is_empty());
    all
}

fn run(page: &mut String, record: &Record) {
    for (label, text) in conversation(record) {
        let _ = write!(page, "<h2>{}</h2>\n<pre>{}</pre>\n", escape(&label), escape(&text));
    }
}

fn bench(page: &mut String, record: &Record) {
    let body = &record.body;
    let _ = writeln!(
        page,
        "<p class=\"note\">{} · threads: {} · repetitions: {}</p>",
        escape(body["machine"].as_str().unwrap_or("")),
        body["threads"],
        body["wanted_repetitions"]
    );
    page.push_str(
        "<table><thead><tr><th>Model</th><th>Test</th><th class=n>tok/s</th><th class=n>± 95%</th><th class=n>p50 ms</th>\
         <th class=n>p99 ms</th><th class=n>TTFT ms</th><th class=n>J/tok</th><th class=n>tainted</th></tr></thead><tbody>\n",
    );
    let rows: Vec<&Value> = body["rows"].as_array().into_iter().flatten().collect();
    let number = |value: &Value| value.as_f64().map_or_else(|| "—".to_owned(), digits);
    for row in &rows {
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td>{}</td><td class=n>{}</td><td class=n>{}</td><td class=n>{}</td><td class=n>{}</td>\
             <td class=n>{}</td><td class=n>{}</td><td class=n>{}</td></tr>",
            escape(row["name"].as_str().unwrap_or("")),
            escape(row["test"].as_str().unwrap_or("")),
            number(&row["tokens_per_second"]),
            number(&row["half_width_95"]),
            number(&row["step_ms"]["p50"]),
            number(&row["step_ms"]["p99"]),
            number(&row["ttft_ms"]),
            number(&row["joules_per_token"]),
            row["tainted"].as_array().map_or(0, Vec::len),
        );
    }
    page.push_str("</tbody></table>\n");
    by_depth(page, &rows);
}

/// Speed over depth, a curve for each model and test that was measured at several depths.
fn by_depth(page: &mut String, rows: &[&Value]) {
    let mut curves: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    for row in rows {
        let cell = &row["cell"];
        let (Some(depth), Some(rate)) = (cell["depth"].as_f64(), row["tokens_per_second"].as_f64()) else { continue };
        let n = cell["n_prompt"].as_u64().unwrap_or(0).max(cell["n_generate"].as_u64().unwrap_or(0));
        let what = if cell["n_prompt"].as_u64().unwrap_or(0) > 0 { "pp" } else { "tg" };
        let name =
            format!("{} {what}{n} × {} b{}", row["name"].as_str().unwrap_or(""), cell["parallel"], cell["batch"]);
        match curves.iter_mut().find(|(known, _)| *known == name) {
            Some((_, points)) => points.push((depth, rate)),
            None => curves.push((name, vec![(depth, rate)])),
        }
    }
    curves.retain(|(_, points)| points.len() > 1);
    if curves.is_empty() {
        return;
    }
    page.push_str("<h2>Speed by depth</h2>\n");
    for (name, mut points) in curves {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let widest = points.last().map_or(1.0, |point| point.0).max(1.0);
        let most = points.iter().map(|point| point.1).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
        let place = |(depth, rate): &(f64, f64)| (60.0 + 680.0 * depth / widest, 150.0 - 125.0 * rate / most);
        let path: Vec<String> = points
            .iter()
            .map(|point| {
                let (x, y) = place(point);
                format!("{x:.1},{y:.1}")
            })
            .collect();
        let _ = write!(
            page,
            "<svg viewBox=\"0 0 800 190\" role=\"img\"><title>{0}</title><text x=\"60\" y=\"14\">{0}, tok/s</text>\
             <line class=\"axis\" x1=\"60\" y1=\"150\" x2=\"740\" y2=\"150\"/><polyline class=\"curve\" points=\"{1}\"/>",
            escape(&name),
            path.join(" ")
        );
        for point in &points {
            let (x, y) = place(point);
            let _ = write!(
                page,
                "<circle class=\"bar\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/><text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
                 <text class=\"m\" x=\"{x:.1}\" y=\"170\" text-anchor=\"middle\">{:.0}</text>",
                y - 9.0,
                digits(point.1),
                point.0
            );
        }
        page.push_str("</svg>\n");
    }
}

/// All speeds as bars, with their scatter as whiskers.
fn figures(page: &mut String, figures: &[Measured]) {
    const ROW: usize = 44;
    let known: Vec<(&Measured, f64)> = figures.iter().filter_map(|figure| Some((figure, figure.rate?))).collect();
    let most = known.iter().map(|(figure, rate)| rate + figure.spread.unwrap_or(0.0)).fold(0.0, f64::max);
    if known.is_empty() || most <= 0.0 {
        return;
    }
    let _ = write!(
        page,
        "<h2>Speed, tokens per second</h2>\n<svg viewBox=\"0 0 800 {}\" role=\"img\"><title>Tokens per second</title>",
        ROW * known.len() + 10
    );
    for (index, (figure, rate)) in known.iter().enumerate() {
        let y = index * ROW;
        let width = 680.0 * rate / most;
        let test = figure.series.settings.split(" · ").next().filter(|_| figure.n > 1).unwrap_or(&figure.what);
        let _ = write!(
            page,
            "<text class=\"m\" x=\"0\" y=\"{}\">{} · {}</text><rect class=\"bar\" x=\"0\" y=\"{}\" width=\"{width:.1}\" height=\"16\" rx=\"2\"/>",
            y + 15,
            escape(&figure.series.model),
            escape(test),
            y + 20,
        );
        let mut end = width;
        if let Some(spread) = figure.spread {
            let (from, to) = (680.0 * (rate - spread).max(0.0) / most, 680.0 * (rate + spread) / most);
            end = to;
            let _ =
                write!(page, "<line class=\"whisker\" x1=\"{from:.1}\" y1=\"{0}\" x2=\"{to:.1}\" y2=\"{0}\"/>", y + 28);
        }
        let _ = write!(page, "<text x=\"{:.1}\" y=\"{}\">{}</text>", end + 8.0, y + 33, digits(*rate));
    }
    page.push_str("</svg>\n<p class=\"note\">Lines span one standard deviation of single repetitions.</p>\n");
}

/// The command that runs a record again; `None` where one command does not do it.
pub fn command(record: &Record) -> Option<String> {
    match record.kind {
        Kind::Run => run_again(record),
        // The vote was on a race.
        Kind::Race | Kind::Vote => race_again(record),
        Kind::Suite => suite_again(record),
        Kind::Bench => bench_again(record),
    }
}

/// The settings that were not the usual ones, as options.
fn options(body: &Value) -> String {
    let mut options = String::new();
    for (name, value) in body["options"].as_object().into_iter().flatten() {
        let _ = write!(options, " --{} {}", name.replace('_', "-"), quoted(value.as_str().unwrap_or("")));
    }
    options
}

fn models(record: &Record) -> Option<String> {
    let models: Vec<_> = record.models.iter().map(|model| quoted(model)).collect();
    (!models.is_empty()).then(|| models.join(" "))
}

fn run_again(record: &Record) -> Option<String> {
    let turns = record.body["turns"].as_array()?;
    let said = |role: &str| {
        let mut turns = turns.iter().rev().filter(move |turn| turn["role"] == role);
        turns.next().and_then(|turn| turn["text"].as_str())
    };
    let mut command = format!("taffrail run {} -p {}", quoted(record.models.first()?), quoted(said("user")?));
    if let Some(system) = said("system") {
        let _ = write!(command, " --system {}", quoted(system));
    }
    Some(command + &options(&record.body))
}

fn race_again(record: &Record) -> Option<String> {
    let body = &record.body;
    let mut command = "taffrail race".to_owned();
    for column in body["columns"].as_array()? {
        let settings: Vec<_> = column["options"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or("")))
            .collect();
        let at = if settings.is_empty() { "" } else { "@" };
        // A model whose name is hidden can't be named.
        let _ =
            write!(command, " {}", quoted(&format!("{}{at}{}", column["model"]["id"].as_str()?, settings.join(","))));
    }
    let _ = write!(command, " -p {}", quoted(body["prompt"].as_str()?));
    if let Some(system) = body["system"].as_str() {
        let _ = write!(command, " --system {}", quoted(system));
    }
    if body["order"] == "together" {
        command.push_str(" --together");
    }
    if body["lockstep"] == true {
        command.push_str(" --lockstep");
    }
    Some(command)
}

fn suite_again(record: &Record) -> Option<String> {
    let file = record.body["file"].as_str()?;
    Some(format!("taffrail suite {} {} --anew{}", quoted(file), models(record)?, options(&record.body)))
}

fn bench_again(record: &Record) -> Option<String> {
    let rows = record.body["rows"].as_array()?;
    let list = |name: &str| {
        let mut all: Vec<u64> = rows.iter().filter_map(|row| row["cell"][name].as_u64()).collect();
        all.sort_unstable();
        all.dedup();
        // A row reads a prompt or generates: the other one's 0 is no length.
        if all.len() > 1 && name.starts_with("n_") {
            all.retain(|n| *n > 0);
        }
        all.iter().map(u64::to_string).collect::<Vec<_>>().join(",")
    };
    Some(format!(
        "taffrail bench {} --pp {} --tg {} --depth {} --batch-sizes {} --parallel {} -r {} -t {}",
        models(record)?,
        list("n_prompt"),
        list("n_generate"),
        list("depth"),
        list("batch"),
        list("parallel"),
        record.body["wanted_repetitions"],
        record.body["threads"],
    ))
}

/// A word as a POSIX shell reads it back. Control characters other than line ends are dropped.
fn quoted(text: &str) -> String {
    let text: String = text.chars().filter(|c| *c == '\n' || !gguf::is_harmful(*c)).collect();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@,+=".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// Milliseconds since 1970 as a date in UTC, by the algorithm of Howard Hinnant's `civil_from_days`.
fn date(at: i64) -> String {
    let seconds = at.div_euclid(1000);
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", rest / 3600, rest / 60 % 60)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::core::history::Series;

    const SCRIPT: &str = "</pre><script>alert(1)</script><img src=x onerror='alert(2)'>\"&\u{1b}[2J";

    fn hostile(kind: Kind) -> Record {
        let series = Series { model: SCRIPT.to_owned(), settings: SCRIPT.to_owned(), ..Series::default() };
        let row = |depth: u32| {
            json!({
                "name": SCRIPT, "test": SCRIPT, "tokens_per_second": 3.0, "tainted": [SCRIPT],
                "cell": { "n_prompt": 512, "n_generate": 0, "depth": depth, "parallel": 1, "batch": 2048 },
            })
        };
        Record {
            models: vec![SCRIPT.to_owned()],
            figures: vec![Measured {
                series,
                what: SCRIPT.to_owned(),
                rate: Some(2.0),
                spread: Some(0.5),
                n: 5,
                joules: None,
            }],
            ..Record::new(
                kind,
                1_700_000_000_000,
                SCRIPT.to_owned(),
                json!({
                    "text": SCRIPT, "reasoning": SCRIPT, "machine": SCRIPT, "threads": 2, "wanted_repetitions": 5,
                    "turns": [{ "role": SCRIPT, "text": SCRIPT }], "rows": [row(0), row(4096)],
                }),
            )
        }
    }

    /// Every tag is one of ours, and no attribute came from outside.
    #[test]
    fn a_prompt_that_is_a_script_stays_text() {
        for kind in Kind::ALL {
            let page = html(&hostile(kind));
            let lower = page.to_lowercase();
            assert!(!lower.contains("<script") && !lower.contains("<img") && !page.contains('\u{1b}'), "{kind:?}");
            assert!(page.contains("&lt;script&gt;alert(1)"));
            assert_eq!(page.matches("<pre>").count(), page.matches("</pre>").count());
        }
    }

    #[test]
    fn commands_are_read_back_by_a_shell() {
        let mut record = hostile(Kind::Run);
        record.models = vec!["hf:a/b".to_owned()];
        record.body = json!({
            "turns": [{ "role": "user", "text": "it's $HOME" }], "options": { "temperature": "0.5", "max_tokens": "9" },
        });
        assert_eq!(
            command(&record).unwrap(),
            "taffrail run hf:a/b -p 'it'\\''s $HOME' --max-tokens 9 --temperature 0.5"
        );
        let mut record = hostile(Kind::Bench);
        record.models = vec!["a".to_owned(), "b c".to_owned()];
        assert_eq!(
            command(&record).unwrap(),
            "taffrail bench a 'b c' --pp 512 --tg 0 --depth 0,4096 --batch-sizes 2048 --parallel 1 -r 5 -t 2"
        );
        let mut record = hostile(Kind::Race);
        assert_eq!(command(&record), None);
        record.body = json!({
            "prompt": "it's", "order": "together", "lockstep": true,
            "columns": [
                { "model": { "id": "a" }, "options": {} },
                { "model": { "id": "a" }, "options": { "seed": "7", "temperature": "0.8" } },
            ],
        });
        assert_eq!(
            command(&record).unwrap(),
            "taffrail race a a@seed=7,temperature=0.8 -p 'it'\\''s' --together --lockstep"
        );
        record.veil();
        assert_eq!(command(&record), None, "its names are hidden");
        let mut record = hostile(Kind::Suite);
        record.models = vec!["a".to_owned(), "b".to_owned()];
        record.body = json!({ "file": "/my suites/s.toml", "options": { "context": "512" } });
        assert_eq!(command(&record).unwrap(), "taffrail suite '/my suites/s.toml' a b --anew --context 512");
    }

    #[test]
    fn dates() {
        for (at, text) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_400_000, "2000-02-29 00:00 UTC"),
            (1_700_000_000_000, "2023-11-14 22:13 UTC"),
            (-1, "1969-12-31 23:59 UTC"),
        ] {
            assert_eq!(date(at), text);
        }
    }
}
