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
    if !taken.is_low() {
        return vec![vec![canvas.span(Meaning::Muted, format!(" {left} "))]];
    }
    let then = match session.settings.context_full {
        ContextFull::DropOldest => "then the oldest turns are dropped",
        ContextFull::Shift => "then the oldest part is dropped",
        ContextFull::Stop => "then it stops",
    };
    let key = canvas.key(canvas.mode, Action::Configure);
    let warn = |text: String| canvas.span(Meaning::Warn, text);
    let mut whole = vec![warn(format!(" {left}, {then} "))];
    if !key.is_empty() {
        whole.push(canvas.span(Meaning::Key, key));
        whole.push(canvas.span(Meaning::Muted, " settings "));
    }
    vec![whole, vec![warn(format!(" {left}, {then} "))], vec![warn(format!(" {left} "))]]
}
