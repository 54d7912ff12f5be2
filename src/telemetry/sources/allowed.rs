//! The resources of the machine that this program may use: its affinity, a control group, the shell's limits or OpenMP
//! variables may allow fewer threads than there are cores and less memory than there is. They may change at run time,
//! so they are read at every tick.
//!
//! This source runs after the sources of cores and memory and limits their figures: memory that is reported as
//! available may be allocated by this program, regardless of the machine's total.

use crate::telemetry::cgroup::{self, Groups};
use crate::telemetry::files::Files;
use crate::telemetry::{Source, Tick};
use domain::figure::Figure;
use domain::machine::{Allowed, MemoryLimit, Sample};
use domain::units::Bytes;

/// The source.
#[derive(Debug, Default)]
pub(in crate::telemetry) struct Bounds {
    pub(in crate::telemetry) groups: Groups,
    /// `OMP_NUM_THREADS` and `OMP_THREAD_LIMIT`.
    pub(in crate::telemetry) openmp: [Option<String>; 2],
}

impl Bounds {
    /// With this process's environment.
    pub(in crate::telemetry) fn from_environment() -> Self {
        Self { openmp: OPENMP.map(|name| std::env::var(name).ok()), ..Self::default() }
    }
}

/// Variables that `nproc` respects too, since all programs that use OpenMP do.
const OPENMP: [&str; 2] = ["OMP_NUM_THREADS", "OMP_THREAD_LIMIT"];

impl Source for Bounds {
    fn read(&mut self, tick: &Tick<'_>, sample: &mut Sample) {
        let limits = self.groups.read(tick.files);
        let (threads, threads_by) = self.threads(tick.files, &limits, sample.cores.len());
        let memory = memory(tick.files, &limits, sample);
        sample.allowed = Allowed { threads, threads_by, memory };
        let unreadable = limits.unreadable.iter().take(3).map(|path| format!("`{}`", crate::telemetry::label(path)));
        let unreadable: Vec<_> = unreadable.collect();
        let unknown =
            if unreadable.is_empty() { None } else { Some(format!("{} can't be read", unreadable.join(", "))) };
        let cores = sample.allowed.fewer_threads(sample.cores.len());
        let bounded = sample.memory.zip(sample.allowed.less_memory());
        let bounded = bounded.map(|(memory, less)| format!("{} of {}; {less}", memory.used, memory.total));
        for source in &mut sample.sources {
            let Figure::Known { value, .. } = &mut source.reading else { continue };
            match &*source.name {
                "cpu" => value.extend(cores.iter().map(|cores| format!("; {cores}"))),
                "memory" => {
                    if let Some(bounded) = &bounded {
                        value.clone_from(bounded);
                    }
                    value.extend(unknown.iter().map(|unknown| format!("; {unknown}")));
                }
                _ => {}
            }
        }
    }
}

impl Bounds {
    /// How many threads may run at once, and what limits them to fewer than the cores.
    fn threads(&self, files: &dyn Files, limits: &cgroup::Limits, n_cores: usize) -> (Option<u32>, String) {
        let n_cores = u32::try_from(n_cores).unwrap_or(u32::MAX);
        let openmp = self
            .openmp
            .iter()
            .zip(OPENMP)
            .filter_map(|(value, name)| Some((openmp(value.as_deref()?)?, name.to_owned())));
        // Rounded as `nproc` does.
        let quota = limits.cpus.map(|cpus| {
            let cores = ((cpus * 10.0).round() / 10.0).to_string();
            let plural = if cores == "1" { "" } else { "s" };
            ((cpus.round() as u32).max(1), format!("cgroup CPU quota of {cores} core{plural}"))
        });
        let affinity = affinity(files).map(|count| (count, "CPU affinity".to_owned()));
        let least = affinity.into_iter().chain(quota).chain(openmp).min_by_key(|(count, _)| *count);
        match least {
            Some((count, by)) if n_cores == 0 || count < n_cores => (Some(count), by),
            _ => (Some(n_cores).filter(|count| *count > 0), String::new()),
        }
    }
}

