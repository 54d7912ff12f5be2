//! The measurements of a bench, by llama-bench's method: random tokens, no sampling, the clock around the decode calls.
//!
//! Owned here: contexts made for a bench and what their sequences hold, and the timed loops. Absent: which cells are
//! measured, how often, and what a time is worth; the supervisor decides that.

use std::time::Instant;

use llama_cpp_sys_2 as sys;
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64Mcg;
use wire::{Failure, FailureKind, Measure, Measured};

use crate::backend::fail;
use crate::batch::Batch;
use crate::control::{CONTROL, MAX_PARALLEL};
use crate::engine::{Context, Engine};
use crate::log;

/// The most steps that are timed one by one: their times fit a frame.
const MAX_STEPS: u32 = 1 << 16;

/// Tokens of a prompt, and steps, that are computed untimed before each measurement. Between two of them a worker waits:
/// its threads sleep meanwhile, the clock falls, and other programs take the caches.
const WAKE_PROMPT: u32 = 32;
const WAKE_STEPS: u32 = 2;

/// The context of the last measurement.
#[derive(Default)]
pub(crate) struct Bench {
    kept: Option<Kept>,
    random: Random,
}

/// A context with what it was made for.
struct Kept {
    context: Context,
    shape: (u32, u32, u32, u32),
    /// Tokens at the beginning of each sequence.
    n_depth: u32,
}

fn shape(measure: &Measure) -> (u32, u32, u32, u32) {
    (measure.n_ctx, measure.n_parallel, measure.n_batch, measure.n_ubatch)
}

/// Why a loop ended early.
enum Stop {
    Cancelled,
    Failed(Failure),
}

impl Bench {
    /// Measure once. The first measurement in a new context is preceded by one that is not timed, so that weights and
    /// buffers are in place.
    pub(crate) fn measure(&mut self, engine: &Engine, measure: &Measure) -> Result<Measured, Failure> {
        check(measure).map_err(|message| {
            fail(FailureKind::Request, message.to_owned(), "ask for fewer tokens or sequences, or a longer context")
        })?;
        if self.kept.as_ref().is_none_or(|kept| kept.shape != shape(measure)) {
            // The old one goes first: two may not fit.
            self.kept = None;
            let context = engine.context_for(measure)?;
            self.kept = Some(Kept { context, shape: shape(measure), n_depth: 0 });
            if let Some(unfinished) = self.warm_up(engine, measure) {
                return unfinished.map(|()| cancelled(measure));
            }
        }
        let mut measured = Measured { id: measure.id, is_whole: true, ..Measured::default() };
        match self.timed(engine, measure, &mut measured) {
            Ok(()) => Ok(measured),
            Err(stop) => {
                // What the sequences hold now is not known.
                self.kept = None;
                match stop {
                    Stop::Cancelled => Ok(cancelled(measure)),
                    Stop::Failed(failure) => Err(failure),
                }
            }
        }
    }

    /// One prompt and one step. Gives how it ended where it didn't end well.
    fn warm_up(&mut self, engine: &Engine, measure: &Measure) -> Option<Result<(), Failure>> {
        let short = Measure { n_depth: 0, n_generate: measure.n_generate.min(1), ..*measure };
        match self.timed(engine, &short, &mut Measured::default()) {
            Ok(()) => None,
            Err(stop) => {
                self.kept = None;
                Some(match stop {
                    Stop::Cancelled => Ok(()),
                    Stop::Failed(failure) => Err(failure),
                })
            }
        }
    }

    fn timed(&mut self, engine: &Engine, measure: &Measure, measured: &mut Measured) -> Result<(), Stop> {
        let Some(kept) = &mut self.kept else { return Err(Stop::Cancelled) };
        kept.rewind(engine, measure.n_depth);
        let n_threads = CONTROL.n_threads().cast_signed();
        // SAFETY: the context is live.
        unsafe { sys::llama_set_n_threads(kept.context.as_ptr(), n_threads, n_threads) };
        // A depth that has to be read wakes everything as well.
        if kept.n_depth == measure.n_depth {
            let mut call = Call { engine, context: &kept.context, random: &mut self.random, measure };
            let n_prompt = measure.n_prompt.min(WAKE_PROMPT);
            if n_prompt > 0 {
                call.prompts(measure.n_depth, n_prompt)?;
            }
            for step in 0..measure.n_generate.min(WAKE_STEPS) {
                call.step(measure.n_depth + n_prompt + step)?;
            }
            kept.rewind(engine, measure.n_depth);
        }
        let mut call = Call { engine, context: &kept.context, random: &mut self.random, measure };
        if kept.n_depth < measure.n_depth {
            call.prompts(0, measure.n_depth)?;
            kept.n_depth = measure.n_depth;
        }
        let mut position = measure.n_depth;
        if measure.n_prompt > 0 {
            let started = Instant::now();
            call.prompts(position, measure.n_prompt)?;
            measured.prompt_us = started.elapsed().as_micros().try_into().unwrap_or(u64::MAX);
            position += measure.n_prompt;
        }
        measured.step_us.reserve_exact(measure.n_generate as usize);
        for step in 0..measure.n_generate {
            let started = Instant::now();
            call.step(position + step)?;
            measured.step_us.push(started.elapsed().as_micros().try_into().unwrap_or(u32::MAX));
        }
        Ok(())
    }
}

