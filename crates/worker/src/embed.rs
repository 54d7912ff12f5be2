//! Embeddings: the model's last layer over a text's tokens, pooled into one vector as the model's file specifies.
//!
//! Owned here: limits of inputs, the context for them, and pooling. llama.cpp's own pooling needs a whole input in one
//! call. Here a long input is read in chunks, so that answers continue in between, and the result for an input does
//! not depend on the other inputs.

use std::collections::VecDeque;

use llama_cpp_sys_2 as sys;
use wire::{Failure, FailureKind, Input, MAX_INPUTS, QueryResult};

use crate::backend::fail;
use crate::batch::Batch;
use crate::control::CONTROL;
use crate::engine::{Context, Engine, N_CHUNK};
use crate::log;
use crate::model::{Model, Pooling};

/// The longest input, in tokens: models for embeddings were made for no more, and the context for it is a second one.
const MAX_TOKENS: usize = 8192;

/// A context of more tokens than this is freed when its query has ended.
const MAX_KEPT: usize = 2048;

/// The longest inputs together, in bytes: a token of each byte would be a context for each of the most inputs.
const MAX_BYTES: usize = 16 << 20;

/// A query that has ended: its id, and its vectors, nothing where it was cancelled, or why it failed.
pub(crate) type Ended = (u64, Result<Option<QueryResult>, Failure>);

/// How far the first query is.
pub(crate) enum Progress {
    /// There is none.
    Idle,
    /// It takes more steps.
    More,
    /// It has ended.
    Ended(Ended),
}

/// The queries for vectors that wait or run, in order.
#[derive(Default)]
pub(crate) struct Embedder {
    /// With its length in tokens.
    context: Option<(Context, usize)>,
    jobs: VecDeque<Job>,
    batch: Batch,
}

struct Job {
    id: u64,
    inputs: Vec<Vec<i32>>,
    pooling: Pooling,
    normalize: bool,
    vectors: Vec<Vec<f32>>,
    /// Of the input that is being read: tokens that are done, and what their rows come to.
    n_done: usize,
    row: Vec<f64>,
}

impl Embedder {
    /// Take a query for vectors, or say what is wrong with it.
    pub(crate) fn begin(
        &mut self,
        engine: &Engine,
        id: u64,
        inputs: Vec<Input>,
        (normalize, truncate): (bool, bool),
    ) -> Result<(), Failure> {
        let bad = |message: String, hint: &str| Err(fail(FailureKind::Request, message, hint));
        // Text models don't specify one.
        let pooling = engine.model().pooling().unwrap_or(Pooling::Mean);
        if inputs.is_empty() || inputs.len() > MAX_INPUTS {
            return bad(format!("there are {} inputs; 1 to {MAX_INPUTS} may be", inputs.len()), "ask in parts");
        }
        let n_bytes: usize = inputs.iter().map(Input::n_bytes).sum();
        if n_bytes > MAX_BYTES {
            return bad(format!("the inputs have {n_bytes} bytes, above the limit of {MAX_BYTES}"), "ask in parts");
        }
        let most = engine.n_ctx().min(MAX_TOKENS);
        let tokens = |(place, input)| tokens(engine.model(), place, input, (truncate, most));
        let inputs = inputs.into_iter().enumerate().map(tokens).collect::<Result<Vec<_>, _>>()?;
        let (vectors, row) = (Vec::with_capacity(inputs.len()), vec![0.0; engine.model().n_embd()]);
        self.jobs.push_back(Job { id, inputs, pooling, normalize, vectors, n_done: 0, row });
        Ok(())
    }

    /// Take a step of the first query.
    pub(crate) fn step(&mut self, engine: &Engine) -> Progress {
        let Some(mut job) = self.jobs.pop_front() else { return Progress::Idle };
        let id = job.id;
        let result = if CONTROL.is_cancelled(id) { Ok(Step::Cancelled) } else { self.advance(engine, &mut job) };
        let ended = match result {
            Ok(Step::More) => {
                self.jobs.push_front(job);
                return Progress::More;
            }
            Ok(Step::Done) => {
                let n_tokens = job.inputs.iter().map(|input| input.len() as u32).collect();
                Ok(Some(QueryResult::Embedded { vectors: job.vectors, n_tokens }))
            }
            Ok(Step::Cancelled) => Ok(None),
            Err(failure) => Err(failure),
        };
        if self.context.as_ref().is_some_and(|(_, length)| *length > MAX_KEPT) {
            self.context = None;
        }
        Progress::Ended((id, ended))
    }

