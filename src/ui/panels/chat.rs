//! The conversation of a session, drawn from its end backwards: only the rows that show are wrapped, however long it is.

use ratatui::layout::Rect;
use wire::{Finish, Role};

use crate::ui::FleetView;
use crate::ui::canvas::{Canvas, Spans, inset, row};
use crate::ui::theme::Meaning;
use crate::ui::view_state::{Answers, ViewState};
use crate::ui::widgets::{markdown, text};
use crate::ui::{Action, Mode};
use domain::energy::{EnergyAccount, Report};
use domain::figure::Figure;
use domain::request::{Figures, Request, Step};
use domain::session::{End, Phase, Session, Turn};
use domain::settings::{self, Settings};
use domain::units::{span, tokens};

/// What stands at the end of an answer that still grows.
const GROWING: &str = "▌";

/// Columns that text stands in from its speaker.
const INDENT: &str = "  ";

/// Rows collected from the last one backwards, as far as they show.
struct Tail<'a> {
    /// Rows below the pane.
    skip: usize,
    /// Rows that the pane still has room for.
    room: usize,
    rows: Vec<Spans<'a>>,
    /// What energy means here.
    energy: &'a settings::Energy,
}

impl<'a> Tail<'a> {
    fn push(&mut self, make: impl FnOnce() -> Spans<'a>) {
        if self.skip > 0 {
            self.skip -= 1;
        } else if self.room > 0 {
            self.room -= 1;
            self.rows.push(make());
        }
    }

    fn is_full(&self) -> bool {
        self.room == 0
    }
}

/// Draw the conversation's last rows, or those `scroll` rows before them.
pub(crate) fn draw(
    canvas: &mut Canvas<'_>,
    area: Rect,
    (session, settings, fleet): (&Session, &Settings, &FleetView),
    scroll: usize,
    view_state: &mut ViewState,
) {
    canvas.claim("chat", area);
    let area = inset(area, 1);
    view_state.scroll_limit = None;
    if area.height == 0 || area.width < 4 {
        return;
    }
    if session.conversation().next().is_none() {
        return begin(canvas, area, session);
    }
    let height = usize::from(area.height);
    let answers = &mut view_state.answers;
    let mut tail = collect(canvas, area.width, (session, settings, fleet), answers, scroll, height);
    if !tail.is_full() {
        // The first row shows: the whole is known, and a scroll beyond it is no scroll.
        let total = scroll.saturating_sub(tail.skip) + tail.rows.len();
        let limit = total.saturating_sub(height);
        view_state.scroll_limit = Some(limit);
        if scroll > limit {
            tail = collect(canvas, area.width, (session, settings, fleet), answers, limit, height);
        }
    }
    let rows = tail.rows.len() as u16;
    // A conversation shorter than the pane stands at its top.
    for (index, spans) in tail.rows.iter().rev().enumerate() {
        canvas.put_spans(area.x, area.y + index as u16, area.width, spans);
    }
    if scroll > 0 && rows == area.height {
        let note = [canvas.span(Meaning::Accent, " ↓ more ")];
        canvas.put_right(area.x, area.bottom() - 1, area.width, &note);
    }
}

fn collect<'a>(
    canvas: &Canvas<'_>,
    columns: u16,
    (session, settings, fleet): (&'a Session, &'a Settings, &FleetView),
    answers: &mut Answers,
    scroll: usize,
    height: usize,
) -> Tail<'a> {
    let mut tail = Tail { skip: scroll, room: height, rows: Vec::new(), energy: &settings.energy };
    let turns: Vec<&Turn> = session.conversation().collect();
    for (index, turn) in turns.iter().copied().enumerate().rev() {
        if tail.is_full() {
            break;
        }
        if index + 1 < turns.len() {
            tail.push(Vec::new);
        }
        let is_last = index + 1 == turns.len();
        let folds = fleet.folds(session.id, turn, settings);
        turn_rows(&mut tail, canvas, usize::from(columns), session, (index, turn), (is_last, folds), answers);
        if index > 0 && index == session.n_dropped {
            dropped_rows(&mut tail, canvas, usize::from(columns));
        }
    }
    tail
}

