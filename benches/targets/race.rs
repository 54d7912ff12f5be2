//! Races of the starter models: what eight columns at full speed cost the keys and the answers, and whether a column in
//! turn is as fast as alone.

use std::time::Instant;

use domain::lab::statistics::Summary;
use serde_json::Value;

use crate::support::{Home, Terminal};
use crate::terminal::watch;
use crate::{Given, median, milliseconds, skip, tell, time_until};

const COLUMNS: usize = 8;
/// Pairs of keys while they race, at most: a race of the starters lasts seconds.
const KEYS: u64 = 20;
const ROUNDS: usize = 8;
const TOKENS: &str = "400";

/// Screens switched while eight columns stream at once.
pub(crate) fn keypress(_: &Given) {
    const WHAT: &str = "keypress to frame in a race of eight";
    let home = Home::new();
    let mut terminal = Terminal::open(&home, 200, 50);
    terminal.see("ishmael-4m");
    // Both starters, then twins; all at once.
    terminal.send("2");
    terminal.see("Params");
    terminal.send(" j R");
    terminal.see("write a prompt");
    terminal.send("Call me");
    terminal.see("Call me");
    terminal.send("\x1b");
    terminal.see("enter prompt");
    terminal.send(&"n".repeat(COLUMNS - 2));
    terminal.send("o");
    terminal.see("at once");
    terminal.send("r");
    let runs = |terminal: &Terminal| terminal.text().contains("esc cancel");
    terminal.see("esc cancel");
    let mut times = Vec::new();
    for count in 0..KEYS {
        watch(std::time::Duration::from_millis(10 + count));
        let mut press = |key: &str, is_race: bool| {
            let start = Instant::now();
            terminal.send(key);
            let there = || terminal.text().contains("Call me") == is_race;
            milliseconds(time_until(start, "the other screen", there))
        };
        let pair = [press("5", false), press("3", true)];
        // The last line of the frame is read after its first.
        terminal.wait("the keys of the race", |screen| screen.contains("esc cancel") || screen.contains("r again"));
        // What came after the end of the race tells nothing.
        if !runs(&terminal) {
            break;
        }
        times.extend(pair);
    }
    if times.is_empty() {
        return skip(WHAT, "the race was over before a key");
    }
    let most = times.iter().copied().fold(0.0, f64::max);
    let figure = format!("median {:.1} ms, most {most:.1} ms over {} keys", median(times.clone()), times.len());
    tell(WHAT, &figure, "< 50 ms", most < 50.0);
}

/// Eight columns at once say what one says alone, token by token. One thread each: how many there are changes how sums are
/// rounded.
pub(crate) fn whole(_: &Given) {
    let home = Home::new();
    let alone = race(&home, &["ishmael-4m", "ishmael-1m"], false);
    let columns = [["ishmael-4m", "ishmael-1m"]; COLUMNS / 2].concat();
    let together = race(&home, &columns, true);
    let mut n_tokens = 0;
    let is_whole = together.iter().enumerate().all(|(place, column)| {
        n_tokens += column["tokens"]["generated"].as_u64().unwrap();
        let same = &alone[place % 2];
        column["text"] == same["text"] && column["tokens"]["generated"] == same["tokens"]["generated"]
    });
    let figure = format!(
        "{n_tokens} tokens in {} columns, {}",
        together.len(),
        if is_whole { "as alone" } else { "not as alone" }
    );
    tell("a race of eight drops no token", &figure, "text and count as alone", is_whole && together.len() == COLUMNS);
}

/// A column in turn against the same model's only answer.
pub(crate) fn in_turn(_: &Given) {
    let home = Home::new();
    let mut ratios = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        for (index, model) in ["ishmael-4m", "ishmael-1m"].into_iter().enumerate() {
            let alone = || {
                let arguments =
                    ["run", model, "-p", "Call me", "-n", TOKENS, "-t", "1", "--temperature", "0", "--json"];
                home.run(&arguments).json()["generation_tokens_per_second"].as_f64().unwrap()
            };
            let raced = || {
                let columns = race(&home, &["ishmael-4m", "ishmael-1m"], false);
                columns[index]["generation_tokens_per_second"].as_f64().unwrap()
            };
            // Each goes first as often as the other.
            let (raced, alone) = if round % 2 == 0 {
                let raced = raced();
                (raced, alone())
            } else {
                let alone = alone();
                (raced(), alone)
            };
            ratios[index].push(raced / alone);
        }
    }
    for (model, ratios) in ["ishmael-4m", "ishmael-1m"].into_iter().zip(ratios) {
        let Some(ratio) = Summary::of(&ratios) else { continue };
        let half_width = ratio.half_width().unwrap_or(f64::NAN);
        let bound = half_width.max(0.02);
        tell(
            &format!("a race in turn against an answer alone, {model}"),
            &format!("{:.3} ± {half_width:.3}", ratio.mean),
            &format!("within {:.1} %", bound * 100.0),
            (ratio.mean - 1.0).abs() <= bound,
        );
    }
}

/// The columns of a race.
fn race(home: &Home, models: &[&str], together: bool) -> Vec<Value> {
    let mut arguments = vec!["race"];
    arguments.extend(models);
    arguments.extend(["-p", "Call me", "-n", TOKENS, "-t", "1", "--json"]);
    if together {
        arguments.push("--concurrent");
    }
    home.run(&arguments).json()["columns"].as_array().unwrap().clone()
}
