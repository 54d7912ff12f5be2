//! The Race screen: its columns, and the prompt.

use domain::lab::race::DecodeMode;

use super::{Binding, HIDDEN, Hint, bind, first_when, shown, text, when};
use crate::ui::update::{editing, perplexity, race};
use crate::ui::{Action, RaceTab, State};

pub(super) const TABLE: &[Binding] = &[
    bind(Action::Continue, &["space"], |state| first_when(is_held(state), "continue"), race::go_on).anywhere(),
    bind(Action::Back, &["esc"], back, race::back),
    bind(Action::Vote, &["v"], vote, race::open_vote).anywhere(),
    bind(Action::Diff, &["D"], |state| answers_or(state, has_race(state), RaceTab::Diff, "diff"), race::turn_diff)
        .anywhere(),
    bind(Action::Lockstep, &["L"], lockstep, race::turn_lockstep).anywhere(),
    bind(Action::KlHeatmap, &["K"], heatmap, perplexity::turn).anywhere(),
    bind(
        Action::Focus,
        &["tab"],
        |state| when(matches!(state.ui.race.tab, RaceTab::Diff | RaceTab::KlHeatmap), "other column"),
        race::turn_other,
    ),
    bind(Action::Choose, &["enter"], |state| when(can_change(state), "prompt"), race::type_prompt),
    bind(Action::Restart, &["r"], |state| when(is_over(state), "run again"), race::run),
    bind(Action::ExportRace, &["w"], |state| when(is_over(state), "export"), race::save).anywhere(),
    bind(Action::Order, &["O"], order, race::turn_order).anywhere(),
    bind(Action::Blind, &["B"], blind, race::turn_blind).anywhere(),
    bind(Action::Fold, &["t", "ctrl-o"], |state| when(has_race(state), "reasoning"), race::fold),
    bind(
        Action::Leaderboard,
        &["W"],
        |state| answers_or(state, !state.domain.votes.is_empty(), RaceTab::Leaderboard, "leaderboard"),
        race::turn_leaderboard,
    )
    .anywhere(),
    bind(Action::New, &["n"], |state| when(can_change(state), "duplicate"), race::duplicate_column),
    bind(Action::Configure, &["c"], |state| when(can_change(state), "settings"), race::configure),
    bind(Action::Stop, &["x"], |state| when(can_change(state), "remove"), race::remove_column),
    bind(Action::NextTab, &["right", "l"], HIDDEN, race::next_column),
    bind(Action::PreviousTab, &["left", "h"], HIDDEN, race::previous_column),
    bind(Action::Copy, &["y", "ctrl-y"], HIDDEN, race::copy),
    bind(Action::Cancel, &["ctrl-x"], HIDDEN, race::cancel),
];

pub(super) const PROMPT: &[Binding] = &[
    bind(Action::Send, &["enter"], |_| shown("run"), race::send),
    bind(Action::Back, &["esc"], |_| shown("to the columns"), race::leave_prompt),
    text::NEWLINE,
    bind(Action::ScrollUp, &["pgup"], HIDDEN, |client| race::scroll(client, -race::SCROLL)),
    bind(Action::ScrollDown, &["pgdn"], HIDDEN, |client| race::scroll(client, race::SCROLL)),
    bind(Action::NextTab, &["ctrl-t"], HIDDEN, race::next_column),
    bind(Action::Fold, &["ctrl-o"], HIDDEN, race::fold),
    bind(Action::Copy, &["ctrl-y"], HIDDEN, race::copy),
    bind(Action::Cancel, &["ctrl-x"], HIDDEN, race::cancel),
    bind(Action::Clear, &["ctrl-l"], HIDDEN, editing::clear),
    bind(Action::Focus, &["tab"], HIDDEN, race::turn_other),
];

fn has_race(state: &State) -> bool {
    state.race().is_some()
}

fn is_over(state: &State) -> bool {
    has_race(state) && !state.domain.is_racing()
}

fn is_held(state: &State) -> bool {
    state.race().is_some_and(|race| race.pace == DecodeMode::Held && race.is_running())
}

/// Whether the columns of the next race can be changed.
fn can_change(state: &State) -> bool {
    !state.ui.race.entries.is_empty() && !state.domain.is_racing()
}

/// What shows one tab, and the answers again.
fn answers_or(state: &State, condition: bool, tab: RaceTab, label: &'static str) -> Hint {
    when(condition, if state.ui.race.tab == tab { "answers" } else { label })
}

/// Another tab goes first.
fn back(state: &State) -> Hint {
    match state.ui.race.tab {
        RaceTab::Answers if state.domain.is_racing() => Hint::First("cancel"),
        RaceTab::Answers => when(state.ui.race.drafts, "last race"),
        _ => shown("answers"),
    }
}

fn vote(state: &State) -> Hint {
    when(is_over(state) && state.race().is_some_and(|race| race.vote.is_none()), "vote")
}

fn lockstep(state: &State) -> Hint {
    let reports_tokens = state.race().is_some_and(|race| race.lockstep);
    answers_or(state, is_over(state) || reports_tokens, RaceTab::Lockstep, "lockstep")
}

fn heatmap(state: &State) -> Hint {
    let label = match state.ui.race.tab {
        RaceTab::KlHeatmap if !state.ui.race.with_answer && state.race_chosen_answer().is_some() => "with answer",
        RaceTab::KlHeatmap => "answers",
        _ => "KL heatmap",
    };
    when(is_over(state), label)
}

fn order(state: &State) -> Hint {
    when(!state.domain.is_racing(), state.ui.race.order.words())
}

fn blind(state: &State) -> Hint {
    when(!state.domain.is_racing(), if state.ui.race.blind { "show names" } else { "blind" })
}
