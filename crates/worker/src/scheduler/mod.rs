//! The steps of a worker: all requests that run, decoded together.
//!
//! Owned here: the sequences of the context, which tokens each holds, and the loop of drawing tokens and decoding them in
//! one batch. Absent: llama.cpp's calls (`engine`), what a request wants (`answer`), who gets which sequence (`admit`).
//!
//! A sequence is free, or has a request, whose prompt is decoded chunk by chunk, and then token after token. Each step
//! ends what was cancelled, draws a token for every request that has logits and may, and decodes one batch for all.

mod admit;
mod answer;
mod plan;
mod share;
mod shared;
#[cfg(test)]
mod tests;
mod waiting;

use std::time::Instant;

use llama_cpp_2::llama_backend::LlamaBackend;
use wire::{
    Counters, Event, Failure, FailureKind, Finish, Load, Loaded, Measure, Measured, Queried, Query, QueryResult, Score,
};

use self::answer::{Answer, Drawn, Kind, Logits, Stage};
use self::plan::{BatchPart, Need, plan};
use self::waiting::Waiting;
use crate::backend;
use crate::batch::Batch;
use crate::control::CONTROL;
use crate::embed::Progress;
use crate::engine::{Decoded, Engine};
use crate::growth::Bounded;
use crate::log;
use crate::micros::micros;
use crate::out::Out;
use crate::prompts::{Prompts, Slot, Text};
use crate::session::Session;

/// The part of a context that a shift leaves at its beginning, where the system prompt stands: one of so many.
const KEPT_PART: usize = 8;

/// The most times that an answer is given room by a shift: four contexts of text. A model that never ends its turn would go
/// on for ever.
const MAX_SHIFTS: u32 = 8;

pub(crate) struct Scheduler {
    session: Session,
    sequences: Vec<Sequence>,
    /// Requests that go on from what another one still reads, in the order of their arrival.
    waiting: Vec<Waiting>,
    prompts: Prompts,
    batch: Batch,
    /// While an answer with a grammar runs.
    bounded: Option<Bounded>,
    /// Requests so far.
    n_admitted: u64,
    out: &'static Out,
}

/// A sequence of the context.
struct Sequence {
    /// llama.cpp's number of it.
    number: u32,
    /// The tokens at its positions, and places to go back to.
    text: Text,
    /// The number of the request that it had last; 0 before the first.
    last_used: u64,
    /// Its tokens are to be dropped when its request has ended.
    clear_at_end: bool,
    answer: Option<Box<Answer>>,
}

impl Scheduler {
    /// Load a model, reporting how far it is.
    pub(crate) fn load(llama: &LlamaBackend, load: &Load, out: &'static Out) -> Result<(Self, Loaded), Failure> {
        let (session, loaded) = Session::load(llama, load, out)?;
        let sequences = (0..session.engine.n_parallel()).map(|number| Sequence {
            number,
            text: Text::default(),
            last_used: 0,
            clear_at_end: false,
            answer: None,
        });
        let sequences = sequences.collect();
        let prompts = Prompts::new(load, &session.engine);
        let (batch, bounded) = (Batch::default(), None);
        let waiting = Vec::new();
        Ok((Self { session, sequences, waiting, prompts, batch, bounded, n_admitted: 0, out }, loaded))
    }

    /// Requests being answered, and those that wait for the text of one.
    pub(crate) fn n_running(&self) -> usize {
        self.sequences.iter().filter(|sequence| sequence.answer.is_some()).count() + self.waiting.len()
    }

    /// Score a chunk of a text. No sequence is touched.
    pub(crate) fn score(&mut self, request: &Score) -> Result<Event, Failure> {
        self.session.score(request)
    }

    /// Take one measurement of a bench.
    pub(crate) fn measure(&mut self, measure: &Measure) -> Result<Measured, Failure> {
        self.session.measure(measure)
    }

