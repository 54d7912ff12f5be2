//! Power of a card that may have two meters: a counter of energy, and a meter of power that stands in for it.

use std::time::Duration;

use super::counter::{Bounds, Counter};
use domain::figure::Figure;
use domain::machine::{Domain, Power};
use domain::units::{Joules, Watts};

/// No card draws more.
pub(super) const MOST: Watts = Watts(2000.0);
/// What a card may exceed its limit by, for the limit holds on average only.
const TOLERANCE: f64 = 1.5;

/// The last readings of one card's meters.
#[derive(Default)]
pub(super) struct Meter {
    counter: Counter,
    power: Option<(Duration, Watts)>,
}

/// What a card tells of its power in one reading.
pub(super) struct Reported {
    /// Who tells it, such as `nvml`.
    pub(super) driver: &'static str,
    pub(super) domain: Domain,
    pub(super) name: String,
    /// Whether its power is in no other figure.
    pub(super) adds: bool,
    /// The counter, in units of so many joules.
    pub(super) energy: Option<(u64, f64)>,
    pub(super) power: Option<Watts>,
    /// What the driver holds the card to.
    pub(super) limit: Option<Watts>,
}

impl Meter {
    /// The power by the energy counter, else by the power meter.
    pub(super) fn power(&mut self, at: Duration, told: Reported) -> Power {
        let Reported { driver, domain, name, adds, energy, power, limit } = told;
        let most = Watts(limit.filter(|limit| limit.0 > 0.0).map_or(MOST.0, |limit| limit.0 * TOLERANCE));
        let shown = energy.map(|(counts, unit)| Joules(counts as f64 * unit));
        let started = self.counter.has_started();
        // Two looks in a row, as a command takes them, are no reason to begin anew.
        let is_fresh = energy.is_some() && self.counter.is_fresh(at);
        let counted = energy.map(|(counts, unit)| self.counter.advance(at, counts, Bounds { unit, range: None, most }));
        let (metered, between) = self.metered(at, power, most);
        let (watts, energy) = match (counted, metered) {
            (Some(Ok(spent)), _) => {
                (Figure::measured(spent.watts, format!("{driver} energy {name}")), Some(spent.energy))
            }
            (_, Ok(watts)) => {
                // A counter that lags would tell once more what the power meter tells now: it begins anew.
                if started && !is_fresh {
                    self.counter = Counter::default();
                }
                // Its energy until now will be in the counter's next reading.
                let between = between.filter(|_| !is_fresh);
                (Figure::measured(watts, format!("{driver} power {name}")), between)
            }
            // A card with a counter alone says what is wrong with that.
            (Some(Err(reason)), Err(_)) if power.is_none() => (Figure::unknown(reason), None),
            (_, Err(reason)) => (Figure::unknown(reason), None),
        };
        Power { domain, name, watts, energy, counted: shown, adds }
    }

    /// The power meter, and the energy since its last reading.
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

/// Energy between two readings of a power meter; `None` where no time has passed.
pub(super) fn between(before: (Duration, Watts), now: (Duration, Watts)) -> Option<Joules> {
    let elapsed = now.0.checked_sub(before.0).filter(|elapsed| !elapsed.is_zero())?;
    Some(Joules(f64::midpoint(before.1.0, now.1.0) * elapsed.as_secs_f64()))
}
