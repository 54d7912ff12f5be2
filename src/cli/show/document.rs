//! What `show --json` writes, and what `ls --json` writes of each model.

use gguf::Summary;
use serde::Serialize;
use wire::CacheType;

use domain::Domain;
use domain::admission::advice::advice;
use domain::admission::fit::{self, Need, Placement, Room, Table};
use domain::model::{Card, Format, Model, Outcome, Status, Tried, identity};
use domain::openness::license::License;
use domain::openness::{self, Source};
use domain::record::Latest;

/// What a model needs at one context length.
#[derive(Serialize)]
struct NeedsView {
    /// Tokens.
    context: u32,
    f16: Option<Sum>,
    q8_0: Option<Sum>,
    q4_0: Option<Sum>,
}

/// In bytes.
#[derive(Serialize)]
struct Sum {
    kv: Option<u64>,
    compute_low: u64,
    compute_high: u64,
    total: u64,
    /// `gpu`, `memory`, `both` or `nowhere`; `null` where what is free is not known.
    place: Option<Placement>,
}

impl From<&Need> for Sum {
    fn from(need: &Need) -> Self {
        Self {
            kv: need.context.map(|bytes| bytes.0),
            compute_low: need.compute_low.0,
            compute_high: need.compute_high.0,
            total: need.total.0,
            place: need.place,
        }
    }
}

fn needs(table: &Table) -> Vec<NeedsView> {
    let row = |row: &fit::Row| {
        let sum = |cache: CacheType| row.needs.iter().find(|need| need.cache == cache).map(Sum::from);
        NeedsView {
            context: row.context,
            f16: sum(CacheType::F16),
            q8_0: sum(CacheType::Q8_0),
            q4_0: sum(CacheType::Q4_0),
        }
    };
    table.rows.iter().map(row).collect()
}

/// What the program makes of the header.
#[derive(Serialize)]
struct WhatView {
    family: Option<&'static str>,
    badge: Option<&'static str>,
    /// Of a mixture of experts: parameters that one token is multiplied with.
    active_parameters: Option<u64>,
    attention: Option<String>,
    /// Tokens, trained or extended.
    longest_context: Option<u64>,
    /// What the chat template supports; `null` without one.
    template: Option<Vec<&'static str>>,
    advice: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct Document<'a> {
    schema: &'static str,
    model: ModelView<'a>,
    /// What the program makes of the header.
    what: WhatView,
    /// Licences and what others judged, each with its source.
    openness: &'a openness::Card,
    /// Whose judgements these are, and how they want to be cited.
    openness_sources: Vec<&'a Source>,
    /// The header's summary; `null` where it could not be read.
    summary: Option<&'a Summary>,
    /// What is free, bytes.
    free: Vec<Room>,
    /// Estimated needs by context; empty where the header could not be read.
    memory: Vec<NeedsView>,
}

impl<'a> Document<'a> {
    pub(super) fn new(domain: &'a Domain, model: &'a Model, card: &'a openness::Card, table: Option<Table>) -> Self {
        let summary = model.summary.as_ref();
        let is_cited = |source: &&Source| card.judged.iter().any(|judged| *judged.source == *source.name);
        let identity::Identity { family, badge, .. } = identity::identify(model);
        Self {
            schema: "taffrail/show/1",
            model: ModelView::new(model, card, measured(domain, model)),
            openness: card,
            openness_sources: domain.library.openness.table.sources.iter().filter(is_cited).collect(),
            what: WhatView {
                family,
                badge,
                active_parameters: summary.and_then(Summary::active_parameters),
                attention: summary.and_then(Summary::mix).map(|mix| mix.to_string()),
                longest_context: summary.and_then(Summary::longest_context),
                template: summary.and_then(identity::capabilities),
                advice: advice(domain, model).into_iter().map(|advice| advice.text).collect(),
            },
            summary,
            memory: table.as_ref().map(needs).unwrap_or_default(),
            free: table.map(|table| table.rooms).unwrap_or_default(),
        }
    }
}

/// A model in JSON. Paths that are no Unicode have replacement characters.
#[derive(Serialize)]
pub(in crate::cli) struct ModelView<'a> {
    id: &'a str,
    name: &'a str,
    store: &'a str,
    repository: Option<&'a str>,
    /// The other machine that it is on; `null` is this one.
    machine: Option<&'a str>,
    /// `runnable`, `damaged`, `incomplete`, `not_a_model`, `other_format` or `unreadable`.
    status: &'static str,
    /// Why it can't be run.
    reason: Option<String>,
    /// Why it would not be runnable, where it is all the same: it has run before.
    overridden: Option<&'a str>,
    /// What is odd about it, though it may run.
    remarks: &'a [String],
    /// What became of trying it.
    tried: Option<TriedView<'a>>,
    architecture: Option<&'a str>,
    parameters: Option<u64>,
    quant: Option<&'a str>,
    bits_per_weight: Option<f64>,
    size_bytes: u64,
    context_length: Option<u64>,
    license: Option<&'a str>,
    /// The strictest of the licences that apply, declared or inherited.
    strictest_license: Option<&'a License>,
    /// The declared licence asks for less than one that applies as well.
    license_conflict: bool,
    /// Seconds since 1970.
    used: Option<i64>,
    note: Option<&'a str>,
    /// `gguf`, `safetensors`, `mlx`, `gptq`, `awq` or `fp8`.
    format: Format,
    files: Vec<FileView<'a>>,
    /// The model card, with the facts read from it.
    card: Option<&'a Card>,
    /// The same model in other places.
    also: Vec<PlaceView<'a>>,
    /// Tokens per second and joules per token as last measured here, and when, milliseconds since 1970.
    measured: Option<Latest>,
}

