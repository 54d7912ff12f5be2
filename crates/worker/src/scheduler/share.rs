//! The time of a decode call, split over the requests that it was made for.

/// Split a time by the tokens of each part, so that the parts together are the whole. Without tokens there is nothing to
/// split it by, and no part gets any.
pub(super) fn split(whole: u64, tokens: &[usize]) -> Vec<u64> {
    let n_tokens = tokens.iter().sum::<usize>() as u128;
    let until = |n: usize| (u128::from(whole) * n as u128).checked_div(n_tokens).unwrap_or(0) as u64;
    let mut n_before = 0;
    let parts = tokens.iter().map(|n| {
        let (from, to) = (until(n_before), until(n_before + n));
        n_before += n;
        to - from
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_time_is_split_by_tokens() {
        for (whole, tokens, expected) in [
            (100, &[1][..], &[100][..]),
            (100, &[1, 1, 1], &[33, 33, 34]),
            (67, &[1, 1, 1, 64], &[1, 1, 1, 64]),
            (0, &[1, 2], &[0, 0]),
            (5, &[], &[]),
        ] {
            assert_eq!(split(whole, tokens), expected, "{whole} by {tokens:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_added(whole in any::<u64>(), tokens in proptest::collection::vec(1_usize..20_000, 1..64)) {
            let parts = split(whole, &tokens);
            prop_assert_eq!(parts.iter().map(|part| u128::from(*part)).sum::<u128>(), u128::from(whole));
            let n_tokens: usize = tokens.iter().sum();
            for (part, n) in parts.iter().zip(&tokens) {
                let exact = whole as f64 * *n as f64 / n_tokens as f64;
                prop_assert!((*part as f64 - exact).abs() <= 1.0 + exact * 1e-9, "{part} for {exact}");
            }
        }
    }
}
