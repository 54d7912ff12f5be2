//! Replies to the screen's commands, and what shows of them.

use domain::admission;
use domain::command::{Cause, Force, Refused, Value, What};
use domain::lab::race::{Order, RaceOrder};
use domain::session::SessionId;
use domain::settings::SessionSettings;

use super::{Client, notify, race, suite};
use crate::ui::{BenchTab, Effect, Focus, Overlay, RaceTab, Screen, Tab};

/// Take the reply to a command.
pub(super) fn on_reply(state: &mut Client<'_>, asked: What, result: Result<Value, Refused>) -> Vec<Effect> {
    match result {
        Ok(value) => show(state, asked, value),
        Err(refused) => ask(state, asked, refused),
    }
    Vec::new()
}

/// Start a model from the dashboard.
pub(super) fn start_session(model: String, settings: SessionSettings, force: Force) -> Vec<Effect> {
    vec![What::StartSession { model, settings: Box::new(settings), force }.into()]
}

fn show(state: &mut Client<'_>, asked: What, value: Value) {
    match (asked, value) {
        (What::StartSession { settings, .. }, Value::Session(id)) => show_session(state, id, &settings),
        (What::SetSession { name, value, .. }, Value::Effective(when)) => {
            notify(state, format!("{name} = {value}, in force {when}"), false);
        }
        (What::SendPrompt { session, .. }, _) => {
            state.ui.fleet.prompts.entry(session).or_default().take();
            state.ui.fleet.scroll = 0;
            state.ui.fleet.tab = Tab::Conversation;
        }
        (What::SetThreadBudget(threads), _) => {
            let usable = state.domain.machine.sample.as_ref().map_or(1, |sample| sample.threads());
            notify(state, format!("sessions share {threads} of {usable} threads"), false);
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
        (What::StartBench(_), _) => {
            state.ui.screen = Screen::Bench;
            state.ui.bench_tab = BenchTab::Benches;
        }
        (What::StartSuite(_), _) => suite::started(state),
        (What::Download(_), Value::Download(id)) => {
            let place = state.domain.downloads.all.iter().position(|download| download.id == id);
            state.ui.hub.chosen_download = place.unwrap_or(state.ui.hub.chosen_download);
        }
        _ => {}
    }
}

fn show_session(state: &mut Client<'_>, id: SessionId, wanted: &SessionSettings) {
    let shortened = state.domain.session(id).and_then(|session| admission::shortened(&session.model, wanted));
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
fn ask(state: &mut Client<'_>, asked: What, refused: Refused) {
    match (asked, &refused.cause) {
        (What::StartSession { model, settings, .. }, Cause::Memory(refusal)) => {
            state.ui.overlay = Some(Overlay::Refused { model, settings, refusal: **refusal });
        }
        (What::StartSession { model, settings, .. }, Cause::Unsafe) => {
            state.ui.overlay = Some(Overlay::TryAnyway { model, settings });
        }
        (What::StartRace(order), Cause::MemoryTogether) => {
            let question = format!("{refused}. Run them in turn?");
            let in_turn = What::StartRace(Box::new(RaceOrder { order: Order::InTurn, ..*order }));
            state.ui.overlay = Some(Overlay::Confirm { question, then: Box::new(in_turn.into()) });
        }
        (What::StartPerplexity(_), _) => {
            state.ui.race.face = RaceTab::Answers;
            notify(state, refused.reason, true);
        }
        _ => notify(state, refused.reason, true),
    }
}
