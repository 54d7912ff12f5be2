//! `taffrail show`: everything that is known of one model.

use std::io::{self, Write};

use gguf::{CacheKind, Needs, Summary};
use serde::Serialize;

use super::ls::ago;
use super::table::{self, Column};
use crate::core::model::{Card, Format, Model, Status};
use crate::core::units::{self, Bytes};

/// The longest text that is shown of anything from outside, characters.
const TEXT_CHARS: usize = 400;
/// The shortest context that the memory table shows, where the model has more.
const FIRST_CONTEXT: u64 = 4096;
/// The longest context that the memory table shows; no model was trained for a tenth of it.
const LAST_CONTEXT: u64 = 1 << 26;

/// Write what is known of `model`. `now` is in seconds since 1970.
pub fn run(model: &Model, json: bool, now: i64, out: &mut impl Write) -> io::Result<()> {
    if json {
        return super::json::write(out, &Document::new(model));
    }
    writeln!(out, "{}", model.name)?;
    if let Some(note) = &model.note {
        writeln!(out, "  {note}")?;
    }
    section(out, "Model", &about(model, now))?;
    if let Some(summary) = &model.summary {
        section(out, "Contents", &contents(model, summary))?;
        section(out, "Sampling defaults", &sampling(summary))?;
        types(out, summary)?;
        if matches!(model.status, Status::Runnable | Status::Incomplete { .. }) {
            memory(out, summary)?;
        }
    }
    files(out, model, now)?;
    beside(out, model)
}

