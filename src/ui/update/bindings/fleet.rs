//! The Fleet screen: the table, a prompt, the filter.

use domain::session::{Phase, Session};

use super::{Binding, HIDDEN, Hint, bind, chats, shown, text, when};
use crate::ui::editor::Edit;
use crate::ui::requests_view;
use crate::ui::update::chats as chats_of_session;
use crate::ui::update::{editing, graphs, list, race, requests, screen, selection, session, writing};
use crate::ui::{Action, Screen, SessionTab, State};

pub(super) const TABLE: &[Binding] = &[
    bind(Action::Back, &["esc"], back, session::back),
    bind(Action::Choose, &["enter"], |state| when(can_chat(state), "chat"), session::choose),
    bind(Action::New, &["n"], new, |client| screen::show(client, Screen::Library)),
    bind(Action::Mark, &["space"], |state| when(has_session(state), "mark"), race::mark),
    bind(Action::RaceMarked, &["R"], race_marked, race::race_marked).anywhere(),
    bind(Action::Stop, &["x"], stop, session::stop).anywhere(),
    bind(Action::EditPrompt, &["e"], |state| when(can_say_again(state), "edit prompt"), writing::edit_prompt)
        .anywhere(),
    bind(Action::Regenerate, &["g"], |state| when(can_say_again(state), "regenerate"), writing::regenerate).anywhere(),
    bind(Action::Zoom, &["z"], zoom, writing::zoom).anywhere(),
    chats::TURN,
    TURN,
    bind(
        Action::NextTab,
        &["right", "l"],
        |state| when(has_session(state), "next tab"),
        |client| session::turn_tab(client, 1),
    ),
    bind(Action::PreviousTab, &["left", "h"], HIDDEN, |client| session::turn_tab(client, SessionTab::ALL.len() - 1)),
    bind(Action::Fold, &["t", "ctrl-o"], fold, session::fold),
    bind(Action::Copy, &["y", "ctrl-y"], copy, session::copy).anywhere(),
    bind(Action::CopyCode, &["Y"], |state| when(has_code(state), "copy code"), writing::copy_code).anywhere(),
    bind(Action::DeleteTurn, &["d"], |state| when(can_say_again(state), "delete turn"), writing::delete_exchange)
        .anywhere(),
    bind(Action::Rename, &["N"], HIDDEN, chats_of_session::begin_name),
    bind(Action::ExportChat, &["w"], |state| when(has_turns(state), "export chat"), chats_of_session::save),
    bind(Action::Sort, &["s"], |state| when(n_rows(state) > 1, "sort"), list::sort_sessions),
    bind(Action::Filter, &["/"], |state| when(n_rows(state) > 1, "filter"), list::filter_sessions),
    bind(Action::PauseGraphs, &["p"], pause, graphs::pause).anywhere(),
    bind(Action::Restart, &["r"], restart, session::restart).anywhere(),
    bind(Action::Configure, &["c"], |state| when(has_session(state), "settings"), session::configure),
    bind(Action::Earlier, &["[", "shift-left"], |_| shown("read graphs"), |client| graphs::move_cursor(client, -1))
        .anywhere(),
    bind(Action::Later, &["]", "shift-right"], HIDDEN, |client| graphs::move_cursor(client, 1)).anywhere(),
    bind(Action::Split, &["|"], split, graphs::split).anywhere(),
    bind(Action::ExportGraphs, &["E"], |_| shown("export"), graphs::export).anywhere(),
    bind(Action::ZoomIn, &["+", "="], HIDDEN, |client| graphs::zoom(client, -1)).anywhere(),
    bind(Action::ZoomOut, &["-"], HIDDEN, |client| graphs::zoom(client, 1)).anywhere(),
    bind(Action::Reverse, &["S"], HIDDEN, list::reverse_sessions),
    bind(Action::Focus, &["tab"], HIDDEN, session::focus),
    bind(Action::ScrollUp, &["pgup"], HIDDEN, |client| session::scroll(client, -session::SCROLL)),
    bind(Action::ScrollDown, &["pgdn"], HIDDEN, |client| session::scroll(client, session::SCROLL)),
    bind(Action::Cancel, &["ctrl-x"], HIDDEN, session::cancel).anywhere(),
    bind(Action::Clear, &["ctrl-l"], |state| when(has_turns(state), "new chat"), session::clear).anywhere(),
];

