//! What the user does with races: mark, start, look, vote, save. What happens in one is `course`.

mod course;

use super::{command, history, next_id, notify, session};
use crate::action::Action;
use crate::command::{Cause, Refused, What};
use crate::editor::Editor;
use crate::effect::Effect;
use crate::history::Draft;
use crate::plan;
use crate::race::rating::{MAX_VOTES, Vote};
use crate::race::{
    self, Entry, Face, Lane, MAX_COLUMNS, MIN_COLUMNS, Order, Pace, Race, RaceOrder, Stage, diff, export,
};
use crate::session::SessionId;
use crate::state::State;
use crate::ui::{Form, Overlay, Screen};
use crate::units::{Bytes, counted};
pub(super) use course::advance;
use course::loaded_session;

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
pub(super) fn act(state: &mut State, action: Action) -> Vec<Effect> {
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
            return weigh(state);
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
        Action::Cancel => return command::issue(state, What::CancelRace),
        Action::Clear if state.ui.race.typing => state.ui.race.prompt = Editor::default(),
        Action::Back => return back(state),
        Action::Fold => state.ui.race.unfolded = !state.ui.race.unfolded,
        Action::Copy => {
            let lane = state.domain.race.as_ref().and_then(|race| race.lanes.get(state.ui.race.chosen));
            match lane.and_then(|lane| lane.turn(&state.domain)).filter(|turn| !turn.text.is_empty()) {
                Some(turn) => return vec![Effect::Copy(turn.text.clone())],
                None => notify(state, "there is no answer to copy yet", true),
            }
        }
        Action::Stop => drop_column(state),
        Action::New => {
            let twin = state.ui.race.entries.get(state.ui.race.chosen).cloned();
            match twin.filter(|_| state.ui.race.entries.len() < MAX_COLUMNS) {
                Some(twin) => {
                    change(state);
                    let place = state.ui.race.chosen + 1;
                    state.ui.race.entries.insert(place, twin);
                    state.ui.race.chosen = place;
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

fn choose(state: &mut State, by: usize) -> Vec<Effect> {
    let n = state.race_n_columns().max(1);
    state.ui.race.chosen = (state.ui.race.chosen + by) % n;
    if state.ui.race.other == state.ui.race.chosen {
        state.ui.race.other = (state.ui.race.chosen + 1) % n;
    }
    compare(state);
    weigh(state)
}

/// Weigh the prompt by other columns, where that shows.
fn weigh(state: &mut State) -> Vec<Effect> {
    if state.ui.race.face == Face::Heat { super::quality::again(state) } else { Vec::new() }
}

fn scroll(state: &mut State, by: i32) {
    let limit = state.ui.race.limit;
    let from = state.ui.race.scroll.unwrap_or(limit);
    let to = from.saturating_add_signed(by as isize).min(limit);
    // Whoever scrolls to the end follows it again.
    state.ui.race.scroll = if to >= limit && by > 0 { None } else { Some(to) };
}

fn back(state: &mut State) -> Vec<Effect> {
    if state.ui.race.typing {
        state.ui.race.typing = false;
    } else if state.ui.race.face != Face::Answers {
        if state.ui.race.face == Face::Heat {
            return super::quality::leave(state);
        }
        state.ui.race.face = Face::Answers;
        state.ui.race.diff = None;
    } else if state.domain.is_racing() {
        return command::issue(state, What::CancelRace);
    }
    // A race that has ended stays until the next one begins.
    Vec::new()
}

/// The columns of the next race change: what shows of the last one would not belong to them.
fn change(state: &mut State) {
    if !state.domain.is_racing() {
        put_away(state);
        state.ui.race.face = Face::Answers;
        state.ui.race.diff = None;
    }
}

/// Take the race off the screen. What nobody voted on is not lost: the history has it.
fn put_away(state: &mut State) -> Option<Box<Race>> {
    let race = state.domain.race.take();
    if race.as_ref().is_some_and(|race| race.hides_names()) && state.domain.settings.history.keep {
        notify(state, "there was no vote on the blind race: the history can still reveal its names", false);
    }
    race
}

fn drop_column(state: &mut State) {
    if state.domain.is_racing() {
        notify(state, "the race runs: cancel it first", true);
        return;
    }
    change(state);
    if state.ui.race.chosen < state.ui.race.entries.len() {
        state.ui.race.entries.remove(state.ui.race.chosen);
    }
    state.ui.race.chosen = state.ui.race.chosen.min(state.ui.race.entries.len().saturating_sub(1));
}

/// Take new settings for a column of the next race.
pub(super) fn configured(state: &mut State, column: usize, settings: crate::settings::SessionSettings) {
    change(state);
    if let Some(entry) = state.ui.race.entries.get_mut(column) {
        *entry = Entry { settings, model: entry.model.clone() };
        entry.settings.context = plan::context(&entry.model, entry.settings.context);
    }
}

/// What can be wished for from anywhere and needs nothing done outside.
pub(super) fn wish(state: &mut State, action: &Action) {
    match action {
        Action::Mark => mark(state),
        Action::RaceMarked => race_marked(state),
        Action::Order => turn_order(state),
        Action::Blind => turn_blind(state),
        Action::Vote => open_vote(state),
        Action::Diff => turn_diff(state),
        Action::Ratings => turn_ratings(state),
        _ => {}
    }
}

/// Mark the chosen model or session for the next race, or take its mark away.
fn mark(state: &mut State) {
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
fn race_marked(state: &mut State) {
    if state.ui.race.entries.len() < MIN_COLUMNS {
        notify(state, "mark two models or more first, then race them", true);
        return;
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
    if state.domain.race.as_ref().is_some_and(|race| is_other(race)) {
        change(state);
    }
    state.ui.screen = Screen::Race;
    state.ui.race.typing = !state.domain.is_racing();
}

/// Run the race that the screen holds. Columns that don't fit together are offered in turn, with the figures.
fn run(state: &mut State) -> Vec<Effect> {
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
    command::issue(state, What::StartRace(Box::new(order)))
}

/// Start a race.
pub(super) fn start(state: &mut State, order: RaceOrder) -> Result<Vec<Effect>, Refused> {
    if state.domain.is_racing() {
        return Err(Refused::new(Cause::Busy, "a race is running: wait for it, or cancel it"));
    }
    if order.entries.len() < MIN_COLUMNS {
        return Err(Refused::new(Cause::Invalid, "a race needs at least two columns"));
    }
    if order.prompt.trim().is_empty() {
        return Err(Refused::new(Cause::Invalid, "the prompt is empty"));
    }
    if order.order == Order::Together
        && let Some(excess) = excess(state, &order.entries)
    {
        return Err(Refused::new(Cause::MemoryTogether, excess).with_hint("run them in turn"));
    }
    Ok(begin(state, order))
}

/// Why these columns don't fit in memory at once, with the figures; `None` where they do, or nothing is known.
pub(super) fn excess(state: &State, entries: &[Entry]) -> Option<String> {
    let free = plan::free_memory(&state.domain)?.free;
    let mut taken = Vec::new();
    let missing: Vec<&Entry> = entries
        .iter()
        .filter(|entry| match loaded_session(state, entry, &taken) {
            Some(session) => {
                taken.push(session);
                false
            }
            None => true,
        })
        .collect();
    let needed: Bytes = missing.iter().map(|entry| plan::plan(&entry.model, &entry.settings).total()).sum();
    (needed > free).then(|| {
        format!(
            "{} to be loaded would need about {needed} at once, but {free} are free",
            counted(missing.len(), "model")
        )
    })
}

fn begin(state: &mut State, order: RaceOrder) -> Vec<Effect> {
    // Sessions of the last race that failed have been looked at, or never will be.
    let old = put_away(state);
    for id in old.iter().flat_map(|race| &race.lanes).filter(|lane| lane.is_own).filter_map(|lane| lane.session) {
        if state.domain.session(id).is_some_and(|session| !session.is_live()) {
            session::remove(state, id);
        }
    }
    let RaceOrder { entries, order, prompt, system, stop, lockstep, blind } = order;
    let names = race::names(&entries);
    let id = next_id(state);
    let race = Race {
        id,
        at: state.domain.now,
        prompt,
        system,
        stop,
        order,
        lockstep,
        pace: if lockstep && order == Order::Together { Pace::Together } else { Pace::Free },
        blind,
        awaits_shuffle: blind,
        draw: 0,
        is_cancelled: false,
        lanes: entries.into_iter().zip(names).map(|(entry, name)| Lane::new(entry, name)).collect(),
        vote: None,
        draft: Draft::new(id),
    };
    state.domain.race = Some(Box::new(race));
    // A shuffle takes a random number, which only the driver can draw.
    if blind { vec![Effect::Draw] } else { Vec::new() }
}

/// Show a race that has begun.
pub(super) fn show(state: &mut State, order: RaceOrder) {
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
    races.face = Face::Answers;
    races.diff = None;
    races.parting = None;
    races.scroll = None;
    races.chosen = 0;
    races.other = 1;
    state.ui.screen = Screen::Race;
}

/// A random number was drawn: the columns of a blind race are shuffled.
pub(super) fn drawn(state: &mut State, number: u64) {
    if let Some(race) = state.domain.race.as_mut().filter(|race| race.awaits_shuffle) {
        race.shuffle(number);
    }
}

/// End the race that runs; what has come stays.
pub(super) fn cancel(state: &mut State) -> Vec<Effect> {
    let Some(race) = state.domain.race.as_mut().filter(|race| race.is_running()) else { return Vec::new() };
    race.is_cancelled = true;
    race.awaits_shuffle = false;
    let busy: Vec<SessionId> =
        race.lanes.iter().filter(|lane| lane.stage == Stage::Answering).filter_map(|lane| lane.session).collect();
    busy.into_iter().flat_map(|id| session::cancel(state, id)).collect()
}

/// Turn the order of the next race.
fn turn_order(state: &mut State) {
    state.ui.race.order = match state.ui.race.order {
        Order::InTurn => Order::Together,
        Order::Together => Order::InTurn,
    };
    let words = state.ui.race.order.words();
    notify(state, format!("the next race runs {words}"), false);
}

/// Turn blind mode on or off for the next race.
fn turn_blind(state: &mut State) {
    state.ui.race.blind = !state.ui.race.blind;
    let text = if state.ui.race.blind {
        "the next race hides its names until the vote"
    } else {
        "the next race shows its names"
    };
    notify(state, text, false);
}

/// Open the vote.
fn open_vote(state: &mut State) {
    match can_vote(state) {
        Ok(()) => state.ui.overlay = Some(Overlay::Vote { chosen: state.ui.race.chosen }),
        Err(refused) => notify(state, refused.reason, true),
    }
}

fn can_vote(state: &State) -> Result<(), Refused> {
    let reason = match &state.domain.race {
        Some(race) if race.is_running() => {
            return Err(Refused::new(Cause::Busy, "wait for all answers before you vote"));
        }
        Some(race) if race.vote.is_some() => "you have voted on this race",
        Some(race) if race.lanes.iter().filter(|lane| lane.answer.is_some()).count() >= MIN_COLUMNS => return Ok(()),
        _ => "there are no two answers to vote on",
    };
    Err(Refused::new(Cause::Invalid, reason))
}

/// Take the vote: a column, or none for a tie. A column without an answer takes no part.
pub(super) fn vote(state: &mut State, winner: Option<usize>) -> Result<Vec<Effect>, Refused> {
    can_vote(state)?;
    let at = state.domain.now;
    let Some(race) = &mut state.domain.race else { return Ok(Vec::new()) };
    let voted: Vec<usize> = (0..race.lanes.len()).filter(|place| race.lanes[*place].answer.is_some()).collect();
    if winner.is_some_and(|winner| !voted.contains(&winner)) {
        return Err(Refused::new(Cause::Invalid, "this column has no answer"));
    }
    race.vote = Some(winner);
    let record = race.vote_record(at.unix.saturating_mul(1000));
    let vote = Vote {
        race: race.id,
        at,
        models: voted.iter().map(|place| race.lanes[*place].contender()).collect(),
        winner: winner.and_then(|winner| voted.iter().position(|place| *place == winner)),
        blind: race.blind,
    };
    if state.domain.votes.len() == MAX_VOTES {
        state.domain.votes.remove(0);
    }
    state.domain.votes.push(vote);
    rate(state);
    // What the machine shows while someone reads is nothing.
    Ok(history::remember(state, record, state.domain.now.uptime, None))
}

/// Show the chosen answer against the other, or the answers again.
fn turn_diff(state: &mut State) {
    if state.ui.race.face == Face::Diff {
        state.ui.race.face = Face::Answers;
        state.ui.race.diff = None;
    } else if state.domain.race.is_some() {
        state.ui.race.face = Face::Diff;
        state.ui.race.scroll = Some(0);
        compare(state);
    }
}

/// Show how the models stand, or the answers again.
fn turn_ratings(state: &mut State) {
    state.ui.race.face = if state.ui.race.face == Face::Ratings { Face::Answers } else { Face::Ratings };
    state.ui.race.diff = None;
    rate(state);
}

/// Rate the models anew, while that shows.
pub(super) fn rate(state: &mut State) {
    state.ui.race.standings =
        if state.ui.race.face == Face::Ratings { race::rating::ratings(&state.domain.votes) } else { Vec::new() };
}

/// Show where the columns part, or the answers again. A race whose columns told no tokens is run anew.
pub(super) fn turn_lockstep(state: &mut State) -> Vec<Effect> {
    if state.ui.race.face == Face::Lockstep {
        state.ui.race.face = Face::Answers;
        state.ui.race.parting = None;
        return Vec::new();
    }
    match &state.domain.race {
        Some(race) if race.lockstep => {
            state.ui.race.face = Face::Lockstep;
            part(state);
            Vec::new()
        }
        Some(race) if race.is_running() => {
            notify(state, "wait for the end of the race", true);
            Vec::new()
        }
        _ => {
            state.ui.race.lockstep = true;
            let effects = run(state);
            if state.domain.is_racing() {
                state.ui.race.face = Face::Lockstep;
            }
            effects
        }
    }
}

/// Let columns that have diverged continue.
pub(super) fn resume(state: &mut State) -> Vec<Effect> {
    let Some(mut race) = state.domain.race.take() else { return Vec::new() };
    let effects = if race.pace == Pace::Held { course::release(state, &mut race) } else { Vec::new() };
    state.domain.race = Some(race);
    effects
}

/// Look anew where the columns part, while that shows.
fn part(state: &mut State) {
    if state.ui.race.face == Face::Lockstep {
        state.ui.race.parting = state.domain.race.as_ref().and_then(|race| race.parting(&state.domain));
    }
}

/// Compare the two columns anew, where that shows.
fn compare(state: &mut State) {
    if state.ui.race.face != Face::Diff {
        return;
    }
    let Some(race) = &state.domain.race else { return };
    let text = |place: usize| {
        let turn = race.lanes.get(place).and_then(|lane| lane.turn(&state.domain));
        turn.map(|turn| turn.text.clone()).unwrap_or_default()
    };
    state.ui.race.diff = Some(diff::diff(&text(state.ui.race.chosen), &text(state.ui.race.other)));
}

/// Write the race that shows to files.
pub(super) fn save(state: &mut State) -> Vec<Effect> {
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
