//! Any record as one HTML file, and as the command that runs it again.
//!
//! The file needs nothing but itself: styles and plots (SVG) stand in it, and no script. What came from outside (prompts,
//! answers, names) is escaped by the templates (`maud`). Every kind has a file here that makes its part from the record's
//! document.

mod bench;
mod command;
pub(crate) mod page;
mod plot;
pub(crate) mod race;
mod suite;
mod text;

use maud::{Markup, html};
use wire::{Role, ToolCall};

use crate::figure::{Grade, UNKNOWN};
use crate::lab::race::export::date;
use crate::record::{Body, Measured, Reading, Record, RunRecord};
use crate::units::{Bytes, digits, or_dash};
pub use command::command;
use page::{count, graded, muted, number, panel, reasoning, table};
use plot::{Bar, bars, curve};
pub use text::text as plain_text;

/// The whole file.
pub fn html(record: &Record) -> String {
    let number = if record.id > 0 { format!(" {}", record.id) } else { String::new() };
    let title = format!("taffrail {}{number}: {}", record.kind().name(), record.title);
    let when = date(record.at.div_euclid(1000));
    let body = html! {
        (muted(&format!("{when} · {}", record.models.join(", "))))
        @match &record.body {
            Body::Bench(bench) => (bench::markup(&bench.document)),
            Body::Run(answer) => (run(answer)),
            Body::Race(race) | Body::Vote(race) => (race::markup(race)),
            Body::Suite(suite) => (suite::markup(suite)),
        }
        // A race has drawn its speeds.
        @if matches!(record.body, Body::Run(_) | Body::Bench(_)) { (speeds(&record.figures)) }
        (machine(&record.samples))
        @if let Some(command) = command(record) { (panel("To run it again", &command)) }
        details {
            summary { "the record as JSON" }
            pre { (record.body.to_json_pretty().unwrap_or_default()) }
        }
    };
    page::document(&title, &body)
}

/// The turns of an answer's conversation with who speaks, the reasoning apart.
pub fn conversation(run: &RunRecord) -> Vec<(&'static str, String)> {
    let role = |role: Role| match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    };
    let mut all = Vec::new();
    for turn in &run.turns {
        all.push((role(turn.role), turn.text.clone()));
        all.push((CALLS, calls(&turn.tool_calls)));
    }
    all.push(("reasoning", run.document.reasoning.clone().unwrap_or_default()));
    all.push(("answer", run.document.text.clone().unwrap_or_default()));
    all.push((CALLS, calls(&run.document.tool_calls)));
    all.retain(|(_, text)| !text.is_empty());
    all
}

/// What calls of tools are told as.
const CALLS: &str = "tool calls";

fn calls(calls: &[ToolCall]) -> String {
    let calls: Vec<String> = calls.iter().map(|call| format!("{}({})", call.name, call.arguments)).collect();
    calls.join("\n")
}

fn run(run: &RunRecord) -> Markup {
    let answer = &run.document;
    let energy = &answer.energy;
    let row = vec![
        answer.model.name.clone().unwrap_or_default(),
        number(answer.ttft_ms),
        number(answer.prompt_tokens_per_second),
        number(answer.generation_tokens_per_second),
        count(answer.tokens.generated),
        or_dash(answer.memory.total),
        graded(energy.provenance.graded(energy.joules_per_token)),
        graded(energy.provenance.graded(energy.joules)),
    ];
    let heads = ["", "TTFT ms", "prompt tok/s", "tok/s", "tokens", "memory", "J/token", "J/answer"];
    html! {
        @for (label, said) in conversation(run) {
            @if label == "reasoning" { (reasoning(&said, answer.tokens.reasoning)) }
            @else { (panel(label, &said)) }
        }
        (table(&heads, &[row]))
        @if let Some(reason) = energy.provenance.reason() { (muted(&format!("Energy: {reason}"))) }
    }
}

/// All speeds as bars, with their scatter as whiskers.
fn speeds(figures: &[Measured]) -> Markup {
    let bar = |figure: &Measured| {
        let test = figure.series.settings.split(" · ").next().filter(|_| figure.n > 1).unwrap_or(&figure.what);
        let range = figure.rate.zip(figure.spread).map(|(rate, spread)| ((rate - spread).max(0.0), rate + spread));
        Bar { label: format!("{} · {test}", figure.series.model), value: figure.rate, range }
    };
    let lines = if figures.iter().any(|figure| figure.spread.is_some()) {
        "; lines span one standard deviation of single repetitions"
    } else {
        ""
    };
    let of = |what: &str| figures.iter().filter(|figure| figure.what == what).map(bar).collect::<Vec<_>>();
    html! {
        // A prompt is read so much faster that generations could not be compared in one plot with it.
        @for (what, word) in [("pp", "prompt"), ("tg", "generation")] {
            (bars(&format!("{word}, tokens per second{lines}"), &of(what), &digits))
        }
    }
}

