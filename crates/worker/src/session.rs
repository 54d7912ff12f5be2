//! A loaded model, with its file's settings for prompts and answers: template, sampling, reasoning tags.
//!
//! Owned here: the load, and the requests that have the engine to themselves. Absent: answers (`scheduler`).

use std::time::{Duration, Instant};

use llama_cpp_2::llama_backend::LlamaBackend;
use wire::{
    Chat, Event, Failure, FailureKind, Load, Loaded, LogitBias, Measure, Measured, Prompt, Query, QueryJob,
    QueryResult, Sampling, Score,
};

use crate::backend::fail;
use crate::bench::Bench;
use crate::chat::{Hold, Prepared, Tooled};
use crate::clock;
use crate::control::CONTROL;
use crate::cpu_time::cpu_time;
use crate::embed::{self, Embedder};
use crate::engine::Engine;
use crate::micros::micros;
use crate::model::Model;
use crate::out::Out;
use crate::sampler;
use crate::score::Scorer;
use crate::stop::Stopper;
use crate::stream::Follow;
use crate::template::{self, Template, TemplateError};
use crate::think::{FORMATS, Format};

/// A model in its context, with its file's settings for prompts and answers.
pub(crate) struct Session {
    /// Contexts of benches and of vectors: before the engine, whose model they refer to.
    bench: Bench,
    embedder: Embedder,
    pub(crate) engine: Engine,
    template: Option<Template>,
    /// Made when it is needed first.
    tooled: Option<Tooled>,
    /// The file's own sampling, defaults filled in.
    pub(crate) sampling: Sampling,
    /// The special tokens of these formats' tags: their text is shown, so that the split sees it.
    pub(crate) tags: Vec<i32>,
    /// The formats of reasoning that this model is known to write: its template names them, or its vocabulary has them.
    pub(crate) formats: Vec<&'static Format>,
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
            embeds_only: engine.embeds_only(),
            sampling,
            load_us: micros(started.elapsed()),
            load_cpu_us: cpu_time().map(micros),
        };
        Ok((
            Self {
                bench: Bench::default(),
                embedder: Embedder::default(),
                engine,
                template,
                tooled: None,
                sampling,
                tags,
                formats,
                scorer: Scorer::default(),
            },
            loaded,
        ))
    }

    /// Refuse what a model for embeddings can't do.
    pub(crate) fn generates(&self) -> Result<(), Failure> {
        if !self.engine.embeds_only() {
            return Ok(());
        }
        let message = "an embedding model can't chat or complete".to_owned();
        Err(fail(FailureKind::Request, message, "ask it for embeddings, or choose a model for text generation"))
    }

    /// Weigh a chunk of a text. The conversation is not touched.
    pub(crate) fn score(&mut self, request: &Score) -> Result<Event, Failure> {
        self.generates()?;
        self.scorer.score(&mut self.engine, request)
    }

    /// Take one measurement of a bench.
    pub(crate) fn measure(&mut self, measure: &Measure) -> Result<Measured, Failure> {
        self.generates().map_err(|failure| Failure { id: Some(measure.id), ..failure })?;
        let measured = self.bench.measure(&self.engine, measure);
        measured.map_err(|failure| Failure { id: Some(measure.id), ..failure })
    }

    /// Run a query immediately; `None` for one that takes several steps.
    pub(crate) fn query(&mut self, query: Query) -> Option<Result<QueryResult, Failure>> {
        let Query { id, job } = query;
        let result = match job {
            QueryJob::Embed { inputs, normalize, truncate } => {
                let begun = self.embedder.begin(&self.engine, id, inputs, (normalize, truncate));
                return begun.err().map(Err);
            }
            QueryJob::Tokenize { text, add_special, parse_special, with_pieces } => {
                self.tokenize(&text, (add_special, parse_special), with_pieces)
            }
            QueryJob::Detokenize { tokens } => self.detokenize(&tokens),
            QueryJob::ApplyTemplate(chat) => self.apply_template(*chat),
        };
        Some(result)
    }

    /// Take a step of a query that takes some.
    pub(crate) fn step(&mut self) -> embed::Progress {
        self.embedder.step(&self.engine)
    }

    fn tokenize(&self, text: &str, special: (bool, bool), with_pieces: bool) -> Result<QueryResult, Failure> {
        bounded("the text", text.len(), MAX_QUERY_TEXT)?;
        let model = self.engine.model();
        let tokens = model.tokenize_as(text, special.0, special.1);
        let piece = |token: &i32| {
            let mut bytes = Vec::new();
            model.piece(*token, true, &mut bytes);
            bytes
        };
        let pieces = if with_pieces { tokens.iter().map(piece).collect() } else { Vec::new() };
        Ok(QueryResult::Tokenized { tokens, pieces })
    }

    fn detokenize(&self, tokens: &[i32]) -> Result<QueryResult, Failure> {
        bounded("the list of tokens", tokens.len().saturating_mul(size_of::<i32>()), MAX_QUERY_TEXT)?;
        let model = self.engine.model();
        if let Some(token) = tokens.iter().find(|token| !model.is_token(**token)) {
            return Err(embed::no_token(*token, model));
        }
        Ok(QueryResult::Detokenized { text: model.detokenize(tokens) })
    }

    /// Refuse biases of tokens that there are none of.
    pub(crate) fn check_bias(&self, bias: &[LogitBias]) -> Result<(), Failure> {
        let model = self.engine.model();
        if bias.len() > MAX_BIASES {
            let message = format!("logit_bias has {} tokens, and {MAX_BIASES} are the most", bias.len());
            return Err(fail(FailureKind::Request, message, "give fewer"));
        }
        let is_token = |token: u32| i32::try_from(token).is_ok_and(|token| model.is_token(token));
        let wrong = bias.iter().find(|one| !is_token(one.token) || !one.bias.is_finite());
        wrong.map_or(Ok(()), |one| {
            let message = format!("logit_bias names the token {}, and this model has none of that number", one.token);
            Err(fail(FailureKind::Request, message, "`/tokenize` returns the tokens of a text"))
        })
    }

    fn apply_template(&mut self, chat: Chat) -> Result<QueryResult, Failure> {
        self.generates()?;
        let prompt = Prompt::Chat(chat);
        let rendered = self
            .render(&prompt)
            .map_err(|error| fail(FailureKind::Template, error.to_string(), template_hint(&error)))?;
        bounded("the prompt", rendered.prompt.len(), MAX_QUERY_TEXT)?;
        let n_tokens = self.engine.model().tokenize(&rendered.prompt).len() as u32;
        Ok(QueryResult::Applied { prompt: rendered.prompt, n_tokens })
    }

    /// A prompt as text, through the model's own template where it is a conversation.
    pub(crate) fn render(&mut self, prompt: &Prompt) -> Result<Rendered, TemplateError> {
        let chat = match prompt {
            Prompt::Raw(text) => return Ok(Rendered::of(text.clone())),
            Prompt::Chat(chat) => chat,
        };
        let now = clock::now();
        let plain = |chat: &Chat| match &self.template {
            Some(template) => template.render(chat, &now),
            None => Ok(template::plain(&chat.messages)),
        };
        if !chat.has_tools() {
            return plain(chat).map(Rendered::of);
        }
        let tooled = match self.tooled.take() {
            Some(tooled) => tooled,
            None => Tooled::new(self.template_for_tools())?,
        };
        let prepared = tooled.prepare(chat, &now, plain);
        self.tooled = Some(tooled);
        prepared.map(Rendered::from)
    }

    /// The template for chats with tools: some files have a separate one.
    fn template_for_tools(&self) -> Option<Template> {
        let model = self.engine.model();
        let own = model.metadata("tokenizer.chat_template.tool_use").filter(|source| !source.trim().is_empty());
        own.map(|source| Template::new(&source, &model.bos_text(), &model.eos_text())).or_else(|| self.template.clone())
    }

    /// The tokens whose text is shown although they are special: those of reasoning, and these.
    pub(crate) fn shown(&self, preserved: &[String]) -> Vec<i32> {
        let preserved = preserved.iter().filter_map(|text| self.engine.model().single_token(text));
        self.tags.iter().copied().chain(preserved).collect()
    }

    /// Stop texts that are one special token each, with their places. Its text is no part of an answer, so it is not looked for there.
    pub(crate) fn stop_tokens(&self, stop: &[String]) -> Vec<(i32, u32)> {
        let model = self.engine.model();
        let mut shown = Vec::new();
        let mut is_hidden = |token: &i32| {
            model.piece(*token, false, &mut shown);
            shown.is_empty()
        };
        let single = (0..).zip(stop).filter_map(|(place, text)| Some((model.single_token(text)?, place)));
        single.filter(|(token, _)| is_hidden(token)).collect()
    }
}

