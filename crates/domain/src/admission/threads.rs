//! Who gets how many threads.

use crate::session::SessionId;

/// What a session asks of the threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadRequest {
    /// Which session.
    pub session: SessionId,
    /// Threads that its settings fix; `None` takes a share.
    pub fixed: Option<u32>,
}

/// Share `limit` threads among those who work at the same time: fixed claims first, as far as the others keep one
/// each; the rest evenly, the longest-running first where it does not divide. Every one gets at least one, so with more
/// sessions than threads the sum exceeds the limit by the excess: single threads don't wait for each other, and the
/// system shares the cores among them fairly.
pub fn share_threads(limit: u32, claims: &[ThreadRequest]) -> Vec<(SessionId, u32)> {
    let mut shares: Vec<(SessionId, u32)> = claims.iter().map(|claim| (claim.session, 1)).collect();
    // Each has one; what is over goes round.
    let mut over = limit.saturating_sub(claims.len() as u32);
    for (share, claim) in shares.iter_mut().zip(claims) {
        let more = claim.fixed.map_or(0, |fixed| fixed.saturating_sub(1)).min(over);
        share.1 += more;
        over -= more;
    }
    let mut open: u32 = claims.iter().filter(|claim| claim.fixed.is_none()).count() as u32;
    for (share, _) in shares.iter_mut().zip(claims).filter(|(_, claim)| claim.fixed.is_none()) {
        let more = over.div_ceil(open);
        share.1 += more;
        over -= more;
        open -= 1;
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
            .map(|(index, fixed)| ThreadRequest { session: SessionId(index as u64), fixed: *fixed })
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