/// What stands between the turns that the model is not told any more and the others.
fn dropped_rows(tail: &mut Tail<'_>, canvas: &Canvas<'_>, columns: usize) {
    tail.push(Vec::new);
    let key = canvas.key(canvas.mode, Action::Configure);
    let settings = if key.is_empty() { String::new() } else { format!(" {key}: settings (context_full, context).") };
    let text = format!("The context is full: the turns above are no longer sent to the model.{settings}");
    let text = text.as_str();
    for range in text::wrap(text, columns).into_iter().rev() {
        tail.push(|| vec![canvas.span(Meaning::Warn, text.get(range).unwrap_or_default().to_owned())]);
    }
}

/// A turn's rows, last first.
fn turn_rows<'a>(
    tail: &mut Tail<'a>,
    canvas: &Canvas<'_>,
    columns: usize,
    session: &'a Session,
    (index, turn): (usize, &'a Turn),
    (is_last, folds): (bool, bool),
    rows_of: &mut Answers,
) {
    let grows = is_last && turn.role == Role::Assistant && turn.end.is_none() && session.open_chat().is_some();
    if turn.role == Role::Assistant {
        figures_rows(tail, canvas, columns, turn);
    }
    let says = !turn.text.is_empty() || !turn.reasoning.is_empty() || !turn.tool_calls.is_empty();
    let answers = !turn.text.is_empty() || !says;
    for call in turn.tool_calls.iter().rev() {
        let text = format!("{}({})", call.name, call.arguments);
        text_rows(tail, canvas, columns, ("  → ", Meaning::Text), &text, false);
    }
    if grows && !says {
        tail.push(|| vec![canvas.span(Meaning::Reasoning, format!("{INDENT}{}", waiting(session)))]);
    } else if answers && turn.role == Role::Assistant {
        let columns = columns.saturating_sub(text::width(INDENT)).max(1);
        let text = turn.text.trim_start_matches(['\n', '\r']).trim_end();
        answer_rows(tail, canvas, columns, rows_of.rows(canvas, (session.id, index), text, columns), grows);
    } else if answers {
        text_rows(tail, canvas, columns, (INDENT, Meaning::Text), turn.text.trim_end(), grows);
    }
    if !turn.reasoning.is_empty() {
        let thinks = grows && turn.text.is_empty();
        if !folds {
            text_rows(tail, canvas, columns, ("  │ ", Meaning::Reasoning), turn.reasoning.trim(), thinks);
        }
        tail.push(|| vec![canvas.span(Meaning::Reasoning, format!("{INDENT}{}", thought(turn, thinks, folds)))]);
    }
    tail.push(|| match turn.role {
        Role::User => vec![canvas.span(Meaning::You, "You")],
        Role::System => vec![canvas.span(Meaning::Muted, "System")],
        Role::Tool => vec![canvas.span(Meaning::Muted, "Tool")],
        Role::Assistant => vec![canvas.span(Meaning::Muted, session.name.as_str())],
    });
}

fn thought(turn: &Turn, thinks: bool, folds: bool) -> String {
    let count = turn.figures.as_ref().map_or(0, |figures| figures.counters.n_reasoning);
    let count = tokens(u64::from(count));
    let sign = if folds { '▸' } else { '▾' };
    let word = if thinks { "thinking, " } else { "thought for " };
    format!("{sign} {word}{count} tokens")
}

/// What a session does that has no output yet.
fn waiting(session: &Session) -> String {
    match session.open_chat().and_then(Request::step) {
        Some(Step::Prompt { n_done, n_prompt }) if n_prompt > 0 => {
            format!("reading the prompt, {n_done} of {n_prompt} tokens")
        }
        Some(Step::Cancelling) => "cancelling …".to_owned(),
        None => "queued behind other answers of this session".to_owned(),
        _ => "reading the prompt".to_owned(),
    }
}

