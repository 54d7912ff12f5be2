//! Messages to clients that are not replies to their commands.

use crate::admission::AdmissionError;
use crate::session::SessionId;
use crate::settings::SessionSettings;

/// News for every client.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Notification {
    /// A sentence for the user.
    Notice {
        /// One sentence.
        text: String,
        /// Whether something went wrong.
        is_error: bool,
    },
    /// A session that waited for the first reading of the memory does not fit, and is gone.
    StartRefused {
        /// The model's id.
        model: String,
        /// How it was to run.
        settings: Box<SessionSettings>,
        /// The figures.
        refusal: AdmissionError,
    },
    /// The worker of a session has exited unexpectedly; the session can be restarted.
    SessionFailed(SessionId),
    /// A prompt was too long, and is no longer part of its session's conversation.
    PromptReturned {
        /// The session.
        session: SessionId,
        /// The prompt.
        text: String,
        /// Why, and what could be done, in a sentence.
        reason: String,
    },
    /// A conversation no longer fits its context, and its oldest turns are no longer sent.
    ContextFull {
        /// The session.
        session: SessionId,
        /// One sentence.
        text: String,
    },
    /// The columns of the race that are decoded together have diverged.
    RaceDiverged,
    /// The race has ended.
    RaceEnded,
    /// There are other votes than before.
    VotesChanged,
}
