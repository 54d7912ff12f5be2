//! The dashboard in a terminal: what it costs at rest, and how soon it answers a key under load.

use std::time::{Duration, Instant};

use crate::support::{Home, Terminal, poll, wait_for};
use crate::{Given, NO_MODEL, median, milliseconds, skip, tell, time_until};

/// Time over which the idle program is watched.
const WATCHED: Duration = Duration::from_secs(10);
const STREAMING: usize = 8;
const KEYS: u32 = 40;

/// Two loaded sessions and nothing to do.
pub(crate) fn idle(_: &Given) {
    let home = Home::new();
    let mut terminal = Terminal::open(&home, 120, 40);
    terminal.see("ishmael-4m");
    start(&mut terminal, 2);
    let pid = terminal.pid();
    watch(Duration::from_secs(2));
    let before = processor_time(pid);
    let start = Instant::now();
    watch(WATCHED);
    let share = processor_time(pid).saturating_sub(before).as_secs_f64() / start.elapsed().as_secs_f64() * 100.0;
    tell("idle with two sessions: processor", &format!("{share:.2} % of one core"), "< 1 %", share < 1.0);
    let [resident, own] = ["VmRSS:", "RssAnon:"].map(|name| memory(pid, name));
    let figure = format!("{resident:.1} MB ({own:.1} MB of it not the program's file)");
    tell("idle with two sessions: resident memory", &figure, "< 40 MB", resident < 40.0);
}

/// Screens switched while eight sessions stream.
pub(crate) fn keypress(given: &Given) {
    const WHAT: &str = "keypress to frame while eight sessions stream";
    let Some(model) = &given.model else { return skip(WHAT, NO_MODEL) };
    let home = Home::new();
    let folder = model.parent().unwrap().display().to_string();
    home.write("config/taffrail/config.toml", format!("[library]\nfolders = [{folder:?}]\nuse_starter = false\n"));
    let mut terminal = Terminal::open_with(&home, 200, 50, &["--set", "session.context=4096"]);
    let name = model.file_stem().unwrap().to_str().unwrap();
    terminal.see(&name[..8]);
    terminal.send(&format!("/{name}\r"));
    start(&mut terminal, STREAMING);
    for number in 0..STREAMING {
        // To the session's row, into its prompt, and back to the table.
        let down = "j".repeat(number);
        terminal.send(&format!("g{down}\rWrite a very long story about a ship and all of its crew.\r\t"));
    }
    let streaming = |terminal: &Terminal| terminal.text().matches("● answer").count();
    wait_for("eight answers", || streaming(&terminal) >= STREAMING, || terminal.text());
    let times: Vec<f64> = (0..KEYS)
        .map(|count| {
            // So that a key meets the frames at any time between them.
            watch(Duration::from_millis(20 + u64::from(count)));
            // Only the table of sessions has this heading.
            let (key, is_fleet) = if count % 2 == 0 { ("5", false) } else { ("1", true) };
            let start = Instant::now();
            terminal.send(key);
            milliseconds(time_until(start, "the other screen", || terminal.text().contains("TTFT") == is_fleet))
        })
        .collect();
    let still = streaming(&terminal);
    let most = times.iter().copied().fold(0.0, f64::max);
    let figure = format!("median {:.1} ms, most {most:.1} ms ({still} stream at the end)", median(times));
    tell(WHAT, &figure, "≤ 50 ms", most <= 50.0);
}

/// Start the chosen model so often; the table of sessions has the keys then.
pub(crate) fn start(terminal: &mut Terminal, count: usize) {
    for number in 1..=count {
        terminal.send("2\r");
        terminal.wait("one more session", |screen| {
            screen.matches("● ").count().max(screen.matches("ready").count()) >= number
        });
        terminal.send("\t");
    }
}

/// Let time pass: here it is the thing measured.
pub(crate) fn watch(time: Duration) {
    poll(time, time, || false);
}

/// Time on a processor, by the kernel's ticks.
pub(crate) fn processor_time(pid: u32) -> Duration {
    /// `USER_HZ`, which Linux has fixed for what it shows.
    const TICKS_PER_SECOND: u64 = 100;
    let line = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name before may hold blanks. After it the state is the first field; user and system time are the 12th and 13th.
    let fields: Vec<&str> = line.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
}

/// A line of the process's status, megabytes.
pub(crate) fn memory(pid: u32, name: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0 / 1e6
}
