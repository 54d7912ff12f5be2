//! What follows from a wish of the user where no overlay lies over the screen.

use domain::command::{Force, What};
use domain::library_view::LibrarySort;
use domain::plan;
use domain::session::{Phase, Session, SessionId};
use domain::settings::{OnQuit, SessionSettings};

use super::{
    Client, command, foreign, graphs, history, hub, list_models, list_sessions, notify, overlay, quality, race,
    storage, suite,
};
use crate::ui::action::Action;
use crate::ui::editor::Editor;
use crate::ui::{BenchTab, Effect, Face, FleetSort, Focus, Form, Overlay, Screen, Tab};

/// A page, in rows. The state does not know the terminal's height, and a fixed step can be learned by the fingers.
const PAGE: i32 = 10;

/// Carry out an action.
#[expect(clippy::too_many_lines, reason = "one arm for each wish, and none is long")]
pub(super) fn act(state: &mut Client<'_>, action: Action) -> Vec<Effect> {
    if state.ui.overlay.is_some() && overlay::takes(&action) {
        return overlay::act(state, action);
    }
    if hub::has_keys(state) && hub::takes(&action) {
        return hub::act(state, action);
    }
    if state.ui.screen == Screen::Race && race::takes(&action) {
        return race::act(state, action);
    }
    match action {
        Action::Quit => quit(state),
        Action::Reattach => vec![Effect::Reattach],
        Action::Show(screen) => {
            state.ui.screen = screen;
            state.ui.library.filtering = false;
            state.ui.fleet.filtering = false;
            state.ui.history.filtering = false;
            state.ui.race.typing = false;
            Vec::new()
        }
        Action::Face(face) => {
            state.ui.screen = Screen::Library;
            state.ui.library.face = face;
            state.ui.library.filtering = false;
            hub::enter(state);
            storage::survey(state)
        }
        Action::Delete if state.ui.screen == Screen::Bench => history::delete(state),
        Action::Delete => storage::delete(state),
        Action::Reveal => {
            history::reveal(state);
            Vec::new()
        }
        Action::TakeBack => command(What::UndoStorage),
        Action::Group => {
            state.ui.usage.grouping = state.ui.usage.grouping.next();
            state.ui.usage.chosen =
                state.ui.usage.chosen.min(state.domain.house.n_rows(state.ui.usage.grouping).saturating_sub(1));
            Vec::new()
        }
        Action::Help => open(state, Overlay::Help { scroll: 0 }),
        Action::Palette => open(state, Overlay::Palette { input: Editor::default(), chosen: 0 }),
        Action::Filter => {
            match state.ui.screen {
                Screen::Fleet => state.ui.fleet.filtering = true,
                Screen::Library => state.ui.library.filtering = true,
                Screen::Bench => state.ui.history.filtering = state.ui.bench_tab == BenchTab::History,
                Screen::Race | Screen::Machine | Screen::Top => {}
            }
            Vec::new()
        }
        Action::Move(by) => travel(state, by),
        Action::Page(by) => travel(state, by * PAGE),
        Action::First => travel(state, i32::MIN),
        Action::Last => travel(state, i32::MAX),
        Action::Choose => choose(state),
        Action::Back => back(state),
        Action::Confirm(_) | Action::Force => Vec::new(),
        Action::Focus => {
            let can_write = state.chosen_session().is_some_and(Session::is_live);
            state.ui.fleet.focus = match state.ui.fleet.focus {
                Focus::Table if can_write => Focus::Prompt,
                _ => Focus::Table,
            };
            Vec::new()
        }
        Action::NextTab => turn_tab(state, 1),
        Action::PreviousTab => turn_tab(state, Tab::ALL.len() - 1),
        Action::Scroll(by) if state.ui.screen == Screen::Library => {
            state.ui.library.scrolled = state
                .chosen_model()
                .map(|model| (model.id.clone(), state.ui.library.scroll(model).saturating_add_signed(by as isize)));
            Vec::new()
        }
        Action::Scroll(by) => {
            // The figures are read from their begin, everything else from its end.
            let back = if state.ui.fleet.tab == Tab::Figures { by } else { -by };
            state.ui.fleet.scroll = state.ui.fleet.scroll.saturating_add_signed(back as isize);
            Vec::new()
        }
        Action::Edit(edit) => {
            field(state, |editor| {
                editor.apply(&edit);
            });
            if state.ui.screen == Screen::Bench && state.ui.history.filtering {
                history::ask(state)
            } else {
                Vec::new()
            }
        }
        Action::Send => send(state),
        Action::New => match state.ui.screen {
            Screen::Fleet => {
                state.ui.screen = Screen::Library;
                Vec::new()
            }
            _ => start_chosen(state),
        },
        Action::Configure => configure(state),
        Action::Cancel => of_chosen(state, What::CancelAnswer),
        Action::Stop if state.chosen_foreign().is_some() => foreign::stop(state),
        Action::Stop => unless_busy(state, "Stop", What::StopSession),
        Action::Restart => unless_busy(state, "Restart", What::RestartSession),
        Action::Clear => of_chosen(state, What::ClearSession),
        Action::Fold => fold(state),
        Action::Copy => copy(state),
        Action::Sort => sort(state),
        Action::Reverse => {
            match state.ui.screen {
                Screen::Fleet => state.ui.fleet.reverse = !state.ui.fleet.reverse,
                Screen::Library => state.ui.library.reverse = !state.ui.library.reverse,
                Screen::Race | Screen::Bench | Screen::Machine | Screen::Top => {}
            }
            relist(state);
            Vec::new()
        }
        Action::Freeze => {
            graphs::freeze(state);
            Vec::new()
        }
        Action::Calibrate if state.domain.attribution.baselines.calibration.is_some() => {
            command(What::CancelCalibration)
        }
        Action::Calibrate => command(What::Calibrate),
        Action::Zoom(by) => {
            graphs::zoom(state, by);
            Vec::new()
        }
        Action::Cursor(by) => {
            graphs::move_cursor(state, by);
            Vec::new()
        }
        Action::Split => {
            state.ui.machine.split = !state.ui.machine.split;
            Vec::new()
        }
        Action::Export => vec![Effect::WriteNew {
            name: format!("taffrail-graphs-{}.csv", state.domain.now.unix),
            text: crate::ui::graphs::csv(state.domain, state.ui),
        }],
        Action::SortBy(sort) => {
            state.ui.fleet.sort = sort;
            relist(state);
            Vec::new()
        }
        Action::Theme => {
            let place = state.ui.themes.iter().position(|name| *name == state.ui.theme).map_or(0, |place| place + 1);
            if let Some(name) = state.ui.themes.get(place % state.ui.themes.len().max(1)).cloned() {
                notify(state, format!("theme {name}"), false);
                state.ui.theme = name;
            }
            Vec::new()
        }
        Action::SetTheme(name) => {
            if state.ui.themes.contains(&name) {
                state.ui.theme = name;
            } else {
                notify(state, format!("there is no theme {name}"), true);
            }
            Vec::new()
        }
        Action::Rescan => command(What::Rescan),
        Action::Mark
        | Action::RaceMarked
        | Action::Order
        | Action::Blind
        | Action::Vote
        | Action::Diff
        | Action::Ratings => race::anywhere(state, &action),
        Action::GoOn => command(What::ContinueRace),
        Action::ExportRace => race::save(state),
        Action::Lockstep => race::turn_lockstep(state),
        Action::Heat => quality::turn(state),
        Action::Pause => hub::pause_selected(state),
        Action::CancelDownload => hub::ask_cancel(state),
        Action::BenchChosen => bench_chosen(state),
        Action::History => history::turn(state),
        Action::Suites => suite::turn(state),
        Action::PickSuite => suite::pick(state),
        Action::SuiteAgain => suite::again(state),
        Action::Cost => {
            suite::turn_cost(state);
            Vec::new()
        }
        Action::Prompt(by) => {
            suite::move_prompt(state, by);
            Vec::new()
        }
        Action::Threads(by) => {
            let usable = state.domain.machine.sample.as_ref().map_or(1, |sample| sample.threads());
            let limit = state.domain.thread_limit().saturating_add_signed(by).clamp(1, usable);
            command(What::SetThreadBudget(limit))
        }
        Action::MeasureBandwidth => command(What::MeasureBandwidth),
        Action::Set { name, value } => {
            let set = |session| What::SetSession { session, name, value };
            if state.chosen_session().is_none() {
                notify(state, "choose a session first", true);
            }
            of_chosen(state, set)
        }
        Action::Command(what) => command(*what),
    }
}

