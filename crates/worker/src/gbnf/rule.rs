//! The rules of a grammar, and why it can not be used.

/// llama.cpp refuses to repeat something more often.
pub(super) const MAX_REPETITIONS: u64 = 2000;

/// Why a grammar can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// llama.cpp would take all memory or never end.
    Costly(String),
    /// Not understood by this reader; llama.cpp decides whether it is valid.
    Unread(String),
}

/// One element of a sequence.
#[derive(Debug)]
pub(super) enum Item {
    /// Takes at least one character or token.
    Terminal,
    /// An empty text.
    Empty,
    Rule(usize),
    Group(Vec<Sequence>),
    Repeat {
        item: Box<Self>,
        least: u64,
        most: Option<u64>,
    },
}

pub(super) type Sequence = Vec<Item>;

#[derive(Debug, Default)]
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) alternatives: Vec<Sequence>,
}

impl Item {
    /// Elements that llama.cpp keeps for it.
    pub(super) fn n_elements(&self) -> u64 {
        match self {
            Self::Terminal | Self::Empty | Self::Rule(_) => 1,
            Self::Group(alternatives) => {
                alternatives.iter().flatten().fold(1, |sum: u64, item| sum.saturating_add(item.n_elements()))
            }
            // A group is kept once and referred to.
            Self::Repeat { item, least, most } => {
                let times = most.unwrap_or(*least).max(1);
                match **item {
                    Self::Group(_) => item.n_elements().saturating_add(times),
                    _ => item.n_elements().saturating_mul(times),
                }
            }
        }
    }
}
