//! A series of readings with a fixed bound: the newest as they came, older ones as the least, mean and most of a bucket.
//!
//! Owned here: the bound, the buckets, and a window over them. Absent: what the readings are, and the time of a tick.

use std::collections::VecDeque;

/// Least, mean and most of what was read in a bucket of ticks.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Bucket {
    pub least: f32,
    pub mean: f32,
    pub most: f32,
}

/// How many points each level holds: 12 minutes of seconds, then 2.4 hours, then 28.
const POINTS: usize = 720;

/// How many points of a level make one of the next.
const FACTOR: usize = 12;

/// Readings of one quantity, one per sampling tick; `None` where a tick has no reading.
///
/// Its memory is taken once and does not grow: each level holds `POINTS` points at most.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Ring {
    /// Finest first.
    levels: Vec<Level>,
    /// All ticks ever, also those before its first reading.
    ticks: u64,
}

/// Points that each stand for `step` ticks.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
struct Level {
    step: usize,
    points: VecDeque<Packed>,
    bound: usize,
    /// The bucket that is not complete yet, and how many readings are in it.
    open: Packed,
    n_open: u16,
}

/// A bucket that is not a number where nothing was read: half the memory of an `Option`.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(into = "Option<[f32; 3]>", from = "Option<[f32; 3]>")]
struct Packed([f32; 3]);

impl From<Packed> for Option<[f32; 3]> {
    fn from(packed: Packed) -> Self {
        packed.bucket().map(|_| packed.0)
    }
}

impl From<Option<[f32; 3]>> for Packed {
    fn from(bucket: Option<[f32; 3]>) -> Self {
        bucket.map_or(Self::NOTHING, Self)
    }
}

impl Packed {
    const NOTHING: Self = Self([f32::NAN; 3]);

    fn bucket(self) -> Option<Bucket> {
        let Self([least, mean, most]) = self;
        (!mean.is_nan()).then_some(Bucket { least, mean, most })
    }
}

impl Level {
    fn new(step: usize, bound: usize) -> Self {
        Self { step, points: VecDeque::new(), bound: bound.clamp(1, POINTS), open: Packed::NOTHING, n_open: 0 }
    }

    /// Add a reading as tick number `tick`, counted from 1.
    fn push(&mut self, point: Option<f32>, tick: u64) {
        if self.points.capacity() == 0 {
            self.points.reserve_exact(self.bound);
        }
        if let Some(value) = point {
            self.n_open = self.n_open.saturating_add(1);
            self.open = match self.open.bucket() {
                None => Packed([value; 3]),
                Some(Bucket { least, mean, most }) => {
                    Packed([least.min(value), mean + (value - mean) / f32::from(self.n_open), most.max(value)])
                }
            };
        }
        if tick.is_multiple_of(self.step as u64) {
            if self.points.len() == self.bound {
                self.points.pop_front();
            }
            self.points.push_back(self.open);
            (self.open, self.n_open) = (Packed::NOTHING, 0);
        }
    }
}

impl Ring {
    /// An empty series that reaches `bound` ticks back, at least one.
    pub fn new(bound: usize) -> Self {
        let bound = bound.max(1);
        let mut levels = vec![Level::new(1, bound)];
        let mut step = 1;
        while step * POINTS < bound {
            step *= FACTOR;
            levels.push(Level::new(step, bound.div_ceil(step)));
        }
        Self { levels, ticks: 0 }
    }

    /// The same where others have seen so many ticks already: its buckets begin and end with theirs.
    #[must_use]
    pub fn since(bound: usize, ticks: u64) -> Self {
        Self { ticks, ..Self::new(bound) }
    }

    /// Add the newest reading.
    pub fn push(&mut self, point: Option<f32>) {
        let point = point.filter(|value| value.is_finite());
        self.ticks += 1;
        for level in &mut self.levels {
            level.push(point, self.ticks);
        }
    }

    /// How many ticks a point stands for where a window of `span` ticks that ends `back` ticks ago is looked at. It
    /// depends on nothing else, so that all series of one bound agree.
    pub fn step(&self, span: usize, back: usize) -> usize {
        let fits = |level: &&Level| span + back <= level.bound * level.step;
        self.levels.iter().find(fits).or(self.levels.last()).map_or(1, |level| level.step)
    }

    /// The newest points of `step` ticks over `span` ticks, oldest first: live where `back` is `None`, else as seen so
    /// many ticks ago. A bucket that is not complete shows live alone, so that what stands still does so.
    pub fn points(&self, step: usize, span: usize, back: Option<usize>) -> Vec<Option<Bucket>> {
        let Some(level) = self.levels.iter().find(|level| level.step == step) else { return Vec::new() };
        let count = span.div_ceil(step);
        let (step, ticks) = (step as u64, self.ticks);
        let dropped = back.map_or(0, |back| ticks / step - ticks.saturating_sub(back as u64) / step) as usize;
        let open = (back.is_none() && !ticks.is_multiple_of(step)).then(|| level.open.bucket());
        let end = level.points.len().saturating_sub(dropped);
        let begin = end.saturating_sub(count.saturating_sub(usize::from(open.is_some())));
        level.points.range(begin..end).map(|point| point.bucket()).chain(open).collect()
    }