fn new(state: &State) -> Hint {
    shown(if state.domain.sessions.is_empty() { "start a model" } else { "new" })
}

/// The ends of the list: here `g` generates an answer again.
pub(super) const ENDS: &[Binding] = &[
    bind(Action::First, &["home"], HIDDEN, |client| selection::move_by(client, i32::MIN)),
    bind(Action::Last, &["end"], HIDDEN, |client| selection::move_by(client, i32::MAX)),
];

/// In the prompt: lines, and at their ends prompts that were sent before.
pub(super) const PROMPT_MOVES: &[Binding] = &[
    bind(Action::CursorUp, &["up"], |state| when(can_recall(state), "earlier prompts"), writing::up),
    bind(Action::CursorDown, &["down"], HIDDEN, writing::down),
];

/// The requests, or the sessions again.
const TURN: Binding = bind(
    Action::Requests,
    &["Q"],
    |state| shown(if state.ui.requests.shown { "sessions" } else { "requests" }),
    requests::turn,
)
.anywhere();

pub(super) const REQUESTS: &[Binding] = &[
    bind(Action::Back, &["esc"], back_from_requests, requests::back),
    bind(Action::Cancel, &["x", "ctrl-x"], |state| when(is_open(state), "cancel"), requests::cancel),
    bind(Action::Choose, &["enter"], |state| when(!state.ui.requests.rows.is_empty(), "session"), requests::choose),
    bind(Action::Filter, &["/"], |state| when(state.ui.requests.n_all > 1, "filter"), requests::filter),
    bind(Action::Sort, &["s"], |state| when(state.ui.requests.n_all > 1, "sort"), requests::sort),
    bind(Action::Reverse, &["S"], HIDDEN, requests::reverse),
    TURN,
];

pub(super) const REQUEST_FILTER: &[Binding] = &[
    bind(Action::Choose, &["enter"], |_| shown("keep"), list::keep_filter),
    bind(Action::Back, &["esc"], |_| shown("show all"), requests::back),
];

pub(super) const PROMPT: &[Binding] = &[
    bind(Action::Send, &["enter"], |state| when(!is_busy(state), "send"), session::send),
    bind(Action::Back, &["esc"], back_from_prompt, session::back_from_prompt),
    text::NEWLINE,
    bind(Action::ScrollUp, &["pgup"], |_| shown("scroll"), |client| session::scroll(client, -session::SCROLL)),
    bind(Action::ScrollDown, &["pgdn"], HIDDEN, |client| session::scroll(client, session::SCROLL)),
    bind(Action::NextTab, &["ctrl-t"], |_| shown("next tab"), |client| session::turn_tab(client, 1)),
    bind(Action::Fold, &["ctrl-o"], |_| shown("reasoning"), session::fold),
    bind(Action::Configure, &["ctrl-s"], |_| shown("settings"), session::configure),
    bind(Action::ExternalEditor, &["ctrl-e"], |_| shown("editor"), writing::edit_externally),
    bind(Action::LineEnd, &["end"], HIDDEN, |client| editing::edit(client, &Edit::End)),
    bind(Action::Copy, &["ctrl-y"], HIDDEN, session::copy),
    bind(Action::CopyCode, &["alt-y"], HIDDEN, writing::copy_code),
    bind(Action::EditPrompt, &["alt-e"], HIDDEN, writing::edit_prompt),
    bind(Action::Regenerate, &["ctrl-g"], |state| when(can_say_again(state), "regenerate"), writing::regenerate),
    bind(Action::Zoom, &["alt-z"], HIDDEN, writing::zoom),
    bind(Action::Cancel, &["ctrl-x"], HIDDEN, session::cancel),
    bind(Action::Clear, &["ctrl-l"], |state| when(has_turns(state), "new chat"), session::clear),
    bind(Action::Focus, &["tab"], HIDDEN, session::focus),
];

pub(super) const FILTER: &[Binding] = &[
    bind(Action::Choose, &["enter"], |_| shown("keep"), list::keep_filter),
    bind(Action::Back, &["esc"], |_| shown("show all"), list::clear_session_filter),
];

fn back_from_requests(state: &State) -> Hint {
    shown(if state.ui.requests.filter.is_empty() { "sessions" } else { "show all" })
}

