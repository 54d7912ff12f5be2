//! Spreads work over all cores.

use rayon::prelude::*;

/// Items that a thread takes at a time.
const CHUNK: usize = 16;

/// What `work` makes of all items, in their order. It is given a few of them at a time.
pub(super) fn spread<T: Send, R: Send>(items: Vec<T>, work: impl Fn(Vec<T>) -> Vec<R> + Sync + Send) -> Vec<R> {
    items.into_par_iter().chunks(CHUNK).flat_map_iter(work).collect()
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
