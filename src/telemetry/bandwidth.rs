//! What the main memory gives: read by several threads at once, and kept in taffrail's own cache folder.
//!
//! Generating a token reads weights, so reading is what is measured: each thread sums a part of a buffer that no cache
//! holds. A core that follows one stream of addresses waits for most of them, and how many it needs to follow at once
//! differs by processor, so some numbers are tried and the best counts. All bytes count over the time that all threads
//! took together: what single threads reach at their best adds up to more than the memory gives where they share a core.
//! A machine whose processors are busy with other things is not measured. `STREAM`'s triad would write as well, which
//! generating hardly does.

use std::hint::black_box;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{Files, Root, label};
use domain::machine::Bandwidth;
use domain::units::{Bytes, Ratio};

/// Times that the buffer is read by each reader.
const ROUNDS: u32 = 3;
/// Times that it is tried on a machine that is busy.
const TRIES: u32 = 3;
/// A machine whose threads wait for a processor for a larger share of the time is too busy to be measured.
const BUSY: f64 = 0.15;
/// The version of the kept file: one of an earlier version was measured wrongly, or otherwise, and counts for nothing.
const VERSION: u32 = 2;
/// The buffer's least size, bytes.
const SMALLEST: u64 = 256 << 20;
/// The buffer's most: beyond it the figure does not change, and others want the memory.
const LARGEST: u64 = 2 << 30;
/// The buffer against the last cache: what lies in it from the round before must not count.
const TIMES_CACHE: u64 = 4;
/// The file, in the cache folder.
const FILE: &str = "bandwidth.json";
/// The longest file that is read, bytes.
const LONGEST: u64 = 4096;

/// Measure with so many threads; takes a second or two and blocks. `available` is the memory that may be used, of which
/// a quarter is taken at most.
///
/// # Errors
///
/// There is too little memory for a buffer that no cache holds, or no further thread.
pub fn measure(threads: u32, available: Bytes, unix: i64) -> io::Result<Bandwidth> {
    let files = Root("/".into());
    let size = (last_cache(&files).saturating_mul(TIMES_CACHE)).clamp(SMALLEST, LARGEST).min(available.0 / 4);
    if size < SMALLEST / 4 {
        return Err(io::Error::other(format!("{available} of free memory is too little for a measurement")));
    }
    // Of the processors that this process may use: threads that share one would wait for each other.
    let allowed = std::thread::available_parallelism().map_or(threads, |n| n.get().try_into().unwrap_or(u32::MAX));
    let threads = threads.clamp(1, allowed.max(1));
    let mut waited = f64::INFINITY;
    for _ in 0..TRIES {
        let found = rounds(threads, size)?;
        waited = waited.min(found.waited);
        if found.waited <= BUSY {
            let bytes_per_second = found.bytes_per_second;
            return Ok(Bandwidth { bytes_per_second, threads, unix, processor: processor(&files) });
        }
    }
    Err(io::Error::other(format!(
        "other programs used the processor for {} of the time: close them, or try again when they are idle",
        Ratio(waited)
    )))
}

/// What reading a buffer with all threads came to.
struct Rounds {
    /// The best round's bytes of all threads over the time from the first one's begin to the last one's end: faster the
    /// memory was not seen to be.
    bytes_per_second: f64,
    /// The share of the time that threads waited for a processor; 0 where the system doesn't tell.
    waited: f64,
}

/// Read a buffer of this size with all threads, some times.
fn rounds(threads: u32, size: u64) -> io::Result<Rounds> {
    let words = (size / u64::from(threads) / 8) as usize;
    let barrier = &Barrier::new(threads as usize);
    let read: io::Result<Vec<Read>> = std::thread::scope(|scope| {
        let (gates, readers): (Vec<_>, Vec<_>) = (0..threads)
            .map(|index| {
                // Nobody begins before all are there: one that could not be started would be waited for without end.
                let (open, gate) = sync_channel::<()>(1);
                let reader = std::thread::Builder::new().name(format!("bandwidth {index}"));
                let reader = reader.spawn_scoped(scope, move || match gate.recv() {
                    Ok(()) => Read::all(&vec![u64::from(index) + 1; words], barrier),
                    Err(_) => Read::default(),
                });
                (open, reader)
            })
            .unzip();
        let readers: Vec<_> = readers.into_iter().collect::<io::Result<_>>()?;
        for gate in &gates {
            let _ = gate.send(());
        }
        readers.into_iter().map(|reader| reader.join().map_err(|_panic| io::Error::other("a reader ended"))).collect()
    });
    let read = read?;
    let best = best_rate(&read, (words * 8) as u64);
    if best <= 0.0 || !best.is_finite() {
        return Err(io::Error::other("the clock did not move"));
    }
    let waited = read.iter().map(|read| read.waited).fold(0.0, f64::max);
    Ok(Rounds { bytes_per_second: best, waited })
}

