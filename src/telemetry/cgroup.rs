//! Processor and memory limits of control groups, versions 1 and 2 (cgroups(7), `cgroup-v2.rst` and
//! `cgroup-v1/memory.rst` in the kernel's documentation).
//!
//! A limit applies to all descendants of its group, so every group from this process's own up to the root of the
//! hierarchy is read, as far as a container exposes them. A file that can't be read sets no limit and is reported.

use std::io::ErrorKind;

use super::files::Files;
use domain::units::Bytes;

/// The maximum number of groups from a process's own to the root.
const MAX_DEPTH: usize = 64;

/// The limits that apply to this process.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Limits {
    /// Processor time per time, in processors.
    pub(super) cpus: Option<f64>,
    /// Memory.
    pub(super) memory: Option<Memory>,
    /// The swap that may still be used.
    pub(super) swap: Option<Bytes>,
    /// Paths of files that exist but can't be read or parsed.
    pub(super) unreadable: Vec<String>,
}

/// A limit of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Memory {
    /// The lowest limit.
    pub(super) limit: Bytes,
    /// The memory that may still be allocated, including caches that the kernel drops on demand.
    pub(super) available: Bytes,
    /// The file that sets the lowest limit.
    pub(super) file: &'static str,
}

/// The location of this process's groups. Mounts are looked up again if the process was moved to another group.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// The content of `/proc/self/cgroup` when the folders were looked up.
    text: String,
    cpu: Option<Chain>,
    memory: Option<Chain>,
}

/// The folders of a hierarchy from a process's own group up to the root.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Chain {
    is_v2: bool,
    folders: Vec<String>,
}

impl Groups {
    /// Read the limits.
    pub(super) fn read(&mut self, files: &dyn Files) -> Limits {
        let mut limits = Limits::default();
        let Ok(text) = files.text("proc/self/cgroup") else { return limits };
        if text != self.text {
            let mounts = files.text("proc/self/mountinfo").unwrap_or_default();
            self.cpu = chain(&text, &mounts, "cpu");
            self.memory = chain(&text, &mounts, "memory");
            self.text = text;
        }
        let mut reader = Reader { files, unreadable: &mut limits.unreadable };
        limits.cpus = self.cpu.as_ref().and_then(|chain| reader.cpus(chain));
        if let Some(chain) = &self.memory {
            (limits.memory, limits.swap) = reader.memory(chain);
        }
        limits
    }
}

/// A line of `/proc/self/mountinfo` that describes a control group mount.
struct Mount {
    root: String,
    point: String,
    is_v2: bool,
    /// Controllers, of version 1.
    options: String,
}

/// The groups of a controller: in its own hierarchy (version 1), or else in the unified one.
fn chain(cgroup: &str, mountinfo: &str, controller: &str) -> Option<Chain> {
    let groups: Vec<(&str, &str)> = cgroup
        .lines()
        .filter_map(|line| {
            let (_, rest) = line.split_once(':')?;
            rest.split_once(':')
        })
        .collect();
    let has = |list: &str| list.split(',').any(|name| name == controller);
    let v1 = groups.iter().find(|(controllers, _)| has(controllers));
    let is_v2 = v1.is_none();
    let (_, group) = v1.or_else(|| groups.iter().find(|(controllers, _)| controllers.is_empty()))?;
    let mounts =
        mountinfo.lines().filter_map(mount).filter(|mount| mount.is_v2 == is_v2 && (is_v2 || has(&mount.options)));
    // The mount that shows the most parent groups. A group outside the mounts is treated as the mount's root, which is
    // how containers expose their own group.
    let shown = mounts.map(|mount| (below(group, &mount.root).map(str::to_owned), mount));
    let (rest, mount) = shown.min_by_key(|(rest, mount)| (rest.is_none(), mount.root.len()))?;
    let rest = rest.unwrap_or_default();
    let point = mount.point.trim_start_matches('/').trim_end_matches('/').to_owned();
    let mut names: Vec<&str> = rest.split('/').filter(|name| !name.is_empty()).take(MAX_DEPTH).collect();
    let mut folders = Vec::new();
    loop {
        folders.push(std::iter::once(&*point).chain(names.iter().copied()).collect::<Vec<_>>().join("/"));
        if names.pop().is_none() {
            return Some(Chain { is_v2, folders });
        }
    }
}

/// The path of a group below a mount's root; `None` if it is elsewhere. A group above the root of a namespace starts
/// with `/..`.
fn below<'a>(group: &'a str, root: &str) -> Option<&'a str> {
    let rest = if root == "/" { group } else { group.strip_prefix(root)? };
    let is_whole = rest.is_empty() || rest.starts_with('/');
    (is_whole && rest.split('/').all(|name| name != "..")).then_some(rest)
}

fn mount(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut right = right.split(' ');
    let is_v2 = match right.next()? {
        "cgroup2" => true,
        "cgroup" => false,
        _ => return None,
    };
    let mut left = left.split(' ').skip(3);
    let (root, point) = (unescape(left.next()?), unescape(left.next()?));
    Some(Mount { root, point, is_v2, options: right.nth(1).unwrap_or_default().to_owned() })
}

/// Decode space, tab, line feed and backslash from octal escapes such as `\040`.
fn unescape(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .into_iter()
        .fold(text.to_owned(), |text, (written, meant)| text.replace(written, meant))
}

