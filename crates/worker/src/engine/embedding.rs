//! The contexts that make vectors of texts, and the engine of a model that does nothing else.

use llama_cpp_sys_2 as sys;
use wire::{Failure, Load};

use super::embedding_params::{N_CHUNK, embedding_params};
use super::{Context, Engine, make_context};
use crate::backend;
use crate::contention::Contention;
use crate::control::CONTROL;
use crate::model::Model;

impl Engine {
    /// An engine that only makes embeddings of texts up to this many tokens. Its own context is for short ones.
    pub(super) fn for_embeddings(
        load: &Load,
        (model, context, params): (Model, Context, sys::llama_context_params),
        n_longest: u32,
        is_encoder: bool,
    ) -> Result<Self, Failure> {
        let n_layers = model.n_layers();
        let n_gpu_layers =
            if backend::can_offload(load) { load.n_gpu_layers.unwrap_or(n_layers).min(n_layers) } else { 0 };
        let mut engine = Self {
            n_ctx: n_longest as usize,
            n_parallel: 1,
            n_threads: CONTROL.n_threads(),
            contention: Contention::new(),
            n_chunk: params.n_batch as usize,
            n_gpu_layers,
            params,
            is_recurrent: model.is_recurrent(),
            n_window: model.n_window(),
            scoring: None,
            load: load.clone(),
            suppressed: Vec::new(),
            embeds_only: true,
            reads_whole: is_encoder || model.sees_ahead(),
            n_texts: if is_encoder { wire::MAX_INPUTS } else { 1 },
            context,
            model,
        };
        engine.warm_up()?;
        Ok(engine)
    }

    /// A context over the same model that returns embeddings instead of logits, for this many tokens together. Must be
    /// dropped before the engine.
    pub(crate) fn embedding_context(&self, n_tokens: u32) -> Result<Context, Failure> {
        let params = embedding_params(self.params, n_tokens);
        let n_call = if self.reads_whole { n_tokens } else { N_CHUNK.min(n_tokens) };
        make_context(
            &self.model,
            sys::llama_context_params { n_batch: n_call, n_ubatch: n_call, n_outputs_max: n_call, ..params },
        )
    }

    /// Its own context where that gives vectors, and how many tokens it holds.
    pub(crate) fn own_embedding_context(&self) -> Option<(&Context, usize)> {
        self.embeds_only.then_some((&self.context, self.params.n_ctx as usize))
    }

    /// The most tokens of a text for a vector that are read in one call.
    pub(crate) fn n_embedded_at_once(&self) -> usize {
        if self.reads_whole { usize::MAX } else { N_CHUNK as usize }
    }

    /// How many texts may be read in one call.
    pub(crate) fn n_texts_at_once(&self) -> usize {
        self.n_texts
    }

    /// Whether it makes vectors of texts and nothing else.
    pub(crate) fn embeds_only(&self) -> bool {
        self.embeds_only
    }
}
