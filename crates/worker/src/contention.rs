//! Fewer threads while others want the processor.
//!
//! The threads of a graph wait for each other after each operation, spinning. Where another program holds one of them
//! back, the others spin for it, and a token takes many times longer than with a thread less. Owned here: when a thread
//! is given up, how many, and when it is tried again. Absent: the share that the supervisor plans (`control`), which is
//! the upper bound, and bench measurements, which keep the number that they were asked for.

use std::time::{Duration, Instant};

/// How long threads are watched before it is decided.
const WINDOW: Duration = Duration::from_millis(200);
/// Share of the window that threads waited for a CPU, summed over threads: 1 is one thread that never ran. A busy
/// program alongside two threads on two cores gives 0.5 to 0.8, a quiet desktop below 0.1.
const TAKEN: f64 = 0.3;
/// How long to stay below the wanted number at first. A second try that fails too doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest time until the next try, which costs one window.
const LONGEST_PAUSE: Duration = Duration::from_secs(16);

/// What one worker knows of the others' need.
#[derive(Debug)]
pub(crate) struct Contention {
    /// When the window began, and how long all threads had waited by then; `None` before the first.
    window: Option<(Instant, Duration)>,
    /// Threads that are given up, and until when.
    given_up: Option<(u32, Instant)>,
    pause: Duration,
}

impl Contention {
    pub(crate) fn new() -> Self {
        Self { window: None, given_up: None, pause: FIRST_PAUSE }
    }

    /// How many of the `wanted` threads to use now. `delay` returns how long all threads of the process have waited
    /// for a CPU since their start; it is called about five times a second. If unknown, all threads are used.
    pub(crate) fn threads(&mut self, wanted: u32, now: Instant, delay: impl FnOnce() -> Option<Duration>) -> u32 {
        // A single thread never waits at a barrier.
        if wanted < 2 {
            self.window = None;
            return wanted;
        }
        if let Some((fewer, until)) = self.given_up {
            if now < until {
                return wanted.saturating_sub(fewer).max(1);
            }
            self.given_up = None;
            self.window = None;
        }
        let Some((since, before)) = self.window else {
            self.window = delay().map(|delay| (now, delay));
            return wanted;
        };
        let length = now.saturating_duration_since(since);
        if length < WINDOW {
            return wanted;
        }
        let Some(after) = delay() else { return wanted };
        self.window = Some((now, after));
        let taken = after.saturating_sub(before).as_secs_f64() / length.as_secs_f64();
        if taken < TAKEN {
            self.pause = FIRST_PAUSE;
            return wanted;
        }
        let fewer = (taken.round() as u32).clamp(1, wanted - 1);
        self.given_up = Some((fewer, now + self.pause));
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        wanted - fewer
    }
}

/// How long the live threads of this process have waited for a CPU, from Linux's `schedstat`; `None` if not available.
pub(crate) fn waited() -> Option<Duration> {
    let mut waited = Duration::ZERO;
    let mut buffer = String::new();
    for task in std::fs::read_dir("/proc/self/task").ok()?.flatten() {
        buffer.clear();
        // A thread that has just ended has no file any more.
        if std::fs::File::open(task.path().join("schedstat"))
            .and_then(|mut file| std::io::Read::read_to_string(&mut file, &mut buffer))
            .is_err()
        {
            continue;
        }
        let nanoseconds = buffer.split_ascii_whitespace().nth(1)?.parse().ok()?;
        waited += Duration::from_nanos(nanoseconds);
    }
    Some(waited)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Start time of a token in milliseconds, total wait time of all threads so far, expected threads.
    type Step = (u64, u64, u32);

    #[test]
    fn a_thread_is_given_up_and_tried_again() {
        let cases: &[(&str, u32, &[Step])] = &[
            ("quiet", 4, &[(0, 0, 4), (200, 10, 4), (400, 60, 4), (900, 100, 4)]),
            ("one program", 2, &[(0, 0, 2), (100, 70, 2), (200, 140, 1), (900, 140, 1)]),
            ("tried after a second", 2, &[(0, 0, 2), (200, 140, 1), (1200, 140, 2), (1400, 150, 2), (1600, 150, 2)]),
            (
                "a second try that fails waits twice as long",
                2,
                &[(0, 0, 2), (200, 140, 1), (1200, 140, 2), (1400, 280, 1), (3300, 280, 1), (3400, 280, 2)],
            ),
            ("three programs", 8, &[(0, 0, 8), (200, 560, 5)]),
            ("never the last one", 2, &[(0, 0, 2), (200, 400, 1)]),
            ("a single thread", 1, &[(0, 0, 1), (200, 200, 1), (400, 400, 1)]),
            ("a pause between answers is no wait", 2, &[(0, 0, 2), (60_000, 100, 2), (60_200, 110, 2)]),
            ("threads that ended took their time along", 2, &[(0, 500, 2), (200, 100, 2), (400, 240, 1)]),
        ];
        for (name, wanted, steps) in cases {
            let mut contention = Contention::new();
            let start = Instant::now();
            for (at, waited, expected) in *steps {
                let now = start + Duration::from_millis(*at);
                let threads = contention.threads(*wanted, now, || Some(Duration::from_millis(*waited)));
                assert_eq!(threads, *expected, "{name}, at {at} ms");
            }
        }
    }

    #[test]
    fn where_nothing_is_told_all_are_used() {
        let mut contention = Contention::new();
        let start = Instant::now();
        for at in [0, 200, 400] {
            assert_eq!(contention.threads(4, start + Duration::from_millis(at), || None), 4);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_tells_what_threads_waited() {
        assert!(waited().is_some());
    }
}
