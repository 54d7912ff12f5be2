//! From a request to a sequence that answers it.
//!
//! Owned here: the bounds of a request, its prompt's tokens, and which sequence takes it.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::time::{Duration, Instant};

use wire::{Event, Failure, FailureKind, Generate, Prompt, Started};

use super::Scheduler;
use super::answer::{Answer, Kind, Stage};
use super::waiting::{Checked, Waiting};
use crate::backend;
use crate::constrain::Constraint;
use crate::control::CONTROL;
use crate::growth;
use crate::log;
use crate::prompts::Copied;
use crate::sampler::{self, Sampler};
use crate::session::{Session, template_hint};
use crate::stop::Stopper;
use crate::stream::Stream;
use crate::think::Splitter;

/// No token of any vocabulary is longer, in bytes: a text above this many per token of context can't fit.
const MAX_TOKEN_BYTES: usize = 256;

/// The most stop texts, and the longest together in bytes: each is looked for at every token.
const MAX_STOPS: usize = 64;
const MAX_STOP_BYTES: usize = 16 << 10;

impl Scheduler {
    /// Give a request that arrived at `arrived` a sequence, or say why it gets none.
    pub(crate) fn admit(&mut self, request: Generate, arrived: Instant) {
        let id = request.id;
        CONTROL.count_step();
        if let Err(failure) = self.try_admit(request, arrived) {
            self.refuse(id, failure);
        }
    }

    pub(super) fn refuse(&mut self, id: u64, failure: Failure) {
        self.release_bound();
        CONTROL.end(id);
        self.out.send(&Event::Failed(Failure { id: Some(id), ..failure }));
    }

    fn try_admit(&mut self, request: Generate, arrived: Instant) -> Result<(), Failure> {
        self.session.generates()?;
        self.bound(&request);
        let checked = check(request, arrived, &mut self.session)?;
        if self.n_running() >= self.sequences.len() {
            return Err(super::busy());
        }
        match self.shared(&checked.prompt) {
            Some(shared) => {
                self.waiting.push(Waiting { checked, shared });
                Ok(())
            }
            None => self.begin(checked, None),
        }
    }

    /// Bound the memory of a request with a grammar, until the last such answer has ended: a step through one can take as much
    /// as reading it.
    fn bound(&mut self, request: &Generate) {
        if request.grammar.is_some() || matches!(&request.prompt, Prompt::Chat(chat) if chat.has_tools()) {
            self.bounded = None;
            self.bounded = growth::bound(growth::MAX_GROWTH);
        }
    }

    /// Give a request a sequence, which goes on from so many tokens of a copied one, or from the best that there is.
    pub(super) fn begin(&mut self, checked: Checked, copied: Option<(&Copied, usize)>) -> Result<(), Failure> {
        let Checked { request, arrived, sampling, rendered, prompt } = checked;
        // While it waited, another one's end may have lifted the bound.
        self.bound(&request);
        let n_room = self.session.engine.n_ctx() - prompt.len();
        let constraint = Constraint::new(self.session.engine.model(), &request, rendered.hold.as_ref(), n_room)?;
        let (engine, mut slots) = (&mut self.session.engine, super::slots(&mut self.sequences));
        let from_copy = copied.and_then(|copied| self.prompts.prepare_copy(engine, &mut slots, &prompt, copied));
        let is_aligned = from_copy.is_some();
        let prepared = from_copy.or_else(|| self.prompts.prepare(engine, &mut slots, &prompt));
        let Some((place, n_cached)) = prepared else { return Err(super::busy()) };
        self.n_admitted += 1;
        let sequence = &mut self.sequences[place];
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
            is_aligned,
            first: None,
            waited: Duration::ZERO,
            waits_since: None,
            n_shifts: 0,
            bytes: Vec::with_capacity(64),
            request,
        }));
        Ok(())
    }
}

/// Whether a request is within its bounds, and its prompt as tokens.
fn check(request: Generate, arrived: Instant, session: &mut Session) -> Result<Checked, Failure> {
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
    Ok(Checked { request, arrived, sampling, rendered, prompt })
}