/// What the machine showed meanwhile.
fn machine(samples: &[Reading]) -> Markup {
    let plot = |title: &str, value: &dyn Fn(&Reading) -> Option<f64>| {
        let points: Vec<(f64, f64)> =
            samples.iter().filter_map(|reading| Some((reading.after as f64 / 1e3, value(reading)?))).collect();
        curve(title, &points, &|seconds| format!("{seconds:.1} s"))
    };
    let known = samples.iter().filter(|reading| reading.watts.is_some());
    let grades = known.map(|reading| reading.watts_grade).collect::<Option<Vec<_>>>();
    let grade = grades.and_then(|grades| grades.into_iter().max()).map_or(UNKNOWN, Grade::word);
    let plots: Vec<Markup> = [
        plot(&format!("power, W ({grade})"), &|reading| reading.watts),
        plot("busy cores, %", &|reading| reading.busy),
        plot("memory used, GB", &|reading| reading.memory.map(|bytes| Bytes(bytes).gigabytes())),
        plot("hottest sensor, °C", &|reading| reading.celsius),
        plot("fastest core, MHz", &|reading| reading.mhz),
    ]
    .into_iter()
    .flatten()
    .collect();
    html! {
        @if !plots.is_empty() {
            h2 { "The machine during the run" }
            div.grid { @for plot in plots { (plot) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::record::{Kind, Series};

    const SCRIPT: &str = "</pre><script>alert(1)</script><img src=x onerror='alert(2)'>\"&\u{1b}[2J";

    fn record(kind: Kind, body: serde_json::Value) -> Record {
        Record::new(1_700_000_000_000, SCRIPT.to_owned(), Body::from_value(kind, body).unwrap())
    }

    fn hostile(kind: Kind) -> Record {
        let series = Series { model: SCRIPT.to_owned(), settings: SCRIPT.to_owned(), ..Series::default() };
        let row = |depth: u32| {
            json!({
                "name": SCRIPT, "test": SCRIPT, "tokens_per_second": 3.0, "failed": SCRIPT, "disturbed": [{ "busy": 0.5 }],
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
            ..record(
                kind,
                json!({
                    "text": SCRIPT, "reasoning": SCRIPT, "machine": SCRIPT, "threads": 2, "wanted_repetitions": 5,
                    "turns": [{ "role": "user", "text": SCRIPT }], "prompt": SCRIPT, "description": SCRIPT,
                    "file": SCRIPT, "rows": [row(0), row(4096)],
                    "columns": [{ "name": SCRIPT, "text": SCRIPT, "error": { "reason": SCRIPT, "hint": SCRIPT } }],
                    "divergence": {
                        "said": SCRIPT, "before": SCRIPT,
                        "columns": [{
                            "token": SCRIPT, "index": 0, "probable": [{ "token": SCRIPT, "probability": 0.5 }],
                        }],
                    },
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
            assert_eq!(page.matches("<pre").count(), page.matches("</pre>").count());
        }
    }

    fn again(kind: Kind, models: &[&str], body: serde_json::Value) -> Option<String> {
        let models = models.iter().map(|model| (*model).to_owned()).collect();
        command(&Record { models, ..record(kind, body) })
    }

    #[test]
    fn commands_are_read_back_by_a_shell() {
        let mut body = json!({
            "turns": [{ "role": "user", "text": "it's $HOME" }], "options": { "temperature": "0.5", "max_tokens": "9" },
        });
        assert_eq!(
            again(Kind::Run, &["hf:a/b"], body.clone()).unwrap(),
            "taffrail run hf:a/b -p 'it'\\''s $HOME' --max-tokens 9 --temperature 0.5"
        );
        body["raw"] = true.into();
        body["grammar"] = json!({ "gbnf": "root ::= \"a\"" });
        assert_eq!(
            again(Kind::Run, &["hf:a/b"], body).unwrap(),
            "printf %s 'root ::= \"a\"' | taffrail run hf:a/b -p 'it'\\''s $HOME' --raw --max-tokens 9 --temperature 0.5 \
             --grammar /dev/stdin"
        );
        let mut record = hostile(Kind::Bench);
        record.models = vec!["a".to_owned(), "folder:/m/b c".to_owned()];
        assert_eq!(
            command(&record).unwrap(),
            "taffrail bench a '/m/b c' --pp 512 --tg 0 --depth 0,4096 --batch-sizes 2048 --parallel 1 -r 5 -t 2"
        );
        assert_eq!(command(&hostile(Kind::Race)), None);
        let body = json!({
            "prompt": "it's", "order": "together", "lockstep": true,
            "columns": [
                { "model": { "id": "a" }, "options": {} },
                { "model": { "id": "a" }, "options": { "seed": "7", "temperature": "0.8" } },
            ],
        });
        assert_eq!(
            again(Kind::Race, &[], body.clone()).unwrap(),
            "taffrail race a 'a@seed=7,temperature=0.8' -p 'it'\\''s' --concurrent --lockstep"
        );
        let race = self::record(Kind::Race, body);
        assert_eq!(command(&race.redacted()), None, "its names are hidden");
        let body = json!({ "file": "/my suites/s.toml", "options": { "context": "512" } });
        assert_eq!(
            again(Kind::Suite, &["a", "b"], body).unwrap(),
            "taffrail suite '/my suites/s.toml' a b --fresh --context 512"
        );
    }
}
