//! The history: an `SQLite` database in the platform's data folder.
//!
//! Owned here: the file, its schema and migrations, and what is said where it can't be used. Absent: what a record
//! means (`domain::record`), and threads: whoever must not wait keeps a [`History`] on a thread of its own.
//!
//! A file that can't be opened, is damaged, or comes from a newer version is left as it is: nothing here deletes,
//! empties or renames it.

mod conversations;
pub mod drafts;
mod export;
mod problem;
mod rows;
mod schema;
mod search;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::types::Value as Cell;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, Row, params, params_from_iter};

use domain::figure::Grade;
use domain::lab::race::rating::{MAX_VOTES, Vote};
use domain::machine::readings::MAX_READINGS;
use domain::record::{Entry, Filter, Kind, Latest, Measured, Page, Reading, Record, Series};

pub use export::{ExportError, Format};
pub use problem::HistoryError;
use problem::problem;
use rows::{FIGURE, figures, graded, json, measured, record, samples, vote, whole_or_number};
use search::{condition, index, parted, words};

/// How long a database that another process writes to is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(10);

/// The longest text of a body, in bytes: two of the longest answers, escaped.
const MAX_BODY: usize = 64 << 20;

/// Earlier measurements of a series that are compared with.
const MAX_EARLIER: usize = 30;

/// The newest records that are looked through for a short word, one after the other, before the index is asked.
const MANY: i64 = 4000;

/// The history.
#[derive(Debug)]
pub struct History {
    connection: Connection,
    path: PathBuf,
    /// Numbers of records that could not be read, until they are asked for.
    damaged: BTreeSet<i64>,
}

impl History {
    /// Open the history, and make it where there is none.
    pub fn open(path: &Path) -> Result<Self, HistoryError> {
        Self::connect(path, false)
    }

