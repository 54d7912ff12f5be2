//! Prompts that need not be read again: what sequences hold, and the states that are kept in memory and on disk.
//!
//! Owned here: taking a sequence's state and giving it back, in whole or to a mark, and that a state from disk is tried
//! before it is believed. Absent: which state and which sequence (`choice`), what a file is (`file`, `disk`).

mod choice;
#[cfg(test)]
mod choice_tests;
mod disk;
mod file;
mod fingerprint;

use std::sync::Arc;

use wire::Load;

use self::choice::{Choices, MIN_GAIN, Mark, Place, Reach, Source, State};
use self::disk::{Disk, Try};
use self::file::{Contents, Mapped, MarkContents, Summary};
use crate::backend;
use crate::engine::{Engine, Rollback};

/// What llama.cpp writes of a sequence.
pub(crate) type Bytes = Vec<u8>;
/// What a sequence holds.
pub(crate) type Text = choice::Text<Bytes>;

impl State for Bytes {
    fn n_bytes(&self) -> u64 {
        self.len() as u64
    }
}

/// How far two rows of logits for the same token may be apart, as a part of the span of the first: another number of threads
/// adds up in another order. Numbers of another state are as far apart as the span itself.
const TOLERANCE: f32 = 0.01;

/// A sequence for which a prompt looks.
pub(crate) struct Slot<'a> {
    /// llama.cpp's number of it.
    pub(crate) number: u32,
    pub(crate) text: &'a mut Text,
    /// It answers nothing.
    pub(crate) is_free: bool,
    /// Greater for one that was used later.
    pub(crate) last_used: u64,
}

/// What a prompt goes on from, taken out of its list.
enum Taken {
    Nothing,
    /// The number of a state in memory, what it is of, and the state.
    Copy(u64, Text, Arc<Bytes>),
    File(Box<Try>),
}

/// The state of a request that runs, for others that begin alike.
pub(crate) struct Copied {
    text: Text,
    state: Bytes,
}

pub(crate) struct Prompts {
    rollback: Rollback,
    choices: Choices<Bytes>,
    disk: Option<Disk>,
}

impl Prompts {
    pub(crate) fn new(load: &Load, engine: &Engine) -> Self {
        let disk = load.kept_prompts.as_ref().and_then(|kept| {
            let build = backend::version();
            let fingerprint = fingerprint::fingerprint(load, &build, engine.n_ctx(), engine.n_gpu_layers());
            Disk::open(kept, fingerprint.ok()?)
        });
        let rollback = engine.rollback();
        // Some kinds have no part that could be copied alone: llama.cpp aborts over it.
        let budget = if engine.has_marks() || rollback == Rollback::Anywhere { load.prompt_cache } else { 0 };
        let choices = Choices::new(rollback, budget, engine.n_parallel() as usize, disk.is_some());
        Self { rollback, choices, disk }
    }

    /// Find a sequence for a prompt and have it hold as much of it as is to be had: the place of the slot, and the tokens.
    /// `None` where no sequence is free.
    pub(crate) fn prepare(
        &mut self,
        engine: &mut Engine,
        slots: &mut [Slot],
        prompt: &[i32],
    ) -> Option<(usize, usize)> {
        loop {
            for slot in &mut *slots {
                slot.text.first = engine.first(slot.number);
            }
            let places: Vec<_> = slots.iter().map(Place::from).collect();
            let files = self.disk.iter().flat_map(|disk| &disk.files).map(|file| {
                let Summary { tokens, first, marks } = &file.summary;
                (tokens.as_slice(), *first, marks.as_slice())
            });
            let n_bytes = |place: usize| slots.get(place).map_or(0, |slot| engine.state_size(slot.number));
            let choice = self.choices.choose(&places, files, n_bytes, prompt)?;
            let slot = slots.get_mut(choice.place)?;
            // Before what the sequence holds is kept, which changes the lists. A state that could not be had is forgotten: the
            // next choice is another.
            let Some(taken) = self.take(choice.source, choice.reach.n_tokens) else { continue };
            if choice.saves {
                self.save(engine, slot, choice.source == Source::Own && choice.reach.n_tokens > 0);
            }
            let is_there = match taken {
                Taken::Nothing => true,
                Taken::Copy(number, text, state) => self.restore(engine, slot, number, (text, state)),
                Taken::File(tried) => self.restore_file(engine, slot, *tried),
            };
            if is_there && slot.text.tokens.get(..choice.reach.n_tokens) == prompt.get(..choice.reach.n_tokens) {
                return Some((choice.place, rewind(engine, slot, choice.reach)));
            }
            engine.clear(slot.number);
            slot.text.clear();
        }
    }

