//! Energy of the processor's packages and memory, through the kernel's performance events: the same counters as in
//! `powercap`, but 64 bits wide, so that they do not wrap (ABI/testing/sysfs-bus-event_source-devices-events in the
//! kernel's documentation; the events are those of its driver `rapl`).
//!
//! This source is preferred: while it has readings, `powercap` is not used.

use std::io::{self, ErrorKind};
use std::time::Duration;

use crate::telemetry::counter::{Bounds, Counter, Spent};
use crate::telemetry::{Source, Tick, missing};
use domain::figure::Figure;
use domain::machine::{Domain, Power, Sample};
use domain::units::Watts;

/// Opens events of the whole system.
pub(in crate::telemetry) trait Events: Send {
    /// Count the event `config` of the unit `kind` on the package of the processor `cpu`.
    fn open(&mut self, kind: u32, config: u64, cpu: u32) -> io::Result<Box<dyn Event>>;
}

/// An event counter.
pub(in crate::telemetry) trait Event: Send {
    /// Counts since it was opened.
    fn count(&mut self) -> io::Result<u64>;
}

/// The kernel's own.
pub(in crate::telemetry) struct Kernel;

/// The events' source.
pub(in crate::telemetry) struct Perf {
    events: Box<dyn Events>,
    /// The open events, or why there are none and when that was determined.
    state: State,
}

enum State {
    Closed(Option<(Duration, Figure<String>)>),
    Open(Vec<Metered>),
    /// Every event reads zero. They stay closed: `powercap` may have readings, and only one of the two is used.
    Stuck,
}

/// An event of one package.
struct Metered {
    domain: Domain,
    name: String,
    /// Joules per count.
    unit: f64,
    event: Box<dyn Event>,
    counter: Counter,
}

/// The name of its row, which `powercap` checks for.
pub(in crate::telemetry) const NAME: &str = "perf";
const COVERS: &str = "energy of the processor and its memory";
const UNIT: &str = "sys/bus/event_source/devices/power";
/// The time until events that could not be opened are tried again.
const RETRY: Duration = Duration::from_mins(1);
/// No package draws more.
const MOST: Watts = Watts(2000.0);
/// Each event, and whether every package has one.
const EVENTS: [(&str, bool); 5] =
    [("energy-pkg", true), ("energy-cores", true), ("energy-gpu", true), ("energy-ram", true), ("energy-psys", false)];

impl Source for Perf {
    fn read(&mut self, tick: &Tick<'_>, sample: &mut Sample) {
        let reading = self.meter(tick, sample);
        sample.sources.push(tick.row(NAME, COVERS, reading));
    }
}

impl Perf {
    pub(in crate::telemetry) fn new(events: Box<dyn Events>) -> Self {
        Self { events, state: State::Closed(None) }
    }

    fn meter(&mut self, tick: &Tick<'_>, sample: &mut Sample) -> Figure<String> {
        if let State::Closed(tried) = &self.state {
            if let Some((at, reading)) = tried
                && tick.at.saturating_sub(*at) < RETRY
                && tick.at >= *at
            {
                return reading.clone();
            }
            match self.open(tick) {
                Ok(open) => self.state = State::Open(open),
                Err(reading) => {
                    self.state = State::Closed(Some((tick.at, reading.clone())));
                    return reading;
                }
            }
        }
        let State::Open(open) = &mut self.state else { return tick.stuck(true) };
        let counts: Vec<_> = open.iter_mut().map(|metered| metered.event.count()).collect();
        let is_stuck = |(metered, count): (&Metered, &io::Result<u64>)| {
            count.as_ref().is_ok_and(|count| *count == 0 && metered.counter.rests(tick.at, 0))
        };
        if open.iter().zip(&counts).all(is_stuck) {
            self.state = State::Stuck;
            return tick.stuck(true);
        }
        let (mut names, mut stuck) = (Vec::with_capacity(open.len()), Vec::new());
        for (metered, count) in open.iter_mut().zip(counts) {
            if is_stuck((metered, &count)) {
                stuck.push(metered.name.clone());
            }
            let watts = match count {
                Ok(count) => {
                    names.push(metered.name.clone());
                    let bounds = Bounds { unit: metered.unit, range: None, most: MOST };
                    let spent = metered.counter.advance(tick.at, count, bounds);
                    (Spent::figure(&spent, &format!("perf {}", metered.name)), spent.ok().map(|spent| spent.energy))
                }
                Err(error) => (Figure::unknown(format!("its event can't be read: {}", error.kind())), None),
            };
            let adds = matches!(metered.domain, Domain::Package(_) | Domain::Dram(_));
            let (domain, name) = (metered.domain.clone(), metered.name.clone());
            // An event counts since it was opened, by and for this program only.
            sample.power.push(Power { domain, name, watts: watts.0, energy: watts.1, counted: None, adds });
        }
        if names.is_empty() {
            // The driver was unloaded: detect it again next time, and let powercap run.
            self.state = State::Closed(None);
            return Figure::unknown("its events can't be read any more");
        }
        names.retain(|name| !stuck.contains(name));
        if names.is_empty() {
            return tick.stuck(true);
        }
        let mut text = names.join(", ");
        if !stuck.is_empty() {
            text.extend([" · stuck at 0: ", &stuck.join(", ")]);
        }
        Figure::measured(text, "perf")
    }

