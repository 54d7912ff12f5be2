//! A loaded model and its conversation.
//!
//! Owned here: which tokens the context holds, what of them the next prompt can reuse, and the loop from a prompt to its
//! last token. Absent: llama.cpp's calls (`engine`), the arithmetic of sampling (`sampler`), the text (`stream`).

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::time::{Duration, Instant};

use llama_cpp_2::llama_backend::LlamaBackend;
use wire::{
    Event, Failure, FailureKind, Finish, Generate, Load, Loaded, Measure, Measured, Prompt, Sampling, Score, Started,
    Token, TopLogprob,
};

use crate::backend;
use crate::bench::Bench;
use crate::clock;
use crate::constrain::{Closing, Constraint, Verdict};
use crate::control::CONTROL;
use crate::cpu_time::cpu_time;
use crate::engine::{Decoded, Engine};
use crate::growth;
use crate::log;
use crate::model::Model;
use crate::out::Out;
use crate::probable::likeliest;
use crate::sampler::{self, Sampler};
use crate::score::Scorer;
use crate::stop::Stopper;
use crate::stream::Stream;
use crate::template::{self, Template, TemplateError};
use crate::think::{FORMATS, Format, Splitter};

/// The most likely tokens that are told at each step.
const MAX_PROBABLE: u32 = 50;

/// No token of any vocabulary is longer, in bytes: a text above this many per token of context can't fit.
const MAX_TOKEN_BYTES: usize = 256;

/// The most stop texts, and the longest together in bytes: each is looked for at every token.
const MAX_STOPS: usize = 64;
const MAX_STOP_BYTES: usize = 16 << 10;

pub(crate) struct Session {
    /// Contexts of benches: before the engine, whose model they refer to.
    bench: Bench,
    engine: Engine,
    template: Option<Template>,
    /// The file's own sampling, defaults filled in.
    sampling: Sampling,
    /// The tokens at the context's positions.
    tokens: Vec<i32>,
    /// The special tokens of these formats' tags: their text is shown, so that the split sees it.
    tags: Vec<i32>,
    /// The formats of reasoning that this model is known to write: its template names them, or its vocabulary has them.
    formats: Vec<&'static Format>,
    scorer: Scorer,
}

impl Session {
    /// Load a model, telling how far it is.
    pub(crate) fn load(llama: &LlamaBackend, load: &Load, out: &'static Out) -> Result<(Self, Loaded), Failure> {
        let started = Instant::now();
        let mut told = (0.0, started);
        let progress = move |fraction: f32| {
            let (last, at) = told;
            if fraction > last && (fraction >= 1.0 || at.elapsed() >= Duration::from_millis(30)) {
                told = (fraction, Instant::now());
                out.send(&Event::Loading { fraction: fraction.min(1.0) });
            }
            !CONTROL.is_stopping()
        };
        let engine = Engine::load(llama, load, progress)?;
        let model = engine.model();
        let template = model
            .template()
            .filter(|source| !source.trim().is_empty())
            .map(|source| Template::new(&source, &model.bos_text(), &model.eos_text()));
        let sampling = sampler::resolve(&file_sampling(model), &Sampling::default());
        let source = model.template().unwrap_or_default();
        let formats: Vec<&Format> = FORMATS
            .iter()
            .filter(|format| source.contains(format.sign) || model.single_token(format.sign).is_some())
            .collect();
        let marks = formats.iter().flat_map(|format| format.marks());
        let mut tags: Vec<i32> = marks.flat_map(|mark| model.tokenize_bare(mark)).collect();
        tags.sort_unstable();
        tags.dedup();
        let loaded = Loaded {
            n_ctx: engine.n_ctx() as u32,
            n_ctx_train: model.n_ctx_train(),
            n_gpu_layers: engine.n_gpu_layers(),
            n_layers: model.n_layers(),
            ledger: engine.ledger(),
            has_template: template.is_some(),
            sampling,
            load_us: micros(started.elapsed()),
            load_cpu_us: cpu_time().map_or(0, micros),
        };
        Ok((
            Self {
                bench: Bench::default(),
                engine,
                template,
                sampling,
                tokens: Vec::new(),
                tags,
                formats,
                scorer: Scorer::default(),
            },
            loaded,
        ))
    }

    /// Weigh a chunk of a text. The conversation is not touched.
    pub(crate) fn score(&mut self, request: &Score) -> Result<Event, Failure> {
        self.scorer.score(&mut self.engine, request)
    }

    /// Forget the conversation's tokens.
    pub(crate) fn forget(&mut self) {
        self.engine.clear();
        self.tokens.clear();
    }