/// The online processors that this process may run on.
fn affinity(files: &dyn Files) -> Option<u32> {
    let status = files.text("proc/self/status").ok()?;
    let allowed = ranges(status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?)?;
    // The list also contains processors that could be hot-plugged.
    let online = files.text("sys/devices/system/cpu/online").ok().and_then(|text| ranges(&text));
    let both = online.map(|online| {
        let overlaps = allowed.iter().flat_map(|a| online.iter().map(|b| (a.0.max(b.0), a.1.min(b.1))));
        overlaps.filter(|(first, last)| first <= last).collect::<Vec<_>>()
    });
    // A container may use different numbers, which do not match the list.
    let counted = both.filter(|ranges| !ranges.is_empty()).unwrap_or(allowed);
    let count = counted.iter().fold(0_u32, |sum, (first, last)| sum.saturating_add(last - first + 1));
    (count > 0).then_some(count)
}

/// Parse a list such as `0-3,8` into ranges; `None` for other text.
fn ranges(text: &str) -> Option<Vec<(u32, u32)>> {
    /// Above the limit of any kernel build.
    const LAST: u32 = 1 << 16;
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (first <= last && last < LAST).then_some((first, last))
    };
    text.trim().split(',').map(range).collect()
}

/// The number of threads that an OpenMP variable sets, the first of a list; `None` if it is invalid.
fn openmp(text: &str) -> Option<u32> {
    let first = text.split(',').next()?.trim();
    first.parse().ok().filter(|count| *count > 0)
}

/// Limit the sample's memory; returns the limiting factor and the machine's memory.
fn memory(files: &dyn Files, limits: &cgroup::Limits, sample: &mut Sample) -> Option<MemoryLimit> {
    let memory = sample.memory.as_mut()?;
    let (total, available) = (memory.total, memory.available);
    if let Some(swap) = limits.swap {
        memory.swap_total = memory.swap_total.min(swap);
        memory.swap_used = memory.swap_used.min(memory.swap_total);
    }
    let mut by = None;
    if let Some(limit) = limits.memory.filter(|bound| bound.limit < total || bound.available < available) {
        memory.total = total.min(limit.limit);
        memory.available = available.min(limit.available);
        memory.used = memory.total.saturating_sub(memory.available);
        by = Some(format!("cgroup {}", limit.file));
    }
    // This limit is per process and includes mapped files.
    if let Some(limit) = address_space(files).filter(|limit| *limit < memory.total) {
        memory.total = limit;
        memory.available = memory.available.min(limit);
        memory.used = memory.used.min(limit);
        by = Some("ulimit -v".to_owned());
    }
    by.map(|by| MemoryLimit { by, total, available })
}

/// The address space limit of a process, from the shell's `ulimit -v`.
fn address_space(files: &dyn Files) -> Option<Bytes> {
    let text = files.text("proc/self/limits").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    line.split_ascii_whitespace().next()?.parse().ok().map(Bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_processors() {
        for (text, expected) in [
            ("0", Some(1)),
            ("0-3", Some(4)),
            (" 0-3,8,10-11\n", Some(7)),
            ("", None),
            ("3-0", None),
            ("0-", None),
            ("0-4294967295", None),
            ("a", None),
        ] {
            let count = ranges(text).map(|ranges| ranges.iter().map(|(first, last)| last - first + 1).sum::<u32>());
            assert_eq!(count, expected, "{text}");
        }
    }

    #[test]
    fn openmp_is_read_as_nproc_reads_it() {
        for (text, expected) in
            [("2", Some(2)), (" 4 ", Some(4)), ("3,2", Some(3)), ("0", None), ("-1", None), ("x", None), ("", None)]
        {
            assert_eq!(openmp(text), expected, "{text}");
        }
    }
}