    /// Begin a query, or carry it out. No sequence is touched.
    pub(crate) fn query(&mut self, query: Query) {
        CONTROL.count_step();
        let id = query.id;
        if let Some(result) = self.session.query(query) {
            self.end_query(id, result.map(Some));
        }
    }

    /// Take a step of a query; whether there was one to take.
    fn step_query(&mut self) -> bool {
        match self.session.step() {
            Progress::Idle => return false,
            Progress::More => {}
            Progress::Ended((id, result)) => self.end_query(id, result),
        }
        true
    }

    fn end_query(&self, id: u64, result: Result<Option<QueryResult>, Failure>) {
        CONTROL.end(id);
        self.out.send(&match result {
            Ok(Some(result)) => Event::Queried(Box::new(Queried { id, result })),
            Ok(None) => Event::Finished { id, finish: Finish::Cancelled, counters: Counters::default() },
            Err(failure) => Event::Failed(Failure { id: Some(id), ..failure }),
        });
    }

    /// Drop the tokens of all sequences, of one that answers when it has ended, and the states that are kept.
    pub(crate) fn clear_cache(&mut self) {
        self.prompts.clear();
        for sequence in &mut self.sequences {
            if sequence.answer.is_some() {
                sequence.clear_at_end = true;
            } else {
                sequence.clear(&mut self.session.engine);
            }
        }
    }

    /// Keep what the sequences hold for the next load, where that is wanted. They hold nothing afterwards.
    pub(crate) fn finish(&mut self) {
        self.prompts.finish(&mut self.session.engine, &mut slots(&mut self.sequences));
    }

    /// Use the time in which nothing is asked; `false` where nothing is left to do.
    pub(crate) fn idle(&mut self) -> bool {
        self.prompts.save_ahead(&mut self.session.engine, &slots(&mut self.sequences))
    }

    /// Do what can be done now; `false` where nothing can be until something changes.
    pub(crate) fn step(&mut self) -> bool {
        let mut is_changed = self.step_query();
        is_changed |= self.admit_waiting();
        for place in 0..self.sequences.len() {
            is_changed |= self.prepare(place);
        }
        let n_chunk = self.session.engine.n_chunk();
        let needs: Vec<Need> =
            (0..).zip(&self.sequences).filter_map(|(place, sequence)| sequence.need(place, n_chunk)).collect();
        if needs.is_empty() {
            return is_changed;
        }
        for sequence in &mut self.sequences {
            if let Some(answer) = &mut sequence.answer {
                answer.keep_logits(&mut self.session.engine);
            }
        }
        // A recurrent model's numbers depend on where a text is cut.
        let joins = !self.session.engine.is_recurrent();
        let parts = plan(&needs, n_chunk, joins);
        self.decode(&parts);
        true
    }

    /// End a request that was cancelled, or draw its next token; whether anything came of it.
    fn prepare(&mut self, place: usize) -> bool {
        self.sequences[place].shift(&mut self.session.engine);
        let Sequence { text, answer, .. } = &mut self.sequences[place];
        let Some(answer) = answer else { return false };
        if CONTROL.is_cancelled(answer.request.id) {
            self.end(place, Ok(Finish::Cancelled));
            return true;
        }
        if matches!(answer.stage, Stage::Decode { .. }) {
            return false;
        }
        match answer.draw(&mut self.session, &text.tokens) {
            Ok(Drawn::Waits) => return false,
            Ok(Drawn::Again) => {}
            Ok(Drawn::Next(tokens, kind)) => answer.stage = Stage::Decode { tokens, n_done: 0, kind },
            Ok(Drawn::Ended(finish)) => self.end(place, Ok(finish)),
            Err(reason) => self.end(place, Err(&reason)),
        }
        true
    }

