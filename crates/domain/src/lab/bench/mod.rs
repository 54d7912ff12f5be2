//! A bench: which speeds are measured, what was measured, and how it stands to earlier benches.
//!
//! Owned here: the plan with its cells, the rows with their repetitions, what taints a repetition, and the record for the
//! history. Absent: the order of events (`update::bench`), the decode loops (the worker).

pub(crate) mod case;
mod record;
mod repetition;
pub(crate) mod snapshot;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use wire::{Device, DeviceKind};

use crate::admission::MemoryEstimate;
use crate::energy::{EnergyAccount, Step};
use crate::figure::{Figure, Graded, Uncertain};
use crate::lab::job::JobSession;
use crate::lab::statistics::{self, Change, Summary};
use crate::model::Model;
use crate::moment::Moment;
use crate::record::Measured;
use crate::settings::{self, SchedulingPolicy, SessionSettings};

pub use case::{Disturbance, TestCase};
pub use record::{document, record};
pub use repetition::Repetition;
pub use watch::{LATE, Watch, is_hot};

/// The most tokens of a prompt, a generation or a depth.
pub const MAX_TOKENS: u32 = 1 << 20;
/// The most repetitions of a cell.
pub const MAX_REPETITIONS: u32 = 100;
/// The most cells of one model.
pub const MAX_CELLS: usize = 200;
/// For each repetition that is wanted, so many are tried at most before the cell is left as it is.
pub const MAX_TRIES: u32 = 3;

/// What is to be measured.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Plan {
    /// Ids of the models.
    pub models: Vec<String>,
    /// Lengths of prompts, in tokens; 0 measures none.
    pub n_prompt: Vec<u32>,
    /// Tokens to generate; 0 measures none.
    pub n_generate: Vec<u32>,
    /// Tokens that are in the context before.
    pub depths: Vec<u32>,
    /// Tokens per call of llama.cpp.
    pub batches: Vec<u32>,
    /// Sequences decoded together.
    pub parallel: Vec<u32>,
    /// Repetitions of each cell.
    pub repetitions: u32,
    /// Count tainted repetitions as well; the rows say so.
    pub keep_disturbed: bool,
    /// Everything else.
    pub settings: SessionSettings,
}

impl Default for Plan {
    /// llama-bench's own: a prompt of 512 tokens, 128 generated, five times.
    fn default() -> Self {
        Self {
            models: Vec::new(),
            n_prompt: vec![512],
            n_generate: vec![128],
            depths: vec![0],
            batches: vec![2048],
            parallel: vec![1],
            repetitions: 5,
            keep_disturbed: false,
            settings: SessionSettings::default(),
        }
    }
}

impl Plan {
    /// The cells of each model, in the order in which they are measured, or what is wrong with the plan.
    pub fn cells(&self) -> Result<Vec<TestCase>, String> {
        let mut cells = Vec::new();
        let all = self.n_prompt.iter().chain(&self.n_generate).chain(&self.depths).chain(&self.batches);
        if all.clone().any(|count| *count > MAX_TOKENS) {
            return Err(format!("a length is above {MAX_TOKENS} tokens"));
        }
        if self.repetitions == 0 || self.repetitions > MAX_REPETITIONS {
            return Err(format!("repetitions must be 1 to {MAX_REPETITIONS}"));
        }
        if self.parallel.iter().any(|parallel| !(1..=256).contains(parallel)) {
            return Err("sequences must be 1 to 256".to_owned());
        }
        // What shares a context, and then a beginning of it, stands together.
        for &batch in &self.batches {
            for &parallel in &self.parallel {
                for &depth in &self.depths {
                    let one = TestCase { n_prompt: 0, n_generate: 0, depth, parallel, batch };
                    let prompts = self.n_prompt.iter().map(|n_prompt| TestCase { n_prompt: *n_prompt, ..one });
                    let answers = self.n_generate.iter().map(|n_generate| TestCase { n_generate: *n_generate, ..one });
                    cells.extend(prompts.chain(answers).filter(|cell| cell.n_tokens() > 0));
                }
            }
        }
        let mut seen = std::collections::HashSet::new();
        cells.retain(|cell| seen.insert(*cell));
        if let Some(cell) = cells.iter().find(|cell| cell.batch < cell.parallel) {
            return Err(format!("a batch of {} is smaller than {} sequences", cell.batch, cell.parallel));
        }
        match cells.len() {
            0 => Err("there is nothing to measure".to_owned()),
            n if n > MAX_CELLS => Err(format!("{n} cells are more than {MAX_CELLS}")),
            _ => Ok(cells),
        }
    }