/// A line of a section: what, and its value where it is known.
type Line = (&'static str, Option<String>);

fn section(out: &mut impl Write, title: &str, lines: &[Line]) -> io::Result<()> {
    if lines.iter().all(|(_, value)| value.is_none()) {
        return Ok(());
    }
    writeln!(out, "\n{title}")?;
    for (label, value) in lines {
        if let Some(value) = value {
            writeln!(out, "  {label:<18} {}", gguf::clean(value, TEXT_CHARS))?;
        }
    }
    Ok(())
}

fn about(model: &Model, now: i64) -> Vec<Line> {
    vec![
        ("id", Some(model.id.clone())),
        ("status", Some(model.status.to_string())),
        ("store", Some(model.store_names())),
        ("repository", model.repository.clone()),
        ("size", Some(model.size.to_string())),
        ("last used", model.used.map(|used| ago(used, now))),
    ]
}

fn contents(model: &Model, summary: &Summary) -> Vec<Line> {
    let number = |number: Option<u64>| number.map(|number| number.to_string());
    let list = |list: &[String]| (!list.is_empty()).then(|| list.join(", "));
    let yes = |yes: bool| Some(if yes { "yes" } else { "no" }.to_owned());
    let count = Some(summary.parameters).filter(|count| *count > 0);
    let bits = summary.bits_per_weight.map_or_else(String::new, |bits| format!(", {bits:.2} bits per weight"));
    vec![
        ("name", summary.name.clone()),
        ("architecture", summary.architecture.clone()),
        ("parameters", count.map(|count| format!("{} ({count})", units::parameters(count)))),
        ("size label", summary.size_label.clone()),
        ("quantisation", summary.quant.as_ref().map(|quant| format!("{quant}{bits}"))),
        ("quantised by", summary.quantized_by.clone()),
        ("context", summary.context_length.map(|tokens| format!("{tokens} tokens"))),
        ("layers", number(summary.block_count)),
        ("embedding", number(summary.embedding_length)),
        (
            "heads",
            summary.head_count.map(|heads| match summary.head_count_kv {
                Some(shared) => format!("{heads}, {shared} for keys and values"),
                None => heads.to_string(),
            }),
        ),
        ("experts", summary.experts.map(|(count, used)| format!("{count}, {used} used per token"))),
        ("vocabulary", number(summary.vocabulary)),
        ("tokenizer", summary.tokenizer.clone()),
        // Of other formats nobody has read it.
        ("chat template", yes(summary.has_chat_template).filter(|_| model.format == Format::Gguf)),
        ("reasoning", yes(summary.thinks).filter(|_| summary.has_chat_template)),
        ("tools", yes(summary.tools).filter(|_| summary.has_chat_template)),
        ("licence", summary.license.clone()),
        ("made from", list(&summary.base_models)),
        ("data sets", list(&summary.datasets)),
    ]
}

fn sampling(summary: &Summary) -> Vec<Line> {
    let gguf::SamplingDefaults { temperature, top_k, top_p, min_p, repeat_penalty } = summary.sampling;
    let float = |value: Option<f32>| value.map(|value| value.to_string());
    vec![
        ("temperature", float(temperature)),
        ("top-k", top_k.map(|top_k| top_k.to_string())),
        ("top-p", float(top_p)),
        ("min-p", float(min_p)),
        ("repeat penalty", float(repeat_penalty)),
    ]
}

const fn text(title: &'static str) -> Column {
    Column { title, right: false, least: None, goes: 0 }
}

const fn figure(title: &'static str) -> Column {
    Column { title, right: true, least: None, goes: 0 }
}

fn types(out: &mut impl Write, summary: &Summary) -> io::Result<()> {
    if summary.types.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nTensor types")?;
    let rows: Vec<_> = summary
        .types
        .iter()
        .map(|share| {
            vec![
                format!("  {}", share.name),
                share.n_tensors.to_string(),
                units::parameters(share.parameters),
                share.bytes.map_or_else(|| "—".to_owned(), |bytes| Bytes(bytes).to_string()),
            ]
        })
        .collect();
    table::write(out, &[text("  type"), figure("tensors"), figure("parameters"), figure("size")], &rows, None)
}

fn memory(out: &mut impl Write, summary: &Summary) -> io::Result<()> {
    writeln!(out, "\nMemory, estimated: weights, KV cache and compute buffers at most")?;
    let rows: Vec<_> = needs(summary)
        .into_iter()
        .map(|need| {
            let kv = |kv: Option<u64>| kv.map_or_else(|| "—".to_owned(), |kv| Bytes(kv).to_string());
            vec![
                format!("  {}", need.context),
                kv(need.f16.kv),
                Bytes(need.f16.total).to_string(),
                kv(need.q8_0.kv),
                Bytes(need.q8_0.total).to_string(),
            ]
        })
        .collect();
    let columns = [text("  context"), figure("KV f16"), figure("total"), figure("KV q8_0"), figure("total")];
    table::write(out, &columns, &rows, None)?;
    if summary.shape.layers.is_empty() {
        writeln!(out, "  the file does not tell what the KV cache needs; it is not in the sums")?;
    }
    Ok(())
}

fn files(out: &mut impl Write, model: &Model, now: i64) -> io::Result<()> {
    let has_copies = !model.also.is_empty();
    for (number, place) in model.places().enumerate() {
        match number {
            0 => writeln!(out, "\nFiles")?,
            1 => writeln!(out, "\nCopies")?,
            _ => {}
        }
        if has_copies {
            writeln!(out, "  {}", gguf::clean(&place.id, TEXT_CHARS))?;
        }
        for file in &place.files {
            if file.path.as_os_str().is_empty() {
                writeln!(out, "  {:>8}  in the program; written out when it is started", file.size)?;
            } else {
                let path = gguf::clean(&file.path.to_string_lossy(), 4 * TEXT_CHARS);
                let modified = if file.modified > 0 { ago(file.modified, now) } else { "—".to_owned() };
                writeln!(out, "  {:>8}  {modified:>10}  {path}", file.size)?;
                if let Some(digest) = file.digest {
                    writeln!(out, "  {:>8}  {:>10}  {}:{digest}", "", "", digest.kind())?;
                }
            }
        }
    }
    Ok(())
}

/// What stands beside the weights, in each place that has something.
fn beside(out: &mut impl Write, model: &Model) -> io::Result<()> {
    let mut told: Vec<(&Model, &Card)> = Vec::new();
    for place in model.places() {
        let Some(card) = place.card.as_deref() else { continue };
        // Several tags of one model say the same.
        if told.iter().any(|(other, known)| other.store == place.store && *known == card) {
            continue;
        }
        told.push((place, card));
        let list = |list: &[String]| (!list.is_empty()).then(|| list.join(", "));
        let Card { license, license_name, license_link, base_models, base_relation, datasets, tags, .. } = card;
        let lines = [
            ("licence", license.clone()),
            ("its name", license_name.clone()),
            ("its text", license_link.clone()),
            ("made from", list(base_models)),
            ("made by", base_relation.clone()),
            ("data sets", list(datasets)),
            ("tags", list(tags)),
            ("system prompt", card.system.clone()),
            ("template", card.template.as_ref().map(|_| "the store's own, which llama.cpp does not read".to_owned())),
        ];
        let title =
            if place.card.as_ref().is_some_and(|card| card.template.is_some()) { "Manifest" } else { "Model card" };
        section(out, &format!("{title} ({})", place.store.name()), &lines)?;
        for (name, value) in &card.parameters {
            writeln!(out, "  {:<18} {}", gguf::clean(name, TEXT_CHARS), gguf::clean(value, TEXT_CHARS))?;
        }
    }
    Ok(())
}

/// What a model needs at one context length.
#[derive(Serialize)]
struct Need {
    /// Tokens.
    context: u64,
    f16: Sum,
    q8_0: Sum,
}

/// In bytes.
#[derive(Serialize)]
struct Sum {
    kv: Option<u64>,
    compute_low: u64,
    compute_high: u64,
    total: u64,
}

/// At 4k, 8k and so on up to the trained context, and at that.
fn needs(summary: &Summary) -> Vec<Need> {
    let trained = summary.context_length.unwrap_or(8 * FIRST_CONTEXT).clamp(1, LAST_CONTEXT);
    let doubled = std::iter::successors(Some(FIRST_CONTEXT), |context| Some(context * 2));
    let contexts = doubled.take_while(|context| *context < trained).chain([trained]);
    contexts
        .map(|context| {
            let sum = |cache| {
                let n_ctx = context as u32;
                let estimate = summary.estimate(&Needs { n_ctx, cache_k: cache, cache_v: cache, ..Needs::default() });
                Sum {
                    kv: estimate.kv,
                    compute_low: estimate.compute_low,
                    compute_high: estimate.compute_high,
                    total: estimate.total(),
                }
            };
            Need { context, f16: sum(CacheKind::F16), q8_0: sum(CacheKind::Q8_0) }
        })
        .collect()
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    model: ModelView<'a>,
    /// The header's summary; `null` where it could not be read.
    summary: Option<&'a Summary>,
    /// Estimated needs by context; empty where the header could not be read.
    memory: Vec<Need>,
}

impl<'a> Document<'a> {
    fn new(model: &'a Model) -> Self {
        let summary = model.summary.as_ref();
        Self {
            schema: "taffrail/show/1",
            model: ModelView::new(model),
            summary,
            memory: summary.map(needs).unwrap_or_default(),
        }
    }
}

/// A model in JSON. Paths that are no Unicode have replacement characters.
#[derive(Serialize)]
pub(super) struct ModelView<'a> {
    id: &'a str,
    name: &'a str,
    store: &'static str,
    repository: Option<&'a str>,
    /// `runnable`, `damaged`, `incomplete`, `not_a_model`, `other_format` or `unreadable`.
    status: &'static str,
    /// Why it can't be run.
    reason: Option<String>,
    architecture: Option<&'a str>,
    parameters: Option<u64>,
    quant: Option<&'a str>,
    bits_per_weight: Option<f64>,
    size_bytes: u64,
    context_length: Option<u64>,
    license: Option<&'a str>,
    /// Seconds since 1970.
    used: Option<i64>,
    note: Option<&'a str>,
    /// `gguf`, `safetensors`, `mlx`, `gptq`, `awq` or `fp8`.
    format: Format,
    files: Vec<FileView<'a>>,
    /// What stands beside the weights.
    card: Option<&'a Card>,
    /// The same model in other places.
    also: Vec<PlaceView<'a>>,
}

