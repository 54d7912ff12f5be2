//! What lies over a screen: palette, question, refusal, form; the help has its own file.

use ratatui::layout::Rect;

use super::canvas::{Canvas, below, row};
use super::hits::{List, Target};
use super::panels::prompt;
use super::theme::Meaning;
use super::view_state::ViewState;
use super::widgets::table::follow;
use super::widgets::text;
use super::window::{draw_keys, window};
use crate::ui::Mode;
use crate::ui::State;
use crate::ui::editor::Editor;
use crate::ui::palette::{self, Entry, PaletteRow};
use crate::ui::{Form, FormPurpose, Overlay};
use domain::admission::AdmissionError;
use domain::model::Model;
use domain::settings::{Field, InEffect, in_effect};
use domain::units::{Bytes, ago};

/// Draw what lies over the screen, if anything does.
pub(super) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State, view_state: &mut ViewState) {
    match &state.ui.overlay {
        None => {}
        Some(Overlay::Help { scroll }) => super::help::draw(canvas, area, state, *scroll, view_state),
        Some(Overlay::Record { title, text, view, scroll }) => {
            super::record_view::draw(canvas, area, (title, text, view), *scroll, view_state);
        }
        Some(Overlay::Palette { input, chosen }) => commands(canvas, area, state, input, *chosen, view_state),
        Some(Overlay::Confirm { question, .. } | Overlay::Leave { question }) => confirm(canvas, area, state, question),
        Some(Overlay::Plan { request, plan, scroll }) => {
            let at_once = state.domain.settings.library.trash_days == 0;
            super::plan::draw(canvas, area, state, (request, plan), (*scroll, at_once), view_state);
        }
        Some(Overlay::Refused { model, refusal, .. }) => {
            let name = state.domain.model(model).map_or(model.as_str(), |model| model.name.as_str());
            refused(canvas, area, state, name, refusal);
        }
        Some(Overlay::TryAnyway { model, .. }) => {
            if let Some(model) = state.domain.model(model) {
                try_anyway(canvas, area, state, model);
            }
        }
        Some(Overlay::Vote { chosen }) => super::panels::race::vote(canvas, area, state, *chosen),
        Some(Overlay::Form(form)) => fields(canvas, area, state, form, view_state),
    }
}

fn commands(
    canvas: &mut Canvas<'_>,
    area: Rect,
    state: &State,
    input: &Editor,
    chosen: usize,
    view_state: &mut ViewState,
) {
    let beneath = Mode::beneath(&state.ui, &state.domain);
    let rows = palette::rows(input.text(), &state.ui.themes, beneath);
    let inside = window(canvas, area, 76, (area.height * 3 / 4).max(8), "commands");
    let x = canvas.say(inside.x, inside.y, 2, ": ", Meaning::Focus);
    prompt::draw_line(
        canvas,
        Rect { height: inside.height.min(1), width: inside.right().saturating_sub(x), x, ..inside },
        input,
    );
    let list = below(inside, 2);
    if rows.is_empty() {
        canvas.say(list.x, list.y, list.width, "No matching command.", Meaning::Muted);
        return;
    }
    let chosen = chosen.min(rows.len() - 1);
    let name_columns = (list.width / 3).clamp(12, 28);
    // A description that has no room beside its name stands below it, whole.
    let layout: Vec<PaletteLines> =
        rows.iter().map(|entry| lay_out(canvas, list.width, beneath, name_columns, entry)).collect();
    let height = |index: usize| layout.get(index).map_or(1, |lines| lines.below.len() as u16 + 1);
    let mut first = view_state.palette_offset.min(chosen);
    while first < chosen && (first..=chosen).map(height).sum::<u16>() > list.height {
        first += 1;
    }
    view_state.palette_offset = first;
    let mut rest = list;
    for (index, (entry, lines)) in rows.iter().zip(&layout).enumerate().skip(first) {
        if rest.height == 0 {
            break;
        }
        let place = Rect { height: height(index).min(rest.height), ..rest };
        let name = if lines.below.is_empty() { name_columns } else { place.width };
        canvas.say(place.x, place.y, name, &entry.label, Meaning::Text);
        if lines.below.is_empty() {
            let x = place.x + name_columns + 1;
            canvas.say(x, place.y, place.right().saturating_sub(x), &entry.help, Meaning::Muted);
        }
        for (number, line) in lines.below.iter().enumerate() {
            let line_place = row(place, number as u16 + 1);
            if line_place.height > 0 {
                canvas.say(line_place.x + 2, line_place.y, line_place.width.saturating_sub(2), line, Meaning::Muted);
            }
        }
        let key = [canvas.span(Meaning::Key, lines.key.as_str())];
        canvas.put_right(place.x, place.y, place.width, &key);
        choice(canvas, place, index == chosen);
        for line in place.rows() {
            canvas.hit(line, Target::Rows { list: List::Palette, first: index, count: index + 1 });
        }
        rest = below(rest, place.height);
    }
}

