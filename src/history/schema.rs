//! The tables, and how a file of an earlier version becomes one of this.

use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

/// The version of the tables; a file says its own in `user_version`.
pub(super) const VERSION: i64 = MIGRATIONS.len().cast_signed() as i64;

/// Marks a file as ours, in its header: `tafr`.
const APPLICATION: i64 = 0x7461_6672;

/// What leads from each version to the next. A step that has shipped is never changed; the next one is added.
const MIGRATIONS: [&str; 6] = [
    "
    CREATE TABLE record (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL,
        kind TEXT NOT NULL,
        title TEXT NOT NULL,
        models TEXT NOT NULL,
        words TEXT NOT NULL
    ) STRICT;
    -- Apart, so that a list reads no page of it.
    CREATE TABLE body (
        record INTEGER PRIMARY KEY REFERENCES record (id) ON DELETE CASCADE,
        text TEXT NOT NULL
    ) STRICT;
    CREATE INDEX record_by_kind ON record (kind, id);
    CREATE TABLE figure (
        record INTEGER NOT NULL REFERENCES record (id) ON DELETE CASCADE,
        model TEXT NOT NULL,
        hash TEXT NOT NULL,
        build TEXT NOT NULL,
        driver TEXT NOT NULL,
        settings TEXT NOT NULL,
        what TEXT NOT NULL,
        rate REAL,
        spread REAL,
        n INTEGER NOT NULL,
        joules REAL
    ) STRICT;
    CREATE INDEX figure_by_record ON figure (record);
    CREATE INDEX figure_by_model ON figure (what, model, record);
    CREATE INDEX figure_with_rate ON figure (what, model, record) WHERE rate IS NOT NULL;
    CREATE INDEX figure_with_joules ON figure (what, model, record) WHERE joules IS NOT NULL;
    CREATE INDEX figure_by_series ON figure (what, model, settings, record);
    -- Substrings of kinds, titles and model ids, without a copy of them.
    CREATE VIRTUAL TABLE word USING fts5 (text, content = '', contentless_delete = 1, tokenize = 'trigram');
",
    // Kinds are marked by letters that nobody types, and two line ends behind the words give each of their letters a group
    // of three that begins with it, so that words of one and two letters are found through the groups' list.
    "
    ALTER TABLE record ADD COLUMN seal TEXT;
    CREATE INDEX record_by_seal ON record (seal) WHERE seal IS NOT NULL;
    DROP TABLE word;
    CREATE VIRTUAL TABLE word USING fts5 (text, content = '', contentless_delete = 1, tokenize = 'trigram');
    INSERT INTO word (rowid, text)
        SELECT id, CASE kind
            WHEN 'run' THEN char(57344, 57344, 57344)
            WHEN 'race' THEN char(57345, 57345, 57345)
            WHEN 'vote' THEN char(57346, 57346, 57346)
            WHEN 'suite' THEN char(57347, 57347, 57347)
            ELSE char(57348, 57348, 57348)
        END || char(10) || words || char(10, 10) FROM record;
    CREATE VIRTUAL TABLE word_group USING fts5vocab (word, row);
",
    "
    CREATE TABLE sample (
        record INTEGER NOT NULL REFERENCES record (id) ON DELETE CASCADE,
        after INTEGER NOT NULL,
        watts REAL,
        memory INTEGER,
        celsius REAL,
        mhz REAL,
        busy REAL,
        PRIMARY KEY (record, after)
    ) STRICT, WITHOUT ROWID;
",
    // What a record was called while it was a draft, so that it is added once.
    "
    ALTER TABLE record ADD COLUMN draft TEXT;
    CREATE UNIQUE INDEX record_by_draft ON record (draft) WHERE draft IS NOT NULL;
",
    // How sure an energy is, by its grade's word and its relative standard uncertainty. What was kept before has neither.
    "
    ALTER TABLE figure ADD COLUMN joules_grade TEXT;
    ALTER TABLE figure ADD COLUMN joules_uncertainty REAL;
    ALTER TABLE sample ADD COLUMN watts_grade TEXT;
",
    // Conversations, each a row that is replaced as it changes. What is long stands at the end, so that a list reads no page
    // of it.
    "
    CREATE TABLE conversation (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        key INTEGER NOT NULL UNIQUE,
        name TEXT,
        title TEXT NOT NULL,
        model TEXT NOT NULL,
        model_name TEXT NOT NULL,
        created INTEGER NOT NULL,
        updated INTEGER NOT NULL,
        n_prompts INTEGER NOT NULL,
        words TEXT NOT NULL,
        body TEXT NOT NULL
    ) STRICT;
    CREATE INDEX conversation_by_update ON conversation (updated);
",
];

/// What is wrong with a file.
pub(super) enum Wrong {
    Sql(rusqlite::Error),
    /// Of this version, newer than ours.
    Newer(i64),
    /// Of another program.
    Foreign,
}

impl From<rusqlite::Error> for Wrong {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// Bring the tables to this version. A file that is not ours, or newer, is only read.
pub(super) fn prepare(connection: &mut Connection, patience: Duration) -> Result<(), Wrong> {
    connection.busy_timeout(patience)?;
    let number = |connection: &Connection, name: &str| {
        connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0))
    };
    let n_tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if n_tables > 0 && number(connection, "application_id")? != APPLICATION {
        return Err(Wrong::Foreign);
    }
    let found = number(connection, "user_version")?;
    if found > VERSION {
        return Err(Wrong::Newer(found));
    }
    // Readers and a writer don't wait for each other. File systems that can't do it keep the old way.
    let _mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(32);
    if found < VERSION {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another process may have done it meanwhile.
        let now = number(&transaction, "user_version")?;
        for step in MIGRATIONS.iter().skip(usize::try_from(now).unwrap_or(0)) {
            transaction.execute_batch(step)?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Make a file as the first version made it, with some rows.
#[cfg(test)]
pub(super) fn make_first(path: &std::path::Path, rows: &str) {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch(MIGRATIONS[0]).unwrap();
    connection.execute_batch(rows).unwrap();
    connection.pragma_update(None, "application_id", APPLICATION).unwrap();
    connection.pragma_update(None, "user_version", 1).unwrap();
}