/// The best round's bytes per second, where each thread read so many bytes in each round: all bytes over the time from the
/// first thread's begin to the last one's end. 0 where no round is whole.
fn best_rate(read: &[Read], bytes_each: u64) -> f64 {
    let bytes = bytes_each as f64 * read.len() as f64;
    let rounds = read.iter().map(|read| read.spans.len()).min().unwrap_or(0);
    (0..rounds)
        .filter_map(|round| {
            let spans = read.iter().filter_map(|read| read.spans.get(round));
            let (begin, end) = spans.copied().reduce(|(begin, end), next| (begin.min(next.0), end.max(next.1)))?;
            Some(bytes / end.saturating_duration_since(begin).as_secs_f64())
        })
        .fold(0.0, f64::max)
}

/// What one thread did.
#[derive(Default)]
struct Read {
    /// From when to when each round went, reader by reader.
    spans: Vec<(Instant, Instant)>,
    /// The share of its rounds in which it waited for a processor.
    waited: f64,
}

impl Read {
    /// Read the buffer in every way, some times, each time together with the other threads.
    fn all(buffer: &[u64], barrier: &Barrier) -> Self {
        let (began, before) = (Instant::now(), waited());
        let mut spans = Vec::new();
        for read in READERS {
            for _ in 0..ROUNDS {
                barrier.wait();
                let from = Instant::now();
                black_box(read(black_box(buffer)));
                spans.push((from, Instant::now()));
            }
        }
        let seconds = began.elapsed().as_secs_f64();
        let waited = before.zip(waited()).map_or(0.0, |(before, now)| now.saturating_sub(before).as_secs_f64());
        Self { spans, waited: if seconds > 0.0 { waited / seconds } else { 0.0 } }
    }
}

/// How long this thread has waited for a processor so far (the kernel's documentation, scheduler/sched-stats.rst);
/// `None` where the system doesn't tell.
fn waited() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split_ascii_whitespace().nth(1)?.parse().ok()?))
}

/// A way to sum words.
type Reader = fn(&[u64]) -> u64;

/// Those that are tried: by how many streams of addresses they follow.
const READERS: [Reader; 4] = [sum::<1>, sum::<4>, sum::<8>, sum::<16>];

/// Words of two cache lines, which are fetched together.
const STEP: usize = 16;

/// The sum of all words, read as N streams side by side.
fn sum<const N: usize>(words: &[u64]) -> u64 {
    let length = words.len() / N / STEP * STEP;
    let (streams, rest) = words.split_at_checked(length * N).unwrap_or((&[], words));
    let mut streams: [_; N] =
        std::array::from_fn(|at| streams.get(at * length..(at + 1) * length).unwrap_or_default().chunks_exact(STEP));
    let mut parts = [[0_u64; STEP]; N];
    for _ in 0..length / STEP {
        for (parts, stream) in parts.iter_mut().zip(&mut streams) {
            for (part, word) in parts.iter_mut().zip(stream.next().unwrap_or_default()) {
                *part = part.wrapping_add(*word);
            }
        }
    }
    parts.iter().flatten().chain(rest).fold(0, |sum, word| sum.wrapping_add(*word))
}

/// The largest cache that the first core sees, bytes; 0 where the system doesn't tell.
fn last_cache(files: &dyn Files) -> u64 {
    let folder = "sys/devices/system/cpu/cpu0/cache";
    let names = files.names(folder).unwrap_or_default();
    let sizes = names.iter().filter_map(|name| {
        let text = files.text(&format!("{folder}/{name}/size")).ok()?;
        let text = text.trim();
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let unit = match unit {
            "K" => 1 << 10,
            "M" => 1 << 20,
            _ => return text.parse().ok(),
        };
        number.parse::<u64>().ok()?.checked_mul(unit)
    });
    sizes.max().unwrap_or(0)
}

fn processor(files: &dyn Files) -> String {
    let cpuinfo = files.text("proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    model.map_or_else(sysinfo::System::cpu_arch, |(_, name)| label(name))
}

/// What the file holds.
#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(default)]
    version: u32,
    #[serde(flatten)]
    bandwidth: Bandwidth,
}

