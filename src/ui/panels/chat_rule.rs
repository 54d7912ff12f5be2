//! The line above a prompt: what is being changed, and how much of the context is left.

use ratatui::layout::Rect;
use wire::Role;

use crate::ui::canvas::{Canvas, Spans, spans_width};
use crate::ui::theme::Meaning;
use crate::ui::{Action, State};
use domain::session::Session;
use domain::settings::ContextFull;

/// Write over the line that is there.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State, session: &Session) {
    let room = usize::from(area.width.saturating_sub(2));
    let editing = editing(canvas, state, session);
    let used = spans_width(&editing);
    canvas.put_spans(area.x + 1, area.y, area.width.saturating_sub(2), &editing);
    let fitting = context(canvas, session).into_iter().find(|spans| used + spans_width(spans) < room);
    if let Some(spans) = fitting {
        canvas.put_right(area.x, area.y, area.width.saturating_sub(1), &spans);
    }
}

/// Which prompt is being changed.
fn editing<'a>(canvas: &Canvas<'_>, state: &State, session: &Session) -> Spans<'a> {
    let Some(editing) = state.ui.fleet.editing.as_ref().filter(|editing| editing.session == session.id) else {
        return Vec::new();
    };
    let prompts = || session.turns.iter().enumerate().filter(|(_, turn)| turn.role == Role::User);
    let place = prompts().take_while(|(turn, _)| *turn <= editing.turn).count();
    let text = format!(" editing prompt {place} of {}; what follows it is dropped ", prompts().count());
    vec![canvas.span(Meaning::Warn, text)]
}

/// How much of the context is left, the longest way to say it first.
fn context<'a>(canvas: &Canvas<'_>, session: &Session) -> Vec<Spans<'a>> {
    let Some(taken) = session.context_use() else { return Vec::new() };
    let left = format!("{} of {} tokens left", taken.left(), taken.total);
    let Some((then, _)) = then(session) else {
        return vec![vec![canvas.span(Meaning::Muted, format!(" {left} "))]];
    };
    let mut whole = vec![canvas.span(Meaning::Warn, format!(" {left}, {then} "))];
    whole.extend(settings(canvas));
    vec![whole, vec![canvas.span(Meaning::Warn, format!(" {left} "))]]
}

/// What happens when the context is full, where that is soon: behind how much is left, and on a line of its own above it.
fn then(session: &Session) -> Option<(&'static str, &'static str)> {
    session.context_use().filter(|taken| taken.is_low())?;
    Some(match session.settings.context_full {
        ContextFull::DropOldest => ("then the oldest turns are dropped", "full: oldest turns go"),
        ContextFull::Shift => ("then the oldest part is dropped", "full: oldest part goes"),
        ContextFull::Stop => ("then no prompt fits any more", "full: no prompt fits"),
    })
}

/// The key that changes it.
fn settings<'a>(canvas: &Canvas<'_>) -> Spans<'a> {
    let key = canvas.key(canvas.mode, Action::Configure);
    if key.is_empty() {
        return Vec::new();
    }
    vec![canvas.span(Meaning::Key, key), canvas.span(Meaning::Muted, " settings ")]
}

/// What the line has no room for, to stand above it: what happens when the context is full.
pub(crate) fn note<'a>(canvas: &Canvas<'_>, state: &State, session: &Session, columns: u16) -> Option<Spans<'a>> {
    let (_, then) = then(session)?;
    let used = spans_width(&editing(canvas, state, session));
    let whole = context(canvas, session).into_iter().next()?;
    if used + spans_width(&whole) < usize::from(columns.saturating_sub(2)) {
        return None;
    }
    let mut spans = vec![canvas.span(Meaning::Warn, format!("{then} "))];
    spans.extend(settings(canvas));
    Some(spans)
}
