//! What sessions did in a tick: how long each evaluated a prompt or generated, and with what.

use std::collections::BTreeMap;
use std::time::Duration;

use wire::Counters;

use crate::machine::{Gpu, Sample};
use crate::session::SessionId;

/// The generation that loading a model counts as: it is work, and no answer's. No answer has this number.
pub const LOAD: u64 = u64::MAX;

/// Work on one answer within a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct WorkInterval {
    /// The answer, by its generation; [`LOAD`] for what is none.
    pub generation: u64,
    /// CPU time that it took, if reported by the worker; zero if only the clock is known.
    pub cpu: Duration,
    /// Time in its prompt.
    pub prompt: Duration,
    /// Time in llama.cpp's decode call for its tokens.
    pub decode: Duration,
}

impl WorkInterval {
    /// Seconds in all.
    pub fn seconds(&self) -> f64 {
        (self.prompt + self.decode).as_secs_f64()
    }
}

/// What a session did since the last tick.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Done {
    /// By answer, in order; more than one where one ended and the next began.
    pub intervals: Vec<WorkInterval>,
    /// When it was busy, from and to, by the monotonic clock.
    pub spans: Vec<(Duration, Duration)>,
}

/// Times a session's answers, several at once.
///
/// A worker reports the decode time of an answer with each text. Before the first token it reports nothing, so the
/// prompt's time is wall-clock time.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Timer {
    running: Vec<Running>,
    /// Since when it is busy.
    busy_since: Option<Duration>,
    done: Done,
}

/// An answer that runs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Running {
    generation: u64,
    /// Since when the prompt is read; `None` behind it.
    prompt_since: Option<Duration>,
    /// Decode time of the tokens that was taken into account.
    decoded_us: u64,
}

impl Timer {
    /// A model starts loading. Whatever ran before has ended.
    pub fn load(&mut self, now: Duration) {
        self.end_all(now);
        self.begin(LOAD, now);
    }

    /// A model is loaded; since the last tick that took the process so much processor time, where that is known.
    pub fn loaded(&mut self, cpu: Option<Duration>, now: Duration) {
        if self.running.iter().any(|running| running.generation == LOAD) {
            self.end(LOAD, now);
            self.interval(LOAD).cpu += cpu.unwrap_or_default();
        }
    }

    /// An answer starts.
    pub fn begin(&mut self, generation: u64, now: Duration) {
        self.running.push(Running { generation, prompt_since: Some(now), decoded_us: 0 });
        self.busy_since.get_or_insert(now);
    }

    /// The worker reported an answer's counters.
    pub fn count(&mut self, generation: u64, counters: &Counters, now: Duration) {
        self.leave_prompts(now);
        let decoded_us = counters.decode_us.saturating_sub(counters.prompt_us);
        let Some(running) = self.running.iter_mut().find(|running| running.generation == generation) else { return };
        running.prompt_since = None;
        let new = Duration::from_micros(decoded_us.saturating_sub(running.decoded_us));
        running.decoded_us = running.decoded_us.max(decoded_us);
        self.interval(generation).decode += new;
    }

    /// An answer ended, however.
    pub fn end(&mut self, generation: u64, now: Duration) {
        self.leave_prompts(now);
        self.running.retain(|running| running.generation != generation);
        if self.running.is_empty()
            && let Some(since) = self.busy_since.take()
        {
            self.done.spans.push((since, now));
        }
    }

    /// All answers ended.
    pub fn end_all(&mut self, now: Duration) {
        for running in self.running.clone() {
            self.end(running.generation, now);
        }
    }

    /// What was done until now; what goes on is split here.
    pub fn take(&mut self, now: Duration) -> Done {
        self.leave_prompts(now);
        if let Some(since) = &mut self.busy_since {
            self.done.spans.push((*since, now));
            *since = now;
        }
        std::mem::take(&mut self.done)
    }

    /// Whether something was done that no tick has taken yet.
    pub fn is_pending(&self) -> bool {
        !self.done.intervals.is_empty() || self.busy_since.is_some()
    }

    /// Prompts that are read at the same time share the time.
    fn leave_prompts(&mut self, now: Duration) {
        let reading = |running: &mut Running| {
            let since = running.prompt_since.as_mut()?;
            Some((running.generation, std::mem::replace(since, now)))
        };
        let reading: Vec<(u64, Duration)> = self.running.iter_mut().filter_map(reading).collect();
        let n = reading.len().max(1) as u32;
        for (generation, since) in reading {
            self.interval(generation).prompt += now.saturating_sub(since) / n;
        }
    }

    fn interval(&mut self, generation: u64) -> &mut WorkInterval {
        let intervals = &mut self.done.intervals;
        let place = intervals.iter().position(|interval| interval.generation == generation).unwrap_or_else(|| {
            intervals.push(WorkInterval { generation, ..WorkInterval::default() });
            intervals.len() - 1
        });
        &mut intervals[place]
    }
}

/// A session as a user of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumer {
    /// Which.
    pub session: SessionId,
    /// Its worker's process; `None` where that has ended.
    pub pid: Option<u32>,
    /// Whether it holds a model.
    pub is_loaded: bool,
    /// What it did.
    pub done: Done,
}

/// What a session used in one tick, or several.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Row {
    pub(super) session: Option<SessionId>,
    /// Seconds of processor time; `None` where its process was not read.
    pub(super) cpu: Option<f64>,
    pub(super) intervals: Vec<WorkInterval>,
    /// Bytes resident in main memory.
    pub(super) resident: f64,
    /// Bytes on each card that it uses.
    pub(super) on: BTreeMap<u32, f64>,
}

