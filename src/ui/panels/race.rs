//! Parts of a race: a column with its answer and figures, two answers word by word, who won what, the standings, the
//! vote.

use std::time::Duration;

use ratatui::layout::Rect;
use ratatui::style::Modifier;

use crate::ui::State;
use crate::ui::canvas::{Canvas, Span, Spans, below, inset, row, spans_width, split_columns, split_rows};
use crate::ui::hits::{List, Target};
use crate::ui::theme::Meaning;
use crate::ui::view_state::Columns;
use crate::ui::widgets::{markdown, text};
use crate::ui::window::{draw_keys, window};
use domain::admission;
use domain::lab::race::diff::{Diff, Side};
use domain::lab::race::winners::Verdict;
use domain::lab::race::{Column, Race, Stage, export, letter, names, per_token};
use domain::record::{Award, ColumnError};
use domain::units::{counted, digits, or_dash, span, tokens};

/// Rows of figures under an answer.
const FIGURES: u16 = 3;

/// The look that stands for a column.
pub(super) fn series(place: usize) -> Meaning {
    Meaning::Series((place % crate::ui::theme::N_SERIES) as u8)
}

/// A frame with a title; the chosen one is plain to see.
fn pane(canvas: &mut Canvas<'_>, area: Rect, place: usize, title: &str, is_chosen: bool) -> Rect {
    let inside = canvas.frame(area, if is_chosen { Meaning::Focus } else { Meaning::Border });
    let look = canvas.style(if is_chosen { Meaning::Accent } else { Meaning::Text }).add_modifier(Modifier::BOLD);
    // What has no room in the frame goes on below it, at the next word.
    let room = usize::from(area.width.saturating_sub(7));
    let clean = text::clean(title);
    let mut lines = text::wrap(&clean, room.max(1)).into_iter().map(|range| clean.get(range).unwrap_or_default());
    let name = Span { text: lines.next().unwrap_or_default().to_owned().into(), style: look };
    let spans = [canvas.span(series(place), " ■ "), name, canvas.span(Meaning::Text, " ")];
    canvas.put_spans(area.x + 1, area.y, area.width.saturating_sub(2), &spans);
    let mut inside = inset(inside, u16::from(inside.width > 12));
    for line in lines.take(usize::from(inside.height / 4)) {
        canvas.put(inside.x, inside.y, inside.width, line, look);
        inside = below(inside, 1);
    }
    inside
}

/// A column of a race; returns how far its text can be scrolled.
pub(crate) fn column(
    canvas: &mut Canvas<'_>,
    area: Rect,
    (state, race): (&State, &Race),
    place: usize,
    columns: &mut Columns,
) -> usize {
    let Some(column) = race.columns.get(place) else { return 0 };
    let inside = pane(canvas, area, place, &title(race, place), place == state.ui.race.chosen);
    let has_rule = inside.height >= FIGURES + 4;
    let (body, foot) = split_rows(inside, inside.height.saturating_sub(FIGURES + u16::from(has_rule)));
    let rows = answer(canvas, state, race, (place, column), usize::from(body.width), columns);
    let room = usize::from(body.height);
    let limit = rows.len().saturating_sub(room);
    let first = state.ui.race.scroll.map_or(limit, |scroll| scroll.min(limit));
    for (index, spans) in rows.iter().skip(first).take(room).enumerate() {
        canvas.put_spans(body.x, body.y + index as u16, body.width, spans);
    }
    if first < limit && body.height > 0 {
        let more = [canvas.span(Meaning::Accent, " ↓ ")];
        canvas.put_right(body.x, body.bottom() - 1, body.width, &more);
    }
    if has_rule {
        canvas.horizontal(foot.x, foot.y, foot.width, Meaning::Border);
    }
    figures(canvas, below(foot, u16::from(has_rule)), state, race, column);
    limit
}

