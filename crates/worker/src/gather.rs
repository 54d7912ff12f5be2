//! Requests that arrive together start together: one decode call reads all their prompts, and none waits for one that
//! came a moment earlier. A lone request never waits.

use std::time::{Duration, Instant};

/// Maximum time to wait for another request while fewer have arrived than last time. A server accepts several in that
/// time, and a first token takes ten times as long.
const PATIENCE: Duration = Duration::from_millis(1);
/// The longest time that the first one waits.
const MAX_PATIENCE: Duration = Duration::from_millis(8);

/// How many requests came together last time, and what has come now.
#[derive(Debug, Default)]
pub(crate) struct Gather {
    /// Requests that came before the first decode call of the last time of work had ended.
    n_expected: usize,
    /// Those that have come, and when the first and the last of them came.
    came: Option<(usize, Instant, Instant)>,
    /// Decode calls since nothing ran.
    n_steps: usize,
}

impl Gather {
    /// How long to wait for the next request before the next decode call, with this many running; `None` to take only
    /// what has arrived.
    pub(crate) fn patience(&mut self, n_running: usize, now: Instant) -> Option<Duration> {
        if n_running == 0 {
            (self.came, self.n_steps) = (None, 0);
            return None;
        }
        if self.n_steps > 0 {
            if self.n_steps == 1 {
                self.n_expected = n_running;
            }
            return None;
        }
        let (n_came, first, last) = self.came.unwrap_or((0, now, now));
        let last = if n_running > n_came { now } else { last };
        self.came = Some((n_running, first, last));
        if n_running >= self.n_expected {
            return None;
        }
        let left = |since: Instant, most: Duration| most.checked_sub(now.saturating_duration_since(since));
        left(first, MAX_PATIENCE)
            .and_then(|whole| Some(left(last, PATIENCE)?.min(whole)))
            .filter(|left| !left.is_zero())
    }

    /// A decode call starts, if anything runs.
    pub(crate) fn begin(&mut self) {
        if self.came.is_some() {
            self.n_steps += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_last_time_are_waited_for_but_not_for_long() {
        let start = Instant::now();
        let at = |millis: f64| start + Duration::from_secs_f64(millis / 1e3);
        let mut gather = Gather::default();
        let patience = |gather: &mut Gather, n_running, millis| {
            gather.patience(n_running, at(millis)).map(|time| (time.as_secs_f64() * 1e4).round() / 10.0)
        };
        // The first one waits for none; two come while it is read, and another one later.
        assert_eq!(patience(&mut gather, 0, 0.0), None);
        assert_eq!(patience(&mut gather, 1, 0.0), None);
        gather.begin();
        assert_eq!(patience(&mut gather, 2, 20.0), None);
        assert_eq!(patience(&mut gather, 3, 20.0), None);
        gather.begin();
        assert_eq!(patience(&mut gather, 4, 30.0), None);
        gather.begin();
        // The next time three are waited for.
        assert_eq!(patience(&mut gather, 0, 100.0), None);
        assert_eq!(patience(&mut gather, 1, 120.0), Some(1.0));
        assert_eq!(patience(&mut gather, 2, 120.4), Some(1.0));
        assert_eq!(patience(&mut gather, 2, 120.9), Some(0.5));
        assert_eq!(patience(&mut gather, 3, 121.0), None);
        gather.begin();
        assert_eq!(patience(&mut gather, 3, 130.0), None);
        gather.begin();
        // One comes alone: it waits once, the next one not.
        assert_eq!(patience(&mut gather, 0, 200.0), None);
        assert_eq!(patience(&mut gather, 1, 240.0), Some(1.0));
        assert_eq!(patience(&mut gather, 1, 241.0), None);
        gather.begin();
        assert_eq!(patience(&mut gather, 1, 260.0), None);
        gather.begin();
        assert_eq!(patience(&mut gather, 0, 300.0), None);
        assert_eq!(patience(&mut gather, 1, 360.0), None);
        gather.begin();
        // What comes drop by drop is not waited for without end.
        assert_eq!(patience(&mut gather, 0, 400.0), None);
        gather.n_expected = 64;
        let begins = (0..100).find(|n| patience(&mut gather, n + 1, 400.0 + *n as f64 * 0.9).is_none());
        assert_eq!(begins, Some(9));
    }
}
