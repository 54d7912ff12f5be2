//! Which sequence answers a prompt, and which state it goes on from.
//!
//! Owned here: the states that are kept in memory, within their budget, and every decision about them. It knows no engine: a
//! state is whatever has a size, so a simulation drives it without a model. Absent: taking and restoring states (`prompts`),
//! files (`disk`).
//!
//! A text is what a sequence holds, or what a kept state is of. It is of use to a prompt as far as both begin alike, and as
//! far as the model can go back to there: anywhere, only within a sliding window, or only to where a mark was set, which is a
//! copy of the part of the state that can't be cut.

use std::sync::Arc;

use crate::engine::Rollback;

/// What is kept of a sequence.
pub(crate) trait State {
    /// Bytes.
    fn n_bytes(&self) -> u64;
}

/// A place to go back to in a text.
#[derive(Debug)]
pub(crate) struct Mark<S> {
    /// Tokens before it.
    pub(crate) n_tokens: usize,
    pub(crate) state: Arc<S>,
}

impl<S> Clone for Mark<S> {
    fn clone(&self) -> Self {
        Self { n_tokens: self.n_tokens, state: Arc::clone(&self.state) }
    }
}

/// Tokens whose state a sequence holds, or is kept.
#[derive(Debug)]
pub(crate) struct Text<S> {
    pub(crate) tokens: Vec<i32>,
    /// The first position that every layer has.
    pub(crate) first: usize,
    /// The one nearest to the beginning first.
    pub(crate) marks: Vec<Mark<S>>,
}

impl<S> Clone for Text<S> {
    fn clone(&self) -> Self {
        Self { tokens: self.tokens.clone(), first: self.first, marks: self.marks.clone() }
    }
}

impl<S> Default for Text<S> {
    fn default() -> Self {
        Self { tokens: Vec::new(), first: 0, marks: Vec::new() }
    }
}

impl<S> Text<S> {
    /// Only the first tokens are left.
    pub(crate) fn truncate(&mut self, n_tokens: usize) {
        self.tokens.truncate(n_tokens);
        self.marks.retain(|mark| mark.n_tokens <= n_tokens);
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// How much of a text a prompt can go on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Reach {
    pub(crate) n_tokens: usize,
    /// The mark that has to be restored for it.
    pub(crate) mark: Option<usize>,
}

/// A sequence as the choice sees it.
pub(crate) struct Place<'a, S> {
    pub(crate) text: &'a Text<S>,
    /// It answers nothing.
    pub(crate) is_free: bool,
    /// Greater for one that was used later.
    pub(crate) last_used: u64,
}

/// Where the state comes from that a prompt goes on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The sequence itself, as far as it goes.
    Own,
    /// The state in memory with this number.
    Memory(u64),
    /// The state on disk at this place of the list.
    Disk(usize),
}

/// What is to be done for a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Choice {
    /// The sequence that answers.
    pub(crate) place: usize,
    /// Keep a copy of what it holds first.
    pub(crate) saves: bool,
    pub(crate) source: Source,
    pub(crate) reach: Reach,
}

struct Entry<S> {
    number: u64,
    text: Text<S>,
    state: Arc<S>,
}

impl<S: State> Entry<S> {
    fn n_bytes(&self) -> u64 {
        self.state.n_bytes() + sum(&self.text.marks)
    }
}

fn sum<S: State>(marks: &[Mark<S>]) -> u64 {
    marks.iter().map(|mark| mark.state.n_bytes()).sum()
}

/// The most states in memory.
const MAX_ENTRIES: usize = wire::MAX_CACHED_PROMPTS as usize;
/// The most marks of a text.
const MAX_MARKS: usize = 8;
/// A text shorter than this is read again faster than it is worth keeping, in tokens.
const MIN_KEPT: usize = 32;
/// The least part of a prompt for which a sequence is taken whose text is kept, where the one that was used longest ago would
/// lose as much: one of so many tokens.
const MIN_PART: usize = 8;
/// The largest state that is copied while nothing is asked, in bytes: a request that comes meanwhile waits for it.
const MAX_AHEAD: u64 = 16 << 20;
/// Tokens whose attention ggml computes together, from as many on; fewer are computed in another order.
const TILE: usize = 64;
/// What a file has to save more than memory does, in tokens: reading and checking it takes some milliseconds.
pub(crate) const MIN_GAIN: usize = 64;