    /// Context of one sequence that all cells with so many sequences fit in: they share one.
    pub fn n_context(&self, cells: &[TestCase], parallel: u32) -> u32 {
        let most = cells.iter().filter(|cell| cell.parallel == parallel).map(TestCase::n_context).max().unwrap_or(0);
        most.div_ceil(256) * 256
    }
}

/// A model while it is measured.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct BenchEntry {
    /// Which.
    pub model: Arc<Model>,
    /// The session that measures it.
    pub session: JobSession,
    /// The engine as it names itself; empty before it was loaded.
    pub engine: String,
    /// The devices that its worker can use; empty before it was loaded.
    pub devices: Vec<Device>,
    /// The most memory that it takes.
    pub needed: MemoryEstimate,
    /// Where it is.
    pub phase: EntryPhase,
    /// Which entries are loaded together.
    pub group: usize,
    /// Threads that it has: on its own machine.
    pub threads: u32,
    /// Processor, GPUs and system of its machine, for the comparison.
    pub driver: String,
}

impl BenchEntry {
    /// Whether its model is loaded, or is about to be.
    pub fn is_open(&self) -> bool {
        matches!(self.phase, EntryPhase::Loading(_) | EntryPhase::Ready)
    }

    /// The backends of llama.cpp that can compute for it, as llama-bench names them: `CPU` alone, or all others.
    pub fn backends(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for device in self.devices.iter().filter(|device| device.kind != DeviceKind::Cpu) {
            let name = device.name.trim_end_matches(|character: char| character.is_ascii_digit());
            if !names.contains(&name) {
                names.push(name);
            }
        }
        if names.is_empty() { "CPU".to_owned() } else { names.join(",") }
    }

    /// The long names of its processors, or of its GPUs.
    pub fn device_names(&self, is_wanted: impl Fn(DeviceKind) -> bool) -> String {
        let devices = self.devices.iter().filter(|device| is_wanted(device.kind));
        devices.map(|device| device.description.as_str()).collect::<Vec<_>>().join(", ")
    }
}

/// Where a entry is in its life.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum EntryPhase {
    /// Its group's turn has not come.
    Waiting,
    /// The process starts and reads the weights: 0 to 1.
    Loading(f32),
    /// It can be measured.
    Ready,
    /// All is measured.
    Done,
    /// It ended against its will: why.
    Failed(String),
}

/// One cell of one model.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Row {
    /// Index of its entry.
    pub entry: usize,
    /// What is measured.
    pub cell: TestCase,
    /// What counts.
    #[serde(with = "crate::lab::bench::snapshot::repetitions")]
    pub repetitions: Vec<Repetition>,
    /// Times of all steps of what counts, microseconds.
    pub steps: Vec<u32>,
    /// Disturbed repetitions, which don't count unless the user wants them to.
    #[serde(with = "crate::lab::bench::snapshot::repetitions")]
    pub aside: Vec<Repetition>,
    /// Times of all their steps, microseconds.
    pub aside_steps: Vec<u32>,
    /// Repetitions begun.
    pub tries: u32,
    /// Repetitions that were not taken, or were kept as tainted, by reason.
    pub disturbed: Vec<Disturbance>,
    /// Earlier measurements under the same circumstances, oldest first, with their times in milliseconds since 1970.
    #[serde(with = "crate::portable::document")]
    pub earlier: Vec<(i64, Measured)>,
    /// Why it could not be measured.
    pub failed: Option<String>,
}

impl Row {
    /// Mean speed and its scatter; `None` before the first repetition.
    pub fn rate(&self) -> Option<Summary> {
        Summary::of(&self.repetitions.iter().map(|repetition| repetition.rate).collect::<Vec<_>>())
    }