fn cancelled(measure: &Measure) -> Measured {
    Measured { id: measure.id, ..Measured::default() }
}

/// What would make llama.cpp abort or run for ever.
fn check(measure: &Measure) -> Result<(), &'static str> {
    let needed = u64::from(measure.n_depth) + u64::from(measure.n_prompt) + u64::from(measure.n_generate);
    if measure.n_parallel == 0 || measure.n_parallel > MAX_PARALLEL {
        return Err("a bench has 1 to 256 sequences");
    }
    if measure.n_generate > MAX_STEPS {
        return Err("a bench generates 65536 tokens at most");
    }
    if measure.n_prompt == 0 && measure.n_generate == 0 {
        return Err("there is nothing to measure");
    }
    if measure.n_batch < measure.n_parallel {
        return Err("the batch is smaller than the number of sequences");
    }
    if needed > u64::from(measure.n_ctx) {
        return Err("the tokens do not fit the context");
    }
    Ok(())
}

impl Kept {
    /// Take each sequence back to its first tokens, where those are wanted and the model's state can be cut.
    fn rewind(&mut self, engine: &Engine, n_depth: u32) {
        // SAFETY: the context is live, and so is its memory. Cutting a part is tried only where the state is by position.
        unsafe {
            let memory = sys::llama_get_memory(self.context.as_ptr());
            let keeps = self.n_depth == n_depth
                && n_depth > 0
                && !engine.is_recurrent()
                && (0..self.shape.1.cast_signed())
                    .all(|sequence| sys::llama_memory_seq_rm(memory, sequence, n_depth.cast_signed(), -1));
            if !keeps {
                sys::llama_memory_clear(memory, false);
                self.n_depth = 0;
            }
        }
    }
}

/// The decode calls of one measurement.
struct Call<'a> {
    engine: &'a Engine,
    context: &'a Context,
    random: &'a mut Random,
    measure: &'a Measure,
}

impl Call<'_> {
    /// Read `n` random tokens into each sequence from a position on, in calls of the batch's size.
    fn prompts(&mut self, position: u32, n: u32) -> Result<(), Stop> {
        let mut batch = Batch::default();
        for sequence in 0..self.measure.n_parallel {
            for place in 0..n {
                let token = if position + place == 0 {
                    self.engine.model().any_token()
                } else {
                    self.random.token(self.engine.model().n_vocab())
                };
                batch.push(token, position + place, sequence, place + 1 == n);
                if batch.len() == self.measure.n_batch as usize {
                    self.decode(&mut batch)?;
                }
            }
        }
        self.decode(&mut batch)
    }

    /// One token for each sequence.
    fn step(&mut self, position: u32) -> Result<(), Stop> {
        let mut batch = Batch::default();
        for sequence in 0..self.measure.n_parallel {
            batch.push(self.random.token(self.engine.model().n_vocab()), position, sequence, true);
        }
        self.decode(&mut batch)
    }

    /// Decode the batch, wait until it is done, and empty it.
    fn decode(&mut self, batch: &mut Batch) -> Result<(), Stop> {
        if batch.len() == 0 {
            return Ok(());
        }
        if CONTROL.is_interrupted() {
            return Err(Stop::Cancelled);
        }
        // SAFETY: the context is live; the arrays are as long as `n_tokens` says and outlive the call, which copies what
        // it keeps; tokens are of the vocabulary, sequences below the context's number, and there are no more tokens
        // than its batch holds (`check`, `prompts`).
        let code = unsafe {
            let code = sys::llama_decode(self.context.as_ptr(), batch.raw());
            sys::llama_synchronize(self.context.as_ptr());
            code
        };
        CONTROL.count_decode();
        batch.clear();
        match code {
            0 => Ok(()),
            2 => Err(Stop::Cancelled),
            1 => Err(Stop::Failed(failed("the context is full".to_owned()))),
            code => Err(Stop::Failed(failed(format!("llama.cpp failed with {code}: {}", log::error_or_none_given())))),
        }
    }
}

fn failed(message: String) -> Failure {
    fail(FailureKind::Decode, message, "ask for less depth, fewer sequences or a smaller batch")
}

/// Random tokens that are the same in each process.
struct Random(Pcg64Mcg);

impl Default for Random {
    fn default() -> Self {
        Self(Pcg64Mcg::seed_from_u64(0))
    }
}

impl Random {
    fn token(&mut self, n_vocab: usize) -> i32 {
        self.0.random_range(0..n_vocab.max(1)) as i32
    }
}