/// The states that are kept in memory.
pub(crate) struct Choices<S> {
    rollback: Rollback,
    /// The most bytes of states, and of the marks of one sequence.
    budget: u64,
    marks_budget: u64,
    /// Whether what a sequence holds can be kept anywhere.
    keeps: bool,
    /// Oldest first.
    entries: Vec<Entry<S>>,
    n_entries: u64,
}

impl<S: State> Choices<S> {
    /// Of a model with so many sequences; `keeps_files` where states are kept on disk too. Where marks are wanted they have
    /// half of the budget, which the sequences share.
    pub(crate) fn new(rollback: Rollback, budget: u64, n_sequences: usize, keeps_files: bool) -> Self {
        let (budget, marks) = if rollback == Rollback::Anywhere { (budget, 0) } else { (budget / 2, budget / 2) };
        let marks_budget = marks / n_sequences.max(1) as u64;
        Self { rollback, budget, marks_budget, keeps: budget > 0 || keeps_files, entries: Vec::new(), n_entries: 0 }
    }

    /// Whether marks are of any use.
    pub(crate) fn wants_marks(&self) -> bool {
        self.marks_budget > 0
    }

    /// How much of a text a prompt can go on from. The prompt's last token is always evaluated again, since its logits are
    /// wanted.
    fn reach<'a>(
        &self,
        tokens: &[i32],
        first: usize,
        marks: impl DoubleEndedIterator<Item = usize> + ExactSizeIterator + 'a,
        prompt: &[i32],
    ) -> Reach {
        let n_shared = prompt.iter().zip(tokens).take_while(|(new, old)| new == old).count();
        let n_shared = n_shared.min(prompt.len().saturating_sub(1));
        let can_cut = n_shared == tokens.len()
            || match self.rollback {
                Rollback::Anywhere => true,
                Rollback::Window(window) => n_shared > 0 && (first == 0 || first + window <= n_shared),
                Rollback::Nowhere => false,
            };
        if can_cut {
            return Reach { n_tokens: n_shared, mark: None };
        }
        let mark = marks.enumerate().rev().find(|(_, n_tokens)| *n_tokens <= n_shared);
        mark.map_or_else(Reach::default, |(place, n_tokens)| Reach { n_tokens, mark: Some(place) })
    }

    fn reach_of(&self, text: &Text<S>, prompt: &[i32]) -> Reach {
        self.reach(&text.tokens, text.first, text.marks.iter().map(|mark| mark.n_tokens), prompt)
    }

    /// What to do for a prompt; `None` where no sequence is free. `files` are the states on disk: tokens, first position and
    /// marks. `n_bytes` tells how large the state of the sequence at a place is.
    pub(crate) fn choose<'a>(
        &self,
        places: &[Place<S>],
        files: impl Iterator<Item = (&'a [i32], usize, &'a [usize])>,
        n_bytes: impl Fn(usize) -> u64,
        prompt: &[i32],
    ) -> Option<Choice> {
        let free = || places.iter().enumerate().filter(|(_, place)| place.is_free);
        let (oldest, _) = free().min_by_key(|(_, place)| place.last_used)?;
        let loses = |at: usize, n_kept: usize| places.get(at).map_or(0, |place| place.text.tokens.len()) - n_kept;
        // One that would lose more than it saves isn't taken for its content, unless what it loses is kept: what all prompts
        // share, such as the begin-of-text token, is no reason to drop a conversation that may go on.
        let is_taken = |at: usize, n_kept: usize| {
            let is_worth_it = || n_kept * MIN_PART >= prompt.len() && loses(at, n_kept) <= loses(oldest, 0);
            loses(at, n_kept) <= n_kept
                || (n_kept >= MIN_KEPT || is_worth_it())
                    && places.get(at).is_some_and(|place| self.is_kept_or_fits(&place.text.tokens, || n_bytes(at)))
        };
        let own = free().map(|(at, place)| (self.reach_of(place.text, prompt), place.last_used, at));
        let own = own.filter(|(reach, _, at)| reach.n_tokens > 0 && is_taken(*at, reach.n_tokens));
        let own = own.max_by_key(|(reach, last_used, _)| (reach.n_tokens, u64::MAX - last_used));
        let mut best = own.map_or(0, |(reach, ..)| reach.n_tokens);
        let mut other = None;
        for entry in &self.entries {
            let reach = self.reach_of(&entry.text, prompt);
            if reach.n_tokens > best {
                (best, other) = (reach.n_tokens, Some((Source::Memory(entry.number), reach)));
            }
        }
        for (at, (tokens, first, marks)) in files.enumerate() {
            let reach = self.reach(tokens, first, marks.iter().copied(), prompt);
            if reach.n_tokens >= best + MIN_GAIN {
                (best, other) = (reach.n_tokens, Some((Source::Disk(at), reach)));
            }
        }
        let saves = |at: usize, n_kept: usize| self.saves(places, at, n_kept, || n_bytes(at));
        if let Some((source, reach)) = other {
            return Some(Choice { place: oldest, saves: saves(oldest, 0), source, reach });
        }
        let place = own.map_or(oldest, |(.., at)| at);
        let reach = places.get(place).map(|place| self.reach_of(place.text, prompt)).unwrap_or_default();
        Some(Choice { place, saves: saves(place, reach.n_tokens), source: Source::Own, reach })
    }

    /// Whether what a sequence holds is kept before a prompt goes on from so many tokens of it.
    fn saves(&self, places: &[Place<S>], at: usize, n_kept: usize, n_bytes: impl Fn() -> u64) -> bool {
        let tokens = places.get(at).map_or(&[][..], |place| &place.text.tokens);
        let is_worth_it = tokens.len() > 2 * n_kept && tokens.len() >= MIN_KEPT;
        self.keeps && is_worth_it && !self.is_kept(tokens) && n_bytes() > 0
    }

    /// The free sequence for a prompt that goes on from nothing that any of them holds, and whether its content is kept first.
    pub(crate) fn room(&self, places: &[Place<S>], n_bytes: impl Fn(usize) -> u64) -> Option<(usize, bool)> {
        let free = places.iter().enumerate().filter(|(_, place)| place.is_free);
        let (oldest, _) = free.min_by_key(|(_, place)| place.last_used)?;
        Some((oldest, self.saves(places, oldest, 0, || n_bytes(oldest))))
    }

    /// How many tokens a prompt takes over from a request that still runs, whose text begins with these tokens, where it could
    /// go on from so many otherwise; `None` where that is not worth it.
    ///
    /// The answer must not depend on who else asks. So the rest is computed as in the chunks of `n_chunk` tokens that the prompt
    /// would be read in alone: it begins where one of them does, or within one at a multiple of [`TILE`] from its beginning and
    /// from its end.
    pub(crate) fn shared(
        &self,
        tokens: impl Iterator<Item = i32>,
        prompt: &[i32],
        n_otherwise: usize,
        n_chunk: usize,
    ) -> Option<usize> {
        if self.rollback != Rollback::Anywhere || self.budget == 0 {
            return None;
        }
        let n_alike = prompt.iter().zip(tokens).take_while(|(new, old)| **new == *old).count();
        let n_alike = n_alike.min(prompt.len().saturating_sub(1));
        let chunk = n_alike / n_chunk * n_chunk;
        let end = prompt.len().min(chunk + n_chunk);
        let inside = n_alike.min(end.saturating_sub(TILE)).saturating_sub(chunk);
        let n_shared = chunk + inside / TILE * TILE;
        (n_shared >= n_otherwise + MIN_GAIN).then_some(n_shared)
    }

    /// The sequence whose content is to be kept while nothing is asked, so that the next prompt needn't wait for it; `None`
    /// where there is none. Each that a prompt could take is kept once, but the one that was used last, which most likely
    /// goes on. `places` are all sequences, all free.
    pub(crate) fn ahead(&self, places: &[Place<S>], n_bytes: impl Fn(usize) -> u64) -> Option<usize> {
        // An empty one is taken first, and nothing is lost by it.
        if self.budget == 0 || places.iter().any(|place| place.text.tokens.is_empty()) {
            return None;
        }
        let newest = places.iter().map(|place| place.last_used).max()?;
        let sizes: Vec<u64> = (0..places.len()).map(n_bytes).collect();
        // Keeping one must not drop the copy of another.
        if sizes.iter().sum::<u64>() > self.budget / 2 || places.len() > MAX_ENTRIES / 2 {
            return None;
        }
        let candidates = places.iter().zip(&sizes).enumerate().filter(|(_, (place, size))| {
            let tokens = &place.text.tokens;
            place.last_used < newest
                && tokens.len() >= MIN_KEPT
                && (1..=MAX_AHEAD).contains(*size)
                && !self.is_kept(tokens)
        });
        candidates.min_by_key(|(_, (place, _))| place.last_used).map(|(at, _)| at)
    }

    /// Whether a state has all of these tokens.
    pub(crate) fn is_kept(&self, tokens: &[i32]) -> bool {
        self.entries.iter().any(|entry| entry.text.tokens.starts_with(tokens))
    }

    fn is_kept_or_fits(&self, tokens: &[i32], n_bytes: impl Fn() -> u64) -> bool {
        self.is_kept(tokens) || self.fits(n_bytes())
    }

    /// Whether a state of this size can be kept in memory at all.
    pub(crate) fn fits(&self, n_bytes: u64) -> bool {
        (1..=self.budget).contains(&n_bytes)
    }

    /// Keep a state; the oldest make room for it.
    pub(crate) fn store(&mut self, mut text: Text<S>, state: Arc<S>) {
        if !self.fits(state.n_bytes()) {
            return;
        }
        if state.n_bytes() + sum(&text.marks) > self.budget {
            text.marks.clear();
        }
        // What can be cut anywhere is no use beside what goes on from it.
        if self.rollback == Rollback::Anywhere {
            self.entries.retain(|entry| !text.tokens.starts_with(&entry.text.tokens));
        }
        self.n_entries += 1;
        self.entries.push(Entry { number: self.n_entries, text, state });
        while self.entries.len() > MAX_ENTRIES || self.n_bytes() > self.budget {
            self.entries.remove(0);
        }
    }

    /// The state with this number, for a prompt that goes on from so many of its tokens. It stays where the prompt shares the
    /// smaller part of it.
    pub(crate) fn take(&mut self, number: u64, n_kept: usize) -> Option<(Text<S>, Arc<S>)> {
        let at = self.entries.iter().position(|entry| entry.number == number)?;
        let entry = self.entries.remove(at);
        let taken = (entry.text.clone(), Arc::clone(&entry.state));
        if entry.text.tokens.len() > 2 * n_kept {
            // It was used just now.
            self.entries.push(entry);
        }
        Some(taken)
    }

    /// A state that could not be restored.
    pub(crate) fn forget(&mut self, number: u64) {
        self.entries.retain(|entry| entry.number != number);
    }

    /// Set a mark at the end of a text. Where there are too many the one goes that leaves the smallest gap.
    pub(crate) fn mark(&self, text: &mut Text<S>, state: S) {
        if state.n_bytes() > self.marks_budget
            || text.marks.last().is_some_and(|mark| mark.n_tokens >= text.tokens.len())
        {
            return;
        }
        let n_tokens = text.tokens.len();
        while text.marks.len() >= MAX_MARKS || sum(&text.marks) + state.n_bytes() > self.marks_budget {
            let ends: Vec<usize> = text.marks.iter().map(|mark| mark.n_tokens).chain([n_tokens]).collect();
            let gap = |at: &usize| ends[at + 1] - at.checked_sub(1).map_or(0, |before| ends[before]);
            let Some(at) = (0..text.marks.len()).min_by_key(gap) else { return };
            text.marks.remove(at);
        }
        text.marks.push(Mark { n_tokens, state: Arc::new(state) });
    }

    /// Forget all states.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    pub(super) fn n_bytes(&self) -> u64 {
        self.entries.iter().map(Entry::n_bytes).sum()
    }
}
