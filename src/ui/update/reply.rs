//! Replies to the screen's commands, and what shows of them.

use domain::admission;
use domain::command::{Cause, Refused, Value, What};
use domain::lab::race::{Order, RaceOrder};
use domain::session::SessionId;
use domain::settings::{CHAT_FIELDS, Field, SessionSettings};

use super::{Client, chats, race, suite, to_session, writing};
use crate::ui::{BenchTab, Effect, Focus, Overlay, RaceTab, Screen, SessionTab};

/// The most of a value that a notice shows, in characters.
const MAX_VALUE: usize = 40;

/// Take the reply to a command.
pub(super) fn on_reply(client: &mut Client<'_>, asked: What, result: Result<Value, Refused>) -> Vec<Effect> {
    match result {
        Ok(value) => return show(client, asked, value),
        Err(refused) => ask(client, asked, refused),
    }
    Vec::new()
}

fn show(client: &mut Client<'_>, asked: What, value: Value) -> Vec<Effect> {
    match (asked, value) {
        (What::StartSession { model, settings, .. }, Value::Session(id)) => {
            show_session(client, id, &settings);
            return begin_chat(client, &model, id);
        }
        (What::JoinSession { .. }, Value::Session(id)) => return to_session::show(client, id),
        (What::ContinueConversation { conversation, .. }, Value::Session(id)) => {
            let settings = conversation.settings(client.domain.settings.session);
            client.ui.overlay = None;
            client.ui.fleet.prompts.entry(id).or_default();
            show_session(client, id, &settings);
        }
        (What::SetSession { name, value, .. }, Value::Effective(when)) => {
            // A system prompt may be long.
            let value: String = gguf::clean(&value, MAX_VALUE);
            client.notify(format!("{name} = {value}, takes effect {when}"), false);
        }
        (What::SendPrompt { session, text }, _) => {
            client.ui.fleet.prompts.entry(session).or_default().take();
            said(client, &text);
        }
        (What::EditPrompt { session, text, .. }, _) => {
            if let Some(editing) = client.ui.fleet.editing.take() {
                client.ui.fleet.prompts.insert(session, editing.before);
            }
            said(client, &text);
        }
        (What::Regenerate(_) | What::DeleteExchange(_), _) => {
            client.ui.fleet.scroll = 0;
            client.ui.fleet.tab = SessionTab::Conversation;
        }
        (What::NameConversation { name, .. }, _) => {
            let text = if name.trim().is_empty() { "the conversation has no name any more" } else { "named" };
            client.notify(text, false);
        }
        (What::DeleteConversation(key), _) => chats::deleted(client, key),
        (What::SetThreadBudget(threads), _) => {
            let usable = client.domain.machine.sample.as_ref().map_or(1, |sample| sample.threads());
            client.notify(format!("sessions share {threads} of {usable} threads"), false);
        }
        (What::ClearSession(_), _) => {
            client.ui.fleet.scroll = 0;
            client.ui.fleet.editing = None;
        }
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
        (What::PlanStorage(_), Value::StorageJob(id)) => client.ui.usage.awaits_plan = Some(id),
        (What::Download(_), Value::Download(id)) => {
            let place = client.domain.downloads.all.iter().position(|download| download.id == id);
            client.ui.hub.chosen_download = place.unwrap_or(client.ui.hub.chosen_download);
        }
        _ => {}
    }
    Vec::new()
}

/// A prompt is on its way.
fn said(client: &mut Client<'_>, text: &str) {
    writing::sent(client, text);
    client.ui.fleet.recalled = None;
    client.ui.fleet.scroll = 0;
    client.ui.fleet.tab = SessionTab::Conversation;
}

/// Tell a session how its conversation is told to the model, where the form that started it said so.
fn begin_chat(client: &mut Client<'_>, model: &str, session: SessionId) -> Vec<Effect> {
    let Some((_, chat)) = client.ui.fleet.next_chat.take_if(|(of, _)| of == model) else { return Vec::new() };
    let usual = &client.domain.settings.chat;
    let changed = CHAT_FIELDS.iter().filter(|field| chat.get(field.name) != usual.get(field.name));
    let set = |field: &Field| {
        let value = chat.get(field.name).unwrap_or_default();
        What::SetSession { session, name: field.name.to_owned(), value }.into()
    };
    changed.map(set).collect()
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
        (What::ContinueConversation { conversation, .. }, _) => {
            // It can be read all the same.
            super::chats::read(client, *conversation);
            let hint = refused.hint.map(|hint| format!(": {hint}")).unwrap_or_default();
            client.notify(format!("{}{hint}", refused.reason), true);
        }
        (What::StartSuite(_), _) => {
            suite::refused(client);
            client.notify(refused.reason, true);
        }
        (What::StartPerplexity(_), _) => {
            client.ui.race.tab = RaceTab::Answers;
            client.notify(refused.reason, true);
        }
        _ => client.notify(refused.reason, true),
    }
}
