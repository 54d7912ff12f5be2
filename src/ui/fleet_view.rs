//! Which sessions and which processes of other programs show, in which order: the sorting and the filter of the Fleet
//! screen.
//!
//! A word of the filter is a part of the session's name, its model's or its phase, of the program's name or its model's,
//! or a question about one of [`FIELDS`]. Other programs' processes are `state:foreign`. A question for a figure that is
//! not known fits no row.

use std::cmp::Ordering;

use crate::ui::FleetSort;
use domain::energy::Attribution;
use domain::filter::{self, Field, Filter, Kind, Unit};
use domain::machine::other_processes::OtherProcess;
use domain::session::{Session, SessionId};

/// The sessions that the filter lets through, sorted. Figures sort largest first, and unknown ones stand last either
/// way round.
pub fn rows(sessions: &[Session], filter: &Filter<FleetField>, sort: FleetSort, reverse: bool) -> Vec<SessionId> {
    let rows = listed(sessions.iter().map(Row::Session).collect(), filter, sort, reverse);
    let id = |row| if let Row::Session(session) = row { Some(session.id) } else { None };
    rows.into_iter().filter_map(id).collect()
}

/// The same of other programs' processes, by [`OtherProcess::id`].
pub fn foreign_rows(
    foreign: &[OtherProcess],
    attribution: &Attribution,
    filter: &Filter<FleetField>,
    sort: FleetSort,
    reverse: bool,
) -> Vec<(u32, u64)> {
    let mut rows: Vec<&OtherProcess> = foreign.iter().collect();
    rows.sort_by_key(|foreign| foreign.started);
    let rows = rows.into_iter().map(|foreign| Row::Foreign(foreign, attribution)).collect();
    let id = |row| if let Row::Foreign(foreign, _) = row { Some(foreign.id()) } else { None };
    listed(rows, filter, sort, reverse).into_iter().filter_map(id).collect()
}

/// Read a filter, and decide about its words by what the rows are called.
pub fn parse(filter: &str, sessions: &[Session], foreign: &[OtherProcess]) -> Filter<FleetField> {
    Filter::parse(filter, FIELDS).settle(|part| {
        sessions.iter().any(|session| has(&[&session.name, &session.model.name], part))
            || foreign.iter().any(|other| has(&[&other.engine, other.model.as_deref().unwrap_or_default()], part))
    })
}

/// A row of the fleet.
#[derive(Clone, Copy)]
enum Row<'a> {
    Session(&'a Session),
    Foreign(&'a OtherProcess, &'a Attribution),
}

/// Filter and sort rows that stand in the order in which they were started.
fn listed<'a>(mut rows: Vec<Row<'a>>, filter: &Filter<FleetField>, sort: FleetSort, reverse: bool) -> Vec<Row<'a>> {
    rows.retain(|row| filter.fits(row));
    match sort {
        FleetSort::Started if reverse => rows.reverse(),
        FleetSort::Started => {}
        FleetSort::Name => by_text(&mut rows, reverse, |row| row.name().to_lowercase()),
        FleetSort::State => by_text(&mut rows, reverse, |row| row.state().to_owned()),
        _ => rows.sort_by(|one, other| match (one.column(sort), other.column(sort)) {
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
    fn column(self, column: FleetSort) -> Option<f64> {
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

/// What the filter can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "FIELDS has their names")]
pub enum FleetField {
    State,
    Name,
    Model,
    Quant,
    License,
    On,
    Size,
    Parameters,
    Figure(FleetSort),
}

/// The words after `state:`.
const STATES: &[&str] =
    &["queued", "loading", "ready", "reading", "thinking", "answering", "cancelling", "stopping", "failed", "foreign"];

/// The fields with their names.
pub const FIELDS: &[Field<FleetField>] = &[
    field(FleetField::State, &["state", "is"], Kind::Words(STATES)),
    field(FleetField::Name, &["name"], Kind::Text),
    field(FleetField::Model, &["model"], Kind::Text),
    field(FleetField::Quant, &["quant"], Kind::Text),
    field(FleetField::License, &["license", "licence"], Kind::Text),
    field(FleetField::On, &["on", "machine"], Kind::Text),
    field(FleetField::Size, &["size"], Kind::Number(Unit::Bytes)),
    field(FleetField::Parameters, &["params", "parameters"], Kind::Number(Unit::Count)),
    asked(FleetSort::Context, &["ctx", "context"], Unit::Tokens),
    asked(FleetSort::Throughput, &["tok/s", "speed"], Unit::Plain),
    asked(FleetSort::Ttft, &["ttft"], Unit::Millis),
    asked(FleetSort::Memory, &["mem", "memory"], Unit::Bytes),
    asked(FleetSort::GpuMemory, &["gpu"], Unit::Bytes),
    asked(FleetSort::Processor, &["cpu"], Unit::Plain),
    asked(FleetSort::Power, &["power", "w"], Unit::Plain),
    asked(FleetSort::Energy, &["j/tok"], Unit::Plain),
    asked(FleetSort::PerAnswer, &["j/answer"], Unit::Plain),
    asked(FleetSort::Threads, &["threads", "thr"], Unit::Plain),
];

const fn field(field: FleetField, names: &'static [&'static str], kind: Kind) -> Field<FleetField> {
    Field { field, names, kind }
}

const fn asked(column: FleetSort, names: &'static [&'static str], unit: Unit) -> Field<FleetField> {
    field(FleetField::Figure(column), names, Kind::Number(unit))
}

impl filter::Row<FleetField> for Row<'_> {
    fn has(&self, part: &str) -> bool {
        has(&[self.name(), self.model()[0], self.state()], part)
    }

    fn is(&self, field: FleetField, part: &str) -> bool {
        match field {
            FleetField::State => self.state().starts_with(part),
            FleetField::Name => has(&[self.name()], part),
            FleetField::Model => has(&self.model(), part),
            FleetField::Quant => has(&[self.quant()], part),
            FleetField::License => match self {
                Self::Session(session) => has(&[session.model.license().unwrap_or_default()], part),
                Self::Foreign(..) => false,
            },
            FleetField::On => match self {
                Self::Session(session) if !session.settings.on.is_here() => has(&[session.on(), "slurm"], part),
                Self::Session(session) => has(&[session.on()], part),
                Self::Foreign(..) => "here".contains(part),
            },
            FleetField::Size | FleetField::Parameters | FleetField::Figure(_) => false,
        }
    }

    fn figure(&self, field: FleetField) -> Option<f64> {
        match (field, self) {
            (FleetField::Figure(column), _) => self.column(column),
            (FleetField::Size, Self::Session(session)) => Some(session.model.size.0 as f64),
            (FleetField::Parameters, Self::Session(session)) => {
                session.model.summary.as_ref().map(|summary| summary.parameters as f64)
            }
            _ => None,
        }
    }
}

fn has(texts: &[&str], part: &str) -> bool {
    texts.iter().any(|text| text.to_lowercase().contains(part))
}