/// A command to the selected session; without one nothing.
fn of_chosen(state: &Client<'_>, what: impl FnOnce(SessionId) -> What) -> Vec<Effect> {
    let chosen = state.chosen_session().map(|session| session.id);
    chosen.map_or_else(Vec::new, |id| command(what(id)))
}

/// The same, but asks first while the session answers.
fn unless_busy(state: &mut Client<'_>, verb: &str, what: impl FnOnce(SessionId) -> What) -> Vec<Effect> {
    let Some(session) = state.chosen_session().filter(|session| session.is_busy()) else {
        return of_chosen(state, what);
    };
    let question = format!("{} is answering. {verb} it?", session.name);
    let then = Box::new(what(session.id).into());
    open(state, Overlay::Confirm { question, then })
}

fn open(state: &mut Client<'_>, overlay: Overlay) -> Vec<Effect> {
    state.ui.overlay = Some(overlay);
    Vec::new()
}

fn quit(state: &mut Client<'_>) -> Vec<Effect> {
    let live = state.domain.sessions.iter().filter(|session| session.is_live()).count();
    let busy = state.domain.sessions.iter().filter(|session| session.is_busy()).count();
    if live == 0 {
        return leave(state);
    }
    let does = match (live, busy) {
        (1, 0) => "One session is loaded",
        (1, _) => "One session is answering",
        (_, 0) => &format!("{live} sessions are loaded"),
        (_, 1) => &format!("{live} sessions are loaded, one is answering"),
        (_, busy) => &format!("{live} sessions are loaded, {busy} are answering"),
    };
    let them = if live == 1 { "it" } else { "them" };
    let is_attached = state.ui.server.as_ref().is_some_and(|server| !server.is_lost);
    match state.ui.on_quit {
        OnQuit::Keep if is_attached => leave(state),
        OnQuit::Stop if is_attached => stop_and_leave(state),
        OnQuit::Stop => leave(state),
        _ if state.ui.server.as_ref().is_some_and(|server| server.is_lost) => leave(state),
        OnQuit::Ask if is_attached => open(state, Overlay::Leave { question: format!("{does}. Keep {them} running?") }),
        // They are this process's own, and end with it.
        _ => {
            let question = format!("{does}. Quit and stop {them}?");
            open(state, Overlay::Confirm { question, then: Box::new(Action::Quit) })
        }
    }
}

