//! `taffrail ls`: all models, or those that a filter lets through.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::sync::Arc;

use rayon::prelude::*;
use serde::Serialize;

use super::Exit;
use super::elsewhere::MachineView;
use super::failure::Failure;
use super::show::ModelView;
use super::table::{self, Column};
use crate::app::machines::{Listing, named};
use domain::alias::{self, Alias};
use domain::model::library_view::{self, Facts, LibrarySort};
use domain::model::{Model, Status, StoreStatus};
use domain::openness::{self, Card, Table};
use domain::record::Latest;
use domain::session::SessionStatus;
use domain::units;
pub(super) use domain::units::ago;

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
    /// What was measured here, by model id.
    pub measured: HashMap<String, Latest>,
    /// The sessions of the server, where one runs, and of other machines' servers.
    pub sessions: Vec<SessionStatus>,
    /// The other machines that were asked.
    pub machines: Vec<MachineView>,
    /// The user's own names for models.
    pub aliases: BTreeMap<String, Alias>,
}

/// The column that shows once something is measured.
const SPEED: &str = "tok/s";

/// The column that shows once the user has names of their own for models.
const ALIASES: &str = "Aliases";

/// The column that shows once other machines are set.
const ON: &str = "On";

const COLUMNS: [Column; 12] = [
    Column { title: "Model", right: false, least: Some(32), goes: 0 },
    Column { title: ON, right: false, least: Some(4), goes: 1 },
    Column { title: ALIASES, right: false, least: Some(8), goes: 3 },
    Column { title: "Params", right: true, least: None, goes: 2 },
    Column { title: "Quant", right: false, least: Some(6), goes: 1 },
    Column { title: "Size", right: true, least: None, goes: 0 },
    Column { title: "Context", right: true, least: None, goes: 4 },
    Column { title: "License", right: false, least: Some(10), goes: 6 },
    Column { title: "Store", right: false, least: None, goes: 3 },
    Column { title: "Used", right: false, least: None, goes: 5 },
    Column { title: SPEED, right: true, least: None, goes: 7 },
    Column { title: "Status", right: false, least: Some(10), goes: 0 },
];

/// Write the models that the filter lets through.
pub fn run(
    models: &[Arc<Model>],
    stores: &[StoreStatus],
    table: &Arc<Table>,
    options: &Options,
    out: &mut impl Write,
) -> io::Result<()> {
    let cards = cards(models, table);
    let measured = options.measured.iter().filter_map(|(model, latest)| Some((model.clone(), latest.rate?))).collect();
    let aliases = alias::by_model(models, &options.aliases);
    let aliases = |model: &Model| aliases.get(model.id.as_str()).map(Vec::as_slice).unwrap_or_default();
    let joules = options.measured.iter().filter_map(|(model, latest)| Some((model.clone(), latest.joules?))).collect();
    let live = options.sessions.iter().filter(|session| session.phase != "failed");
    let loaded = live.map(|session| session.model.clone()).collect();
    let facts = Facts { measured: &measured, joules: &joules, loaded: &loaded, openness: &cards };
    let rows = library_view::rows(models, &options.filter, options.sort, options.reverse, facts);
    let models = rows.into_iter().map(|row| (&*models[row], &*cards[&models[row].id]));
    if options.json {
        let measured = |model: &Model| options.measured.get(&model.id).copied();
        let view = |(model, card)| {
            let view = ModelView::new(model, card, measured(model));
            ListedModel { model: view, aliases: aliases(model) }
        };
        let models = models.map(view).collect();
        let stores = stores.iter().map(StoreView::new).collect();
        return crate::json::write(
            out,
            &Document {
                schema: "taffrail/ls/1",
                models,
                stores,
                machines: &options.machines,
                sessions: &options.sessions,
            },
        );
    }
    // Before anything is measured the column would be all dashes.
    let shows_speed = !measured.is_empty();
    let shows_aliases = !options.aliases.is_empty();
    let shows = |column: &Column| match column.title {
        SPEED => shows_speed,
        ALIASES => shows_aliases,
        ON => !options.machines.is_empty(),
        _ => true,
    };
    let columns: Vec<Column> = COLUMNS.into_iter().filter(shows).collect();
    let rows: Vec<_> = models
        .map(|(model, card)| {
            let speed = shows_speed.then(|| units::or_dash(measured.get(&model.id).copied().map(units::digits)));
            let session = options.sessions.iter().find(|session| session.model == model.id);
            let aliases = shows_aliases.then(|| aliases(model).join(", "));
            let mut cells = cells(model, card, (aliases, speed), session, options.now);
            if !options.machines.is_empty() {
                cells.insert(1, model.on().to_owned());
            }
            cells
        })
        .collect();
    if rows.is_empty() {
        return writeln!(
            out,
            "{}",
            if options.filter.is_empty() { "no models" } else { "no model matches the filter" }
        );
    }
    table::write(out, &columns, &rows, options.width)
}

