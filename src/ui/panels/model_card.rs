//! The chosen model: what it is, what it would need, where it lies.

use ratatui::layout::Rect;
use wire::CacheType;

use super::super::canvas::{Canvas, Span, below, inset, row};
use super::super::theme::Meaning;
use super::super::widgets::bar;
use super::model_table::{fit_cell, used};
use crate::core::fit::{Fit, fit};
use crate::core::model::{Format, Model, Status};
use crate::core::settings::SessionSettings;
use crate::core::units::{parameters, tokens};
use crate::core::{State, plan};

/// Columns of the labels.
const LABEL: u16 = 12;

/// The most tensor types and files that are listed.
const MAX_TYPES: usize = 6;
const MAX_FILES: usize = 6;

/// The cache types that the table of needs compares.
const CACHES: [(&str, CacheType); 3] = [("f16", CacheType::F16), ("q8_0", CacheType::Q8_0), ("q4_0", CacheType::Q4_0)];

/// Draw what fits of it, the most telling first.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State, model: &Model) {
    let mut rest = inset(area, 1);
    let name = canvas.style(Meaning::Text).add_modifier(ratatui::style::Modifier::BOLD);
    let rows = canvas.paragraph(Rect { height: rest.height.min(2), ..rest }, &model.name, name);
    rest = below(rest, rows);
    if let Some(repository) = model.repository.as_ref() {
        canvas.say(rest.x, rest.y, if rest.height > 0 { rest.width } else { 0 }, repository, Meaning::Muted);
        rest = below(rest, 1);
    }
    if let Some((text, meaning)) = status(model) {
        let style = canvas.style(meaning);
        let rows = canvas.paragraph(rest, &text, style);
        rest = below(rest, rows);
    }
    if let Some(note) = &model.note {
        let style = canvas.style(Meaning::Warn);
        let rows = canvas.paragraph(rest, note, style);
        rest = below(rest, rows);
    }
    rest = below(rest, 1);
    rest = facts(canvas, rest, state, model);
    rest = needs(canvas, rest, state, model);
    rest = types(canvas, rest, model);
    files(canvas, rest, model);
}

fn status(model: &Model) -> Option<(String, Meaning)> {
    Some(match &model.status {
        Status::Runnable => return None,
        Status::Damaged(reason) => (format!("✕ damaged: {reason}"), Meaning::Bad),
        Status::Incomplete { found, count } => {
            (format!("✕ {found} of {count} parts are here; fetch the others to run it"), Meaning::Warn)
        }
        Status::NotAModel(what) => (format!("· no language model: {what}"), Meaning::Muted),
        Status::OtherFormat(_) => (format!("· {}", model.status), Meaning::Muted),
        Status::Unreadable(reason) => (format!("✕ can't be read: {reason}"), Meaning::Bad),
    })
}

fn pair(canvas: &mut Canvas<'_>, area: Rect, label: &str, value: &[Span<'_>]) -> Rect {
    if area.height > 0 {
        canvas.pair(row(area, 0), label, LABEL, value);
    }
    below(area, 1)
}

fn facts(canvas: &mut Canvas<'_>, area: Rect, state: &State, model: &Model) -> Rect {
    let mut rest = area;
    let fit = fit(state, model);
    let mut spans = fit_cell(canvas, &fit);
    match fit {
        Fit::Fits { .. } => spans.push(canvas.span(Meaning::Muted, " tokens of context")),
        Fit::Shorter { .. } => spans.push(canvas.span(Meaning::Muted, " tokens of context, not more")),
        Fit::TooLarge { .. } => spans.push(canvas.span(Meaning::Muted, " needed at the least, more than is free")),
        Fit::Unknown => spans.push(canvas.span(Meaning::Muted, " its header doesn't tell what it needs")),
        Fit::Parts { .. } | Fit::Never(_) => spans.clear(),
    }
    if !spans.is_empty() {
        rest = pair(canvas, rest, "fits", &spans);
    }
    if let Some(summary) = &model.summary {
        let mut lines: Vec<(&str, String)> = Vec::new();
        let architecture = summary.architecture.clone().unwrap_or_else(|| "—".to_owned());
        let experts = summary.experts.map(|(all, used)| format!(", {used} of {all} experts")).unwrap_or_default();
        let count = if summary.parameters > 0 { parameters(summary.parameters) } else { "—".to_owned() };
        lines.push(("is", format!("{architecture}, {count} parameters{experts}")));
        let bits = summary.bits_per_weight.map(|bits| format!(", {bits:.2} bits per weight")).unwrap_or_default();
        lines.push(("quantised", format!("{}{bits}", summary.quant.as_deref().unwrap_or("—"))));
        let layers = summary.block_count.map(|count| format!(", {count} layers")).unwrap_or_default();
        let trained = summary.context_length.map_or_else(|| "—".to_owned(), tokens);
        lines.push(("context", format!("{trained} tokens trained{layers}")));
        let can: Vec<_> =
            [(summary.has_chat_template, "chat"), (summary.thinks, "reasoning"), (summary.tools, "tools")]
                .into_iter()
                .filter_map(|(can, word)| can.then_some(word))
                .collect();
        // Of other formats nobody has read the template.
        if model.format == Format::Gguf {
            lines.push((
                "can",
                if can.is_empty() { "completion only: no chat template".to_owned() } else { can.join(", ") },
            ));
        }
        lines.push(("licence", model.license().unwrap_or("not stated").to_owned()));
        if !summary.base_models.is_empty() {
            lines.push(("made from", summary.base_models.join(", ")));
        }
        if !summary.datasets.is_empty() {
            lines.push(("trained on", summary.datasets.join(", ")));
        }
        for (label, text) in lines {
            let value = [canvas.span(Meaning::Text, text)];
            rest = pair(canvas, rest, label, &value);
        }
    }
    if let Some(rate) = state.library.measured.get(&model.id) {
        let value = [canvas.span(Meaning::Text, format!("{rate:.1} tok/s here"))];
        rest = pair(canvas, rest, "measured", &value);
    }
    let value = [canvas.span(Meaning::Text, used(state, model))];
    below(pair(canvas, rest, "last used", &value), 1)
}

