//! What is said on the socket.
//!
//! Each end begins with a [`Hello`], in JSON, which every version can read: who it is, and what the client wants. A client
//! that attaches then gets a snapshot of the domain and every event after it, in the order in which the server's domain took
//! them; it says commands and questions. A command comes back as an event, to everybody, and the copy of who gave it makes
//! the reply: so a reply never comes before what led to it.

use std::path::PathBuf;

use domain::command::Command;
use domain::conversation::ConversationKey;
use domain::download::hub::{HubEvent, Sort};
use domain::event::HistoryEvent;
use domain::record::{Filter, Page};
use domain::units::Ratio;
use domain::{Event, Moment, StateMachine};
use serde::{Deserialize, Serialize};

use crate::library::Env;
use crate::ui::{Effect, SuiteEntry};

/// The version of this protocol. The form of the domain belongs to it, so a program's version has to be the same as well.
pub(super) const PROTOCOL: u32 = 1;

/// Bits of a command's id that count a client's own; those above are the client's number.
const OWN_BITS: u32 = 32;

/// The first frame of each end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hello {
    /// Always `taffrail`.
    pub program: String,
    /// The version of the protocol.
    pub protocol: u32,
    /// The version of the program.
    pub version: String,
    /// Which build of it, where both ends are on one machine.
    pub build: String,
    /// The process.
    pub pid: u32,
    /// What a client wants.
    pub wants: Purpose,
    /// Whether a client is on another machine than the server.
    pub is_remote: bool,
    /// The number of a client that is attached.
    pub client: u32,
    /// Why a client gets nothing.
    pub refusal: Option<String>,
    /// What a client that asked for it is told of the server.
    pub status: Option<Status>,
}

/// What a client wants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To be told of the server.
    #[default]
    Status,
    /// The server's end.
    Stop,
    /// The server is to stay when nobody needs it.
    Stay,
    /// A snapshot and all events.
    Attach,
    /// Something that this version does not know.
    #[serde(other)]
    Unknown,
}

/// What is told of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Seconds since it was started.
    pub uptime_s: u64,
    /// Whether it ends by itself once it has neither a session nor a client.
    pub is_temporary: bool,
    /// Clients that are attached.
    pub n_clients: usize,
    /// Its sessions.
    pub sessions: Vec<SessionStatus>,
    /// Where it answers programs, if it does.
    pub address: Option<String>,
}

/// What is told of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionStatus {
    /// The model's name.
    pub name: String,
    /// The model's id.
    pub model: String,
    /// `loading`, `ready`, `busy` …
    pub phase: String,
    /// The worker's process.
    pub pid: Option<u32>,
}

impl Hello {
    /// This process.
    pub(super) fn own(wants: Purpose) -> Self {
        Self {
            program: "taffrail".to_owned(),
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            build: format!("{:x}", Env::read().build),
            pid: std::process::id(),
            wants,
            ..Self::default()
        }
    }

    /// Why the other end can't be understood beyond its first frame. Builds are told apart where both are on one machine:
    /// two of the same version may differ while one of them is being worked on.
    pub(super) fn difference(&self, other: &Self, is_remote: bool) -> Option<String> {
        if other.program != self.program {
            return Some("it is not a server of taffrail".to_owned());
        }
        if (other.protocol, &other.version) != (self.protocol, &self.version) {
            return Some(format!("it is taffrail {}, and this is {}", other.version, self.version));
        }
        (!is_remote && other.build != self.build).then(|| format!("it is another build of taffrail {}", self.version))
    }
}

/// The number that a client's commands begin after.
pub(crate) fn first_command(client: u32) -> u64 {
    u64::from(client) << OWN_BITS
}

/// The client that gave a command.
pub(super) fn client_of(command: &Command) -> u32 {
    (command.id.0 >> OWN_BITS) as u32
}