/// Rows of an answer, last first.
fn answer_rows(tail: &mut Tail<'_>, canvas: &Canvas<'_>, columns: usize, rows: &[markdown::Row], grows: bool) {
    let mut grows = grows;
    let indented = |row: &markdown::Row| {
        let mut spans = vec![canvas.span(Meaning::Text, INDENT)];
        spans.extend(markdown::spans(canvas, row));
        spans
    };
    if rows.is_empty() && grows {
        tail.push(|| vec![canvas.span(Meaning::Text, INDENT), canvas.span(Meaning::Text, GROWING)]);
    }
    for row in rows.iter().rev() {
        if tail.is_full() {
            return;
        }
        let is_growing = std::mem::take(&mut grows);
        let has_room = is_growing && row.iter().map(|piece| text::width(&piece.text)).sum::<usize>() < columns;
        if is_growing && !has_room {
            tail.push(|| vec![canvas.span(Meaning::Text, INDENT), canvas.span(Meaning::Text, GROWING)]);
        }
        tail.push(|| {
            let mut spans = indented(row);
            spans.extend(has_room.then(|| canvas.span(Meaning::Text, GROWING)));
            spans
        });
    }
}

/// Rows of a text, last first; paragraphs above what shows are never looked at.
fn text_rows(
    tail: &mut Tail<'_>,
    canvas: &Canvas<'_>,
    columns: usize,
    (indent, meaning): (&'static str, Meaning),
    text: &str,
    grows: bool,
) {
    let columns = columns.saturating_sub(indent.chars().count()).max(1);
    let margin = if indent.contains('│') { Meaning::Border } else { meaning };
    let mut grows = grows;
    for piece in text.rsplit('\n').flat_map(|paragraph| text::pieces(paragraph).into_iter().rev()) {
        if tail.is_full() {
            return;
        }
        let clean = text::clean_block(piece);
        for range in text::wrap(&clean, columns).into_iter().rev() {
            let mut line = clean.get(range).unwrap_or_default().to_owned();
            if std::mem::take(&mut grows) {
                if text::width(&line) < columns {
                    line.push_str(GROWING);
                } else {
                    tail.push(|| vec![canvas.span(margin, indent), canvas.span(meaning, GROWING)]);
                }
            }
            tail.push(|| vec![canvas.span(margin, indent), canvas.span(meaning, line)]);
        }
    }
}

/// The row of figures under an answer, and why it ended where that is not plain.
fn figures_rows(tail: &mut Tail<'_>, canvas: &Canvas<'_>, columns: usize, turn: &Turn) {
    if let Some(figures) = &turn.figures
        && turn.end.is_some()
    {
        let line = format!("{} · {}", figures_line(figures), energy(figures, tail.energy));
        for range in text::wrap(&line, columns.saturating_sub(2)).into_iter().rev() {
            tail.push(|| vec![canvas.span(Meaning::Muted, format!("{INDENT}{}", line.get(range).unwrap_or_default()))]);
        }
    }
    let n_shifted = turn.figures.as_ref().map_or(0, |figures| figures.counters.n_shifted);
    if n_shifted > 0 {
        let text = format!("the context was full: {n_shifted} tokens after its beginning were dropped for the answer");
        for range in text::wrap(&text, columns.saturating_sub(2)).into_iter().rev() {
            tail.push(|| vec![canvas.span(Meaning::Warn, format!("{INDENT}{}", text.get(range).unwrap_or_default()))]);
        }
    }
    let key = canvas.key(canvas.mode, Action::Configure);
    let settings = |name: &str| if key.is_empty() { String::new() } else { format!(" ({key}: settings, {name})") };
    let (text, meaning) = match &turn.end {
        None | Some(End::Finished(Finish::Stop | Finish::StopText(_))) => return,
        Some(End::Finished(Finish::Length)) => {
            (format!("cut off at max_tokens{}", settings("max_tokens")), Meaning::Warn)
        }
        Some(End::Finished(Finish::ContextFull)) => {
            // An answer gets room a few times only, else one without an end would go on for ever.
            let text = if n_shifted > 0 {
                "cut off: the context was full again, and an answer is given room a few times only".to_owned()
            } else {
                format!("cut off: the context is full{}", settings("context_full = shift goes on"))
            };
            (text, Meaning::Warn)
        }
        Some(End::Finished(Finish::Cancelled)) => ("cancelled".to_owned(), Meaning::Warn),
        Some(End::Failed { reason, hint }) => {
            let hint = hint.as_ref().map_or_else(String::new, |hint| format!(": {hint}"));
            (text::clean(&format!("{reason}{hint}")).into_owned(), Meaning::Bad)
        }
    };
    for range in text::wrap(&text, columns.saturating_sub(4)).into_iter().rev() {
        let is_first = range.start == 0;
        let line = text.get(range).unwrap_or_default().to_owned();
        tail.push(|| vec![canvas.span(meaning, format!("  {} {line}", if is_first { '✕' } else { ' ' }))]);
    }
}

/// The energy of an answer. Of one that was kept the sum is known, and no longer what it is made of.
fn energy(figures: &Figures, settings: &settings::Energy) -> String {
    match (&figures.energy, figures.energy_account == EnergyAccount::default()) {
        (known @ Figure::Known { .. }, true) => known.to_string(),
        _ => Report::of_answer(figures, settings).line(settings),
    }
}

/// `312 tok · 7.3 s · 42.7 tok/s`.
pub(crate) fn figures_line(figures: &Figures) -> String {
    let counters = &figures.counters;
    let mut parts = vec![format!("{} tok", tokens(u64::from(counters.n_generated)))];
    let time = counters.ttft_us.unwrap_or_default() + counters.generation_us;
    parts.push(span(std::time::Duration::from_micros(time)));
    if let Some(rate) = counters.generation_rate() {
        parts.push(format!("{rate:.1} tok/s"));
    }
    parts.join(" · ")
}

/// An empty conversation says what to do.
fn begin(canvas: &mut Canvas<'_>, area: Rect, session: &Session) {
    let key = canvas.key(Mode::Fleet, Action::Choose);
    let text = match &session.phase {
        Phase::Failed { hint: Some(hint), .. } => hint.clone(),
        Phase::Failed { .. } => format!("Press {} to restart it.", canvas.key(Mode::Fleet, Action::Restart)),
        _ if session.embeds_only() => {
            "An embedding model: it turns text into vectors and can't chat. Use it through /v1/embeddings or /api/embed."
                .to_owned()
        }
        _ if session.is_measuring => "It measures for a job, and answers no prompts meanwhile.".to_owned(),
        Phase::Loading { .. } if session.waiting_job().is_some() => {
            let reason = session.queue_reason().unwrap_or_default();
            format!("Its Slurm job has not started: {reason}. You can write a prompt meanwhile.")
        }
        Phase::Queued | Phase::Loading { .. } => "Loading the weights. You can write a prompt meanwhile.".to_owned(),
        _ if canvas.mode == Mode::Prompt => {
            format!("Write a prompt and press {} to send it.", canvas.key(Mode::Prompt, Action::Send))
        }
        _ => format!("Press {key} to write a prompt."),
    };
    let style = canvas.style(Meaning::Muted);
    let rows = canvas.paragraph(area, &text, style);
    if let Some(note) = &session.model.note {
        let rest = row(area, rows + 1);
        let rest = Rect { height: area.bottom().saturating_sub(rest.y), ..rest };
        canvas.paragraph(rest, note, style);
    }
}

#[cfg(test)]
#[path = "chat_tests.rs"]
mod tests;
