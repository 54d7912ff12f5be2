//! The sessions of the Fleet screen: what is done with the selected one.

use domain::command::What;
use domain::session::{Phase, Session, SessionId};
use wire::Role;

use super::{Client, foreign, graphs, list, race, writing};
use crate::ui::{Effect, Focus, Form, FormPurpose, Overlay, Screen, SessionTab, Then};
use domain::settings::{InEffect, in_effect};

/// Lines that a page of a tab scrolls.
pub(super) const SCROLL: i32 = 5;

/// Write to the selected session; without one go to the models.
pub(super) fn choose(client: &mut Client<'_>) -> Vec<Effect> {
    if client.chosen_session().is_some_and(|session| session.is_live() && session.embeds_only()) {
        client.notify("an embedding model can't chat", true);
        return Vec::new();
    }
    match client.chosen_session().map(|session| &session.phase) {
        None if client.chosen_foreign().is_some() => {}
        None => client.ui.screen = Screen::Library,
        Some(Phase::Failed { .. }) => client.notify("this session has ended; restart it first", true),
        Some(_) => {
            client.ui.fleet.focus = Focus::Prompt;
            client.ui.fleet.tab = SessionTab::Conversation;
        }
    }
    Vec::new()
}

/// Esc in the table: the graphs' cursor goes first, then the answer is cancelled, then the filter goes, then the marks.
pub(super) fn back(client: &mut Client<'_>) -> Vec<Effect> {
    if graphs::leave_cursor(client) {
        Vec::new()
    } else if client.ui.fleet.is_zoomed && !client.chosen_session().is_some_and(Session::is_busy) {
        client.ui.fleet.is_zoomed = false;
        Vec::new()
    } else if client.chosen_session().is_some_and(Session::is_busy) {
        cancel(client)
    } else if client.ui.fleet.filter.is_empty() {
        race::unmark_all(client)
    } else {
        list::clear_session_filter(client)
    }
}

/// Esc in the prompt: the graphs' cursor goes first, then the answer is cancelled, then the table has the keys.
pub(super) fn back_from_prompt(client: &mut Client<'_>) -> Vec<Effect> {
    if graphs::leave_cursor(client) || writing::stop_editing(client) {
        return Vec::new();
    }
    if client.chosen_session().is_some_and(Session::is_busy) {
        return cancel(client);
    }
    client.ui.fleet.focus = Focus::Table;
    Vec::new()
}

/// From the table to the prompt, and back.
pub(super) fn focus(client: &mut Client<'_>) -> Vec<Effect> {
    let can_write = client.chosen_session().is_some_and(|session| session.is_live() && !session.embeds_only());
    client.ui.fleet.focus = match client.ui.fleet.focus {
        Focus::Table if can_write => Focus::Prompt,
        _ => Focus::Table,
    };
    Vec::new()
}

/// Show the tab so many further on.
pub(super) fn turn_tab(client: &mut Client<'_>, by: usize) -> Vec<Effect> {
    let all = SessionTab::ALL;
    let place = all.iter().position(|(tab, _)| *tab == client.ui.fleet.tab).unwrap_or(0);
    client.ui.fleet.tab = all[(place + by) % all.len()].0;
    client.ui.fleet.scroll = 0;
    Vec::new()
}

/// Scroll the tab by so many lines; negative is up.
pub(super) fn scroll(client: &mut Client<'_>, by: i32) -> Vec<Effect> {
    // The figures are read from their start, everything else from its end.
    let back = if client.ui.fleet.tab == SessionTab::Figures { by } else { -by };
    client.ui.fleet.scroll = client.ui.fleet.scroll.saturating_add_signed(back as isize);
    Vec::new()
}

/// Send what stands in the selected session's prompt.
pub(super) fn send(client: &mut Client<'_>) -> Vec<Effect> {
    let Some(session) = client.ui.fleet.chosen else { return Vec::new() };
    let Some(prompt) = client.ui.fleet.prompts.get(&session) else { return Vec::new() };
    let text = prompt.text().to_owned();
    if text.trim().is_empty() {
        return Vec::new();
    }
    match client.ui.fleet.editing.as_ref().filter(|editing| editing.session == session) {
        Some(editing) => Effect::command(What::EditPrompt { session, turn: editing.turn, text }),
        None => Effect::command(What::SendPrompt { session, text }),
    }
}

/// Cancel the answer.
pub(super) fn cancel(client: &mut Client<'_>) -> Vec<Effect> {
    of_chosen(client, What::CancelAnswer)
}

