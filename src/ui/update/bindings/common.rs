//! What many modes have in common.

use super::{Binding, HIDDEN, Hint, bind, shown, when};
use crate::ui::update::{list, machine, screen, selection};
use crate::ui::{Action, Mode, Screen, State};

/// Up and down.
pub(super) const MOVES: &[Binding] = &[
    bind(Action::Down, &["down", "j"], down, |client| selection::move_by(client, 1)),
    bind(Action::Up, &["up", "k"], HIDDEN, |client| selection::move_by(client, -1)),
];

pub(super) const PAGES: &[Binding] = &[
    bind(Action::PageDown, &["pgdn"], HIDDEN, |client| selection::move_by(client, selection::PAGE)),
    bind(Action::PageUp, &["pgup"], HIDDEN, |client| selection::move_by(client, -selection::PAGE)),
];

pub(super) const ENDS: &[Binding] = &[
    bind(Action::First, &["home", "g"], HIDDEN, |client| selection::move_by(client, i32::MIN)),
    bind(Action::Last, &["end", "G"], HIDDEN, |client| selection::move_by(client, i32::MAX)),
];

pub(super) const SCREENS: &[Binding] = &[
    bind(Action::Fleet, &["1", "alt-1"], HIDDEN, |client| screen::show(client, Screen::Fleet)),
    bind(Action::Library, &["2", "alt-2"], models, |client| screen::show(client, Screen::Library)),
    bind(Action::Race, &["3", "alt-3"], HIDDEN, |client| screen::show(client, Screen::Race)),
    bind(Action::Bench, &["4", "alt-4"], HIDDEN, |client| screen::show(client, Screen::Bench)),
    bind(Action::Machine, &["5", "alt-5"], HIDDEN, |client| screen::show(client, Screen::Machine)),
];

/// What every list has. The footer has a place of its own for help and palette.
pub(super) const COMMON: &[Binding] = &[
    bind(Action::Help, &["?", "f1"], HIDDEN, screen::help),
    bind(Action::Palette, &[":", "ctrl-p"], HIDDEN, screen::palette),
    bind(Action::Theme, &["T"], HIDDEN, screen::next_theme).anywhere(),
    bind(Action::FewerThreads, &["<"], |state| when(is_machine(state), "fewer threads"), machine::fewer_threads)
        .anywhere(),
    bind(Action::MoreThreads, &[">"], |state| when(is_machine(state), "more threads"), machine::more_threads)
        .anywhere(),
    bind(Action::UnmarkAll, &[], HIDDEN, list::unmark_all).anywhere(),
    bind(Action::Messages, &["m"], HIDDEN, screen::messages).anywhere(),
    bind(Action::Suspend, &["ctrl-z"], HIDDEN, screen::suspend).anywhere(),
    bind(Action::DismissNotices, &[], HIDDEN, screen::dismiss_notices).anywhere(),
    bind(Action::Reattach, &[], HIDDEN, screen::reattach).anywhere(),
];

pub(super) const QUIT: &[Binding] = &[bind(Action::Quit, &["q", "ctrl-c"], |_| shown("quit"), screen::quit)];

/// The same, where it can't be a letter.
pub(super) const LEAVE: &[Binding] = &[
    bind(Action::Quit, &["ctrl-c"], HIDDEN, screen::quit),
    bind(Action::Suspend, &["ctrl-z"], HIDDEN, screen::suspend),
    bind(Action::Messages, &["alt-m"], HIDDEN, screen::messages),
];

fn is_machine(state: &State) -> bool {
    state.ui.screen == Screen::Machine
}

/// Whoever has nothing to work on finds it in the library.
fn models(state: &State) -> Hint {
    match state.mode() {
        Mode::Race => when(state.ui.race.entries.is_empty(), "models"),
        Mode::Bench => when(!state.domain.bench.is_running(), "models"),
        Mode::Suites => shown("models"),
        _ => Hint::Hidden,
    }
}

fn down(state: &State) -> Hint {
    match state.mode() {
        Mode::Bench => when(state.domain.bench.rows.len() > 1, "next"),
        Mode::History => when(state.ui.history.entries.len() > 1, "older"),
        Mode::Suites
        | Mode::LibraryFilter
        | Mode::FleetFilter
        | Mode::RequestFilter
        | Mode::ChatFilter
        | Mode::HistoryFilter => shown("next"),
        Mode::Requests => when(state.ui.requests.rows.len() > 1, "next"),
        Mode::Chats => when(state.ui.chats.entries.len() > 1, "next"),
        Mode::Machine => when(state.ui.machine.shows_missing, "scroll"),
        Mode::Top => when(state.ui.fleet.rows.len() + state.ui.fleet.foreign.rows.len() > 1, "next"),
        _ => Hint::Hidden,
    }
}
