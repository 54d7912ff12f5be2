//! `taffrail ls`: all models, or those that a filter lets through.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::show::ModelView;
use super::table::{self, Column};
use crate::core::event::StoreStatus;
use crate::core::library_view;
use crate::core::model::{Model, Status};
use crate::core::state::LibrarySort;
use crate::core::units;

/// The arguments.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The filter, as on the Library screen; empty for all.
    pub filter: String,
    /// The column that sorts.
    pub sort: LibrarySort,
    /// Largest, newest, last first.
    pub reverse: bool,
    /// One JSON document instead of the table.
    pub json: bool,
    /// The terminal's width in columns; `None` where the output is none, and nothing is cut.
    pub width: Option<usize>,
    /// Seconds since 1970.
    pub now: i64,
}

const COLUMNS: [Column; 9] = [
    Column { title: "Model", right: false, least: Some(20), goes: 0 },
    Column { title: "Params", right: true, least: None, goes: 2 },
    Column { title: "Quant", right: false, least: Some(6), goes: 1 },
    Column { title: "Size", right: true, least: None, goes: 0 },
    Column { title: "Context", right: true, least: None, goes: 4 },
    Column { title: "Licence", right: false, least: Some(10), goes: 6 },
    Column { title: "Store", right: false, least: None, goes: 3 },
    Column { title: "Used", right: false, least: None, goes: 5 },
    Column { title: "Status", right: false, least: Some(10), goes: 0 },
];

/// Write the models that the filter lets through.
pub fn run(models: &[Arc<Model>], stores: &[StoreStatus], options: &Options, out: &mut impl Write) -> io::Result<()> {
    let rows = library_view::rows(models, &options.filter, options.sort, options.reverse, &HashMap::new());
    let models = rows.into_iter().map(|row| &*models[row]);
    if options.json {
        let models = models.map(ModelView::new).collect();
        let stores = stores.iter().map(StoreView::new).collect();
        serde_json::to_writer_pretty(&mut *out, &Document { schema: "taffrail/ls/1", models, stores })?;
        return writeln!(out);
    }
    let rows: Vec<_> = models.map(|model| cells(model, options.now)).collect();
    if rows.is_empty() {
        return writeln!(out, "{}", if options.filter.is_empty() { "no models" } else { "no model fits the filter" });
    }
    table::write(out, &COLUMNS, &rows, options.width)
}

/// Write what the stores could not read, a line each; for standard error.
pub fn problems(stores: &[StoreStatus], err: &mut impl Write) -> io::Result<()> {
    for (store, problem) in stores.iter().flat_map(|store| store.problems.iter().map(move |problem| (store, problem))) {
        writeln!(err, "warning: {}: {problem}", store.store.name())?;
    }
    Ok(())
}

fn cells(model: &Model, now: i64) -> Vec<String> {
    let summary = model.summary.as_ref();
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "—".to_owned());
    vec![
        model.name.clone(),
        or_dash(summary.map(|summary| units::parameters(summary.parameters))),
        or_dash(model.quant().map(str::to_owned)),
        model.size.to_string(),
        or_dash(summary.and_then(|summary| summary.context_length).map(units::tokens)),
        or_dash(summary.and_then(|summary| summary.license.clone())),
        model.store.name().to_owned(),
        or_dash(model.used.map(|used| ago(used, now))),
        match &model.status {
            Status::Runnable => "ready".to_owned(),
            status => format!("✕ {status}"),
        },
    ]
}

/// A time in the past: `today`, `2 h ago`, `3 d ago`.
pub(super) fn ago(then: i64, now: i64) -> String {
    match now.saturating_sub(then) {
        seconds if seconds < 60 => "just now".to_owned(),
        seconds => format!("{} ago", units::span(Duration::from_secs(seconds.unsigned_abs()))),
    }
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    models: Vec<ModelView<'a>>,
    stores: Vec<StoreView<'a>>,
}

#[derive(Serialize)]
struct StoreView<'a> {
    store: &'static str,
    place: &'a str,
    n_models: usize,
    problems: &'a [String],
}

impl<'a> StoreView<'a> {
    fn new(status: &'a StoreStatus) -> Self {
        let StoreStatus { store, place, n_models, problems } = status;
        Self { store: store.name(), place, n_models: *n_models, problems }
    }
}
