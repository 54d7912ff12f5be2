//! Energy of the processor's packages and memory, through the kernel's power capping framework (powercap/powercap.rst
//! in the kernel's documentation): Intel's RAPL counters, which AMD's processors provide too.
//!
//! Zones overlap: a package includes its cores and its uncore, and psys includes everything; only packages and DRAM are
//! added up.

use std::collections::BTreeMap;
use std::io::ErrorKind;

use super::perf;
use crate::telemetry::counter::{Bounds, Counter, Spent};
use crate::telemetry::{Source, Tick, label, missing};
use domain::figure::Figure;
use domain::machine::{Domain, Power, Sample};
use domain::units::{Joules, Watts};

/// The zones' source.
#[derive(Default)]
pub(in crate::telemetry) struct Powercap {
    /// By folder name.
    zones: BTreeMap<String, Zone>,
}

/// The state of a zone between ticks.
struct Zone {
    domain: Domain,
    name: String,
    bounds: Bounds,
    /// Whether its counter was seen to differ from that of another zone of the same package. Until then, a counter with
    /// the same value and the same increment is treated as a repetition; two independent dies may be equal once, after
    /// a start at 0.
    is_own: bool,
    counter: Counter,
}

const FOLDER: &str = "sys/class/powercap";
const COVERS: &str = "energy of the processor and its memory";
/// No package uses more, whatever its limits are.
const MOST: Watts = Watts(2000.0);
/// Two dies of one package whose counters are within this many microjoules are one counter read twice, which advanced
/// by a few milliseconds between the readings.
const MIRRORED: u64 = 500_000;
const OPEN: &str = "sudo chmod o+r /sys/class/powercap/intel-rapl:*/energy_uj";

impl Source for Powercap {
    fn read(&mut self, tick: &Tick<'_>, sample: &mut Sample) {
        // Reading the same counters twice would count the energy twice.
        let by_perf = sample.sources.iter().any(|row| row.name == perf::NAME && row.reading.value().is_some());
        if by_perf {
            self.zones.clear();
            sample.sources.push(tick.row("powercap", COVERS, Figure::unknown("not needed: `perf` reads its counters")));
            return;
        }
        let reading = match zones(tick) {
            Ok(zones) => self.meter(tick, &zones, sample),
            Err(none) => {
                // A driver that is loaded again starts from scratch.
                self.zones.clear();
                none
            }
        };
        sample.sources.push(tick.row("powercap", COVERS, reading));
    }
}

impl Powercap {
    /// Read the zones.
    fn meter(&mut self, tick: &Tick<'_>, zones: &[String], sample: &mut Sample) -> Figure<String> {
        self.zones.retain(|name, _| zones.contains(name));
        // Counters of this tick, to detect dies that share a counter.
        let mut packages: Vec<(u32, u64, &String)> = Vec::new();
        let (mut read, mut at_zero, mut resting) = (Vec::new(), Vec::new(), Vec::new());
        let (mut n_mirrors, mut refused) = (0, None);
        for folder in zones {
            let value = match tick.files.number(&format!("{FOLDER}/{folder}/energy_uj")) {
                Ok(value) => value,
                Err(error) => {
                    if let Some(zone) = self.zone(tick, folder) {
                        sample.power.push(zone.power(unreadable(error.kind()), None, None));
                    }
                    refused = refused.or(Some(error.kind()));
                    continue;
                }
            };
            let Some(zone) = self.zone(tick, folder) else { continue };
            let number = if let Domain::Package(number) = zone.domain { Some(number) } else { None };
            // The first die was read some time earlier and may have advanced, so it is read again.
            let repeats = |other: u32, counter: u64, path: &str| {
                let after = || tick.files.number(&format!("{FOLDER}/{path}/energy_uj")).unwrap_or(counter);
                let range = zone.bounds.range.unwrap_or(u64::MAX);
                let wrapped = counter.abs_diff(value) >= range.saturating_sub(MIRRORED);
                let is_near = wrapped || counter.abs_diff(value) <= MIRRORED;
                number == Some(other) && (is_near || (counter..=after()).contains(&value))
            };
            zone.is_own |= !packages.iter().any(|(other, counter, path)| repeats(*other, *counter, path));
            packages.extend(number.map(|number| (number, value, folder)));
            if !zone.is_own {
                n_mirrors += 1;
                // So that no energy is lost if the die turns out to have its own counter.
                let _ = zone.counter.advance(tick.at, value, zone.bounds);
                continue;
            }
            let names = match zone.counter.rests(tick.at, value) {
                true if value == 0 => &mut at_zero,
                true => &mut resting,
                false => &mut read,
            };
            names.push(zone.name.clone());
            let path = format!("{FOLDER}/{folder}/energy_uj");
            if zone.counter.steps_first(tick.at, value) && !tick.files.goes_on(&path, value) {
                zone.counter.is_slow();
            }
            let spent = zone.counter.advance(tick.at, value, zone.bounds);
            let watts = Spent::figure(&spent, &format!("powercap {}", zone.name));
            let counted = Joules(value as f64 * zone.bounds.unit);
            sample.power.push(zone.power(watts, spent.ok().map(|spent| spent.energy), Some(counted)));
        }
        if read.is_empty() && !(at_zero.is_empty() && resting.is_empty()) {
            return tick.stuck(resting.is_empty());
        }
        let notes = [("stuck at 0", at_zero), ("standing still", resting)];
        summary(&read, &notes, n_mirrors, refused)
    }

