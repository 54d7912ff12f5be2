//! Rows of the tables as what they are of, and what is said of one that can't be read.

use rusqlite::{Connection, Row};

use domain::figure::{Grade, Graded};
use domain::lab::race::rating::Vote;
use domain::record::{Body, Entry, Kind, Measured, Reading, Record, Series, letters};

use super::problem::is_damage;

/// The columns of a figure, as [`measured`] reads them.
pub(super) const FIGURE: &str = "model, hash, build, driver, settings, what, rate, spread, n, joules,
    joules_grade, joules_uncertainty";

pub(super) fn measured(row: &Row<'_>, first: usize) -> rusqlite::Result<Measured> {
    let column = |n: usize| first + n;
    Ok(Measured {
        series: Series {
            model: row.get(column(0))?,
            hash: row.get(column(1))?,
            build: row.get(column(2))?,
            driver: row.get(column(3))?,
            settings: row.get(column(4))?,
        },
        what: row.get(column(5))?,
        rate: row.get(column(6))?,
        spread: row.get(column(7))?,
        n: row.get(column(8))?,
        joules: graded(row, column(9), column(10))?,
    })
}

/// An energy by its column, with grade and uncertainty in the two from another column on.
pub(super) fn graded(row: &Row<'_>, column: usize, grade: usize) -> rusqlite::Result<Option<Graded>> {
    let word: Option<String> = row.get(grade)?;
    Ok(Graded::kept(row.get(column)?, word.as_deref(), row.get(grade + 1)?))
}

pub(super) fn figures(connection: &Connection, record: i64) -> rusqlite::Result<Vec<Measured>> {
    connection
        .prepare_cached(&format!("SELECT {FIGURE} FROM figure WHERE record = ?1 ORDER BY rowid"))?
        .query_map([record], |row| measured(row, 0))?
        .collect()
}

pub(super) fn samples(connection: &Connection, record: i64) -> rusqlite::Result<Vec<Reading>> {
    connection
        .prepare_cached(
            "SELECT after, watts, memory, celsius, mhz, busy, watts_grade FROM sample WHERE record = ?1 ORDER BY after",
        )?
        .query_map([record], |row| {
            Ok(Reading {
                after: row.get::<_, i64>(0)?.cast_unsigned(),
                watts: row.get(1)?,
                memory: row.get::<_, Option<i64>>(2)?.map(i64::cast_unsigned),
                celsius: row.get(3)?,
                mhz: row.get(4)?,
                busy: row.get(5)?,
                watts_grade: row.get::<_, Option<String>>(6)?.as_deref().and_then(Grade::from_word),
            })
        })?
        .collect()
}

/// A row of the list, or the number of a damaged one.
pub(super) fn whole_or_number(row: &Row<'_>) -> rusqlite::Result<Result<Entry, i64>> {
    match entry(row) {
        Err(error) if is_damage(&error) => row.get(0).map(Err),
        read => read.map(Ok),
    }
}

pub(super) fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let entry = Entry {
        id: row.get(0)?,
        kind: kind(row, 1)?,
        at: row.get(2)?,
        models: json(row, 3)?,
        title: row.get(4)?,
        rate: row.get(5)?,
        joules: graded(row, 6, 8)?,
        is_sealed: row.get(7)?,
    };
    Ok(if entry.is_sealed {
        Entry { models: letters(entry.models.len()), rate: None, joules: None, ..entry }
    } else {
        entry
    })
}

pub(super) fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let text: String = row.get(5)?;
    let body = Body::read(kind(row, 1)?, &text).map_err(|error| damaged(5, error.into()))?;
    Ok(Record {
        id: row.get(0)?,
        models: json(row, 3)?,
        seal: row.get(6)?,
        ..Record::new(row.get(2)?, row.get(4)?, body)
    })
}

/// The vote of a body's text; `None` where it can't be read or holds none.
pub(super) fn vote(at: i64, text: &str) -> Option<Vote> {
    Vote::of(at, &Body::read(Kind::Vote, text).ok()?.race()?.document)
}

pub(super) fn kind(row: &Row<'_>, column: usize) -> rusqlite::Result<Kind> {
    let name: String = row.get(column)?;
    Kind::from_name(&name).ok_or_else(|| damaged(column, format!("there is no kind `{name}`").into()))
}

pub(super) fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| damaged(column, error.into()))
}

pub(super) fn damaged(column: usize, error: Box<dyn std::error::Error + Send + Sync>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error)
}
