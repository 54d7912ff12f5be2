//! Releases pages of the mapped model file that are no longer needed.
//!
//! When llama.cpp copies weights out of the mapping, into a layout for the CPU (`CPU_REPACK`, `AMX`) or to a GPU, the
//! source pages stay resident next to the copy: a 7B model in `Q4_K_M` takes 8.4 GB instead of 5.3.
//! Owned here: when these pages are released, during the load and after it, and that those still in use are resident
//! again. Absent: which weights are where (`ledger`).
//!
//! Releasing a page (`MADV_DONTNEED`) affects only this process. The page stays in the page cache while the system has
//! room, so that the next load is fast, and other processes that mapped the file are not affected.

use std::cell::Cell;
use std::ffi::c_void;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::mm::Advice;
use wire::Load;

use crate::ledger::{Weight, WeightLocation};

/// The share of the files that is copied before pages are given back again.
const STEP: f32 = 0.05;
/// The least that is copied before, bytes: giving back takes some system calls.
const LEAST_STEP: u64 = 8 << 20;

/// Weights above this are not read in after the load, bytes: llama.cpp leaves tables of this size to be read as they are
/// used.
const LARGEST_WEIGHT: usize = 4 << 30;

/// The mapped files of one model. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Mapping {
    /// The folder that the model's files are in, symbolic links resolved.
    folder: Rc<PathBuf>,
    /// Whether mapped weights are to be locked in memory.
    locked: bool,
    /// Whether weights may be copied to where this process's memory doesn't show it: a GPU.
    offloads: bool,
    /// Whether pages were given back that may still be used.
    is_incomplete: Rc<Cell<bool>>,
}

impl Mapping {
    /// The mapping of a model that is to be loaded; `None` where it is not mapped, or its path can't be resolved.
    pub(crate) fn new(load: &Load, offloads: bool) -> Option<Self> {
        let path = load.path.canonicalize().ok().filter(|_| load.mmap && cfg!(target_os = "linux"))?;
        let folder = Rc::new(path.parent()?.to_owned());
        Some(Self { folder, locked: load.mlock, offloads, is_incomplete: Rc::default() })
    }

    /// What is to be called before each weight is loaded, with how far the load is, 0 to 1.
    pub(crate) fn watch(&self) -> impl FnMut(f32) + use<> {
        let (mapping, start) = (self.clone(), Memory::read());
        let mut first = true;
        let mut step = LEAST_STEP;
        let mut copied = start.anonymous;
        // Locking reads in what was given back, and a GPU's memory isn't seen here: then the share loaded decides.
        let by_share = self.locked || self.offloads;
        let mut share = 0.0;
        move |fraction| {
            let now = Memory::read();
            if std::mem::take(&mut first) {
                let size: u64 = mapping.files().iter().map(|range| range.len() as u64).sum();
                step = LEAST_STEP.max((size as f64 * f64::from(STEP)) as u64);
                // Room for copies is there before the first of them; a vocabulary is smaller.
                if now.private.saturating_sub(start.private) < size / 4 && !by_share {
                    return;
                }
            } else if now.anonymous.saturating_sub(copied) < step && !(by_share && fraction - share >= STEP) {
                return;
            }
            (copied, share) = (now.anonymous, fraction);
            mapping.give_back_all();
        }
    }

    fn give_back_all(&self) {
        for range in self.files() {
            if self.locked {
                unlock(&range);
            }
            give_back(&range);
        }
        self.is_incomplete.set(true);
    }

    /// After the load: give back all pages but those of mapped weights, and have these in memory.
    pub(crate) fn settle(&self, weights: &[Weight]) {
        let mapped = weights.iter().filter(|weight| weight.place == WeightLocation::Mapped);
        let kept = merged(mapped.map(|weight| pages(&weight.addresses)).collect());
        // First, since the kernel maps some of the neighbours along.
        if self.is_incomplete.take() {
            kept.iter().filter(|range| range.len() < LARGEST_WEIGHT).for_each(read_in);
        }
        for file in self.files() {
            for range in gaps(&file, &kept) {
                if self.locked {
                    unlock(&range);
                }
                give_back(&range);
            }
        }
        if self.locked {
            let copied = weights.iter().filter(|weight| weight.place == WeightLocation::Copied);
            let copied = copied.map(|weight| pages(&weight.addresses));
            if !kept.iter().cloned().chain(copied).all(|range| lock(&range)) {
                crate::note::note("not all of the weights could be locked in memory; see `ulimit -l`");
            }
        }
    }

    /// Where the model's files are mapped now, by `proc_pid_maps(5)`.
    fn files(&self) -> Vec<Range<usize>> {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
        maps.lines().filter_map(|line| file_in(&self.folder, line)).collect()
    }
}

/// The address range in a line of `/proc/self/maps` if it is a shared read-only mapping of a file in this folder.
fn file_in(folder: &Path, line: &str) -> Option<Range<usize>> {
    let mut fields = line.splitn(6, ' ');
    let (start, end) = fields.next()?.split_once('-')?;
    fields.next().filter(|access| *access == "r--s")?;
    let path = Path::new(fields.nth(3)?.trim_start());
    let address = |text| usize::from_str_radix(text, 16).ok();
    (path.parent() == Some(folder)).then_some(address(start)?..address(end)?)
}

/// This process's memory, bytes.
#[derive(Debug, Clone, Copy, Default)]
struct Memory {
    /// Private and writable, touched or not.
    private: u64,
    /// Resident, not of a file.
    anonymous: u64,
}

