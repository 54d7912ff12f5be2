//! Spreads work over several threads.

use std::sync::{Mutex, PoisonError};

/// Items that a thread takes at a time.
const CHUNK: usize = 16;
/// More threads only compete for the disk.
const MAX_THREADS: usize = 8;

/// What `work` makes of all items, in their order. It is given a few of them at a time, on several threads where there are
/// many.
pub(super) fn spread<T: Send, R: Send>(items: Vec<T>, work: impl Fn(Vec<T>) -> Vec<R> + Sync) -> Vec<R> {
    let n_chunks = items.len().div_ceil(CHUNK);
    let n_threads = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS).min(n_chunks);
    let rest = Mutex::new(items.into_iter().enumerate());
    let take = || {
        let mut done = Vec::new();
        loop {
            let mut chunk =
                rest.lock().unwrap_or_else(PoisonError::into_inner).by_ref().take(CHUNK).collect::<Vec<_>>();
            let Some((number, _)) = chunk.first() else { return done };
            let number = *number;
            done.push((number, work(chunk.drain(..).map(|(_, item)| item).collect())));
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
            let odd = spread(items, |chunk| chunk.into_iter().filter(|number| number % 2 == 1).collect());
            assert_eq!(odd, (0..count).filter(|number| number % 2 == 1).collect::<Vec<_>>());
        }
    }
}
