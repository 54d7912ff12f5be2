//! What goes into the next decode call.
//!
//! Every sequence that generates adds its token. What is left of one chunk goes to prompts, in the order of their
//! arrival: so a step of those that generate takes no longer than a chunk, and a prompt is cut into the same chunks as
//! if it were alone, which gives it the same numbers. Short ones are computed together where that changes no numbers.

/// The most tokens of a text that may be cut where others end: from 64 on ggml computes attention in another order.
const MAX_SHORT: usize = 63;

/// What a sequence has to decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Need {
    /// The sequence.
    pub(super) sequence: usize,
    /// Tokens.
    pub(super) n_tokens: usize,
    /// It is one token that was drawn, not part of a text.
    pub(super) is_drawn: bool,
    /// Earlier requests have smaller numbers.
    pub(super) order: u64,
}

/// A sequence's part of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BatchPart {
    pub(super) sequence: usize,
    pub(super) n_tokens: usize,
    kind: PartKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PartKind {
    /// One token that was drawn.
    Drawn,
    /// A text that may be computed together with other such.
    Short,
    /// A chunk that is computed by itself.
    Chunk,
}

/// The parts of the next batch, in the order in which they go into it. With `joins`, the model may compute texts of several
/// sequences together and in pieces.
pub(super) fn plan(needs: &[Need], n_chunk: usize, joins: bool) -> Vec<BatchPart> {
    let (drawn, mut texts): (Vec<Need>, Vec<Need>) = needs.iter().partition(|need| need.is_drawn);
    texts.sort_unstable_by_key(|need| need.order);
    let part = |need: Need| {
        let kind = match need {
            Need { is_drawn: true, .. } => PartKind::Drawn,
            Need { n_tokens: ..=MAX_SHORT, .. } if joins => PartKind::Short,
            Need { .. } => PartKind::Chunk,
        };
        BatchPart { sequence: need.sequence, n_tokens: need.n_tokens, kind }
    };
    let mut parts: Vec<BatchPart> = drawn.into_iter().map(part).collect();
    let mut n_left = n_chunk;
    for need in texts {
        let n_tokens = need.n_tokens.min(n_chunk);
        // A smaller piece would give other chunks than the prompt has alone.
        if n_tokens <= n_left {
            n_left -= n_tokens;
            parts.push(part(Need { n_tokens, ..need }));
        }
    }
    arrange(parts)
}