/// The rows of an answer: what was thought, what is said, what is wrong.
fn answer(
    canvas: &Canvas<'_>,
    state: &State,
    race: &Race,
    (place, column): (usize, &Column),
    columns: usize,
    laid: &mut Columns,
) -> Vec<Spans<'static>> {
    let mut rows: Vec<Spans<'static>> = Vec::new();
    let turn = column.turn(&state.domain);
    if let Some(turn) = turn {
        let grows = column.stage == Stage::Answering;
        if !turn.reasoning.trim().is_empty() {
            let count = column.figures(&state.domain).map_or(0, |figures| figures.counters.n_reasoning);
            let word = if grows && turn.text.is_empty() { "thinking," } else { "thought for" };
            let sign = if state.ui.race.unfolded { '▾' } else { '▸' };
            let thought = format!("{sign} {word} {} tokens", tokens(u64::from(count)));
            rows.push(vec![canvas.span(Meaning::Reasoning, thought)]);
            if state.ui.race.unfolded {
                let clean = text::clean_block(turn.reasoning.trim()).into_owned();
                for line in clean.split('\n') {
                    for range in text::wrap(line, columns.saturating_sub(2)) {
                        let piece = line.get(range).unwrap_or_default().to_owned();
                        rows.push(vec![canvas.span(Meaning::Border, "│ "), canvas.span(Meaning::Reasoning, piece)]);
                    }
                }
            }
        }
        if !turn.text.trim().is_empty() {
            let text = turn.text.trim_start_matches(['\n', '\r']).trim_end();
            rows.extend(laid.rows(canvas, place, text, columns).iter().map(|row| markdown::spans(canvas, row)));
        }
        if grows && !turn.text.is_empty() {
            let sign = canvas.span(Meaning::Accent, "▌");
            match rows.last_mut() {
                Some(last) if spans_width(last) < columns => last.push(sign),
                _ => rows.push(vec![sign]),
            }
        }
    }
    let (sign, meaning) = match &column.stage {
        Stage::Failed { .. } => ("✕ ", Meaning::Bad),
        Stage::Done | Stage::Unloading => ("✕ ", Meaning::Warn),
        _ => ("", Meaning::Reasoning),
    };
    let status = match export::shown_error(race, column) {
        Some(ColumnError { reason, hint }) => Some(hint.map_or(reason.clone(), |hint| format!("{reason}. {hint}"))),
        None => column.status(&state.domain),
    };
    if let Some(status) = status {
        let status = text::clean(&format!("{sign}{status}")).into_owned();
        for range in text::wrap(&status, columns) {
            rows.push(vec![canvas.span(meaning, status.get(range).unwrap_or_default().to_owned())]);
        }
    }
    rows
}

/// The width of a column in which the first token's time stands with and without the network.
const WITH_NETWORK: u16 = 46;

/// The figures of a column: times and rates, tokens, energy and memory. A blind race shows none that tell the model.
fn figures(canvas: &mut Canvas<'_>, area: Rect, state: &State, race: &Race, column: &Column) {
    let figures = column.figures(&state.domain);
    let counters = figures.map(|figures| figures.counters).unwrap_or_default();
    let value = |known: bool, text: String| if known { text } else { "—".to_owned() };
    let thinking = if counters.n_reasoning > 0 {
        format!(" ({} thinking)", tokens(u64::from(counters.n_reasoning)))
    } else {
        String::new()
    };
    let n_tokens = value(counters.n_generated > 0, tokens(u64::from(counters.n_generated)));
    let count = [("", n_tokens, " tok"), ("", thinking, "")];
    if race.hides_names() {
        pairs(canvas, row(area, 0), &count);
        let note = row(area, 1);
        canvas.say(note.x, note.y, note.width, "figures hidden until the vote", Meaning::Muted);
        return;
    }
    let mut ttft = or_dash(counters.ttft_us.map(|micros| span(Duration::from_micros(micros))));
    // Without the network's part, where the engine tells its own.
    if let Some(own) = counters.engine_ttft_us.filter(|_| area.width >= WITH_NETWORK) {
        ttft = format!("{ttft} (own {})", span(Duration::from_micros(own)));
    }
    let speed = |rate: Option<f64>| rate.map_or_else(|| "—".to_owned(), digits);
    let [first, second, third] = [row(area, 0), row(area, 1), row(area, 2)];
    pairs(canvas, first, &[("first ", ttft, "  "), ("prompt ", speed(counters.prompt_rate()), " tok/s")]);
    let [n_tokens, thinking] = count;
    pairs(canvas, second, &[("", speed(counters.generation_rate()), " tok/s  "), n_tokens, thinking]);
    let energy = figures.map_or_else(|| "—".to_owned(), |figures| figures.energy.to_string().replace(" J", ""));
    let each = figures.map_or_else(|| "—".to_owned(), |figures| per_token(figures).to_string().replace(" J", ""));
    // What is paid for an answer takes the place of memory that nobody here has.
    if let Some(cost) = figures.and_then(|figures| domain::cost::cost(&column.model, figures)) {
        let cost = format!("{} {}", digits(cost), state.domain.settings.energy.currency);
        pairs(canvas, third, &[("", energy, " J  "), ("gen ", each, " J/tok  "), ("cost ", cost, "")]);
        return;
    }
    let memory = or_dash(column.memory().or_else(|| column.live(&state.domain).and_then(super::session_table::memory)));
    pairs(canvas, third, &[("", energy, " J  "), ("gen ", each, " J/tok  "), ("mem ", memory, "")]);
}