    /// Take one measurement of a bench.
    pub(crate) fn measure(&mut self, measure: &Measure) -> Result<Measured, Failure> {
        let measured = self.bench.measure(&self.engine, measure);
        measured.map_err(|failure| Failure { id: Some(measure.id), ..failure })
    }

    /// Answer one request that arrived at `arrived`, up to but without its last event.
    pub(crate) fn generate(&mut self, request: &Generate, arrived: Instant, out: &Out) -> Result<Event, Failure> {
        let fail = |kind, message, hint: &str| Failure { id: Some(request.id), ..backend::fail(kind, message, hint) };
        let mut sampling = sampler::resolve(&request.sampling, &self.sampling);
        sampler::check(&sampling)
            .map_err(|message| fail(FailureKind::Request, message, "change the session's sampling settings"))?;
        let seed = sampling.seed.unwrap_or_else(|| RandomState::new().build_hasher().finish() as u32);
        sampling.seed = Some(seed);

        let text = self
            .render(&request.prompt)
            .map_err(|error| fail(FailureKind::Template, error.to_string(), template_hint(&error)))?;
        let n_ctx = self.engine.n_ctx();
        let too_long = |length: String| {
            let message = format!("the prompt of {length} does not fit the context of {n_ctx} tokens");
            fail(FailureKind::PromptTooLong, message, "shorten the prompt or begin a new chat")
        };
        if text.len() > n_ctx.saturating_mul(MAX_TOKEN_BYTES) {
            return Err(too_long(format!("{} bytes", text.len())));
        }
        let mut prompt = self.engine.model().tokenize(&text);
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
        // Until the answer has ended: a step through a grammar can take as much as reading it.
        let _bounded = request.grammar.is_some().then(|| growth::bound(growth::MAX_GROWTH));
        let constraint = Constraint::new(self.engine.model(), request, n_ctx - prompt.len())?;
        let n_cached = self.reuse(&prompt);
        out.send(&Event::Started(Started {
            id: request.id,
            n_prompt: prompt.len() as u32,
            n_cached: n_cached as u32,
            sampling,
        }));
        let _ = log::take_error();
        let splitter = Splitter::after(&text, |format| self.formats.contains(&format));
        let mut stream = Stream::new(out, request.id, splitter, Stopper::new(&request.stop));
        drop(text);
        let ended = match self.evaluate(&mut prompt[n_cached..], &mut stream, request.id, out) {
            Ok(true) => self.go_on(&mut Sampler::new(&sampling), constraint, request, arrived, &mut stream),
            Ok(false) => Ok(Finish::Cancelled),
            Err(decoded) => Err(decoded),
        };
        stream.finish();
        match ended {
            Ok(finish) => {
                stream.counters.n_past = self.tokens.len() as u32;
                Ok(Event::Finished { id: request.id, finish, counters: stream.counters })
            }
            Err(reason) => {
                self.forget();
                Err(fail(FailureKind::Decode, reason, "try again; if it stays so, restart the session"))
            }
        }
    }

    fn render(&self, prompt: &Prompt) -> Result<String, TemplateError> {
        match (prompt, &self.template) {
            (Prompt::Raw(text), _) => Ok(text.clone()),
            (Prompt::Chat(messages), Some(template)) => template.render(messages, &clock::now()),
            (Prompt::Chat(messages), None) => Ok(template::plain(messages)),
        }
    }

    /// Keep the tokens that the context shares with a prompt, and forget the others; how many are kept. The prompt's
    /// last token is always evaluated anew, since its logits are wanted.
    fn reuse(&mut self, prompt: &[i32]) -> usize {
        let shared = prompt.iter().zip(&self.tokens).take_while(|(new, old)| new == old).count();
        let n_kept = shared.min(prompt.len() - 1);
        let n_kept = if self.engine.keep(n_kept) { n_kept } else { 0 };
        self.tokens.truncate(n_kept);
        n_kept
    }

    /// Run the prompt through the model; `false` if it was cancelled.
    fn evaluate(&mut self, prompt: &mut [i32], stream: &mut Stream<'_>, id: u64, out: &Out) -> Result<bool, String> {
        for chunk in prompt.chunks_mut(self.engine.n_chunk()) {
            if CONTROL.is_interrupted() {
                return Ok(false);
            }
            let n_before = self.tokens.len();
            let started = Instant::now();
            let decoded = self.decode(chunk);
            let spent = micros(started.elapsed());
            stream.counters.prompt_us += spent;
            stream.counters.decode_us += spent;
            stream.counters.n_prompt += self.tokens.len().saturating_sub(n_before) as u32;
            stream.counters.n_past = self.tokens.len() as u32;
            match decoded {
                Decoded::Done => out.send(&Event::Prompt { id, n_done: self.tokens.len() as u32 }),
                Decoded::Aborted => return Ok(false),
                Decoded::Full | Decoded::Failed(_) => return Err(reason(decoded)),
            }
        }
        Ok(true)
    }

