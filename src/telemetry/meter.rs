//! Power of a card that may have two meters: an energy counter, and a power meter as the fallback.

use std::time::Duration;

use super::counter::{Bounds, Counter};
use domain::figure::Figure;
use domain::machine::{Domain, Power};
use domain::units::{Joules, Watts};

/// No card draws more.
pub(super) const MOST: Watts = Watts(2000.0);
/// The factor by which a card may exceed its limit, since the limit applies only on average.
const TOLERANCE: f64 = 1.5;

/// The last readings of one card's meters.
#[derive(Default)]
pub(super) struct Meter {
    counter: Counter,
    power: Option<(Duration, Watts)>,
}

/// The power readings of a card.
pub(super) struct Reported {
    /// The driver that reports them, such as `nvml`.
    pub(super) driver: &'static str,
    pub(super) domain: Domain,
    pub(super) name: String,
    /// Whether its power is included in no other figure.
    pub(super) adds: bool,
    /// The counter value and its unit in joules.
    pub(super) energy: Option<(u64, f64)>,
    pub(super) power: Option<Watts>,
    /// The power limit that the driver enforces.
    pub(super) limit: Option<Watts>,
}

impl Meter {
    /// The power according to the energy counter, or else the power meter.
    pub(super) fn power(&mut self, at: Duration, told: Reported) -> Power {
        let Reported { driver, domain, name, adds, energy, power, limit } = told;
        let most = Watts(limit.filter(|limit| limit.0 > 0.0).map_or(MOST.0, |limit| limit.0 * TOLERANCE));
        let shown = energy.map(|(counts, unit)| Joules(counts as f64 * unit));
        let started = self.counter.has_started();
        // Two readings in quick succession, as by a command, are no reason to restart the counter.
        let is_fresh = energy.is_some() && self.counter.is_fresh(at);
        let counted = energy.map(|(counts, unit)| self.counter.advance(at, counts, Bounds { unit, range: None, most }));
        let (metered, between) = self.metered(at, power, most);
        let (watts, energy) = match (counted, metered) {
            (Some(Ok(spent)), _) => {
                (Figure::measured(spent.watts, format!("{driver} energy {name}")), Some(spent.energy))
            }
            (_, Ok(watts)) => {
                // A lagging counter would count the energy of the power meter again, so it is restarted.
                if started && !is_fresh {
                    self.counter = Counter::default();
                }
                // This energy will be included in the counter's next reading.
                let between = between.filter(|_| !is_fresh);
                (Figure::measured(watts, format!("{driver} power {name}")), between)
            }
            // A card that has only a counter reports the counter's problem.
            (Some(Err(reason)), Err(_)) if power.is_none() => (Figure::unknown(reason), None),
            (_, Err(reason)) => (Figure::unknown(reason), None),
        };
        Power { domain, name, watts, energy, counted: shown, adds }
    }

    /// The reading of the power meter, and the energy since its last reading.
    fn metered(&mut self, at: Duration, power: Option<Watts>, most: Watts) -> (Result<Watts, String>, Option<Joules>) {
        let before = self.power.take();
        let watts = match power {
            None => return (Err("the card reports no power".to_owned()), None),
            Some(watts) if watts.0 <= 0.0 => return (Err("the card reports no power".to_owned()), None),
            Some(watts) if watts.0 > most.0 => {
                return (Err(format!("dropped a reading of {watts}: more than {most} can't be")), None);
            }
            Some(watts) => watts,
        };
        self.power = Some((at, watts));
        (Ok(watts), before.and_then(|before| between(before, (at, watts))))
    }
}

/// The energy between two readings of a power meter; `None` if no time has passed.
pub(super) fn between(before: (Duration, Watts), now: (Duration, Watts)) -> Option<Joules> {
    let elapsed = now.0.checked_sub(before.0).filter(|elapsed| !elapsed.is_zero())?;
    Some(Joules(f64::midpoint(before.1.0, now.1.0) * elapsed.as_secs_f64()))
}
