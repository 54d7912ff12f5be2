//! The chosen model: what it is, what it would need, where it lies.

use super::model_table::{fit_cell, used};
use super::openness_card;
use crate::ui::canvas::{Canvas, Span, below, inset, row};
use crate::ui::theme::Meaning;
use crate::ui::widgets::bar;
use crate::ui::{Action, Mode, State};
use domain::admission::advice::advice;
use domain::admission::fit::{CACHES, Fit, Placement, cache_name, fit, table};
use domain::eviction::{Candidate, plan_load};
use domain::model::{Format, Model, Status, identity};
use domain::units::{ago, tokens};
use ratatui::layout::Rect;

/// Columns of the labels.
const LABEL: u16 = 12;

/// The most tensor types, files and contexts that are listed.
const MAX_TYPES: usize = 6;
const MAX_FILES: usize = 6;
const MAX_CONTEXTS: usize = 8;
/// Digits of a hash that tell files apart.
const DIGEST_CHARS: usize = 12;

/// Rows that a card has at the most.
const MAX_ROWS: u16 = 120;

/// Draw as much of it as is scrolled to, the most telling first; returns the most rows to scroll by.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State, model: &Model) -> usize {
    canvas.claim("model", area);
    canvas.scrolled(area, state.ui.library.scroll(model), MAX_ROWS, |canvas, area| whole(canvas, area, state, model))
}

fn whole(canvas: &mut Canvas<'_>, area: Rect, state: &State, model: &Model) -> Rect {
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
    let badge = identity::identify(model).badge.map(|badge| format!("! {badge}"));
    for text in badge.iter().chain(&model.note) {
        let style = canvas.style(Meaning::Warn);
        let rows = canvas.paragraph(rest, text, style);
        rest = below(rest, rows);
    }
    for advice in advice(&state.domain, model) {
        let (glyph, meaning) = if advice.is_warning { ('!', Meaning::Warn) } else { ('·', Meaning::Muted) };
        let style = canvas.style(meaning);
        let rows = canvas.paragraph(rest, &format!("{glyph} {}", advice.text), style);
        rest = below(rest, rows);
    }
    rest = below(rest, 1);
    rest = remarks(canvas, rest, state, model);
    rest = facts(canvas, rest, state, model);
    rest = openness_card::licences(canvas, rest, state, model);
    rest = needs(canvas, rest, state, model);
    rest = openness_card::judgements(canvas, rest, state, model);
    rest = types(canvas, rest, model);
    files(canvas, rest, model)
}

fn status(model: &Model) -> Option<(String, Meaning)> {
    Some(match &model.status {
        Status::Runnable => return None,
        Status::Damaged(reason) => (format!("✕ damaged: {reason}"), Meaning::Bad),
        Status::Incomplete { found, count } => {
            (format!("✕ {found} of {count} parts present; download the others to run it"), Meaning::Warn)
        }
        Status::NotAModel(what) => (format!("· not a language model: {what}"), Meaning::Muted),
        Status::OtherFormat(_) => (format!("· {}", model.status), Meaning::Muted),
        Status::Unreadable(reason) => (format!("✕ can't be read: {reason}"), Meaning::Bad),
    })
}

/// What speaks against it, and what became of trying it.
fn remarks(canvas: &mut Canvas<'_>, area: Rect, state: &State, model: &Model) -> Rect {
    let mut texts: Vec<(Meaning, String)> = Vec::new();
    texts.extend(
        model.overridden.iter().map(|reason| (Meaning::Warn, format!("! refused by the check, run anyway: {reason}"))),
    );
    texts.extend(model.remarks().iter().map(|remark| (Meaning::Warn, format!("! {remark}"))));
    if let Some(tried) = &model.tried {
        let text = format!("· tried {}: {}", ago(tried.at, state.domain.now.unix), tried.outcome);
        texts.push((Meaning::Muted, text));
    }
    let mut rest = area;
    for (meaning, text) in texts {
        let style = canvas.style(meaning);
        let rows = canvas.paragraph(Rect { height: rest.height.min(3), ..rest }, &text, style);
        rest = below(rest, rows);
    }
    rest
}

