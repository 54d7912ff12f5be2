//! Which meters cover a session, which of them had no reading, and what may be summed without them.

use super::part::{MeteredPart, MissingMeter};
use super::share::{Share, Shared};
use super::work::Consumer;
use crate::figure::Figure;
use crate::machine::{Domain, Sample};
use crate::units::Watts;

/// Whether a domain is a part of the machine that overlaps no other.
pub(super) fn is_part(domain: &Domain) -> bool {
    matches!(domain, Domain::Package(_) | Domain::Dram(_) | Domain::Gpu(_))
}

/// The mean of a session's power, and which of its meters had no reading.
pub(super) fn finish(shared: &mut Shared, consumer: &Consumer, sample: &Sample) {
    let Some(pid) = consumer.pid else {
        shared.watts = Figure::unknown("no worker");
        return;
    };
    let is_on = |index: u32| {
        let gpu = sample.gpus.iter().find(|gpu| gpu.index == index);
        gpu.is_some_and(|gpu| gpu.processes.iter().any(|(consumer, _)| *consumer == pid))
    };
    for power in sample.power.iter().filter(|power| is_part(&power.domain)) {
        let part = MeteredPart::of(&power.domain);
        let (reason, remedy) = match &power.watts {
            _ if matches!(power.domain, Domain::Gpu(index) if !is_on(index)) => continue,
            _ if !power.adds && part != MeteredPart::Gpu => continue,
            _ if !power.adds => {
                ("one meter covers the GPU and the processor, whose work can't be separated".to_owned(), None)
            }
            Figure::Unknown { reason, remedy } => (reason.clone(), remedy.clone()),
            Figure::Known { .. } => continue,
        };
        shared.absent.push(MissingMeter { part, meter: power.name.clone(), reason, remedy });
    }
    for gpu in sample.gpus.iter().filter(|gpu| is_on(gpu.index)) {
        if !sample.power.iter().any(|power| power.domain == Domain::Gpu(gpu.index)) {
            let (reason, remedy) = why(sample, "nvml", "no meter for the GPU");
            shared.absent.push(MissingMeter {
                part: MeteredPart::Gpu,
                meter: format!("gpu-{}", gpu.index),
                reason,
                remedy,
            });
        }
    }
    shared.watts = watts(shared, sample);
}

fn watts(shared: &Shared, sample: &Sample) -> Figure<Watts> {
    let summed = match metered(&shared.shares, &shared.absent, |share| (share.part, &share.meter)) {
        Ok(summed) => summed,
        Err(MissingMeter { reason, remedy, .. }) => {
            return Figure::Unknown { reason: reason.clone(), remedy: remedy.clone() };
        }
    };
    let seconds = sample.elapsed.as_secs_f64();
    let grade = summed.iter().map(|share| share.grade).max();
    let Some(grade) = grade.filter(|_| seconds > 0.0) else {
        let (reason, remedy) = sample.why_no_power();
        return Figure::Unknown { reason, remedy };
    };
    // A counter that reports late covers more than this tick.
    let over = |share: &&Share| if share.seconds > 0.0 { share.gross / share.seconds } else { 0.0 };
    let watts = summed.iter().map(over).sum::<f64>() + shared.standby_watts;
    let sources: Vec<_> = summed.iter().map(|share| share.source.as_str()).collect();
    let words = MeteredPart::ALL.iter().filter(|part| summed.iter().any(|share| share.part == **part));
    let words: Vec<_> = words.map(|part| part.word()).collect();
    let source = format!("{} [{}]", sources.join(" + "), words.join("+"));
    Figure::Known { value: Watts(watts), grade, source }
}

/// What may be summed. A card in use without a reading makes the sum unknown, for it is the larger part; a processor
/// without a reading, or half of it, is left out if there is a card, and otherwise makes the sum unknown too.
pub(super) fn metered<'a, T>(
    all: &'a [T],
    absent: &'a [MissingMeter],
    name: impl Fn(&T) -> (MeteredPart, &String),
) -> Result<Vec<&'a T>, &'a MissingMeter> {
    let is_missing = |absent: &&MissingMeter| !all.iter().any(|one| *name(one).1 == absent.meter);
    if let Some(card) = absent.iter().filter(is_missing).find(|absent| absent.part == MeteredPart::Gpu) {
        return Err(card);
    }
    let gap = absent.iter().filter(is_missing).find(|absent| absent.part == MeteredPart::Cpu);
    let kept: Vec<_> = all.iter().filter(|one| gap.is_none() || name(one).0 == MeteredPart::Gpu).collect();
    match gap {
        Some(gap) if kept.is_empty() => Err(gap),
        _ => Ok(kept),
    }
}

/// Why there is no meter, as its source reports it.
fn why(sample: &Sample, source: &str, otherwise: &str) -> (String, Option<String>) {
    match sample.sources.iter().find(|row| row.name == source).map(|row| &row.reading) {
        Some(Figure::Unknown { reason, remedy }) => (reason.clone(), remedy.clone()),
        _ => (otherwise.to_owned(), None),
    }
}