    /// Read the next chunk of a query's inputs.
    fn advance(&mut self, engine: &Engine, job: &mut Job) -> Result<Step, Failure> {
        let Some(input) = job.inputs.get(job.vectors.len()) else { return Ok(Step::Done) };
        let own = engine.own_embedding_context().filter(|(_, length)| *length >= input.len());
        let is_short = |length: usize| length < input.len();
        if own.is_none() && self.context.as_ref().is_none_or(|(_, length)| is_short(*length)) {
            // The old one goes first: two may not fit. The longest input of the query decides.
            self.context = None;
            let longest = job.inputs.iter().map(Vec::len).max().unwrap_or(1).next_multiple_of(N_CHUNK as usize);
            self.context = Some((engine.embedding_context(longest as u32)?, longest));
        }
        let kept = self.context.as_ref().map(|(context, _)| context);
        let Some(context) = own.map(|(context, _)| context).or(kept) else { return Ok(Step::Cancelled) };
        if job.n_done == 0 {
            // SAFETY: the context is live; nothing refers to what it holds.
            unsafe { sys::llama_memory_clear(sys::llama_get_memory(context.as_ptr()), false) };
            job.row.fill(0.0);
        }
        let n_room = own.map_or(0, |(_, length)| length);
        let n_together = together(&job.inputs, job.vectors.len(), n_room, engine.n_texts_at_once());
        if n_together > 1 {
            return read_together(context, &mut self.batch, job, n_together);
        }
        let chunk: Vec<i32> = input.iter().skip(job.n_done).take(engine.n_embedded_at_once()).copied().collect();
        self.batch.clear();
        for (position, token) in (job.n_done..).zip(&chunk) {
            self.batch.push(*token, position as u32, 0, true);
        }
        if !run(context, &mut self.batch, job.id)? {
            return Ok(Step::Cancelled);
        }
        let rows = job.pooling.rows(input.len());
        for place in (0..chunk.len()).filter(|place| rows.contains(&(job.n_done + place))) {
            add_row(context, place, &mut job.row)?;
        }
        job.n_done += chunk.len();
        if job.n_done == input.len() {
            job.vectors.push(vector(&job.row, job.pooling.divisor(input.len()), job.normalize)?);
            job.n_done = 0;
        }
        Ok(if job.vectors.len() == job.inputs.len() { Step::Done } else { Step::More })
    }
}

/// How many inputs from this index on fit together in a context of this many tokens: at least one, at most `most`.
fn together(inputs: &[Vec<i32>], place: usize, n_room: usize, most: usize) -> usize {
    let mut n_tokens = 0;
    let fits = |input: &&Vec<i32>| {
        n_tokens += input.len();
        n_tokens <= n_room
    };
    inputs.iter().skip(place).take(most).take_while(fits).count().max(1)
}

/// Read the next inputs in one call, each in a separate sequence.
fn read_together(context: &Context, batch: &mut Batch, job: &mut Job, n: usize) -> Result<Step, Failure> {
    let first = job.vectors.len();
    batch.clear();
    for (sequence, input) in (0..).zip(job.inputs.iter().skip(first).take(n)) {
        for (position, token) in (0..).zip(input) {
            batch.push(*token, position, sequence, true);
        }
    }
    if !run(context, batch, job.id)? {
        return Ok(Step::Cancelled);
    }
    let mut place = 0;
    for input in job.inputs.iter().skip(first).take(n) {
        job.row.fill(0.0);
        for index in job.pooling.rows(input.len()) {
            add_row(context, place + index, &mut job.row)?;
        }
        place += input.len();
        job.vectors.push(vector(&job.row, job.pooling.divisor(input.len()), job.normalize)?);
    }
    Ok(if job.vectors.len() == job.inputs.len() { Step::Done } else { Step::More })
}

/// Run a batch of a query; `false` where it was cancelled.
fn run(context: &Context, batch: &mut Batch, id: u64) -> Result<bool, Failure> {
    CONTROL.begin_decode(&[id]);
    let code = decode(context, batch);
    CONTROL.end_decode();
    match code {
        0 => Ok(true),
        2 => Ok(false),
        code => {
            let reason = log::take_error().unwrap_or_else(|| format!("code {code}"));
            Err(failed(format!("llama.cpp failed while decoding: {reason}")))
        }
    }
}