/// What was measured here before; `None` where nothing was, or on another processor.
pub fn kept(cache: &Path) -> Option<Bandwidth> {
    let path = cache.join(FILE);
    std::fs::metadata(&path).ok().filter(|metadata| metadata.is_file() && metadata.len() <= LONGEST)?;
    let Kept { version, bandwidth } = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    if version != VERSION {
        return None;
    }
    let is_sound = bandwidth.bytes_per_second.is_finite() && bandwidth.bytes_per_second > 0.0 && bandwidth.threads > 0;
    (is_sound && bandwidth.processor == processor(&Root("/".into()))).then_some(bandwidth)
}

/// Keep it.
///
/// # Errors
///
/// What the file system says.
pub fn keep(cache: &Path, bandwidth: &Bandwidth) -> io::Result<PathBuf> {
    let path = cache.join(FILE);
    let kept = Kept { version: VERSION, bandwidth: bandwidth.clone() };
    crate::atomic_file::replace(&path, &serde_json::to_vec_pretty(&kept)?)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_whole() {
        for count in [0_usize, 1, 15, 16, 17, 1000] {
            let words: Vec<u64> = (0..count as u64).collect();
            for read in READERS {
                assert_eq!(read(&words), words.iter().sum::<u64>(), "{count}");
            }
        }
    }

    #[test]
    fn what_was_measured_is_kept_and_what_is_broken_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("new");
        assert_eq!(kept(&cache), None);
        let bytes_per_second = rounds(2, 1 << 20).unwrap().bytes_per_second;
        assert!(bytes_per_second > 0.0);
        let processor = processor(&Root("/".into()));
        let measured = Bandwidth { bytes_per_second, threads: 2, unix: 1_764_000_000, processor };
        let path = keep(&cache, &measured).unwrap();
        let read = kept(&cache).unwrap();
        assert_eq!((read.threads, read.unix), (2, 1_764_000_000));
        assert_eq!(std::fs::read_dir(&cache).unwrap().count(), 1);
        let text = std::fs::read_to_string(&path).unwrap();
        for broken in [
            "{",
            // As an earlier version kept it, twice as much where two threads shared a core.
            &text.replace("\"version\": 2,", ""),
            &text.replace("\"threads\": 2", "\"threads\": 0"),
            &text.replace(&format!("\"processor\": \"{}", measured.processor), "\"processor\": \"another"),
            &" ".repeat(9000),
        ] {
            std::fs::write(&path, broken).unwrap();
            assert_eq!(kept(&cache), None, "{broken:.60}");
        }
    }

    /// Threads that share a core take turns: each is fast while it runs, and together they read no more than one would.
    #[test]
    fn threads_that_share_a_core_add_nothing() {
        let start = Instant::now();
        let read = |rounds: &[(u64, u64)]| {
            let at = |second| start + Duration::from_secs(second);
            Read { spans: rounds.iter().map(|(from, to)| (at(*from), at(*to))).collect(), waited: 0.0 }
        };
        for (name, threads, expected) in [
            ("one thread", vec![read(&[(0, 1)])], 100.0),
            ("two cores at once", vec![read(&[(0, 1)]), read(&[(0, 1)])], 200.0),
            ("one core in turns", vec![read(&[(0, 1)]), read(&[(1, 2)])], 100.0),
            ("one begins later", vec![read(&[(0, 2)]), read(&[(1, 3)])], 200.0 / 3.0),
            ("the best round", vec![read(&[(0, 4), (4, 5)]), read(&[(0, 4), (4, 6)])], 100.0),
            ("a round that one lacks", vec![read(&[(0, 4), (4, 5)]), read(&[(0, 4)])], 50.0),
            ("no thread", vec![], 0.0),
        ] {
            let found = best_rate(&threads, 100);
            assert!((found - expected).abs() < 1e-9, "{name}: {found} instead of {expected}");
        }
    }

    #[test]
    fn too_little_memory_is_said() {
        assert!(measure(1, Bytes(1 << 20), 0).unwrap_err().to_string().contains("1.0 MB"));
    }

    #[test]
    fn caches_are_read() {
        for (sizes, expected) in [
            (&[("index0", "32K"), ("index3", "36864K")][..], 36_864 << 10),
            (&[("index2", "2M")], 2 << 20),
            (&[("index0", "x")], 0),
            (&[], 0),
        ] {
            let folder = tempfile::tempdir().unwrap();
            for (name, size) in sizes {
                let path = folder.path().join("sys/devices/system/cpu/cpu0/cache").join(name);
                std::fs::create_dir_all(&path).unwrap();
                std::fs::write(path.join("size"), format!("{size}\n")).unwrap();
            }
            assert_eq!(last_cache(&Root(folder.path().to_owned())), expected, "{sizes:?}");
        }
    }
}
