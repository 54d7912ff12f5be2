//! A text that was weighed, with a line of heat over it: how far one model is from another, token by token.
//!
//! Height and colour say it both; where the two find different tokens likeliest, the text is underlined.

use ratatui::layout::Rect;
use ratatui::style::Modifier;

use crate::ui::State;
use crate::ui::canvas::{Canvas, Span, Spans, below, inset};
use crate::ui::theme::Meaning;
use crate::ui::widgets::text;
use domain::lab::perplexity::{self, DIVERGENCES, Estimate, PerplexityRun, Piece, Stage};
use domain::lab::race::letter;

/// What stands over a token by its heat, and its colour; what was not weighed has nothing over it.
const HEATS: [(&str, &str, Meaning); 4] =
    [("▁", ".", Meaning::Muted), ("▃", "-", Meaning::Good), ("▅", "=", Meaning::Warn), ("█", "#", Meaning::Bad)];

/// Draw what was weighed, or how far it has come; returns how far it can be scrolled.
pub(crate) fn draw(canvas: &mut Canvas<'_>, area: Rect, state: &State) -> usize {
    let area = inset(area, 1);
    let muted = canvas.style(Meaning::Muted);
    let Some(run) = &state.domain.perplexity else {
        canvas.paragraph(area, "Loading the models …", muted);
        return 0;
    };
    let said = match &run.stage {
        Stage::Failed { reason, hint } => {
            let hint = hint.as_ref().map_or_else(String::new, |hint| format!(". {hint}"));
            let style = canvas.style(Meaning::Bad);
            canvas.paragraph(area, &text::clean(&format!("✕ {reason}{hint}")), style);
            return 0;
        }
        Stage::Loading => "Loading the models …".to_owned(),
        Stage::Done => String::new(),
        Stage::Reference | Stage::Model => {
            let of = run.n_chunks.map_or_else(String::new, |count| format!(" of {count}"));
            format!("Scoring part {}{of} …", run.chunk + 1)
        }
    };
    let mut rest = area;
    for (line, style) in head(canvas, state, run, said) {
        let rows = canvas.paragraph(Rect { height: rest.height.min(2), ..rest }, &line, style);
        rest = below(rest, rows);
    }
    rest = below(rest, legend(canvas, rest) + 1);
    body(canvas, rest, state, &perplexity::pieces(&run.model))
}

fn head(canvas: &Canvas<'_>, state: &State, run: &PerplexityRun, said: String) -> Vec<(String, ratatui::style::Style)> {
    let name = |place: usize, entry: Option<&domain::lab::race::Entry>| {
        let names = domain::lab::race::names(&state.ui.race.entries);
        let known = match state.race() {
            Some(race) => race.columns.get(place).map(|column| column.name.clone()),
            None => names.get(place).cloned(),
        };
        let name = known.or_else(|| Some(entry?.model.name.clone())).unwrap_or_default();
        format!("{} {}", letter(place), text::clean(&name))
    };
    let model = name(state.ui.race.chosen, Some(&run.order.model));
    let reference = name(state.ui.race.other, run.order.reference.as_ref());
    let with = match state.race_chosen_answer().filter(|_| state.ui.race.with_answer) {
        Some(_) => format!(" and the answer of {}", letter(state.ui.race.chosen)),
        None => String::new(),
    };
    let over = format!("{model} against {reference}, over the prompt{with}");
    let mut lines = vec![(over, canvas.style(Meaning::Accent))];
    if !said.is_empty() {
        lines.push((said, canvas.style(Meaning::Muted)));
    }
    let Some(all) = perplexity::summary(&run.model) else { return lines };
    let estimate =
        |estimate: Estimate, places: usize| format!("{:.places$} ± {:.places$}", estimate.value, estimate.interval);
    if let (Some(divergence), Some(agreement)) = (all.divergence, all.agreement) {
        let figures = format!("KL divergence {} nats/token · top-1 agreement {agreement:.1}", estimate(divergence, 4));
        lines.push((figures, canvas.style(Meaning::Text)));
    }
    let of = perplexity::summary(&run.reference).map_or_else(String::new, |reference| {
        format!(", of {} {}", letter(state.ui.race.other), estimate(reference.perplexity, 2))
    });
    let cut = run.order.max_chunks.zip(run.model.last());
    let cut = if cut.is_some_and(|(most, last)| last.n_chunks > most) { " from the start" } else { "" };
    let perplexity =
        format!("perplexity {}{of} · {} tokens{cut} · ± at 95 %", estimate(all.perplexity, 2), all.n_tokens);
    lines.push((perplexity, canvas.style(Meaning::Muted)));
    lines
}

