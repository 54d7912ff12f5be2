//! A source on a thread of its own: one that blocks holds nobody up, and its row says how late it is.
//!
//! A driver that resets a card, a bus that does not answer or a network disk that is gone may block a reading for
//! seconds. Such a source is asked at the beginning of a tick, together with the others, and waited for as long as the
//! tick allows. What comes later is taken by the next tick; until then its last figures stand and its age grows, power
//! becomes unknown, and no energy is booked twice.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use super::{Files, Source, Tick};
use domain::figure::Figure;
use domain::machine::{self, Sample};

/// A source and its thread, which ends with this; one that hangs then is left behind, for it only reads.
pub(super) struct BackgroundSource {
    /// What its row says where it has no output itself.
    name: &'static str,
    covers: &'static str,
    orders: Sender<Order>,
    answers: Receiver<Answer>,
    /// Whether an order is under way.
    asked: bool,
    /// When it was asked for the first time.
    since: Option<Duration>,
    /// Whether that order is of an earlier tick, and so not worth waiting for.
    late: bool,
    /// The last answer, without the energy that was handed out already.
    last: Option<Answer>,
}

/// What a tick is read with, as far as it crosses threads.
struct Order {
    at: Duration,
    interval: Duration,
    is_virtual: bool,
    pids: Vec<u32>,
    tenants: Vec<u32>,
}

/// What a source read, and when.
struct Answer {
    at: Duration,
    part: Sample,
}

impl BackgroundSource {
    /// Start the thread; without one the source answers nothing, and its row says so.
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
        // A failure closes the channels, which is told as the end of the thread is.
        let _ = std::thread::Builder::new().name(name.to_owned()).spawn(work);
        Self { name, covers, orders, answers, asked: false, since: None, late: false, last: None }
    }

    /// Have it read, unless it still reads.
    pub(super) fn ask(&mut self, tick: &Tick<'_>) {
        self.late = self.asked;
        self.since.get_or_insert(tick.at);
        if !self.asked {
            let Tick { at, interval, is_virtual, .. } = *tick;
            let (pids, tenants) = (tick.pids.to_vec(), tick.tenants.to_vec());
            self.asked = self.orders.send(Order { at, interval, is_virtual, pids, tenants }).is_ok();
        }
    }

    /// Put what it read into the sample; wait for it until `deadline`, unless it was late already.
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
    /// What is told of a source that has not answered in time: its last figures with their age, and no power.
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

/// Add a part that is so old to the sample.
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
