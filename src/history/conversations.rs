//! Conversations in the history: each is one row, replaced as it changes.

use std::fmt::Write as _;

use rusqlite::types::Value as Cell;
use rusqlite::{OptionalExtension as _, Row, params, params_from_iter};

use domain::conversation::filter::{self, ConversationField};
use domain::conversation::{Conversation, ConversationEntry, ConversationKey};
use domain::filter::Asked;

use super::rows::damaged;
use super::{History, HistoryError, MAX_BODY};

/// The longest text that is searched of one conversation, in bytes: the beginning of it.
const MAX_WORDS: usize = 1 << 20;

const COLUMNS: &str = "number, key, name, title, model, model_name, created, updated, n_prompts";

impl History {
    /// Keep a conversation as it stands. A name that it was given meanwhile stays where it has none.
    pub fn put_conversation(&mut self, conversation: &Conversation) -> Result<(), HistoryError> {
        let other = |reason: String| HistoryError::Other { path: self.path().to_owned(), reason };
        let body = serde_json::to_string(conversation).map_err(|error| other(error.to_string()))?;
        if body.len() > MAX_BODY {
            return Err(other(format!("a conversation of {} bytes is longer than {MAX_BODY}", body.len())));
        }
        let entry = conversation.entry(0);
        let words = words(conversation);
        self.run(|connection| {
            let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            let values = params![
                column(entry.key),
                entry.name,
                entry.title,
                entry.model,
                entry.model_name,
                entry.created_ms,
                entry.updated_ms,
                entry.n_prompts.cast_signed(),
                words,
                body
            ];
            // An insert that gives way to an update would use up a number each time.
            let n_updated = transaction
                .prepare_cached(
                    "UPDATE conversation SET name = ifnull(?2, name), title = ?3, model = ?4, model_name = ?5, created = ?6,
                        updated = ?7, n_prompts = ?8, words = ?9, body = ?10
                     WHERE key = ?1",
                )?
                .execute(values)?;
            if n_updated == 0 {
                transaction
                    .prepare_cached(
                        "INSERT INTO conversation
                            (key, name, title, model, model_name, created, updated, n_prompts, words, body)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                    )?
                    .execute(values)?;
            }
            transaction.commit()
        })
    }

    /// Conversations that pass the filter of these words, which look through their names, models and texts: the one that was
    /// written to last first, at most so many.
    pub fn conversations(&mut self, words: &[String], rows: usize) -> Result<Vec<ConversationEntry>, HistoryError> {
        let mut condition = String::from("1");
        let mut values: Vec<Cell> = Vec::new();
        let filter = filter::parse(&words.join(" "));
        for question in filter.questions() {
            let (test, value) = match question.asked {
                // Once for both places, as the values have no numbers.
                Asked::Part(part) => (
                    "instr(words || char(10) || lower(ifnull(name, '')), ?) > 0".to_owned(),
                    Cell::from(part.to_owned()),
                ),
                Asked::Text(ConversationField::Model, part) => (
                    "instr(lower(model_name || char(10) || ifnull(model, '')), ?) > 0".to_owned(),
                    Cell::from(part.to_owned()),
                ),
                Asked::Text(_, part) => {
                    ("instr(lower(coalesce(name, title)), ?) > 0".to_owned(), Cell::from(part.to_owned()))
                }
                Asked::Number(_, comparison, number) => {
                    (format!("n_prompts {} ?", comparison.operator()), Cell::from(number))
                }
            };
            let not = if question.is_negated { "NOT " } else { "" };
            let _ = write!(condition, " AND {not}({test})");
            values.push(value);
        }
        values.push(Cell::from(i64::try_from(rows).unwrap_or(i64::MAX)));
        let sql =
            format!("SELECT {COLUMNS} FROM conversation WHERE {condition} ORDER BY updated DESC, number DESC LIMIT ?");
        self.run(|connection| connection.prepare_cached(&sql)?.query_map(params_from_iter(values), entry)?.collect())
    }

    /// A whole conversation; `None` where there is none of this key.
    pub fn conversation(&mut self, key: ConversationKey) -> Result<Option<Conversation>, HistoryError> {
        self.find_conversation("key = ?1", column(key))
    }

    /// The same by its number in the list.
    pub fn conversation_number(&mut self, number: i64) -> Result<Option<Conversation>, HistoryError> {
        self.find_conversation("number = ?1", number)
    }

    fn find_conversation(&mut self, condition: &str, value: i64) -> Result<Option<Conversation>, HistoryError> {
        let sql = format!("SELECT name, body FROM conversation WHERE {condition}");
        self.run(|connection| {
            connection
                .prepare_cached(&sql)?
                .query_row([value], |row| {
                    let text: String = row.get(1)?;
                    let read = Conversation::read(&text).map_err(|error| damaged(1, error.into()))?;
                    Ok(Conversation { name: row.get(0)?, ..read })
                })
                .optional()
        })
    }

