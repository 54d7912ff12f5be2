//! Which sessions show, in which order: the sorting and the filter of the Fleet screen.
//!
//! A filter is words; a session shows when every word fits. A word is a part of the session's name, its model's or its
//! phase, or one of the questions `state:ready`, `name:qwen`, `model:qwen`, `quant:q4`, `tok/s>20`, `ttft<200`,
//! `mem>2gb`, `power>50`, `j/tok<3`, `j/answer<800`, `ctx>4k`, `threads>2`. A question that is not finished yet fits
//! every session, and one for a figure that is not known fits none.

use std::cmp::Ordering;

use super::library_view::{Comparison, comparison};
use super::session::{Session, SessionId};
use super::state::FleetSort;
use super::units::Bytes;

/// The sessions that the filter lets through, sorted. Figures sort largest first, and unknown ones stand last either
/// way round.
pub fn rows(sessions: &[Session], filter: &str, sort: FleetSort, reverse: bool) -> Vec<SessionId> {
    let filter = filter.to_lowercase();
    let words: Vec<_> = filter.split_whitespace().map(Word::parse).collect();
    let mut rows: Vec<_> = sessions.iter().filter(|session| words.iter().all(|word| word.fits(session))).collect();
    match sort {
        FleetSort::Started if reverse => rows.reverse(),
        FleetSort::Started => {}
        FleetSort::Name => by_text(&mut rows, reverse, |session| session.name.to_lowercase()),
        FleetSort::State => by_text(&mut rows, reverse, |session| session.phase.word().to_owned()),
        _ => rows.sort_by(|one, other| match (figure(one, sort), figure(other, sort)) {
            (Some(one), Some(other)) if reverse => one.total_cmp(&other),
            (Some(one), Some(other)) => other.total_cmp(&one),
            (one, other) => other.is_some().cmp(&one.is_some()),
        }),
    }
    rows.into_iter().map(|session| session.id).collect()
}

fn by_text(rows: &mut [&Session], reverse: bool, text: impl Fn(&Session) -> String) {
    rows.sort_by(|one, other| {
        let order: Ordering = text(one).cmp(&text(other));
        if reverse { order.reverse() } else { order }
    });
}

/// What a session's column says, as a number; `None` where it is not known, or is no number.
pub fn figure(session: &Session, column: FleetSort) -> Option<f64> {
    let counters = &session.figures.counters;
    match column {
        FleetSort::Started | FleetSort::Name | FleetSort::State => None,
        FleetSort::Context => Some(f64::from(session.n_past)),
        FleetSort::Throughput => rate(session),
        FleetSort::Ttft => (counters.ttft_us > 0).then_some(counters.ttft_us as f64 / 1e3),
        FleetSort::Memory => memory(session).map(|bytes| bytes.0 as f64),
        FleetSort::Power => session.watts.value().map(|watts| watts.0),
        // An estimate without a sensor has no place in a ranking.
        FleetSort::Energy | FleetSort::PerAnswer if session.figures.bill.is_modelled() => None,
        FleetSort::Energy => session.joules_per_token().value().map(|joules| joules.0),
        FleetSort::PerAnswer => session.figures.energy.value().map(|joules| joules.0),
        FleetSort::Threads => (session.threads > 0).then_some(f64::from(session.threads)),
    }
}

/// Generated tokens per second: of the last tick while it answers, else of the last answer.
pub fn rate(session: &Session) -> Option<f64> {
    let whole = session.figures.counters.generation_rate();
    if session.is_busy() { session.throughput.last().map(f64::from).or(whole) } else { whole }
}

/// Memory that a session holds: its process and its part of the GPUs; `None` before the first sample.
pub fn memory(session: &Session) -> Option<Bytes> {
    match (session.process.map(|process| process.resident), session.gpu_memory) {
        (None, None) => None,
        (resident, gpu) => Some(resident.unwrap_or_default() + gpu.unwrap_or_default()),
    }
}

/// One word of a filter, in lower case.
enum Word<'a> {
    Part(&'a str),
    Text(fn(&Session) -> Vec<String>, &'a str),
    Number(FleetSort, Comparison, f64),
    Unfinished,
}

impl<'a> Word<'a> {
    fn parse(word: &'a str) -> Self {
        let Some((key, value)) = word.find([':', '<', '>', '=']).and_then(|place| word.split_at_checked(place)) else {
            return Self::Part(word);
        };
        let value = value.strip_prefix(':').unwrap_or(value);
        let text = |of| if value.is_empty() { Self::Unfinished } else { Self::Text(of, value) };
        let column = match key {
            "state" | "is" => return text(|session| vec![session.phase.word().to_owned()]),
            "name" => return text(|session| vec![session.name.clone()]),
            "model" => {
                return text(|session| {
                    vec![session.model.name.clone(), session.model.repository.clone().unwrap_or_default()]
                });
            }
            "quant" => return text(|session| session.model.quant().map(str::to_owned).into_iter().collect()),
            "ctx" | "context" => FleetSort::Context,
            "tok/s" | "speed" => FleetSort::Throughput,
            "ttft" => FleetSort::Ttft,
            "mem" | "memory" => FleetSort::Memory,
            "power" | "w" => FleetSort::Power,
            "j/tok" => FleetSort::Energy,
            "j/answer" => FleetSort::PerAnswer,
            "threads" | "thr" => FleetSort::Threads,
            // A name can have a colon.
            _ => return Self::Part(word),
        };
        comparison(value).map_or(Self::Unfinished, |(comparison, number)| Self::Number(column, comparison, number))
    }

    fn fits(&self, session: &Session) -> bool {
        match *self {
            Self::Part(part) => [&session.name, &session.model.name, session.phase.word()]
                .into_iter()
                .any(|text: &str| text.to_lowercase().contains(part)),
            Self::Text(of, part) => of(session).iter().any(|text| text.to_lowercase().contains(part)),
            Self::Number(column, comparison, number) => {
                figure(session, column).is_some_and(|found| comparison.holds(found, number))
            }
            Self::Unfinished => true,
        }
    }
}