    /// Open it; alone, other processes are kept out, and no file beside it is needed to read it.
    fn connect(path: &Path, alone: bool) -> Result<Self, HistoryError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|error| HistoryError::Closed { path: path.to_owned(), reason: error.to_string() })?;
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(|error| problem(path, &error))?;
        private(path);
        if alone {
            connection.pragma_update(None, "locking_mode", "EXCLUSIVE").map_err(|error| problem(path, &error))?;
        }
        let mut history = Self { connection, path: path.to_owned(), damaged: BTreeSet::new() };
        prepare(&mut history.connection)
            .map_err(|wrong| match wrong {
                schema::Wrong::Sql(error) => problem(path, &error),
                schema::Wrong::Newer(found) => {
                    HistoryError::Newer { path: path.to_owned(), found, known: schema::VERSION }
                }
                schema::Wrong::Foreign => HistoryError::Corrupt {
                    path: path.to_owned(),
                    reason: "it is the database of another program".to_owned(),
                },
            })
            .map(|()| history)
    }

    /// Open the history only where there is one, for a command that looks.
    pub fn open_existing(path: &Path) -> Result<Option<Self>, HistoryError> {
        if !path.exists() {
            return Ok(None);
        }
        match Self::open(path) {
            // On a full disk what is there can still be read.
            Err(HistoryError::Full { .. }) => Self::connect(path, true).map(Some),
            opened => opened.map(Some),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Add a record; gives its number. All of it is there afterwards, or nothing.
    pub fn add(&mut self, record: &Record) -> Result<i64, HistoryError> {
        self.add_as(record, None)
    }

    /// Add a record that was a draft of this key, in place of one that was added under it before.
    pub fn add_draft(&mut self, record: &Record, key: &str) -> Result<i64, HistoryError> {
        self.add_as(record, Some(key))
    }

    fn add_as(&mut self, record: &Record, key: Option<&str>) -> Result<i64, HistoryError> {
        let body = record
            .body
            .to_json()
            .map_err(|error| HistoryError::Other { path: self.path.clone(), reason: error.to_string() })?;
        if body.len() > MAX_BODY {
            let reason = format!("a record of {} bytes is longer than {MAX_BODY}", body.len());
            return Err(HistoryError::Other { path: self.path.clone(), reason });
        }
        self.run(|connection| {
            let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            if let Some(key) = key {
                replace(&transaction, key)?;
            }
            // A vote has no secret, it ends one.
            let seal = record.seal.as_ref().filter(|_| record.kind() != Kind::Vote);
            // Whoever searches for a name must not find where it is hidden.
            let words = words(&record.title, if seal.is_some() { &[] } else { &record.models });
            let models = serde_json::to_string(&record.models).unwrap_or_default();
            transaction
                .prepare_cached(
                    "INSERT INTO record (at, kind, title, models, words, seal, draft) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute(params![record.at, record.kind().name(), record.title, models, words, seal, key])?;
            let id = transaction.last_insert_rowid();
            if let Some(seal) = record.seal.as_ref().filter(|_| record.kind() == Kind::Vote) {
                open_sealed(&transaction, "seal = ?1", seal)?;
            }
            transaction
                .prepare_cached("INSERT INTO body (record, text) VALUES (?1, ?2)")?
                .execute(params![id, body])?;
            index(&transaction, id, record.kind(), &words)?;
            let mut insert = transaction.prepare_cached(
                "INSERT INTO figure (record, model, hash, build, driver, settings, what, rate, spread, n,
                                     joules, joules_grade, joules_uncertainty)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            )?;
            for figure in &record.figures {
                let Series { model, hash, build, driver, settings } = &figure.series;
                insert.execute(params![
                    id,
                    model,
                    hash,
                    build,
                    driver,
                    settings,
                    figure.what,
                    figure.rate,
                    figure.spread,
                    figure.n,
                    figure.joules.map(|joules| joules.value),
                    figure.joules.and_then(|joules| joules.grade).map(Grade::word),
                    figure.joules.and_then(|joules| joules.relative)
                ])?;
            }
            drop(insert);
            let mut insert = transaction.prepare_cached(
                "INSERT OR IGNORE INTO sample (record, after, watts, memory, celsius, mhz, busy, watts_grade)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?;
            for reading in record.samples.iter().take(MAX_READINGS) {
                let Reading { after, watts, watts_grade, memory, celsius, mhz, busy } = reading;
                let grade = watts_grade.map(Grade::word);
                let memory = memory.map(u64::cast_signed);
                insert.execute(params![id, after.cast_signed(), watts, memory, celsius, mhz, busy, grade])?;
            }
            drop(insert);
            transaction.commit()?;
            Ok(id)
        })
    }

    /// A window on the records that pass the filter, newest first.
    pub fn list(&mut self, filter: &Filter, page: Page) -> Result<Vec<Entry>, HistoryError> {
        let (_, short) = parted(filter);
        if short.is_empty() {
            return self.page(filter, page, None, &[]);
        }
        // A short word that many have fills the page from the newest. One that few have has few groups of letters.
        let newest = self.run(|connection| {
            connection.query_row("SELECT ifnull(max(id), 0) FROM record", [], |row| row.get::<_, i64>(0))
        })?;
        let floor = page.before.unwrap_or(newest + 1) - MANY;
        let near = self.page(filter, page, Some(floor), &[])?;
        if near.len() == page.rows || floor <= 0 {
            return Ok(near);
        }
        let mut groups = Vec::new();
        for word in short {
            match self.run(|connection| search::groups(connection, word))? {
                Some(none) if none.is_empty() => return Ok(Vec::new()),
                Some(some) => groups.push(some),
                None => {}
            }
        }
        self.page(filter, page, None, &groups)
    }

    /// A window on the records from this number on, of which each has one of the groups for each of its short words.
    fn page(
        &mut self,
        filter: &Filter,
        page: Page,
        floor: Option<i64>,
        groups: &[Vec<String>],
    ) -> Result<Vec<Entry>, HistoryError> {
        let (from, condition, mut values) = condition(filter, page.before, floor, groups);
        values.push(Cell::from(i64::try_from(page.rows).unwrap_or(i64::MAX)));
        // The figures of the rows that show only, and of these the generation's.
        let sql = format!(
            "SELECT record.id, record.kind, record.at, record.models, record.title,
                    (SELECT rate FROM figure WHERE figure.record = record.id AND what = 'tg' AND rate IS NOT NULL LIMIT 1),
                    (SELECT joules FROM figure WHERE figure.record = record.id AND what = 'tg' AND joules IS NOT NULL LIMIT 1),
                    record.seal IS NOT NULL,
                    (SELECT joules_grade FROM figure WHERE figure.record = record.id AND what = 'tg' AND joules IS NOT NULL LIMIT 1),
                    (SELECT joules_uncertainty FROM figure WHERE figure.record = record.id AND what = 'tg' AND joules IS NOT NULL LIMIT 1)
             FROM {from} WHERE {condition} DESC LIMIT ?"
        );
        let rows: Vec<Result<Entry, i64>> = self.run(|connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            statement.query_map(params_from_iter(values), whole_or_number)?.collect()
        })?;
        let mut entries = Vec::with_capacity(rows.len());
        for row in rows {
            match row {
                Ok(entry) => entries.push(entry),
                Err(id) => {
                    self.damaged.insert(id);
                }
            }
        }
        Ok(entries)
    }

    /// How many records could not be read since [`History::take_damaged`].
    pub fn n_damaged(&self) -> usize {
        self.damaged.len()
    }

    /// The records that could not be read since this was asked last, as a sentence; the others are not affected.
    pub fn take_damaged(&mut self) -> Option<String> {
        let ids: Vec<String> = std::mem::take(&mut self.damaged).into_iter().map(|id| id.to_string()).collect();
        let what = if ids.len() == 1 { "record" } else { "records" };
        (!ids.is_empty())
            .then(|| format!("the history {}: {what} {} damaged and skipped", self.path.display(), ids.join(", ")))
    }

    /// How many records there are.
    pub fn count(&mut self) -> Result<u64, HistoryError> {
        self.run(|connection| {
            connection.query_row("SELECT count(*) FROM record", [], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
        })
    }

    /// A record in full; `None` where there is none of this number.
    pub fn get(&mut self, id: i64) -> Result<Option<Record>, HistoryError> {
        self.run(|connection| {
            let record = connection
                .prepare_cached(
                    "SELECT id, kind, at, models, title, text, seal FROM record JOIN body ON body.record = id WHERE id = ?1",
                )?
                .query_row([id], record)
                .optional()?;
            let Some(mut record) = record else { return Ok(None) };
            record.figures = figures(connection, id)?;
            record.samples = samples(connection, id)?;
            Ok(Some(if record.seal.is_some() { record.redacted() } else { record }))
        })
    }

    /// The same; one that is damaged is skipped and remembered for [`History::take_damaged`].
    pub fn get_whole(&mut self, id: i64) -> Result<Option<Record>, HistoryError> {
        match self.get(id) {
            Err(HistoryError::Damaged { .. }) => {
                self.damaged.insert(id);
                Ok(None)
            }
            read => read,
        }
    }

    /// Tell the names of a blind race without a vote; whether there was one to tell of.
    pub fn reveal(&mut self, id: i64) -> Result<bool, HistoryError> {
        self.run(|connection| {
            let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            let n_opened = open_sealed(&transaction, "seal IS NOT NULL AND id = ?1", &id)?;
            transaction.commit()?;
            Ok(n_opened > 0)
        })
    }

    /// Delete records by number; gives how many there were.
    pub fn delete(&mut self, ids: &[i64]) -> Result<usize, HistoryError> {
        self.run(|connection| {
            let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            let mut n_deleted = 0;
            for id in ids {
                transaction.prepare_cached("DELETE FROM word WHERE rowid = ?1")?.execute([id])?;
                n_deleted += transaction.prepare_cached("DELETE FROM record WHERE id = ?1")?.execute([id])?;
            }
            transaction.commit()?;
            Ok(n_deleted)
        })
    }

    /// Numbers of all records that pass the filter, newest first.
    pub fn ids(&mut self, filter: &Filter) -> Result<Vec<i64>, HistoryError> {
        let (from, condition, values) = condition(filter, None, None, &[]);
        let sql = format!("SELECT record.id FROM {from} WHERE {condition} DESC");
        self.run(|connection| {
            connection.prepare(&sql)?.query_map(params_from_iter(values), |row| row.get(0))?.collect()
        })
    }

    /// What was measured last of each model: its generation speed, and its energy where one is known.
    pub fn measured(&mut self) -> Result<Vec<(String, Latest)>, HistoryError> {
        // From model to model through the index, rather than over all rows. What a bench measured after other text or of
        // several sequences at once, by the names that its cells have, is not the speed of one answer.
        let newest = |column: &str, known: &str| {
            format!(
                "(SELECT {column} FROM figure WHERE what = 'tg' AND figure.model = name.model AND {known} IS NOT NULL
                  AND instr(settings, ' × ') = 0 AND instr(settings, ' @ d') = 0 ORDER BY record DESC LIMIT 1)"
            )
        };
        let sql = format!(
            "WITH RECURSIVE name(model) AS (
                SELECT min(model) FROM figure WHERE what = 'tg'
                UNION ALL
                SELECT (SELECT min(model) FROM figure WHERE what = 'tg' AND figure.model > name.model)
                FROM name WHERE name.model IS NOT NULL
            )
            SELECT model, {}, {}, (SELECT at FROM record WHERE id = {}), {}, {} FROM name WHERE model IS NOT NULL",
            newest("rate", "rate"),
            newest("joules", "joules"),
            newest("record", "record"),
            newest("joules_grade", "joules"),
            newest("joules_uncertainty", "joules"),
        );
        let latest = |row: &Row<'_>| -> rusqlite::Result<_> {
            Ok((row.get(0)?, Latest { rate: row.get(1)?, joules: graded(row, 2, 4)?, at: row.get(3)? }))
        };
        let found: Vec<(String, Latest)> =
            self.run(|connection| connection.prepare_cached(&sql)?.query_map([], latest)?.collect())?;
        Ok(found.into_iter().filter(|(_, latest)| latest.at.is_some()).collect())
    }

    /// The newest votes, as many as count, oldest first. One that can't be read is none.
    pub fn votes(&mut self) -> Result<Vec<Vote>, HistoryError> {
        let sql = format!(
            "SELECT at, text FROM record JOIN body ON body.record = id WHERE kind = 'vote' ORDER BY id DESC LIMIT {MAX_VOTES}"
        );
        self.run(|connection| {
            let mut votes = Vec::new();
            let mut statement = connection.prepare(&sql)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let Ok(text) = row.get_ref(1)?.as_str() else { continue };
                votes.extend(vote(row.get(0)?, text));
            }
            votes.reverse();
            Ok(votes)
        })
    }

    /// The vote of this number; `None` where the record is none.
    pub fn vote(&mut self, id: i64) -> Result<Option<Vote>, HistoryError> {
        let sql = "SELECT at, text FROM record JOIN body ON body.record = id WHERE kind = 'vote' AND id = ?1";
        self.run(|connection| {
            let kept: Option<(i64, String)> =
                connection.query_row(sql, [id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            Ok(kept.and_then(|(at, text)| vote(at, &text)))
        })
    }

    /// Earlier measurements under the same circumstances, oldest first, with their times in milliseconds since 1970;
    /// the newest `MAX_EARLIER` of them.
    pub fn earlier(&mut self, series: &Series, what: &str) -> Result<Vec<(i64, Measured)>, HistoryError> {
        let sql = format!(
            "SELECT at, {FIGURE} FROM figure JOIN record ON record.id = figure.record
             WHERE what = ?1 AND model = ?2 AND settings = ?3 AND hash = ?4 AND build = ?5 AND driver = ?6
             ORDER BY record DESC LIMIT {MAX_EARLIER}"
        );
        self.run(|connection| {
            let Series { model, hash, build, driver, settings } = series;
            let mut found: Vec<(i64, Measured)> = connection
                .prepare_cached(&sql)?
                .query_map(params![what, model, settings, hash, build, driver], |row| {
                    Ok((row.get(0)?, measured(row, 1)?))
                })?
                .collect::<Result<_, _>>()?;
            found.reverse();
            Ok(found)
        })
    }

    /// Do something with the database, and say what is wrong with it in our words.
    fn run<T>(&mut self, work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Result<T, HistoryError> {
        work(&mut self.connection).map_err(|error| problem(&self.path, &error))
    }
}

/// Prompts and answers are nobody else's business.
fn private(path: &Path) {
    {
        use std::os::unix::fs::PermissionsExt as _;
        let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600));
    }
}

