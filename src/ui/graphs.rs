//! What the graphs show: each quantity over one shared window of time, by its parts.
//!
//! Owned here: the quantities, their parts, the window and the instant that the cursor points at; and their text as CSV.
//! Absent: how they are drawn.

use std::fmt::Write as _;

use crate::ui::Screen;
use crate::ui::Ui;
use domain::Domain;
use domain::ring::{Bucket, Ring};
use domain::session::SessionId;

/// Ticks in which a sensor that is there has a reading.
const RECENT: usize = 120;

/// Graphs beside sessions.
const N_SHOWN: usize = 4;

/// Which quantity a graph shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Quantity {
    Throughput,
    Memory,
    Power,
    Temperature,
    Processor,
    MainMemory,
    Gpu,
    Disk,
    Network,
}

impl Quantity {
    /// The graphs that show, in the order in which they stand: four beside sessions, all that have a sensor on the Machine
    /// screen. One without a sensor gives its place to another.
    pub fn shown(domain: &Domain, ui: &Ui) -> Vec<Self> {
        let machine =
            [Self::Processor, Self::MainMemory, Self::Gpu, Self::Power, Self::Disk, Self::Network, Self::Temperature];
        // A sensor that misses a reading keeps its place.
        let is_known = |quantity: &Self| quantity.ring(domain).window(RECENT, 0).any(|point| point.is_some());
        // Before the first sample nothing is known, and the graphs say so.
        let always = |quantity: &Self| matches!(quantity, Self::Processor | Self::MainMemory);
        if ui.screen == Screen::Machine {
            return machine.into_iter().filter(|quantity| always(quantity) || is_known(quantity)).collect();
        }
        let mut wanted = match (ui.screen, domain.sessions.is_empty()) {
            (Screen::Top, true) => vec![Self::Processor, Self::MainMemory, Self::Power, Self::Temperature],
            (_, true) => vec![Self::Processor, Self::MainMemory, Self::Gpu, Self::Power, Self::Disk, Self::Network],
            (_, false) => vec![Self::Throughput, Self::Memory, Self::Power, Self::Temperature],
        };
        wanted.retain(|quantity| {
            always(quantity) || matches!(quantity, Self::Throughput | Self::Memory) || is_known(quantity)
        });
        let others = machine.into_iter().filter(is_known);
        for quantity in others {
            if wanted.len() < N_SHOWN && !wanted.contains(&quantity) {
                wanted.push(quantity);
            }
        }
        wanted.truncate(N_SHOWN);
        wanted
    }

    /// Its points.
    fn ring(self, domain: &Domain) -> &Ring {
        let machine = &domain.machine;
        match self {
            Self::Throughput => &machine.throughput,
            Self::Memory => &machine.held,
            Self::Power => &machine.power,
            Self::Temperature => &machine.temperature,
            Self::Processor => &machine.cpu,
            Self::MainMemory => &machine.memory,
            Self::Gpu => &machine.gpu,
            Self::Disk => &machine.disk,
            Self::Network => &machine.network,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::Memory => "memory",
            Self::Power => "power",
            Self::Temperature => "temperature",
            Self::Processor => "cpu",
            Self::MainMemory => "ram",
            Self::Gpu => "gpu",
            Self::Disk => "disk",
            Self::Network => "network",
        }
    }

    /// The unit that its points have.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Throughput => "tok/s",
            Self::Memory | Self::MainMemory => "GB",
            Self::Power => "W",
            Self::Temperature => "°C",
            Self::Processor | Self::Gpu => "%",
            Self::Disk | Self::Network => "MB/s",
        }
    }

    /// Whether it is the sum of parts. The hottest sensor is none, and of the processor and the main memory the whole
    /// shows alone.
    pub fn adds(self) -> bool {
        matches!(self, Self::Throughput | Self::Memory | Self::Power)
    }

    fn scale(self) -> f32 {
        match self {
            Self::Memory | Self::MainMemory => 1e9,
            Self::Disk | Self::Network => 1e6,
            _ => 1.0,
        }
    }
}

