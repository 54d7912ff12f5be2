//! One request on its way from its prompt to its last token.
//!
//! Owned here: what the request brings (sampler, grammar, stop texts, stream, counters), where it is, and the choice of
//! its next token. Absent: what is decoded when (`plan`), llama.cpp's calls (`engine`).

use std::time::{Duration, Instant};

use wire::{Finish, Generate, Token, TopLogprob};

use crate::constrain::{Closing, Constraint, Verdict};
use crate::control::CONTROL;
use crate::engine::Engine;
use crate::micros::micros;
use crate::probable::likeliest;
use crate::sampler::Sampler;
use crate::session::Session;
use crate::stream::Stream;

/// The most likely tokens that are reported at each step.
const MAX_TOP_LOGPROBS: u32 = 50;

pub(super) struct Answer {
    pub(super) request: Generate,
    pub(super) arrived: Instant,
    /// Earlier requests have smaller numbers.
    pub(super) order: u64,
    pub(super) sampler: Sampler,
    pub(super) constraint: Option<Constraint>,
    /// Stop texts that are one hidden token each, with their places in the list.
    pub(super) stops: Vec<(i32, u32)>,
    /// Tokens whose text is shown although they are special.
    pub(super) shown: Vec<i32>,
    pub(super) stream: Stream<'static>,
    pub(super) stage: Stage,
    /// The chunks of its prompt end where they would if all of it were read.
    pub(super) is_aligned: bool,
    /// When the first token was drawn.
    pub(super) first: Option<Instant>,
    /// It doesn't generate while it waits for credits.
    pub(super) waited: Duration,
    pub(super) waits_since: Option<Instant>,
    /// How often the older half of the context was dropped for it.
    pub(super) n_shifts: u32,
    /// The bytes of the token at hand; kept for their memory.
    pub(super) bytes: Vec<u8>,
}

/// Where a request is.
pub(super) enum Stage {
    /// These tokens, from a place on, are to be decoded.
    Decode { tokens: Vec<i32>, n_done: usize, kind: Kind },
    /// The next token is to be drawn from these logits.
    Draw(Logits),
}

/// Where tokens come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Prompt,
    /// Text that was put into the answer.
    Put,
    Drawn,
}

/// Logits after a request's last token.
pub(super) enum Logits {
    /// At this place of the last batch.
    At(usize),
    /// A copy, since other requests were decoded meanwhile.
    Kept(Vec<f32>),
}

/// What comes of drawing a token.
pub(super) enum Drawn {
    /// It waits for credits.
    Waits,
    /// These tokens are to be decoded.
    Next(Vec<i32>, Kind),
    /// Nothing changed: draw again.
    Again,
    Ended(Finish),
}

/// What comes where a token was drawn.
enum Choice {
    Token(i32),
    /// A text is put in its place.
    Put(String),
    Ended(Finish),
}

impl Answer {
    /// Keep a copy of the logits before another batch takes their place.
    pub(super) fn keep_logits(&mut self, engine: &mut Engine) {
        if let Stage::Draw(Logits::At(place)) = self.stage
            && let Some(logits) = engine.logits(place)
        {
            self.stage = Stage::Draw(Logits::Kept(logits.to_vec()));
        }
    }

    /// Draw the next token, which comes after `tokens`, if it may.
    pub(super) fn draw(&mut self, session: &mut Session, tokens: &[i32]) -> Result<Drawn, String> {
        let max_tokens = self.request.max_tokens.unwrap_or(u32::MAX);
        if max_tokens == 0 {
            return Ok(Drawn::Ended(Finish::Length));
        }
        if !self.may_draw() {
            return Ok(Drawn::Waits);
        }
        CONTROL.count_step();
        let n_top = self.request.n_top_logprobs.min(MAX_TOP_LOGPROBS) as usize;
        let logits = logits(&mut self.stage, &mut session.engine)?;
        // Before the sampler, which changes them.
        let top = if n_top > 0 { likeliest(logits, n_top) } else { Vec::new() };
        let none = "the model's logits are no numbers";
        let token = self.sampler.sample(logits, tokens).ok_or(none)?.cast_signed();
        let n_ctx = session.engine.n_ctx();
        let n_left = (max_tokens - self.stream.counters.n_generated.min(max_tokens)) as usize;
        let n_left = n_left.min(n_ctx - tokens.len().min(n_ctx));
        let token = match self.choose(token, n_left, session)? {
            Choice::Token(token) => token,
            Choice::Ended(finish) => return Ok(Drawn::Ended(finish)),
            Choice::Put(text) => return Ok(self.put(&text, session, tokens.len())),
        };
        let model = session.engine.model();
        if model.is_end(token) {
            return Ok(Drawn::Ended(Finish::Stop));
        }
        if let Some((_, place)) = self.stops.iter().find(|(stop, _)| *stop == token) {
            return Ok(Drawn::Ended(Finish::StopText(*place)));
        }
        model.piece(token, self.shown.contains(&token), &mut self.bytes);
        self.stream.push(&self.bytes);
        if n_top > 0 {
            self.stream.report(report(&self.bytes, &top, session));
        }
        self.count_time();
        Ok(match self.finish(max_tokens, tokens.len() >= n_ctx) {
            Some(finish) => Drawn::Ended(finish),
            None => Drawn::Next(vec![token], Kind::Drawn),
        })
    }