    /// How many tokens of a prompt the free sequences and the states in memory have; `None` where no sequence is free.
    pub(crate) fn n_kept(&self, engine: &Engine, slots: &[Slot], prompt: &[i32]) -> Option<usize> {
        let places: Vec<_> = slots.iter().map(Place::from).collect();
        let n_bytes = |place: usize| slots.get(place).map_or(0, |slot| engine.state_size(slot.number));
        Some(self.choices.choose(&places, std::iter::empty(), n_bytes, prompt)?.reach.n_tokens)
    }

    /// How many tokens a prompt takes over from a request that runs and whose text begins with these, where it could go on from
    /// `n_kept` otherwise; `None` where that is not worth it.
    pub(crate) fn n_shared(
        &self,
        engine: &Engine,
        tokens: impl Iterator<Item = i32>,
        prompt: &[i32],
        n_kept: usize,
    ) -> Option<usize> {
        self.choices.shared(tokens, prompt, n_kept, engine.n_chunk())
    }

    /// The state of a sequence, whatever it does; `None` where it is too large to be copied.
    pub(crate) fn copy(&self, engine: &mut Engine, number: u32, text: &Text) -> Option<Copied> {
        let fits = self.choices.fits(engine.state_size(number));
        let state = fits.then(|| engine.state(number, false)).flatten()?;
        Some(Copied { text: text.clone(), state })
    }

    /// Have a free sequence hold so many tokens of a copied one, as far as a prompt begins with them: the place of the slot,
    /// and the tokens. `None` where no sequence is free, or it was not taken.
    pub(crate) fn prepare_copy(
        &mut self,
        engine: &mut Engine,
        slots: &mut [Slot],
        prompt: &[i32],
        (copied, n_tokens): (&Copied, usize),
    ) -> Option<(usize, usize)> {
        if prompt.get(..n_tokens)? != copied.text.tokens.get(..n_tokens)? {
            return None;
        }
        let places: Vec<_> = slots.iter().map(Place::from).collect();
        let n_bytes = |place: usize| slots.get(place).map_or(0, |slot| engine.state_size(slot.number));
        let (place, saves) = self.choices.room(&places, n_bytes)?;
        let slot = slots.get_mut(place)?;
        if saves {
            self.save(engine, slot, false);
        }
        if engine.set_state(slot.number, &copied.state, false) && engine.keep(slot.number, n_tokens) {
            *slot.text = copied.text.clone();
            slot.text.truncate(n_tokens);
            return Some((place, n_tokens));
        }
        engine.clear(slot.number);
        slot.text.clear();
        None
    }

    fn take(&mut self, source: Source, n_kept: usize) -> Option<Taken> {
        match source {
            Source::Own => Some(Taken::Nothing),
            Source::Memory(number) => {
                self.choices.take(number, n_kept).map(|(text, state)| Taken::Copy(number, text, state))
            }
            Source::Disk(at) => self.disk.as_mut()?.take(at).map(|tried| Taken::File(Box::new(tried))),
        }
    }

    /// Keep what a sequence holds, before another prompt takes its place.
    fn save(&mut self, engine: &mut Engine, slot: &mut Slot, is_needed: bool) {
        let Some(state) = engine.state(slot.number, false) else { return };
        let state = Arc::new(state);
        let mut kept = slot.text.clone();
        kept.first = self.first_of_state(&kept);
        self.write(engine, slot, &state);
        if is_needed && self.disk.is_some() && !engine.set_state(slot.number, &state, false) {
            engine.clear(slot.number);
            slot.text.clear();
            return;
        }
        self.choices.store(kept, state);
    }

