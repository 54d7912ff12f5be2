//! A series of readings with a fixed bound: the newest push out the oldest.

use std::collections::VecDeque;

/// Readings of one quantity, one per sampling tick; `None` where a tick has no reading.
#[derive(Debug, Clone, PartialEq)]
pub struct Ring {
    points: VecDeque<Option<f32>>,
    bound: usize,
}

impl Ring {
    /// An empty series that holds `bound` readings at most, at least one.
    pub fn new(bound: usize) -> Self {
        Self { points: VecDeque::new(), bound: bound.max(1) }
    }

    /// Add the newest reading.
    pub fn push(&mut self, point: Option<f32>) {
        if self.points.len() == self.bound {
            self.points.pop_front();
        }
        self.points.push_back(point.filter(|value| value.is_finite()));
    }

    /// The newest `count` readings, oldest first, as seen `back` ticks ago.
    pub fn window(&self, count: usize, back: usize) -> impl ExactSizeIterator<Item = Option<f32>> + '_ {
        let end = self.points.len().saturating_sub(back);
        self.points.range(end.saturating_sub(count)..end).copied()
    }

    /// The newest reading.
    pub fn last(&self) -> Option<f32> {
        self.points.back().copied().flatten()
    }

    /// How many ticks it holds.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(ring.len(), 3);
    }
}
