//! CPU time used by this process, to separate the energy of loading from that of answers.

use std::time::Duration;

/// CPU time of all threads since the start (`proc_pid_stat(5)`), by the clock that the supervisor uses too; `None` if
/// not available.
pub(crate) fn cpu_time() -> Option<Duration> {
    let ticks = ticks(&std::fs::read_to_string("/proc/self/stat").ok()?)?;
    let per_second = rustix::param::clock_ticks_per_second();
    (per_second > 0).then(|| Duration::from_secs_f64(ticks as f64 / per_second as f64))
}

/// Clock ticks in user and kernel mode. A process's name may hold spaces and brackets.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    next()?.checked_add(next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_behind_any_name() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 700 42 0 0 20 0";
        for (stat, expected) in [
            (format!("7 (taffrail) {rest}"), Some(742)),
            (format!("7 (a) b) ({rest}) {rest}"), Some(742)),
            ("7 (cut off) S 1 2".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(ticks(&stat), expected, "{stat}");
        }
    }
}
