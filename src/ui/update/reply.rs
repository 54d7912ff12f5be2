//! Replies to the screen's commands, and what shows of them.

use domain::admission;
use domain::command::{Cause, Refused, Value, What};
use domain::lab::race::{Order, RaceOrder};
use domain::session::SessionId;
use domain::settings::SessionSettings;

use super::{Client, race, suite, to_session};
use crate::ui::{BenchTab, Effect, Focus, Overlay, RaceTab, Screen, SessionTab};

/// Take the reply to a command.
pub(super) fn on_reply(client: &mut Client<'_>, asked: What, result: Result<Value, Refused>) -> Vec<Effect> {
    match result {
        Ok(value) => show(client, asked, value),
        Err(refused) => ask(client, asked, refused),
    }
    Vec::new()
}

fn show(client: &mut Client<'_>, asked: What, value: Value) {
    match (asked, value) {
        (What::StartSession { settings, .. }, Value::Session(id)) => show_session(client, id, &settings),
        (What::SetSession { name, value, .. }, Value::Effective(when)) => {
            client.notify(format!("{name} = {value}, takes effect {when}"), false);
        }
        (What::SendPrompt { session, .. }, _) => {
            client.ui.fleet.prompts.entry(session).or_default().take();
            client.ui.fleet.scroll = 0;
            client.ui.fleet.tab = SessionTab::Conversation;
        }
        (What::SetThreadBudget(threads), _) => {
            let usable = client.domain.machine.sample.as_ref().map_or(1, |sample| sample.threads());
            client.notify(format!("sessions share {threads} of {usable} threads"), false);
        }
        (What::ClearSession(_), _) => client.ui.fleet.scroll = 0,
        (What::StopSession(_), _) => client.ui.fleet.focus = Focus::Table,
        (What::StartRace(order), _) => {
            if order.order == Order::InTurn && client.ui.race.order == Order::Together {
                client.ui.race.order = Order::InTurn;
                client.notify("the race runs in turn, one column after another", false);
            }
            race::show(client, *order);
        }
        (What::StartBench(_), _) => {
            client.ui.screen = Screen::Bench;
            client.ui.bench_tab = BenchTab::Benches;
        }
        (What::StartSuite(_), _) => suite::started(client),
        (What::Download(_), Value::Download(id)) => {
            let place = client.domain.downloads.all.iter().position(|download| download.id == id);
            client.ui.hub.chosen_download = place.unwrap_or(client.ui.hub.chosen_download);
        }
        _ => {}
    }
}

fn show_session(client: &mut Client<'_>, id: SessionId, wanted: &SessionSettings) {
    let shortened = client.domain.session(id).and_then(|session| admission::shortened(&session.model, wanted));
    if let Some(shortened) = shortened {
        client.notify(shortened, false);
    }
    let _ = to_session::show(client, id);
}

/// Show why a command was refused, with the question that would help.
fn ask(client: &mut Client<'_>, asked: What, refused: Refused) {
    match (asked, &refused.cause) {
        (What::StartSession { model, settings, .. }, Cause::Memory(refusal)) => {
            client.ui.overlay = Some(Overlay::Refused { model, settings, refusal: **refusal });
        }
        (What::StartSession { model, settings, .. }, Cause::Unsafe) => {
            client.ui.overlay = Some(Overlay::TryAnyway { model, settings });
        }
        (What::StartRace(order), Cause::MemoryTogether) => {
            let question = format!("{refused}. Run them in turn?");
            let in_turn = What::StartRace(Box::new(RaceOrder { order: Order::InTurn, ..*order }));
            client.ui.overlay = Some(Overlay::Confirm { question, then: in_turn.into() });
        }
        (What::StartPerplexity(_), _) => {
            client.ui.race.tab = RaceTab::Answers;
            client.notify(refused.reason, true);
        }
        _ => client.notify(refused.reason, true),
    }
}
