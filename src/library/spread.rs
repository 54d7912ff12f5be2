//! Spreads work over several threads.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Items that a thread takes at a time.
const CHUNK: usize = 16;
/// More threads only compete for the disk.
const MAX_THREADS: usize = 8;

/// What `work` makes of all items, in their order. It is called with a few of them at a time, on several threads where
/// there are many.
pub(super) fn spread<T: Sync, R: Send>(items: &[T], work: impl Fn(&[T]) -> Vec<R> + Sync) -> Vec<R> {
    let chunks: Vec<_> = items.chunks(CHUNK).collect();
    let n_threads = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS).min(chunks.len());
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(chunk) = chunks.get(number) else { return done };
            done.push((number, work(chunk)));
        }
    };
    let mut done = std::thread::scope(|scope| {
        let helpers: Vec<_> = (1..n_threads).map(|_| scope.spawn(take)).collect();
        let mut done = take();
        for helper in helpers {
            match helper.join() {
                Ok(more) => done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_unstable_by_key(|(number, _)| *number);
    done.into_iter().flat_map(|(_, results)| results).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_order() {
        for count in [0, 1, CHUNK, CHUNK + 1, 1000] {
            let items: Vec<_> = (0..count).collect();
            let odd = spread(&items, |chunk| chunk.iter().copied().filter(|number| number % 2 == 1).collect());
            assert_eq!(odd, (0..count).filter(|number| number % 2 == 1).collect::<Vec<_>>());
        }
    }
}