/// A row of the palette as it is drawn: the key that does the same, and the lines below its name.
struct PaletteLines {
    key: String,
    below: Vec<String>,
}

fn lay_out(canvas: &Canvas<'_>, columns: u16, beneath: Mode, name: u16, entry: &PaletteRow) -> PaletteLines {
    // The key that does the same on the screen beneath.
    let key = match entry.entry {
        Entry::Action(action) => canvas.key(beneath, action),
        _ => String::new(),
    };
    let room = usize::from(columns.saturating_sub(name + 1)).saturating_sub(text::width(&key) + 1);
    let below = if text::width(&entry.help) <= room {
        Vec::new()
    } else {
        let room = usize::from(columns.saturating_sub(2)).max(8);
        let rows = text::wrap(&entry.help, room).into_iter();
        rows.map(|range| entry.help.get(range).unwrap_or_default().to_owned()).collect()
    };
    PaletteLines { key, below }
}

fn choice(canvas: &mut Canvas<'_>, line: Rect, is_chosen: bool) {
    if is_chosen {
        let style = canvas.style(Meaning::Selection);
        canvas.tint(line, style);
    }
}

fn confirm(canvas: &mut Canvas<'_>, area: Rect, state: &State, question: &str) {
    let columns = 60.min(area.width.saturating_sub(6)).max(10);
    let text_rows = Canvas::rows_of(question, columns - 4);
    let inside = window(canvas, area, columns, text_rows + 4, "sure?");
    let style = canvas.style(Meaning::Text);
    let rows = canvas.paragraph(inside, question, style);
    draw_keys(canvas, row(inside, rows + 1), state);
}

/// What most machines have none of.
const OTHERS: &str = "used by other programs";

fn refused(canvas: &mut Canvas<'_>, area: Rect, state: &State, model: &str, refusal: &AdmissionError) {
    let inside = window(canvas, area, 64, 14, "does not fit");
    let style = canvas.style(Meaning::Text);
    let missing = refusal.needed.total().saturating_sub(refusal.free);
    let text = format!("{model} needs {missing} more than is free.");
    let rows = canvas.paragraph(inside, &text, style);
    let mut rest = below(inside, rows + 1);
    let needed = refusal.needed;
    let figures: [(&str, Bytes, Meaning); 9] = [
        (
            if needed.by_size { "weights, estimated from the file size" } else { "weights" },
            needed.weights,
            Meaning::Text,
        ),
        ("context", needed.context, Meaning::Text),
        ("compute and program, at most", needed.compute + needed.program, Meaning::Text),
        ("needed", needed.total(), Meaning::Bad),
        ("available", refusal.available, Meaning::Text),
        ("reserved for other sessions", refusal.promised, Meaning::Text),
        (OTHERS, refusal.others, Meaning::Text),
        ("kept free", refusal.reserve, Meaning::Text),
        ("free for this model", refusal.free, Meaning::Good),
    ];
    for (label, bytes, meaning) in figures.into_iter().filter(|(label, bytes, _)| *label != OTHERS || bytes.0 > 0) {
        if rest.height <= 1 {
            break;
        }
        let value = [canvas.span(meaning, format!("{:>9}", bytes.to_string()))];
        canvas.pair(row(rest, 0), label, 30, &value);
        rest = below(rest, 1);
    }
    let rest = below(rest, u16::from(rest.height > 1));
    draw_keys(canvas, rest, state);
}

/// What may happen to a model that something speaks against.
pub(super) const RISK: &str = "You can start it anyway in its own worker, which may crash or answer wrongly. \
    Nothing else is affected, and the outcome is remembered for this file.";

