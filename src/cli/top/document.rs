//! The document of `top --json`.

use serde_json::{Value, json};

use super::figure::figure;
use super::workload;
use domain::Domain;
use domain::energy::range;
use domain::figure::{Grade, UNKNOWN};
use domain::machine::{Memory, Sample, Source};
use domain::units::Bytes;

/// Everything in one document, each figure with its unit in its name. What is unknown is null, with the reason.
pub(super) fn document(domain: &Domain, sample: &Sample) -> Value {
    let (memory, limits, pressure, own) = (sample.memory, &sample.limits, &sample.pressure, sample.own);
    let of_memory = |part: fn(&Memory) -> Bytes| memory.as_ref().map(part);
    let whole = sample.allowed.memory.as_ref();
    json!({
        "schema": "taffrail/top/1",
        "unix": sample.at.unix,
        "elapsed_s": sample.elapsed.as_secs_f64(),
        "host": sample.host,
        "cpu": {
            "busy": sample.cpu,
            "cores": sample.cores,
            "threads": sample.threads(),
            "threads_limited_by": known_text(&sample.allowed.threads_by),
            "throttled_by_heat": limits.n_throttled,
            "allowed_mhz": limits.allowed_mhz,
            "highest_mhz": limits.highest_mhz,
        },
        "memory": {
            "total_bytes": of_memory(|memory| memory.total),
            "available_bytes": of_memory(|memory| memory.available),
            "used_bytes": of_memory(|memory| memory.used),
            "swap_total_bytes": of_memory(|memory| memory.swap_total),
            "swap_used_bytes": of_memory(|memory| memory.swap_used),
            "limited_by": whole.map(|limit| &limit.by),
            "machine_total_bytes": whole.map(|limit| limit.total).or(of_memory(|memory| memory.total)),
            "machine_available_bytes": whole.map(|limit| limit.available).or(of_memory(|memory| memory.available)),
        },
        "pressure": pressure,
        "gpus": sample.gpus.iter().map(|gpu| json!({
            "index": gpu.index,
            "name": gpu.name,
            "busy": figure(&gpu.usage),
            "memory_total_bytes": gpu.memory_total,
            "memory_used_bytes": gpu.memory_used,
            "celsius": gpu.temperature,
            "mhz": gpu.mhz,
            "held_by": gpu.held_by,
            "shares": gpu.shares,
        })).collect::<Vec<_>>(),
        "rpc": sample.rpc.iter().map(|machine| json!({
            "name": machine.name,
            "address": machine.address,
            "version": machine.version,
            "problem": machine.problem,
            "remedy": machine.remedy,
            "devices": machine.devices.iter().map(|device| json!({
                "name": device.name,
                "description": known_text(&device.description),
                "memory_total_bytes": device.total,
                "memory_free_bytes": device.free,
            })).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "disks": sample.disks.iter().map(|disk| json!({
            "name": disk.name,
            "mount": disk.mount,
            "total_bytes": disk.total,
            "free_bytes": disk.free,
            "read_bytes_per_second": disk.read,
            "written_bytes_per_second": disk.written,
        })).collect::<Vec<_>>(),
        "temperatures": sample.temperatures,
        "power": sample.power.iter().map(|power| json!({
            "name": power.name,
            "domain": power.domain,
            "watts": figure(&power.watts),
            "joules": power.energy,
            "joules_grade": power.watts.grade().map_or(UNKNOWN, Grade::word),
            "adds": power.adds,
        })).collect::<Vec<_>>(),
        "total_power": total(sample),
        "sessions": workload::sessions(domain),
        "foreign": workload::foreign(domain, sample),
        "taffrail": {
            "pid": own.map(|own| own.pid),
            "cores": own.map(|own| own.cores),
            "resident_bytes": own.map(|own| own.resident),
            "watts": figure(&domain.machine.own_watts),
        },
        "sources": sample.sources.iter().map(source).collect::<Vec<_>>(),
    })
}

/// A text; empty is null.
fn known_text(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn total(sample: &Sample) -> Value {
    if let Some((watts, grade)) = sample.total() {
        let range = (grade == Grade::Estimated).then(|| range(watts));
        return json!({ "value": watts, "grade": grade, "boundary": sample.boundary(), "range": range });
    }
    let (reason, remedy) = sample.why_no_power();
    json!({ "value": null, "grade": "unknown", "reason": reason, "remedy": remedy })
}

/// A source with its reading.
pub(in crate::cli) fn source(source: &Source) -> Value {
    json!({
        "name": source.name,
        "covers": source.covers,
        "reading": figure(&source.reading),
        "period_s": source.period.as_secs_f64(),
        "age_s": source.age.as_secs_f64(),
    })
}