    /// The state of a zone, which is inspected when it is new; `None` if it has no name.
    fn zone(&mut self, tick: &Tick<'_>, folder: &str) -> Option<&mut Zone> {
        if !self.zones.contains_key(folder) {
            let zone = Zone::open(tick, folder)?;
            self.zones.insert(folder.to_owned(), zone);
        }
        self.zones.get_mut(folder)
    }
}

impl Zone {
    fn open(tick: &Tick<'_>, folder: &str) -> Option<Self> {
        let path = format!("{FOLDER}/{folder}");
        let own = label(&tick.files.text(&format!("{path}/name")).ok()?);
        // The name of a subzone is only its scope; the package's name is in the parent zone.
        let parent = folder.rsplit_once(':').filter(|(parent, _)| parent.contains(':')).map(|(parent, _)| parent);
        let parent = parent.and_then(|parent| tick.files.text(&format!("{FOLDER}/{parent}/name")).ok());
        let parent = parent.as_deref().map(label);
        let number = parent.as_deref().or(Some(&own)).and_then(package_number);
        let domain = match (own.as_str(), number) {
            ("psys", _) => Domain::Platform,
            ("dram", number) => Domain::Dram(number.unwrap_or(0)),
            (_, Some(number)) if parent.is_none() => Domain::Package(number),
            _ => Domain::PackagePart(own.clone()),
        };
        let name = parent.map_or_else(|| own.clone(), |parent| format!("{parent} {own}"));
        let range = tick.files.number(&format!("{path}/max_energy_range_uj")).ok().filter(|range| *range > 0);
        let bounds = Bounds { unit: 1e-6, range, most: most(tick, &path) };
        Some(Self { domain, name, bounds, is_own: false, counter: Counter::default() })
    }

    fn power(&self, watts: Figure<Watts>, energy: Option<Joules>, counted: Option<Joules>) -> Power {
        let adds = matches!(self.domain, Domain::Package(_) | Domain::Dram(_));
        Power { domain: self.domain.clone(), name: self.name.clone(), watts, energy, counted, adds }
    }
}

/// The folder names of the zones that are used.
fn zones(tick: &Tick<'_>) -> Result<Vec<String>, Figure<String>> {
    let names = tick.files.names(FOLDER).unwrap_or_default();
    // `intel-rapl-mmio` repeats the zones of `intel-rapl`, and replaces it where that is missing.
    let of = |kind: &str| {
        let zones = names.iter().filter(|name| name.strip_prefix(kind).is_some_and(|rest| rest.starts_with(':')));
        zones.cloned().collect::<Vec<_>>()
    };
    let zones = Some(of("intel-rapl")).filter(|zones| !zones.is_empty()).unwrap_or_else(|| of("intel-rapl-mmio"));
    if zones.is_empty() { Err(tick.nothing(FOLDER, none(tick))) } else { Ok(zones) }
}

/// `package-0`, `package-0-die-1`.
fn package_number(name: &str) -> Option<u32> {
    name.strip_prefix("package-")?.split('-').next()?.parse().ok()
}

/// Twice the highest configured limit, since limits apply only on average and may be changed; [`MOST`] if there is
/// none.
fn most(tick: &Tick<'_>, zone: &str) -> Watts {
    let limits = (0..3).filter_map(|n| tick.files.number(&format!("{zone}/constraint_{n}_power_limit_uw")).ok());
    let highest = limits.max().filter(|microwatts| *microwatts > 0);
    highest.map_or(MOST, |microwatts| Watts((microwatts as f64 * 2e-6).min(MOST.0)))
}

/// The text of the row.
fn summary(
    read: &[String],
    notes: &[(&str, Vec<String>)],
    n_mirrors: usize,
    refused: Option<ErrorKind>,
) -> Figure<String> {
    match refused {
        Some(kind) if read.is_empty() => unreadable(kind),
        _ if read.is_empty() => missing("its zones have no names", "report it, with the kernel's version"),
        refused => {
            let mut text = read.join(", ");
            if n_mirrors > 0 {
                text.push_str(" · a die repeats its package's counter and is left out");
            }
            for (what, names) in notes.iter().filter(|(_, names)| !names.is_empty()) {
                text.extend([" · ", what, ": ", &names.join(", ")]);
            }
            if refused.is_some() {
                text.push_str(" · others can't be read");
            }
            Figure::measured(text, "powercap")
        }
    }
}

/// Why a counter can't be read.
fn unreadable<T>(kind: ErrorKind) -> Figure<T> {
    match kind {
        ErrorKind::PermissionDenied => missing(
            "the energy counters may be read by root only",
            format!(
                "`{OPEN}` opens them until the next start; know that they let any user guess at what others compute \
                 (CVE-2020-8694)"
            ),
        ),
        ErrorKind::NotFound => missing(
            "the energy counters are hidden from this container",
            "run taffrail on the host, or hand `/sys/class/powercap` into the container",
        ),
        kind => {
            missing(format!("the energy counters can't be read: {kind}"), "`sudo dmesg | grep -i rapl` may tell why")
        }
    }
}

/// Why there are no zones.
fn none(tick: &Tick<'_>) -> Figure<String> {
    if !cfg!(target_os = "linux") {
        return Figure::unknown("only Linux reports the processor's energy; no meter of this system is supported yet");
    }
    if tick.is_virtual {
        return missing(
            "no RAPL counters: a virtual machine sees none",
            "run taffrail on the host, or read a meter at the wall socket",
        );
    }
    if cfg!(any(target_arch = "x86", target_arch = "x86_64")) {
        return missing(
            "no RAPL counters: the driver is not loaded, or the processor is too old",
            "`sudo modprobe intel_rapl_msr`",
        );
    }
    missing("no RAPL counters: this processor has none", "read a meter at the wall socket")
}
