//! `taffrail show`: everything that is known of one model.

mod document;

use std::io::{self, Write};

use gguf::{Pooling, Summary};

pub(super) use self::document::ModelView;
use self::document::{Document, measured};
use super::ls::ago;
use super::openness_view;
use super::table::{self, Column};
use domain::Domain;
use domain::admission::advice::advice;
use domain::admission::fit::{self, Table};
use domain::model::{Card, Format, Model, Status, identity, preset};
use domain::settings::SessionSettings;
use domain::units::{self, Bytes, digits};

/// The longest text that is shown of anything from outside, characters.
const TEXT_CHARS: usize = 400;
/// The most places, data sets and the like that are listed; the rest is counted.
const MAX_LISTED: usize = 12;

/// Write what is known of `model`, and what it needs against what is free by `state`. `now` is in seconds since 1970.
pub fn run(domain: &Domain, model: &Model, json: bool, now: i64, out: &mut impl Write) -> io::Result<()> {
    let table = fit::table(domain, model);
    let openness = &domain.library.openness;
    let card = openness.cards.get(&model.id).cloned().unwrap_or_default();
    if json {
        return crate::json::write(out, &Document::new(domain, model, &card, table));
    }
    writeln!(out, "{}", gguf::clean(&model.name, TEXT_CHARS))?;
    if let Some(badge) = identity::identify(model).badge {
        writeln!(out, "  ! {badge}")?;
    }
    if let Some(note) = &model.note {
        writeln!(out, "  {}", gguf::clean(note, TEXT_CHARS))?;
    }
    for advice in advice(domain, model) {
        writeln!(out, "  {} {}", if advice.is_warning { '!' } else { '·' }, advice.text)?;
    }
    section(out, "Model", &about(model, now))?;
    section(out, "Remarks", &remarks(model, now))?;
    let place = model.machine.as_ref().map_or_else(|| "here".to_owned(), |machine| format!("on {machine}"));
    let measured_on = format!("Measured {place}");
    if let Some(latest) = measured(domain, model) {
        let speed = latest.rate.map(|rate| format!("{} tok/s", digits(rate)));
        let energy = latest.joules.map(|joules| joules.text("J per token"));
        section(out, &measured_on, &[("generation", speed), ("energy", energy)])?;
    } else if model.is_runnable() {
        section(out, &measured_on, &[("generation", Some("—, `taffrail bench` measures it".to_owned()))])?;
    }
    openness_view::write(out, &card, &openness.table)?;
    if let Some(summary) = &model.summary {
        section(out, "Contents", &contents(model, summary))?;
        section(out, "Sampling defaults", &sampling(summary))?;
        types(out, summary)?;
        if let (Some(table), Status::Runnable | Status::Incomplete { .. }) = (&table, &model.status) {
            memory(out, table)?;
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
        ("machine", model.machine.clone()),
        ("size", Some(model.size_text())),
        ("kind", model.remote.as_ref().map(|remote| remote.kind.name().to_owned())),
        ("address", model.remote.as_ref().map(|remote| remote.url.clone())),
        (
            "context",
            model
                .remote
                .as_ref()
                .map(|remote| remote.context.map_or_else(|| "—, not reported".to_owned(), |n| format!("{n} tokens"))),
        ),
        (
            "last used",
            Some(model.used.map_or_else(|| "—, not recorded by the file system".to_owned(), |used| ago(used, now))),
        ),
    ]
}

/// What speaks against it, and what became of trying it.
fn remarks(model: &Model, now: i64) -> Vec<Line> {
    let overridden = model.overridden.as_ref().map(|reason| format!("{reason}; it has run all the same"));
    let risk = model.can_be_tried().then(|| "`--force` tries it anyway, in a worker of its own".to_owned());
    let tried = model.tried.as_ref().map(|tried| format!("{}: {}", ago(tried.at, now), tried.outcome));
    let odd = model.remarks().iter().map(|remark| ("odd", Some(remark.clone())));
    [("refused", overridden), ("can be tried", risk)].into_iter().chain(odd).chain([("tried", tried)]).collect()
}

/// The first of a list, and how many more there are; `None` for an empty one.
fn list(all: &[String]) -> Option<String> {
    let shown = all.get(..MAX_LISTED).unwrap_or(all).join(", ");
    match all.len() {
        0 => None,
        count if count > MAX_LISTED => Some(format!("{shown} and {} more", count - MAX_LISTED)),
        _ => Some(shown),
    }
}

fn contents(model: &Model, summary: &Summary) -> Vec<Line> {
    let number = |number: Option<u64>| number.map(|number| number.to_string());
    let bits = summary.bits_per_weight.map_or_else(String::new, |bits| format!(", {bits:.2} bits per weight"));
    let split = summary.tokenizer_pre.as_ref().map_or_else(String::new, |pre| format!(", splits as {pre}"));
    vec![
        ("name", summary.name.clone()),
        ("family", identity::identify(model).family.map(str::to_owned)),
        ("architecture", summary.architecture.clone()),
        ("parameters", identity::size(summary).map(|size| format!("{size} ({})", summary.parameters))),
        ("size label", summary.size_label.clone()),
        ("quantization", summary.quant.as_ref().map(|quant| format!("{quant}{bits}"))),
        ("quantized by", summary.quantized_by.clone()),
        ("context", identity::context(summary).map(|context| format!("{context}{}", exact(summary)))),
        ("attention", summary.mix().map(|mix| mix.to_string())),
        ("layers", number(summary.block_count)),
        ("embedding", number(summary.embedding_length)),
        ("made for", summary.embeds_only().then(|| format!("embeddings{}", pooling(summary)))),
        (
            "heads",
            summary.head_count.map(|heads| match summary.head_count_kv {
                Some(shared) => format!("{heads}, {shared} for keys and values"),
                None => heads.to_string(),
            }),
        ),
        ("experts", summary.experts.map(|(count, used)| format!("{count}, {used} used per token"))),
        ("vocabulary", number(summary.vocabulary)),
        ("tokenizer", summary.tokenizer.as_ref().map(|tokenizer| format!("{tokenizer}{split}"))),
        (
            "chat template",
            // Of other formats nobody has read it.
            (model.format == Format::Gguf && !summary.embeds_only()).then(|| {
                identity::capabilities(summary).map_or_else(
                    || "none: completion only".to_owned(),
                    |can| if can.len() > 1 { format!("with {}", can[1..].join(", ")) } else { "plain".to_owned() },
                )
            }),
        ),
        ("license", identity::license(summary)),
        ("made from", list(&summary.base_models)),
        ("source", summary.source.clone()),
        ("data sets", list(&summary.datasets)),
        ("languages", list(&summary.languages)),
        ("tags", list(&summary.tags)),
    ]
}

/// The context to the token, where the short form rounds.
/// How the vectors are made, where the file says so.
fn pooling(summary: &Summary) -> &'static str {
    match summary.pooling {
        Some(Pooling::Mean) => ", mean over the tokens",
        Some(Pooling::Cls) => ", of the first token",
        Some(Pooling::Last) => ", of the last token",
        Some(Pooling::None | Pooling::Rank) | None => "",
    }
}

