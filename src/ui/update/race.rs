//! The Race screen: mark, start, read, vote, save.

use domain::admission;
use domain::command::What;
use domain::lab::race::{Entry, MAX_COLUMNS, MIN_COLUMNS, Order, Race, RaceOrder, diff, export, rating, vote_obstacle};

use super::{Client, command, notify};
use crate::ui::action::Action;
use crate::ui::editor::Editor;
use crate::ui::{Effect, Form, Overlay, RaceTab, Screen};

/// Lines that a page scrolls.
const PAGE: i32 = 10;

/// Whether the Race screen takes this action for itself.
pub(super) fn takes(action: &Action) -> bool {
    matches!(
        action,
        Action::Move(_)
            | Action::Page(_)
            | Action::Scroll(_)
            | Action::First
            | Action::Last
            | Action::Choose
            | Action::Back
            | Action::Edit(_)
            | Action::Send
            | Action::Focus
            | Action::NextTab
            | Action::PreviousTab
            | Action::Fold
            | Action::Copy
            | Action::Cancel
            | Action::Clear
            | Action::Stop
            | Action::New
            | Action::Restart
            | Action::Configure
    )
}

/// Carry out an action on the screen.
pub(super) fn act(state: &mut Client<'_>, action: Action) -> Vec<Effect> {
    match action {
        Action::Move(by) | Action::Scroll(by) => scroll(state, by),
        Action::Page(by) => scroll(state, by * PAGE),
        Action::First => state.ui.race.scroll = Some(0),
        Action::Last => state.ui.race.scroll = None,
        Action::NextTab => return choose(state, 1),
        Action::PreviousTab => return choose(state, state.race_n_columns().saturating_sub(1)),
        Action::Focus => {
            let n = state.race_n_columns().max(1);
            state.ui.race.other = (state.ui.race.other + 1) % n;
            if state.ui.race.other == state.ui.race.chosen {
                state.ui.race.other = (state.ui.race.other + 1) % n;
            }
            compare(state);
            return score(state);
        }
        Action::Edit(edit) if state.ui.race.typing => {
            state.ui.race.prompt.apply(&edit);
        }
        Action::Choose => state.ui.race.typing = true,
        Action::Send => {
            state.ui.race.typing = false;
            return run(state);
        }
        Action::Restart => return run(state),
        Action::Cancel => return command(What::CancelRace),
        Action::Clear if state.ui.race.typing => state.ui.race.prompt = Editor::default(),
        Action::Back => return back(state),
        Action::Fold => state.ui.race.unfolded = !state.ui.race.unfolded,
        Action::Copy => {
            let lane = state.domain.race.as_ref().and_then(|race| race.lanes.get(state.ui.race.chosen));
            match lane.and_then(|lane| lane.turn(state.domain)).filter(|turn| !turn.text.is_empty()) {
                Some(turn) => return vec![Effect::Copy(turn.text.clone())],
                None => notify(state, "there is no answer to copy yet", true),
            }
        }
        Action::Stop => return drop_column(state),
        Action::New => {
            let twin = state.ui.race.entries.get(state.ui.race.chosen).cloned();
            match twin.filter(|_| state.ui.race.entries.len() < MAX_COLUMNS) {
                Some(twin) => {
                    let effects = change(state);
                    let place = state.ui.race.chosen + 1;
                    state.ui.race.entries.insert(place, twin);
                    state.ui.race.chosen = place;
                    return effects;
                }
                None => notify(state, full(), true),
            }
        }
        Action::Configure => {
            let Some(entry) = state.ui.race.entries.get(state.ui.race.chosen) else { return Vec::new() };
            let mut form = Form {
                model: entry.model.id.clone(),
                settings: entry.settings,
                column: Some(state.ui.race.chosen),
                chosen: 0,
                input: Editor::default(),
                error: None,
            };
            form.show();
            state.ui.overlay = Some(Overlay::Form(form));
        }
        _ => {}
    }
    Vec::new()
}

fn full() -> String {
    format!("a race has {MAX_COLUMNS} columns at most")
}

fn choose(state: &mut Client<'_>, by: usize) -> Vec<Effect> {
    let n = state.race_n_columns().max(1);
    state.ui.race.chosen = (state.ui.race.chosen + by) % n;
    if state.ui.race.other == state.ui.race.chosen {
        state.ui.race.other = (state.ui.race.chosen + 1) % n;
    }
    compare(state);
    score(state)
}

/// Score the prompt by other columns, where that shows.
fn score(state: &mut Client<'_>) -> Vec<Effect> {
    if state.ui.race.face == RaceTab::Heat { super::quality::again(state) } else { Vec::new() }
}

fn scroll(state: &mut Client<'_>, by: i32) {
    let limit = state.ui.race.limit;
    let from = state.ui.race.scroll.unwrap_or(limit);
    let to = from.saturating_add_signed(by as isize).min(limit);
    // Whoever scrolls to the end follows it again.
    state.ui.race.scroll = if to >= limit && by > 0 { None } else { Some(to) };
}