    /// Decode one batch and keep the account of what each sequence holds, also when it was interrupted.
    fn decode(&mut self, parts: &[BatchPart]) {
        self.batch.clear();
        let mut ids = Vec::with_capacity(parts.len());
        for part in parts {
            ids.extend(self.sequences[part.sequence].fill(part.n_tokens, &mut self.batch));
        }
        CONTROL.begin_decode(&ids);
        let started = Instant::now();
        let decoded = self.session.engine.decode(&mut self.batch);
        let spent = micros(started.elapsed());
        CONTROL.end_decode();
        let reason = match decoded {
            Decoded::Full | Decoded::Failed(_) => reason(decoded),
            Decoded::Done | Decoded::Aborted => String::new(),
        };
        let sizes: Vec<usize> = parts.iter().map(|part| part.n_tokens).collect();
        let mut n_before = 0;
        for (part, spent) in parts.iter().zip(share::split(spent, &sizes)) {
            n_before += part.n_tokens;
            let sequence = &mut self.sequences[part.sequence];
            let is_prompt = sequence.account(decoded, part.n_tokens, spent, &mut self.session.engine);
            match decoded {
                Decoded::Done => {
                    sequence.proceed(part.n_tokens, n_before - 1, self.out);
                    if is_prompt {
                        self.prompts.mark(&mut self.session.engine, sequence.number, &mut sequence.text);
                    }
                }
                Decoded::Aborted => self.end(part.sequence, Ok(Finish::Cancelled)),
                Decoded::Full if !is_prompt => self.end(part.sequence, Ok(Finish::ContextFull)),
                Decoded::Full | Decoded::Failed(_) => self.end(part.sequence, Err(&reason)),
            }
        }
    }

    /// End a request: the last events of it.
    fn end(&mut self, place: usize, ended: Result<Finish, &str>) {
        let sequence = &mut self.sequences[place];
        let Some(mut answer) = sequence.answer.take() else { return };
        let id = answer.request.id;
        answer.stream.finish(ended == Ok(Finish::Stop));
        answer.stream.counters.n_past = sequence.text.tokens.len() as u32;
        let event = match ended {
            Ok(finish) => Event::Finished { id, finish, counters: answer.stream.counters },
            Err(reason) => {
                sequence.clear_at_end = true;
                let hint = "try again; if it persists, restart the session";
                let failure = backend::fail(FailureKind::Decode, reason.to_owned(), hint);
                Event::Failed(Failure { id: Some(id), ..failure })
            }
        };
        if sequence.clear_at_end {
            sequence.clear(&mut self.session.engine);
        }
        drop(answer);
        self.release_bound();
        // Before the last event: whoever reads it may send the next request.
        CONTROL.end(id);
        self.out.send(&event);
    }

    /// Lift the bound on memory where no answer needs it any more.
    fn release_bound(&mut self) {
        let is_constrained =
            |sequence: &Sequence| sequence.answer.as_ref().is_some_and(|answer| answer.constraint.is_some());
        if !self.sequences.iter().any(is_constrained) {
            self.bounded = None;
        }
    }
}

impl Sequence {
    fn clear(&mut self, engine: &mut Engine) {
        engine.clear(self.number);
        self.text.clear();
        self.clear_at_end = false;
    }

    /// Where the next token of an answer that wants it would find no room: drop the older half of the tokens behind the
    /// beginning. What is left was computed with what has gone, so nothing else goes on from it.
    fn shift(&mut self, engine: &mut Engine) {
        let Some(answer) = &mut self.answer else { return };
        let is_drawn = matches!(answer.stage, Stage::Draw(_));
        // The last place is that of the token which is drawn now.
        let is_full = self.text.tokens.len() + 1 >= engine.n_ctx();
        if !answer.request.context_shift || answer.n_shifts >= MAX_SHIFTS || !is_drawn || !is_full {
            return;
        }
        let n_kept = engine.n_ctx() / KEPT_PART;
        let n_dropped = self.text.tokens.len().saturating_sub(n_kept) / 2;
        if !engine.shift(self.number, n_kept, n_dropped) {
            return;
        }
        self.text.tokens.drain(n_kept..n_kept + n_dropped);
        self.text.marks.clear();
        self.clear_at_end = true;
        answer.n_shifts += 1;
        let counters = &mut answer.stream.counters;
        counters.n_shifted += n_dropped as u32;
        counters.n_past = self.text.tokens.len() as u32;
    }

