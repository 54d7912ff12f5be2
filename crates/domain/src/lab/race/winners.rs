//! Who won what in a race: the one place that decides it, and that says when all are alike.

pub use super::award::{Verdict, Winners, verdict};
use super::{Race, energy};
use crate::figure::{Figure, Grade, Graded};
use crate::request::Figures;

/// Decide who won what among the columns that came to an end, each by its place and its figures. Energy is compared only
/// where it is known of all.
pub fn decide(ended: &[(usize, &Figures)]) -> Winners {
    let least = |value: &dyn Fn(&Figures) -> Option<f64>| -> Vec<usize> {
        let all: Vec<(usize, f64)> =
            ended.iter().filter_map(|(place, figures)| Some((*place, value(figures)?))).collect();
        let best = all.iter().map(|(_, value)| *value).fold(f64::INFINITY, f64::min);
        all.into_iter().filter(|(_, value)| *value <= best).map(|(place, _)| place).collect()
    };
    let energies: Vec<(usize, Option<Graded>)> =
        ended.iter().map(|(place, figures)| (*place, energy(figures))).collect();
    let is_metered = energies.iter().all(|(_, energy)| energy.is_some_and(|energy| energy.relative.is_some()));
    let is_modelled = ended.iter().any(|(_, figures)| is_estimate(figures));
    // Those that nobody beats beyond what both may be off: several are a tie.
    let is_beaten = |energy: Option<Graded>| {
        energies.iter().any(|(_, other)| other.zip(energy).is_some_and(|(other, own)| other.is_less(own)))
    };
    let most_frugal: Vec<usize> = if is_metered && !is_modelled {
        energies.iter().filter(|(_, energy)| !is_beaten(*energy)).map(|(place, _)| *place).collect()
    } else {
        Vec::new()
    };
    Winners {
        first: least(&|figures| figures.counters.ttft_us.map(|micros| micros as f64)),
        fastest: least(&|figures| figures.counters.generation_rate().map(|rate| -rate)),
        energy_unknown: most_frugal.is_empty().then(|| unmetered(ended)).flatten(),
        most_frugal,
        // Who says nothing has not answered shortly.
        shortest: least(&|figures| {
            (figures.counters.n_generated > 0).then_some(f64::from(figures.counters.n_generated))
        }),
        n_finished: ended.len(),
    }
}

/// Whether no sensor stands behind its energy.
fn is_estimate(figures: &Figures) -> bool {
    figures.energy_account.is_modelled() || figures.energy.grade() == Some(Grade::Estimated)
}

/// Why it can't be said who took least energy.
fn unmetered(ended: &[(usize, &Figures)]) -> Option<String> {
    ended.iter().find_map(|(_, figures)| match &figures.energy {
        Figure::Unknown { reason, .. } => Some(reason.clone()),
        Figure::Known { .. } if is_estimate(figures) => Some("an estimate without a sensor is not ranked".to_owned()),
        Figure::Known { .. } => None,
    })
}

impl Race {
    /// Who won what among the columns that came to an end.
    pub fn winners(&self) -> Winners {
        let columns = self.columns.iter().enumerate().filter(|(_, column)| column.has_finished());
        let ended: Vec<(usize, &Figures)> =
            columns.filter_map(|(place, column)| Some((place, column.ended()?))).collect();
        Winners {
            // One without figures has finished as well, and is not alike.
            n_finished: self.columns.iter().filter(|column| column.has_finished()).count(),
            ..decide(&ended)
        }
    }
}