/// What height and underline say; returns the rows it took.
fn legend(canvas: &mut Canvas<'_>, area: Rect) -> u16 {
    let sign = |canvas: &Canvas<'_>, heat: usize| {
        let (block, letter, meaning) = HEATS[heat];
        canvas.span(meaning, if canvas.is_ascii() { letter } else { block })
    };
    let mut spans: Spans<'_> =
        vec![sign(canvas, 0), canvas.span(Meaning::Muted, format!(" under {} ", DIVERGENCES[0]))];
    for (heat, from) in DIVERGENCES.iter().enumerate() {
        spans.push(sign(canvas, heat + 1));
        spans.push(canvas.span(Meaning::Muted, format!(" from {from} ")));
    }
    spans.push(canvas.span(Meaning::Muted, "nats · "));
    let mut differs = canvas.span(Meaning::Text, "different top token");
    differs.style = differs.style.add_modifier(Modifier::UNDERLINED);
    spans.push(differs);
    if area.height > 0 {
        canvas.put_spans(area.x, area.y, area.width, &spans);
    }
    1
}

/// The text, each of its rows beneath its heat.
fn body(canvas: &mut Canvas<'_>, area: Rect, state: &State, pieces: &[Piece]) -> usize {
    let (whole, begins) = whole(pieces);
    let mut rows: Vec<(&str, usize)> = Vec::new();
    let mut start = 0;
    for line in whole.split('\n') {
        let ranges = text::wrap(line, usize::from(area.width)).into_iter();
        rows.extend(ranges.filter_map(|range| Some((line.get(range.clone())?, start + range.start))));
        start += line.len() + 1;
    }
    let room = usize::from(area.height / 2);
    let limit = rows.len().saturating_sub(room);
    let first = state.ui.race.scroll.map_or(limit, |scroll| scroll.min(limit));
    for (index, (row, start)) in rows.iter().skip(first).take(room).enumerate() {
        let y = area.y + 2 * index as u16;
        let (mut heats, mut letters): (Spans<'_>, Spans<'_>) = (Vec::new(), Vec::new());
        for (at, character) in row.char_indices() {
            let place = begins.partition_point(|begin| *begin <= start + at).checked_sub(1);
            let piece = place.and_then(|place| pieces.get(place));
            let columns = text::width(character.encode_utf8(&mut [0; 4]));
            heats.push(match piece.and_then(|piece| piece.heat).and_then(|heat| HEATS.get(heat)) {
                Some((block, letter, meaning)) => {
                    canvas.span(*meaning, if canvas.is_ascii() { *letter } else { *block }.repeat(columns))
                }
                None => canvas.span(Meaning::Text, " ".repeat(columns)),
            });
            let mut style = canvas.style(Meaning::Text);
            if piece.is_some_and(|piece| piece.differs) {
                style = style.add_modifier(Modifier::UNDERLINED);
            }
            letters.push(Span { text: character.to_string().into(), style });
        }
        canvas.put_spans(area.x, y, area.width, &heats);
        canvas.put_spans(area.x, y + 1, area.width, &letters);
    }
    limit
}

/// The text without what a terminal would obey, and where each piece begins.
fn whole(pieces: &[Piece]) -> (String, Vec<usize>) {
    let mut whole = String::new();
    let mut begins = Vec::with_capacity(pieces.len());
    for piece in pieces {
        begins.push(whole.len());
        whole.push_str(&text::clean_block(&piece.text));
    }
    (whole, begins)
}
