//! The conversations' tab of the Fleet screen: found, gone on with, read, named, written to files, deleted.

use domain::command::{Force, What};
use domain::conversation::{Conversation, ConversationKey, markdown};
use domain::event::HistoryEvent;
use domain::record::Record;

use super::Client;
use crate::ui::editor::Editor;
use crate::ui::marks::TOO_MANY_MARKS;
use crate::ui::{Effect, Overlay, RecordView, Screen, Then, Wanted};

/// The most rows that are asked for at once: more than anybody scrolls through, and a filter finds the others.
const MAX_ROWS: usize = 500;

/// The longest part of an exported file's name that is the conversation's.
const MAX_STEM: usize = 40;

/// Show the conversations, or the sessions again.
pub(super) fn turn(client: &mut Client<'_>) -> Vec<Effect> {
    let shows = client.ui.screen == Screen::Fleet && client.ui.chats.shown;
    client.ui.screen = Screen::Fleet;
    client.ui.requests.shown = false;
    client.ui.fleet.filtering = false;
    client.ui.chats.shown = !shows;
    client.ui.chats.filtering = false;
    client.ui.chats.naming = None;
    if shows { Vec::new() } else { list(client) }
}

/// Ask for the conversations that pass the filter.
pub(super) fn list(client: &mut Client<'_>) -> Vec<Effect> {
    let chats = &mut client.ui.chats;
    chats.generation += 1;
    chats.asked = true;
    let words = chats.filter.text().to_lowercase().split_whitespace().map(str::to_owned).collect();
    vec![Effect::ListConversations { generation: chats.generation, words, rows: MAX_ROWS }]
}

/// Take an answer of the history.
pub(super) fn on_event(client: &mut Client<'_>, event: &HistoryEvent) -> Vec<Effect> {
    match event {
        HistoryEvent::Conversations { generation, entries, more } if *generation == client.ui.chats.generation => {
            let chats = &mut client.ui.chats;
            let chosen = chats.entry().map(|entry| entry.key);
            chats.entries.clone_from(entries);
            (chats.more, chats.asked) = (*more, false);
            let place = chosen.and_then(|key| chats.entries.iter().position(|entry| entry.key == key));
            chats.chosen = place.unwrap_or(chats.chosen).min(chats.entries.len().saturating_sub(1));
            Vec::new()
        }
        HistoryEvent::ConversationsChanged if client.ui.chats.shown => list(client),
        HistoryEvent::Conversation(found) => match (found, client.ui.chats.wanted.pop_front()) {
            (_, None) => Vec::new(),
            (Some(conversation), Some(wanted)) => got(client, conversation, &wanted),
            (None, Some(Wanted::Continue(Some(conversation)))) => resume(*conversation),
            (None, Some(_)) => {
                client.notify("this conversation no longer exists", true);
                Vec::new()
            }
        },
        _ => Vec::new(),
    }
}

fn got(client: &mut Client<'_>, conversation: &Conversation, wanted: &Wanted) -> Vec<Effect> {
    match wanted {
        Wanted::Continue(_) => resume(conversation.clone()),
        Wanted::Read => {
            read(client, conversation.clone());
            Vec::new()
        }
        Wanted::Export => export(client, conversation),
    }
}

fn resume(conversation: Conversation) -> Vec<Effect> {
    Effect::command(What::ContinueConversation { conversation: Box::new(conversation), force: Force::No })
}

/// Show a conversation to be read.
pub(super) fn read(client: &mut Client<'_>, conversation: Conversation) {
    client.ui.overlay = Some(Overlay::Record {
        title: conversation.label(),
        text: markdown(&conversation),
        view: RecordView::Conversation(Box::new(conversation)),
        scroll: 0,
    });
}

/// Write it to a Markdown and a JSON file.
fn export(client: &mut Client<'_>, conversation: &Conversation) -> Vec<Effect> {
    match serde_json::to_string_pretty(conversation) {
        Ok(json) => {
            let stem = stem(conversation);
            vec![Effect::Save(vec![
                (format!("{stem}.md"), markdown(conversation)),
                (format!("{stem}.json"), format!("{json}\n")),
            ])]
        }
        Err(error) => {
            client.notify(format!("it can't be written as JSON: {error}"), true);
            Vec::new()
        }
    }
}

/// The name of its files without their endings: what it is called, and what tells it from others of that name.
fn stem(conversation: &Conversation) -> String {
    let label = conversation.label().to_lowercase();
    let words = label.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let label: String = words.collect::<Vec<_>>().join("-").chars().take(MAX_STEM).collect();
    format!("chat-{}-{}", if label.is_empty() { "untitled" } else { label.trim_end_matches('-') }, conversation.key.0)
}

/// Ask for a conversation, for this.
fn want(client: &mut Client<'_>, key: ConversationKey, wanted: Wanted) -> Vec<Effect> {
    client.ui.chats.wanted.push_back(wanted);
    vec![Effect::GetConversation(key)]
}

fn want_chosen(client: &mut Client<'_>, wanted: Wanted) -> Vec<Effect> {
    match client.ui.chats.entry().map(|entry| entry.key) {
        Some(key) => want(client, key, wanted),
        None => Vec::new(),
    }
}