/// Figures with a word before and a unit behind each. In a narrow column blanks go first, then words: a figure that is cut
/// off would be another one.
fn pairs(canvas: &mut Canvas<'_>, area: Rect, all: &[(&'static str, String, &'static str)]) {
    let spans = |blanks: bool, words: bool| -> Spans<'static> {
        let shown = all.iter().filter(|(_, value, _)| !value.is_empty());
        let parts = shown.flat_map(|(word, value, unit)| {
            let meaning = if value == "—" { Meaning::Muted } else { Meaning::Text };
            [
                canvas.span(Meaning::Muted, if words { *word } else { "" }),
                canvas.span(meaning, value.clone()),
                canvas.span(Meaning::Muted, if blanks { *unit } else { unit.strip_suffix(' ').unwrap_or(unit) }),
            ]
        });
        parts.collect()
    };
    let all = [spans(true, true), spans(false, true), spans(false, false)];
    let fits = all.iter().position(|spans| spans_width(spans) <= usize::from(area.width));
    if area.height > 0 {
        canvas.put_spans(area.x, area.y, area.width, &all[fits.unwrap_or(2)]);
    }
}

/// A column of a race that has not begun: what would run, and how.
pub(crate) fn entry(canvas: &mut Canvas<'_>, area: Rect, state: &State, place: usize) {
    let races = &state.ui.race;
    let Some(entry) = races.entries.get(place) else { return };
    let name = names(&races.entries).into_iter().nth(place).unwrap_or_default();
    let inside = pane(canvas, area, place, &format!("{} {name}", letter(place)), place == races.chosen);
    let (model, settings) = (&entry.model, &entry.settings);
    let needed = admission::memory_estimate(model, settings).total();
    let set = |name: &str| settings.get(name).unwrap_or_default();
    let rows = [
        ("size", format!("{} {}", model.size, model.quant().unwrap_or_default())),
        ("needs", if needed.0 > 0 { format!("about {needed}") } else { "—".to_owned() }),
        ("context", tokens(u64::from(settings.context))),
        ("temperature", set("temperature")),
        ("seed", set("seed")),
        ("at most", format!("{} tokens", set("max_tokens"))),
    ];
    for (index, (label, value)) in rows.into_iter().enumerate() {
        let line = row(inside, index as u16);
        if line.height > 0 {
            let value = [canvas.span(Meaning::Text, value)];
            canvas.pair(line, label, 13, &value);
        }
    }
}