    /// Open every event of the processor. The package events are required, since the others are of little use alone.
    fn open(&mut self, tick: &Tick<'_>) -> Result<Vec<Metered>, Figure<String>> {
        let text = |file: &str| tick.files.text(&format!("{UNIT}/{file}"));
        let Ok(kind) = tick.files.number(&format!("{UNIT}/type")) else {
            return Err(tick.nothing(UNIT, absent(tick)));
        };
        let Ok(kind) = u32::try_from(kind) else {
            return Err(Figure::unknown("the type of its events is not a number"));
        };
        let packages = packages(tick, &text("cpumask").unwrap_or_default());
        if packages.is_empty() {
            return Err(Figure::unknown("the kernel names no processor to count on"));
        }
        let mut open: Vec<Metered> = Vec::new();
        for (event, each) in EVENTS {
            let Some(config) = text(&format!("events/{event}")).ok().as_deref().and_then(config) else { continue };
            let unit = text(&format!("events/{event}.unit")).unwrap_or_default();
            let scale = text(&format!("events/{event}.scale")).ok().and_then(|text| text.trim().parse::<f64>().ok());
            let Some(scale) = scale.filter(|scale| scale.is_normal() && *scale > 0.0 && unit.trim() == "Joules") else {
                continue;
            };
            for package in packages.iter().take(if each { usize::MAX } else { 1 }) {
                match self.events.open(kind, config, package.cpu) {
                    Ok(opened) => {
                        let (domain, name) = package.domain(event);
                        let counter = Counter::default();
                        open.push(Metered { domain, name, unit: scale, event: opened, counter });
                    }
                    Err(error) if event == "energy-pkg" => return Err(refused(&error)),
                    Err(_) => {}
                }
            }
        }
        if open.iter().any(|metered| matches!(metered.domain, Domain::Package(_))) {
            Ok(open)
        } else {
            Err(Figure::unknown("the processor counts no package's energy in events"))
        }
    }
}

/// A package or one of its dies, and the processor that its counters are read on.
#[derive(Debug, PartialEq, Eq)]
struct Package {
    cpu: u32,
    number: u32,
    /// Of a package with several dies.
    die: Option<u32>,
}

impl Package {
    fn domain(&self, event: &str) -> (Domain, String) {
        let name = match self.die {
            Some(die) => format!("package-{}-die-{die}", self.number),
            None => format!("package-{}", self.number),
        };
        match event {
            "energy-pkg" => (Domain::Package(self.number), name),
            "energy-ram" => (Domain::Dram(self.number), format!("{name} dram")),
            "energy-psys" => (Domain::Platform, "psys".to_owned()),
            "energy-cores" => (Domain::PackagePart("core".to_owned()), format!("{name} core")),
            _ => (Domain::PackagePart("uncore".to_owned()), format!("{name} uncore")),
        }
    }
}

