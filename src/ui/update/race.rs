//! The Race screen: mark, start, read, vote, save.

use domain::admission;
use domain::command::What;
use domain::lab::race::{Entry, MAX_COLUMNS, MIN_COLUMNS, Order, Race, RaceOrder, diff, export, rating, vote_obstacle};

use super::{Client, perplexity};
use crate::ui::editor::Editor;
use crate::ui::{Effect, Form, FormPurpose, Overlay, RaceTab, Screen};
use domain::settings::ChatSettings;

/// Lines that one step of a page's part scrolls.
pub(super) const SCROLL: i32 = 5;

/// Write the prompt.
pub(super) fn type_prompt(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.race.typing = true;
    Vec::new()
}

/// Leave the prompt.
pub(super) fn leave_prompt(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.race.typing = false;
    Vec::new()
}

/// Run the race with the prompt that was written.
pub(super) fn send(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.race.typing = false;
    run(client)
}

/// Cancel the race.
pub(super) fn cancel(_: &mut Client<'_>) -> Vec<Effect> {
    Effect::command(What::CancelRace)
}

/// Continue diverged columns.
pub(super) fn go_on(_: &mut Client<'_>) -> Vec<Effect> {
    Effect::command(What::ContinueRace)
}

/// Fold or unfold the reasoning of all columns.
pub(super) fn fold(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.race.unfolded = !client.ui.race.unfolded;
    Vec::new()
}

/// Copy the selected column's answer.
pub(super) fn copy(client: &mut Client<'_>) -> Vec<Effect> {
    let column = client.race().and_then(|race| race.columns.get(client.ui.race.chosen));
    match column.and_then(|column| column.turn(client.domain)).filter(|turn| !turn.text.is_empty()) {
        Some(turn) => return vec![Effect::Copy(turn.text.clone())],
        None => client.notify("there is no answer to copy yet", true),
    }
    Vec::new()
}

/// Add a column like the selected one.
pub(super) fn duplicate_column(client: &mut Client<'_>) -> Vec<Effect> {
    let Some(entry) = client.ui.race.entries.get(client.ui.race.chosen).cloned() else { return Vec::new() };
    if client.ui.race.entries.len() == MAX_COLUMNS {
        client.notify(full(), true);
        return Vec::new();
    }
    change(client);
    let place = (client.ui.race.chosen + 1).min(client.ui.race.entries.len());
    client.ui.race.entries.insert(place, entry);
    client.ui.race.chosen = place;
    Vec::new()
}

/// Open the selected column's settings.
pub(super) fn configure(client: &mut Client<'_>) -> Vec<Effect> {
    let column = client.ui.race.chosen;
    let Some(entry) = client.ui.race.entries.get(column) else { return Vec::new() };
    let (model, settings) = (entry.model.id.clone(), entry.settings);
    let form = Form::new(model, settings, ChatSettings::default(), FormPurpose::Column(column));
    client.ui.overlay = Some(Overlay::Form(Box::new(form)));
    Vec::new()
}

/// Compare with the next column.
pub(super) fn turn_other(client: &mut Client<'_>) -> Vec<Effect> {
    let n = client.race_n_columns().max(1);
    client.ui.race.other = (client.ui.race.other + 1) % n;
    if client.ui.race.other == client.ui.race.chosen {
        client.ui.race.other = (client.ui.race.other + 1) % n;
    }
    compare(client);
    score(client)
}

/// Select the next column.
pub(super) fn next_column(client: &mut Client<'_>) -> Vec<Effect> {
    select(client, 1)
}

/// Select the previous column.
pub(super) fn previous_column(client: &mut Client<'_>) -> Vec<Effect> {
    select(client, client.race_n_columns().saturating_sub(1))
}

fn full() -> String {
    format!("a race has at most {MAX_COLUMNS} columns")
}

fn select(client: &mut Client<'_>, by: usize) -> Vec<Effect> {
    let n = client.race_n_columns().max(1);
    client.ui.race.chosen = (client.ui.race.chosen + by) % n;
    if client.ui.race.other == client.ui.race.chosen {
        client.ui.race.other = (client.ui.race.chosen + 1) % n;
    }
    compare(client);
    score(client)
}

/// Select a column.
pub(super) fn select_column(client: &mut Client<'_>, place: usize) -> Vec<Effect> {
    let n = client.race_n_columns().max(1);
    client.ui.race.typing = false;
    select(client, (place + n - client.ui.race.chosen.min(place + n)) % n)
}

/// Score the prompt by other columns, where that shows.
fn score(client: &mut Client<'_>) -> Vec<Effect> {
    if client.ui.race.tab == RaceTab::KlHeatmap { perplexity::again(client) } else { Vec::new() }
}

/// Scroll the columns by so many lines; negative is up.
pub(super) fn scroll(client: &mut Client<'_>, by: i32) -> Vec<Effect> {
    let limit = client.ui.race.limit;
    let from = client.ui.race.scroll.unwrap_or(limit);
    let to = from.saturating_add_signed(by as isize).min(limit);
    // Whoever scrolls to the end follows it again.
    client.ui.race.scroll = if to >= limit && by > 0 { None } else { Some(to) };
    Vec::new()
}