/// Who won what.
pub(crate) fn strip(canvas: &mut Canvas<'_>, area: Rect, race: &Race) {
    let winners = race.winners();
    let hides = race.hides_names();
    let won = |award: Award| match winners.verdict(award) {
        Verdict::None => "—".to_owned(),
        Verdict::AllIdentical => "all equal".to_owned(),
        Verdict::Won([only]) if area.width >= 110 => title(race, *only),
        Verdict::Won(all) => all.iter().map(|place| letter(*place).to_string()).collect::<Vec<_>>().join(" "),
    };
    let parts = Award::ALL.map(|award| (format!("{} ", award.words()), won(award)));
    let mut line: Spans<'_> = Vec::new();
    if race.is_running() {
        line.push(canvas.span(Meaning::Muted, "so far: "));
    }
    for (index, (word, winner)) in parts.into_iter().enumerate() {
        if index > 0 {
            line.push(canvas.span(Meaning::Border, " · "));
        }
        line.push(canvas.span(Meaning::Muted, word));
        let meaning = if winner == "—" { Meaning::Muted } else { Meaning::Good };
        line.push(canvas.span(meaning, winner));
    }
    if hides {
        line = vec![canvas.span(Meaning::Muted, "names and figures are hidden until the vote")];
    }
    let verdict = verdict(canvas, race);
    let columns = area.width.saturating_sub(2);
    let first = row(area, 0);
    if first.height == 0 {
        return;
    }
    if area.height > 1 {
        canvas.put_spans(first.x + 1, first.y, columns, &line);
        canvas.put_spans(first.x + 1, first.y + 1, columns, &verdict);
    } else {
        let end = canvas.put_spans(first.x + 1, first.y, columns, &line);
        let room = first.right().saturating_sub(end + 3);
        if usize::from(room) >= spans_width(&verdict).min(24) {
            canvas.put_right(end + 2, first.y, room, &verdict);
        }
    }
}

/// The vote, or why it can't be said who was most frugal.
fn verdict<'a>(canvas: &Canvas<'_>, race: &'a Race) -> Spans<'a> {
    match race.vote {
        Some(Some(place)) => vec![canvas.span(Meaning::Accent, format!("voted: {}", title(race, place)))],
        Some(None) => vec![canvas.span(Meaning::Accent, "voted: tie")],
        None => match race.winners().energy_unknown.filter(|_| !race.hides_names()) {
            Some(reason) => vec![canvas.span(Meaning::Muted, format!("energy: {reason}"))],
            None => Vec::new(),
        },
    }
}

/// Whether there is more to say of a race than who won what.
pub(crate) fn has_verdict(race: &Race) -> bool {
    race.vote.is_some() || (race.winners().energy_unknown.is_some() && !race.hides_names())
}

/// Two answers beside each other, the words that one says alone marked; returns how far they can be scrolled.
pub(crate) fn diff(canvas: &mut Canvas<'_>, area: Rect, state: &State, race: &Race, diff: &Diff) -> usize {
    let (chosen, other) = (state.ui.race.chosen, state.ui.race.other);
    let line = row(area, 0);
    let cut = if diff.is_cut { ", of the first 2000 words" } else { "" };
    let said = format!(
        "{} in both, {} only in {}, {} only in {}{cut}",
        counted(diff.n_both, "word"),
        diff.n_left,
        letter(chosen),
        diff.n_right,
        letter(other)
    );
    canvas.say(line.x + 1, line.y, line.width.saturating_sub(2), &said, Meaning::Muted);
    let (left, right) = split_columns(below(area, 1), area.width / 2);
    let mut limit = 0;
    for (place, side, meaning, half) in
        [(chosen, Side::Left, Meaning::Bad, left), (other, Side::Right, Meaning::Good, right)]
    {
        let inside = pane(canvas, half, place, &title(race, place), place == chosen);
        let rows = words(canvas, diff, side, meaning, usize::from(inside.width));
        let room = usize::from(inside.height);
        let last = rows.len().saturating_sub(room);
        limit = limit.max(last);
        let first = state.ui.race.scroll.map_or(last, |scroll| scroll.min(last));
        for (index, spans) in rows.iter().skip(first).take(room).enumerate() {
            canvas.put_spans(inside.x, inside.y + index as u16, inside.width, spans);
        }
    }
    limit
}

