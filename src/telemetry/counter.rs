//! Energy from a monotonic counter that may wrap or be reset.

use std::time::Duration;

use domain::figure::Figure;
use domain::units::{Joules, Watts};

/// Shorter ticks are skipped: a counter that is updated every few milliseconds is too inaccurate over them.
const SHORTEST: Duration = Duration::from_millis(50);

/// Why a counter that always reads zero yields no energy.
const AT_ZERO: &str = "stuck at 0: the counter is there, and nothing counts in it";

/// A counter's last reading.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counter {
    /// The time and value of the last reading.
    last: Option<(Duration, u64)>,
    /// Whether that reading was the first; it is unknown when the counter reached that value.
    is_first: bool,
    /// Whether the counter has not changed since.
    has_rested: bool,
    /// The number of consecutive changes that followed a pause, and the seconds over all of them: the update interval
    /// of a slow counter.
    late: (u32, f64),
}

/// This many intervals determine the pace of a slow counter; older ones are discarded.
const MAX_LATE: u32 = 16;

/// The wrap value of a counter and the plausible range of its meter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Joules per count.
    pub(super) unit: f64,
    /// The value at which it wraps to zero, if known.
    pub(super) range: Option<u64>,
    /// The power above which a reading is implausible.
    pub(super) most: Watts,
}

/// The energy since the previous reading, and the elapsed time.
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

    /// Whether the value is unchanged after a time in which any working counter advances.
    pub(super) fn rests(self, at: Duration, value: u64) -> bool {
        self.last.is_some_and(|(before, count)| count == value && at.saturating_sub(before) >= SHORTEST)
    }

    /// Whether this value is its first step, in the first tick: it is unknown when that energy started to accumulate.
    pub(super) fn steps_first(self, at: Duration, value: u64) -> bool {
        let is_step = |(before, count): (Duration, u64)| count != value && at.saturating_sub(before) >= SHORTEST;
        self.is_first && !self.has_rested && self.last.is_some_and(is_step)
    }

    /// Mark the counter as updated only every few seconds, so that its first step began before the first reading.
    pub(super) fn is_slow(&mut self) {
        self.has_rested = true;
    }

    /// Whether the last reading is too recent for a new one to be useful.
    pub(super) fn is_fresh(self, at: Duration) -> bool {
        self.last.is_some_and(|(before, _)| at.checked_sub(before).is_some_and(|elapsed| elapsed < SHORTEST))
    }

    /// Process a reading. The error explains why there is no energy. An unchanged counter does not prove that the
    /// machine used no energy, so it yields none; the previous reading is retained, as it is after too short an
    /// interval, and the energy is counted once the counter advances.
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
            // It is updated late and started to accumulate this energy at an unknown time before it was first read.
            return Err("a counter that is updated every few seconds; power needs two updates".to_owned());
        }
        let elapsed = self.pace(elapsed, has_rested);
        // A counter that exceeds its range has a different range.
        let range = bounds.range.filter(|range| before <= *range);
        // The limit applies to peak power. Over a time in which the counter could wrap, the mean is at most half of
        // that.
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
    /// The time between two steps of a counter. A counter that is slower than the readings appears to step a whole
    /// reading late, or not at all, so the mean of several intervals is more accurate than the last one.
    fn pace(&mut self, elapsed: Duration, has_rested: bool) -> Duration {
        if !has_rested {
            self.late = (0, 0.0);
            return elapsed;
        }
        let (count, seconds) = &mut self.late;
        let mean = *seconds / f64::from((*count).max(1));
        // The pace changed: the counter stalled, or the readings have a different interval.
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
