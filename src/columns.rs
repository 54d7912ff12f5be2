//! How wide the columns of a table are, on the screen and on the command line.
//!
//! Owned here: the one algorithm. Where there is too little room, the least important columns go first; what is left over
//! goes to the first columns, for the first is the name. Absent: cells, and how they are drawn.

/// What a column asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// The least width at which it is of use.
    pub least: usize,
    /// The most that it can use.
    pub most: usize,
    /// When it goes: the highest first; 0 never goes.
    pub rank: u8,
}

/// The columns' widths within `room`, with `gap` between two; `None` for those that go. Where even those that never go
/// have too little room, they get their least.
pub fn widths(columns: &[Column], room: usize, gap: usize) -> Vec<Option<usize>> {
    let mut widths: Vec<_> = columns.iter().map(|column| Some(column.least)).collect();
    let needed = |widths: &[Option<usize>]| {
        let shown = widths.iter().flatten();
        shown.clone().fold(0_usize, |sum, width| sum.saturating_add(*width))
            + gap.saturating_mul(shown.count().saturating_sub(1))
    };
    while needed(&widths) > room {
        let goes = (0..columns.len())
            .filter(|&index| widths[index].is_some() && columns[index].rank > 0)
            .max_by_key(|&index| columns[index].rank);
        let Some(goes) = goes else { break };
        widths[goes] = None;
    }
    let mut spare = room.saturating_sub(needed(&widths));
    for (column, width) in columns.iter().zip(&mut widths) {
        if let Some(width) = width {
            let more = column.most.saturating_sub(*width).min(spare);
            *width += more;
            spare -= more;
        }
    }
    widths
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_least_important_go_and_the_first_grow() {
        let columns = [(6, 20, 0), (8, 8, 1), (5, 9, 2)].map(|(least, most, rank)| Column { least, most, rank });
        for (room, expected) in [
            (0, [Some(6), None, None]),
            (15, [Some(15), None, None]),
            (16, [Some(6), Some(8), None]),
            (23, [Some(6), Some(8), Some(5)]),
            (30, [Some(13), Some(8), Some(5)]),
            (39, [Some(20), Some(8), Some(7)]),
            (usize::MAX, [Some(20), Some(8), Some(9)]),
        ] {
            assert_eq!(widths(&columns, room, 2), expected, "{room}");
        }
        assert_eq!(widths(&[], 9, 2), []);
    }

    proptest! {
        #[test]
        fn they_fit_unless_those_that_stay_do_not(
            asked in prop::collection::vec((0_usize..9, 0_usize..9, 0_u8..4), 0..7),
            room in 0_usize..60,
        ) {
            let columns: Vec<_> =
                asked.iter().map(|(least, more, rank)| Column { least: *least, most: least + more, rank: *rank }).collect();
            let widths = widths(&columns, room, 2);
            let shown: Vec<usize> = widths.iter().flatten().copied().collect();
            let total = shown.iter().sum::<usize>() + 2 * shown.len().saturating_sub(1);
            for (column, width) in columns.iter().zip(&widths) {
                prop_assert!(width.is_none_or(|width| (column.least..=column.most).contains(&width)));
                prop_assert!(width.is_some() || column.rank > 0);
            }
            let only_least = columns.iter().zip(&widths).all(|(column, width)| {
                width.is_none_or(|width| width == column.least && column.rank == 0)
            });
            prop_assert!(total <= room || only_least);
        }
    }
}
