//! What is written to the selected session: earlier prompts, prompts that are changed, answers that are asked for again.

use domain::command::What;
use domain::session::{Session, SessionId};
use wire::Role;

use super::{Client, editing};
use crate::ui::code_blocks::code_blocks;
use crate::ui::editor::{Edit, Editor};
use crate::ui::{Editing, Effect, Focus, Overlay, SessionTab};

/// The most prompts that are remembered beside those of the conversation.
const MAX_SENT: usize = 100;

/// The turns of a conversation that are prompts.
fn prompts(session: &Session) -> Vec<usize> {
    let is_prompt = |(_, turn): &(usize, &domain::session::Turn)| turn.role == Role::User;
    session.turns.iter().enumerate().filter(is_prompt).map(|(place, _)| place).collect()
}

/// Prompts that were sent before, oldest first: those of other conversations, then those of this one.
fn earlier(client: &Client<'_>) -> Vec<String> {
    let own = client.chosen_session().map(|session| {
        prompts(session).into_iter().filter_map(|place| session.turns.get(place)).map(|turn| turn.text.clone())
    });
    let own: Vec<String> = own.into_iter().flatten().collect();
    let mut all: Vec<String> = client.ui.fleet.sent.iter().filter(|sent| !own.contains(sent)).cloned().collect();
    all.extend(own);
    all.dedup();
    all
}

/// Remember a prompt that was sent.
pub(super) fn sent(client: &mut Client<'_>, text: &str) {
    let sent = &mut client.ui.fleet.sent;
    sent.retain(|known| known != text);
    if sent.len() == MAX_SENT {
        sent.pop_front();
    }
    sent.push_back(text.to_owned());
}

/// The editor of the selected session.
fn editor<'a>(client: &'a mut Client<'_>) -> Option<(SessionId, &'a mut Editor)> {
    let session = client.ui.fleet.chosen?;
    Some((session, client.ui.fleet.prompts.entry(session).or_default()))
}

/// Up in the prompt: in an empty one to the prompt that was sent before, else one line up.
pub(super) fn up(client: &mut Client<'_>) -> Vec<Effect> {
    walk(client, -1)
}

/// Down in the prompt.
pub(super) fn down(client: &mut Client<'_>) -> Vec<Effect> {
    walk(client, 1)
}

fn walk(client: &mut Client<'_>, by: isize) -> Vec<Effect> {
    let line = || if by < 0 { Edit::Up } else { Edit::Down };
    let (text, cursor_line, n_lines) = match editor(client) {
        Some((_, editor)) => (editor.text().to_owned(), editor.cursor().0, editor.text().matches('\n').count()),
        None => return Vec::new(),
    };
    let is_at_end = if by < 0 { cursor_line == 0 } else { cursor_line == n_lines };
    if !is_at_end {
        return editing::edit(client, &line());
    }
    if let Some(editing) = client.ui.fleet.editing.clone() {
        return edit_other(client, &editing, &text, by).unwrap_or_else(|| editing::edit(client, &line()));
    }
    let all = earlier(client);
    let place = client.ui.fleet.recalled.filter(|place| all.get(*place) == Some(&text));
    let next = match place {
        Some(place) if by < 0 => Some(place.saturating_sub(1)),
        Some(place) => Some(place + 1),
        None if text.is_empty() && by < 0 => all.len().checked_sub(1),
        None => return editing::edit(client, &line()),
    };
    client.ui.fleet.recalled = next.filter(|place| *place < all.len());
    let text = client.ui.fleet.recalled.and_then(|place| all.get(place).cloned()).unwrap_or_default();
    if let Some((_, editor)) = editor(client) {
        *editor = Editor::with_text(&text);
    }
    Vec::new()
}

/// While a prompt is changed and has not been yet: change the one before it, or the one behind.
fn edit_other(client: &mut Client<'_>, editing: &Editing, text: &str, by: isize) -> Option<Vec<Effect>> {
    let session = client.chosen_session()?;
    if session.turns.get(editing.turn).is_none_or(|turn| turn.text != text) {
        return None;
    }
    let all = prompts(session);
    let place = all.iter().position(|turn| *turn == editing.turn)?.checked_add_signed(by)?;
    let turn = *all.get(place)?;
    begin(client, turn);
    Some(Vec::new())
}

