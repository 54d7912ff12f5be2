//! The keys that do something here and now, most useful first.

use super::super::keymap::Context;
use crate::ui::RaceTab;
use crate::ui::State;
use crate::ui::{Face, Screen, Tab};
use domain::download::Phase as Stage;
use domain::session::{Phase, Session};

/// Actions with a word for each, for the footer.
#[expect(clippy::too_many_lines, reason = "one arm for each place, and none is long")]
pub(crate) fn of(state: &State) -> Vec<(&'static str, &'static str)> {
    let session = state.chosen_session();
    let is_race = state.ui.screen == Screen::Race;
    let is_busy = session.is_some_and(Session::is_busy) && !is_race;
    let mut hints = Vec::new();
    let mut offer = |when: bool, action, label| {
        if when {
            hints.push((action, label));
        }
    };
    match Context::of(state) {
        Context::Fleet => {
            let has_failed = session.is_some_and(|session| matches!(session.phase, Phase::Failed { .. }));
            let has_answer = session.is_some_and(|session| session.conversation().next().is_some());
            let has_thought =
                session.is_some_and(|session| session.conversation().any(|turn| !turn.reasoning.is_empty()));
            offer(is_busy, "back", "cancel");
            offer(has_failed, "restart", "restart");
            offer(session.is_some() && !has_failed, "choose", "chat");
            offer(true, "new", "new");
            offer(session.is_some(), "mark", "mark");
            offer(state.ui.race.entries.len() > 1, "race-marked", "race");
            offer(session.is_some(), "stop", "stop");
            offer(state.chosen_foreign().is_some(), "stop", "ask it to end");
            offer(session.is_some(), "next-tab", "next tab");
            offer(has_thought && state.ui.fleet.tab == Tab::Conversation, "fold", "reasoning");
            offer(has_answer && !is_busy, "copy", "copy");
            let n_rows = state.domain.sessions.len() + state.ui.fleet.foreign.rows.len();
            offer(n_rows > 1, "sort", "sort");
            offer(n_rows > 1, "filter", "filter");
            offer(true, "freeze", if state.ui.machine.frozen.is_some() { "unfreeze" } else { "freeze" });
            offer(session.is_some() && !has_failed, "restart", "restart");
            offer(session.is_some(), "configure", "settings");
            graph_hints(&mut offer, state);
        }
        Context::Prompt => {
            offer(is_busy, "back", "cancel");
            offer(!is_busy, "send", "send");
            offer(!is_busy, "back", if is_race { "to the columns" } else { "to the table" });
            offer(true, "newline", "new line");
            offer(!is_race, "scroll-up", "scroll");
            offer(!is_race, "next-tab", "next tab");
            offer(!is_race, "fold", "reasoning");
        }
        Context::Library => {
            let can_start = state.chosen_model().is_some_and(|model| model.is_runnable());
            offer(can_start, "choose", "start");
            offer(state.chosen_model().is_some_and(|model| model.can_be_tried()), "choose", "try anyway");
            offer(can_start, "configure", "settings");
            offer(can_start, "mark", "mark");
            offer(state.ui.race.entries.len() > 1, "race-marked", "race");
            offer(true, "filter", "filter");
            offer(true, "hub", "find more");
            offer(true, "usage", "disk use");
            offer(can_start, "bench-model", "bench");
            offer(can_start, "suites", "suite");
            offer(true, "sort", "sort");
            offer(true, "reverse", "reverse");
            offer(!state.domain.library.scanning, "rescan", "scan again");
            offer(true, "fleet", "sessions");
            offer(state.chosen_model().is_some(), "delete-model", "delete");
        }
        Context::Hub => {
            let hub = &state.ui.hub;
            let download = state.domain.downloads.all.get(hub.chosen_download);
            let is_still = download.is_some_and(|download| matches!(download.phase, Stage::Paused | Stage::Failed(_)));
            offer(true, "filter", "search");
            offer(
                !hub.results.is_empty(),
                "choose",
                match (hub.in_downloads, hub.open) {
                    (true, _) if is_still => "resume",
                    (true, _) => "show",
                    (false, Some(_)) => "fetch",
                    (false, None) => "open",
                },
            );
            offer(download.is_some(), "focus", if hub.in_downloads { "list" } else { "downloads" });
            let is_over = download.is_some_and(|download| download.phase == Stage::Done);
            offer(download.is_some() && !is_over, "pause", if is_still { "resume" } else { "pause" });
            offer(download.is_some(), "cancel-download", if is_over { "off the list" } else { "cancel" });
            offer(!hub.results.is_empty(), "sort", "sort");
            offer(true, "back", if hub.open.is_some() { "back" } else { "to the models" });
            offer(true, "usage", "disk use");
        }
        Context::Usage => {
            let is_tidy = state.ui.usage.chosen < state.domain.house.tidy().len();
            let can_undo = state.domain.house.survey.as_ref().is_some_and(|survey| survey.undo.is_some());
            offer(
                state.domain.house.n_rows(state.ui.usage.grouping) > 0,
                "choose",
                if is_tidy { "clean up" } else { "delete" },
            );
            offer(can_undo, "take-back", "undo");
            offer(true, "group", "group by");
            offer(true, "back", "to the models");
            offer(true, "hub", "find more");
        }
        Context::Bench => {
            offer(state.domain.bench.is_running(), "back", "cancel");
            offer(!state.domain.bench.is_running(), "library", "choose a model");
            offer(true, "history", "history");
            offer(true, "suites", "suites");
            offer(state.domain.bench.rows.len() > 1, "down", "next");
        }
        Context::History => {
            offer(!state.ui.history.entries.is_empty(), "choose", "open");
            offer(true, "filter", "filter");
            offer(!state.ui.history.entries.is_empty(), "delete-model", "delete");
            let chosen = state.ui.history.entries.get(state.ui.history.chosen);
            offer(chosen.is_some_and(|entry| entry.is_sealed), "reveal", "tell names");
            offer(true, "history", "bench");
            offer(true, "suites", "suites");
            offer(true, "down", "older");
            offer(true, "back", "back");
        }
        Context::Suite => of_suites(state, &mut offer),
        Context::Race => of_race(state, &mut offer),
        Context::Vote => {
            offer(true, "choose", "vote");
            offer(true, "down", "next");
            offer(true, "back", "close");
        }
        Context::Machine => {
            offer(true, "down", "scroll");
            let calibrates = state.domain.attribution.baselines.calibration.is_some();
            offer(true, "calibrate", if calibrates { "end calibrating" } else { "calibrate" });
            offer(!state.domain.machine.measuring, "measure-bandwidth", "bandwidth");
            offer(true, "freeze", if state.ui.machine.frozen.is_some() { "unfreeze" } else { "freeze" });
            offer(true, "zoom-out", "longer");
            offer(true, "zoom-in", "shorter");
            graph_hints(&mut offer, state);
            // Their keys stand beside the threads as well.
            offer(true, "fewer-threads", "fewer threads");
            offer(true, "more-threads", "more threads");
        }
        Context::Top => {
            offer(true, "freeze", if state.ui.machine.frozen.is_some() { "unfreeze" } else { "freeze" });
            offer(true, "zoom-out", "longer");
            offer(true, "zoom-in", "shorter");
            graph_hints(&mut offer, state);
            offer(state.ui.fleet.rows.len() + state.ui.fleet.foreign.rows.len() > 1, "down", "next");
            offer(true, "calibrate", "calibrate");
        }
        Context::Filter => {
            let is_hub = state.ui.screen == Screen::Library && state.ui.library.face == Face::Hub;
            offer(true, "choose", if is_hub { "search" } else { "keep" });
            offer(true, "back", if is_hub { "close" } else { "show all" });
            offer(!is_hub && state.ui.screen == Screen::Library, "down", "next");
        }
        Context::Palette => {
            offer(true, "choose", "do it");
            offer(true, "up", "up");
            offer(true, "down", "down");
            offer(true, "back", "close");
        }
        Context::Form => {
            offer(true, "choose", "start");
            offer(true, "down", "next");
            offer(true, "up", "previous");
            offer(true, "back", "close");
        }
        Context::Confirm => {
            offer(true, "yes", "yes");
            offer(true, "no", "no");
        }
        Context::Refused => {
            offer(true, "force", "start anyway");
            offer(true, "back", "close");
        }
        Context::Record => {
            offer(true, "down", "scroll");
            offer(true, "copy", "copy");
            offer(true, "back", "close");
        }
        Context::Help => {
            offer(true, "down", "scroll");
            offer(true, "back", "close");
        }
    }
    offer_leave(&mut hints, state);
    hints
}