/// Reads the files of groups.
struct Reader<'a> {
    files: &'a dyn Files,
    unreadable: &'a mut Vec<String>,
}

impl Reader<'_> {
    /// The content of a file as parsed by `parse`; `None` if it does not exist, or if it can't be read, which is
    /// recorded.
    fn value<T>(&mut self, folder: &str, name: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let path = format!("{folder}/{name}");
        let value = match self.files.text(&path) {
            Ok(text) => parse(text.trim()),
            // The root has no limits, and a controller may be disabled in a group.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return None,
            Err(_) => None,
        };
        if value.is_none() {
            self.unreadable.push(format!("/{path}"));
        }
        value
    }

    /// The lowest CPU quota, in processors.
    fn cpus(&mut self, chain: &Chain) -> Option<f64> {
        let mut lowest: Option<f64> = None;
        for folder in &chain.folders {
            let (quota, period) = if chain.is_v2 {
                let Some(pair) = self.value(folder, "cpu.max", quota) else { continue };
                pair
            } else {
                let Some(quota) = self.value(folder, "cpu.cfs_quota_us", |text| text.parse::<i64>().ok()) else {
                    continue;
                };
                let period = self.value(folder, "cpu.cfs_period_us", |text| text.parse().ok());
                (u64::try_from(quota).ok(), period.unwrap_or(0))
            };
            // Version 1 reports -1 if there is no limit.
            if let Some(quota) = quota.filter(|quota| *quota > 0 && period > 0) {
                let cpus = quota as f64 / period as f64;
                lowest = Some(lowest.map_or(cpus, |lowest| lowest.min(cpus)));
            }
        }
        lowest
    }

    /// The limits of memory and swap.
    fn memory(&mut self, chain: &Chain) -> (Option<Memory>, Option<Bytes>) {
        let (mut bound, mut swap): (Option<Memory>, Option<u64>) = (None, None);
        for (index, folder) in chain.folders.iter().enumerate() {
            let stat = self.files.text(&format!("{folder}/memory.stat")).unwrap_or_default();
            let (limits, used, limit_of_swap) = if chain.is_v2 {
                let limits = ["memory.max", "memory.high"].map(|name| (name, self.limit(folder, name)));
                (limits, "memory.current", self.limit(folder, "memory.swap.max"))
            } else {
                let limit = self.limit(folder, "memory.limit_in_bytes");
                let with_swap = self.limit(folder, "memory.memsw.limit_in_bytes");
                // It includes groups that a container does not expose.
                let above = field(&stat, "hierarchical_memory_limit").filter(|above| index == 0 && *above < UNLIMITED);
                let limits = [("hierarchical_memory_limit", above), ("memory.limit_in_bytes", limit)];
                (limits, "memory.usage_in_bytes", with_swap.zip(limit).map(|(both, limit)| both.saturating_sub(limit)))
            };
            swap = least(swap, limit_of_swap);
            if limits.iter().all(|(_, limit)| limit.is_none()) {
                continue;
            }
            let used = self.value(folder, used, |text| text.parse::<u64>().ok()).unwrap_or(0);
            let used = used.saturating_sub(caches(&stat, chain.is_v2));
            for (file, limit) in limits {
                let Some(limit) = limit else { continue };
                let available = limit.saturating_sub(used);
                let before = bound.unwrap_or(Memory { limit: Bytes(u64::MAX), available: Bytes(u64::MAX), file });
                bound = Some(Memory {
                    limit: before.limit.min(Bytes(limit)),
                    available: before.available.min(Bytes(available)),
                    file: if limit <= before.limit.0 { file } else { before.file },
                });
            }
        }
        (bound, swap.map(Bytes))
    }

    /// A file that contains a number of bytes, or `max`.
    fn limit(&mut self, folder: &str, name: &str) -> Option<u64> {
        let parse = |text: &str| match text {
            "max" => Some(None),
            number => number.parse::<u64>().ok().map(|limit| Some(limit).filter(|limit| *limit < UNLIMITED)),
        };
        self.value(folder, name, parse).flatten()
    }
}

/// Version 1 reports "no limit" as the largest whole number of pages, which depends on the page size.
const UNLIMITED: u64 = 1 << 62;

/// `cpu.max`: the quota in microseconds or `max`, and the period.
fn quota(text: &str) -> Option<(Option<u64>, u64)> {
    let (quota, period) = text.split_once(' ').unwrap_or((text, "100000"));
    let period = period.split(' ').next()?.parse().ok()?;
    if quota == "max" { Some((None, period)) } else { Some((Some(quota.parse().ok()?), period)) }
}

/// Bytes in use that the kernel reclaims when a group needs memory: file pages and, in version 2, reclaimable slab.
fn caches(stat: &str, is_v2: bool) -> u64 {
    let names: &[&str] = if is_v2 {
        &["active_file", "inactive_file", "slab_reclaimable"]
    } else {
        &["total_active_file", "total_inactive_file"]
    };
    names.iter().filter_map(|name| field(stat, name)).fold(0, u64::saturating_add)
}

fn field(stat: &str, name: &str) -> Option<u64> {
    stat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

fn least(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    a.into_iter().chain(b).min()
}
