//! The requests of all sessions in one list: what a person watches, filters, sorts and cancels.
//!
//! Owned here: what is told of a request without its texts, those that have ended and left their sessions, the filter and
//! the order. Absent: the life of a request (`update::session`).

mod document;
mod ended;
mod filter;
mod row;
mod sort;

use std::cmp::Ordering;

pub use document::RequestDocument;
pub use ended::{EndedRequest, EndedRequests};
pub use filter::{FIELDS, RequestField};
pub use row::{Facts, RequestState, Row};
pub use sort::RequestSort;

use crate::request::RequestId;
use crate::session::Session;

/// Every request that is known, in no order: those of the sessions, and those that have left them.
pub fn all<'a>(sessions: &'a [Session], ended: &'a EndedRequests) -> impl Iterator<Item = Row<'a>> {
    let live =
        sessions.iter().flat_map(|session| session.requests.iter().map(move |request| Row::of(session, request)));
    live.chain(ended.rows())
}

/// The request of this name.
pub fn find<'a>(sessions: &'a [Session], ended: &'a EndedRequests, id: RequestId) -> Option<Row<'a>> {
    all(sessions, ended).find(|row| row.id == id)
}

/// The requests that the filter lets through, sorted. Figures sort largest first, and unknown ones stand last either way
/// round.
pub fn listed<'a>(
    rows: impl Iterator<Item = Row<'a>>,
    filter: &str,
    (sort, reverse): (RequestSort, bool),
    facts: Facts<'_>,
) -> Vec<Row<'a>> {
    let mut rows: Vec<Row<'a>> = rows.collect();
    let filter = filter::parse(filter, &rows);
    rows.retain(|row| filter.fits(&filter::Asked { row, facts }));
    // The newest first wherever nothing else decides.
    rows.sort_by_key(|row| std::cmp::Reverse((row.since, row.id)));
    match sort {
        RequestSort::Arrived => {
            rows.sort_by_key(|row| !row.is_open());
            if reverse {
                rows.reverse();
            }
        }
        RequestSort::Client => by(&mut rows, reverse, |row| row.client().to_lowercase()),
        RequestSort::Model => by(&mut rows, reverse, |row| row.model.to_lowercase()),
        RequestSort::State => by(&mut rows, reverse, |row| row.state),
        _ => {
            let mut keyed: Vec<_> = rows.into_iter().map(|row| (row.figure(sort, facts), row)).collect();
            keyed.sort_by(|(one, _), (other, _)| match (one, other) {
                (Some(one), Some(other)) if reverse => one.total_cmp(other),
                (Some(one), Some(other)) => other.total_cmp(one),
                (one, other) => other.is_some().cmp(&one.is_some()),
            });
            rows = keyed.into_iter().map(|(_, row)| row).collect();
        }
    }
    rows
}

/// What is wrong with a filter, in a sentence; `None` if it is valid.
pub fn filter_problem<'a>(filter: &str, rows: impl Iterator<Item = Row<'a>>) -> Option<String> {
    if filter.trim().is_empty() {
        return None;
    }
    let rows: Vec<Row<'a>> = rows.collect();
    filter::parse(filter, &rows).problem().map(str::to_owned)
}

fn by<K: Ord>(rows: &mut [Row<'_>], reverse: bool, key: impl Fn(&Row<'_>) -> K) {
    rows.sort_by(|one, other| {
        let order: Ordering = key(one).cmp(&key(other));
        if reverse { order.reverse() } else { order }
    });
}

#[cfg(test)]
mod tests;