/// What can be done with the graphs.
fn graph_hints(offer: &mut impl FnMut(bool, &'static str, &'static str), state: &State) {
    offer(true, "earlier", "read out");
    offer(state.ui.machine.cursor.is_some(), "back", "now");
    offer(true, "split", if state.ui.machine.split { "stack" } else { "split" });
    offer(true, "export", "export");
}

/// The keys of the Race screen.
fn of_race(state: &State, offer: &mut impl FnMut(bool, &'static str, &'static str)) {
    let races = &state.ui.race;
    let runs = state.domain.is_racing();
    let is_over = state.domain.race.is_some() && !runs;
    let has_columns = !races.entries.is_empty();
    let is_held = state
        .domain
        .race
        .as_ref()
        .is_some_and(|race| race.pace == domain::lab::race::DecodeMode::Held && race.is_running());
    offer(is_held, "go-on", "continue");
    offer(runs, "back", "cancel");
    offer(is_over && state.domain.race.as_ref().is_some_and(|race| race.vote.is_none()), "vote", "vote");
    offer(state.domain.race.is_some(), "diff", if races.face == RaceTab::Diff { "answers" } else { "diff" });
    let tells_tokens = state.domain.race.as_ref().is_some_and(|race| race.lockstep);
    offer(is_over || tells_tokens, "lockstep", if races.face == RaceTab::Lockstep { "answers" } else { "lockstep" });
    let next_heat = match races.face {
        RaceTab::Heat if !races.with_answer && state.race_chosen_answer().is_some() => "with answer",
        RaceTab::Heat => "answers",
        _ => "heat",
    };
    offer(is_over, "heat", next_heat);
    offer(matches!(races.face, RaceTab::Diff | RaceTab::Heat), "focus", "other column");
    offer(has_columns && !runs, "choose", "prompt");
    offer(is_over, "restart", "again");
    offer(is_over, "export-race", "export");
    offer(!runs, "order", races.order.words());
    offer(!runs, "blind", if races.blind { "not blind" } else { "blind" });
    offer(state.domain.race.is_some(), "fold", "reasoning");
    offer(!state.domain.votes.is_empty(), "ratings", "leaderboard");
    offer(has_columns && !runs, "new", "twin");
    offer(has_columns && !runs, "configure", "settings");
    offer(has_columns && !runs, "stop", "remove");
    offer(!has_columns, "library", "models");
}

/// The keys of the suites' tab.
fn of_suites(state: &State, offer: &mut impl FnMut(bool, &'static str, &'static str)) {
    let runs = state.domain.suite.as_ref().is_some_and(|run| !run.is_over());
    if state.ui.shows_suites(&state.domain) {
        offer(state.ui.suites.entry().is_some(), "choose", "run");
        offer(true, "down", "next");
        offer(true, "library", "choose models");
        offer(true, "back", "back");
        offer(true, "history", "history");
        return;
    }
    offer(runs, "back", "cancel");
    offer(true, "choose", "open answer");
    offer(true, "next-prompt", "next prompt");
    offer(true, "cost", "plot by");
    offer(!runs, "pick-suite", "other suite");
    offer(!runs, "suite-again", "ask again");
    offer(!runs, "back", "benches");
    offer(true, "history", "history");
}

fn offer_leave(hints: &mut Vec<(&'static str, &'static str)>, state: &State) {
    if matches!(
        Context::of(state),
        Context::Fleet
            | Context::Library
            | Context::Hub
            | Context::Usage
            | Context::Race
            | Context::Bench
            | Context::History
            | Context::Suite
            | Context::Machine
            | Context::Top
    ) {
        hints.push(("quit", "leave"));
    }
}
