//! Apple chips, as reported by macmon 0.10 (`Metrics`: watts as `f32`, mean since the last call; 0 where the controller
//! does not report the whole machine).

use super::*;
use crate::telemetry::sources::apple::{Apple, Chip, Reading};
use crate::telemetry::{Source, Tick};
use domain::figure::Grade;
use domain::machine::{Domain, Sample};
use domain::units::Ratio;

/// Returns the given readings in turn.
struct Reported(Vec<Result<Reading, String>>);

impl Chip for Reported {
    fn read(&mut self) -> Result<Reading, String> {
        self.0.remove(0)
    }
}

fn reading() -> Reading {
    Reading {
        name: "Apple M4 Pro".to_owned(),
        processor: 18.5,
        graphics: 30.0,
        neural: 0.0,
        memory: 2.5,
        machine: Some(62.0),
        graphics_busy: 0.75,
        temperature: Some(61.5),
        graphics_mhz: 1578,
    }
}

/// The sample of each reading, one second apart.
fn samples(readings: Vec<Result<Reading, String>>) -> Vec<Sample> {
    let files = Tree::default();
    let count = readings.len() as u64;
    let mut source = Apple::new(Box::new(Reported(readings)));
    let read = |second| {
        let (at, interval) = (Duration::from_secs(second), Duration::from_secs(1));
        let mut sample = Sample::default();
        let tick = Tick { files: &files, at, interval, is_virtual: false, pids: &[], foreign: &[], tenants: &[] };
        source.read(&tick, &mut sample);
        sample
    };
    (0..count).map(read).collect()
}

/// Domain, watts, joules and whether it adds.
fn powers(sample: &Sample) -> Vec<(Domain, Option<f64>, Option<f64>, bool)> {
    let told = |power: &domain::machine::Power| {
        let (watts, joules) = (power.watts.value().map(|watts| watts.0), power.energy.map(|joules| joules.0));
        (power.domain.clone(), watts, joules, power.adds)
    };
    sample.power.iter().map(told).collect()
}

#[test]
fn each_part_by_itself_and_the_machine_apart() {
    let neural = Reading { neural: 4.0, ..reading() };
    let samples = samples(vec![Ok(reading()), Ok(neural)]);
    // It is unknown how much time the first reading covers.
    assert!(samples[0].power.iter().all(|power| power.energy.is_none()));
    assert_eq!(
        powers(&samples[1]),
        [
            (Domain::Package(0), Some(18.5), Some(18.5), true),
            (Domain::Gpu(0), Some(30.0), Some(30.0), true),
            (Domain::Dram(0), Some(2.5), Some(2.5), true),
            (Domain::Meter("neural engine".to_owned()), Some(4.0), Some(4.0), true),
            (Domain::Platform, Some(62.0), Some(62.0), false),
        ]
    );
    // Modelled, not metered.
    assert!(samples[1].power.iter().all(|power| power.watts.grade() == Some(Grade::Estimated)));
    let gpu = &samples[1].gpus[0];
    assert_eq!((gpu.name.as_str(), gpu.mhz, gpu.temperature.unwrap().0), ("Apple M4 Pro", Some(1578), 61.5));
    assert_eq!(gpu.usage.value(), Some(&Ratio(0.75)));
    assert_eq!(samples[0].sources[0].reading.value().unwrap(), "Apple M4 Pro: 51.0 W");
    assert_eq!(samples[1].sources[0].reading.value().unwrap(), "Apple M4 Pro: 55.0 W");
}

#[test]
fn what_can_not_be_true_is_unknown() {
    let cases = [
        ("nothing told", Reading { processor: 0.0, ..reading() }),
        ("no number", Reading { processor: f32::NAN, ..reading() }),
        ("endless", Reading { processor: f32::INFINITY, ..reading() }),
        ("backwards", Reading { processor: -3.0, ..reading() }),
        ("a power station", Reading { processor: 1e6, ..reading() }),
    ];
    for (name, case) in cases {
        let samples = samples(vec![Ok(reading()), Ok(case)]);
        let (_, watts, joules, _) = powers(&samples[1])[0].clone();
        assert_eq!((watts, joules), (None, None), "{name}");
        assert_eq!(powers(&samples[1])[1].1, Some(30.0), "{name}: the others stand");
    }
    let alone = samples(vec![Ok(Reading { machine: None, ..reading() })]);
    assert!(powers(&alone[0]).iter().all(|(domain, ..)| *domain != Domain::Platform));
}

#[test]
fn a_failure_is_told_and_passes() {
    let refused = Err("IOReport\u{1b}[2J says no".to_owned());
    let samples = samples(vec![Ok(reading()), refused, Ok(reading())]);
    assert!(samples[1].power.is_empty() && samples[1].gpus.is_empty());
    let row = &samples[1].sources[0];
    assert_eq!((row.name.as_str(), row.reading.value()), ("apple", None));
    assert!(format!("{:?}", row.reading).contains("IOReport[2J says no"));
    assert_eq!(powers(&samples[2])[0].2, Some(18.5));
}