fn pair(canvas: &mut Canvas<'_>, area: Rect, label: &str, value: &[Span<'_>]) -> Rect {
    if area.height > 0 {
        canvas.pair(row(area, 0), label, LABEL, value);
    }
    below(area, 1)
}

/// The same with a value that may take two lines.
fn long_pair(canvas: &mut Canvas<'_>, area: Rect, label: &str, text: &str) -> Rect {
    let style = canvas.style(Meaning::Text);
    let indent = LABEL.min(area.width);
    let value = Rect { x: area.x + indent, width: area.width - indent, height: area.height.min(2), ..area };
    if area.height > 0 {
        canvas.say(area.x, area.y, indent, label, Meaning::Muted);
    }
    let rows = canvas.paragraph(value, text, style);
    below(area, rows.max(1))
}

/// Which models are unloaded or waited for before this one is loaded for a request; `None` where none is.
fn makes_way(state: &State, model: &Model) -> Option<String> {
    // What it would displace is asked of the model that the library has, not of a copy.
    let model = state.domain.model(&model.id)?;
    let is_here = state.domain.sessions.iter().any(|session| session.demand.is_on_demand);
    let plan = is_here.then(|| plan_load(&state.domain, model, state.domain.settings.session))?;
    let reasons: Vec<String> = plan.candidates().iter().map(Candidate::reason).collect();
    (!reasons.is_empty()).then(|| format!("{} ({})", plan.summary(), reasons.join("; ")))
}