/// Esc: back to the answers, then what runs is cancelled.
pub(super) fn back(client: &mut Client<'_>) -> Vec<Effect> {
    match client.ui.race.tab {
        RaceTab::KlHeatmap => return perplexity::leave(client),
        RaceTab::Answers if client.domain.is_racing() => return cancel(client),
        // The columns of the next race stay marked; a race that has ended stays until the next one begins.
        RaceTab::Answers => client.ui.race.drafts = false,
        RaceTab::Diff | RaceTab::Lockstep | RaceTab::Leaderboard => {
            client.ui.race.tab = RaceTab::Answers;
            client.ui.race.diff = None;
        }
    }
    Vec::new()
}

/// The columns of the next race change: they show, and the last one stays until it begins.
fn change(client: &mut Client<'_>) {
    if client.domain.is_racing() {
        return;
    }
    // What is run again may have been unmarked since.
    if client.ui.race.entries.is_empty() {
        client.ui.race.entries = entries_of_last(client);
    }
    client.ui.race.tab = RaceTab::Answers;
    client.ui.race.diff = None;
    client.ui.race.drafts = client.domain.race.is_some();
}

/// The columns of the last race.
fn entries_of_last(client: &Client<'_>) -> Vec<Entry> {
    let columns = client.domain.race.iter().flat_map(|race| &race.columns);
    columns.map(|column| Entry { model: column.model.clone(), settings: column.settings }).collect()
}

/// Remove the selected column.
pub(super) fn remove_column(client: &mut Client<'_>) -> Vec<Effect> {
    if client.domain.is_racing() {
        client.notify("a race is running; cancel it first", true);
        return Vec::new();
    }
    change(client);
    if client.ui.race.chosen < client.ui.race.entries.len() {
        client.ui.race.entries.remove(client.ui.race.chosen);
    }
    client.ui.race.chosen = client.ui.race.chosen.min(client.ui.race.entries.len().saturating_sub(1));
    Vec::new()
}

/// Take new settings for a column of the next race.
pub(super) fn configured(
    client: &mut Client<'_>,
    column: usize,
    settings: domain::settings::SessionSettings,
) -> Vec<Effect> {
    change(client);
    if let Some(entry) = client.ui.race.entries.get_mut(column) {
        *entry = Entry { settings, model: entry.model.clone() };
        entry.settings.context = admission::context(&entry.model, entry.settings.context);
    }
    Vec::new()
}

/// Mark the selected model or session for the next race, or unmark it.
pub(super) fn mark(client: &mut Client<'_>) -> Vec<Effect> {
    let selected = match client.ui.screen {
        Screen::Fleet => client.chosen_session().map(|session| (session.model.clone(), session.settings)),
        _ => client.chosen_model().cloned().map(|model| (model, client.domain.settings.session)),
    };
    let Some((model, settings)) = selected else { return Vec::new() };
    if client.race_is_marked(&model.id) {
        client.ui.race.entries.retain(|entry| entry.model.id != model.id);
    } else if !model.is_runnable() {
        client.notify(format!("{} is not runnable: {}", model.name, model.status), true);
    } else if client.ui.race.entries.len() == MAX_COLUMNS {
        client.notify(full(), true);
    } else {
        client.ui.race.entries.push(Entry::new(model, settings));
    }
    client.ui.race.chosen = client.ui.race.chosen.min(client.race_n_columns().saturating_sub(1));
    Vec::new()
}

/// Unmark all models.
pub(super) fn unmark_all(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.race.entries.clear();
    client.ui.race.chosen = client.ui.race.chosen.min(client.race_n_columns().saturating_sub(1));
    Vec::new()
}

/// Go to the Race screen with what is marked, to write the prompt.
pub(super) fn race_marked(client: &mut Client<'_>) -> Vec<Effect> {
    if client.ui.race.entries.len() < MIN_COLUMNS {
        client.notify("mark at least two models first", true);
        return Vec::new();
    }
    // What is marked otherwise than in the last race is the next one.
    let is_other = |race: &Race| {
        let raced = race.columns.iter().map(|column| &column.model.id);
        let mut marked: Vec<_> = client.ui.race.entries.iter().map(|entry| &entry.model.id).collect();
        marked.sort_unstable();
        let mut raced: Vec<_> = raced.collect();
        raced.sort_unstable();
        marked != raced
    };
    let is_new = client.domain.race.as_ref().is_some_and(|race| is_other(race));
    if is_new {
        change(client);
    }
    if let Some(text) = client.ui.told_marked(client.domain, "racing") {
        client.notify(text, false);
    }
    client.ui.screen = Screen::Race;
    client.ui.race.typing = !client.domain.is_racing();
    Vec::new()
}

/// Run the race that the screen holds. Columns that don't fit together are offered in turn, with the figures.
pub(super) fn run(client: &mut Client<'_>) -> Vec<Effect> {
    let is_racing = client.domain.is_racing();
    if client.ui.race.entries.is_empty() && !is_racing {
        client.ui.race.entries = entries_of_last(client);
    }
    let races = &mut client.ui.race;
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
    Effect::command(What::StartRace(Box::new(order)))
}