/// A table of what context and cache type would need, against what is free.
fn needs(canvas: &mut Canvas<'_>, area: Rect, state: &State, model: &Model) -> Rect {
    let Some(trained) = model.summary.as_ref().and_then(|summary| summary.context_length) else { return area };
    let free = plan::free_memory(state).map(|memory| memory.free);
    if area.height < 4 || model.summary.as_ref().is_none_or(|summary| summary.shape.layers.is_empty()) {
        return area;
    }
    let mut rest = area;
    let caption = free.map_or_else(|| "needs".to_owned(), |free| format!("needs, of {free} free"));
    canvas.say(rest.x, rest.y, rest.width, &caption, Meaning::Accent);
    rest = below(rest, 1);
    let head: String = CACHES.iter().fold(String::new(), |line, (name, _)| line + &format!("{name:>11}"));
    let value = [canvas.span(Meaning::Heading, head)];
    canvas.pair(row(rest, 0), "context", 8, &value);
    rest = below(rest, 1);
    let mut contexts: Vec<u64> = (0..20).map(|step| 2048 << step).take_while(|context| *context < trained).collect();
    contexts.push(trained);
    let skip = contexts.len().saturating_sub(usize::from(rest.height.saturating_sub(1)).min(7));
    for context in contexts.into_iter().skip(skip) {
        let mut spans = Vec::new();
        for (_, cache) in CACHES {
            let context = u32::try_from(context).unwrap_or(u32::MAX);
            let settings =
                SessionSettings { context, cache_type_k: cache, cache_type_v: cache, ..state.settings.session };
            let needed = plan::plan(model, &settings).total();
            let (glyph, meaning) = match free {
                Some(free) if needed <= free => ("●", Meaning::Good),
                Some(_) => ("✕", Meaning::Bad),
                None => ("·", Meaning::Muted),
            };
            spans.push(canvas.span(Meaning::Text, format!("{:>9} ", needed.to_string())));
            spans.push(canvas.span(meaning, glyph));
        }
        if rest.height > 0 {
            let label = format!("{:>6}", tokens(context));
            canvas.pair(row(rest, 0), &label, 8, &spans);
        }
        rest = below(rest, 1);
    }
    below(rest, 1)
}

/// The tensor types by their part of the bytes.
fn types(canvas: &mut Canvas<'_>, area: Rect, model: &Model) -> Rect {
    let Some(summary) = model.summary.as_ref().filter(|summary| !summary.types.is_empty()) else { return area };
    if area.height < 2 {
        return area;
    }
    let mut rest = area;
    canvas.say(rest.x, rest.y, rest.width, "tensors", Meaning::Accent);
    rest = below(rest, 1);
    let all = summary.types.iter().filter_map(|share| share.bytes).sum::<u64>().max(1);
    for share in summary.types.iter().take(MAX_TYPES) {
        let line = row(rest, 0);
        if line.height == 0 {
            break;
        }
        let part = share.bytes.map(|bytes| bytes as f64 / all as f64);
        canvas.say(line.x, line.y, 8, &share.name, Meaning::Muted);
        let text = part.map_or_else(|| "—".to_owned(), |part| format!("{:.1}%", part * 100.0));
        let note = format!("{text:>7}  {:>4} tensors", share.n_tensors);
        let bar_width = line.width.saturating_sub(8 + note.len() as u16).min(24);
        let style = canvas.style(Meaning::Series(0));
        bar::share(canvas, Rect { x: line.x + 8, width: bar_width, ..line }, part.unwrap_or(0.0), style);
        canvas.say(line.x + 8 + bar_width, line.y, line.width.saturating_sub(8 + bar_width), &note, Meaning::Text);
        rest = below(rest, 1);
    }
    below(rest, 1)
}

fn files(canvas: &mut Canvas<'_>, area: Rect, model: &Model) {
    let mut rest = area;
    for (number, place) in model.places().enumerate() {
        if rest.height < 2 || place.files.is_empty() {
            return;
        }
        let count = if place.files.len() == 1 { "file".to_owned() } else { format!("{} files", place.files.len()) };
        let also = if number == 0 { "" } else { "also " };
        let caption = format!("{also}{}: {count}, {}", place.store.name(), place.size);
        canvas.say(rest.x, rest.y, rest.width, &caption, Meaning::Accent);
        rest = below(rest, 1);
        let style = canvas.style(Meaning::Muted);
        for file in place.files.iter().take(MAX_FILES) {
            let path = file.path.display().to_string();
            let path = if path.is_empty() { "inside taffrail itself".to_owned() } else { path };
            let rows = canvas.paragraph(rest, &path, style);
            rest = below(rest, rows);
            if let Some(digest) = file.digest.filter(|_| rest.height > 0) {
                canvas.say(rest.x, rest.y, rest.width, &format!("{}:{digest:.16}…", digest.kind()), Meaning::Muted);
                rest = below(rest, 1);
            }
        }
    }
}
