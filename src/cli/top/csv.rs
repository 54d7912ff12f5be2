//! A row of CSV (RFC 4180) for each look. What is unknown is an empty field, never a zero.

use std::io::{self, Write};

use domain::figure::UNKNOWN;
use domain::machine::Sample;

/// A column's name and its value.
type Column = (&'static str, fn(&Sample) -> Option<f64>);

/// The column behind which the grade of the power stands, as a word.
const POWER: &str = "power_watts";

const COLUMNS: &[Column] = &[
    ("unix_s", |sample| Some(sample.at.unix as f64)),
    ("cpu_busy_ratio", |sample| sample.cpu.map(|share| share.0)),
    ("memory_used_bytes", |sample| sample.memory.map(|memory| memory.in_use().0 as f64)),
    ("swap_used_bytes", |sample| sample.memory.map(|memory| memory.swap_used.0 as f64)),
    ("gpu_busy_ratio", |sample| {
        let known: Vec<f64> = sample.gpus.iter().filter_map(|gpu| gpu.usage.value().map(|share| share.0)).collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    }),
    ("gpu_memory_used_bytes", |sample| {
        let told = sample.gpus.iter().filter_map(|gpu| gpu.memory_used).map(|used| used.0 as f64);
        told.reduce(|one, other| one + other)
    }),
    ("power_watts", |sample| sample.total_power().map(|watts| watts.0)),
    ("hottest_celsius", |sample| {
        let gpus = sample.gpus.iter().filter_map(|gpu| gpu.temperature);
        let all = sample.temperatures.iter().map(|sensor| sensor.celsius).chain(gpus);
        all.map(|celsius| f64::from(celsius.0)).reduce(f64::max)
    }),
    ("taffrail_cpu_cores", |sample| sample.own.map(|own| own.cores)),
    ("taffrail_resident_bytes", |sample| sample.own.map(|own| own.resident.0 as f64)),
];

/// The names of the columns.
pub(super) fn head(out: &mut impl Write) -> io::Result<()> {
    let names = COLUMNS.iter().flat_map(|(name, _)| [Some(*name), (*name == POWER).then_some("power_grade")]);
    record(names.flatten().map(str::to_owned), out)
}

/// One look.
pub(super) fn write(sample: &Sample, out: &mut impl Write) -> io::Result<()> {
    let value = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let grade = || sample.total().map_or(UNKNOWN, |(_, grade)| grade.word()).to_owned();
    let fields = COLUMNS.iter().flat_map(|(name, read)| [Some(value(read(sample))), (*name == POWER).then(grade)]);
    record(fields.flatten(), out)
}

/// One row, written at once: a reader waits for it.
fn record(fields: impl Iterator<Item = String>, out: &mut impl Write) -> io::Result<()> {
    let mut table = csv::Writer::from_writer(out);
    table.write_record(fields)?;
    table.flush()
}
