//! Which sessions show, in which order.

use std::cmp::Ordering;

use super::session::{Session, SessionId};
use super::state::FleetSort;

/// The sessions that the filter lets through, sorted. Every word of the filter must be found in the session's name,
/// its model's or its phase.
pub fn rows(sessions: &[Session], filter: &str, sort: FleetSort, reverse: bool) -> Vec<SessionId> {
    let words: Vec<String> = filter.split_whitespace().map(str::to_lowercase).collect();
    let mut rows: Vec<&Session> = sessions
        .iter()
        .filter(|session| {
            let text = format!("{} {} {}", session.name, session.model.name, session.phase.word()).to_lowercase();
            words.iter().all(|word| text.contains(word))
        })
        .collect();
    rows.sort_by(|one, other| {
        let order = compare(one, other, sort);
        if reverse { order.reverse() } else { order }
    });
    rows.into_iter().map(|session| session.id).collect()
}

/// Figures sort largest first, and unknown ones last.
fn compare(one: &Session, other: &Session, sort: FleetSort) -> Ordering {
    let largest = |one: Option<f64>, other: Option<f64>| other.unwrap_or(f64::MIN).total_cmp(&one.unwrap_or(f64::MIN));
    match sort {
        FleetSort::Started => Ordering::Equal,
        FleetSort::Name => one.name.to_lowercase().cmp(&other.name.to_lowercase()),
        FleetSort::Throughput => {
            largest(one.figures.counters.generation_rate(), other.figures.counters.generation_rate())
        }
        FleetSort::Memory => {
            let resident = |session: &Session| session.process.map(|process| process.resident.0 as f64);
            largest(resident(one), resident(other))
        }
        FleetSort::Energy => {
            // An estimate without a sensor has no place in a ranking.
            let is_metered = |session: &&Session| !session.figures.bill.is_modelled();
            let energy =
                |session: &Session| Some(session).filter(is_metered)?.joules_per_token().value().map(|joules| joules.0);
            largest(energy(one), energy(other))
        }
    }
}
