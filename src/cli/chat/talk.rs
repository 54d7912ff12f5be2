//! The conversation of `taffrail chat`: what was said, how it is told to the model, and what is kept of it.

use std::sync::Arc;

use domain::command::AnswerOptions;
use domain::conversation::{self, Conversation, ConversationKey, SavedTurn};
use domain::model::Model;
use domain::request::Request;
use domain::request::form::Form;
use domain::request::schema::Schema;
use domain::session::Turn;
use domain::settings::{self, ChatSettings, ContextFull, SessionSettings};
use wire::{Chat, Role};

/// The conversation.
pub(super) struct Talk {
    pub(super) key: ConversationKey,
    pub(super) name: Option<String>,
    created_ms: i64,
    pub(super) chat: ChatSettings,
    /// How answers are generated; what needs a reload is the session's.
    pub(super) settings: SessionSettings,
    pub(super) stop: Vec<String>,
    /// Whether answers are held to be JSON objects.
    pub(super) is_json: bool,
    pub(super) turns: Vec<Turn>,
    /// Turns at the beginning that the model is not told any more.
    pub(super) n_dropped: usize,
}

impl Talk {
    pub(super) fn new(key: ConversationKey, chat: ChatSettings, settings: SessionSettings, now_ms: i64) -> Self {
        let (turns, stop, n_dropped, name) = (Vec::new(), Vec::new(), 0, None);
        Self { key, name, created_ms: now_ms, chat, settings, stop, is_json: false, turns, n_dropped }
    }

    /// Go on with a conversation that was kept. What was set here stays.
    pub(super) fn load(&mut self, kept: Conversation) {
        self.turns = kept.restore();
        self.n_dropped = kept.n_dropped.min(self.turns.len());
        (self.key, self.name, self.created_ms) = (kept.key, kept.name, kept.created_ms);
        self.chat = kept.chat;
    }

    /// Begin another one.
    pub(super) fn clear(&mut self, key: ConversationKey, now_ms: i64) {
        self.turns.clear();
        (self.key, self.name, self.created_ms, self.n_dropped) = (key, None, now_ms, 0);
    }

    /// As it is told to the model.
    pub(super) fn told(&self) -> Chat {
        conversation::chat(&self.chat, &self.turns, self.n_dropped)
    }

    /// How the next answer is generated in a context of so many tokens.
    pub(super) fn options(&self, n_ctx: u32) -> AnswerOptions {
        AnswerOptions {
            max_tokens: self.settings.max_tokens,
            sampling: self.settings.sampling,
            min_room: conversation::room(&self.turns, self.n_dropped, n_ctx, self.settings.max_tokens),
            context_shift: self.settings.context_full == ContextFull::Shift,
        }
    }

    /// Tell less of it, since it does not fit; `false` where that is not wanted, or no more can be left out.
    pub(super) fn drop_oldest(&mut self) -> bool {
        if self.settings.context_full == ContextFull::Stop {
            return false;
        }
        match conversation::next_exchange(&self.turns, self.n_dropped) {
            Some(next) => {
                self.n_dropped = next;
                true
            }
            None => false,
        }
    }

    /// What the next answer must look like.
    pub(super) fn form(&self) -> Option<Form> {
        // Any object is a schema that can be read.
        let schema = self.is_json.then(|| Schema::parse(r#"{"type":"object"}"#).ok()).flatten();
        schema.map(|schema| Form::Schema(Arc::new(schema)))
    }

    /// Take in an answer.
    pub(super) fn answered(&mut self, request: &Request) {
        self.turns.push(request.answer.clone());
    }

    /// Drop what came after the last prompt, and with `and_prompt` that as well; gives the prompt.
    pub(super) fn take_back(&mut self, and_prompt: bool) -> Option<String> {
        let place = self.turns.iter().rposition(|turn| turn.role == Role::User)?;
        let prompt = self.turns.get(place)?.text.clone();
        self.turns.truncate(place + usize::from(!and_prompt));
        if self.n_dropped >= self.turns.len() {
            self.n_dropped = 0;
        }
        Some(prompt)
    }

    /// As it is kept.
    pub(super) fn kept(&self, model: &Model, energy: &settings::Energy, now_ms: i64) -> Conversation {
        Conversation {
            name: self.name.clone(),
            created_ms: self.created_ms,
            chat: self.chat.clone(),
            n_dropped: self.n_dropped,
            turns: self.turns.iter().map(|turn| SavedTurn::of(turn, energy)).collect(),
            ..Conversation::new(self.key, model, &self.settings, now_ms)
        }
    }
}
