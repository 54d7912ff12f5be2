//! What follows from a wish of the user while something lies over the screen.

use domain::command::{Force, What};
use domain::settings::{SESSION_FIELDS, SessionSettings};

use super::command::start_session;
use super::{Client, action, command, race, storage};
use crate::ui::action::{Action, palette};
use crate::ui::editor::Editor;
use crate::ui::{Effect, Form, Overlay};

/// Whether an overlay takes this action for itself. The command line's and the driver's actions pass it by.
pub(super) fn takes(action: &Action) -> bool {
    !matches!(action, Action::Theme | Action::Freeze)
}

/// Carry out an action on the overlay, which is open.
pub(super) fn act(state: &mut Client<'_>, action: Action) -> Vec<Effect> {
    let Some(overlay) = state.ui.overlay.take() else { return Vec::new() };
    match overlay {
        Overlay::Help { scroll } => match action {
            Action::Back | Action::Help | Action::Choose => Vec::new(),
            Action::Quit => action::act(state, Action::Quit),
            Action::Show(screen) => action::act(state, Action::Show(screen)),
            Action::Move(by) => keep(state, Overlay::Help { scroll: scroll.saturating_add_signed(by as isize) }),
            Action::Page(by) => keep(state, Overlay::Help { scroll: scroll.saturating_add_signed(10 * by as isize) }),
            _ => keep(state, Overlay::Help { scroll }),
        },
        Overlay::Record { title, text, scroll } => record(state, &action, title, text, scroll),
        Overlay::Palette { mut input, chosen } => match action {
            Action::Back | Action::Palette => Vec::new(),
            Action::Choose => {
                let row = palette(input.text(), &state.ui.themes).into_iter().nth(chosen);
                row.map_or_else(Vec::new, |row| action::act(state, row.action))
            }
            Action::Move(by) => {
                let last = palette(input.text(), &state.ui.themes).len().saturating_sub(1);
                let chosen = chosen.saturating_add_signed(by as isize).min(last);
                keep(state, Overlay::Palette { input, chosen })
            }
            Action::Edit(edit) => {
                input.apply(&edit);
                keep(state, Overlay::Palette { input, chosen: 0 })
            }
            Action::Quit => action::act(state, Action::Quit),
            _ => keep(state, Overlay::Palette { input, chosen }),
        },
        Overlay::Confirm { question, then } => match action {
            Action::Confirm(true) => confirmed(state, *then),
            Action::Confirm(false) | Action::Back => Vec::new(),
            // Asking twice to leave is an answer.
            Action::Quit if *then == Action::Quit => action::leave(state),
            _ => keep(state, Overlay::Confirm { question, then }),
        },
        Overlay::Leave { question } => match action {
            // Asking twice to leave is an answer, and what runs is not stopped unasked.
            Action::Confirm(true) | Action::Quit => action::leave(state),
            Action::Confirm(false) => action::stop_and_leave(state),
            Action::Back => Vec::new(),
            _ => keep(state, Overlay::Leave { question }),
        },
        Overlay::Plan { request, plan, scroll } => match action {
            Action::Confirm(true) => storage::perform(*request, *plan),
            Action::Confirm(false) | Action::Back => Vec::new(),
            Action::Quit => action::act(state, Action::Quit),
            Action::Move(by) => {
                let scroll = scroll.saturating_add_signed(by as isize);
                keep(state, Overlay::Plan { request, plan, scroll })
            }
            _ => keep(state, Overlay::Plan { request, plan, scroll }),
        },
        Overlay::Refused { model, settings, refusal } => match action {
            Action::Force => start_session(model, *settings, Force::All),
            Action::Back | Action::Confirm(false) | Action::Choose => Vec::new(),
            Action::Quit => action::act(state, Action::Quit),
            _ => keep(state, Overlay::Refused { model, settings, refusal }),
        },
        Overlay::TryAnyway { model, settings } => try_anyway(state, &action, model, settings),
        Overlay::Vote { chosen } => match action {
            Action::Back => Vec::new(),
            Action::Quit => action::act(state, Action::Quit),
            Action::Move(by) => {
                let last = state.race_n_columns();
                keep(state, Overlay::Vote { chosen: chosen.saturating_add_signed(by as isize).min(last) })
            }
            Action::Choose => {
                let winner = (chosen < state.race_n_columns()).then_some(chosen);
                command(What::Vote(winner))
            }
            _ => keep(state, Overlay::Vote { chosen }),
        },
        Overlay::Form(mut form) => match action {
            Action::Back => Vec::new(),
            Action::Quit => action::act(state, Action::Quit),
            Action::Move(by) => {
                if form.take() {
                    form.chosen = form.chosen.saturating_add_signed(by as isize).min(SESSION_FIELDS.len() - 1);
                    form.show();
                }
                keep(state, Overlay::Form(form))
            }
            Action::Edit(edit) => {
                form.input.apply(&edit);
                form.error = None;
                keep(state, Overlay::Form(form))
            }
            Action::Choose => {
                if form.take() && form.column.is_some() {
                    race::configured(state, form.column.unwrap_or_default(), form.settings)
                } else if form.error.is_none() {
                    start_session(form.model, form.settings, Force::No)
                } else {
                    keep(state, Overlay::Form(form))
                }
            }
            _ => keep(state, Overlay::Form(form)),
        },
    }
}

fn record(state: &mut Client<'_>, action: &Action, title: String, text: String, scroll: usize) -> Vec<Effect> {
    let mut effects = Vec::new();
    let by = match action {
        Action::Back | Action::Choose => return Vec::new(),
        Action::Quit => return action::act(state, Action::Quit),
        Action::Show(screen) => return action::act(state, Action::Show(*screen)),
        Action::Copy => {
            effects.push(Effect::Copy(text.clone()));
            0
        }
        Action::Move(by) => *by as isize,
        Action::Page(by) => 10 * *by as isize,
        Action::First => isize::MIN,
        Action::Last => MAX_SCROLL,
        _ => 0,
    };
    state.ui.overlay = Some(Overlay::Record { title, text, scroll: scroll.saturating_add_signed(by) });
    effects
}

/// Beyond the last line of any text; the next frame knows how far it can be scrolled.
const MAX_SCROLL: isize = 1 << 30;

fn try_anyway(state: &mut Client<'_>, action: &Action, model: String, settings: Box<SessionSettings>) -> Vec<Effect> {
    match action {
        Action::Force => start_session(model, *settings, Force::File),
        Action::Back | Action::Confirm(false) | Action::Choose => Vec::new(),
        Action::Quit => action::act(state, Action::Quit),
        _ => keep(state, Overlay::TryAnyway { model, settings }),
    }
}

fn keep(state: &mut Client<'_>, overlay: Overlay) -> Vec<Effect> {
    state.ui.overlay = Some(overlay);
    Vec::new()
}

/// What was asked about is done without asking again.
fn confirmed(state: &mut Client<'_>, then: Action) -> Vec<Effect> {
    match then {
        Action::Quit => action::leave(state),
        then => action::act(state, then),
    }
}

impl Form {
    /// Show the chosen row's value in the field.
    pub(super) fn show(&mut self) {
        let value = SESSION_FIELDS.get(self.chosen).and_then(|field| self.settings.get(field.name));
        self.input = Editor::with_text(&value.unwrap_or_default());
        self.error = None;
    }

    /// Take the field's text as the chosen row's value. False, with the error shown, where it is none.
    fn take(&mut self) -> bool {
        let Some(field) = SESSION_FIELDS.get(self.chosen) else { return true };
        self.error = self.settings.set(field.name, self.input.text()).err();
        self.error.is_none()
    }
}