/// Stop all sessions of the server, and leave.
pub(super) fn stop_and_leave(state: &mut Client<'_>) -> Vec<Effect> {
    let live = state.domain.sessions.iter().filter(|session| session.is_live());
    let mut effects: Vec<Effect> = live.map(|session| What::StopSession(session.id).into()).collect();
    effects.extend(leave(state));
    effects
}

/// Leave without asking.
pub(super) fn leave(state: &mut Client<'_>) -> Vec<Effect> {
    state.ui.leaving = true;
    vec![Effect::Quit]
}

/// The field that has the keys, if any, and what follows from its change.
fn field(state: &mut Client<'_>, change: impl FnOnce(&mut Editor)) {
    match state.ui.screen {
        Screen::Library if state.ui.library.filtering => {
            change(&mut state.ui.library.filter);
            state.ui.library.chosen = 0;
            list_models(state, None);
        }
        Screen::Fleet if state.ui.fleet.filtering => {
            change(&mut state.ui.fleet.filter);
            list_sessions(state);
        }
        Screen::Bench if state.ui.history.filtering => change(&mut state.ui.history.filter),
        Screen::Fleet if state.ui.fleet.focus == Focus::Prompt => {
            if let Some(chosen) = state.ui.fleet.chosen {
                change(state.ui.fleet.prompts.entry(chosen).or_default());
            }
        }
        _ => {}
    }
}

