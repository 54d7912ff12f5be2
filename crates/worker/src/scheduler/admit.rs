//! From a request to a sequence that answers it.
//!
//! Owned here: the bounds of a request, its prompt's tokens, and which sequence takes it.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::time::{Duration, Instant};

use wire::{Event, Failure, FailureKind, Generate, Prompt, Sampling, Started};

use super::answer::{Answer, Kind, Stage};
use super::{Scheduler, Sequence};
use crate::backend;
use crate::constrain::Constraint;
use crate::control::CONTROL;
use crate::engine::Engine;
use crate::growth;
use crate::log;
use crate::sampler::{self, Sampler};
use crate::session::{Rendered, Session, template_hint};
use crate::stop::Stopper;
use crate::stream::Stream;
use crate::think::Splitter;

/// No token of any vocabulary is longer, in bytes: a text above this many per token of context can't fit.
const MAX_TOKEN_BYTES: usize = 256;

/// The most stop texts, and the longest together in bytes: each is looked for at every token.
const MAX_STOPS: usize = 64;
const MAX_STOP_BYTES: usize = 16 << 10;

/// A request that can be carried out.
struct Checked {
    sampling: Sampling,
    rendered: Rendered,
    prompt: Vec<i32>,
}

impl Scheduler {
    /// Give a request that arrived at `arrived` a sequence, or say why it gets none.
    pub(crate) fn admit(&mut self, request: Generate, arrived: Instant) {
        let id = request.id;
        CONTROL.count_step();
        if let Err(failure) = self.try_admit(request, arrived) {
            self.release_bound();
            CONTROL.end(id);
            self.out.send(&Event::Failed(Failure { id: Some(id), ..failure }));
        }
    }

    fn try_admit(&mut self, request: Generate, arrived: Instant) -> Result<(), Failure> {
        if request.grammar.is_some() || matches!(&request.prompt, Prompt::Chat(chat) if chat.has_tools()) {
            // Until the last such answer has ended: a step through a grammar can take as much as reading it.
            self.bounded = None;
            self.bounded = growth::bound(growth::MAX_GROWTH);
        }
        let Checked { sampling, rendered, prompt } = check(&request, &mut self.session)?;
        let Some(place) = choose(&self.sequences, &prompt, &self.session.engine) else {
            return Err(super::busy());
        };
        let n_room = self.session.engine.n_ctx() - prompt.len();
        let constraint = Constraint::new(self.session.engine.model(), &request, rendered.hold.as_ref(), n_room)?;
        self.n_admitted += 1;
        let sequence = &mut self.sequences[place];
        let n_cached = sequence.reuse(&prompt, &mut self.session.engine);
        sequence.last_used = self.n_admitted;
        self.out.send(&Event::Started(Started {
            id: request.id,
            n_prompt: prompt.len() as u32,
            n_cached: n_cached as u32,
            sampling,
        }));
        let _ = log::take_error();
        let splitter = Splitter::after(&rendered.prompt, |format| self.session.formats.contains(&format));
        sequence.answer = Some(Box::new(Answer {
            stream: Stream::new(self.out, request.id, splitter, Stopper::new(&request.stop)).following(rendered.follow),
            shown: self.session.shown(&rendered.preserved),
            stops: self.session.stop_tokens(&request.stop),
            sampler: Sampler::new(&sampling).biased(&request.logit_bias),
            constraint,
            arrived,
            order: self.n_admitted,
            stage: Stage::Decode { tokens: prompt, n_done: n_cached, kind: Kind::Prompt },
            first: None,
            waited: Duration::ZERO,
            waits_since: None,
            bytes: Vec::with_capacity(64),
            request,
        }));
        Ok(())
    }
}

impl Sequence {
    /// Keep the tokens that the sequence shares with a prompt, and drop the others; how many are kept. The prompt's last
    /// token is always evaluated again, since its logits are wanted.
    fn reuse(&mut self, prompt: &[i32], engine: &mut Engine) -> usize {
        let n_kept = self.n_shared(prompt);
        let n_kept = if engine.keep(self.number, n_kept) { n_kept } else { 0 };
        self.tokens.truncate(n_kept);
        n_kept
    }

    fn n_shared(&self, prompt: &[i32]) -> usize {
        let shared = prompt.iter().zip(&self.tokens).take_while(|(new, old)| new == old).count();
        shared.min(prompt.len().saturating_sub(1))
    }
}

/// The free sequence for a prompt: the one that holds most of it, else the one that was used longest ago. One that would
/// lose more than it saves isn't taken for its content: what all prompts share, such as the begin-of-text token, is no
/// reason to drop a conversation that may go on.
fn choose(sequences: &[Sequence], prompt: &[i32], engine: &Engine) -> Option<usize> {
    let free = || sequences.iter().enumerate().filter(|(_, sequence)| sequence.answer.is_none());
    let usable = |sequence: &Sequence| {
        let n_shared = sequence.n_shared(prompt);
        if engine.can_keep(sequence.number, n_shared) { n_shared } else { 0 }
    };
    let best = free()
        .map(|(place, sequence)| (usable(sequence), sequence, place))
        .filter(|(n_usable, sequence, _)| *n_usable > 0 && *n_usable >= sequence.tokens.len() - n_usable)
        .min_by_key(|(n_usable, sequence, _)| (usize::MAX - n_usable, sequence.last_used));
    let oldest = || free().min_by_key(|(_, sequence)| sequence.last_used).map(|(place, _)| place);
    best.map(|(.., place)| place).or_else(oldest)
}

/// Whether a request is within its bounds, and its prompt as tokens.
fn check(request: &Generate, session: &mut Session) -> Result<Checked, Failure> {
    let fail = backend::fail;
    let mut sampling = sampler::resolve(&request.sampling, &session.sampling);
    sampler::check(&sampling)
        .map_err(|message| fail(FailureKind::Request, message, "change the session's sampling settings"))?;
    session.check_bias(&request.logit_bias)?;
    let seed = sampling.seed.unwrap_or_else(|| RandomState::new().build_hasher().finish() as u32);
    sampling.seed = Some(seed);
    let rendered = session
        .render(&request.prompt)
        .map_err(|error| fail(FailureKind::Template, error.to_string(), template_hint(&error)))?;
    let text = &rendered.prompt;
    let n_ctx = session.engine.n_ctx();
    let too_long = |length: String| {
        let message = format!("the prompt of {length} does not fit the context of {n_ctx} tokens");
        fail(FailureKind::PromptTooLong, message, "shorten the prompt or begin a new chat")
    };
    if text.len() > n_ctx.saturating_mul(MAX_TOKEN_BYTES) {
        return Err(too_long(format!("{} bytes", text.len())));
    }
    let prompt = session.engine.model().tokenize(text);
    if prompt.is_empty() {
        return Err(fail(FailureKind::Request, "the prompt is empty".to_owned(), "write something"));
    }
    if prompt.len() + (request.min_room.max(1) as usize) > n_ctx {
        return Err(too_long(format!("{} tokens", prompt.len())));
    }
    if request.stop.len() > MAX_STOPS || request.stop.iter().map(String::len).sum::<usize>() > MAX_STOP_BYTES {
        let message = format!("there are more than {MAX_STOPS} stop texts, or {MAX_STOP_BYTES} bytes of them");
        return Err(fail(FailureKind::Request, message, "give fewer"));
    }
    Ok(Checked { sampling, rendered, prompt })
}
