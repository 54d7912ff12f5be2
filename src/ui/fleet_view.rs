//! Which sessions and which processes of other programs show, in which order: the sorting and the filter of the Fleet
//! screen.
//!
//! A filter is words; a row shows when every word fits. A word is a part of the session's name, its model's or its
//! phase, of the program's name or its model's, or one of the questions `state:ready`, `name:qwen`, `model:qwen`,
//! `quant:q4`, `tok/s>20`, `ttft<200`, `mem>2gb`, `gpu>1gb`, `cpu>50`, `power>50`, `j/tok<3`, `j/answer<800`, `ctx>4k`,
//! `threads>2`. Other programs' processes are `state:foreign`. A question that is not finished yet fits every row, and
//! one for a figure that is not known fits none.

use std::cmp::Ordering;

use crate::ui::FleetSort;
use domain::energy::Attribution;
use domain::machine::other_processes::OtherProcess;
use domain::model::library_view::{Comparison, comparison};
use domain::session::{Session, SessionId};

/// The sessions that the filter lets through, sorted. Figures sort largest first, and unknown ones stand last either
/// way round.
pub fn rows(sessions: &[Session], filter: &str, sort: FleetSort, reverse: bool) -> Vec<SessionId> {
    let rows = listed(sessions.iter().map(Row::Session).collect(), filter, sort, reverse);
    let id = |row| if let Row::Session(session) = row { Some(session.id) } else { None };
    rows.into_iter().filter_map(id).collect()
}

/// The same of other programs' processes, by [`OtherProcess::id`].
pub fn foreign_rows(
    foreign: &[OtherProcess],
    attribution: &Attribution,
    filter: &str,
    sort: FleetSort,
    reverse: bool,
) -> Vec<(u32, u64)> {
    let mut rows: Vec<&OtherProcess> = foreign.iter().collect();
    rows.sort_by_key(|foreign| foreign.started);
    let rows = rows.into_iter().map(|foreign| Row::Foreign(foreign, attribution)).collect();
    let id = |row| if let Row::Foreign(foreign, _) = row { Some(foreign.id()) } else { None };
    listed(rows, filter, sort, reverse).into_iter().filter_map(id).collect()
}

/// A row of the fleet.
#[derive(Clone, Copy)]
enum Row<'a> {
    Session(&'a Session),
    Foreign(&'a OtherProcess, &'a Attribution),
}

/// Filter and sort rows that stand in the order in which they were started.
fn listed<'a>(mut rows: Vec<Row<'a>>, filter: &str, sort: FleetSort, reverse: bool) -> Vec<Row<'a>> {
    let filter = filter.to_lowercase();
    let words: Vec<_> = filter.split_whitespace().map(Word::parse).collect();
    rows.retain(|row| words.iter().all(|word| word.fits(*row)));
    match sort {
        FleetSort::Started if reverse => rows.reverse(),
        FleetSort::Started => {}
        FleetSort::Name => by_text(&mut rows, reverse, |row| row.name().to_lowercase()),
        FleetSort::State => by_text(&mut rows, reverse, |row| row.state().to_owned()),
        _ => rows.sort_by(|one, other| match (one.figure(sort), other.figure(sort)) {
            (Some(one), Some(other)) if reverse => one.total_cmp(&other),
            (Some(one), Some(other)) => other.total_cmp(&one),
            (one, other) => other.is_some().cmp(&one.is_some()),
        }),
    }
    rows
}

fn by_text(rows: &mut [Row<'_>], reverse: bool, text: impl Fn(&Row<'_>) -> String) {
    rows.sort_by(|one, other| {
        let order: Ordering = text(one).cmp(&text(other));
        if reverse { order.reverse() } else { order }
    });
}

impl<'a> Row<'a> {
    fn name(self) -> &'a str {
        match self {
            Self::Session(session) => &session.name,
            Self::Foreign(foreign, _) => &foreign.engine,
        }
    }

    fn state(self) -> &'static str {
        match self {
            Self::Session(session) => session.word(),
            Self::Foreign(..) => "foreign",
        }
    }

    /// What its model is called, and where it comes from.
    fn model(self) -> [&'a str; 2] {
        match self {
            Self::Session(session) => [&session.model.name, session.model.repository.as_deref().unwrap_or_default()],
            Self::Foreign(foreign, _) => {
                [foreign.model_name().unwrap_or_default(), foreign.model.as_deref().unwrap_or_default()]
            }
        }
    }

    /// How its model is quantised; a file of another program says so in its name at best.
    fn quant(self) -> &'a str {
        match self {
            Self::Session(session) => session.model.quant().unwrap_or_default(),
            Self::Foreign(..) => self.model()[0],
        }
    }

    /// What a column says, as a number; `None` where it is not known, or is no number.
    fn figure(self, column: FleetSort) -> Option<f64> {
        match self {
            Self::Session(session) => figure(session, column),
            Self::Foreign(foreign, attribution) => foreign_figure(foreign, attribution, column),
        }
    }
}