    /// The newest `count` readings, oldest first, as seen `back` ticks ago.
    pub fn window(&self, count: usize, back: usize) -> impl ExactSizeIterator<Item = Option<f32>> + '_ {
        let points = &self.levels[0].points;
        let end = points.len().saturating_sub(back);
        points.range(end.saturating_sub(count)..end).map(|point| point.bucket().map(|bucket| bucket.mean))
    }

    /// The newest reading.
    pub fn last(&self) -> Option<f32> {
        Some(self.levels[0].points.back()?.bucket()?.mean)
    }

    /// How many ticks it has seen, also those before its first reading.
    pub fn ticks(&self) -> u64 {
        self.ticks
    }

    /// How many ticks it holds as they came.
    pub fn len(&self) -> usize {
        self.levels[0].points.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.levels[0].points.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn means(points: &[Option<Bucket>]) -> Vec<Option<f32>> {
        points.iter().map(|point| point.map(|bucket| bucket.mean)).collect()
    }

    #[test]
    fn keeps_the_newest_within_its_bound() {
        let mut ring = Ring::new(3);
        for value in 0..5 {
            ring.push(Some(value as f32));
        }
        ring.push(Some(f32::NAN));
        assert_eq!(ring.window(9, 0).collect::<Vec<_>>(), [Some(3.0), Some(4.0), None]);
        assert_eq!(ring.window(1, 1).collect::<Vec<_>>(), [Some(4.0)]);
        assert_eq!(ring.window(2, 9).count(), 0);
        assert_eq!((ring.len(), ring.last()), (3, None));
        assert_eq!(means(&ring.points(1, 2, Some(1))), [Some(3.0), Some(4.0)]);
    }

    #[test]
    fn a_longer_window_is_told_in_buckets() {
        let mut ring = Ring::new(86_400);
        for tick in 0..14_405_u16 {
            ring.push((tick >= 10).then_some(f32::from(tick)));
        }
        for (span, back, step) in [(60, 0, 1), (720, 0, 1), (720, 1, 12), (8_640, 0, 12), (14_400, 0, 144)] {
            assert_eq!(ring.step(span, back), step, "{span} {back}");
        }
        let live = ring.points(12, 36, None);
        assert_eq!(live[1], Some(Bucket { least: 14_388.0, mean: 14_393.5, most: 14_399.0 }));
        assert_eq!(live[2], Some(Bucket { least: 14_400.0, mean: 14_402.0, most: 14_404.0 }), "the open bucket");
        assert_eq!(live.len(), 3);
        let all = ring.points(144, 86_400, None);
        assert_eq!((all.len(), all[0].map(|bucket| bucket.least)), (101, Some(10.0)));
    }

    #[test]
    fn its_memory_is_taken_once() {
        let mut ring = Ring::new(86_400);
        ring.push(None);
        let taken: Vec<_> = ring.levels.iter().map(|level| level.points.capacity()).collect();
        for _ in 0..200_000 {
            ring.push(Some(1.0));
        }
        assert_eq!(ring.levels.iter().map(|level| level.points.capacity()).collect::<Vec<_>>(), taken);
        assert_eq!(ring.levels.iter().map(|level| level.points.len()).collect::<Vec<_>>(), taken);
    }

    proptest! {
        /// What is frozen stands still at every zoom, and a series that began later has its buckets with the others.
        #[test]
        fn frozen_windows_stand_and_series_agree(
            before in 0_u64..3_000, until in 1_u64..3_000, later in 1_usize..500, span in 1_usize..4_000,
        ) {
            let mut whole = Ring::new(10_000);
            (0..before).for_each(|_| whole.push(None));
            let mut late = Ring::since(10_000, before);
            for tick in 0..until {
                whole.push(Some(tick as f32));
                late.push(Some(tick as f32));
            }
            for step in [1, 12] {
                let still = whole.points(step, span, Some(0));
                let known = |points: &[Option<Bucket>]| means(points).into_iter().flatten().collect::<Vec<_>>();
                prop_assert_eq!(known(&still), known(&late.points(step, span, Some(0))));
                let mut moved = whole.clone();
                (0..later).for_each(|_| moved.push(Some(-1.0)));
                let room = moved.levels.iter().find(|level| level.step == step).unwrap().points.len();
                let again = moved.points(step, span, Some(later));
                if room < POINTS {
                    prop_assert_eq!(again, still);
                }
            }
        }
    }
}