/// Whether the selected request has not ended.
fn is_open(state: &State) -> bool {
    let chosen = state.ui.requests.chosen;
    let find = |id| requests_view::requests(&state.domain, state.ui.server.as_ref()).find(|row| row.id == id);
    chosen.and_then(find).is_some_and(|row| row.is_open())
}

/// Whether something was said that can be said again.
fn can_say_again(state: &State) -> bool {
    has_turns(state) && !is_busy(state) && !has_failed(state)
}

fn has_turns(state: &State) -> bool {
    state.chosen_session().is_some_and(|session| !session.turns.is_empty())
}

fn can_recall(state: &State) -> bool {
    let editor = state.ui.fleet.chosen.and_then(|id| state.ui.fleet.prompts.get(&id));
    let is_empty = editor.is_none_or(crate::ui::editor::Editor::is_empty);
    is_empty && (has_turns(state) || !state.ui.fleet.sent.is_empty())
}

fn has_code(state: &State) -> bool {
    let answers = state.chosen_session().into_iter().flat_map(Session::conversation);
    answers.filter(|turn| turn.role == wire::Role::Assistant).any(|turn| turn.text.contains("```"))
}

fn zoom(state: &State) -> Hint {
    when(has_session(state), if state.ui.fleet.is_zoomed { "table" } else { "zoom" })
}

fn has_session(state: &State) -> bool {
    state.chosen_session().is_some()
}

/// Whether the selected session can be written to: not a failed one, nor one whose model only makes embeddings.
fn can_chat(state: &State) -> bool {
    state.chosen_session().is_some_and(|session| !session.embeds_only()) && !has_failed(state)
}

fn is_busy(state: &State) -> bool {
    state.chosen_session().is_some_and(Session::is_busy)
}

fn has_failed(state: &State) -> bool {
    state.chosen_session().is_some_and(|session| matches!(session.phase, Phase::Failed { .. }))
}

fn n_rows(state: &State) -> usize {
    state.domain.sessions.len() + state.ui.fleet.foreign.rows.len()
}

/// The graphs' cursor goes first.
fn back(state: &State) -> Hint {
    match state.ui.machine.cursor {
        Some(_) => Hint::First("back to now"),
        None if is_busy(state) => Hint::First("cancel"),
        None if state.ui.fleet.is_zoomed => shown("table"),
        None if !state.ui.fleet.filter.is_empty() => shown("show all"),
        None => unmark(state),
    }
}

pub(super) fn unmark(state: &State) -> Hint {
    when(!state.ui.race.entries.is_empty(), "unmark")
}

pub(super) fn race_marked(state: &State) -> Hint {
    match state.ui.race.entries.len() {
        0 | 1 => Hint::Hidden,
        count => Hint::Counted("race", count),
    }
}

fn back_from_prompt(state: &State) -> Hint {
    match state.ui.machine.cursor {
        Some(_) => shown("back to now"),
        None if state.ui.fleet.editing.is_some() => Hint::First("keep the prompt"),
        None if is_busy(state) => Hint::First("cancel"),
        None => shown("to the table"),
    }
}

fn stop(state: &State) -> Hint {
    if state.chosen_foreign().is_some() { shown("terminate") } else { when(has_session(state), "stop") }
}

fn restart(state: &State) -> Hint {
    if has_failed(state) { Hint::First("restart") } else { when(has_session(state), "restart") }
}

fn fold(state: &State) -> Hint {
    let has_reasoning =
        state.chosen_session().is_some_and(|session| session.conversation().any(|turn| !turn.reasoning.is_empty()));
    when(has_reasoning && state.ui.fleet.tab == SessionTab::Conversation, "reasoning")
}

fn copy(state: &State) -> Hint {
    let has_answer = state.chosen_session().is_some_and(|session| session.conversation().next().is_some());
    when(has_answer && !is_busy(state), "copy")
}

pub(super) fn pause(state: &State) -> Hint {
    shown(if state.ui.machine.frozen.is_some() { "resume graphs" } else { "pause graphs" })
}

/// One part can't be told apart from others.
pub(super) fn split(state: &State) -> Hint {
    when(state.domain.sessions.len() > 1, if state.ui.machine.split { "stack" } else { "split" })
}