    /// Keep one sequence's content while nothing is asked; `false` where none is left to keep. With files it waits for the
    /// prompt that needs the place: writing one decodes a token.
    pub(crate) fn save_ahead(&mut self, engine: &mut Engine, slots: &[Slot]) -> bool {
        if self.disk.is_some() || !slots.iter().all(|slot| slot.is_free) {
            return false;
        }
        let places: Vec<_> = slots.iter().map(Place::from).collect();
        let n_bytes = |place: usize| slots.get(place).map_or(0, |slot| engine.state_size(slot.number));
        let Some(slot) = self.choices.ahead(&places, n_bytes).and_then(|place| slots.get(place)) else { return false };
        let Some(state) = engine.state(slot.number, false) else { return false };
        let kept = Text { first: self.first_of_state(slot.text), ..slot.text.clone() };
        self.choices.store(kept, Arc::new(state));
        self.choices.is_kept(&slot.text.tokens)
    }

    /// The first position from which a restored state can be cut: llama.cpp leaves out of a copy what the window does not
    /// see from its end.
    fn first_of_state(&self, text: &Text) -> usize {
        match self.rollback {
            Rollback::Window(window) if text.tokens.len() >= window => text.tokens.len(),
            _ => text.first,
        }
    }

    /// Keep a sequence on disk. Of what it held, nothing can be trusted after that.
    fn write(&mut self, engine: &mut Engine, slot: &Slot, state: &Arc<Bytes>) {
        let first = self.first_of_state(slot.text);
        let Some(disk) = &mut self.disk else { return };
        let tokens = &slot.text.tokens;
        if tokens.len() < MIN_GAIN || disk.has(tokens) {
            return;
        }
        let Some(logits) = probe(engine, slot.number, tokens) else { return };
        let mark = |mark: &Mark<Bytes>| MarkContents { n_tokens: mark.n_tokens, state: Arc::clone(&mark.state) };
        let contents = Contents {
            tokens: tokens.clone(),
            first,
            logits,
            state: Arc::clone(state),
            marks: slot.text.marks.iter().map(mark).collect(),
        };
        let can_cut = self.rollback == Rollback::Anywhere;
        disk.write(contents, |other| can_cut && tokens.starts_with(&other.tokens));
    }

    /// Put a state from memory into a sequence; one that llama.cpp does not take is forgotten.
    fn restore(&mut self, engine: &mut Engine, slot: &mut Slot, number: u64, taken: (Text, Arc<Bytes>)) -> bool {
        let (text, state) = taken;
        let is_there = engine.set_state(slot.number, &state, false) && engine.n_past(slot.number) == text.tokens.len();
        if is_there {
            *slot.text = text;
        } else {
            self.choices.forget(number);
        }
        is_there
    }

    /// Put a state from disk into a sequence, if it proves to be what it says; otherwise its file is removed.
    fn restore_file(&mut self, engine: &mut Engine, slot: &mut Slot, tried: Try) -> bool {
        let Some(disk) = &mut self.disk else { return false };
        if !proves_true(engine, slot.number, &tried.contents, self.rollback) {
            tried.reject();
            return false;
        }
        let Contents { tokens, first, marks, .. } = disk.keep(tried);
        let mark = |mark: MarkContents| Mark { n_tokens: mark.n_tokens, state: mark.state };
        *slot.text = Text { tokens, first, marks: marks.into_iter().map(mark).collect() };
        true
    }

    /// Set a mark at the end of what a sequence holds, where the model needs one to go back.
    pub(crate) fn mark(&self, engine: &mut Engine, number: u32, text: &mut Text) {
        if !self.choices.wants_marks() {
            return;
        }
        if let Some(state) = engine.state(number, true) {
            self.choices.mark(text, state);
        }
    }