/// Parse the packages from `0,18` or `0-1`, which lists one processor of each.
fn packages(tick: &Tick<'_>, cpumask: &str) -> Vec<Package> {
    let number = |cpu: u32, file: &str| {
        let number = tick.files.number(&format!("sys/devices/system/cpu/cpu{cpu}/topology/{file}")).ok();
        number.and_then(|number| u32::try_from(number).ok())
    };
    // On AMD's first multi-die packages, each die counts the whole package.
    let is_mirrored = tick.files.text("proc/cpuinfo").is_ok_and(|text| text.contains("AuthenticAMD"));
    let mut packages: Vec<Package> = Vec::new();
    for cpu in cpumask.trim().split(',').filter_map(range).flatten().take(64) {
        let package = number(cpu, "physical_package_id").unwrap_or(0);
        let known = packages.iter().position(|known| known.number == package);
        match known {
            Some(_) if is_mirrored => {}
            Some(first) => {
                let die = number(packages[first].cpu, "die_id").unwrap_or(0);
                packages[first].die.get_or_insert(die);
                packages.push(Package { cpu, number: package, die: number(cpu, "die_id") });
            }
            None => packages.push(Package { cpu, number: package, die: None }),
        }
    }
    packages
}

/// `3`, `0-1`.
fn range(text: &str) -> Option<std::ops::RangeInclusive<u32>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some(first.parse().ok()?..=last.parse().ok()?)
}

/// `event=0x02`.
fn config(text: &str) -> Option<u64> {
    u64::from_str_radix(text.trim().strip_prefix("event=")?.trim_start_matches("0x"), 16).ok()
}

/// Why there are no events.
fn absent(tick: &Tick<'_>) -> Figure<String> {
    if !cfg!(target_os = "linux") {
        return Figure::unknown("only Linux has them");
    }
    if tick.is_virtual {
        return missing("no energy events: a virtual machine sees none", "run taffrail on the host");
    }
    if cfg!(any(target_arch = "x86", target_arch = "x86_64")) {
        return missing(
            "no energy events: the driver is not loaded, or the processor is too old",
            "`sudo modprobe rapl`, or for `powercap` `sudo modprobe intel_rapl_msr`",
        );
    }
    Figure::unknown("this processor has no energy events")
}

/// Why a package's event can't be opened.
fn refused(error: &io::Error) -> Figure<String> {
    match error.kind() {
        ErrorKind::PermissionDenied => missing(
            "the kernel keeps events of the whole system to root",
            "`sudo sysctl kernel.perf_event_paranoid=0` opens them until the next start; know that they let any user \
             guess at what others compute (CVE-2020-8694)",
        ),
        _ => Figure::unknown(format!("the energy events can't be opened: {error}")),
    }
}

#[cfg(target_os = "linux")]
mod kernel {
    use std::io;

    use perf_event::events::Software;
    use perf_event::{Builder, Counter};

    use super::{Event, Events, Kernel};

    impl Events for Kernel {
        fn open(&mut self, kind: u32, config: u64, cpu: u32) -> io::Result<Box<dyn Event>> {
            let mut builder = Builder::new(Software::DUMMY);
            let attributes = builder.attrs_mut();
            (attributes.type_, attributes.config) = (kind, config);
            // An energy counter can't separate user from kernel, and its driver rejects such a request.
            builder.any_pid().one_cpu(cpu as usize).include_kernel().include_hv().enabled(true);
            Ok(Box::new(builder.build()?))
        }
    }

    impl Event for Counter {
        fn count(&mut self) -> io::Result<u64> {
            self.read()
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        /// The real system call, on an event that every kernel has: the time of the first processor.
        #[test]
        fn an_event_of_the_kernel_counts_or_is_refused() {
            const SOFTWARE: u32 = 1;
            const CPU_CLOCK: u64 = 0;
            match Kernel.open(SOFTWARE, CPU_CLOCK, 0) {
                Ok(mut event) => {
                    let first = event.count().unwrap();
                    assert!(std::iter::repeat_with(|| event.count().unwrap()).any(|count| count > first));
                }
                Err(error) => {
                    let code = error.raw_os_error();
                    // A sandbox or a container may deny or lack the call.
                    let is_refused =
                        matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported);
                    assert!(is_refused || code == Some(rustix::io::Errno::NOSYS.raw_os_error()), "{error}");
                }
            }
            assert!(Kernel.open(u32::MAX, 0, 0).is_err(), "an unknown unit");
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Events for Kernel {
    fn open(&mut self, _kind: u32, _config: u64, _cpu: u32) -> io::Result<Box<dyn Event>> {
        Err(ErrorKind::Unsupported.into())
    }
}
