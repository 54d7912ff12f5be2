//! Whose share of a meter: by processor time, or by time on a graphics card.

use super::work::Work;
use crate::machine::Domain;

/// Memory on a card, as a share of what is in use there, up to which other processes don't count if the driver doesn't
/// report their work: a desktop's windows.
const GUEST: f64 = 0.1;

/// Shares of the energy of one meter. The rest up to one is unattributed.
#[derive(Debug, Clone, Default)]
pub(super) struct Weights {
    /// By row of the work, each 0 to 1.
    pub(super) rows: Vec<f64>,
    /// Of all that is not ours.
    pub(super) foreign: f64,
    /// Why nothing can be said, if that is so for every consumer.
    pub(super) unclear: Option<String>,
    /// Whether others were left out for the little memory that they hold.
    pub(super) is_rough: bool,
}

impl Weights {
    /// The shares of a meter.
    pub(super) fn of(domain: &Domain, name: &str, work: &Work) -> Self {
        match domain {
            Domain::Gpu(index) => on_card(*index, name, work),
            _ => by_processor_time(work),
        }
    }
}

fn by_processor_time(work: &Work) -> Weights {
    let nobody = Weights { rows: vec![0.0; work.rows.len()], ..Weights::default() };
    let ours: f64 = work.rows.iter().filter_map(|row| row.cpu).sum();
    // Rounding to clock ticks can make ours more than all.
    let Some(total) = work.cpu.map(|cpu| cpu.max(ours)).filter(|total| *total > 0.0) else { return nobody };
    let rows = work.rows.iter().map(|row| row.cpu.unwrap_or(0.0) / total).collect();
    let rest = (1.0 - ours / total).max(0.0);
    // Where one of ours was not read, the rest is its as well as others'.
    Weights { rows, foreign: if work.is_whole { rest } else { 0.0 }, ..nobody }
}

fn on_card(index: u32, name: &str, work: &Work) -> Weights {
    let others = work.others.get(&index).cloned().unwrap_or_default();
    // A worker that is busy without being on the card's list computes elsewhere.
    let seconds: Vec<f64> = work
        .rows
        .iter()
        .map(|row| if row.on.contains_key(&index) { row.seconds().min(work.elapsed) } else { 0.0 })
        .collect();
    let ours: f64 = seconds.iter().sum();
    let nobody = Weights { rows: vec![0.0; seconds.len()], ..Weights::default() };
    let foreign = match others.seconds {
        Some(foreign) => foreign,
        None if ours > 0.0 && others.memory > GUEST => {
            let count = others.count + work.rows.iter().filter(|row| row.on.contains_key(&index)).count();
            let unclear = format!("{name} is shared by {count} processes, whose work can't be separated");
            return Weights { unclear: Some(unclear), ..nobody };
        }
        // Whichever process it was, it was none of ours.
        None if ours == 0.0 && others.count > 0 => work.elapsed,
        None => 0.0,
    };
    let total = ours + foreign;
    if total <= 0.0 {
        return nobody;
    }
    Weights {
        rows: seconds.iter().map(|seconds| seconds / total).collect(),
        foreign: foreign / total,
        unclear: None,
        is_rough: others.seconds.is_none() && others.count > 0,
    }
}