fn travel(state: &mut Client<'_>, by: i32) -> Vec<Effect> {
    let step = |place: usize, count: usize| place.saturating_add_signed(by as isize).min(count.saturating_sub(1));
    match state.ui.screen {
        Screen::Fleet | Screen::Top => {
            foreign::travel(state, by);
        }
        Screen::Library if state.ui.library.face == Face::Usage => {
            state.ui.usage.chosen = step(state.ui.usage.chosen, state.domain.house.n_rows(state.ui.usage.grouping));
        }
        Screen::Library => state.ui.library.chosen = step(state.ui.library.chosen, state.ui.library.rows.len()),
        Screen::Bench if state.ui.bench_tab == BenchTab::Suites => suite::move_selection(state, by),
        Screen::Bench if state.ui.bench_tab == BenchTab::History => {
            state.ui.history.chosen = step(state.ui.history.chosen, state.ui.history.entries.len());
            return history::ask_older(state);
        }
        Screen::Bench => state.ui.bench_row = step(state.ui.bench_row, state.domain.bench.rows.len()),
        Screen::Machine => {
            let sources = state.domain.machine.sample.as_ref().map_or(0, |sample| sample.sources.len());
            state.ui.machine.scroll = step(state.ui.machine.scroll, sources);
        }
        Screen::Race => {}
    }
    Vec::new()
}

fn choose(state: &mut Client<'_>) -> Vec<Effect> {
    match state.ui.screen {
        Screen::Library if state.ui.library.filtering => {
            state.ui.library.filtering = false;
            Vec::new()
        }
        Screen::Library if state.ui.library.face == Face::Usage => storage::delete(state),
        Screen::Library => start_chosen(state),
        Screen::Fleet if state.ui.fleet.filtering => {
            state.ui.fleet.filtering = false;
            Vec::new()
        }
        Screen::Fleet => {
            match state.chosen_session().map(|session| &session.phase) {
                None if state.chosen_foreign().is_some() => {}
                None => state.ui.screen = Screen::Library,
                Some(Phase::Failed { .. }) => notify(state, "this session has ended; restart it first", true),
                Some(_) => {
                    state.ui.fleet.focus = Focus::Prompt;
                    state.ui.fleet.tab = Tab::Conversation;
                }
            }
            Vec::new()
        }
        Screen::Bench if state.ui.history.filtering => {
            state.ui.history.filtering = false;
            Vec::new()
        }
        Screen::Bench if state.ui.bench_tab == BenchTab::Suites => suite::choose(state),
        Screen::Bench => history::choose(state),
        Screen::Race | Screen::Machine | Screen::Top => Vec::new(),
    }
}

fn back(state: &mut Client<'_>) -> Vec<Effect> {
    let has_graphs = matches!(state.ui.screen, Screen::Fleet | Screen::Machine | Screen::Top);
    if has_graphs && !state.ui.fleet.filtering && state.ui.machine.cursor.take().is_some() {
        return Vec::new();
    }
    match state.ui.screen {
        Screen::Library if !state.ui.library.filter.is_empty() || state.ui.library.filtering => {
            let chosen = state.chosen_model().map(|model| model.id.clone());
            state.ui.library.filter = Editor::default();
            state.ui.library.filtering = false;
            list_models(state, chosen.as_deref());
        }
        Screen::Library => state.ui.library.face = Face::Models,
        Screen::Fleet if state.ui.fleet.filtering => {
            state.ui.fleet.filter = Editor::default();
            state.ui.fleet.filtering = false;
            list_sessions(state);
        }
        Screen::Fleet => {
            if state.chosen_session().is_some_and(Session::is_busy) {
                return of_chosen(state, What::CancelAnswer);
            }
            if state.ui.fleet.focus == Focus::Prompt {
                state.ui.fleet.focus = Focus::Table;
            } else if !state.ui.fleet.filter.is_empty() {
                state.ui.fleet.filter = Editor::default();
                list_sessions(state);
            }
        }
        Screen::Bench if state.ui.bench_tab == BenchTab::History => return history::back(state),
        Screen::Bench if state.ui.bench_tab == BenchTab::Suites => return suite::back(state),
        Screen::Bench => return command(What::CancelBench),
        Screen::Race | Screen::Machine | Screen::Top => {}
    }
    Vec::new()
}

