//! A dashboard on a server with 1,000 models and three sessions: from exec to the first true frame, and what both cost at
//! rest, beside btop.

use std::time::{Duration, Instant};

use crate::make_stores::make_cache;
use crate::support::{Home, Terminal, starter};
use crate::terminal::{memory, processor_time, start, watch};
use crate::{Given, median, milliseconds, tell, time_until};

const REPOSITORIES: usize = 1000;
const SESSIONS: usize = 3;
const ROUNDS: usize = 15;
/// Time over which both are watched.
const WATCHED: Duration = Duration::from_mins(1);

pub(crate) fn measure(_: &Given) {
    let home = Home::served();
    make_cache::make(&home.path("hub"), REPOSITORIES, &starter("ishmael-1m"), false).unwrap();
    let mut terminal = Terminal::open(&home, 120, 40);
    terminal.see(&format!(" {} models", REPOSITORIES + 2));
    start(&mut terminal, SESSIONS);
    // The first frame that has the sessions has the models too: they came in one snapshot.
    let is_true = |text: &str| text.matches("ready").count() >= SESSIONS;
    let times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begin = Instant::now();
            let one = Terminal::open(&home, 120, 40);
            milliseconds(time_until(begin, "a true frame", || is_true(&one.text())))
        })
        .collect();
    let most = times.iter().copied().fold(0.0, f64::max);
    let figure = format!("median {:.1} ms, most {most:.1} ms", median(times));
    tell("exec to first true frame, 1,000 models, three sessions", &figure, "≤ 100 ms", most <= 100.0);

    let pids = [home.server().unwrap(), terminal.pid()];
    watch(Duration::from_secs(4));
    let before = pids.map(processor_time);
    let begin = Instant::now();
    watch(WATCHED);
    let after = pids.map(processor_time);
    let seconds = begin.elapsed().as_secs_f64();
    let shares = [0, 1].map(|one| (after[one].saturating_sub(before[one])).as_secs_f64() / seconds * 100.0);
    let [server, dashboard] = shares;
    let figure = format!("{:.2} % of one core: server {server:.2}, dashboard {dashboard:.2}", server + dashboard);
    tell("idle server with a dashboard at 1000 ms", &figure, "< 1 %", server + dashboard < 1.0);
    // Both have mapped the same program, which is in memory once.
    let [server, dashboard] = pids.map(|pid| memory(pid, "RssAnon:"));
    let program = pids.map(|pid| memory(pid, "RssFile:")).into_iter().fold(0.0, f64::max);
    let both = server + dashboard + program;
    let figure = format!("{both:.1} MB: server {server:.1}, dashboard {dashboard:.1}, the program's file {program:.1}");
    tell("memory of both", &figure, "< 60 MB", both < 60.0);
}
