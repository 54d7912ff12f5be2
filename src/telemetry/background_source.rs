//! A source on its own thread. If it blocks, it delays no other source, and its row shows how late it is.
//!
//! A driver that resets a card, a bus that does not respond or a disconnected network disk may block a reading for
//! seconds. Such a source is started at the beginning of a tick, together with the others, and awaited for as long as
//! the tick allows. A late result is used by the next tick. Until then the last figures are reused with their age,
//! power is unknown, and no energy is counted twice.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use super::{Files, Source, Tick};
use domain::figure::Figure;
use domain::machine::{self, Sample};

/// A source and its thread. The thread ends when this is dropped; a thread that hangs at that point is abandoned, which
/// is safe because it only reads.
pub(super) struct BackgroundSource {
    /// The name of its row if the source has no output of its own.
    name: &'static str,
    covers: &'static str,
    orders: Sender<Order>,
    answers: Receiver<Answer>,
    /// Whether an order is under way.
    asked: bool,
    /// When the pending reading was requested first.
    since: Option<Duration>,
    /// Whether the pending request is from an earlier tick, so that it is not awaited.
    late: bool,
    /// The last answer, without the energy that was already reported.
    last: Option<Answer>,
}

/// The part of a tick that is sent to the thread.
struct Order {
    at: Duration,
    interval: Duration,
    is_virtual: bool,
    pids: Vec<u32>,
    tenants: Vec<u32>,
}

/// The result of a reading, and its time.
struct Answer {
    at: Duration,
    part: Sample,
}

impl BackgroundSource {
    /// Start the thread. If that fails, the source has no readings, and its row reports it.
    pub(super) fn new(
        name: &'static str,
        covers: &'static str,
        mut source: Box<dyn Source>,
        files: Arc<dyn Files>,
    ) -> Self {
        let (orders, inbox) = channel::<Order>();
        let (outbox, answers) = channel();
        let work = move || {
            while let Ok(Order { at, interval, is_virtual, pids, tenants }) = inbox.recv() {
                let mut part = Sample::default();
                let (pids, tenants) = (&*pids, &*tenants);
                source.read(&Tick { files: &*files, at, interval, is_virtual, pids, foreign: &[], tenants }, &mut part);
                if outbox.send(Answer { at, part }).is_err() {
                    return;
                }
            }
        };
        // If spawning fails, the channels are closed, which is reported like the end of the thread.
        let _ = std::thread::Builder::new().name(name.to_owned()).spawn(work);
        Self { name, covers, orders, answers, asked: false, since: None, late: false, last: None }
    }

    /// Request a reading, unless one is still running.
    pub(super) fn ask(&mut self, tick: &Tick<'_>) {
        self.late = self.asked;
        self.since.get_or_insert(tick.at);
        if !self.asked {
            let Tick { at, interval, is_virtual, .. } = *tick;
            let (pids, tenants) = (tick.pids.to_vec(), tick.tenants.to_vec());
            self.asked = self.orders.send(Order { at, interval, is_virtual, pids, tenants }).is_ok();
        }
    }

    /// Add the result to the sample. Waits for it until `deadline`, unless the request was late already.
    pub(super) fn collect(&mut self, tick: &Tick<'_>, deadline: Instant, sample: &mut Sample) {
        let wait = if self.late { Duration::ZERO } else { deadline.saturating_duration_since(Instant::now()) };
        match self.answers.recv_timeout(wait) {
            Ok(answer) => {
                self.asked = false;
                hand_out(answer.part.clone(), tick.at.saturating_sub(answer.at), sample);
                self.last = Some(answer);
            }
            Err(RecvTimeoutError::Timeout) => self.reuse_last(tick, sample),
            Err(RecvTimeoutError::Disconnected) => {
                let reading = Figure::Unknown {
                    reason: "its reader has ended".to_owned(),
                    remedy: Some("restart taffrail, and report it with what was shown".to_owned()),
                };
                sample.sources.push(tick.row(self.name, self.covers, reading));
            }
        }
    }
}

impl BackgroundSource {
    /// Report a source that has not answered in time: its last figures with their age, and no power.
    fn reuse_last(&self, tick: &Tick<'_>, sample: &mut Sample) {
        let Some(Answer { at, part }) = &self.last else {
            let row = tick.row(self.name, self.covers, Figure::unknown("it has not answered yet"));
            let age = tick.at.saturating_sub(self.since.unwrap_or(tick.at));
            sample.sources.push(machine::Source { age, ..row });
            return;
        };
        let mut part = part.clone();
        for power in &mut part.power {
            power.watts = Figure::unknown(format!("{} does not answer", self.name));
            power.energy = None;
        }
        hand_out(part, tick.at.saturating_sub(*at), sample);
    }
}

/// Add a part of this age to the sample.
fn hand_out(part: Sample, age: Duration, sample: &mut Sample) {
    let Sample { disks, temperatures, gpus, rpc, power, foreign, sources, .. } = part;
    sample.foreign.extend(foreign);
    sample.disks.extend(disks);
    sample.temperatures.extend(temperatures);
    sample.gpus.extend(gpus);
    sample.rpc.extend(rpc);
    sample.power.extend(power);
    let older = |source: machine::Source| machine::Source { age: source.age + age, ..source };
    sample.sources.extend(sources.into_iter().map(older));
}