/// Clear the conversation.
pub(super) fn clear(client: &mut Client<'_>) -> Vec<Effect> {
    of_chosen(client, What::ClearSession)
}

/// Stop the session, or the other program's process, that is selected.
pub(super) fn stop(client: &mut Client<'_>) -> Vec<Effect> {
    if client.chosen_foreign().is_some() {
        return foreign::stop(client);
    }
    unless_busy(client, "Stop", What::StopSession)
}

/// Restart the session.
pub(super) fn restart(client: &mut Client<'_>) -> Vec<Effect> {
    unless_busy(client, "Restart", What::RestartSession)
}

/// Change a setting of the session.
pub(super) fn set(client: &mut Client<'_>, name: String, value: String) -> Vec<Effect> {
    if client.chosen_session().is_none() {
        client.notify("choose a session first", true);
    }
    of_chosen(client, |session| What::SetSession { session, name, value })
}

/// Open the session's settings, to change them as it runs.
pub(super) fn configure(client: &mut Client<'_>) -> Vec<Effect> {
    if let Some(session) = client.chosen_session() {
        let (model, purpose) = (session.model.id.clone(), FormPurpose::Session(session.id));
        let form = Form::new(model, session.settings, session.chat.clone(), purpose);
        client.ui.overlay = Some(Overlay::Form(Box::new(form)));
    }
    Vec::new()
}

/// Change what a form says differently: at once where that can be, and what needs the model to be loaded again is asked about.
pub(super) fn reconfigured(client: &mut Client<'_>, id: SessionId, form: &Form) -> Vec<Effect> {
    let Some(session) = client.domain.session(id) else {
        client.notify("this session no longer exists", true);
        return Vec::new();
    };
    let old = |name: &str| session.chat.get(name).or_else(|| session.settings.get(name)).unwrap_or_default();
    let changed: Vec<&str> =
        form.fields().into_iter().map(|field| field.name).filter(|name| form.get(name) != old(name)).collect();
    let set = |name: &&str| What::SetSession { session: id, name: (*name).to_owned(), value: form.get(name) };
    let (reload, live): (Vec<&str>, Vec<&str>) =
        changed.into_iter().partition(|name| in_effect(name) == InEffect::Reload);
    if !reload.is_empty() {
        let busy = if session.is_busy() { " It is answering, and the answer ends." } else { "" };
        let need = if reload.len() == 1 { "needs" } else { "need" };
        let question = format!(
            "{} {need} the model to be loaded again, with the conversation kept. Reload {} now?{busy}",
            reload.join(", "),
            session.name
        );
        let mut all: Vec<What> = reload.iter().map(set).collect();
        all.push(What::RestartSession(id));
        client.ui.overlay = Some(Overlay::Confirm { question, then: Then::Commands(all) });
    }
    live.iter().map(set).map(Effect::Command).collect()
}

/// All reasonings of the session become one way: unfolded if any is folded.
pub(super) fn fold(client: &mut Client<'_>) -> Vec<Effect> {
    let Some(session) = client.chosen_session() else { return Vec::new() };
    let (fleet, settings) = (&client.ui.fleet, &client.domain.settings);
    let mut reasonings = session.conversation().filter(|turn| !turn.reasoning.is_empty());
    let is_folded = reasonings.any(|turn| fleet.folds(session.id, turn, settings));
    client.ui.fleet.folds.insert(session.id, !is_folded);
    Vec::new()
}

/// Copy the last answer.
pub(super) fn copy(client: &mut Client<'_>) -> Vec<Effect> {
    let answer = client.chosen_session().and_then(|session| {
        session.conversation().rev().find(|turn| turn.role == Role::Assistant && !turn.text.is_empty())
    });
    if let Some(turn) = answer {
        return vec![Effect::Copy(turn.text.clone())];
    }
    client.notify("there is no answer to copy yet", true);
    Vec::new()
}

/// A command to the selected session; without one nothing.
fn of_chosen(client: &Client<'_>, what: impl FnOnce(SessionId) -> What) -> Vec<Effect> {
    let chosen = client.chosen_session().map(|session| session.id);
    chosen.map_or_else(Vec::new, |id| Effect::command(what(id)))
}

/// The same, but asks first while the session answers.
fn unless_busy(client: &mut Client<'_>, verb: &str, what: impl FnOnce(SessionId) -> What) -> Vec<Effect> {
    let Some(session) = client.chosen_session().filter(|session| session.is_busy()) else {
        return of_chosen(client, what);
    };
    let question = format!("{} is answering. {verb} it?", session.name);
    client.ui.overlay = Some(Overlay::Confirm { question, then: what(session.id).into() });
    Vec::new()
}