/// One part of a graph.
#[derive(Debug, Clone, PartialEq)]
pub struct GraphPart {
    /// A session's name, a sensor's label, or `rest`.
    pub name: String,
    /// Whose it is.
    pub owner: Owner,
    /// Its points, oldest first.
    pub points: Vec<Option<Bucket>>,
}

/// Whose a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// A session's.
    Session(SessionId),
    /// A sensor's, by its place.
    Sensor(usize),
    /// What belongs to none.
    Rest,
}

/// A quantity over the window.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// Ticks that a point stands for.
    pub step: usize,
    /// How many points the window holds; there may be fewer.
    pub span: usize,
    /// Its parts, lowest first.
    pub parts: Vec<GraphPart>,
    /// The whole: the sum, or the hottest.
    pub total: Vec<Option<Bucket>>,
    /// The most in the window and the same time before it: the axis ends beyond it, so that it gives way only when
    /// a peak has been gone for a while.
    pub top: f32,
}

impl Graph {
    /// The point under the cursor, counted from the newest; `None` without a cursor.
    pub fn cursor(&self, ui: &Ui) -> Option<usize> {
        Some((ui.machine.cursor?.saturating_sub(ui.machine.frozen.unwrap_or(0)) / self.step).min(self.span - 1))
    }

    /// What the whole is at the cursor, else now.
    pub fn reading(&self, ui: &Ui) -> Option<Bucket> {
        at(&self.total, self.cursor(ui).unwrap_or(0))
    }

    /// Least, mean and most over the window.
    pub fn extent(&self) -> Option<Bucket> {
        let known: Vec<&Bucket> = self.total.iter().flatten().collect();
        let first = **known.first()?;
        Some(Bucket {
            least: known.iter().fold(first.least, |least, bucket| least.min(bucket.least)),
            mean: known.iter().map(|bucket| bucket.mean).sum::<f32>() / known.len() as f32,
            most: known.iter().fold(first.most, |most, bucket| most.max(bucket.most)),
        })
    }
}

/// The point so many places before the newest.
pub fn at(points: &[Option<Bucket>], back: usize) -> Option<Bucket> {
    points.len().checked_sub(back + 1).and_then(|index| points.get(index).copied().flatten())
}

/// The graph of a quantity over the window that shows.
pub fn graph(domain: &Domain, ui: &Ui, quantity: Quantity) -> Graph {
    let machine = &domain.machine;
    let whole = quantity.ring(domain);
    let (span, back) = (ui.machine.span, ui.machine.frozen);
    let step = whole.step(span, back.unwrap_or(0));
    let scale = |bucket: Bucket| Bucket {
        least: bucket.least / quantity.scale(),
        mean: bucket.mean / quantity.scale(),
        most: bucket.most / quantity.scale(),
    };
    let read = |ring: &Ring, span| -> Vec<Option<Bucket>> {
        ring.points(step, span, back).into_iter().map(|point| point.map(scale)).collect()
    };
    let mut parts: Vec<GraphPart> = if quantity == Quantity::Temperature {
        let sensors = machine.sensors.iter().enumerate();
        sensors
            .map(|(place, (label, ring))| GraphPart {
                name: label.clone(),
                owner: Owner::Sensor(place),
                points: read(ring, span),
            })
            .collect()
    } else if quantity.adds() {
        let sessions = domain.sessions.iter().map(|session| {
            let ring = match quantity {
                Quantity::Throughput => &session.throughput,
                Quantity::Memory => &session.memory,
                _ => &session.power,
            };
            GraphPart { name: session.name.clone(), owner: Owner::Session(session.id), points: read(ring, span) }
        });
        sessions.collect()
    } else {
        Vec::new()
    };
    let total = read(whole, span);
    if quantity.adds() {
        parts.extend(rest(&total, &parts));
    }
    let wide = whole.points(whole.step(2 * span, back.unwrap_or(0)), 2 * span, back);
    let highest = |points: &[Option<Bucket>]| points.iter().flatten().fold(0.0_f32, |top, bucket| top.max(bucket.mean));
    let top = (highest(&wide) / quantity.scale()).max(highest(&total)).max(highest(&sums(&parts, quantity)));
    // Of what has a whole, the whole is the top: a tenth of it must not look like all.
    let top = match quantity {
        Quantity::Processor | Quantity::Gpu => 100.0,
        Quantity::MainMemory => {
            let all = machine.sample.as_ref().and_then(|sample| sample.memory);
            all.map_or(top, |memory| memory.total.gigabytes() as f32).max(top)
        }
        _ => top,
    };
    Graph { step, span: span.div_ceil(step), parts, total, top }
}