/// The most tokens that a request may bias: each is looked up at every step.
const MAX_BIASES: usize = 4096;

/// The longest text of a query in bytes: its tokens, spelled out, fit a frame, and cutting it up holds answers up for a
/// fraction of a second.
const MAX_QUERY_TEXT: usize = 2 << 20;

fn bounded(what: &str, n_bytes: usize, most: usize) -> Result<(), Failure> {
    if n_bytes <= most {
        return Ok(());
    }
    let message = format!("{what} has {n_bytes} bytes, above the limit of {most}");
    Err(fail(FailureKind::Request, message, "ask for it in parts"))
}

/// A prompt as text, with what its tools want of the answer.
pub(crate) struct Rendered {
    pub(crate) prompt: String,
    pub(crate) follow: Option<Follow>,
    pub(crate) hold: Option<Hold>,
    pub(crate) preserved: Vec<String>,
}

impl Rendered {
    /// Without tools.
    fn of(prompt: String) -> Self {
        Self { prompt, follow: None, hold: None, preserved: Vec::new() }
    }
}

impl From<Prepared> for Rendered {
    fn from(prepared: Prepared) -> Self {
        let Prepared { prompt, follower, hold, preserved, stops } = prepared;
        Self { prompt, follow: Some(Follow { follower, ends: Stopper::new(&stops) }), hold, preserved }
    }
}