/// One side's words in rows; its own are underlined, so that colour is not all that tells them.
fn words<'a>(canvas: &Canvas<'_>, diff: &'a Diff, side: Side, meaning: Meaning, columns: usize) -> Vec<Spans<'a>> {
    let own = canvas.style(meaning).add_modifier(Modifier::UNDERLINED);
    let plain = canvas.style(Meaning::Text);
    let mut rows: Vec<Spans<'a>> = vec![Vec::new()];
    let mut used = 0;
    for run in diff.runs.iter().filter(|run| run.0 == Side::Both || run.0 == side) {
        if run.1 == "\n" {
            rows.push(Vec::new());
            used = 0;
            continue;
        }
        let style = if run.0 == side { own } else { plain };
        for word in run.1.split(' ') {
            let width = text::width(&text::clean(word));
            if used > 0 && used + 1 + width > columns {
                rows.push(Vec::new());
                used = 0;
            }
            if let Some(row) = rows.last_mut() {
                if used > 0 {
                    row.push(Span { text: " ".into(), style: plain });
                    used += 1;
                }
                row.push(Span { text: word.into(), style });
                used += width;
            }
        }
    }
    rows
}

/// How the models stand after all votes.
pub(crate) fn ratings(canvas: &mut Canvas<'_>, area: Rect, state: &State) {
    let area = inset(area, 1);
    let line = row(area, 0);
    let n_votes = state.domain.votes.len();
    let said = match n_votes {
        0 => "No votes yet.".to_owned(),
        n => format!("Leaderboard after {}", counted(n, "vote")),
    };
    canvas.say(line.x, line.y, line.width, &said, Meaning::Accent);
    let head = row(area, 2);
    let name = area.width.saturating_sub(40).clamp(12, 44);
    if head.height == 0 {
        return;
    }
    canvas.say(head.x, head.y, name, "Model", Meaning::Heading);
    let room = area.width.saturating_sub(name);
    canvas.say(head.x + name, head.y, room, "  rating   ± 95 %   votes   wins   ties", Meaning::Heading);
    for (index, rating) in state.ui.race.leaderboard.iter().enumerate() {
        let line = row(area, index as u16 + 3);
        if line.height == 0 {
            break;
        }
        canvas.say(line.x, line.y, name.saturating_sub(1), &rating.model, Meaning::Text);
        let figures = format!(
            "  {:>6.0}   ±{:>5.0}   {:>5}   {:>4}   {:>4}",
            rating.rating, rating.interval, rating.n_votes, rating.n_wins, rating.n_ties
        );
        canvas.say(line.x + name, line.y, room, &figures, Meaning::Text);
    }
}

/// The vote: a row for each column, and one for a tie.
pub(crate) fn vote(canvas: &mut Canvas<'_>, area: Rect, state: &State, chosen: usize) {
    let Some(race) = state.race() else { return };
    let rows = race.columns.len() as u16 + 1;
    let inside = window(canvas, area, 56, rows + 4, "which answer is best?");
    for place in 0..=race.columns.len() {
        let line = row(inside, place as u16);
        if line.height == 0 {
            break;
        }
        match race.columns.get(place) {
            Some(column) => {
                let meaning = if column.answer.is_some() { Meaning::Text } else { Meaning::Muted };
                let spans = [canvas.span(series(place), "■ "), canvas.span(meaning, title(race, place))];
                canvas.put_spans(line.x, line.y, line.width, &spans);
            }
            None => {
                canvas.say(line.x, line.y, line.width, "  tie", Meaning::Text);
            }
        }
        if place == chosen {
            let style = canvas.style(Meaning::Selection);
            canvas.tint(line, style);
        }
    }
    draw_keys(canvas, row(inside, rows + 1), state);
    canvas.hit(
        Rect { height: inside.height.min(rows), ..inside },
        Target::Rows { list: List::Votes, first: 0, count: usize::from(rows) },
    );
}

/// The title of a column: its letter and its name.
pub(crate) fn title(race: &Race, place: usize) -> String {
    if race.hides_names() {
        return race.name(place);
    }
    format!("{} {}", domain::lab::race::letter(place), race.name(place))
}
