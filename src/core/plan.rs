//! Budgets: who gets how many threads, and whether one more model fits in memory.

use super::session::{Plan, SessionId};
use super::units::Bytes;

/// Why a session was not admitted, with the figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// What it would need.
    pub needed: Plan,
    /// What is left for it.
    pub free: Bytes,
    /// What the machine has available, before what the others are still to take.
    pub available: Bytes,
    /// What running sessions have been promised and do not hold yet.
    pub promised: Bytes,
    /// What is left alone.
    pub reserve: Bytes,
}

/// What a session asks of the threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Which session.
    pub session: SessionId,
    /// Threads that its settings fix; `None` takes a share.
    pub fixed: Option<u32>,
}

/// Share `limit` threads among those who work at the same time: fixed claims first, as far as the others keep one
/// each; the rest evenly, the longest-running first where it does not divide. Every one gets at least one, so with more
/// sessions than threads the sum exceeds the limit by the excess: single threads don't wait for each other, and the
/// system shares the cores among them fairly.
pub fn share_threads(limit: u32, claims: &[Claim]) -> Vec<(SessionId, u32)> {
    let mut left = limit.max(1);
    let mut waiting = claims.len() as u32;
    let mut shares: Vec<(SessionId, u32)> = claims.iter().map(|claim| (claim.session, 0)).collect();
    let mut grant = |share: &mut u32, wanted: u32, waiting: &mut u32| {
        *waiting -= 1;
        *share = wanted.min(left.saturating_sub(*waiting)).max(1);
        left = left.saturating_sub(*share);
        left
    };
    for (share, claim) in shares.iter_mut().zip(claims) {
        if let Some(fixed) = claim.fixed {
            grant(&mut share.1, fixed, &mut waiting);
        }
    }
    let mut rest = left;
    for (share, claim) in shares.iter_mut().zip(claims) {
        if claim.fixed.is_none() {
            let even = rest.div_ceil(waiting.max(1));
            waiting -= 1;
            share.1 = even.max(1);
            rest = rest.saturating_sub(share.1);
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn share(limit: u32, fixed: &[Option<u32>]) -> Vec<u32> {
        let claims: Vec<_> = fixed
            .iter()
            .enumerate()
            .map(|(index, fixed)| Claim { session: SessionId(index as u64), fixed: *fixed })
            .collect();
        share_threads(limit, &claims).into_iter().map(|(_, share)| share).collect()
    }

    #[test]
    fn shares() {
        for (limit, fixed, shares) in [
            (2, &[None][..], &[2][..]),
            (2, &[None, None], &[1, 1]),
            (8, &[None, None, None], &[3, 3, 2]),
            (8, &[Some(2), None], &[2, 6]),
            (2, &[Some(4)], &[2]),
            (4, &[Some(4), None], &[3, 1]),
            (2, &[None, None, None], &[1, 1, 1]),
            (4, &[], &[]),
        ] {
            assert_eq!(share(limit, fixed), shares, "{limit} {fixed:?}");
        }
    }

    proptest! {
        #[test]
        fn within_the_limit_and_none_starves(
            limit in 1_u32..64,
            fixed in prop::collection::vec(prop::option::of(1_u32..80), 0..12),
        ) {
            let shares = share(limit, &fixed);
            prop_assert!(shares.iter().all(|share| *share >= 1));
            let sum: u32 = shares.iter().sum();
            prop_assert!(sum <= limit.max(fixed.len() as u32));
            if !fixed.is_empty() && fixed.iter().all(Option::is_none) {
                prop_assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1);
                prop_assert_eq!(sum, limit.max(fixed.len() as u32));
            }
        }
    }
}