impl Row {
    pub(super) fn seconds(&self) -> f64 {
        self.intervals.iter().map(WorkInterval::seconds).sum()
    }
}

/// What else computed on a card.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct OtherProcesses {
    /// Seconds by the driver's account; `None` if not reported.
    pub(super) seconds: Option<f64>,
    /// Tenants that are not ours.
    pub(super) count: usize,
    /// Their part of the memory in use, 0 to 1.
    pub(super) memory: f64,
}

/// What was done in one tick, or several together.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Work {
    /// Seconds.
    pub(super) elapsed: f64,
    /// Seconds in which some session was busy.
    pub(super) active: f64,
    /// Seconds of processor time of all processes; `None` where it was not read.
    pub(super) cpu: Option<f64>,
    /// Whether the processor time of each of ours is known, so that the rest is foreign.
    pub(super) is_whole: bool,
    pub(super) rows: Vec<Row>,
    pub(super) others: BTreeMap<u32, OtherProcesses>,
}

impl Work {
    /// The work in a tick's sample and the consumers. `is_whole` is false if a session of ours was not read.
    pub(super) fn of(sample: &Sample, consumers: &[Consumer], is_whole: bool) -> Self {
        let elapsed = sample.elapsed.as_secs_f64();
        let cores = sample.cores.len().max(1) as f64;
        let cpu = sample.cpu.map(|cpu| cpu.0 * cores * elapsed);
        let mut work = Self {
            elapsed,
            active: busy(consumers).min(elapsed),
            cpu,
            is_whole,
            rows: Vec::with_capacity(consumers.len()),
            others: sample.gpus.iter().map(|gpu| (gpu.index, others(gpu, consumers, elapsed))).collect(),
        };
        for consumer in consumers {
            let process = consumer.pid.and_then(|pid| sample.processes.iter().find(|process| process.pid == pid));
            let share = process.and_then(|process| process.cpu_share);
            work.is_whole &= share.is_some();
            let on = |gpu: &Gpu| {
                let held = gpu.processes.iter().find(|(pid, _)| Some(*pid) == consumer.pid)?;
                Some((gpu.index, held.1.0 as f64))
            };
            work.rows.push(Row {
                session: Some(consumer.session),
                cpu: share.zip(cpu).map(|(share, cpu)| share.0 * cpu),
                intervals: consumer.done.intervals.clone(),
                resident: process.map_or(0.0, |process| process.resident.0 as f64),
                on: sample.gpus.iter().filter_map(on).collect(),
            });
        }
        work
    }

    /// These ticks as one, the newest first.
    pub(super) fn sum<'a>(ticks: impl Iterator<Item = &'a Self>) -> Self {
        let mut ticks = ticks.cloned();
        let Some(mut sum) = ticks.next() else { return Self::default() };
        for tick in ticks {
            sum.elapsed += tick.elapsed;
            sum.active += tick.active;
            sum.cpu = sum.cpu.zip(tick.cpu).map(|(sum, cpu)| sum + cpu);
            sum.is_whole &= tick.is_whole;
            for row in tick.rows {
                match sum.rows.iter_mut().find(|sum| sum.session == row.session) {
                    Some(sum) => {
                        sum.cpu = sum.cpu.zip(row.cpu).map(|(sum, cpu)| sum + cpu);
                        sum.intervals.extend(row.intervals);
                    }
                    None => sum.rows.push(row),
                }
            }
            for (index, others) in tick.others {
                let sum = sum.others.entry(index).or_default();
                sum.seconds = sum.seconds.zip(others.seconds).map(|(sum, seconds)| sum + seconds);
            }
        }
        sum
    }
}

/// Seconds in which at least one of them was busy.
fn busy(consumers: &[Consumer]) -> f64 {
    let mut spans: Vec<_> = consumers.iter().flat_map(|consumer| consumer.done.spans.iter().copied()).collect();
    spans.sort_unstable();
    let (mut sum, mut until) = (Duration::ZERO, Duration::ZERO);
    for (from, to) in spans {
        sum += to.saturating_sub(from.max(until));
        until = until.max(to);
    }
    sum.as_secs_f64()
}

/// What others than our consumers did on a card.
fn others(gpu: &Gpu, consumers: &[Consumer], elapsed: f64) -> OtherProcesses {
    let is_ours = |pid: u32| consumers.iter().any(|consumer| consumer.pid == Some(pid));
    let held = |of: bool| -> f64 {
        gpu.processes.iter().filter(|(pid, _)| is_ours(*pid) == of).map(|(_, bytes)| bytes.0 as f64).sum()
    };
    let (ours, others) = (held(true), held(false));
    let count = gpu.processes.iter().filter(|(pid, _)| !is_ours(*pid)).count();
    let shares =
        |of: bool| -> f64 { gpu.shares.iter().filter(|(pid, _)| is_ours(*pid) == of).map(|(_, share)| share.0).sum() };
    // Idle processes are absent from the list, so an empty one while ours is busy means that the driver doesn't report
    // them. If it reports only ours, the others did the rest of the card's work.
    let told = if gpu.shares.is_empty() {
        None
    } else if gpu.processes.iter().any(|(pid, _)| *pid == 0) {
        gpu.usage.value().map(|usage| (usage.0 - shares(true)).max(0.0))
    } else {
        Some(shares(false))
    };
    let seconds = if count == 0 { Some(0.0) } else { told.map(|share| share.min(1.0) * elapsed) };
    OtherProcesses { seconds, count, memory: if ours + others > 0.0 { others / (ours + others) } else { 0.0 } }
}