fn try_anyway(canvas: &mut Canvas<'_>, area: Rect, state: &State, model: &Model) {
    let mut texts = vec![(Meaning::Text, format!("{} is not runnable: {}.", model.name, model.status))];
    if let Some(tried) = &model.tried {
        texts.push((Meaning::Warn, format!("Tried {}: {}.", ago(tried.at, state.domain.now.unix), tried.outcome)));
    }
    texts.push((Meaning::Muted, RISK.to_owned()));
    let columns = 64.min(area.width.saturating_sub(6)).max(10);
    let rows: u16 = texts.iter().map(|(_, text)| Canvas::rows_of(text, columns - 4) + 1).sum();
    let mut rest = window(canvas, area, columns, rows + 3, "start anyway?");
    for (meaning, text) in texts {
        let style = canvas.style(meaning);
        let rows = canvas.paragraph(rest, &text, style);
        rest = below(rest, rows + 1);
    }
    draw_keys(canvas, rest, state);
}

/// Columns of a field's name and value.
const NAME: u16 = 17;
const VALUE: u16 = 12;

/// What stands behind the value of a row.
fn note(form: &Form, field: &Field) -> String {
    let reloads = matches!(form.purpose, FormPurpose::Session(_)) && in_effect(field.name) == InEffect::Reload;
    if reloads { format!("(reload) {}", field.help) } else { field.help.to_owned() }
}

fn fields(canvas: &mut Canvas<'_>, area: Rect, state: &State, form: &Form, view_state: &mut ViewState) {
    let name = state.domain.model(&form.model).map_or(form.model.as_str(), |model| model.name.as_str());
    let rows = form.fields();
    let inside = window(canvas, area, 84, rows.len() as u16 + 6, &format!("settings · {name}"));
    // Two lines of help and the keys; a blank one before them where there is room for it.
    let foot = u16::from(inside.height > 6) * 3;
    let gap = u16::from(inside.height > rows.len() as u16 + foot);
    let list = Rect { height: inside.height.saturating_sub(foot + gap), ..inside };
    let room = usize::from(list.height);
    view_state.form_offset = follow(view_state.form_offset, Some(form.chosen), rows.len(), room);
    for (index, field) in rows.iter().enumerate().skip(view_state.form_offset).take(room) {
        let line = row(list, (index - view_state.form_offset) as u16);
        let is_chosen = index == form.chosen;
        canvas.say(line.x, line.y, NAME, field.name, if is_chosen { Meaning::Text } else { Meaning::Muted });
        // A text has the whole row.
        let is_text = matches!(field.name, "system" | "template_options");
        let value = form.get(field.name);
        let takes_row = is_text && (is_chosen || value != "auto");
        let room = line.width.saturating_sub(NAME);
        let place =
            Rect { x: line.x + NAME.min(line.width), width: if takes_row { room } else { VALUE.min(room) }, ..line };
        if is_chosen {
            prompt::draw_line(canvas, place, &form.input);
        } else {
            canvas.say(place.x, place.y, place.width, &value, Meaning::Text);
        }
        let x = place.right() + 1;
        let (note, columns) = (note(form, field), line.right().saturating_sub(x));
        canvas.say(x, line.y, columns, &text::fit_words(&note, usize::from(columns)), Meaning::Muted);
        choice(canvas, line, is_chosen);
        if is_chosen && form.is_fresh && !form.input.is_empty() {
            // What is typed takes its place.
            let width = (text::width(&text::clean(form.input.text())) as u16).min(place.width);
            let style = canvas.style(Meaning::Focus).add_modifier(ratatui::style::Modifier::REVERSED);
            canvas.tint(Rect { width, ..place }, style);
        }
    }
    let first = view_state.form_offset;
    canvas.hit(list, Target::Rows { list: List::Fields, first, count: rows.len() });
    if foot > 0 {
        let chosen = rows.get(form.chosen);
        let help = chosen.map_or_else(String::new, |field| note(form, field));
        let style = canvas.style(Meaning::Text);
        canvas.paragraph(Rect { height: 2, ..row(inside, inside.height - foot) }, &help, style);
        let line = row(inside, inside.height - 1);
        if let Some(error) = &form.error {
            let field = chosen.map_or("", |field| field.name);
            canvas.say(line.x, line.y, line.width, &format!("✕ {field} {error}"), Meaning::Bad);
        } else {
            draw_keys(canvas, line, state);
        }
    }
}
