//! What a few noisy measurements say: means with their uncertainty, percentiles, and whether two of them differ.

/// Mean of some values, with how far they scatter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// How many.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation (n - 1 in the denominator); `None` for a single value.
    pub deviation: Option<f64>,
}

impl Summary {
    /// Of these values; `None` of none, or where one is no number.
    pub fn of(values: &[f64]) -> Option<Self> {
        if values.is_empty() || values.iter().any(|value| !value.is_finite()) {
            return None;
        }
        let n = values.len();
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Some(Self { n, mean, deviation: (n > 1).then(|| (squares / (n - 1) as f64).sqrt()) })
    }

    /// Half the width of the 95 % confidence interval of the mean, by Student's t; `None` for a single value.
    pub fn half_width(&self) -> Option<f64> {
        Some(student_t(self.n as f64 - 1.0) * self.deviation? / (self.n as f64).sqrt())
    }
}

/// The two-sided 95 % quantile of Student's t: exact values for small whole degrees of freedom, between and beyond them
/// by the expansion of Cornish and Fisher (Abramowitz and Stegun 26.7.5), which errs by less than 0.001 from 10 on.
pub fn student_t(freedom: f64) -> f64 {
    const SMALL: [f64; 10] = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];
    const Z: f64 = 1.959_964;
    if freedom < 10.0 {
        // Downwards: fewer degrees of freedom give the wider interval, the careful side.
        return SMALL[(freedom.max(1.0) as usize).min(SMALL.len()) - 1];
    }
    let v = freedom;
    let terms = [
        (Z.powi(3) + Z) / (4.0 * v),
        (5.0 * Z.powi(5) + 16.0 * Z.powi(3) + 3.0 * Z) / (96.0 * v * v),
        (3.0 * Z.powi(7) + 19.0 * Z.powi(5) + 17.0 * Z.powi(3) - 15.0 * Z) / (384.0 * v.powi(3)),
    ];
    Z + terms.iter().sum::<f64>()
}

/// The two-sided 95 % quantile of the normal distribution.
pub const Z95: f64 = 1.959_964;

/// The interval in which a rate lies with 95 % confidence, after `passed` of `n` (Wilson 1927): unlike the usual one it
/// holds for few trials and near 0 and 1. All of 0 to 1 without any.
pub fn wilson(passed: usize, n: usize) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let (count, rate) = (n as f64, passed as f64 / n as f64);
    let middle = (rate + Z95 * Z95 / (2.0 * count)) / (1.0 + Z95 * Z95 / count);
    let spread =
        Z95 / (1.0 + Z95 * Z95 / count) * (rate * (1.0 - rate) / count + Z95 * Z95 / (4.0 * count * count)).sqrt();
    // At the ends it is exact, which rounding may miss.
    let low = if passed == 0 { 0.0 } else { (middle - spread).max(0.0) };
    (low, if passed >= n { 1.0 } else { (middle + spread).min(1.0) })
}

/// The value below which a share of the sorted values lies, between neighbours by proportion; `None` of none.
pub fn percentile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = share.clamp(0.0, 1.0) * last as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(last);
    Some(sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64))
}

/// How a measurement stands to earlier ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    /// Within the noise, or there is too little to tell.
    None,
    /// Slower by this share of the earlier mean, beyond the noise.
    Slower(f64),
    /// Faster by this share, beyond the noise.
    Faster(f64),
}

/// A smaller change is none, whatever the statistics say: nobody would act on it.
const LEAST_CHANGE: f64 = 0.01;