    /// Draw token after token until something ends it.
    fn go_on(
        &mut self,
        sampler: &mut Sampler,
        mut constraint: Option<Constraint>,
        request: &Generate,
        arrived: Instant,
        stream: &mut Stream<'_>,
    ) -> Result<Finish, String> {
        let max_tokens = request.max_tokens.unwrap_or(u32::MAX);
        let n_top_logprobs = request.n_top_logprobs.min(MAX_PROBABLE) as usize;
        if max_tokens == 0 {
            return Ok(Finish::Length);
        }
        let stops = self.stop_tokens(&request.stop);
        let mut bytes = Vec::with_capacity(64);
        let mut first: Option<Instant> = None;
        // Nobody generates while it waits for leave.
        let mut waited = Duration::ZERO;
        loop {
            if request.credits.is_some() {
                stream.flush();
                let since = Instant::now();
                if !CONTROL.take_free() {
                    return Ok(Finish::Cancelled);
                }
                waited += since.elapsed();
            }
            if CONTROL.is_interrupted() {
                return Ok(Finish::Cancelled);
            }
            CONTROL.count_step();
            let logits = self.engine.logits().ok_or("llama.cpp gave no logits")?;
            // Before the sampler, which changes them.
            let probable = if n_top_logprobs > 0 { likeliest(logits, n_top_logprobs) } else { Vec::new() };
            let none = "the model's logits are no numbers";
            let mut token = sampler.sample(logits, &self.tokens).ok_or(none)?.cast_signed();
            if let Some(constraint) = &mut constraint {
                let n_left = (max_tokens - stream.counters.n_generated.min(max_tokens)) as usize;
                let n_left = n_left.min(self.engine.n_ctx() - self.tokens.len().min(self.engine.n_ctx()));
                match self.constrain(constraint, sampler, (token, n_left), stream)? {
                    Drawn::Token(instead) => token = instead,
                    Drawn::Put(None) => continue,
                    Drawn::Put(Some(finish)) => return Ok(finish),
                }
            }
            if self.engine.model().is_end(token) {
                return Ok(Finish::Stop);
            }
            if stops.contains(&token) {
                return Ok(Finish::StopText);
            }
            self.engine.model().piece(token, self.tags.contains(&token), &mut bytes);
            stream.push(&bytes);
            if n_top_logprobs > 0 {
                stream.tell(self.told(&bytes, &probable));
            }
            let now = Instant::now();
            match first {
                None => {
                    first = Some(now);
                    waited = Duration::ZERO;
                    stream.counters.ttft_us = micros(now.saturating_duration_since(arrived));
                }
                Some(first) => {
                    let since = now.saturating_duration_since(first);
                    stream.counters.generation_us = micros(since.saturating_sub(waited));
                }
            }
            stream.tick(now);
            if stream.has_stopped() {
                return Ok(Finish::StopText);
            }
            if stream.counters.n_generated >= max_tokens {
                return Ok(Finish::Length);
            }
            if self.tokens.len() >= self.engine.n_ctx() {
                return Ok(Finish::ContextFull);
            }
            let started = Instant::now();
            let decoded = self.decode(&mut [token]);
            stream.counters.decode_us += micros(started.elapsed());
            stream.counters.n_past = self.tokens.len() as u32;
            match decoded {
                Decoded::Done => {}
                Decoded::Aborted => return Ok(Finish::Cancelled),
                Decoded::Full => return Ok(Finish::ContextFull),
                Decoded::Failed(_) => return Err(reason(decoded)),
            }
        }
    }

    /// What comes where this token was drawn, in an answer that is held to a grammar.
    fn constrain(
        &mut self,
        constraint: &mut Constraint,
        sampler: &mut Sampler,
        (mut token, n_left): (i32, usize),
        stream: &mut Stream<'_>,
    ) -> Result<Drawn, String> {
        let mut bytes = Vec::new();
        let model = self.engine.model();
        match constraint.closing(model, n_left) {
            // It could have gone on.
            Closing::Closed => return Ok(Drawn::Put(Some(Finish::Length))),
            Closing::By(closer) => {
                constraint.accept(closer)?;
                return Ok(Drawn::Token(closer));
            }
            Closing::Open => {}
        }
        model.piece(token, self.tags.contains(&token), &mut bytes);
        match constraint.judge(token, &bytes, model, stream, &self.formats) {
            Verdict::Free => return Ok(Drawn::Token(token)),
            Verdict::Put(text) => return self.put(&text, stream).map(Drawn::Put),
            Verdict::Allowed => {}
            Verdict::Forbidden => {
                // The row is that of the first draw, penalties included.
                let logits = self.engine.logits().ok_or("llama.cpp gave no logits")?;
                constraint.grammar().mask(logits);
                token = sampler.sample_again(logits).ok_or("no token goes on with the grammar")?.cast_signed();
            }
        }
        constraint.accept(token)?;
        Ok(Drawn::Token(token))
    }

