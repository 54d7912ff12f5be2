//! The columns by which requests are sorted.

/// What requests are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the columns' names")]
pub enum RequestSort {
    /// Those that have not ended first, then the newest.
    #[default]
    Arrived,
    Client,
    Model,
    State,
    Queue,
    Ttft,
    PromptRate,
    Rate,
    Cached,
    Prompt,
    Tokens,
    Energy,
}

impl RequestSort {
    /// All columns with their names, in the order in which a key goes through them.
    pub const ALL: [(&str, Self); 12] = [
        ("arrived", Self::Arrived),
        ("client", Self::Client),
        ("model", Self::Model),
        ("state", Self::State),
        ("queue", Self::Queue),
        ("ttft", Self::Ttft),
        ("pp", Self::PromptRate),
        ("tok/s", Self::Rate),
        ("cached", Self::Cached),
        ("prompt", Self::Prompt),
        ("tokens", Self::Tokens),
        ("j", Self::Energy),
    ];

    /// The column of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, sort)| *sort)
    }
}
