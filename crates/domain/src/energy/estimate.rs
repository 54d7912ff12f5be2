//! Power estimated from the user's processor settings, if there is no meter.

use crate::figure::{Figure, Grade, Uncertain};
use crate::machine::{Domain, Power, Sample};
use crate::settings;
use crate::units::{Joules, Watts, digits};

/// Power may be this many times as much, or as little: at the same load a processor draws more than its TDP for some
/// seconds, and far less in code that waits for memory.
pub(super) const FACTOR: f64 = 2.0;

/// The processor's power as idle + (TDP − idle) × load, if the user has set a TDP and no meter has a reading.
pub fn estimated(sample: &Sample, settings: &settings::Energy) -> Option<Power> {
    let tdp = settings.tdp_watts?;
    if sample.power.iter().any(|power| power.watts.value().is_some()) {
        return None;
    }
    let load = sample.cpu?.0.clamp(0.0, 1.0);
    let idle = settings.idle_watts.unwrap_or(0.0).min(tdp);
    let watts = idle + (tdp - idle) * load;
    Some(Power {
        domain: Domain::Package(0),
        name: "processor".to_owned(),
        watts: Figure::Known { value: Watts(watts), grade: Grade::Estimated, source: source(tdp) },
        energy: Some(Joules(watts * sample.elapsed.as_secs_f64())),
        counted: None,
        adds: true,
    })
}

/// An estimate as a range: `~16.3–65.0 W`.
pub fn range(watts: Watts) -> String {
    let (least, most) = Uncertain { value: watts.0, relative: FACTOR - 1.0 }.range();
    format!("~{}–{} W", digits(least), digits(most))
}

fn source(tdp: f64) -> String {
    format!("est: TDP {tdp} W x load, no sensor")
}