/// Show a race that has begun.
pub(super) fn show(client: &mut Client<'_>, order: RaceOrder) {
    let races = &mut client.ui.race;
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
    (races.typing, races.drafts) = (false, false);
    races.tab = if order.lockstep { RaceTab::Lockstep } else { RaceTab::Answers };
    races.diff = None;
    races.divergence = None;
    races.scroll = None;
    races.chosen = 0;
    races.other = 1;
    client.ui.screen = Screen::Race;
}

/// Turn the order of the next race.
pub(super) fn turn_order(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.race.order = match client.ui.race.order {
        Order::InTurn => Order::Together,
        Order::Together => Order::InTurn,
    };
    let words = client.ui.race.order.words();
    client.notify(format!("the next race runs {words}"), false);
    Vec::new()
}

/// Turn blind mode on or off for the next race.
pub(super) fn turn_blind(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.race.blind = !client.ui.race.blind;
    let text = if client.ui.race.blind {
        "the next race hides its names until the vote"
    } else {
        "the next race shows its names"
    };
    client.notify(text, false);
    Vec::new()
}

/// Open the vote.
pub(super) fn open_vote(client: &mut Client<'_>) -> Vec<Effect> {
    match vote_obstacle(client.race()) {
        None => client.ui.overlay = Some(Overlay::Vote { chosen: client.ui.race.chosen }),
        Some(reason) => client.notify(reason, true),
    }
    Vec::new()
}

/// Show the chosen answer against the other, or the answers again.
pub(super) fn turn_diff(client: &mut Client<'_>) -> Vec<Effect> {
    if client.ui.race.tab == RaceTab::Diff {
        client.ui.race.tab = RaceTab::Answers;
        client.ui.race.diff = None;
    } else if client.race().is_some() {
        client.ui.race.tab = RaceTab::Diff;
        client.ui.race.scroll = Some(0);
        compare(client);
    }
    Vec::new()
}

/// Show the leaderboard, or the answers again.
pub(super) fn turn_leaderboard(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.race.tab =
        if client.ui.race.tab == RaceTab::Leaderboard { RaceTab::Answers } else { RaceTab::Leaderboard };
    client.ui.race.diff = None;
    rate(client);
    Vec::new()
}

/// Rate the models anew, while that shows.
pub(super) fn rate(client: &mut Client<'_>) {
    client.ui.race.leaderboard =
        if client.ui.race.tab == RaceTab::Leaderboard { rating::ratings(&client.domain.votes) } else { Vec::new() };
}

/// Show where the columns part, or the answers again. A race whose columns told no tokens is run anew.
pub(super) fn turn_lockstep(client: &mut Client<'_>) -> Vec<Effect> {
    if client.ui.race.tab == RaceTab::Lockstep {
        client.ui.race.tab = RaceTab::Answers;
        client.ui.race.divergence = None;
        return Vec::new();
    }
    match client.race() {
        Some(race) if race.lockstep => {
            client.ui.race.tab = RaceTab::Lockstep;
            part(client);
            Vec::new()
        }
        Some(race) if race.is_running() => {
            client.notify("wait for the race to finish", true);
            Vec::new()
        }
        _ => {
            client.ui.race.lockstep = true;
            run(client)
        }
    }
}

/// The race has ended.
pub(super) fn ended(client: &mut Client<'_>) {
    // The ends are of no more interest than the beginnings now, and from there they can be compared.
    client.ui.race.scroll.get_or_insert(0);
    compare(client);
    part(client);
}

/// Find where the columns diverge, while that shows.
pub(super) fn part(client: &mut Client<'_>) {
    if client.ui.race.tab == RaceTab::Lockstep {
        client.ui.race.divergence = client.race().and_then(|race| race.divergence(client.domain));
    }
}

/// Compare the two columns anew, where that shows.
fn compare(client: &mut Client<'_>) {
    if client.ui.race.tab != RaceTab::Diff {
        return;
    }
    let Some(race) = client.race() else { return };
    let text = |place: usize| {
        let turn = race.columns.get(place).and_then(|column| column.turn(client.domain));
        turn.map(|turn| turn.text.clone()).unwrap_or_default()
    };
    client.ui.race.diff = Some(diff::diff(&text(client.ui.race.chosen), &text(client.ui.race.other)));
}

/// Write the race that shows to files.
pub(super) fn save(client: &mut Client<'_>) -> Vec<Effect> {
    match client.race() {
        Some(race) if !race.is_running() => {
            let stem = format!("race-{}", race.at.unix);
            let files =
                vec![(format!("{stem}.md"), export::markdown(race)), (format!("{stem}.html"), export::html(race))];
            vec![Effect::Save(files)]
        }
        Some(_) => {
            client.notify("wait for the race to finish", true);
            Vec::new()
        }
        None => {
            client.notify("there is no race to export", true);
            Vec::new()
        }
    }
}