/// Compare a measurement with earlier ones under the same circumstances, by Welch's test at 95 %. How far the earlier
/// means lie apart counts as noise too: a machine that is not the same from day to day proves no regression.
pub fn compare(now: Summary, earlier: &[Summary]) -> Change {
    let means: Vec<f64> = earlier.iter().map(|summary| summary.mean).collect();
    let (Some(before), Some(deviation)) = (Summary::of(&means), now.deviation) else { return Change::None };
    // The variance of a mean, from the repetitions of each earlier run.
    let within: Vec<(f64, f64)> = earlier
        .iter()
        .filter_map(|summary| Some((summary.deviation?.powi(2) / summary.n as f64, summary.n as f64 - 1.0)))
        .collect();
    let between = before.deviation.map(|deviation| (deviation.powi(2), before.n as f64 - 1.0));
    let one = within.iter().copied().reduce(|a, b| if a.0 >= b.0 { a } else { b });
    let (variance_before, freedom_before) = match (one, between) {
        (Some(one), Some(between)) if between.0 > one.0 => between,
        (Some(one), _) => one,
        (None, Some(between)) => between,
        (None, None) => return Change::None,
    };
    let (variance_now, freedom_now) = (deviation.powi(2) / now.n as f64, now.n as f64 - 1.0);
    let variance = variance_now + variance_before;
    let freedom = if variance > 0.0 {
        variance.powi(2) / (variance_now.powi(2) / freedom_now + variance_before.powi(2) / freedom_before)
    } else {
        freedom_now
    };
    let difference = now.mean - before.mean;
    let share = (difference / before.mean).abs();
    if before.mean <= 0.0 || share < LEAST_CHANGE || difference.abs() <= student_t(freedom) * variance.sqrt() {
        Change::None
    } else if difference < 0.0 {
        Change::Slower(share)
    } else {
        Change::Faster(share)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (freedom, quantile) in
            [(1.0, 12.706), (4.0, 2.776), (4.9, 2.776), (10.0, 2.228), (20.0, 2.086), (30.0, 2.042), (1e6, 1.960)]
        {
            assert!((student_t(freedom) - quantile).abs() < 0.001, "{freedom}: {}", student_t(freedom));
        }
    }

    #[test]
    fn means_and_intervals() {
        assert_eq!(Summary::of(&[]), None);
        assert_eq!(Summary::of(&[1.0, f64::NAN]), None);
        let one = Summary::of(&[7.0]).unwrap();
        assert_eq!((one.mean, one.deviation, one.half_width()), (7.0, None, None));
        // 10, 12, 14: deviation 2, half-width 4.303 · 2 / √3.
        let three = Summary::of(&[10.0, 12.0, 14.0]).unwrap();
        assert!((three.half_width().unwrap() - 4.969).abs() < 0.001);
    }

    #[test]
    fn percentiles_lie_between_neighbours() {
        let sorted = [1.0, 2.0, 3.0, 4.0];
        for (share, value) in [(0.0, 1.0), (0.5, 2.5), (0.9, 3.7), (1.0, 4.0), (7.0, 4.0)] {
            assert!((percentile(&sorted, share).unwrap() - value).abs() < 1e-9);
        }
        assert_eq!(percentile(&[], 0.5), None);
    }

    #[test]
    fn changes_are_told_beyond_the_noise_only() {
        let summary = |mean, deviation| Summary { n: 5, mean, deviation: Some(deviation) };
        for (now, earlier, expected) in [
            (summary(90.0, 1.0), vec![summary(100.0, 1.0)], Change::Slower(0.1)),
            (summary(110.0, 1.0), vec![summary(100.0, 1.0)], Change::Faster(0.1)),
            // Noisy repetitions.
            (summary(90.0, 20.0), vec![summary(100.0, 1.0)], Change::None),
            // A machine that differs from day to day.
            (summary(90.0, 1.0), vec![summary(100.0, 1.0), summary(85.0, 1.0), summary(108.0, 1.0)], Change::None),
            // Too small to matter.
            (summary(99.5, 0.01), vec![summary(100.0, 0.01)], Change::None),
            (summary(90.0, 1.0), vec![], Change::None),
            (Summary { n: 1, mean: 50.0, deviation: None }, vec![summary(100.0, 1.0)], Change::None),
        ] {
            assert_eq!(compare(now, &earlier), expected, "{now:?} after {earlier:?}");
        }
    }

    proptest! {
        /// The interval holds the mean, and shifting all values shifts the mean alone.
        #[test]
        fn shifts_change_nothing_but_the_mean(values in prop::collection::vec(1.0_f64..1000.0, 2..20), by in 0.0_f64..1000.0) {
            let shifted: Vec<f64> = values.iter().map(|value| value + by).collect();
            let (one, other) = (Summary::of(&values).unwrap(), Summary::of(&shifted).unwrap());
            prop_assert!((other.mean - one.mean - by).abs() < 1e-6);
            prop_assert!((other.half_width().unwrap() - one.half_width().unwrap()).abs() < 1e-6);
        }
    }
}