/// What the parts are together, point by point.
fn sums(parts: &[GraphPart], quantity: Quantity) -> Vec<Option<Bucket>> {
    let count = parts.iter().map(|part| part.points.len()).max().unwrap_or(0);
    let sum = |back: usize| {
        let known = parts.iter().filter_map(|part| at(&part.points, back)).map(|bucket| bucket.mean);
        let sum = known.reduce(|one, other| if quantity.adds() { one + other } else { one.max(other) })?;
        Some(Bucket { least: sum, mean: sum, most: sum })
    };
    (0..count).rev().map(sum).collect()
}

/// What belongs to no session, where that is anything: other programs, and sessions that have ended.
fn rest(total: &[Option<Bucket>], parts: &[GraphPart]) -> Option<GraphPart> {
    /// Below this share of the whole a difference is the rounding's.
    const ROUNDING: f32 = 1e-3;
    let mut is_any = false;
    let points = total.iter().enumerate().map(|(index, whole)| {
        let back = total.len() - 1 - index;
        let whole = (*whole)?.mean;
        let part: f32 = parts.iter().filter_map(|part| at(&part.points, back)).map(|bucket| bucket.mean).sum();
        let left = if whole - part > whole * ROUNDING { whole - part } else { 0.0 };
        is_any |= left > 0.0;
        Some(Bucket { least: left, mean: left, most: left })
    });
    let points = points.collect();
    is_any.then(|| GraphPart { name: "rest".to_owned(), owner: Owner::Rest, points })
}

/// All graphs of the window as CSV (RFC 4180): a row for each point of each series. What is unknown has no row.
pub fn csv(domain: &Domain, ui: &Ui) -> String {
    let mut text = "unix_s,seconds_ago,graph,unit,series,least,mean,most\n".to_owned();
    let tick = domain.settings.telemetry.interval.as_secs_f64();
    let newest = ui.machine.frozen.unwrap_or(0);
    let now = domain.machine.sample.as_ref().map_or(domain.now.unix, |sample| sample.at.unix);
    for quantity in Quantity::shown(domain, ui) {
        let graph = graph(domain, ui, quantity);
        let whole = ("all", &graph.total);
        let parts = graph.parts.iter().map(|part| (part.name.as_str(), &part.points));
        for (name, points) in std::iter::once(whole).chain(parts) {
            for (index, point) in points.iter().enumerate() {
                let Some(Bucket { least, mean, most }) = point else { continue };
                let ago = ((points.len() - 1 - index) * graph.step + newest) as f64 * tick;
                // Writing to a text does not fail.
                let _ = writeln!(
                    text,
                    "{},{ago},{},{},{},{least},{mean},{most}",
                    now - ago.round() as i64,
                    quantity.name(),
                    quantity.unit(),
                    quoted(name),
                );
            }
        }
    }
    text
}

/// A field of CSV: quoted where it must be, and no formula for a spreadsheet.
pub fn quoted(text: &str) -> String {
    let text = gguf::clean(text, 200);
    let text = if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text };
    if text.contains([',', '"', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
#[path = "graphs_tests.rs"]
mod tests;
