//! Logits as probabilities: the likeliest tokens, and how far one model's distribution is from another's.

/// The logarithm of the sum of all exponentials, in double precision; negative infinity where no logit is a number.
pub fn log_sum(logits: &[f32]) -> f64 {
    let most = logits.iter().copied().filter(|logit| !logit.is_nan()).fold(f32::NEG_INFINITY, f32::max);
    if most == f32::NEG_INFINITY {
        return f64::NEG_INFINITY;
    }
    let sum: f64 = logits.iter().filter(|logit| !logit.is_nan()).map(|logit| f64::from((logit - most).exp())).sum();
    f64::from(most) + sum.ln()
}

/// The `k` likeliest tokens with their probabilities, likeliest first; of equals the smaller token.
pub fn likeliest(logits: &[f32], k: usize) -> Vec<(i32, f32)> {
    let whole = log_sum(logits);
    let mut best: Vec<(usize, f32)> = Vec::with_capacity(k + 1);
    for (token, logit) in logits.iter().enumerate().filter(|(_, logit)| !logit.is_nan()) {
        if best.len() < k || best.last().is_some_and(|(_, least)| logit > least) {
            let place = best.partition_point(|(_, kept)| kept >= logit);
            best.insert(place, (token, *logit));
            best.truncate(k);
        }
    }
    best.into_iter().map(|(token, logit)| (token as i32, (f64::from(logit) - whole).exp() as f32)).collect()
}

/// The place of the largest number; the first of equals.
pub fn likeliest_place(numbers: &[f32]) -> usize {
    let mut best = 0;
    for (place, number) in numbers.iter().enumerate() {
        if *number > numbers[best] || numbers[best].is_nan() {
            best = place;
        }
    }
    best
}

/// Kullback and Leibler's divergence of `logits`, whose [`log_sum`] is `whole`, from a reference's log-probabilities:
/// the sum of p·(ln p − ln q) over all tokens, in nats.
pub fn divergence(reference: &[f32], logits: &[f32], whole: f64) -> f64 {
    let terms = reference.iter().zip(logits).map(|(reference, logit)| {
        let (reference, own) = (f64::from(*reference), f64::from(*logit) - whole);
        let term = reference.exp() * (reference - own);
        // Tokens with probability 0 in the reference contribute nothing.
        if term.is_nan() { 0.0 } else { term }
    });
    terms.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn probabilities_are_of_the_whole_vocabulary() {
        let logits = [0.1_f32.ln(), 0.5_f32.ln(), f32::NAN, 0.3_f32.ln(), 0.1_f32.ln()];
        let best = likeliest(&logits, 3);
        assert_eq!(best.iter().map(|(token, _)| *token).collect::<Vec<_>>(), [1, 3, 0]);
        for ((_, probability), expected) in best.iter().zip([0.5, 0.3, 0.1]) {
            assert!((probability - expected).abs() < 1e-6);
        }
        assert!(likeliest(&[], 3).is_empty());
        assert_eq!(likeliest_place(&[1.0, 3.0, 3.0]), 1);
    }

    #[test]
    fn a_divergence_known_by_hand() {
        // p = (1/2, 1/2), q = (1/4, 3/4): ½ ln 2 + ½ ln ⅔.
        let reference = [0.5_f32.ln(), 0.5_f32.ln()];
        let logits = [0.25_f32.ln(), 0.75_f32.ln()];
        let expected = 0.5 * 2.0_f64.ln() + 0.5 * (2.0_f64 / 3.0).ln();
        assert!((divergence(&reference, &logits, log_sum(&logits)) - expected).abs() < 1e-6);
        assert!(divergence(&reference, &reference, log_sum(&reference)).abs() < 1e-6);
    }

    proptest! {
        /// Gibbs: no distribution is nearer to another than to itself. A shift of all logits changes nothing.
        #[test]
        fn never_below_zero(
            pairs in proptest::collection::vec((-20.0_f32..20.0, -20.0_f32..20.0), 1..50),
            shift in -50.0_f32..50.0,
        ) {
            let (one, other): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
            let whole = log_sum(&one);
            let reference: Vec<f32> = one.iter().map(|logit| (f64::from(*logit) - whole) as f32).collect();
            let apart = divergence(&reference, &other, log_sum(&other));
            prop_assert!(apart > -1e-5, "{apart}");
            let moved: Vec<f32> = other.iter().map(|logit| logit + shift).collect();
            prop_assert!((divergence(&reference, &moved, log_sum(&moved)) - apart).abs() < 1e-3);
        }
    }
}