/// What a session's column says, as a number; `None` where it is not known, or is no number.
pub fn figure(session: &Session, column: FleetSort) -> Option<f64> {
    let counters = &session.figures().counters;
    match column {
        FleetSort::Started | FleetSort::Name | FleetSort::State => None,
        FleetSort::Context => Some(f64::from(session.n_past)),
        FleetSort::Throughput => session.rate(),
        FleetSort::Ttft => counters.ttft_us.map(|micros| micros as f64 / 1e3),
        FleetSort::Memory => session.memory_held().map(|bytes| bytes.0 as f64),
        FleetSort::Power => session.watts.value().map(|watts| watts.0),
        // An estimate without a sensor has no place in a ranking.
        FleetSort::Energy | FleetSort::PerAnswer if session.figures().energy_account.is_modelled() => None,
        FleetSort::Energy => session.joules_per_token().value().map(|joules| joules.0),
        FleetSort::PerAnswer => session.figures().energy.value().map(|joules| joules.0),
        FleetSort::Threads => (session.threads > 0).then_some(f64::from(session.threads)),
        FleetSort::Processor => session.process.map(|process| process.cores * 100.0),
        FleetSort::GpuMemory => session.gpu_memory.map(|bytes| bytes.0 as f64),
    }
}

/// What a column says of another program's process: of its tokens and its context nothing is told.
fn foreign_figure(foreign: &OtherProcess, attribution: &Attribution, column: FleetSort) -> Option<f64> {
    match column {
        FleetSort::Memory => Some((foreign.process.resident + foreign.gpu_memory.unwrap_or_default()).0 as f64),
        FleetSort::Power => attribution.foreign_power(&foreign.process).value().map(|watts| watts.0),
        FleetSort::Processor => Some(foreign.process.cores * 100.0),
        FleetSort::GpuMemory => foreign.gpu_memory.map(|bytes| bytes.0 as f64),
        _ => None,
    }
}

/// Which text a word asks for.
#[derive(Clone, Copy)]
enum Asked {
    State,
    Name,
    Model,
    Quant,
}

/// One word of a filter, in lower case.
enum Word<'a> {
    Part(&'a str),
    Text(Asked, &'a str),
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
            "state" | "is" => return text(Asked::State),
            "name" => return text(Asked::Name),
            "model" => return text(Asked::Model),
            "quant" => return text(Asked::Quant),
            "ctx" | "context" => FleetSort::Context,
            "tok/s" | "speed" => FleetSort::Throughput,
            "ttft" => FleetSort::Ttft,
            "mem" | "memory" => FleetSort::Memory,
            "gpu" => FleetSort::GpuMemory,
            "cpu" => FleetSort::Processor,
            "power" | "w" => FleetSort::Power,
            "j/tok" => FleetSort::Energy,
            "j/answer" => FleetSort::PerAnswer,
            "threads" | "thr" => FleetSort::Threads,
            // A name can have a colon.
            _ => return Self::Part(word),
        };
        comparison(value).map_or(Self::Unfinished, |(comparison, number)| Self::Number(column, comparison, number))
    }

    fn fits(&self, row: Row<'_>) -> bool {
        let has = |texts: &[&str], part: &str| texts.iter().any(|text| text.to_lowercase().contains(part));
        match *self {
            Self::Part(part) => has(&[row.name(), row.model()[0], row.state()], part),
            Self::Text(Asked::State, part) => has(&[row.state()], part),
            Self::Text(Asked::Name, part) => has(&[row.name()], part),
            Self::Text(Asked::Model, part) => has(&row.model(), part),
            Self::Text(Asked::Quant, part) => has(&[row.quant()], part),
            Self::Number(column, comparison, number) => {
                row.figure(column).is_some_and(|found| comparison.holds(found, number))
            }
            Self::Unfinished => true,
        }
    }
}