    /// The same of the disturbed repetitions that don't count; `None` where there are none.
    pub fn disturbed_rate(&self) -> Option<Summary> {
        Summary::of(&self.aside.iter().map(|repetition| repetition.rate).collect::<Vec<_>>())
    }

    /// Count the disturbed repetitions as well.
    pub(crate) fn count_disturbed(&mut self) {
        self.repetitions.append(&mut self.aside);
        self.steps.append(&mut self.aside_steps);
    }

    /// Gross joules per token, the share of idle energy included, as everywhere else.
    pub fn joules(&self) -> Option<Graded> {
        Graded::of(&self.per_token(false))
    }

    /// The part of it above idle, where the baseline is known.
    pub fn dynamic_joules(&self) -> Option<Graded> {
        Graded::of(&self.per_token(true))
    }

    /// Joules per token, or why that is not known. A repetition is charged from its request to its answer, in which a
    /// depth is read and the machine wakes up, untimed: its mean power goes with the time of the tokens that count.
    pub fn per_token(&self, is_dynamic: bool) -> Figure<Uncertain> {
        let bills = self.repetitions.iter().map(|repetition| repetition.energy_account.clone());
        let (Some(energy_account), Some(rate)) = (bills.reduce(|sum, one| sum.plus(&one)), self.rate()) else {
            return Figure::unknown("nothing was measured");
        };
        let why = Figure::unknown("the repetitions were shorter than a sensor's tick");
        let joules = energy_account.step(Step::Prompt, is_dynamic, &settings::Energy::default(), &why);
        match energy_account.seconds() {
            seconds if seconds > 0.0 => joules.map(|joules| joules.times(1.0 / seconds / rate.mean)),
            _ => why.map(|()| Uncertain { value: 0.0, relative: 0.0 }),
        }
    }

    /// Time from a prompt to the logits after it, for a row that reads prompts; seconds. Of an engine elsewhere it is the
    /// time until its first token was seen, with the network's part.
    pub fn first_token(&self) -> Option<Summary> {
        let time = |one: &Repetition| one.ttft_us.map_or(one.seconds, |micros| micros as f64 / 1e6);
        let times: Vec<f64> = self.repetitions.iter().map(time).collect();
        Summary::of(&times).filter(|_| self.cell.n_prompt > 0)
    }

    /// What an engine elsewhere spent of that by its own clock, where it tells: without the network; seconds.
    pub fn engine_first_token(&self) -> Option<Summary> {
        let times: Option<Vec<f64>> =
            self.repetitions.iter().map(|one| Some(one.engine_ttft_us? as f64 / 1e6)).collect();
        Summary::of(&times?).filter(|_| self.cell.n_prompt > 0)
    }

    /// Whether the network's part is in the speed: an engine elsewhere tells no times of its own.
    pub fn has_network(&self) -> bool {
        self.cell.n_prompt > 0
            && self.repetitions.iter().any(|one| one.ttft_us.is_some() && one.engine_ttft_us.is_none())
    }

    /// Percentiles of the time between two tokens of a sequence, in milliseconds.
    pub fn latencies<const N: usize>(&self, shares: [f64; N]) -> Option<[f64; N]> {
        let mut sorted: Vec<f64> = self.steps.iter().map(|step| f64::from(*step) / 1e3).collect();
        sorted.sort_by(f64::total_cmp);
        let last = *sorted.last()?;
        Some(shares.map(|share| statistics::percentile(&sorted, share).unwrap_or(last)))
    }

    /// How it stands to earlier measurements.
    pub fn change(&self) -> Change {
        let earlier: Vec<Summary> = self
            .earlier
            .iter()
            .filter_map(|(_, measured)| {
                Some(Summary { n: measured.n as usize, mean: measured.rate?, deviation: measured.spread })
            })
            .collect();
        self.rate().map_or(Change::None, |now| statistics::compare(now, &earlier))
    }

    /// Whether nothing more is to be measured.
    pub fn is_done(&self, plan: &Plan) -> bool {
        self.failed.is_some()
            || self.repetitions.len() >= plan.repetitions as usize
            || self.tries >= plan.repetitions * MAX_TRIES
    }
}

