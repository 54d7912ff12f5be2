//! Reasons for a reduced processor clock: heat (the counters of ABI/testing/sysfs-devices-system-cpu in the kernel's
//! documentation) and a configured limit (pm/cpufreq.rst).

use std::time::Duration;

use crate::telemetry::{Source, Tick, missing};
use domain::figure::Figure;
use domain::machine::{self, Limits, Sample};

/// The source.
#[derive(Default)]
pub(in crate::telemetry) struct ClockLimits {
    read_at: Option<Duration>,
    /// The last throttling counts of each core and of its package.
    before: Vec<[Option<u64>; 2]>,
    limits: Limits,
}

/// Reading two files per core is slow with hundreds of cores.
const PERIOD: Duration = Duration::from_secs(2);
const FOLDER: &str = "sys/devices/system/cpu";

impl Source for ClockLimits {
    fn read(&mut self, tick: &Tick<'_>, sample: &mut Sample) {
        let due = self.read_at.is_none_or(|at| tick.at < at || tick.at.saturating_sub(at) >= PERIOD);
        if due {
            self.read_at = Some(tick.at);
            self.limits = self.limits(tick);
        }
        sample.limits = self.limits;
        let clock = match (self.limits.allowed_mhz, self.limits.highest_mhz) {
            (Some(allowed), Some(highest)) if allowed < highest => {
                Some(format!("limited to {allowed} of {highest} MHz"))
            }
            (_, highest) => highest.map(|highest| format!("up to {highest} MHz")),
        };
        let heat = self.limits.n_throttled.map(|count| match count {
            0 => "not throttled".to_owned(),
            count => format!("throttled by heat {count} times"),
        });
        let parts: Vec<_> = heat.into_iter().chain(clock).collect();
        let reading = match parts.is_empty() {
            false => Figure::measured(parts.join(" · "), "/sys"),
            true if !self.before.is_empty() => Figure::unknown("first reading; the count needs two"),
            true if tick.is_virtual => missing("not available in a virtual machine", "look at the host"),
            true => tick.nothing(FOLDER, Figure::unknown("the processor does not report it")),
        };
        let age = self.read_at.map_or(Duration::ZERO, |at| tick.at.saturating_sub(at));
        let row = tick.row("limits", "heat and clock limits of the cores", reading);
        sample.sources.push(machine::Source { period: PERIOD.max(tick.interval), age, ..row });
    }
}

impl ClockLimits {
    fn limits(&mut self, tick: &Tick<'_>) -> Limits {
        let names = tick.files.names(FOLDER).unwrap_or_default();
        let cores = names.iter().filter(|name| name.strip_prefix("cpu").is_some_and(|n| n.parse::<u32>().is_ok()));
        let count =
            |core: &str, file: &str| tick.files.number(&format!("{FOLDER}/{core}/thermal_throttle/{file}")).ok();
        let now: Vec<_> = cores
            .map(|core| [count(core, "core_throttle_count"), count(core, "package_throttle_count")])
            .filter(|counts| counts.iter().any(Option::is_some))
            .collect();
        let before = std::mem::replace(&mut self.before, now);
        let grown = |which: usize| {
            let both = self.before.iter().zip(&before);
            both.filter_map(move |(now, before)| now[which]?.checked_sub(before[which]?))
        };
        // Each core repeats the count of its package.
        let n_throttled = (before.len() == self.before.len() && !before.is_empty())
            .then(|| grown(0).sum::<u64>().saturating_add(grown(1).max().unwrap_or(0)));

        let policies = tick.files.names(&format!("{FOLDER}/cpufreq")).unwrap_or_default();
        let highest = |file: &str| {
            let policies = policies.iter().filter(|name| name.starts_with("policy"));
            let clocks = policies.filter_map(|name| tick.files.number(&format!("{FOLDER}/cpufreq/{name}/{file}")).ok());
            clocks.max().map(|kilohertz| kilohertz / 1000)
        };
        Limits { n_throttled, allowed_mhz: highest("scaling_max_freq"), highest_mhz: highest("cpuinfo_max_freq") }
    }
}