    fn slot(&mut self) -> Slot<'_> {
        let Self { number, text, last_used, answer, .. } = self;
        Slot { number: *number, text, is_free: answer.is_none(), last_used: *last_used }
    }

    /// What it has to decode, if anything, in chunks of so many tokens.
    fn need(&self, sequence: usize, n_chunk: usize) -> Option<Need> {
        let answer = self.answer.as_ref()?;
        let Stage::Decode { tokens, n_done, kind } = &answer.stage else { return None };
        let n_left = tokens.len() - n_done;
        let n_of_chunk = n_chunk - self.text.tokens.len() % n_chunk;
        let n_tokens = if answer.is_aligned && *kind == Kind::Prompt { n_left.min(n_of_chunk) } else { n_left };
        Some(Need { sequence, n_tokens, is_drawn: *kind == Kind::Drawn, order: answer.order })
    }

    /// Put so many of its tokens into a batch; the request's id.
    fn fill(&self, n_tokens: usize, batch: &mut Batch) -> Option<u64> {
        let answer = self.answer.as_ref()?;
        let Stage::Decode { tokens, n_done, .. } = &answer.stage else { return None };
        for (position, token) in (self.text.tokens.len()..).zip(tokens.iter().skip(*n_done).take(n_tokens)) {
            let is_last = position + 1 == self.text.tokens.len() + n_tokens;
            batch.push(*token, position as u32, self.number, is_last);
        }
        Some(answer.request.id)
    }

    /// Take in what a decode call with so many of its tokens left and took; whether they were of a prompt.
    fn account(&mut self, decoded: Decoded, n_tokens: usize, spent: u64, engine: &mut Engine) -> bool {
        let Some(answer) = &mut self.answer else { return false };
        let Stage::Decode { tokens, n_done, kind } = &answer.stage else { return false };
        let is_prompt = *kind == Kind::Prompt;
        let n_before = self.text.tokens.len();
        if matches!(decoded, Decoded::Done | Decoded::Aborted) {
            self.text.tokens.extend(tokens.iter().skip(*n_done).take(n_tokens));
        }
        if decoded == Decoded::Aborted {
            let n_past = engine.resync_after_abort(self.number);
            self.text.truncate(n_past);
        }
        let counters = &mut answer.stream.counters;
        counters.decode_us += spent;
        if is_prompt {
            counters.prompt_us += spent;
            counters.n_prompt += self.text.tokens.len().saturating_sub(n_before) as u32;
        }
        counters.n_past = self.text.tokens.len() as u32;
        counters.n_decodes = CONTROL.n_decodes();
        is_prompt
    }

    /// Go on after tokens were decoded, the last of them at this place of the batch.
    fn proceed(&mut self, n_tokens: usize, last: usize, out: &Out) {
        let Some(answer) = &mut self.answer else { return };
        let Stage::Decode { tokens, n_done, kind } = &mut answer.stage else { return };
        *n_done += n_tokens;
        let is_prompt = *kind == Kind::Prompt;
        if *n_done >= tokens.len() {
            answer.stage = Stage::Draw(Logits::At(last));
        }
        if is_prompt {
            out.send(&Event::Prompt { id: answer.request.id, n_done: self.text.tokens.len() as u32 });
        }
    }
}

/// The sequences as a prompt looks for one.
fn slots(sequences: &mut [Sequence]) -> Vec<Slot<'_>> {
    sequences.iter_mut().map(Sequence::slot).collect()
}

/// The refusal of a request for which there is no sequence.
pub(crate) fn busy() -> Failure {
    backend::fail(
        FailureKind::Busy,
        "the most generations that may run are running".to_owned(),
        "wait for one, or cancel one",
    )
}

fn reason(decoded: Decoded) -> String {
    let reason = log::take_error().unwrap_or_else(|| format!("{decoded:?}"));
    format!("llama.cpp failed while decoding: {reason}")
}
