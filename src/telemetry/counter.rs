//! Energy from a counter that only grows, until it wraps or is reset.

use std::time::Duration;

use domain::figure::Figure;
use domain::units::{Joules, Watts};

/// Ticks shorter than this are skipped: a counter that is updated every few milliseconds says little over them.
const SHORTEST: Duration = Duration::from_millis(50);

/// Why a counter gives no energy that shows zero again and again.
const AT_ZERO: &str = "stuck at 0: the counter is there, and nothing counts in it";

/// A counter's last reading.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counter {
    /// When it was read, and what it showed.
    last: Option<(Duration, u64)>,
    /// Whether that reading was its first, of which nobody knows when the counter got there.
    is_first: bool,
    /// Whether it has stood still since.
    has_rested: bool,
    /// Changes in a row that came after a rest, and seconds over all of them: how often a slow counter goes on.
    late: (u32, f64),
}

/// So many intervals of a slow counter tell its pace well enough; older ones are forgotten.
const MAX_LATE: u32 = 16;

/// What a counter's wrap and its meter's bounds are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Joules per count.
    pub(super) unit: f64,
    /// The value at which it starts again from zero, if that is known.
    pub(super) range: Option<u64>,
    /// Power above which a reading can't be true.
    pub(super) most: Watts,
}

/// Energy since the reading before, and over how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spent {
    pub(super) energy: Joules,
    pub(super) watts: Watts,
}

impl Counter {
    /// Whether it was read before.
    pub(super) fn has_started(self) -> bool {
        self.last.is_some()
    }

    /// Whether it shows what it showed before, after a time in which any that counts goes on.
    pub(super) fn rests(self, at: Duration, value: u64) -> bool {
        self.last.is_some_and(|(before, count)| count == value && at.saturating_sub(before) >= SHORTEST)
    }

    /// Whether this value is its first step, in the first tick: nobody knows yet since when it counted that energy.
    pub(super) fn steps_first(self, at: Duration, value: u64) -> bool {
        let is_step = |(before, count): (Duration, u64)| count != value && at.saturating_sub(before) >= SHORTEST;
        self.is_first && !self.has_rested && self.last.is_some_and(is_step)
    }

    /// It is seen to go on every few seconds only, so that its first step began before it was read.
    pub(super) fn is_slow(&mut self) {
        self.has_rested = true;
    }

    /// Whether it was read so short a time ago that a reading now tells nothing.
    pub(super) fn is_fresh(self, at: Duration) -> bool {
        self.last.is_some_and(|(before, _)| at.checked_sub(before).is_some_and(|elapsed| elapsed < SHORTEST))
    }

    /// Take a reading. The error says why it gives no energy. A meter at rest is no proof of a machine that needs none,
    /// so a counter that did not move gives none either; the reading before then stays in place, as it does after too
    /// short a time, and the energy is booked once there is any.
    pub(super) fn advance(&mut self, at: Duration, value: u64, bounds: Bounds) -> Result<Spent, String> {
        let Some((before_at, before)) = self.last else {
            *self = Self { last: Some((at, value)), is_first: true, ..Self::default() };
            return Err("first reading; power needs two".to_owned());
        };
        let Some(elapsed) = at.checked_sub(before_at) else {
            *self = Self { last: Some((at, value)), is_first: true, ..Self::default() };
            return Err("the clock went backwards".to_owned());
        };
        if elapsed < SHORTEST {
            return Err("two readings too close to each other".to_owned());
        }
        if value == before {
            self.has_rested = true;
            return Err(if value == 0 { AT_ZERO } else { "the counter does not advance" }.to_owned());
        }
        let (is_first, has_rested) = (self.is_first, self.has_rested);
        (self.last, self.is_first, self.has_rested) = (Some((at, value)), false, false);
        if is_first && has_rested && before != 0 {
            // It tells late, and began to count this energy at some time before it was first read.
            return Err("a counter that is updated every few seconds; power needs two updates".to_owned());
        }
        let elapsed = self.pace(elapsed, has_rested);
        // A counter beyond its own range has another one.
        let range = bounds.range.filter(|range| before <= *range);
        // The limit is a peak's; over a time in which it could wrap the mean is half of that at most.
        let within = |range: u64| bounds.most.0 / 2.0 * elapsed.as_secs_f64() < range as f64 * bounds.unit;
        if range.is_some_and(|range| !within(range)) {
            return Err("too long since the reading before: the counter may have wrapped unseen".to_owned());
        }
        let counts = match (value.checked_sub(before), range) {
            (Some(counts), _) => counts,
            (None, Some(range)) => range - before + value,
            (None, None) => return Err("the counter was reset".to_owned()),
        };
        let energy = counts as f64 * bounds.unit;
        let watts = energy / elapsed.as_secs_f64();
        if watts > bounds.most.0 {
            return Err(format!("dropped a jump of {}: more than {} can't be", Watts(watts), bounds.most));
        }
        Ok(Spent { energy: Joules(energy), watts: Watts(watts) })
    }
}

impl Counter {
    /// The time between two steps of a counter. One that is slower than its readings is seen to go on a whole reading
    /// late or none: the mean of several intervals tells more than the last.
    fn pace(&mut self, elapsed: Duration, has_rested: bool) -> Duration {
        if !has_rested {
            self.late = (0, 0.0);
            return elapsed;
        }
        let (count, seconds) = &mut self.late;
        let mean = *seconds / f64::from((*count).max(1));
        // Another pace: a stall, or the readings come at other times.
        if *count > 0 && (elapsed.as_secs_f64() / mean - 1.0).abs() > 0.5 {
            (*count, *seconds) = (0, 0.0);
        }
        if *count == MAX_LATE {
            *seconds -= *seconds / f64::from(MAX_LATE);
            *count -= 1;
        }
        (*count, *seconds) = (*count + 1, *seconds + elapsed.as_secs_f64());
        Duration::from_secs_f64(*seconds / f64::from(*count))
    }
}

impl Spent {
    /// The power as a figure.
    pub(super) fn figure(spent: &Result<Self, String>, source: &str) -> Figure<Watts> {
        match spent {
            Ok(spent) => Figure::measured(spent.watts, source),
            Err(reason) => Figure::unknown(reason.clone()),
        }
    }
}