#[expect(clippy::too_many_lines, reason = "one fact after another")]
fn facts(canvas: &mut Canvas<'_>, area: Rect, state: &State, model: &Model) -> Rect {
    let mut rest = area;
    if let Some(session) = state.domain.running(&model.id) {
        let (open, another) = (canvas.key(Mode::Library, Action::Choose), canvas.key(Mode::Library, Action::New));
        let text = format!("▶ {}, {}: {open} opens it, {another} starts another", session.name, session.word());
        rest = long_pair(canvas, rest, "running", &text);
    } else if let Some(there) = state.domain.session_there(model) {
        let (open, another) = (canvas.key(Mode::Library, Action::Choose), canvas.key(Mode::Library, Action::New));
        let machine = model.on();
        let text = format!("▷ in {machine}'s server, {}: {open} joins it, {another} starts another", there.phase);
        rest = long_pair(canvas, rest, "running", &text);
    }
    let fit = fit(&state.domain, model);
    let mut spans = fit_cell(canvas, &fit);
    match fit {
        Fit::Fits { .. } => spans.push(canvas.span(Meaning::Muted, " tokens of context")),
        Fit::Shorter { .. } => spans.push(canvas.span(Meaning::Muted, " tokens of context at most")),
        Fit::TooLarge { .. } => spans.push(canvas.span(Meaning::Muted, " needed at least, more than is free")),
        Fit::Unknown => spans.push(canvas.span(
            Meaning::Muted,
            match &model.machine {
                Some(machine) if model.summary.is_some() => format!(" the memory of {machine} is not known now"),
                _ => " memory needs unknown: the header does not say".to_owned(),
            },
        )),
        Fit::Parts { .. } | Fit::Never(_) => spans.clear(),
    }
    if !spans.is_empty() {
        rest = pair(canvas, rest, "fits", &spans);
    }
    if let Some(text) = makes_way(state, model) {
        rest = long_pair(canvas, rest, "first", &text);
    }
    if let Some(summary) = &model.summary {
        let mut lines: Vec<(&str, String)> = Vec::new();
        let dash = || "—".to_owned();
        let architecture = summary.architecture.as_deref().unwrap_or("—");
        let kind = match identity::identify(model).family.filter(|family| *family != architecture) {
            Some(family) => format!("{family} ({architecture})"),
            None => architecture.to_owned(),
        };
        lines.push(("family", format!("{kind}, {}", identity::size(summary).unwrap_or_else(dash))));
        let bits = summary.bits_per_weight.map(|bits| format!(", {bits:.2} bits per weight")).unwrap_or_default();
        let by = summary.quantized_by.as_ref().map(|by| format!(", by {by}")).unwrap_or_default();
        lines.push(("quantized", format!("{}{bits}{by}", summary.quant.as_deref().unwrap_or("—"))));
        lines.push(("context", identity::context(summary).unwrap_or_else(dash)));
        let layers = summary.block_count.map(|count| format!("{count} layers"));
        let experts = summary.experts.map(|(all, used)| format!("{used} of {all} experts"));
        let inside: Vec<_> =
            summary.mix().map(|mix| mix.to_string()).into_iter().chain(layers).chain(experts).collect();
        lines.push(("attention", if inside.is_empty() { dash() } else { inside.join(", ") }));
        // Of other formats nobody has read the template.
        if model.format == Format::Gguf {
            let can = identity::capabilities(summary).map(|can| can.join(", "));
            lines.push(("supports", can.unwrap_or_else(|| "completion only: no chat template".to_owned())));
        }
        if let Some(tokenizer) = &summary.tokenizer {
            let split = summary.tokenizer_pre.as_ref().map(|pre| format!(", {pre}")).unwrap_or_default();
            let size = summary.vocabulary.map(|count| format!(", {} tokens", tokens(count))).unwrap_or_default();
            lines.push(("tokenizer", format!("{tokenizer}{split}{size}")));
        }
        if !summary.base_models.is_empty() {
            lines.push(("base model", summary.base_models.join(", ")));
        }
        if !summary.datasets.is_empty() {
            lines.push(("trained on", summary.datasets.join(", ")));
        }
        if !model.also.is_empty() {
            let places: Vec<_> = model.also.iter().map(|place| place.store_name()).collect();
            lines.push(("also in", places.join(", ")));
        }
        for (label, text) in lines {
            rest = long_pair(canvas, rest, label, &text);
        }
    }
    if let Some(rate) = state.domain.library.measured.get(&model.id) {
        let joules = state.domain.library.measured_joules.get(&model.id);
        let joules = joules.map_or_else(String::new, |joules| format!(", {}", joules.text("J per token")));
        let place = model.machine.as_ref().map_or_else(|| "here".to_owned(), |machine| format!("on {machine}"));
        let value = [canvas.span(Meaning::Text, format!("{rate:.1} tok/s{joules} {place}"))];
        rest = pair(canvas, rest, "measured", &value);
    }
    if let Some(known) = state.ui.library.residency.as_ref().and_then(|residency| residency.known(&model.id)) {
        let text = match known {
            Ok(share) => format!("{share} of the file"),
            Err(reason) => format!("— {reason}"),
        };
        rest = long_pair(canvas, rest, "in memory", &text);
    }
    let value = [canvas.span(Meaning::Text, used(state, model))];
    below(pair(canvas, rest, "last used", &value), 1)
}