/// Change the last prompt that was sent.
pub(super) fn edit_prompt(client: &mut Client<'_>) -> Vec<Effect> {
    let Some(session) = client.chosen_session() else { return Vec::new() };
    if session.open_chat().is_some() {
        client.notify("wait for the answer, or cancel it", true);
        return Vec::new();
    }
    let last = prompts(session).pop();
    let is_dead = !session.is_live();
    match last {
        _ if is_dead => client.notify("this session has ended; restart it first", true),
        Some(turn) => begin(client, turn),
        None => client.notify("no prompt was sent yet", true),
    }
    Vec::new()
}

fn begin(client: &mut Client<'_>, turn: usize) {
    let Some(text) = client.chosen_session().and_then(|session| session.turns.get(turn)).map(|turn| turn.text.clone())
    else {
        return;
    };
    let before = client.ui.fleet.editing.take().map(|editing| editing.before);
    let Some((session, editor)) = editor(client) else { return };
    let shown = std::mem::replace(editor, Editor::with_text(&text));
    client.ui.fleet.editing = Some(Editing { session, turn, before: before.unwrap_or(shown) });
    client.ui.fleet.focus = Focus::Prompt;
    client.ui.fleet.tab = SessionTab::Conversation;
}

/// Leave the prompt that is changed as it was; whether one was.
pub(super) fn stop_editing(client: &mut Client<'_>) -> bool {
    let Some(editing) = client.ui.fleet.editing.take() else { return false };
    client.ui.fleet.prompts.insert(editing.session, editing.before);
    true
}

/// Have the last prompt answered again.
pub(super) fn regenerate(client: &mut Client<'_>) -> Vec<Effect> {
    stop_editing(client);
    match client.chosen_session().map(|session| session.id) {
        Some(id) => Effect::command(What::Regenerate(id)),
        None => Vec::new(),
    }
}

/// Ask whether to delete the last prompt with its answer.
pub(super) fn delete_exchange(client: &mut Client<'_>) -> Vec<Effect> {
    let Some(session) = client.chosen_session() else { return Vec::new() };
    let Some(last) = prompts(session).pop().and_then(|place| session.turns.get(place)) else {
        client.notify("the conversation is empty", true);
        return Vec::new();
    };
    let text = domain::record::run_record::title(&last.text);
    let text: String = text.chars().take(60).collect();
    let question = format!("Delete the last prompt “{text}” and its answer from the conversation?");
    client.ui.overlay = Some(Overlay::Confirm { question, then: What::DeleteExchange(session.id).into() });
    Vec::new()
}

/// Write the prompt in an editor of the user's.
pub(super) fn edit_externally(client: &mut Client<'_>) -> Vec<Effect> {
    let mode = client.mode();
    let text = client.ui.field(mode).map(|field| field.text().to_owned());
    text.map(Effect::EditExternally).into_iter().collect()
}

/// Copy a code block of the last answer: its last one, and with each further time the one before.
pub(super) fn copy_code(client: &mut Client<'_>) -> Vec<Effect> {
    let Some(session) = client.chosen_session() else { return Vec::new() };
    let answers = session.conversation().enumerate().filter(|(_, turn)| turn.role == Role::Assistant);
    let with_code = answers.map(|(place, turn)| (place, code_blocks(&turn.text)));
    let last = with_code.filter(|(_, blocks)| !blocks.is_empty()).last();
    let Some((turn, blocks)) = last else {
        client.notify("there is no code block to copy yet", true);
        return Vec::new();
    };
    let id = session.id;
    let before = client.ui.fleet.copied.filter(|(session, of, _)| (*session, *of) == (id, turn)).map(|copied| copied.2);
    let place = before.map_or(blocks.len(), |place| if place == 0 { blocks.len() } else { place }) - 1;
    let Some(block) = blocks.get(place) else { return Vec::new() };
    client.ui.fleet.copied = Some((id, turn, place));
    let lines = domain::units::counted(block.text.lines().count(), "line");
    let language = if block.language.is_empty() { String::new() } else { format!(" of {}", block.language) };
    let again = if blocks.len() > 1 { "; again copies the one before" } else { "" };
    client.notify(format!("code block {} of {}: {lines}{language}{again}", place + 1, blocks.len()), false);
    vec![Effect::Copy(block.text.clone())]
}

/// Let the conversation fill the screen, or give the others their room again.
pub(super) fn zoom(client: &mut Client<'_>) -> Vec<Effect> {
    client.ui.fleet.is_zoomed = !client.ui.fleet.is_zoomed && client.chosen_session().is_some();
    Vec::new()
}
