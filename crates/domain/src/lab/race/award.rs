//! What columns of a race can win, and who has.

/// What can be won in a race.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Award {
    /// Least time to the first token.
    First,
    /// Most generated tokens per second.
    Fastest,
    /// Least energy for the whole answer.
    LowestEnergy,
    /// Fewest tokens.
    Shortest,
}

impl Award {
    /// All of them, in the order in which they show.
    pub const ALL: [Self; 4] = [Self::First, Self::Fastest, Self::LowestEnergy, Self::Shortest];

    /// The words for it.
    pub fn words(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Fastest => "fastest",
            Self::LowestEnergy => "lowest energy",
            Self::Shortest => "shortest",
        }
    }
}

/// Who won what: columns by their place; several where they are equal, none where it can't be said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Winners {
    /// Least time to the first token.
    pub first: Vec<usize>,
    /// Most generated tokens per second.
    pub fastest: Vec<usize>,
    /// Least energy for the whole answer.
    pub most_frugal: Vec<usize>,
    /// Why it can't be said whose that is.
    pub energy_unknown: Option<String>,
    /// Fewest tokens.
    pub shortest: Vec<usize>,
    /// Columns that were compared.
    pub n_finished: usize,
}

/// What is to be said of an award.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict<'a, T> {
    /// Nobody won it, or it can't be said who.
    None,
    /// All that finished are alike, and there are several.
    AllIdentical,
    /// These won it; several of them are alike.
    Won(&'a [T]),
}

/// What is to be said of an award with these winners, among so many that finished.
pub fn verdict<T>(winners: &[T], n_finished: usize) -> Verdict<'_, T> {
    match winners {
        [] => Verdict::None,
        [_, _, ..] if winners.len() == n_finished => Verdict::AllIdentical,
        _ => Verdict::Won(winners),
    }
}

impl Winners {
    /// Who won an award.
    pub fn of(&self, award: Award) -> &[usize] {
        match award {
            Award::First => &self.first,
            Award::Fastest => &self.fastest,
            Award::LowestEnergy => &self.most_frugal,
            Award::Shortest => &self.shortest,
        }
    }

    /// What is to be said of an award.
    pub fn verdict(&self, award: Award) -> Verdict<'_, usize> {
        verdict(self.of(award), self.n_finished)
    }
}