/// Go on with the selected conversation.
pub(super) fn choose(client: &mut Client<'_>) -> Vec<Effect> {
    want_chosen(client, Wanted::Continue(None))
}

/// Read the selected conversation.
pub(super) fn open(client: &mut Client<'_>) -> Vec<Effect> {
    want_chosen(client, Wanted::Read)
}

/// Write the marked conversations to files, or the selected one where none is marked, or that of the selected session.
pub(super) fn save(client: &mut Client<'_>) -> Vec<Effect> {
    if client.ui.chats.shown {
        let Some(told) = client.ui.told_chats() else { return want_chosen(client, Wanted::Export) };
        client.notify(format!("exporting {told}"), false);
        let marked: Vec<ConversationKey> = client.ui.chats.marks.keys().copied().collect();
        return marked.into_iter().flat_map(|key| want(client, key, Wanted::Export)).collect();
    }
    let Some(session) = client.chosen_session().filter(|session| !session.turns.is_empty()) else {
        client.notify("there is no conversation to export yet", true);
        return Vec::new();
    };
    let now = client.domain.now.unix.saturating_mul(1000);
    let key = session.thread.key.unwrap_or_default();
    let conversation = Conversation::of(session, key, &client.domain.settings.energy, now);
    export(client, &conversation)
}

/// Go on with the conversation of a record: with what became of it, where it is kept.
pub(super) fn resume_record(client: &mut Client<'_>, record: &Record) -> Option<Vec<Effect>> {
    let own = ConversationKey::new(client.domain.now, record.id.unsigned_abs());
    let conversation = Conversation::of_record(own, record)?;
    Some(match record.body.run().and_then(|run| run.conversation) {
        Some(key) => want(client, key, Wanted::Continue(Some(Box::new(conversation)))),
        None => resume(conversation),
    })
}

/// Type a name for the selected conversation, or for that of the selected session.
pub(super) fn begin_name(client: &mut Client<'_>) -> Vec<Effect> {
    let named = if client.ui.chats.shown {
        client.ui.chats.entry().map(|entry| (entry.key, entry.name.clone()))
    } else {
        client.chosen_session().and_then(|session| Some((session.thread.key?, session.thread.name.clone())))
    };
    match named {
        Some((key, name)) => {
            client.ui.screen = Screen::Fleet;
            client.ui.chats.naming = Some((key, Editor::with_text(&name.unwrap_or_default())));
        }
        None => client.notify("there is no conversation to name yet", true),
    }
    Vec::new()
}

/// Give it the name.
pub(super) fn name(client: &mut Client<'_>) -> Vec<Effect> {
    let Some((key, name)) = client.ui.chats.naming.take() else { return Vec::new() };
    Effect::command(What::NameConversation { key, name: name.text().to_owned() })
}

/// Mark the selected conversation, or unmark it.
pub(super) fn mark(client: &mut Client<'_>) -> Vec<Effect> {
    let chats = &mut client.ui.chats;
    let Some(entry) = chats.entries.get(chats.chosen) else { return Vec::new() };
    if !chats.marks.turn(entry.key, entry.label().to_owned()) {
        client.notify(TOO_MANY_MARKS, true);
    }
    Vec::new()
}

/// Ask whether to delete the marked conversations, or the selected one where none is marked.
pub(super) fn delete(client: &mut Client<'_>) -> Vec<Effect> {
    if let Some(told) = client.ui.told_chats() {
        let question = format!("Delete {told}, for good?");
        let all = client.ui.chats.marks.keys().map(|key| What::DeleteConversation(*key)).collect();
        client.ui.overlay = Some(Overlay::Confirm { question, then: Then::Commands(all) });
    } else if let Some(entry) = client.ui.chats.entry() {
        let question = format!("Delete the conversation “{}” for good?", entry.label());
        client.ui.overlay = Some(Overlay::Confirm { question, then: What::DeleteConversation(entry.key).into() });
    }
    Vec::new()
}

/// Type the filter.
pub(super) fn filter(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.chats.filtering = true;
    Vec::new()
}

/// It was deleted.
pub(super) fn deleted(client: &mut Client<'_>, key: ConversationKey) {
    let entry = client.ui.chats.entries.iter().find(|entry| entry.key == key);
    let text = entry.map_or_else(
        || "the conversation was deleted".to_owned(),
        |entry| format!("the conversation “{}” was deleted", entry.label()),
    );
    client.ui.chats.marks.remove(&key);
    client.notify(text, false);
}

/// Esc: the name that is typed goes first, then the filter, the marks, the tab.
pub(super) fn back(client: &mut Client<'_>) -> Vec<Effect> {
    let chats = &mut client.ui.chats;
    if chats.naming.take().is_some() {
        return Vec::new();
    }
    if chats.filtering || !chats.filter.is_empty() {
        chats.filtering = false;
        chats.filter = Editor::default();
        return list(client);
    }
    if !chats.marks.is_empty() {
        chats.marks.clear();
        return Vec::new();
    }
    chats.shown = false;
    Vec::new()
}