    /// Put text behind what the context holds, as if the model had written it; how the answer ends, where it does.
    fn put(&mut self, text: &str, stream: &mut Stream<'_>) -> Result<Option<Finish>, String> {
        let mut tokens = self.engine.model().tokenize_bare(text);
        stream.put(text);
        if self.tokens.len() + tokens.len() >= self.engine.n_ctx() {
            return Ok(Some(Finish::ContextFull));
        }
        for chunk in tokens.chunks_mut(self.engine.n_chunk()) {
            let started = Instant::now();
            let decoded = self.decode(chunk);
            stream.counters.decode_us += micros(started.elapsed());
            stream.counters.n_past = self.tokens.len() as u32;
            match decoded {
                Decoded::Done => {}
                Decoded::Aborted => return Ok(Some(Finish::Cancelled)),
                Decoded::Full => return Ok(Some(Finish::ContextFull)),
                Decoded::Failed(_) => return Err(reason(decoded)),
            }
        }
        Ok(None)
    }

    /// Stop texts that are one special token each. Its text is no part of an answer, so it is not looked for there.
    fn stop_tokens(&self, stop: &[String]) -> Vec<i32> {
        let model = self.engine.model();
        let mut shown = Vec::new();
        let mut is_hidden = |token: &i32| {
            model.piece(*token, false, &mut shown);
            shown.is_empty()
        };
        stop.iter().filter_map(|text| model.single_token(text)).filter(|token| is_hidden(token)).collect()
    }

    /// A token and what else was likely, as they are told.
    fn told(&self, bytes: &[u8], probable: &[(i32, f32)]) -> Token {
        let mut text = Vec::new();
        let probable = probable.iter().map(|(token, probability)| {
            self.engine.model().piece(*token, true, &mut text);
            TopLogprob { bytes: text.clone(), probability: *probability }
        });
        Token { top_logprobs: probable.collect(), bytes: bytes.to_vec() }
    }

    /// Decode tokens and keep the account of what the context holds, also when it was interrupted.
    fn decode(&mut self, tokens: &mut [i32]) -> Decoded {
        let decoded = self.engine.decode(tokens);
        match decoded {
            Decoded::Done => self.tokens.extend_from_slice(tokens),
            Decoded::Aborted => {
                let n_past = self.engine.settle();
                self.tokens.extend_from_slice(tokens);
                self.tokens.truncate(n_past);
            }
            Decoded::Full | Decoded::Failed(_) => {}
        }
        decoded
    }
}

/// What comes where a token was drawn.
enum Drawn {
    Token(i32),
    /// A text was put in its place; how the answer ended over it, where it did.
    Put(Option<Finish>),
}

/// The sampling that the model's makers put into the file; what is out of range is left out.
fn file_sampling(model: &Model) -> Sampling {
    let number = |key: &str| model.metadata(key)?.trim().parse::<f32>().ok();
    let checked = |sampling: Sampling| sampler::check(&sampling).map_or_else(|_| Sampling::default(), |()| sampling);
    let none = Sampling::default();
    Sampling {
        temperature: checked(Sampling { temperature: number("general.sampling.temp"), ..none }).temperature,
        top_k: number("general.sampling.top_k").filter(|k| *k >= 0.0).map(|k| k as u32),
        top_p: checked(Sampling { top_p: number("general.sampling.top_p"), ..none }).top_p,
        min_p: checked(Sampling { min_p: number("general.sampling.min_p"), ..none }).min_p,
        repeat_penalty: checked(Sampling { repeat_penalty: number("general.sampling.penalty_repeat"), ..none })
            .repeat_penalty,
        seed: None,
    }
}

fn reason(decoded: Decoded) -> String {
    let reason = log::take_error().unwrap_or_else(|| format!("{decoded:?}"));
    format!("llama.cpp failed while decoding: {reason}")
}

fn template_hint(error: &TemplateError) -> &'static str {
    match error {
        TemplateError::Refused(_) => "begin a new chat, or change who speaks when",
        TemplateError::LeftOut(_) => "send the prompt raw, or without what the template has no place for",
        TemplateError::Syntax(_) | TemplateError::Failed(_) | TemplateError::Bounds(_) => {
            "send the prompt raw, or take another build of this model"
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