/// Measure the chosen model with the usual cells.
fn bench_chosen(state: &mut Client<'_>) -> Vec<Effect> {
    // Those that are marked, as a race takes them; without any the chosen one.
    let marked: Vec<String> = state.ui.race.entries.iter().map(|entry| entry.model.id.clone()).collect();
    let chosen = || state.chosen_model().map(|model| model.id.clone()).into_iter().collect();
    let models: Vec<String> = if marked.is_empty() { chosen() } else { marked };
    if models.is_empty() {
        return Vec::new();
    }
    let plan =
        domain::bench::Plan { models, settings: state.domain.settings.session, ..domain::bench::Plan::default() };
    command(What::StartBench(Box::new(plan)))
}

fn start_chosen(state: &mut Client<'_>) -> Vec<Effect> {
    let Some(model) = state.chosen_model().map(|model| model.id.clone()) else { return Vec::new() };
    let settings = state.domain.settings.session;
    super::command::start_session(model, settings, Force::No)
}

fn configure(state: &mut Client<'_>) -> Vec<Effect> {
    let (model, settings) = match state.ui.screen {
        Screen::Fleet => match state.chosen_session() {
            Some(session) => (session.model.id.clone(), session.settings),
            None => return Vec::new(),
        },
        _ => match state.chosen_model() {
            Some(model) => (model.id.clone(), plan::settings_for(model, state.domain.settings.session)),
            None => return Vec::new(),
        },
    };
    state.ui.overlay = Some(Overlay::Form(form(model, settings)));
    Vec::new()
}

fn form(model: String, settings: SessionSettings) -> Form {
    let mut form = Form { model, settings, column: None, chosen: 0, input: Editor::default(), error: None };
    form.show();
    form
}

fn turn_tab(state: &mut Client<'_>, by: usize) -> Vec<Effect> {
    let place = Tab::ALL.iter().position(|(tab, _)| *tab == state.ui.fleet.tab).unwrap_or(0);
    state.ui.fleet.tab = Tab::ALL[(place + by) % Tab::ALL.len()].0;
    state.ui.fleet.scroll = 0;
    Vec::new()
}

/// All reasonings of the chosen session get one way: unfolded if any is folded.
fn fold(state: &mut Client<'_>) -> Vec<Effect> {
    let Some(session) = state.chosen_session() else { return Vec::new() };
    let (fleet, settings) = (&state.ui.fleet, &state.domain.settings);
    let mut reasonings = session.conversation().filter(|turn| !turn.reasoning.is_empty());
    let is_folded = reasonings.any(|turn| fleet.folds(session.id, turn, settings));
    state.ui.fleet.folds.insert(session.id, !is_folded);
    Vec::new()
}

/// Send what stands in the chosen session's prompt.
fn send(state: &mut Client<'_>) -> Vec<Effect> {
    let Some(session) = state.ui.fleet.chosen else { return Vec::new() };
    let Some(prompt) = state.ui.fleet.prompts.get(&session) else { return Vec::new() };
    let text = prompt.text().to_owned();
    if text.trim().is_empty() {
        return Vec::new();
    }
    command(What::SendPrompt { session, text })
}

fn copy(state: &mut Client<'_>) -> Vec<Effect> {
    let answer = state.chosen_session().and_then(|session| {
        session.conversation().rev().find(|turn| turn.role == wire::Role::Assistant && !turn.text.is_empty())
    });
    if let Some(turn) = answer {
        return vec![Effect::Copy(turn.text.clone())];
    }
    notify(state, "there is no answer to copy yet", true);
    Vec::new()
}

fn sort(state: &mut Client<'_>) -> Vec<Effect> {
    match state.ui.screen {
        Screen::Fleet => {
            let all = FleetSort::ALL;
            let place = all.iter().position(|(_, sort)| *sort == state.ui.fleet.sort).unwrap_or(0);
            state.ui.fleet.sort = all[(place + 1) % all.len()].1;
        }
        Screen::Library => {
            let all = LibrarySort::ALL;
            let place = all.iter().position(|(_, sort)| *sort == state.ui.library.sort).unwrap_or(0);
            state.ui.library.sort = all[(place + 1) % all.len()].1;
        }
        Screen::Race | Screen::Bench | Screen::Machine | Screen::Top => {}
    }
    relist(state);
    Vec::new()
}

fn relist(state: &mut Client<'_>) {
    let chosen = state.chosen_model().map(|model| model.id.clone());
    list_models(state, chosen.as_deref());
    list_sessions(state);
}