/// A table of what context and cache type would need, against what is free.
fn needs(canvas: &mut Canvas<'_>, area: Rect, state: &State, model: &Model) -> Rect {
    let Some(table) = table(&state.domain, model).filter(|_| area.height >= 4) else { return area };
    if model.summary.as_ref().is_none_or(|summary| summary.shape.layers.is_empty()) {
        return area;
    }
    let mut rest = area;
    let there = model.machine.as_ref().map_or_else(String::new, |machine| format!(" on {machine}"));
    let free = table
        .free()
        .map_or_else(|| "estimated needs".to_owned(), |free| format!("estimated needs; free{there}: {free}"));
    let style = canvas.style(Meaning::Accent);
    let rows = canvas.paragraph(Rect { height: rest.height.min(2), ..rest }, &free, style);
    rest = below(rest, rows);
    let head: String = CACHES.iter().fold(String::new(), |line, cache| line + &format!("{:>11}", cache_name(*cache)));
    let value = [canvas.span(Meaning::Heading, head)];
    canvas.pair(row(rest, 0), "context", 8, &value);
    rest = below(rest, 1);
    // Where there is no room for all, the longest matter most.
    let skip = table.rows.len().saturating_sub(usize::from(rest.height.saturating_sub(2)).min(MAX_CONTEXTS));
    for needs in table.rows.iter().skip(skip) {
        if rest.height == 0 {
            return rest;
        }
        let mut spans = Vec::new();
        for need in &needs.needs {
            let (glyph, meaning) = match need.place {
                Some(place @ (Placement::Gpu | Placement::Memory)) => (place.legend().0, Meaning::Good),
                Some(place @ Placement::Both) => (place.legend().0, Meaning::Warn),
                Some(place @ Placement::Nowhere) => (place.legend().0, Meaning::Bad),
                None => ("·", Meaning::Muted),
            };
            spans.push(canvas.span(Meaning::Text, format!("{:>9} ", need.total.to_string())));
            spans.push(canvas.span(meaning, glyph));
        }
        let label = format!("{:>6}", tokens(u64::from(needs.context)));
        canvas.pair(row(rest, 0), &label, 8, &spans);
        rest = below(rest, 1);
    }
    if rest.height > 0 && !table.rooms.is_empty() {
        canvas.say(rest.x, rest.y, rest.width, &table.legend(), Meaning::Muted);
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

fn files(canvas: &mut Canvas<'_>, area: Rect, model: &Model) -> Rect {
    let mut rest = area;
    for (number, place) in model.places().enumerate() {
        if rest.height < 2 || place.files.is_empty() {
            return rest;
        }
        let count = if place.files.len() == 1 { "file".to_owned() } else { format!("{} files", place.files.len()) };
        let also = if number == 0 { "" } else { "also " };
        let caption = format!("{also}{}: {count}, {}", place.store_name(), place.size);
        canvas.say(rest.x, rest.y, rest.width, &caption, Meaning::Accent);
        rest = below(rest, 1);
        let style = canvas.style(Meaning::Muted);
        for file in place.files.iter().take(MAX_FILES) {
            let path = file.path.display().to_string();
            let path = if path.is_empty() { "built into taffrail".to_owned() } else { path };
            let rows = canvas.paragraph(rest, &path, style);
            rest = below(rest, rows);
            if let Some(digest) = file.digest.filter(|_| rest.height > 0) {
                canvas.say(
                    rest.x,
                    rest.y,
                    rest.width,
                    &format!("{} {:.DIGEST_CHARS$}…", digest.kind(), digest.to_string()),
                    Meaning::Muted,
                );
                rest = below(rest, 1);
            }
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::testing as fixture;
    use domain::units::Bytes;

    #[test]
    fn what_makes_way_for_a_model_is_told() {
        let mut state = fixture::busy();
        let models = state.domain.library.models.clone();
        let model = models.iter().find(|model| model.name == "ishmael-4m").unwrap();
        assert_eq!(makes_way(&state, model), None);
        let session = &mut state.domain.sessions[2];
        session.turns.clear();
        session.planned.weights = Bytes(1_000_000_000);
        session.demand.is_on_demand = true;
        assert_eq!(makes_way(&state, model), None);
        // All that may be taken is taken.
        let taken = state.domain.sessions.iter().filter(|session| session.is_live());
        state.domain.settings.budget.memory = Some(taken.map(|session| session.planned.total()).sum());
        let told = makes_way(&state, model).unwrap();
        assert!(told.starts_with("unloads smollm2-135m (idle for "), "{told}");
    }
}