    /// Give a conversation a name, or take it; whether there is one of this key.
    pub fn name_conversation(&mut self, key: ConversationKey, name: Option<&str>) -> Result<bool, HistoryError> {
        self.run(|connection| {
            let sql = "UPDATE conversation SET name = ?2 WHERE key = ?1";
            Ok(connection.prepare_cached(sql)?.execute(params![column(key), name])? > 0)
        })
    }

    /// Delete a conversation; whether there was one of this key.
    pub fn delete_conversation(&mut self, key: ConversationKey) -> Result<bool, HistoryError> {
        self.run(|connection| {
            let sql = "DELETE FROM conversation WHERE key = ?1";
            Ok(connection.prepare_cached(sql)?.execute([column(key)])? > 0)
        })
    }
}

/// A key as its column has it.
fn column(key: ConversationKey) -> i64 {
    key.0.cast_signed()
}

fn entry(row: &Row<'_>) -> rusqlite::Result<ConversationEntry> {
    Ok(ConversationEntry {
        number: row.get(0)?,
        key: ConversationKey(row.get::<_, i64>(1)?.cast_unsigned()),
        name: row.get(2)?,
        title: row.get(3)?,
        model: row.get(4)?,
        model_name: row.get(5)?,
        created_ms: row.get(6)?,
        updated_ms: row.get(7)?,
        n_prompts: row.get::<_, i64>(8)?.cast_unsigned(),
    })
}

/// What is searched of a conversation but its name: model and texts, in small letters.
fn words(conversation: &Conversation) -> String {
    let model = [&conversation.model.name, &conversation.model.id].into_iter().flatten();
    let texts = conversation.turns.iter().map(|turn| &turn.text);
    let mut words = String::new();
    for text in model.chain(texts) {
        let room = MAX_WORDS.saturating_sub(words.len());
        words.push_str(&text.get(..text.floor_char_boundary(room)).unwrap_or_default().to_lowercase());
        words.push('\n');
        if words.len() >= MAX_WORDS {
            break;
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::conversation::SavedTurn;
    use wire::Role;

    fn conversation(key: u64, updated_ms: i64, said: &[(Role, &str)]) -> Conversation {
        let turns =
            said.iter().map(|(role, text)| SavedTurn { role: *role, text: (*text).to_owned(), ..SavedTurn::default() });
        let turns = turns.collect();
        Conversation { key: ConversationKey(key), created_ms: 1, updated_ms, turns, ..Conversation::default() }
    }

    fn titles(history: &mut History, words: &[&str]) -> Vec<String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        history.conversations(&words, 10).unwrap().iter().map(|entry| entry.label().to_owned()).collect()
    }

    #[test]
    fn conversations_are_kept_found_named_and_deleted() {
        let home = tempfile::tempdir().unwrap();
        let mut history = History::open(&home.path().join("history.db")).unwrap();
        let whales = conversation(1, 10, &[(Role::User, "Why whales?"), (Role::Assistant, "They SING.")]);
        let mut ships = conversation(u64::MAX >> 1, 20, &[(Role::User, "Why ships?")]);
        ships.model.name = Some("Moby-8B".to_owned());
        for one in [&whales, &ships] {
            history.put_conversation(one).unwrap();
        }
        assert_eq!(titles(&mut history, &[]), ["Why ships?", "Why whales?"]);
        assert_eq!(titles(&mut history, &["why", "sing"]), ["Why whales?"], "what was answered is searched too");
        assert_eq!(titles(&mut history, &["%"]), [""; 0]);
        for (words, found) in [
            (&["-ships"][..], &["Why whales?"][..]),
            (&["name:ships"], &["Why ships?"]),
            (&["why", "-name:ships"], &["Why whales?"]),
            (&["prompts>=1", "sing"], &["Why whales?"]),
            (&["prompts>1"], &[]),
            (&["model:moby"], &["Why ships?"]),
            // Told, and otherwise ignored.
            (&["nothing:1", "sing"], &["Why whales?"]),
        ] {
            assert_eq!(titles(&mut history, words), found, "{words:?}");
        }
        assert!(history.name_conversation(whales.key, Some("The Whale")).unwrap());
        assert_eq!(titles(&mut history, &["the whale"]), ["The Whale"]);
        // It goes on in a session that does not know its name yet.
        let more = conversation(1, 30, &[(Role::User, "Why whales?"), (Role::User, "And?")]);
        history.put_conversation(&more).unwrap();
        assert_eq!(titles(&mut history, &[]), ["The Whale", "Why ships?"]);
        let numbers: Vec<i64> = history.conversations(&[], 9).unwrap().iter().map(|entry| entry.number).collect();
        assert_eq!(numbers, [1, 2], "a change uses up no number");
        let read = history.conversation(whales.key).unwrap().unwrap();
        assert_eq!((read.name.as_deref(), read.turns.len()), (Some("The Whale"), 2));
        let number = history.conversations(&[], 1).unwrap()[0].number;
        assert_eq!(history.conversation_number(number).unwrap(), Some(read));
        assert!(history.delete_conversation(whales.key).unwrap());
        assert!(!history.delete_conversation(whales.key).unwrap());
        assert_eq!(history.conversation(whales.key).unwrap(), None);
        assert_eq!(history.conversation(ships.key).unwrap(), Some(ships));
    }
}
