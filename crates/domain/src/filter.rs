//! The filter language: one for all lists, on the screen and on the command line.
//!
//! A filter is a list of words; a row passes if every word matches. A word is a part of the row's texts, a condition
//! on a field (`license:osi`, `size>50mb`, `size:>50mb`), or a bare comparison whose unit implies the field (`>7b` for
//! parameters, `<5gb` for size). `-` before a word excludes the rows that match it. An unfinished word matches every
//! row, so that nothing vanishes while it is typed; an invalid one is reported and otherwise ignored.
//!
//! Owned here: parsing a filter and reporting what is wrong with it. Absent: which fields a list has, and their values.

mod amount;

pub use amount::{Comparison, Unit};

/// What can be asked of the rows of a list.
#[derive(Debug, Clone, Copy)]
pub struct Field<F> {
    /// Which it is.
    pub field: F,
    /// What it is called, the usual name first.
    pub names: &'static [&'static str],
    /// What its values are.
    pub kind: Kind,
}

/// What the values of a field are.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Text, of which a part is asked.
    Text,
    /// One of these words, of which the beginning is asked.
    Words(&'static [&'static str]),
    /// A number.
    Number(Unit),
}

/// A row that can be asked.
pub trait Row<F> {
    /// Whether one of its texts has this part, which is in lower case.
    fn has(&self, part: &str) -> bool;
    /// Whether a field's text has this part, or is one of the words that begin so.
    fn is(&self, field: F, part: &str) -> bool;
    /// A field's value as a number; `None` if unknown.
    fn figure(&self, field: F) -> Option<f64>;
}

/// A filter that was read.
#[derive(Debug, Clone)]
pub struct Filter<F> {
    words: Vec<Word<F>>,
    problems: Vec<String>,
}

/// A word of a filter as a question.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a, F> {
    /// Whether those rows are wanted that it does not fit.
    pub is_negated: bool,
    /// What is asked.
    pub asked: Asked<'a, F>,
}

/// What a word asks.
#[derive(Debug, Clone, Copy)]
pub enum Asked<'a, F> {
    /// A part of the row's texts, in lower case.
    Part(&'a str),
    /// A part of a field's text, or the beginning of its word.
    Text(F, &'a str),
    /// A comparison.
    Number(F, Comparison, f64),
}

#[derive(Debug, Clone)]
struct Word<F> {
    is_negated: bool,
    test: Test<F>,
}

#[derive(Debug, Clone)]
enum Test<F> {
    Part(String),
    Text(F, String),
    Number(F, Comparison, f64),
    /// It has a colon, but no field is called so: a part of a name, where a row has it.
    Doubtful {
        word: String,
        problem: String,
    },
    Ignored,
}

impl<F: Copy> Filter<F> {
    /// Read a filter for a list with these fields.
    pub fn parse(text: &str, fields: &[Field<F>]) -> Self {
        let mut filter = Self { words: Vec::new(), problems: Vec::new() };
        for word in text.to_lowercase().split_whitespace() {
            let (is_negated, rest) = word.strip_prefix('-').map_or((false, word), |rest| (true, rest));
            if rest.is_empty() {
                continue;
            }
            match read_word(rest, fields) {
                Ok(asked) => filter.words.push(Word { is_negated, test: asked }),
                Err(problem) => filter.problems.push(problem),
            }
        }
        filter
    }

    /// Decide about words with a colon whose field is not known: parts of names where `any` row has them, else wrong.
    #[must_use]
    pub fn settle(mut self, any: impl Fn(&str) -> bool) -> Self {
        for word in &mut self.words {
            if let Test::Doubtful { word: text, problem } = &word.test {
                if any(text) {
                    word.test = Test::Part(text.clone());
                } else {
                    self.problems.push(problem.clone());
                    word.test = Test::Ignored;
                }
            }
        }
        self
    }

    /// Whether a row passes.
    pub fn fits(&self, row: &impl Row<F>) -> bool {
        self.words.iter().all(|word| {
            let fits = match &word.test {
                Test::Part(part) => row.has(part),
                Test::Text(field, part) => row.is(*field, part),
                Test::Number(field, comparison, number) => {
                    let Some(found) = row.figure(*field) else { return false };
                    comparison.holds(found, *number)
                }
                Test::Doubtful { .. } | Test::Ignored => return true,
            };
            fits != word.is_negated
        })
    }

    /// Its words as conditions, for callers that don't filter row by row.
    pub fn questions(&self) -> impl Iterator<Item = Question<'_, F>> {
        self.words.iter().filter_map(|Word { is_negated, test }| {
            let asked = match test {
                Test::Part(part) => Asked::Part(part),
                Test::Text(field, part) => Asked::Text(*field, part),
                Test::Number(field, comparison, number) => Asked::Number(*field, *comparison, *number),
                Test::Doubtful { .. } | Test::Ignored => return None,
            };
            Some(Question { is_negated: *is_negated, asked })
        })
    }

    /// What is wrong with it, in a sentence; `None` if it is valid.
    pub fn problem(&self) -> Option<&str> {
        self.problems.first().map(String::as_str)
    }
}

