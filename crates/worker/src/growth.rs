//! A bound on how much memory this process may take beyond what it has.
//!
//! It holds while a grammar is read and stepped through: there a few bytes from outside can make llama.cpp take all memory
//! within seconds. The process that hits the bound ends, and costs its own requests alone. Absent: the limit of the whole
//! worker (`process`).

/// Growth that no grammar needs, in bytes: the largest that are accepted take some tens of megabytes.
pub(crate) const MAX_GROWTH: u64 = 1 << 30;

/// The bound holds until this is dropped.
pub(crate) struct Bounded {
    #[cfg(target_os = "linux")]
    before: rustix::process::Rlimit,
}

/// Limit the address space to what is in use now plus this many bytes. `None` if the system has no such limit, or a
/// lower one applies already.
#[cfg(target_os = "linux")]
pub(crate) fn bound(growth: u64) -> Option<Bounded> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let pages: u64 = std::fs::read_to_string("/proc/self/statm").ok()?.split_whitespace().next()?.parse().ok()?;
    let most = pages.checked_mul(rustix::param::page_size() as u64)?.checked_add(growth)?;
    let before = getrlimit(Resource::As);
    if before.current.is_some_and(|current| current <= most) {
        return None;
    }
    setrlimit(Resource::As, Rlimit { current: Some(most), maximum: before.maximum }).ok()?;
    Some(Bounded { before })
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn bound(_growth: u64) -> Option<Bounded> {
    None
}

#[cfg(target_os = "linux")]
impl Drop for Bounded {
    fn drop(&mut self) {
        // Raising the soft limit up to the hard one is always allowed.
        let _ = rustix::process::setrlimit(rustix::process::Resource::As, self.before);
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::{Resource, getrlimit};

    use super::*;

    #[test]
    fn the_bound_goes_with_its_guard() {
        let before = getrlimit(Resource::As).current;
        let bounded = bound(1 << 40);
        if let Some(bounded) = bounded {
            assert!(getrlimit(Resource::As).current > Some(1 << 40));
            assert!(bound(1 << 41).is_none(), "a lower limit applies already");
            drop(bounded);
        }
        assert_eq!(getrlimit(Resource::As).current, before);
    }
}