/// What a step came to.
enum Step {
    More,
    Done,
    Cancelled,
}

/// Run a batch through the model; llama.cpp's code.
fn decode(context: &Context, batch: &mut Batch) -> i32 {
    let n_threads = CONTROL.n_threads().cast_signed();
    // SAFETY: the context is live and used by this thread alone; the batch's arrays outlive the call, which copies what it
    // keeps. There are no more tokens than its batch and its outputs hold (`Engine::embedding_context`), all are of the vocabulary (`tokens`)
    // and of sequence 0.
    let code = unsafe {
        sys::llama_set_n_threads(context.as_ptr(), n_threads, n_threads);
        let code = sys::llama_decode(context.as_ptr(), batch.raw());
        sys::llama_synchronize(context.as_ptr());
        code
    };
    CONTROL.count_decode();
    code
}

/// Add the row of the token at this place of the last batch.
fn add_row(context: &Context, place: usize, sum: &mut [f64]) -> Result<(), Failure> {
    // SAFETY: the context is live; the row has as many numbers as the model's vectors, for which `sum` was made, and stays
    // until the next decode call.
    let row = unsafe {
        let row = std::ptr::NonNull::new(sys::llama_get_embeddings_ith(context.as_ptr(), place as i32));
        let row = row.ok_or_else(|| failed("llama.cpp gave no vector".to_owned()))?;
        std::slice::from_raw_parts(row.as_ptr(), sum.len())
    };
    for (sum, number) in sum.iter_mut().zip(row) {
        *sum += f64::from(*number);
    }
    Ok(())
}

/// The vector of an input, from the sum of its rows. One of length 0 stays as it is.
fn vector(sum: &[f64], count: f64, normalize: bool) -> Result<Vec<f32>, Failure> {
    let length = sum.iter().map(|number| number * number).sum::<f64>().sqrt();
    let divisor = if normalize && length > 0.0 { length } else { count };
    let vector: Vec<f32> = sum.iter().map(|number| (number / divisor) as f32).collect();
    if vector.iter().all(|number| number.is_finite()) {
        Ok(vector)
    } else {
        Err(failed("the model's numbers are not finite".to_owned()))
    }
}

/// The tokens of an input, `most` at most.
fn tokens(model: &Model, place: usize, input: Input, (truncate, most): (bool, usize)) -> Result<Vec<i32>, Failure> {
    let is_text = matches!(input, Input::Text(_));
    let mut tokens = match input {
        Input::Text(text) => model.tokenize_as(&text, true, true),
        Input::Tokens(tokens) => tokens,
    };
    if let Some(token) = tokens.iter().find(|token| !model.is_token(**token)) {
        return Err(no_token(*token, model));
    }
    if tokens.is_empty() {
        return Err(fail(FailureKind::Request, format!("input {place} is empty"), "write something"));
    }
    if tokens.len() > most {
        if !truncate {
            let message = format!("input {place} has {} tokens, and {most} are the most", tokens.len());
            return Err(fail(FailureKind::PromptTooLong, message, "shorten it, or split it"));
        }
        // The vocabulary's closing token also belongs at the end of a truncated text: the vector may be that token's.
        let closing = tokens.last().copied().filter(|token| is_text && model.closes_text(*token));
        tokens.truncate(most);
        if let (Some(closing), Some(last)) = (closing, tokens.last_mut()) {
            *last = closing;
        }
    }
    Ok(tokens)
}

/// The refusal of a number that is no token.
pub(crate) fn no_token(token: i32, model: &Model) -> Failure {
    let message = format!("{token} is not a token: this vocabulary has {}", model.n_vocab());
    fail(FailureKind::Request, message, "use tokens of this model")
}

fn failed(message: String) -> Failure {
    fail(FailureKind::Decode, message, "try again; if it persists, restart the session")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_is_the_mean_or_has_length_one() {
        for (sum, count, normalize, expected) in [
            ([6.0, 8.0], 2.0, false, [3.0, 4.0]),
            ([6.0, 8.0], 2.0, true, [0.6, 0.8]),
            ([0.0, 0.0], 2.0, true, [0.0, 0.0]),
        ] {
            assert_eq!(vector(&sum, count, normalize).ok().as_deref(), Some(expected.as_slice()));
        }
        assert!(vector(&[f64::NAN], 1.0, false).is_err());
    }
}