/// Read one word, without its `-`.
fn read_word<F: Copy>(word: &str, fields: &[Field<F>]) -> Result<Test<F>, String> {
    let Some((key, rest)) = word.find([':', '<', '>', '=']).and_then(|at| word.split_at_checked(at)) else {
        return Ok(Test::Part(word.to_owned()));
    };
    if key.is_empty() {
        return alone(rest, fields);
    }
    let value = rest.strip_prefix(':').unwrap_or(rest);
    let Some(field) = fields.iter().find(|field| field.names.contains(&key)) else {
        let names: Vec<_> = fields.iter().map(|field| field.names[0]).collect();
        let problem = format!("no field `{key}`; there are {}", names.join(", "));
        return if rest.starts_with(':') {
            Ok(Test::Doubtful { word: word.to_owned(), problem })
        } else {
            Err(problem)
        };
    };
    let name = field.names[0];
    match field.kind {
        Kind::Text | Kind::Words(_) if value.starts_with(['<', '>']) => {
            Err(format!("`{name}` is not a number; write {name}:WORD"))
        }
        Kind::Text | Kind::Words(_) => {
            let value = value.strip_prefix('=').unwrap_or(value);
            match field.kind {
                _ if value.is_empty() => Ok(Test::Ignored),
                Kind::Words(known) if !known.iter().any(|known| known.starts_with(value)) => {
                    Err(format!("`{name}` is one of {}", known.join(", ")))
                }
                _ => Ok(Test::Text(field.field, value.to_owned())),
            }
        }
        Kind::Number(unit) => match amount::comparison(value, unit) {
            Ok(Some((comparison, number))) => Ok(Test::Number(field.field, comparison, number)),
            Ok(None) => Ok(Test::Ignored),
            Err(()) => Err(format!("`{name}` takes {}, such as {name}>{}", unit.what(), unit.example())),
        },
    }
}

/// A comparison without a field: its unit implies the field.
fn alone<F: Copy>(text: &str, fields: &[Field<F>]) -> Result<Test<F>, String> {
    let mut is_unfinished = false;
    for wanted in [Unit::Count, Unit::Bytes] {
        let of_unit = |field: &&Field<F>| matches!(field.kind, Kind::Number(unit) if unit == wanted);
        let Some(field) = fields.iter().find(of_unit) else { continue };
        match amount::comparison(text, wanted) {
            // Without a unit it could be anything.
            Ok(Some(_)) if text.ends_with(|last: char| last.is_ascii_digit()) => is_unfinished = true,
            Ok(Some((comparison, number))) => return Ok(Test::Number(field.field, comparison, number)),
            Ok(None) => is_unfinished = true,
            Err(()) => {}
        }
    }
    let numbers: Vec<_> =
        fields.iter().filter(|field| matches!(field.kind, Kind::Number(_))).map(|field| field.names[0]).collect();
    if is_unfinished && !text.ends_with(|last: char| last.is_ascii_digit()) {
        return Ok(Test::Ignored);
    }
    Err(format!("`{text}` of what? Put {} before it", numbers.join(", ")))
}

#[cfg(test)]
mod tests;