/// A copy of a model.
#[derive(Serialize)]
struct PlaceView<'a> {
    id: &'a str,
    name: &'a str,
    store: &'static str,
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
        let view = |file: &'a crate::core::model::ModelFile| Self {
            path: (!file.path.as_os_str().is_empty()).then(|| file.path.to_string_lossy()),
            size_bytes: file.size.0,
            modified: file.modified,
            digest: file.digest.map(|digest| format!("{}:{digest}", digest.kind())),
        };
        model.files.iter().map(view).collect()
    }
}

impl<'a> ModelView<'a> {
    pub(super) fn new(model: &'a Model) -> Self {
        let summary = model.summary.as_ref();
        Self {
            id: &model.id,
            name: &model.name,
            store: model.store.name(),
            repository: model.repository.as_deref(),
            status: match model.status {
                Status::Runnable => "runnable",
                Status::Damaged(_) => "damaged",
                Status::Incomplete { .. } => "incomplete",
                Status::NotAModel(_) => "not_a_model",
                Status::OtherFormat(_) => "other_format",
                Status::Unreadable(_) => "unreadable",
            },
            reason: (!model.is_runnable()).then(|| model.status.to_string()),
            architecture: summary.and_then(|summary| summary.architecture.as_deref()),
            parameters: summary.map(|summary| summary.parameters),
            quant: model.quant(),
            bits_per_weight: summary.and_then(|summary| summary.bits_per_weight),
            size_bytes: model.size.0,
            context_length: summary.and_then(|summary| summary.context_length),
            license: model.license(),
            used: model.used,
            note: model.note.as_deref(),
            format: model.format,
            files: FileView::of(model),
            card: model.card.as_deref(),
            also: model
                .also
                .iter()
                .map(|copy| PlaceView {
                    id: &copy.id,
                    name: &copy.name,
                    store: copy.store.name(),
                    repository: copy.repository.as_deref(),
                    files: FileView::of(copy),
                    card: copy.card.as_deref(),
                })
                .collect(),
        }
    }
}
