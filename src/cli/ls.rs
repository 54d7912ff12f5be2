//! `taffrail ls`: all models, or those that a filter lets through.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::sync::Arc;

use rayon::prelude::*;
use serde::Serialize;

use super::Exit;
use super::failure::Failure;
use super::show::ModelView;
use super::table::{self, Column};
use crate::app::socket::SessionStatus;
use domain::alias::{self, Alias};
use domain::model::library_view::{self, Facts, LibrarySort};
use domain::model::{Model, Status, StoreStatus};
use domain::openness::{self, Card, Table};
use domain::record::Latest;
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
    /// The server's sessions, where one runs.
    pub sessions: Vec<SessionStatus>,
    /// The user's own names for models.
    pub aliases: BTreeMap<String, Alias>,
}

/// The column that shows once something is measured.
const SPEED: &str = "tok/s";

/// The column that shows once the user has names of their own for models.
const ALIASES: &str = "Aliases";

const COLUMNS: [Column; 11] = [
    Column { title: "Model", right: false, least: Some(32), goes: 0 },
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
            &Document { schema: "taffrail/ls/1", models, stores, sessions: &options.sessions },
        );
    }
    // Before anything is measured the column would be all dashes.
    let shows_speed = !measured.is_empty();
    let shows_aliases = !options.aliases.is_empty();
    let shows = |column: &Column| match column.title {
        SPEED => shows_speed,
        ALIASES => shows_aliases,
        _ => true,
    };
    let columns: Vec<Column> = COLUMNS.into_iter().filter(shows).collect();
    let rows: Vec<_> = models
        .map(|(model, card)| {
            let speed = shows_speed.then(|| units::or_dash(measured.get(&model.id).copied().map(units::digits)));
            let session = options.sessions.iter().find(|session| session.model == model.id);
            let aliases = shows_aliases.then(|| aliases(model).join(", "));
            cells(model, card, (aliases, speed), session, options.now)
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
        writeln!(err, "warning: {}: {problem}", store.store.name())?;
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
    /// What the server has loaded, where one runs.
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
    place: &'a str,
    n_models: usize,
    broken_manifests: usize,
    problems: &'a [String],
}

impl<'a> StoreView<'a> {
    fn new(status: &'a StoreStatus) -> Self {
        let StoreStatus { store, place, n_models, broken_manifests, problems } = status;
        Self { store: store.name(), place, n_models: *n_models, broken_manifests: *broken_manifests, problems }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::cli::show;
    use domain::model::{Format, ModelFile, Store};
    use domain::openness::Openness;
    use domain::units::Bytes;

    const NOW: i64 = 1_800_000_000;

    fn library() -> (Vec<Arc<Model>>, Vec<StoreStatus>) {
        let bytes = gguf::testing::Builder::tiny_llama()
            .without("llama.context_length")
            .u32("llama.context_length", 20_000)
            .string("general.license", "apache-2.0")
            .string("general.size_label", "8B")
            .string("general.quantized_by", "some\u{1b}[31mone")
            .u32("general.base_model.count", 1)
            .string("general.base_model.0.organization", "Qwen")
            .string("general.base_model.0.name", "Qwen3 8B Base")
            .f32("general.sampling.temp", 0.5)
            .build();
        let summary = gguf::Header::read(&bytes[..]).unwrap().summary();
        let file = |path: &str, size| ModelFile {
            path: PathBuf::from(path),
            size: Bytes(size),
            modified: NOW - 86_400,
            digest: None,
        };
        let whole = Model {
            id: "hf:Qwen/Qwen3-8B-GGUF/Qwen3-8B-Q4_K_M.gguf".to_owned(),
            name: "Qwen3-8B-Q4_K_M".to_owned(),
            store: Store::HuggingFace,
            repository: Some("Qwen/Qwen3-8B-GGUF".to_owned()),
            files: vec![file("/hub/one\u{1b}[2J.gguf", 5_000_000_000), file("/hub/two.gguf", 27_800_000)],
            size: Bytes(5_027_800_000),
            status: Status::Runnable,
            used: Some(NOW - 7200),
            summary: Some(summary),
            note: Some("a note".to_owned()),
            format: Format::Gguf,
            card: None,
            overridden: None,
            tried: None,
            also: Vec::new(),
            machine: None,
            remote: None,
        };
        let broken = Model {
            id: "folder:/models/broken.gguf".to_owned(),
            name: "broken".to_owned(),
            store: Store::Folder,
            repository: None,
            files: vec![file("/models/broken.gguf", 7)],
            size: Bytes(7),
            status: Status::Damaged("cut off at tensor 131 of 272".to_owned()),
            used: None,
            summary: None,
            note: None,
            format: Format::Gguf,
            card: None,
            overridden: None,
            tried: None,
            also: Vec::new(),
            machine: None,
            remote: None,
        };
        let store = |store, place: &str, problems: &[&str]| StoreStatus {
            store,
            place: place.to_owned(),
            n_models: 1,
            broken_manifests: 0,
            problems: problems.iter().map(|&problem| problem.to_owned()).collect(),
        };
        let stores = vec![
            store(Store::HuggingFace, "/hub", &[]),
            store(Store::Folder, "/models", &["/models/locked: permission denied"]),
        ];
        (vec![Arc::new(whole), Arc::new(broken)], stores)
    }

    fn listed(change: impl FnOnce(&mut Options)) -> String {
        let mut options = Options { now: NOW, ..Options::default() };
        change(&mut options);
        let (models, stores) = library();
        let mut out = Vec::new();
        run(&models, &stores, &Table::embedded(), &options, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn shown(model: usize, json: bool) -> String {
        let mut out = Vec::new();
        let models = library().0;
        let mut domain = domain::Domain::new(domain::settings::Settings::default());
        domain.library.openness =
            Openness { cards: openness::cards(&models, &models, &Table::embedded()), ..Openness::default() };
        show::run(&domain, &models[model], json, NOW, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_table() {
        insta::assert_snapshot!(listed(|_| ()), @r#"
        Model            Params  Quant    Size  Context  License     Store   Used     Status
        broken                —  —         7 B        —  —           folder  —        ✕ cut off at tensor 131 of 272
        Qwen3-8B-Q4_K_M  20.6 k  F32    5.0 GB      20k  apache-2.0  hf      2 h ago  ready
        "#);
        insta::assert_snapshot!(listed(|options| options.width = Some(80)), @r#"
        Model            Params  Quant    Size  Context  Store   Used     Status
        broken                —  —         7 B        —  folder  —        ✕ cut off at …
        Qwen3-8B-Q4_K_M  20.6 k  F32    5.0 GB      20k  hf      2 h ago  ready
        "#);
        insta::assert_snapshot!(listed(|options| options.width = Some(50)), @r#"
        Model            Params  Quant    Size  Status
        broken                —  —         7 B  ✕ cut off…
        Qwen3-8B-Q4_K_M  20.6 k  F32    5.0 GB  ready
        "#);
        insta::assert_snapshot!(listed(|options| options.filter = "is:damaged".to_owned()), @r#"
        Model   Params  Quant  Size  Context  License  Store   Used  Status
        broken       —  —       7 B        —  —        folder  —     ✕ cut off at tensor 131 of 272
        "#);
        insta::assert_snapshot!(listed(|options| options.filter = "zebra".to_owned()), @"no model matches the filter");
        let mut err = Vec::new();
        problems(&library().1, &mut err).unwrap();
        insta::assert_snapshot!(String::from_utf8(err).unwrap(), @"warning: folder: /models/locked: permission denied");
    }

    #[test]
    fn names_of_the_users_own_are_listed() {
        let alias = |model: &str| Alias { model: model.to_owned(), ..Alias::default() };
        let aliases = [("coder", "qwen3-8b-q4_k_m"), ("chat", "Qwen3-8B-Q4_K_M"), ("lost", "gone")];
        let aliases: BTreeMap<String, Alias> =
            aliases.map(|(name, model)| (name.to_owned(), alias(model))).into_iter().collect();
        let text = listed(|options| options.aliases = aliases.clone());
        assert!(
            text.lines().next().is_some_and(|head| head.starts_with("Model            Aliases      Params")),
            "{text}"
        );
        assert!(text.contains("Qwen3-8B-Q4_K_M  chat, coder"), "{text}");
        let document = listed(|options| (options.aliases, options.json) = (aliases, true));
        let document: serde_json::Value = serde_json::from_str(&document).unwrap();
        let names = |model: usize| document["models"][model]["aliases"].to_string();
        assert_eq!((names(0), names(1)), ("[]".to_owned(), r#"["chat","coder"]"#.to_owned()));
    }

    #[test]
    fn one_model() {
        insta::assert_snapshot!(shown(0, false), @r#"
        Qwen3-8B-Q4_K_M
          a note

        Model
          id                 hf:Qwen/Qwen3-8B-GGUF/Qwen3-8B-Q4_K_M.gguf
          status             ready
          store              hf
          repository         Qwen/Qwen3-8B-GGUF
          size               5.0 GB
          last used          2 h ago

        Measured here
          generation         —, `taffrail bench` measures it

        Openness
          declared           apache-2.0, OSI-approved (the file's header)
          inherited          apache-2.0, OSI-approved, from Qwen/Qwen3 8B Base (by https://huggingface.co/Qwen/Qwen3-8B)
          judged             MOT, 2026-05-11
          weights            ● open
          data               · not assessed
          training code      · not assessed
          evaluation         ◐ partial
          report             ◐ partial
          MOT                matched by family qwen3; judged there: Qwen/Qwen3-14B-Base
          OSAI Index         not assessed: European Open Source AI Index, 2026-06-12, does not know it
          Model Openness Tool, MIT, https://mot.isitopen.ai/: LF AI & Data, Model Openness Tool (Model Openness Framework 1.0). Copyright 2024 The Model Openness Tool Authors

        Contents
          name               Tiny
          family             qwen
          architecture       llama
          parameters         20.6 k (20640)
          size label         8B
          quantization       F32, 32.00 bits per weight
          quantized by       some[31mone
          context            20k trained (20000 tokens)
          attention          GQA
          layers             2
          embedding          32
          heads              4, 2 for keys and values
          vocabulary         64
          tokenizer          gpt2
          chat template      none: completion only
          license            apache-2.0
          made from          Qwen/Qwen3 8B Base

        Sampling defaults
          temperature        0.5

        Tensor types
          type  tensors  parameters     size
          F32        20      20.6 k  82.6 kB

        Memory, estimated: KV cache, and with weights, compute buffers and the program
          context  KV f16    total  KV q8_0    total  KV q4_0    total
          4096     524 kB  16.7 MB   557 kB  16.7 MB   295 kB  16.5 MB
          8192     1.0 MB  21.4 MB   1.1 MB  21.5 MB   590 kB  20.9 MB
          16384    2.1 MB  30.8 MB   2.2 MB  31.0 MB   1.2 MB  29.9 MB
          20000    2.6 MB  35.3 MB   2.8 MB  35.4 MB   1.5 MB  34.1 MB

        Files
            5.0 GB    24 h ago  /hub/one[2J.gguf
           27.8 MB    24 h ago  /hub/two.gguf
        "#);
        insta::assert_snapshot!(shown(1, false), @r#"
        broken

        Model
          id                 folder:/models/broken.gguf
          status             cut off at tensor 131 of 272
          store              folder
          size               7 B
          last used          —, not recorded by the file system

        Remarks
          can be tried       `--force` tries it anyway, in a worker of its own

        Openness
          declared           no known license
          OSAI Index         not assessed: European Open Source AI Index, 2026-06-12, does not know it
          MOT                not assessed: Model Openness Tool, 2026-05-11, does not know it

        Files
               7 B    24 h ago  /models/broken.gguf
        "#);
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "one document")]
    fn json() {
        insta::assert_snapshot!(listed(|options| options.json = true), @r#"
        {
          "schema": "taffrail/ls/1",
          "models": [
            {
              "id": "folder:/models/broken.gguf",
              "name": "broken",
              "store": "folder",
              "repository": null,
              "status": "damaged",
              "reason": "cut off at tensor 131 of 272",
              "overridden": null,
              "remarks": [],
              "tried": null,
              "architecture": null,
              "parameters": null,
              "quant": null,
              "bits_per_weight": null,
              "size_bytes": 7,
              "context_length": null,
              "license": null,
              "strictest_license": null,
              "license_conflict": false,
              "used": null,
              "note": null,
              "format": "gguf",
              "files": [
                {
                  "path": "/models/broken.gguf",
                  "size_bytes": 7,
                  "modified": 1799913600,
                  "digest": null
                }
              ],
              "card": null,
              "also": [],
              "measured": null,
              "aliases": []
            },
            {
              "id": "hf:Qwen/Qwen3-8B-GGUF/Qwen3-8B-Q4_K_M.gguf",
              "name": "Qwen3-8B-Q4_K_M",
              "store": "hf",
              "repository": "Qwen/Qwen3-8B-GGUF",
              "status": "runnable",
              "reason": null,
              "overridden": null,
              "remarks": [],
              "tried": null,
              "architecture": "llama",
              "parameters": 20640,
              "quant": "F32",
              "bits_per_weight": 32.0,
              "size_bytes": 5027800000,
              "context_length": 20000,
              "license": "apache-2.0",
              "strictest_license": {
                "id": "apache-2.0",
                "class": "osi"
              },
              "license_conflict": false,
              "used": 1799992800,
              "note": "a note",
              "format": "gguf",
              "files": [
                {
                  "path": "/hub/one\u001b[2J.gguf",
                  "size_bytes": 5000000000,
                  "modified": 1799913600,
                  "digest": null
                },
                {
                  "path": "/hub/two.gguf",
                  "size_bytes": 27800000,
                  "modified": 1799913600,
                  "digest": null
                }
              ],
              "card": null,
              "also": [],
              "measured": null,
              "aliases": []
            }
          ],
          "stores": [
            {
              "store": "hf",
              "place": "/hub",
              "n_models": 1,
              "broken_manifests": 0,
              "problems": []
            },
            {
              "store": "folder",
              "place": "/models",
              "n_models": 1,
              "broken_manifests": 0,
              "problems": [
                "/models/locked: permission denied"
              ]
            }
          ],
          "sessions": []
        }
        "#);
        let document: serde_json::Value = serde_json::from_str(&shown(0, true)).unwrap();
        assert_eq!(document["schema"], "taffrail/show/1");
        assert_eq!(document["model"]["id"], "hf:Qwen/Qwen3-8B-GGUF/Qwen3-8B-Q4_K_M.gguf");
        assert_eq!(document["summary"]["context_length"], 20_000);
        let contexts: Vec<_> = document["memory"].as_array().unwrap().iter().map(|need| &need["context"]).collect();
        assert_eq!(contexts, [4096, 8192, 16_384, 20_000]);
        let kv = |cache: &str| document["memory"][0][cache]["kv"].as_u64().unwrap();
        // Two layers with 16 + 16 elements for each of 4096 cells.
        assert_eq!(kv("f16"), 2 * 4096 * 2 * 32);
        assert_eq!(kv("q8_0"), 2 * 4096 * 2 * 34);
        let broken: serde_json::Value = serde_json::from_str(&shown(1, true)).unwrap();
        assert_eq!(broken["model"]["status"], "damaged");
        assert_eq!(broken["model"]["reason"], "cut off at tensor 131 of 272");
        assert!(broken["summary"].is_null());
    }

    #[test]
    fn nothing_reaches_the_terminal_that_it_would_obey() {
        for text in [listed(|_| ()), listed(|options| options.json = true), shown(0, false), shown(0, true)] {
            assert!(!text.contains(|character: char| character.is_control() && character != '\n'), "{text}");
        }
    }
}
