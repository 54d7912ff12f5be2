//! The first minute of somebody who has never seen the program, in a real terminal with real models: what is pressed stands
//! on the screen.

use std::time::{Duration, Instant};

use crate::support::{Home, Terminal};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 50)];

/// Press the key that stands before these words on the screen, as its name there says.
fn press(terminal: &mut Terminal, words: &str) {
    terminal.see(words);
    let text = terminal.text();
    let place = text.find(words).unwrap_or_else(|| panic!("no `{words}` on the screen:\n{text}"));
    let key = text[..place].split_whitespace().next_back().unwrap_or_default();
    let keys = match key {
        "enter" => "\r",
        "space" => " ",
        "esc" => "\x1b",
        "↓" => "\x1b[B",
        letter if letter.chars().count() == 1 => letter,
        other => panic!("`{other}` before `{words}` is not a key:\n{text}"),
    };
    terminal.send(keys);
}

/// Open the dashboard for the first time, and wait for what it says then. Gives when the first frame was there.
fn open(home: &Home, (columns, rows): (u16, u16)) -> (Terminal, Instant) {
    let terminal = Terminal::open(home, columns, rows);
    terminal.see("taffrail");
    let first_frame = Instant::now();
    terminal.see("Welcome");
    (terminal, first_frame)
}

fn within(since: Instant, most: u64, what: &str) {
    let took = since.elapsed();
    assert!(took < Duration::from_secs(most), "{what} took {took:?}");
}

#[test]
fn a_model_is_started_and_answers_within_twenty_seconds() {
    for size in SIZES {
        let home = Home::new();
        let (mut terminal, first_frame) = open(&home, size);
        press(&mut terminal, "start the selected model");
        terminal.see("ready");
        // The prompt has the keys, and says so.
        terminal.see("to send");
        terminal.send("Call me Ishmael");
        terminal.see("Call me Ishmael");
        press(&mut terminal, "send  esc");
        terminal.wait("an answer that has ended", |screen| screen.contains("ready") && screen.contains(" tok · "));
        within(first_frame, 20, "an answer");
        terminal.escape();
        terminal.quit();
        assert!(terminal.exit().success());
    }
}

#[test]
fn two_models_are_raced_within_a_minute() {
    for size in SIZES {
        let home = Home::new();
        let (mut terminal, first_frame) = open(&home, size);
        press(&mut terminal, "mark models");
        terminal.see("1 marked");
        press(&mut terminal, "select another");
        press(&mut terminal, "mark models");
        terminal.see("2 marked");
        press(&mut terminal, "race the marked ones");
        terminal.send("Call me");
        terminal.see("Call me");
        press(&mut terminal, "run");
        terminal.wait("a race that is over", |screen| screen.contains("lowest energy") && !screen.contains("so far"));
        within(first_frame, 60, "a race");
    }
}