/// The repetition that runs or waits for its verdict.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Trial {
    /// Index of its row.
    pub row: usize,
    /// Its name for the worker.
    pub id: u64,
    /// What happened on the machine meanwhile.
    pub watch: Watch,
    /// What its worker was charged so far.
    pub energy_account: EnergyAccount,
    /// The worker's times, once it has ended, and when that was.
    pub ended: Option<(wire::Measured, Moment)>,
}

/// Where a bench is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum Phase {
    /// None was started.
    #[default]
    Idle,
    /// It measures.
    Running,
    /// It has ended, and the history is asked for earlier ones.
    Comparing,
    /// It has ended.
    Done,
    /// It was cancelled.
    Cancelled,
}

/// The bench that runs, or the last one.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct Bench {
    /// What is measured.
    pub plan: Plan,
    /// Its models.
    pub entries: Vec<BenchEntry>,
    /// Its cells, for each model.
    pub rows: Vec<Row>,
    /// Where it is.
    pub phase: Phase,
    /// How its workers behave towards other programs.
    pub scheduling: SchedulingPolicy,
    /// The repetition that runs.
    pub trial: Option<Trial>,
    /// Since when it waits for the machine to cool down.
    pub cooling: Option<Moment>,
    /// How long it has waited for that before.
    pub cooled: Duration,
    /// The question to the history that it waits for.
    pub ask: Option<u64>,
    /// When it began.
    pub began: Moment,
    /// What a user should know, such as why models are measured one after the other.
    pub note: Option<String>,
}

impl Bench {
    /// Whether it goes on.
    pub fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Comparing)
    }

    /// Threads that all models have; `None` where their machines have different ones.
    pub fn threads(&self) -> Option<u32> {
        let first = self.entries.first()?.threads;
        self.entries.iter().all(|entry| entry.threads == first).then_some(first)
    }

    /// The machines that it ran on: processor, GPUs and system of each.
    pub fn machines(&self) -> String {
        let mut all: Vec<&str> = self.entries.iter().map(|entry| entry.driver.as_str()).collect();
        all.sort_unstable();
        all.dedup();
        all.join("; ")
    }

    /// The machine of the repetition that runs, or of the one that comes next; `None` is this one.
    pub fn at_work(&self) -> Option<&str> {
        let row = self.trial.as_ref().map(|trial| trial.row).or_else(|| self.next_row())?;
        self.entries.get(self.rows.get(row)?.entry)?.model.machine.as_deref()
    }

    /// How its workers run, in one clause: what figures of another program must have alike to be compared.
    pub fn circumstances(&self) -> String {
        let SchedulingPolicy { wait_policy, nice } = self.scheduling;
        let count = |threads: u32| if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") };
        let threads = self.threads().map_or_else(
            || {
                let mut by_machine: Vec<String> = self
                    .entries
                    .iter()
                    .map(|entry| format!("{} on {}", count(entry.threads), entry.model.on()))
                    .collect();
                by_machine.dedup();
                by_machine.join(", ")
            },
            count,
        );
        let as_peer = if self.scheduling == SchedulingPolicy::default() { ", as llama-bench" } else { "" };
        format!("{threads}, wait {}, nice {nice}{as_peer}", wait_policy.name())
    }

    /// Repetitions done and wanted.
    pub fn progress(&self) -> (usize, usize) {
        let wanted = self.plan.repetitions as usize;
        let done = self.rows.iter().map(|row| if row.is_done(&self.plan) { wanted } else { row.repetitions.len() });
        (done.sum(), wanted * self.rows.len())
    }

    /// The row that is measured next: of those that wait and whose model is ready, the one that was tried least, so that
    /// models and cells take turns.
    pub fn next_row(&self) -> Option<usize> {
        let open = self.rows.iter().enumerate().filter(|(_, row)| {
            !row.is_done(&self.plan)
                && self.entries.get(row.entry).is_some_and(|entry| entry.phase == EntryPhase::Ready)
        });
        open.min_by_key(|(_, row)| row.tries).map(|(index, _)| index)
    }
}

/// The longest that a hot machine is waited for between two repetitions.
pub const COOL_DOWN: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