/// What became of trying a model.
#[derive(Serialize)]
struct TriedView<'a> {
    /// `ran`, `refused` or `died`.
    outcome: &'static str,
    /// llama.cpp's words, or how the worker died and its last ones.
    reason: Option<&'a str>,
    /// Seconds since 1970.
    at: i64,
}

impl<'a> From<&'a Tried> for TriedView<'a> {
    fn from(tried: &'a Tried) -> Self {
        let (outcome, reason) = match &tried.outcome {
            Outcome::Ran => ("ran", None),
            Outcome::Refused(reason) => ("refused", Some(reason.as_str())),
            Outcome::Died(reason) => ("died", Some(reason.as_str())),
        };
        Self { outcome, reason, at: tried.at }
    }
}

/// A copy of a model.
#[derive(Serialize)]
struct PlaceView<'a> {
    id: &'a str,
    name: &'a str,
    store: &'a str,
    repository: Option<&'a str>,
    files: Vec<FileView<'a>>,
    card: Option<&'a Card>,
}

#[derive(Serialize)]
struct FileView<'a> {
    /// `null` for a starter model that has not been written out.
    path: Option<std::borrow::Cow<'a, str>>,
    size_bytes: u64,
    /// Seconds since 1970.
    modified: i64,
    /// What its content hashes to, as its store says: `sha256:` or `git-sha1:` and hexadecimal digits.
    digest: Option<String>,
}

impl<'a> FileView<'a> {
    fn of(model: &'a Model) -> Vec<Self> {
        let view = |file: &'a domain::model::ModelFile| Self {
            path: (!file.path.as_os_str().is_empty()).then(|| file.path.to_string_lossy()),
            size_bytes: file.size.0,
            modified: file.modified,
            digest: file.digest.map(|digest| format!("{}:{digest}", digest.kind())),
        };
        model.files.iter().map(view).collect()
    }
}

impl<'a> ModelView<'a> {
    pub(in crate::cli) fn new(model: &'a Model, card: &'a openness::Card, measured: Option<Latest>) -> Self {
        let summary = model.summary.as_ref();
        Self {
            id: &model.id,
            name: &model.name,
            store: model.store_name(),
            repository: model.repository.as_deref(),
            machine: model.machine.as_deref(),
            status: match model.status {
                Status::Runnable => "runnable",
                Status::Damaged(_) => "damaged",
                Status::Incomplete { .. } => "incomplete",
                Status::NotAModel(_) => "not_a_model",
                Status::OtherFormat(_) => "other_format",
                Status::Unreadable(_) => "unreadable",
            },
            reason: (!model.is_runnable()).then(|| model.status.to_string()),
            overridden: model.overridden.as_deref(),
            remarks: model.remarks(),
            tried: model.tried.as_ref().map(TriedView::from),
            architecture: summary.and_then(|summary| summary.architecture.as_deref()),
            parameters: summary.map(|summary| summary.parameters),
            quant: model.quant(),
            bits_per_weight: summary.and_then(|summary| summary.bits_per_weight),
            size_bytes: model.size.0,
            context_length: summary.and_then(|summary| summary.context_length),
            license: model.license(),
            strictest_license: card.strictest.as_ref(),
            license_conflict: card.conflict,
            used: model.used,
            note: model.note.as_deref(),
            format: model.format,
            files: FileView::of(model),
            card: model.card.as_deref(),
            measured,
            also: model
                .also
                .iter()
                .map(|copy| PlaceView {
                    id: &copy.id,
                    name: &copy.name,
                    store: copy.store_name(),
                    repository: copy.repository.as_deref(),
                    files: FileView::of(copy),
                    card: copy.card.as_deref(),
                })
                .collect(),
        }
    }
}

/// What was measured here last.
pub(super) fn measured(domain: &Domain, model: &Model) -> Option<Latest> {
    let library = &domain.library;
    let (rate, joules) = (library.measured.get(&model.id), library.measured_joules.get(&model.id));
    (rate.is_some() || joules.is_some()).then(|| Latest { rate: rate.copied(), joules: joules.copied(), at: None })
}
