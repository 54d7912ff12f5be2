//! Commands: carried out, and answered.
//!
//! Owned here: which function carries out which command, the reply, and what the dashboard shows of its own commands.
//! Absent: what they do (the modules by subject).

use super::{bench, foreign, hub, notify, quality, race, session};
use crate::command::{Cause, Command, Force, Refused, Reply, Value, What};
use crate::effect::Effect;
use crate::plan;
use crate::race::Order;
use crate::session::SessionId;
use crate::settings::SessionSettings;
use crate::state::State;
use crate::ui::{Focus, Overlay, Screen, Tab};

/// What a command gives, with what is to be done for it.
pub(super) type Outcome = Result<(Value, Vec<Effect>), Refused>;

/// Carry out a client's command and reply.
pub(super) fn answer(state: &mut State, command: Command) -> Vec<Effect> {
    let (result, mut effects) = match carry_out(state, command.what) {
        Ok((value, effects)) => (Ok(value), effects),
        Err(refused) => (Err(refused), Vec::new()),
    };
    effects.push(Effect::Reply(Reply { id: command.id, result }));
    effects
}

fn carry_out(state: &mut State, what: What) -> Outcome {
    let accepted = |effects| Ok((Value::Accepted, effects));
    match what {
        What::StartSession { model, settings, force } => session::start(state, &model, *settings, force),
        What::StopSession(id) => session::stop(state, id).and_then(accepted),
        What::RestartSession(id) => session::restart(state, id).and_then(accepted),
        What::ClearSession(id) => session::clear(state, id).and_then(accepted),
        What::SetSession { session, name, value } => session::set(state, session, &name, &value),
        What::Generate { session, prompt, form, stop, record } => {
            session::begin(state, session, prompt, (form, stop), record).and_then(accepted)
        }
        What::CancelAnswer(id) => accepted(session::cancel(state, id)),
        What::StartRace(order) => race::start(state, *order).and_then(accepted),
        What::CancelRace => accepted(race::cancel(state)),
        What::ContinueRace => accepted(race::resume(state)),
        What::Vote(winner) => race::vote(state, winner).and_then(accepted),
        What::StartBench(plan) => bench::start(state, *plan).and_then(accepted),
        What::CancelBench => accepted(bench::cancel(state)),
        What::StartPerplexity(order) => quality::start(state, *order).and_then(accepted),
        What::Download(order) => Ok(hub::fetch(state, order)),
        What::PauseDownload(id) => hub::pause(state, id).and_then(accepted),
        What::CancelDownload(id) => hub::cancel(state, id).and_then(accepted),
        What::DeleteRecord(id) => accepted(vec![Effect::Forget(id)]),
        What::RevealRace(id) => accepted(vec![Effect::Reveal(id)]),
        What::Signal { pid, started, kill } => foreign::signal(state, (pid, started), kill).and_then(accepted),
    }
}

/// Carry out a command of the dashboard and show what became of it.
pub(super) fn issue(state: &mut State, what: What) -> Vec<Effect> {
    let asked = what.clone();
    match carry_out(state, what) {
        Ok((value, effects)) => {
            show(state, asked, value);
            effects
        }
        Err(refused) => {
            ask(state, asked, refused);
            Vec::new()
        }
    }
}

/// Start a model from the dashboard.
pub(super) fn start_session(state: &mut State, model: String, settings: SessionSettings, force: Force) -> Vec<Effect> {
    issue(state, What::StartSession { model, settings: Box::new(settings), force })
}

fn show(state: &mut State, asked: What, value: Value) {
    match (asked, value) {
        (What::StartSession { settings, .. }, Value::Session(id)) => show_session(state, id, &settings),
        (What::SetSession { name, value, .. }, Value::Effective(when)) => {
            notify(state, format!("{name} = {value}, in force {when}"), false);
        }
        (What::ClearSession(_), _) => state.ui.fleet.scroll = 0,
        (What::StopSession(_), _) => state.ui.fleet.focus = Focus::Table,
        (What::StartRace(order), _) => {
            if order.order == Order::InTurn && state.ui.race.order == Order::Together {
                state.ui.race.order = Order::InTurn;
                notify(state, "the race runs in turn, one column after another", false);
            }
            race::show(state, *order);
        }
        (What::StartBench(_), _) => state.ui.screen = Screen::Bench,
        (What::Download(_), Value::Download(id)) => {
            let place = state.domain.downloads.all.iter().position(|download| download.id == id);
            state.ui.hub.chosen_download = place.unwrap_or(state.ui.hub.chosen_download);
        }
        _ => {}
    }
}

fn show_session(state: &mut State, id: SessionId, wanted: &SessionSettings) {
    let shortened = state.domain.session(id).and_then(|session| plan::shortened(&session.model, wanted));
    if let Some(shortened) = shortened {
        notify(state, shortened, false);
    }
    state.ui.fleet.chosen = Some(id);
    state.ui.fleet.focus = Focus::Prompt;
    state.ui.fleet.tab = Tab::Conversation;
    state.ui.fleet.scroll = 0;
    state.ui.screen = Screen::Fleet;
}

/// Show why a command was refused, with the question that would help.
fn ask(state: &mut State, asked: What, refused: Refused) {
    match (asked, &refused.cause) {
        (What::StartSession { model, settings, .. }, Cause::Memory(refusal)) => {
            state.ui.overlay = Some(Overlay::Refused { model, settings, refusal: **refusal });
        }
        (What::StartSession { model, settings, .. }, Cause::Unsafe) => {
            state.ui.overlay = Some(Overlay::TryAnyway { model, settings });
        }
        (What::StartRace(order), Cause::MemoryTogether) => {
            let question = format!("{refused}. Run them in turn?");
            let in_turn = What::StartRace(Box::new(crate::race::RaceOrder { order: Order::InTurn, ..*order }));
            state.ui.overlay = Some(Overlay::Confirm { question, then: Box::new(in_turn.into()) });
        }
        _ => notify(state, refused.reason, true),
    }
}
