//! A loaded model, with what its file says about prompts and answers: template, sampling, tags of reasoning.
//!
//! Owned here: the load, and the requests that have the engine for themselves. Absent: answers (`scheduler`).

use std::time::{Duration, Instant};

use llama_cpp_2::llama_backend::LlamaBackend;
use wire::{Event, Failure, Load, Loaded, Measure, Measured, Prompt, Sampling, Score};

use crate::bench::Bench;
use crate::clock;
use crate::control::CONTROL;
use crate::cpu_time::cpu_time;
use crate::engine::Engine;
use crate::model::Model;
use crate::out::Out;
use crate::sampler;
use crate::scheduler::micros;
use crate::score::Scorer;
use crate::template::{self, Template, TemplateError};
use crate::think::{FORMATS, Format};

/// A model in its context, with what its file says about prompts and answers.
pub(crate) struct Session {
    /// Contexts of benches: before the engine, whose model they refer to.
    bench: Bench,
    pub(crate) engine: Engine,
    template: Option<Template>,
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
            sampling,
            load_us: micros(started.elapsed()),
            load_cpu_us: cpu_time().map(micros),
        };
        Ok((
            Self { bench: Bench::default(), engine, template, sampling, tags, formats, scorer: Scorer::default() },
            loaded,
        ))
    }

    /// Weigh a chunk of a text. The conversation is not touched.
    pub(crate) fn score(&mut self, request: &Score) -> Result<Event, Failure> {
        self.scorer.score(&mut self.engine, request)
    }

    /// Take one measurement of a bench.
    pub(crate) fn measure(&mut self, measure: &Measure) -> Result<Measured, Failure> {
        let measured = self.bench.measure(&self.engine, measure);
        measured.map_err(|failure| Failure { id: Some(measure.id), ..failure })
    }

    /// A prompt as text, through the model's own template where it is a conversation.
    pub(crate) fn render(&self, prompt: &Prompt) -> Result<String, TemplateError> {
        match (prompt, &self.template) {
            (Prompt::Raw(text), _) => Ok(text.clone()),
            (Prompt::Chat(chat), _) if chat.has_tools() => Err(TemplateError::Tools),
            (Prompt::Chat(chat), Some(template)) => template.render(chat, &clock::now()),
            (Prompt::Chat(chat), None) => Ok(template::plain(&chat.messages)),
        }
    }

    /// Stop texts that are one special token each. Its text is no part of an answer, so it is not looked for there.
    pub(crate) fn stop_tokens(&self, stop: &[String]) -> Vec<i32> {
        let model = self.engine.model();
        let mut shown = Vec::new();
        let mut is_hidden = |token: &i32| {
            model.piece(*token, false, &mut shown);
            shown.is_empty()
        };
        stop.iter().filter_map(|text| model.single_token(text)).filter(|token| is_hidden(token)).collect()
    }
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

/// What the user can do about a template.
pub(crate) fn template_hint(error: &TemplateError) -> &'static str {
    match error {
        TemplateError::Refused(_) => "begin a new chat, or change who speaks when",
        TemplateError::LeftOut(_) => "send the prompt raw, or without what the template has no place for",
        TemplateError::Tools => "send the prompt without them",
        TemplateError::Options => "give them as an object, such as {\"reasoning_effort\": \"low\"}",
        TemplateError::Syntax(_) | TemplateError::Failed(_) | TemplateError::Bounds(_) => {
            "send the prompt raw, or take another build of this model"
        }
    }
}