fn back(state: &mut Client<'_>) -> Vec<Effect> {
    if state.ui.race.typing {
        state.ui.race.typing = false;
    } else if state.ui.race.face != RaceTab::Answers {
        if state.ui.race.face == RaceTab::Heat {
            return super::quality::leave(state);
        }
        state.ui.race.face = RaceTab::Answers;
        state.ui.race.diff = None;
    } else if state.domain.is_racing() {
        return command(What::CancelRace);
    }
    // A race that has ended stays until the next one begins.
    Vec::new()
}

/// The columns of the next race change: what shows of the last one would not belong to them.
fn change(state: &mut Client<'_>) -> Vec<Effect> {
    if state.domain.is_racing() {
        return Vec::new();
    }
    state.ui.race.face = RaceTab::Answers;
    state.ui.race.diff = None;
    if state.domain.race.is_some() { command(What::DismissRace) } else { Vec::new() }
}

fn drop_column(state: &mut Client<'_>) -> Vec<Effect> {
    if state.domain.is_racing() {
        notify(state, "the race runs: cancel it first", true);
        return Vec::new();
    }
    let effects = change(state);
    if state.ui.race.chosen < state.ui.race.entries.len() {
        state.ui.race.entries.remove(state.ui.race.chosen);
    }
    state.ui.race.chosen = state.ui.race.chosen.min(state.ui.race.entries.len().saturating_sub(1));
    effects
}

/// Take new settings for a column of the next race.
pub(super) fn configured(
    state: &mut Client<'_>,
    column: usize,
    settings: domain::settings::SessionSettings,
) -> Vec<Effect> {
    let effects = change(state);
    if let Some(entry) = state.ui.race.entries.get_mut(column) {
        *entry = Entry { settings, model: entry.model.clone() };
        entry.settings.context = admission::context(&entry.model, entry.settings.context);
    }
    effects
}

/// What can be done from any screen.
pub(super) fn anywhere(state: &mut Client<'_>, action: &Action) -> Vec<Effect> {
    match action {
        Action::Mark => mark(state),
        Action::RaceMarked => return race_marked(state),
        Action::Order => turn_order(state),
        Action::Blind => turn_blind(state),
        Action::Vote => open_vote(state),
        Action::Diff => turn_diff(state),
        Action::Ratings => turn_ratings(state),
        _ => {}
    }
    Vec::new()
}

/// Mark the chosen model or session for the next race, or take its mark away.
fn mark(state: &mut Client<'_>) {
    let chosen = match state.ui.screen {
        Screen::Fleet => state.chosen_session().map(|session| (session.model.clone(), session.settings)),
        _ => state.chosen_model().cloned().map(|model| (model, state.domain.settings.session)),
    };
    let Some((model, settings)) = chosen else { return };
    if state.race_is_marked(&model.id) {
        state.ui.race.entries.retain(|entry| entry.model.id != model.id);
    } else if !model.is_runnable() {
        notify(state, format!("{} can't be run: {}", model.name, model.status), true);
    } else if state.ui.race.entries.len() == MAX_COLUMNS {
        notify(state, full(), true);
    } else {
        state.ui.race.entries.push(Entry::new(model, settings));
    }
    state.ui.race.chosen = state.ui.race.chosen.min(state.race_n_columns().saturating_sub(1));
}

/// Go to the Race screen with what is marked, to write the prompt.
fn race_marked(state: &mut Client<'_>) -> Vec<Effect> {
    if state.ui.race.entries.len() < MIN_COLUMNS {
        notify(state, "mark two models or more first, then race them", true);
        return Vec::new();
    }
    // What is marked otherwise than in the last race is the next one.
    let is_other = |race: &Race| {
        let raced = race.lanes.iter().map(|lane| &lane.model.id);
        let mut marked: Vec<_> = state.ui.race.entries.iter().map(|entry| &entry.model.id).collect();
        marked.sort_unstable();
        let mut raced: Vec<_> = raced.collect();
        raced.sort_unstable();
        marked != raced
    };
    let is_new = state.domain.race.as_ref().is_some_and(|race| is_other(race));
    let effects = if is_new { change(state) } else { Vec::new() };
    state.ui.screen = Screen::Race;
    state.ui.race.typing = !state.domain.is_racing();
    effects
}

/// Run the race that the screen holds. Columns that don't fit together are offered in turn, with the figures.
fn run(state: &mut Client<'_>) -> Vec<Effect> {
    let is_racing = state.domain.is_racing();
    let races = &mut state.ui.race;
    let prompt = races.prompt.text().to_owned();
    if !is_racing && races.entries.len() >= MIN_COLUMNS && prompt.trim().is_empty() {
        races.typing = true;
        return Vec::new();
    }
    let lockstep = std::mem::take(&mut races.lockstep);
    let order = RaceOrder {
        entries: races.entries.clone(),
        order: if lockstep { Order::Together } else { races.order },
        prompt,
        system: races.system.clone(),
        stop: races.stop.clone(),
        lockstep,
        blind: races.blind,
    };
    command(What::StartRace(Box::new(order)))
}