/// Add what other machines have, by the names that it has here.
pub fn add(there: Vec<(String, Listing)>, models: &mut Vec<Arc<Model>>, sessions: &mut Vec<SessionStatus>) {
    for (machine, listing) in there {
        models.extend(listing.models);
        sessions.extend(listing.sessions.into_iter().map(|session| SessionStatus {
            name: named(&machine, &session.name),
            model: named(&machine, &session.model),
            ..session
        }));
    }
}

/// What is wrong with a filter; `None` where nothing is.
pub fn wrong_filter(filter: &str, models: &[Arc<Model>]) -> Option<Failure> {
    library_view::parse(filter, models).problem().map(|problem| Failure::new(Exit::Usage, problem))
}

/// The models' openness, by all cores: it is what takes longest after the look itself.
fn cards(models: &[Arc<Model>], table: &Arc<Table>) -> openness::Cards {
    // Each share looks through all models first.
    const LEAST: usize = 128;
    let share = models.len().div_ceil(rayon::current_num_threads()).max(LEAST);
    models.par_chunks(share).flat_map_iter(|share| openness::cards(share, models, table)).collect()
}

/// Write what the stores could not read, a line each; for standard error.
pub fn problems(stores: &[StoreStatus], err: &mut impl Write) -> io::Result<()> {
    for (store, problem) in stores.iter().flat_map(|store| store.problems.iter().map(move |problem| (store, problem))) {
        writeln!(err, "warning: {}: {problem}", store.name())?;
    }
    Ok(())
}

fn cells(
    model: &Model,
    card: &Card,
    (aliases, speed): (Option<String>, Option<String>),
    session: Option<&SessionStatus>,
    now: i64,
) -> Vec<String> {
    let summary = model.summary.as_ref();
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "—".to_owned());
    let mut cells = vec![model.name.clone()];
    cells.extend(aliases);
    cells.extend([
        or_dash(summary.map(|summary| summary.parameters).filter(|count| *count > 0).map(units::parameters)),
        or_dash(model.quant().map(str::to_owned)),
        model.size_text(),
        or_dash(summary.and_then(|summary| summary.context_length).map(units::tokens)),
        or_dash(card.licence_cell()),
        model.store_names(),
        or_dash(model.used.map(|used| ago(used, now))),
    ]);
    cells.extend(speed);
    cells.push(match &model.status {
        _ if session.is_some_and(|session| session.phase == "loading") => "loading".to_owned(),
        _ if session.is_some_and(|session| session.phase != "failed") => "loaded".to_owned(),
        Status::Runnable if model.is_doubtful() => "ready, with remarks".to_owned(),
        Status::Runnable if model.embeds_only() => "ready, for embeddings".to_owned(),
        Status::Runnable => "ready".to_owned(),
        status => format!("✕ {status}"),
    });
    cells
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    models: Vec<ListedModel<'a>>,
    stores: Vec<StoreView<'a>>,
    /// The other machines that were asked, and why some of them show nothing.
    machines: &'a [MachineView],
    /// What the server has loaded, where one runs, and what those of other machines have; their names and models begin with
    /// the machine's.
    sessions: &'a [SessionStatus],
}

#[derive(Serialize)]
struct ListedModel<'a> {
    #[serde(flatten)]
    model: ModelView<'a>,
    /// The user's own names for it, which programs may ask for as well.
    aliases: &'a [&'a str],
}

#[derive(Serialize)]
struct StoreView<'a> {
    store: &'static str,
    /// The engine's name, of `remote`.
    engine: Option<&'a str>,
    place: &'a str,
    n_models: usize,
    broken_manifests: usize,
    problems: &'a [String],
}

impl<'a> StoreView<'a> {
    fn new(status: &'a StoreStatus) -> Self {
        Self {
            store: status.store.name(),
            engine: status.engine.as_deref(),
            place: &status.place,
            n_models: status.n_models,
            broken_manifests: status.broken_manifests,
            problems: &status.problems,
        }
    }
}

#[cfg(test)]
mod tests;
