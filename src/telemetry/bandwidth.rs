//! Main memory bandwidth: measured by several threads that read at once, and stored in taffrail's cache folder.
//!
//! Generating a token reads weights, so read bandwidth is measured: each thread sums a part of a buffer that is larger
//! than all caches. A core that follows a single stream of addresses is limited by latency, and the number of streams
//! it needs differs by processor, so several numbers are tried and the best one is used. The result is the total of all
//! bytes over the wall-clock time of all threads: the sum of each thread's best rate would exceed the memory bandwidth
//! if threads share a core. Nothing is measured while the processors are busy with other work. `STREAM`'s triad also
//! writes, which token generation hardly does.

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

/// The number of times that each reader reads the buffer.
const ROUNDS: u32 = 3;
/// The number of attempts on a busy machine.
const TRIES: u32 = 3;
/// If threads wait for a processor for a larger share of the time, the machine is too busy to be measured.
const BUSY: f64 = 0.15;
/// The version of the cache file. Files of other versions are ignored, because they were measured differently.
const VERSION: u32 = 2;
/// The minimum buffer size, in bytes.
const SMALLEST: u64 = 256 << 20;
/// The maximum buffer size, in bytes. A larger buffer does not change the result and takes memory from other programs.
const LARGEST: u64 = 2 << 30;
/// The buffer size as a multiple of the last-level cache, so that data cached in the previous round is negligible.
const TIMES_CACHE: u64 = 4;
/// The file, in the cache folder.
const FILE: &str = "bandwidth.json";
/// The maximum size of the cache file, in bytes.
const LONGEST: u64 = 4096;

/// Measure with this many threads. Blocks for a second or two. `available` is the memory that may be used; the buffer
/// is at most a quarter of it.
///
/// # Errors
///
/// There is too little memory for a buffer larger than the caches, or a thread can't be started.
pub fn measure(threads: u32, available: Bytes, unix: i64) -> io::Result<Bandwidth> {
    let files = Root("/".into());
    let size = (last_cache(&files).saturating_mul(TIMES_CACHE)).clamp(SMALLEST, LARGEST).min(available.0 / 4);
    if size < SMALLEST / 4 {
        return Err(io::Error::other(format!("{available} of free memory is too little for a measurement")));
    }
    // Limited to the processors that this process may use: threads that share a processor would wait for each other.
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

/// The result of reading a buffer with all threads.
struct Rounds {
    /// The highest rate of all rounds: the bytes of all threads over the time from the first thread's start to the last
    /// thread's end.
    bytes_per_second: f64,
    /// The share of the time that threads waited for a processor; 0 if the system does not report it.
    waited: f64,
}

/// Read a buffer of this size with all threads, several times.
fn rounds(threads: u32, size: u64) -> io::Result<Rounds> {
    let words = (size / u64::from(threads) / 8) as usize;
    let barrier = &Barrier::new(threads as usize);
    let read: io::Result<Vec<Read>> = std::thread::scope(|scope| {
        let (gates, readers): (Vec<_>, Vec<_>) = (0..threads)
            .map(|index| {
                // No thread starts before all exist: the barrier would wait forever for a thread that could not be
                // started.
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

/// The bytes per second of the best round if each thread reads this many bytes per round: all bytes over the time from
/// the first thread's start to the last thread's end. 0 if no round is complete.
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

/// The result of one thread.
#[derive(Default)]
struct Read {
    /// The start and end of each round, reader by reader.
    spans: Vec<(Instant, Instant)>,
    /// The share of the time in its rounds that it waited for a processor.
    waited: f64,
}

impl Read {
    /// Read the buffer with every reader, several times, in step with the other threads.
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

/// The time that this thread has waited for a processor since its start (the kernel's documentation,
/// scheduler/sched-stats.rst); `None` if the system does not report it.
fn waited() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split_ascii_whitespace().nth(1)?.parse().ok()?))
}

/// A way to sum words.
type Reader = fn(&[u64]) -> u64;

/// The readers that are tried, by their number of address streams.
const READERS: [Reader; 4] = [sum::<1>, sum::<4>, sum::<8>, sum::<16>];

/// The number of words in two cache lines, which are fetched together.
const STEP: usize = 16;

/// The sum of all words, read as N parallel streams.
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

/// The size of the largest cache of the first core, in bytes; 0 if the system does not report it.
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

/// The content of the cache file.
#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(default)]
    version: u32,
    #[serde(flatten)]
    bandwidth: Bandwidth,
}

/// The stored result for this processor; `None` if there is none.
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

/// Store a measurement.
///
/// # Errors
///
/// The error of the file system.
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
            // As stored by an earlier version: twice the bandwidth where two threads shared a core.
            &text.replace("\"version\": 2,", ""),
            &text.replace("\"threads\": 2", "\"threads\": 0"),
            &text.replace(&format!("\"processor\": \"{}", measured.processor), "\"processor\": \"another"),
            &" ".repeat(9000),
        ] {
            std::fs::write(&path, broken).unwrap();
            assert_eq!(kept(&cache), None, "{broken:.60}");
        }
    }

    /// Threads that share a core alternate: each is fast while it runs, and together they read no more than a single
    /// thread.
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