    /// Take a credit, where this request needs one to draw. Text that is ready is sent before a wait.
    fn may_draw(&mut self) -> bool {
        if self.request.credits.is_none() {
            return true;
        }
        self.stream.flush();
        if !CONTROL.take_credit(self.request.id) {
            self.waits_since.get_or_insert_with(Instant::now);
            return false;
        }
        self.waited += self.waits_since.take().map_or(Duration::ZERO, |since| since.elapsed());
        true
    }

    /// The times up to the token that has just been drawn, which is sent if it is time.
    fn count_time(&mut self) {
        let now = Instant::now();
        match self.first {
            None => {
                self.first = Some(now);
                self.waited = Duration::ZERO;
                self.stream.counters.ttft_us = Some(micros(now.saturating_duration_since(self.arrived)));
            }
            Some(first) => {
                let since = now.saturating_duration_since(first);
                self.stream.counters.generation_us = micros(since.saturating_sub(self.waited));
            }
        }
        self.stream.tick(now);
    }

    /// Why the answer ends with the token that has just been pushed, if it does.
    fn finish(&self, max_tokens: u32, is_full: bool) -> Option<Finish> {
        if self.stream.has_ended() {
            Some(Finish::Stop)
        } else if let Some(place) = self.stream.stopped_by() {
            Some(Finish::StopText(place))
        } else if self.stream.counters.n_generated >= max_tokens {
            Some(Finish::Length)
        } else if is_full {
            Some(Finish::ContextFull)
        } else {
            None
        }
    }

    /// What comes where this token was drawn: in an answer that is held to a grammar, it may be another.
    fn choose(&mut self, mut token: i32, n_left: usize, session: &mut Session) -> Result<Choice, String> {
        let Some(constraint) = &mut self.constraint else { return Ok(Choice::Token(token)) };
        let model = session.engine.model();
        let n_left = if self.stream.splitter().is_within_reasoning() { usize::MAX } else { n_left };
        match constraint.closing(model, n_left) {
            Closing::Closed => return Ok(Choice::Ended(constraint.closed())),
            Closing::By(closer) => {
                constraint.accept(closer)?;
                return Ok(Choice::Token(closer));
            }
            Closing::Open => {}
        }
        model.piece(token, self.shown.contains(&token), &mut self.bytes);
        match constraint.judge(token, &self.bytes, model, &self.stream, &session.formats) {
            Verdict::Free => return Ok(Choice::Token(token)),
            Verdict::Put(text) => return Ok(Choice::Put(text)),
            Verdict::Allowed => {
                constraint.accept(token)?;
                return Ok(Choice::Token(token));
            }
            Verdict::PutHeld(text) => {
                if let Some(text) = constraint.accept_text(&text, model)? {
                    return Ok(Choice::Put(text));
                }
            }
            Verdict::Forbidden if constraint.is_over(model) => return Ok(Choice::Ended(Finish::Stop)),
            Verdict::Forbidden => {}
        }
        // The row is that of the first draw, penalties included.
        let logits = logits(&mut self.stage, &mut session.engine)?;
        constraint.grammar().mask(logits);
        let none = "no token continues the grammar";
        token = self.sampler.sample_again(logits).ok_or(none)?.cast_signed();
        constraint.accept(token)?;
        Ok(Choice::Token(token))
    }

    /// Put text after what the sequence holds, as if the model had written it.
    fn put(&mut self, text: &str, session: &Session, n_past: usize) -> Drawn {
        let tokens = session.engine.model().tokenize_bare(text);
        self.stream.put(text);
        if n_past + tokens.len() >= session.engine.n_ctx() {
            return Drawn::Ended(Finish::ContextFull);
        }
        if tokens.is_empty() { Drawn::Again } else { Drawn::Next(tokens, Kind::Put) }
    }
}

fn logits<'a>(stage: &'a mut Stage, engine: &'a mut Engine) -> Result<&'a mut [f32], String> {
    let none = || "llama.cpp gave no logits".to_owned();
    match stage {
        Stage::Draw(Logits::Kept(logits)) => Ok(logits),
        Stage::Draw(Logits::At(place)) => engine.logits(*place).ok_or_else(none),
        Stage::Decode { .. } => Err(none()),
    }
}

/// A token and what else was likely, as they are reported.
fn report(bytes: &[u8], top: &[(i32, f32)], session: &Session) -> Token {
    let mut text = Vec::new();
    let top = top.iter().map(|(token, probability)| {
        session.engine.model().piece(*token, true, &mut text);
        TopLogprob { bytes: text.clone(), probability: *probability }
    });
    Token { top_logprobs: top.collect(), bytes: bytes.to_vec() }
}