fn exact(summary: &Summary) -> String {
    summary.longest_context().map_or_else(String::new, |tokens| format!(" ({tokens} tokens)"))
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

fn memory(out: &mut impl Write, table: &Table) -> io::Result<()> {
    let free = table.free().map_or_else(String::new, |free| format!("; free: {free}"));
    writeln!(out, "\nMemory, estimated: KV cache, and with weights, compute buffers and the program{free}")?;
    let rows: Vec<_> = table
        .rows
        .iter()
        .map(|row| {
            let cells = row.needs.iter().flat_map(|need| {
                let glyph = need.place.map_or("", |place| place.legend().0);
                [units::or_dash(need.context), format!("{} {glyph}", need.total).trim_end().to_owned()]
            });
            std::iter::once(format!("  {}", row.context)).chain(cells).collect()
        })
        .collect();
    let columns = [
        text("  context"),
        figure("KV f16"),
        figure("total"),
        figure("KV q8_0"),
        figure("total"),
        figure("KV q4_0"),
        figure("total"),
    ];
    table::write(out, &columns, &rows, None)?;
    if !table.rooms.is_empty() {
        writeln!(out, "  {}", table.legend())?;
    }
    if table.rows.iter().flat_map(|row| &row.needs).any(|need| need.context.is_none()) {
        writeln!(out, "  the file does not say what the KV cache needs; it is not in the sums")?;
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
        let Card { license, license_name, license_link, base_models, base_relation, datasets, tags, .. } = card;
        let lines = [
            ("license", license.clone()),
            ("its name", license_name.clone()),
            ("its text", license_link.clone()),
            ("made from", list(base_models)),
            ("made by", base_relation.clone()),
            ("data sets", list(datasets)),
            ("tags", list(tags)),
            ("system prompt", card.system.clone()),
            ("first messages", Some(card.messages.len().to_string()).filter(|_| !card.messages.is_empty())),
            ("template", card.template.as_ref().map(|_| "the store's own, which llama.cpp does not read".to_owned())),
        ];
        let title =
            if place.card.as_ref().is_some_and(|card| card.template.is_some()) { "Manifest" } else { "Model card" };
        section(out, &format!("{title} ({})", place.store_name()), &lines)?;
        for (name, value) in &card.parameters {
            writeln!(out, "  {:<18} {}", gguf::clean(name, TEXT_CHARS), gguf::clean(value, TEXT_CHARS))?;
        }
        // As settings that nobody has changed leave it.
        for line in preset::lines(place, &SessionSettings::default(), true, true) {
            writeln!(out, "  {line}")?;
        }
    }
    Ok(())
}
