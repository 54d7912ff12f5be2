//! The processor: busy time and clock of each core, and the processor time of each watched process.
//!
//! Linux reports it in `/proc/stat` (`proc_stat(5)`); elsewhere sysinfo is used.

use std::time::Duration;

use sysinfo::{CpuRefreshKind, System};

use crate::telemetry::processes::Processes;
use crate::telemetry::{Source, Tick, missing};
use domain::figure::Figure;
use domain::machine::{Core, Sample};
use domain::units::Ratio;

/// The processor's source.
#[derive(Default)]
pub(in crate::telemetry) struct Cpu {
    /// The last reading of `/proc/stat`: the total, then each core.
    before: Vec<Times>,
    /// The clock of each core, and when it was read.
    clocks: Option<(Duration, Vec<Option<u64>>)>,
    /// The processes, whose time is measured in the same clock ticks.
    processes: Processes,
    /// Used where there is no `/proc/stat`.
    system: Option<System>,
}

/// The kernel may have to query every core for its clock, which is slow with hundreds of cores.
const CLOCK_PERIOD: Duration = Duration::from_secs(2);

impl Source for Cpu {
    fn read(&mut self, tick: &Tick<'_>, sample: &mut Sample) {
        match tick.files.text("proc/stat").map(|text| times(&text)) {
            Ok(now) if now.len() > 1 => self.linux(tick, now, sample),
            _ => self.portable(tick, sample),
        }
    }
}

impl Cpu {
    fn linux(&mut self, tick: &Tick<'_>, now: Vec<Times>, sample: &mut Sample) {
        // Cores that were added or removed since have no reading to compare with.
        let before = std::mem::replace(&mut self.before, now);
        let usage: Vec<_> = self
            .before
            .iter()
            .enumerate()
            .map(|(at, now)| before.get(at).filter(|_| before.len() == self.before.len())?.usage(*now))
            .collect();
        sample.cpu = usage[0];
        let clocks = self.clocks(tick, usage.len() - 1);
        sample.cores = usage[1..].iter().zip(clocks).map(|(usage, mhz)| Core { usage: *usage, mhz }).collect();
        let reading = Figure::measured(format!("{} cores", sample.cores.len()), "/proc/stat");
        sample.sources.push(tick.row("cpu", "busy time of each core", reading));

        let busy = before.first().and_then(|before| self.before[0].busy.checked_sub(before.busy));
        self.processes.linux(tick, busy, sample);
    }

    fn clocks(&mut self, tick: &Tick<'_>, n_cores: usize) -> Vec<Option<u64>> {
        let fresh = self.clocks.as_ref().is_some_and(|(at, clocks)| {
            clocks.len() == n_cores && tick.at.saturating_sub(*at) < CLOCK_PERIOD && tick.at >= *at
        });
        if !fresh {
            let file = |core| format!("sys/devices/system/cpu/cpu{core}/cpufreq/scaling_cur_freq");
            let mut clocks: Vec<_> = (0..n_cores)
                .map(|core| tick.files.number(&file(core)).ok().map(|kilohertz| kilohertz / 1000))
                .collect();
            if clocks.iter().all(Option::is_none)
                && let Ok(text) = tick.files.text("proc/cpuinfo")
            {
                let listed = text.lines().filter_map(|line| line.strip_prefix("cpu MHz")?.split_once(':'));
                for (clock, (_, value)) in clocks.iter_mut().zip(listed) {
                    *clock = value.trim().parse::<f64>().ok().map(|mhz| mhz as u64);
                }
            }
            self.clocks = Some((tick.at, clocks));
        }
        self.clocks.as_ref().map(|(_, clocks)| clocks.clone()).unwrap_or_default()
    }

    fn portable(&mut self, tick: &Tick<'_>, sample: &mut Sample) {
        let first = self.system.is_none();
        if first {
            self.system = System::new().ok();
        }
        let Some(system) = &mut self.system else {
            let reading = missing("this system does not report it", "report it, with the system's name and version");
            sample.sources.push(tick.row("cpu", "busy time of each core", reading));
            return;
        };
        system.refresh_cpu_specifics(CpuRefreshKind::nothing().with_usage().with_frequency());
        // Without `/proc`, an empty list means that no core is reported, and no time does not mean idle time.
        let is_told = !system.cpus().is_empty();
        let share = |percent: f32| (!first && is_told).then(|| Ratio(f64::from(percent / 100.0).clamp(0.0, 1.0)));
        sample.cpu = share(system.global_cpu_usage());
        let mhz = |value: u64| (value > 0).then_some(value);
        let core = |cpu: &sysinfo::Cpu| Core { usage: share(cpu.usage()), mhz: mhz(cpu.frequency()) };
        sample.cores = system.cpus().iter().map(core).collect();
        let reading = if is_told {
            Figure::measured(format!("{} cores", sample.cores.len()), "the system")
        } else {
            missing("the system does not report it", "mount `/proc`")
        };
        sample.sources.push(tick.row("cpu", "busy time of each core", reading));

        self.processes.portable(tick, system, sample);
    }
}

/// Clock ticks spent by a core, or by all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Times {
    /// Work of this system. Time that the hypervisor gave to another guest is neither busy nor idle.
    busy: u64,
    idle: u64,
}

impl Times {
    /// The busy share since `self`; unknown if no tick has passed or a counter went backwards.
    fn usage(self, now: Self) -> Option<Ratio> {
        let busy = now.busy.checked_sub(self.busy)?;
        // A core's I/O wait time is known to go backwards (proc_stat(5)).
        let all = busy + now.idle.saturating_sub(self.idle);
        (all > 0).then(|| Ratio(busy as f64 / all as f64))
    }
}

/// Parse the lines `cpu`, `cpu0`, `cpu1` …: user, nice, system, idle, iowait, irq, softirq (user includes guest time).
fn times(stat: &str) -> Vec<Times> {
    let lines = stat.lines().map_while(|line| line.strip_prefix("cpu"));
    lines
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            // `cpu` itself has no core number.
            if !line.starts_with(' ') {
                fields.next();
            }
            let fields: Vec<u64> = fields.take(7).filter_map(|field| field.parse().ok()).collect();
            let [user, nice, system, idle, iowait, irq, softirq] = fields[..] else { return None };
            let busy = [nice, system, irq, softirq].into_iter().fold(user, u64::saturating_add);
            Some(Times { busy, idle: idle.saturating_add(iowait) })
        })
        .collect()
}