    /// Forget all that is kept. Files stay for the next load.
    pub(crate) fn clear(&mut self) {
        self.choices.clear();
        if let Some(disk) = &mut self.disk {
            disk.files.clear();
        }
    }

    /// Keep on disk what the sequences hold, the one that was used last first, and wait until it is written.
    pub(crate) fn finish(&mut self, engine: &mut Engine, slots: &mut [Slot]) {
        if self.disk.is_none() {
            return;
        }
        slots.sort_by_key(|slot| std::cmp::Reverse(slot.last_used));
        for slot in slots {
            slot.text.first = engine.first(slot.number);
            if slot.text.tokens.len() >= MIN_GAIN
                && let Some(state) = engine.state(slot.number, false)
            {
                self.write(engine, slot, &Arc::new(state));
            }
        }
        if let Some(disk) = &mut self.disk {
            disk.finish();
        }
    }
}

impl<'a> From<&'a Slot<'a>> for Place<'a, Bytes> {
    fn from(slot: &'a Slot<'a>) -> Self {
        Self { text: slot.text, is_free: slot.is_free, last_used: slot.last_used }
    }
}

/// Cut a sequence to what a prompt goes on from; the tokens that are left.
fn rewind(engine: &mut Engine, slot: &mut Slot, reach: Reach) -> usize {
    let Reach { n_tokens, mark } = reach;
    let is_there = match mark.and_then(|mark| slot.text.marks.get(mark)) {
        Some(mark) => engine.rewind(slot.number, &mark.state, n_tokens),
        None => engine.keep(slot.number, n_tokens),
    };
    if !is_there {
        engine.clear(slot.number);
    }
    let n_left = if is_there { n_tokens } else { 0 };
    slot.text.truncate(n_left);
    n_left
}

/// The logits behind one more token, the last one again. The sequence then has it too.
fn probe(engine: &mut Engine, number: u32, tokens: &[i32]) -> Option<Vec<f32>> {
    engine.logits_after(number, *tokens.last()?, tokens.len())
}

/// Whether a state gives the logits that it gave when it was written. The sequence then holds it.
fn proves_true(engine: &mut Engine, number: u32, contents: &Contents<Mapped>, rollback: Rollback) -> bool {
    let n_tokens = contents.tokens.len();
    let set =
        |engine: &mut Engine| engine.set_state(number, &contents.state, false) && engine.n_past(number) == n_tokens;
    if !set(engine) {
        return false;
    }
    let is_same = probe(engine, number, &contents.tokens).is_some_and(|logits| are_same(&contents.logits, &logits));
    // A model that can't be cut anywhere has to be given its state again.
    is_same && if rollback == Rollback::Anywhere { engine.keep(number, n_tokens) } else { set(engine) }
}

/// Whether two rows of logits are of the same state.
fn are_same(expected: &[f32], found: &[f32]) -> bool {
    let finite = || expected.iter().copied().filter(|logit| logit.is_finite());
    let span = finite().fold(f32::NEG_INFINITY, f32::max) - finite().fold(f32::INFINITY, f32::min);
    let is_near = |(one, other): (&f32, &f32)| one.total_cmp(other).is_eq() || (one - other).abs() <= TOLERANCE * span;
    expected.len() == found.len() && !expected.is_empty() && expected.iter().zip(found).all(is_near)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logits_are_compared_by_their_span() {
        let (none, nan) = (f32::NEG_INFINITY, f32::NAN);
        for (expected, found, are) in [
            (&[0.0, 10.0, none][..], &[0.0, 10.0, none][..], true),
            (&[0.0, 10.0], &[0.05, 9.95], true),
            (&[0.0, 10.0], &[0.2, 10.0], false),
            (&[0.0, 10.0], &[0.0, nan], false),
            (&[nan, 10.0], &[0.0, 10.0], false),
            (&[0.0, none], &[0.0, 1.0], false),
            (&[0.0, 10.0], &[0.0], false),
            (&[], &[], false),
        ] {
            assert_eq!(are_same(expected, found), are, "{expected:?} and {found:?}");
        }
    }
}