/// Bring the tables to this version. Another process that makes the file at this very moment is waited for: where it
/// changes the journal's mode, `SQLite` reports that at once, whatever the patience of the connection.
#[expect(clippy::disallowed_methods, reason = "SQLite tells of no end to wait for; this is the history's own thread")]
fn prepare(connection: &mut Connection) -> Result<(), schema::Wrong> {
    let since = Instant::now();
    loop {
        match schema::prepare(connection, PATIENCE) {
            Err(schema::Wrong::Sql(error)) if is_busy(&error) && since.elapsed() < PATIENCE => {
                std::thread::sleep(PAUSE);
            }
            done => return done,
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Delete the record that was a draft of this key.
fn replace(connection: &Connection, key: &str) -> rusqlite::Result<()> {
    let id: Option<i64> =
        connection.query_row("SELECT id FROM record WHERE draft = ?1", [key], |row| row.get(0)).optional()?;
    if let Some(id) = id {
        connection.execute("DELETE FROM word WHERE rowid = ?1", [id])?;
        connection.execute("DELETE FROM record WHERE id = ?1", [id])?;
    }
    Ok(())
}

/// Break the seals of the races that a condition on a value names; gives how many.
fn open_sealed(connection: &Connection, condition: &str, value: &dyn rusqlite::ToSql) -> rusqlite::Result<usize> {
    let sealed: Vec<(i64, Kind, String, Vec<String>)> = connection
        .prepare_cached(&format!("SELECT id, kind, title, models FROM record WHERE {condition}"))?
        .query_map([value], |row| Ok((row.get(0)?, rows::kind(row, 1)?, row.get(2)?, json(row, 3)?)))?
        .collect::<Result<_, _>>()?;
    for (id, kind, title, models) in &sealed {
        let words = words(title, models);
        connection
            .prepare_cached("UPDATE record SET seal = NULL, words = ?2 WHERE id = ?1")?
            .execute(params![id, words])?;
        connection.prepare_cached("DELETE FROM word WHERE rowid = ?1")?.execute([id])?;
        index(connection, *id, *kind, &words)?;
    }
    Ok(sealed.len())
}

#[cfg(test)]
mod tests;
