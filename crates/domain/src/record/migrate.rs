//! How a body of an earlier version becomes one of today's, step by step.
//!
//! Fields that a version added need no step: without them they are unknown. A step changes what a field that was there
//! means. The only place where a body is looked into by names. Bodies of versions 1 and 2 have no mark to distinguish
//! them, so a step leaves alone what is as it makes it.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::figure::{Grade, UNKNOWN};
use crate::record::kind::Kind;

/// The version of the bodies that are written: 1 had energies without a grade, 2 had a stop text as an end of its own,
/// and neither was marked; 3 had other names for what differs and what is disturbed.
pub const VERSION: u32 = 4;

/// Why a body can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is no JSON, or not of this kind.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// A newer version wrote it.
    #[error("it is of version {found}, and this program knows {VERSION} at most")]
    Newer {
        /// Its version.
        found: u32,
    },
}

/// What leads from each version to the next. A step that has shipped is never changed; the next one is added.
const STEPS: [Step; VERSION as usize - 1] = [grade_energies, unify_stops, rename_keys];

/// Changes a body of a kind.
type Step = fn(Kind, &mut Map<String, Value>);

/// The mark of a version.
#[derive(Deserialize)]
struct Mark {
    version: Option<u32>,
}

/// Whether a text is of this version, by its mark alone.
pub(super) fn is_current(text: &str) -> Result<bool, serde_json::Error> {
    Ok(serde_json::from_str::<Mark>(text)?.version == Some(VERSION))
}

/// Bring a body to this version.
pub(super) fn migrate(kind: Kind, body: &mut Value) -> Result<(), ReadError> {
    let found = Mark::deserialize(&*body)?.version.unwrap_or(1);
    if found > VERSION {
        return Err(ReadError::Newer { found });
    }
    // Whatever is no object fails where it is made a type of.
    let Value::Object(body) = body else { return Ok(()) };
    for step in STEPS.iter().skip(found.saturating_sub(1) as usize) {
        step(kind, body);
    }
    body.insert("version".to_owned(), VERSION.into());
    Ok(())
}

fn list<'a>(body: &'a mut Map<String, Value>, name: &str) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    body.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

/// From version 1: the joules of a bench had no grade, and those of a suite only with each answer, of which the worst
/// counts.
fn grade_energies(kind: Kind, body: &mut Map<String, Value>) {
    match kind {
        Kind::Bench => {
            for row in list(body, "rows") {
                row.entry("joules_grade").or_insert_with(|| UNKNOWN.into());
                for repetition in list(row, "repetitions") {
                    repetition.entry("watts_grade").or_insert_with(|| UNKNOWN.into());
                }
            }
        }
        Kind::Suite => {
            for model in list(body, "models").filter(|model| !model.contains_key("joules_grade")) {
                let answers = list(model, "answers");
                let grades = answers.map(|answer| answer.get("grade")?.as_str().and_then(Grade::from_word));
                let grades = grades.collect::<Option<Vec<Grade>>>().unwrap_or_default();
                let worst = grades.into_iter().max().map_or(UNKNOWN, Grade::word);
                model.insert("joules_grade".to_owned(), worst.into());
            }
        }
        Kind::Run | Kind::Race | Kind::Vote => {}
    }
}

/// From version 2: a stop text ended an answer as `stop_text`; now it is a `stop` with a mark.
fn unify_stops(kind: Kind, body: &mut Map<String, Value>) {
    let unify = |answer: &mut Map<String, Value>| {
        if answer.get("finish").is_some_and(|finish| finish == "stop_text") {
            answer.insert("finish".to_owned(), "stop".into());
            answer.insert("stopped_at_stop_text".to_owned(), true.into());
        }
    };
    match kind {
        Kind::Run => unify(body),
        Kind::Race | Kind::Vote => list(body, "columns").for_each(unify),
        Kind::Suite | Kind::Bench => {}
    }
}

/// From version 3: names that people of the field know.
fn rename_keys(kind: Kind, body: &mut Map<String, Value>) {
    fn rename(body: &mut Map<String, Value>, from: &str, to: &str) {
        if let Some(value) = body.remove(from) {
            body.insert(to.to_owned(), value);
        }
    }
    match kind {
        Kind::Race | Kind::Vote => {
            rename(body, "parting", "divergence");
            if let Some(Value::Object(divergence)) = body.get_mut("divergence") {
                rename(divergence, "bytes_alike", "bytes_identical");
            }
        }
        Kind::Bench => {
            rename(body, "keeps_tainted", "keeps_disturbed");
            list(body, "rows").for_each(|row| rename(row, "tainted", "disturbed"));
        }
        Kind::Run | Kind::Suite => {}
    }
}
