//! The part of a conversation that goes into the prompt: which turns, and how much room is left for an answer.

use wire::{Chat, Message, Role};

use crate::session::Turn;
use crate::settings::ChatSettings;

/// The most tokens that are kept free for an answer.
const MAX_ROOM: u32 = 1024;

/// The turns as messages, plus the conversation's prompt settings. Its own system prompt goes before any that were sent.
pub fn chat(settings: &ChatSettings, turns: &[Turn], n_dropped: usize) -> Chat {
    let system = settings.system.iter().map(|text| Message::new(Role::System, text));
    Chat {
        messages: system.chain(messages(turns, n_dropped)).collect(),
        reasoning: settings.reasoning,
        template_options: settings.template_options.clone(),
        ..Chat::default()
    }
}

/// The conversation as the model is given it: without reasoning, empty turns and dropped turns (except for the system
/// prompt); consecutive messages of one role are merged, because many templates reject them.
pub fn messages(turns: &[Turn], n_dropped: usize) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    let is_told = |place: usize, turn: &Turn| place >= n_dropped || turn.role == Role::System;
    let told = turns.iter().enumerate().filter(|(place, turn)| is_told(*place, turn)).map(|(_, turn)| turn);
    for turn in told.filter(|turn| !turn.is_empty()) {
        let message = Message {
            tool_calls: turn.tool_calls.clone(),
            tool_call_id: turn.tool_call_id.clone(),
            ..Message::new(turn.role, &turn.text)
        };
        match messages.last_mut() {
            Some(last) if last.takes(&message) => last.push_text(&turn.text),
            _ => messages.push(message),
        }
    }
    messages
}

/// Tokens to reserve for the answer in a context of `n_ctx`. A first prompt may fill the context; later ones would
/// leave less and less.
pub fn room(turns: &[Turn], n_dropped: usize, n_ctx: u32, max_tokens: Option<u32>) -> u32 {
    let is_first = next_exchange(turns, n_dropped).is_none();
    if is_first {
        return 0;
    }
    let quarter = (n_ctx / 4).min(MAX_ROOM);
    max_tokens.map_or(quarter, |most| most.min(quarter))
}

/// Where the second exchange in the prompt begins, if there is one: before it are whole exchanges.
pub fn next_exchange(turns: &[Turn], n_dropped: usize) -> Option<usize> {
    let told = turns.iter().enumerate().skip(n_dropped);
    let mut begins = told.filter(|(place, turn)| {
        // Two prompts without an answer between them are merged.
        turn.role == Role::User && (*place == 0 || turns[place - 1].role != Role::User)
    });
    begins.next()?;
    begins.next().map(|(place, _)| place)
}