/// The sampling that the model's makers put into the file; what is out of range is left out.
fn file_sampling(model: &Model) -> Sampling {
    let number = |key: &str| model.metadata(key)?.trim().parse::<f32>().ok();
    let checked = |sampling: Sampling| sampler::check(&sampling).map_or_else(|_| Sampling::default(), |()| sampling);
    let none = Sampling::default();
    let whole = |key: &str| number(key).filter(|number| *number >= 0.0).map(|number| number as u32);
    Sampling {
        temperature: checked(Sampling { temperature: number("general.sampling.temp"), ..none }).temperature,
        top_k: whole("general.sampling.top_k"),
        top_p: checked(Sampling { top_p: number("general.sampling.top_p"), ..none }).top_p,
        min_p: checked(Sampling { min_p: number("general.sampling.min_p"), ..none }).min_p,
        xtc_probability: checked(Sampling { xtc_probability: number("general.sampling.xtc_probability"), ..none })
            .xtc_probability,
        xtc_threshold: checked(Sampling { xtc_threshold: number("general.sampling.xtc_threshold"), ..none })
            .xtc_threshold,
        repeat_penalty: checked(Sampling { repeat_penalty: number("general.sampling.penalty_repeat"), ..none })
            .repeat_penalty,
        repeat_last_n: whole("general.sampling.penalty_last_n"),
        mirostat: checked(Sampling { mirostat: whole("general.sampling.mirostat"), ..none }).mirostat,
        mirostat_tau: checked(Sampling { mirostat_tau: number("general.sampling.mirostat_tau"), ..none }).mirostat_tau,
        mirostat_eta: checked(Sampling { mirostat_eta: number("general.sampling.mirostat_eta"), ..none }).mirostat_eta,
        ..none
    }
}

/// What the user can do about a template.
pub(crate) fn template_hint(error: &TemplateError) -> &'static str {
    match error {
        TemplateError::Refused(_) => "start a new chat, or change the order of the roles",
        TemplateError::LeftOut(_) => "send the prompt raw, or without what the template has no place for",
        TemplateError::Tools(_) => "change them, or send the prompt without them",
        TemplateError::Options => "give them as an object, such as {\"reasoning_effort\": \"low\"}",
        TemplateError::Syntax(_) | TemplateError::Failed(_) | TemplateError::Bounds(_) => {
            "send the prompt raw, or take another build of this model"
        }
    }
}