/// Put the parts in an order in which llama.cpp computes the drawn tokens of neighbouring sequences at once, and each
/// chunk of a prompt by itself.
///
/// It computes together what comes in a batch as sequences with rising numbers without a gap, as many tokens of each as
/// the one with the fewest has. A chunk that followed a drawn token would be torn by that. So neighbours that generate
/// are a group, neighbours with short texts another, each chunk is one, and the groups go in by falling numbers.
fn arrange(mut parts: Vec<BatchPart>) -> Vec<BatchPart> {
    parts.sort_unstable_by_key(|part| part.sequence);
    let groups = parts.chunk_by(|one, next| {
        one.kind == next.kind && one.kind != PartKind::Chunk && one.sequence + 1 == next.sequence
    });
    let mut groups: Vec<&[BatchPart]> = groups.collect();
    groups.reverse();
    groups.concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn drawn(sequence: usize) -> Need {
        Need { sequence, n_tokens: 1, is_drawn: true, order: 0 }
    }

    fn text(sequence: usize, n_tokens: usize, order: u64) -> Need {
        Need { sequence, n_tokens, is_drawn: false, order }
    }

    #[test]
    fn batches() {
        for (name, needs, expected) in [
            ("nothing", &[][..], &[][..]),
            ("a long prompt alone", &[text(0, 200, 1)], &[(0, 64)]),
            ("a short one", &[text(0, 20, 1)], &[(0, 20)]),
            ("all generate", &[drawn(0), drawn(1), drawn(2)], &[(0, 1), (1, 1), (2, 1)]),
            ("with a gap", &[drawn(0), drawn(2), drawn(3)], &[(2, 1), (3, 1), (0, 1)]),
            ("a prompt next to them", &[drawn(0), drawn(1), text(2, 200, 1)], &[(2, 64), (0, 1), (1, 1)]),
            ("a prompt between them", &[drawn(0), text(1, 200, 1), drawn(2)], &[(2, 1), (1, 64), (0, 1)]),
            ("the earlier prompt first", &[text(0, 100, 2), text(1, 100, 1)], &[(1, 64)]),
            ("a whole chunk or none", &[text(0, 40, 1), text(1, 40, 2), text(2, 24, 3)], &[(2, 24), (0, 40)]),
            (
                "short prompts in the order of their sequences",
                &[text(0, 20, 3), text(1, 20, 2), drawn(2), text(3, 9, 1)],
                &[(3, 9), (2, 1), (0, 20), (1, 20)],
            ),
            ("a text of one token", &[drawn(0), text(1, 1, 1)], &[(1, 1), (0, 1)]),
        ] {
            let parts: Vec<_> = plan(needs, 64, true).iter().map(|part| (part.sequence, part.n_tokens)).collect();
            assert_eq!(parts, expected, "{name}");
        }
    }

    /// What llama.cpp computes at once (`llama_batch_allocr::split_equal`), as sequences and their tokens.
    fn computed(parts: &[BatchPart]) -> Vec<Vec<(usize, usize)>> {
        let mut left: Vec<(usize, usize)> = parts.iter().map(|part| (part.sequence, part.n_tokens)).collect();
        let mut all = Vec::new();
        while let Some(first) = left.iter().position(|(_, n)| *n > 0) {
            let mut together = vec![first];
            for place in first + 1..left.len() {
                let last = left[together[together.len() - 1]].0;
                if left[place].1 > 0 && left[place].0 == last + 1 {
                    together.push(place);
                }
            }
            let fewest = together.iter().map(|place| left[*place].1).min().unwrap();
            all.push(together.iter().map(|place| (left[*place].0, fewest)).collect());
            for place in together {
                left[place].1 -= fewest;
            }
        }
        all
    }

    proptest! {
        #[test]
        fn what_is_joined_is_short_or_drawn_and_the_oldest_text_goes_on(
            kinds in proptest::collection::vec(0_usize..150, 1..12),
            joins: bool,
        ) {
            let needs: Vec<Need> = kinds.iter().enumerate().filter(|(_, n)| **n > 0)
                // About half of them generate.
                .map(|(sequence, n)| if *n > 75 { drawn(sequence) } else { text(sequence, 2 * n, *n as u64) }).collect();
            let parts = plan(&needs, 64, joins);
            let n_drawn = needs.iter().filter(|need| need.is_drawn).count();
            prop_assert_eq!(parts.iter().filter(|part| part.kind == PartKind::Drawn).count(), n_drawn);
            prop_assert!(parts.iter().map(|part| part.n_tokens).sum::<usize>() <= 64 + n_drawn);
            if let Some(oldest) = needs.iter().filter(|need| !need.is_drawn).min_by_key(|need| need.order) {
                let n_tokens = oldest.n_tokens.min(64);
                let goes_on = parts.iter().any(|part| part.kind != PartKind::Drawn && part.n_tokens == n_tokens);
                prop_assert!(goes_on);
            }
            for together in computed(&parts) {
                let part = |sequence: usize| parts.iter().find(|part| part.sequence == sequence).unwrap();
                let kind = part(together[0].0).kind;
                prop_assert!(together.iter().all(|(sequence, _)| part(*sequence).kind == kind), "{:?}", together);
                prop_assert!(together.len() == 1 || kind == PartKind::Drawn || joins && kind == PartKind::Short);
                if kind != PartKind::Short {
                    prop_assert_eq!(together[0].1, part(together[0].0).n_tokens);
                }
            }
        }
    }
}
