//! The user's own table of what others judged of openness.

use std::sync::Arc;

use super::problem::{Origin, Problem};
use super::{read, user_file};
use crate::core::openness::{MAX_BYTES, Table};
use crate::core::settings::Library;

/// The table in force, and what is wrong with the user's own, which then is not used: the program's own stands in.
pub fn judgements(settings: &Library) -> (Arc<Table>, Option<Problem>) {
    let own = Table::embedded();
    let is_named = settings.openness.is_some();
    let beside = || Some(user_file()?.parent()?.join("openness.json"));
    let Some(path) = settings.openness.clone().or_else(beside) else { return (own, None) };
    let text = match read(&path, MAX_BYTES) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !is_named => return (own, None),
        Err(error) => {
            let hint = "the table that came with taffrail is used".to_owned();
            return (own, Some(Problem::new(Origin::whole_file(&path), format!("can't be read: {error}"), Some(hint))));
        }
    };
    match Table::parse(&text) {
        Ok(table) if table.newest() < own.newest() => {
            let what =
                format!("its newest judgements, of {}, are older than those of {}", table.newest(), own.newest());
            let hint =
                "the newer table that came with taffrail is used; remove the file, or fetch a newer one".to_owned();
            (own, Some(Problem::new(Origin::whole_file(&path), what, Some(hint))))
        }
        Ok(table) => (Arc::new(table), None),
        Err(error) => {
            let hint = "the table that came with taffrail is used until this is mended".to_owned();
            let origin = Origin::File { path, position: error.position };
            (own, Some(Problem::new(origin, error.what, Some(hint))))
        }
    }
}
