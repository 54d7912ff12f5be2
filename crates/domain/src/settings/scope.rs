//! What each setting of a session is for, so that a command offers those only that change what it does.

use super::session::{Field, SESSION_FIELDS};

/// What a setting of a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// How much text the model can hold.
    Context,
    /// How the model is loaded and computed.
    Load,
    /// What an answer is like.
    Answer,
    /// What becomes of a conversation.
    Chat,
    /// Sessions that answer many requests, or stay loaded.
    Serving,
}

impl Field {
    /// What it is for.
    pub fn scope(self) -> Scope {
        match self.name {
            "context" => Scope::Context,
            "threads" | "gpu_layers" | "device" | "cache_type_k" | "cache_type_v" | "flash_attention" | "mmap"
            | "mlock" | "batch" | "ubatch" | "on" => Scope::Load,
            "max_tokens" | "temperature" | "top_k" | "top_p" | "min_p" | "repeat_penalty" | "seed" => Scope::Answer,
            "context_full" => Scope::Chat,
            _ => Scope::Serving,
        }
    }
}

/// What a command does with a session, which decides on the settings that it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionUse {
    /// It has prompts answered, one after the other.
    Answer,
    /// It holds a conversation.
    Chat,
    /// It measures speeds or scores a text: the tokens are given.
    Measure,
}

impl SessionUse {
    /// Whether a setting changes what the command does.
    pub fn takes(self, field: Field) -> bool {
        match self {
            Self::Answer => !matches!(field.scope(), Scope::Serving | Scope::Chat),
            Self::Chat => field.scope() != Scope::Serving,
            Self::Measure => field.scope() == Scope::Load,
        }
    }

    /// Whether the setting of this name does.
    pub fn takes_named(self, name: &str) -> bool {
        SESSION_FIELDS.iter().any(|field| field.name == name && self.takes(*field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_takes_what_changes_it() {
        let taken = |kind: SessionUse| {
            SESSION_FIELDS.iter().filter(|field| kind.takes(**field)).map(|field| field.name).collect::<Vec<_>>()
        };
        let (answer, measure) = (taken(SessionUse::Answer), taken(SessionUse::Measure));
        let chat = taken(SessionUse::Chat);
        assert!(chat.contains(&"context_full") && !answer.contains(&"context_full"));
        assert!(answer.iter().all(|name| chat.contains(name)));
        for (name, in_answer, in_measure) in [
            ("context", true, false),
            ("threads", true, true),
            ("ubatch", true, true),
            ("seed", true, false),
            ("max_tokens", true, false),
            ("parallel", false, false),
            ("keep_alive", false, false),
            ("context_full", false, false),
        ] {
            assert_eq!((answer.contains(&name), measure.contains(&name)), (in_answer, in_measure), "{name}");
        }
        assert!(!SessionUse::Answer.takes_named("colour"));
    }
}
