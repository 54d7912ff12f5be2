//! The machine's readings, for the records of runs.
//!
//! Owned here: the newest ticks, bounded, and a record's part of them. Absent: the graphs, which have separate rings.

use std::collections::VecDeque;
use std::time::Duration;

use crate::machine::Sample;
use crate::record::Reading;

/// Ticks that are kept: an hour at one a second, in half a megabyte. What ran longer has the last of them.
const MAX_TICKS: usize = 3600;
/// Readings of one record; more are averaged in groups, which a plot would do anyway.
pub const MAX_READINGS: usize = 300;

/// The newest ticks with their times since the program's start.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct Readings {
    #[serde(with = "crate::portable::document")]
    ticks: VecDeque<(Duration, Reading)>,
}

impl Readings {
    /// Take a tick.
    pub(crate) fn push(&mut self, at: Duration, sample: &Sample) {
        if self.ticks.len() == MAX_TICKS {
            self.ticks.pop_front();
        }
        let gpus = sample.gpus.iter().filter_map(|gpu| gpu.temperature);
        let celsius = sample.temperatures.iter().map(|sensor| sensor.celsius).chain(gpus).map(|celsius| celsius.0);
        let reading = Reading {
            after: 0,
            watts: sample.total_power().map(|watts| watts.0),
            watts_grade: sample.total().map(|(_, grade)| grade),
            memory: sample.memory.map(|memory| memory.used.0),
            celsius: celsius.reduce(f32::max).map(f64::from),
            mhz: sample.cores.iter().filter_map(|core| core.mhz).max().map(|mhz| mhz as f64),
            busy: sample.cpu.map(|cpu| cpu.0 * 100.0),
        };
        self.ticks.push_back((at, reading));
    }

    /// The ticks since an instant, at most [`MAX_READINGS`].
    pub fn since(&self, begin: Duration) -> Vec<Reading> {
        let first = self.ticks.partition_point(|(at, _)| *at < begin);
        let ticks: Vec<Reading> = self
            .ticks
            .range(first..)
            .map(|(at, reading)| Reading { after: at.saturating_sub(begin).as_millis() as u64, ..*reading })
            .collect();
        let size = ticks.len().div_ceil(MAX_READINGS).max(1);
        ticks.chunks(size).map(mean).collect()
    }
}

/// The mean of a group, of each quantity over what was read of it.
fn mean(group: &[Reading]) -> Reading {
    let of = |value: &dyn Fn(&Reading) -> Option<f64>| {
        let values: Vec<f64> = group.iter().filter_map(value).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    Reading {
        after: group.last().map_or(0, |reading| reading.after),
        watts: of(&|reading| reading.watts),
        watts_grade: group.iter().filter_map(|reading| reading.watts_grade).max(),
        memory: of(&|reading| reading.memory.map(|bytes| bytes as f64)).map(|bytes| bytes as u64),
        celsius: of(&|reading| reading.celsius),
        mhz: of(&|reading| reading.mhz),
        busy: of(&|reading| reading.busy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_its_own_ticks_and_not_too_many() {
        let mut readings = Readings::default();
        assert_eq!(readings.since(Duration::ZERO), []);
        for second in 0..MAX_TICKS as u64 + 10 {
            let reading = Reading { watts: Some(second as f64), ..Reading::default() };
            if readings.ticks.len() == MAX_TICKS {
                readings.ticks.pop_front();
            }
            readings.ticks.push_back((Duration::from_secs(second), reading));
        }
        let last = readings.since(Duration::from_secs(MAX_TICKS as u64 + 8));
        let told: Vec<_> = last.iter().map(|reading| (reading.after, reading.watts)).collect();
        assert_eq!(told, [(0, Some(3608.0)), (1000, Some(3609.0))]);
        let all = readings.since(Duration::ZERO);
        assert!(all.len() <= MAX_READINGS && all.len() > MAX_READINGS / 2, "{}", all.len());
        // Groups of 12 from second 10 on: the mean of the first.
        assert_eq!((all[0].after, all[0].watts, all[0].celsius), (21_000, Some(15.5), None));
    }
}
