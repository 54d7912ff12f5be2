//! How the list is filtered: the index of words, and a filter as a condition on it.
//!
//! The index keeps groups of three letters. Longer words are phrases of such groups; shorter ones are looked up in the
//! list of all groups, by what those begin with.

use rusqlite::types::Value as Cell;
use rusqlite::{Connection, params};

use domain::record::{FigureQuestion, Filter, Kind, RecordFigure};

/// The shortest word that the index of words finds: it is made of groups of three characters.
const MIN_INDEXED: usize = 3;
/// The most groups of letters that the index is asked for in place of a shorter word.
const MAX_GROUPS: usize = 64;

/// What a filter looks through: title and models, in small letters.
pub(super) fn words(title: &str, models: &[String]) -> String {
    let mut words = title.to_lowercase();
    for model in models {
        words.push('\n');
        words.push_str(&model.to_lowercase());
    }
    words
}

/// Put a record's words into their index.
pub(super) fn index(connection: &Connection, id: i64, kind: Kind, words: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO word (rowid, text) VALUES (?1, ?2)")?
        .execute(params![id, format!("{}\n{words}\n\n", mark(kind))])?;
    Ok(())
}

/// The groups of three letters that begin with a shorter word; `None` where they are too many, or can't be told.
pub(super) fn groups(connection: &Connection, word: &str) -> rusqlite::Result<Option<Vec<String>>> {
    // Of other letters the index may keep another form.
    if !word.is_ascii() {
        return Ok(None);
    }
    let sql = format!("SELECT term FROM word_group WHERE term >= ?1 AND term < ?2 LIMIT {}", MAX_GROUPS + 1);
    let end = format!("{word}\u{10ffff}");
    let groups: Vec<String> =
        connection.prepare_cached(&sql)?.query_map([word, &end], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok((groups.len() <= MAX_GROUPS).then_some(groups))
}

/// How the index of words names a kind: a group of letters for private use, which no one types.
fn mark(kind: Kind) -> String {
    let letter = match kind {
        Kind::Run => '\u{e000}',
        Kind::Race => '\u{e001}',
        Kind::Vote => '\u{e002}',
        Kind::Suite => '\u{e003}',
        Kind::Bench => '\u{e004}',
    };
    String::from_iter([letter; MIN_INDEXED])
}

/// Words that are long enough for their index, and those that are not.
pub(super) fn parted(filter: &Filter) -> (Vec<&String>, Vec<&String>) {
    filter.words.iter().partition(|word| word.chars().count() >= MIN_INDEXED)
}

/// A question about a figure of the generation as a condition; what has no such figure does not pass.
fn of_figure(asked: &FigureQuestion) -> String {
    let column = match asked.figure {
        RecordFigure::Rate => "rate",
        RecordFigure::Joules => "joules",
    };
    let not = if asked.is_negated { "NOT " } else { "" };
    let figure = format!(
        "(SELECT {column} FROM figure WHERE figure.record = record.id AND what = 'tg' AND {column} IS NOT NULL LIMIT 1)"
    );
    // Of a blind race nothing is told before its vote.
    format!("record.seal IS NULL AND {not}({figure} {} ?)", asked.comparison.operator())
}

/// A filter as what is read and a condition on it, with its order and its values in order. Where there is something to
/// look up in the index of words, that leads: it gives the newest first and ends with the page.
pub(super) fn condition(
    filter: &Filter,
    before: Option<i64>,
    floor: Option<i64>,
    groups: &[Vec<String>],
) -> (&'static str, String, Vec<Cell>) {
    let (long, short) = parted(filter);
    let mut parts = Vec::new();
    let mut values = Vec::new();
    let (from, id) = if long.is_empty() && groups.is_empty() {
        if let Some(kind) = filter.kind {
            parts.push("record.kind = ?");
            values.push(Cell::from(kind.name().to_owned()));
        }
        ("record", "record.id")
    } else {
        let phrase = |word: &String| format!("\"{}\"", word.replace('"', "\"\""));
        let kind = filter.kind.map(mark);
        let words = kind.iter().chain(long).map(phrase);
        let one_of = |group: &Vec<String>| format!("({})", group.iter().map(phrase).collect::<Vec<_>>().join(" OR "));
        let all: Vec<_> = words.chain(groups.iter().map(one_of)).collect();
        parts.push("word MATCH ?");
        values.push(Cell::from(all.join(" AND ")));
        ("word CROSS JOIN record ON record.id = word.rowid", "word.rowid")
    };
    if let Some(since) = filter.since {
        parts.push("record.at >= ?");
        values.push(Cell::from(since));
    }
    for word in short {
        parts.push("instr(record.words, ?) > 0");
        values.push(Cell::from(word.clone()));
    }
    for word in &filter.not_words {
        parts.push("instr(record.words, ?) = 0");
        values.push(Cell::from(word.clone()));
    }
    for kind in &filter.not_kinds {
        parts.push("record.kind <> ?");
        values.push(Cell::from(kind.name().to_owned()));
    }
    let figures: Vec<String> = filter.figures.iter().map(of_figure).collect();
    for (asked, condition) in filter.figures.iter().zip(&figures) {
        parts.push(condition);
        values.push(Cell::from(asked.number));
    }
    let (older, newer) = (format!("{id} < ?"), format!("{id} >= ?"));
    for (bound, part) in [(before, &older), (floor, &newer)] {
        if let Some(bound) = bound {
            parts.push(part);
            values.push(Cell::from(bound));
        }
    }
    let all = if parts.is_empty() { "1".to_owned() } else { parts.join(" AND ") };
    (from, format!("{all} ORDER BY {id}"), values)
}