/// Show a race that has begun.
pub(super) fn show(state: &mut Client<'_>, order: RaceOrder) {
    let races = &mut state.ui.race;
    // What "again" runs.
    races.entries = order.entries;
    races.system = order.system;
    races.stop = order.stop;
    races.blind = order.blind;
    if races.prompt.text() != order.prompt {
        races.prompt = Editor::with_text(&order.prompt);
    }
    if !order.lockstep {
        races.order = order.order;
    }
    races.typing = false;
    races.face = if order.lockstep { RaceTab::Lockstep } else { RaceTab::Answers };
    races.diff = None;
    races.parting = None;
    races.scroll = None;
    races.chosen = 0;
    races.other = 1;
    state.ui.screen = Screen::Race;
}

/// Turn the order of the next race.
fn turn_order(state: &mut Client<'_>) {
    state.ui.race.order = match state.ui.race.order {
        Order::InTurn => Order::Together,
        Order::Together => Order::InTurn,
    };
    let words = state.ui.race.order.words();
    notify(state, format!("the next race runs {words}"), false);
}

/// Turn blind mode on or off for the next race.
fn turn_blind(state: &mut Client<'_>) {
    state.ui.race.blind = !state.ui.race.blind;
    let text = if state.ui.race.blind {
        "the next race hides its names until the vote"
    } else {
        "the next race shows its names"
    };
    notify(state, text, false);
}

/// Open the vote.
fn open_vote(state: &mut Client<'_>) {
    match vote_obstacle(state.domain.race.as_deref()) {
        None => state.ui.overlay = Some(Overlay::Vote { chosen: state.ui.race.chosen }),
        Some(reason) => notify(state, reason, true),
    }
}

/// Show the chosen answer against the other, or the answers again.
fn turn_diff(state: &mut Client<'_>) {
    if state.ui.race.face == RaceTab::Diff {
        state.ui.race.face = RaceTab::Answers;
        state.ui.race.diff = None;
    } else if state.domain.race.is_some() {
        state.ui.race.face = RaceTab::Diff;
        state.ui.race.scroll = Some(0);
        compare(state);
    }
}

/// Show how the models stand, or the answers again.
fn turn_ratings(state: &mut Client<'_>) {
    state.ui.race.face = if state.ui.race.face == RaceTab::Ratings { RaceTab::Answers } else { RaceTab::Ratings };
    state.ui.race.diff = None;
    rate(state);
}

/// Rate the models anew, while that shows.
pub(super) fn rate(state: &mut Client<'_>) {
    state.ui.race.standings =
        if state.ui.race.face == RaceTab::Ratings { rating::ratings(&state.domain.votes) } else { Vec::new() };
}

/// Show where the columns part, or the answers again. A race whose columns told no tokens is run anew.
pub(super) fn turn_lockstep(state: &mut Client<'_>) -> Vec<Effect> {
    if state.ui.race.face == RaceTab::Lockstep {
        state.ui.race.face = RaceTab::Answers;
        state.ui.race.parting = None;
        return Vec::new();
    }
    match &state.domain.race {
        Some(race) if race.lockstep => {
            state.ui.race.face = RaceTab::Lockstep;
            part(state);
            Vec::new()
        }
        Some(race) if race.is_running() => {
            notify(state, "wait for the end of the race", true);
            Vec::new()
        }
        _ => {
            state.ui.race.lockstep = true;
            run(state)
        }
    }
}

/// The race has ended.
pub(super) fn ended(state: &mut Client<'_>) {
    // The ends are of no more interest than the beginnings now, and from there they can be compared.
    state.ui.race.scroll.get_or_insert(0);
    compare(state);
    part(state);
}

/// Find where the columns diverge, while that shows.
pub(super) fn part(state: &mut Client<'_>) {
    if state.ui.race.face == RaceTab::Lockstep {
        state.ui.race.parting = state.domain.race.as_ref().and_then(|race| race.parting(state.domain));
    }
}

/// Compare the two columns anew, where that shows.
fn compare(state: &mut Client<'_>) {
    if state.ui.race.face != RaceTab::Diff {
        return;
    }
    let Some(race) = &state.domain.race else { return };
    let text = |place: usize| {
        let turn = race.lanes.get(place).and_then(|lane| lane.turn(state.domain));
        turn.map(|turn| turn.text.clone()).unwrap_or_default()
    };
    state.ui.race.diff = Some(diff::diff(&text(state.ui.race.chosen), &text(state.ui.race.other)));
}

/// Write the race that shows to files.
pub(super) fn save(state: &mut Client<'_>) -> Vec<Effect> {
    match &state.domain.race {
        Some(race) if !race.is_running() => {
            let stem = format!("race-{}", race.at.unix);
            let files =
                vec![(format!("{stem}.md"), export::markdown(race)), (format!("{stem}.html"), export::html(race))];
            vec![Effect::Save(files)]
        }
        Some(_) => {
            notify(state, "wait for the end of the race", true);
            Vec::new()
        }
        None => {
            notify(state, "there is no race to export", true);
            Vec::new()
        }
    }
}