/// What the server says to a client that is attached, to be written. [`FromServer`] is how it is read.
#[derive(Serialize)]
pub(super) enum ToClient<'a> {
    Snapshot(Moment, &'a StateMachine),
    Event(Moment, &'a Event),
    Answer(&'a Answer),
    Ending(&'a str),
}

/// What the server says to a client that is attached.
#[derive(Debug, Deserialize)]
pub enum FromServer {
    /// The whole domain. What follows are the events after it.
    Snapshot(Moment, Box<StateMachine>),
    /// What the domain took, and when.
    Event(Moment, Event),
    /// The answer to this client's question.
    Answer(Answer),
    /// The server ends: why.
    Ending(String),
}

/// What a client that is attached says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FromClient {
    /// A command; its id has the client's number.
    Command(Command),
    /// A question.
    Ask(Question),
}

/// What a screen wants to know that the domain does not hold: it lies on the server's machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Question {
    /// Search the hub.
    Search { generation: u64, text: String, sort: Sort },
    /// The files of a repository.
    Files { repository: String, revision: String },
    /// How much of these files is in memory.
    Residency { model: String, files: Vec<PathBuf> },
    /// The suites.
    Suites,
    /// A record of the history.
    Record(i64),
    /// A page of the history.
    List { generation: u64, filter: Filter, page: Page },
    /// The conversations that have these words.
    Conversations { generation: u64, words: Vec<String>, rows: usize },
    /// A whole conversation.
    Conversation(ConversationKey),
}

/// The answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Answer {
    /// The hub's.
    Hub(HubEvent),
    /// The history's.
    History(HistoryEvent),
    /// How much of a model's files is in memory.
    Residency {
        /// The model's id.
        model: String,
        /// The share, or why it is not known.
        share: Result<Ratio, String>,
    },
    /// The suites.
    Suites(Vec<SuiteEntry>),
}

impl Question {
    /// What a screen's wish asks; another wish is given back.
    #[expect(clippy::result_large_err, reason = "the wish as it came, once for each key")]
    pub(crate) fn of(effect: Effect) -> Result<Self, Effect> {
        Ok(match effect {
            Effect::Search { generation, text, sort } => Self::Search { generation, text, sort },
            Effect::Files { repository, revision } => Self::Files { repository, revision },
            Effect::Residency { model, files } => Self::Residency { model, files },
            Effect::ListSuites => Self::Suites,
            Effect::GetRecord(id) => Self::Record(id),
            Effect::ListHistory { generation, filter, page } => Self::List { generation, filter, page },
            Effect::ListConversations { generation, words, rows } => Self::Conversations { generation, words, rows },
            Effect::GetConversation(key) => Self::Conversation(key),
            other => return Err(other),
        })
    }
}

impl From<Answer> for crate::ui::Event {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Hub(event) => Self::Hub(event),
            Answer::History(event) => Self::History(event),
            Answer::Residency { model, share } => Self::Residency { model, share },
            Answer::Suites(suites) => Self::Suites(suites),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::command::{CommandId, What};
    use domain::settings::Settings;

    #[test]
    fn what_is_written_is_read() {
        let machine = StateMachine::new(Settings::default());
        let at = Moment { unix: 7, ..Moment::default() };
        let event = Event::Notice("a".to_owned());
        let answer = Answer::Residency { model: "m".to_owned(), share: Ok(Ratio(0.5)) };
        for (message, expected) in [
            (ToClient::Snapshot(at, &machine), "Snapshot"),
            (ToClient::Event(at, &event), "Event(Moment { uptime: 0ns, unix: 7 }, Notice(\"a\"))"),
            (ToClient::Answer(&answer), "Answer(Residency { model: \"m\", share: Ok(Ratio(0.5)) })"),
            (ToClient::Ending("b"), "Ending(\"b\")"),
        ] {
            let bytes = postcard::to_stdvec(&message).unwrap();
            let read: FromServer = postcard::from_bytes(&bytes).unwrap();
            assert!(format!("{read:?}").starts_with(expected), "{read:?}");
        }
    }

    #[test]
    fn versions_that_differ_are_told() {
        let own = Hello::own(Purpose::Attach);
        assert_eq!(own.difference(&own, false), None);
        let other = Hello { version: "9.9.9".to_owned(), ..own.clone() };
        assert_eq!(own.difference(&other, false), Some("it is taffrail 9.9.9, and this is 0.1.0".to_owned()));
        let other = Hello { protocol: 2, ..own.clone() };
        assert!(own.difference(&other, true).is_some());
        let other = Hello { build: "1".to_owned(), ..own.clone() };
        assert_eq!(own.difference(&other, true), None);
        assert_eq!(own.difference(&other, false), Some("it is another build of taffrail 0.1.0".to_owned()));
        // A later version may say more, and want what this one does not know.
        let later = r#"{ "program": "taffrail", "protocol": 9, "wants": "dance", "x": [1] }"#;
        assert_eq!(serde_json::from_str::<Hello>(later).unwrap().wants, Purpose::Unknown);
        assert!(own.difference(&serde_json::from_str("{}").unwrap(), true).is_some());
    }

    #[test]
    fn a_commands_id_names_its_client() {
        let command = Command { id: CommandId(first_command(3) + 7), what: What::Rescan };
        assert_eq!(client_of(&command), 3);
    }
}