impl Memory {
    /// From `proc_pid_statm(5)`; zero if not available.
    fn read() -> Self {
        let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let mut pages = text.split_ascii_whitespace().map(|field| field.parse::<u64>().unwrap_or(0));
        let (_size, resident, shared) = (pages.next(), pages.next().unwrap_or(0), pages.next().unwrap_or(0));
        let data = pages.nth(2).unwrap_or(0);
        let page = rustix::param::page_size() as u64;
        Self { private: data * page, anonymous: resident.saturating_sub(shared) * page }
    }
}

/// The whole pages that these addresses lie in.
fn pages(addresses: &Range<usize>) -> Range<usize> {
    let page = rustix::param::page_size();
    addresses.start / page * page..addresses.end.next_multiple_of(page)
}

/// Ranges in order, those that touch or overlap as one.
fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut merged: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

/// What of a range lies in none of these, which are in order.
fn gaps(whole: &Range<usize>, kept: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut gaps = Vec::new();
    let mut start = whole.start;
    for range in kept.iter().filter(|range| range.end > whole.start && range.start < whole.end) {
        if range.start > start {
            gaps.push(start..range.start);
        }
        start = start.max(range.end);
    }
    if start < whole.end {
        gaps.push(start..whole.end);
    }
    gaps
}

fn pointer(range: &Range<usize>) -> *mut c_void {
    std::ptr::with_exposed_provenance_mut(range.start)
}

/// Take the pages out of this process's memory.
fn give_back(range: &Range<usize>) {
    // SAFETY: llama.cpp maps the range shared, file-backed and read-only (`MAP_SHARED`, `PROT_READ`), so its pages
    // hold only what the file does: any thread that reads a page again gets the same bytes from the file. Only this
    // thread, the load's, unmaps it, so `/proc/self/maps` is still accurate. Pages that can't be released, such as
    // locked ones, stay: that costs memory and nothing else.
    #[cfg(target_os = "linux")]
    let _ = unsafe { rustix::mm::madvise(pointer(range), range.len(), Advice::LinuxDontNeed) };
}

/// Have the pages in this process's memory.
fn read_in(range: &Range<usize>) {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: the range lies in a mapping of the model, which lives; its pages are only read. What can't be read is an
        // error here rather than a signal.
        let read = unsafe { rustix::mm::madvise(pointer(range), range.len(), Advice::LinuxPopulateRead) };
        // Before Linux 5.14 the pages come when they are used.
        if read == Err(rustix::io::Errno::INVAL) {
            // SAFETY: as above.
            let _ = unsafe { rustix::mm::madvise(pointer(range), range.len(), Advice::WillNeed) };
        }
    }
}

/// Lock the pages in memory; whether that went well.
fn lock(range: &Range<usize>) -> bool {
    // SAFETY: the range lies in memory of the model, which lives; locking changes nothing in it.
    unsafe { rustix::mm::mlock(pointer(range), range.len()) }.is_ok()
}

/// Allow the system to take the pages.
fn unlock(range: &Range<usize>) {
    // SAFETY: as for `lock`. llama.cpp unlocks its ranges when the model is dropped, which is harmless to those that are
    // not locked.
    let _ = unsafe { rustix::mm::munlock(pointer(range), range.len()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_between_kept_ranges_is_given_back() {
        type Ranges = &'static [(usize, usize)];
        let cases: &[(Ranges, Ranges)] = &[
            (&[], &[(100, 200)]),
            (&[(100, 200)], &[]),
            (&[(0, 300)], &[]),
            (&[(120, 130)], &[(100, 120), (130, 200)]),
            (&[(100, 130), (190, 200)], &[(130, 190)]),
            (&[(150, 160), (120, 130), (125, 150)], &[(100, 120), (160, 200)]),
            (&[(0, 50), (50, 110), (180, 250), (300, 400)], &[(110, 180)]),
            (&[(0, 100), (200, 300)], &[(100, 200)]),
        ];
        let ranges = |pairs: Ranges| pairs.iter().map(|(start, end)| *start..*end).collect::<Vec<_>>();
        for (kept, expected) in cases {
            assert_eq!(gaps(&(100..200), &merged(ranges(kept))), ranges(expected), "{kept:?}");
        }
    }

    #[test]
    fn only_files_of_the_models_folder_that_are_only_read_are_touched() {
        let folder = Path::new("/models/a b");
        for (line, expected) in [
            ("7f00-7fff r--s 00000000 fe:00 12                       /models/a b/x.gguf", true),
            ("7f00-7fff r--s 00001000 fe:00 12                       /models/a b/x.gguf (deleted)", true),
            ("7f00-7fff r--p 00000000 fe:00 12                       /models/a b/x.gguf", false),
            ("7f00-7fff rw-s 00000000 fe:00 12                       /models/a b/x.gguf", false),
            ("7f00-7fff r--s 00000000 fe:00 12                       /models/a b/c/x.gguf", false),
            ("7f00-7fff r--s 00000000 fe:00 12                       /usr/lib/gconv/gconv-modules.cache", false),
            ("7f00-7fff rw-p 00000000 00:00 0                        [heap]", false),
            ("7f00-7fff rw-p 00000000 00:00 0", false),
            ("", false),
        ] {
            assert_eq!(file_in(folder, line), expected.then_some(0x7f00..0x7fff), "{line}");
        }
    }
}
