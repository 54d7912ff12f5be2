//! A model in a context, behind a safe interface.
//!
//! Owned here: the context, the decode call and what it leaves behind, and the bounds that keep a call from aborting the
//! process. Absent: what to decode and when. The model is `llama-cpp-2`'s (see `model`); the context is our own, over the
//! sys crate, because there the abort callback and the pointer that the ledger needs are hidden.

mod embedding;
mod embedding_params;
mod scoring;
mod state;

use std::ffi::c_void;
use std::ptr::NonNull;
use std::time::Instant;

use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_sys_2 as sys;
use wire::{CacheType, Failure, FailureKind, FlashAttention, Ledger, Load, Measure};

use crate::backend::{self, fail};
use crate::batch::Batch;
use crate::contention::{self, Contention};
use crate::control::{CONTROL, MAX_PARALLEL};
use crate::model::{Model, Pooling};
use crate::{ledger, log, rpc};

pub(crate) use self::embedding_params::N_CHUNK;
use self::embedding_params::{N_EMBEDDED, embedding_params};
pub(crate) use self::state::Rollback;

/// The longest context that is tried, in tokens: several times what any model was trained for. llama.cpp goes on
/// allocating at 2·10⁹.
const MAX_CONTEXT: u32 = 1 << 24;
/// The largest batch, in tokens. Larger ones gain nothing and cost compute buffers.
const MAX_BATCH: u32 = 1 << 14;

/// A loaded model with its context, which holds one or several sequences.
pub(crate) struct Engine {
    /// Before the model, which it refers to: fields are dropped in this order.
    context: Context,
    /// For texts that are weighed, with its length in tokens; made when one is.
    scoring: Option<(Context, usize)>,
    model: Model,
    /// Of each sequence, in tokens.
    n_ctx: usize,
    n_parallel: u32,
    n_threads: u32,
    contention: Contention,
    /// Tokens of a prompt per call of `decode`.
    n_chunk: usize,
    n_gpu_layers: u32,
    /// What the context was made with.
    params: sys::llama_context_params,
    is_recurrent: bool,
    /// How far back layers with a sliding window look, in tokens; 0 where none does.
    n_window: usize,
    load: Load,
    suppressed: Vec<i32>,
    /// It makes vectors of texts and nothing else.
    embeds_only: bool,
    /// A text for a vector is read in one call: its tokens see those after them.
    reads_whole: bool,
    /// Texts for vectors that may be read in one call.
    n_texts: usize,
}

/// Owns a context of llama.cpp.
pub(crate) struct Context(NonNull<sys::llama_context>);

impl Context {
    pub(crate) fn as_ptr(&self) -> *mut sys::llama_context {
        self.0.as_ptr()
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: live, owned, freed once.
        unsafe { sys::llama_free(self.0.as_ptr()) }
    }
}

/// How a decode call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decoded {
    Done,
    /// The abort callback said so; see [`Engine::resync_after_abort`] for what the context holds now.
    Aborted,
    /// No room in the KV cache.
    Full,
    /// Another error, by llama.cpp's number.
    Failed(i32),
}

impl Engine {
    /// Load a model, make its context and run one token through it, so that the first prompt finds weights and buffers
    /// in place.
    pub(crate) fn load(
        llama: &LlamaBackend,
        load: &Load,
        progress: impl FnMut(f32) -> bool + 'static,
    ) -> Result<Self, Failure> {
        let n_parallel = load.n_parallel.max(1);
        if n_parallel > MAX_PARALLEL {
            let message = format!("{n_parallel} sequences are above the limit of {MAX_PARALLEL}");
            return Err(fail(FailureKind::Context, message, "ask for fewer sequences"));
        }
        let n_whole = load.n_ctx.saturating_mul(n_parallel);
        if n_whole > MAX_CONTEXT {
            let message = format!("a context of {n_whole} tokens is above the limit of {MAX_CONTEXT}");
            let hint = "ask for what the model was trained for, or less, or for fewer sequences";
            return Err(fail(FailureKind::Context, message, hint));
        }
        let model = Model::load(llama, load, progress)?;
        let mut params = context_params(load, model.n_ctx_train());
        let pools = matches!(model.pooling(), Some(Pooling::Mean | Pooling::First | Pooling::Last));
        let n_longest = (params.n_ctx / n_parallel).min(model.n_ctx_train().max(1));
        if pools {
            params = embedding_params(params, n_longest.min(N_EMBEDDED));
        }
        let mut context = make_context(&model, params)?;
        // SAFETY: the context is live.
        let is_encoder = unsafe { sys::llama_get_memory(context.0.as_ptr()) }.is_null();
        let embeds_only = pools || is_encoder;
        if is_encoder {
            params = embedding_params(params, n_longest.min(N_EMBEDDED));
            // It reads several texts in one call. Each may be as long as the context, which no cache has to be divided for.
            (params.n_seq_max, params.kv_unified) = (wire::MAX_INPUTS as u32, true);
            drop(context);
            context = make_context(&model, params)?;
        }
        if embeds_only {
            return Self::for_embeddings(load, (model, context, params), n_longest, is_encoder);
        }
        let n_layers = model.n_layers();
        let n_gpu_layers =
            if backend::can_offload(load) { load.n_gpu_layers.unwrap_or(n_layers).min(n_layers) } else { 0 };
        // On the processor a larger call gains nothing, and a change of threads would wait for its end.
        let (per_call, at_once) = batch_sizes(load, params.n_ctx / n_parallel);
        let n_chunk = if n_gpu_layers > 0 { per_call } else { at_once };
        // SAFETY: the context is live.
        let (n_ctx, n_most) =
            unsafe { (sys::llama_n_ctx_seq(context.0.as_ptr()), sys::llama_n_batch(context.0.as_ptr())) };
        let mut engine = Self {
            // llama.cpp rounds a context up to whole steps of 256; no more is used than was asked for.
            n_ctx: if params.n_ctx == 0 { n_ctx } else { n_ctx.min(params.n_ctx / n_parallel) } as usize,
            n_parallel,
            n_threads: CONTROL.n_threads(),
            contention: Contention::new(),
            n_chunk: n_chunk.min(n_most) as usize,
            n_gpu_layers,
            params,
            is_recurrent: model.is_recurrent(),
            n_window: model.n_window(),
            scoring: None,
            load: load.clone(),
            suppressed: model.suppressed(),
            embeds_only: false,
            reads_whole: model.sees_ahead(),
            n_texts: 1,
            context,
            model,
        };
        engine.warm_up()?;
        Ok(engine)
    }

    fn warm_up(&mut self) -> Result<(), Failure> {
        let mut batch = Batch::default();
        batch.push(self.model.any_token(), 0, 0, true);
        match self.decode(&mut batch) {
            Decoded::Done | Decoded::Aborted => {
                self.clear(0);
                Ok(())
            }
            Decoded::Full | Decoded::Failed(_) => {
                let reason = log::error_or_none_given();
                let message = format!("the model could not compute its first token: {reason}");
                Err(fail(FailureKind::Context, message, context_hint(&reason)))
            }
        }
    }

    /// Run a batch through the model.
    pub(crate) fn decode(&mut self, batch: &mut Batch) -> Decoded {
        let n_most = self.n_chunk + self.n_parallel as usize - 1;
        let is_sound = (1..=n_most).contains(&batch.len())
            && batch.is_within(self.n_parallel)
            && batch.tokens().iter().all(|token| self.model.is_token(*token));
        if !is_sound {
            return Decoded::Failed(-1);
        }
        let n_threads = self.contention.threads(CONTROL.n_threads(), Instant::now(), contention::waited);
        let context = self.context.0.as_ptr();
        // SAFETY: the context is live and used by this thread alone; the batch's arrays outlive the call, which copies what
        // it keeps. Its length is within `n_batch`, each token within the vocabulary, each sequence within the context and
        // the outputs within `n_outputs_max`, which llama.cpp would otherwise abort over.
        let code = unsafe {
            if n_threads != self.n_threads {
                self.n_threads = n_threads;
                sys::llama_set_n_threads(context, n_threads.cast_signed(), n_threads.cast_signed());
            }
            let code = sys::llama_decode(context, batch.raw());
            sys::llama_synchronize(context);
            code
        };
        CONTROL.count_decode();
        match code {
            0 => Decoded::Done,
            1 => Decoded::Full,
            2 => Decoded::Aborted,
            code => Decoded::Failed(code),
        }
    }

    /// The logits after the token at this place of the last batch, one per token of the vocabulary; `None` where they were
    /// not asked for.
    pub(crate) fn logits(&mut self, place: usize) -> Option<&mut [f32]> {
        // SAFETY: the context is live; the row has `n_vocab` numbers and stays until the next decode call, which needs
        // `self` mutably and so ends this borrow.
        let logits = unsafe {
            let row = NonNull::new(sys::llama_get_logits_ith(self.context.0.as_ptr(), place as i32))?;
            std::slice::from_raw_parts_mut(row.as_ptr(), self.model.n_vocab())
        };
        for token in &self.suppressed {
            if let Some(logit) = usize::try_from(*token).ok().and_then(|token| logits.get_mut(token)) {
                *logit = f32::NEG_INFINITY;
            }
        }
        Some(logits)
    }

    /// How many positions a sequence holds.
    pub(crate) fn n_past(&self, sequence: u32) -> usize {
        // SAFETY: the context is live.
        let last = unsafe { sys::llama_memory_seq_pos_max(self.memory(), sequence.cast_signed()) };
        usize::try_from(last + 1).unwrap_or(0)
    }

    fn memory(&self) -> sys::llama_memory_t {
        // SAFETY: the context is live.
        unsafe { sys::llama_get_memory(self.context.0.as_ptr()) }
    }

    /// Whether a sequence can be cut to its first `n_tokens` positions.
    pub(crate) fn can_keep(&self, sequence: u32, n_tokens: usize) -> bool {
        n_tokens == self.n_past(sequence)
            || (n_tokens > 0 && !self.is_recurrent && self.can_rewind_to(sequence, n_tokens))
    }

    /// Keep the first `n_tokens` positions of a sequence and drop the others; `false` where the model's state can't be cut
    /// there, which is then cleared.
    pub(crate) fn keep(&mut self, sequence: u32, n_tokens: usize) -> bool {
        if n_tokens == self.n_past(sequence) {
            return true;
        }
        // SAFETY: the context is live. Cutting a part is tried only where the state is by position.
        let kept = self.can_keep(sequence, n_tokens)
            && unsafe { sys::llama_memory_seq_rm(self.memory(), sequence.cast_signed(), n_tokens as i32, -1) };
        if !kept {
            self.clear(sequence);
        }
        kept
    }

    /// Whether the positions that the next token after `n_tokens` looks back to are still there. Layers with a sliding
    /// window drop what no token after the newest can see.
    fn can_rewind_to(&self, sequence: u32, n_tokens: usize) -> bool {
        // SAFETY: the context is live.
        let first = unsafe { sys::llama_memory_seq_pos_min(self.memory(), sequence.cast_signed()) };
        usize::try_from(first).is_ok_and(|first| first == 0 || first + self.n_window <= n_tokens)
    }

    /// Whether tokens in the middle of a sequence can be dropped, and those behind them moved.
    pub(crate) fn can_shift(&self) -> bool {
        // A state that can't be cut can't be shifted, and a window has dropped what would be moved.
        // SAFETY: the context is live.
        !self.is_recurrent && self.n_window == 0 && unsafe { sys::llama_memory_can_shift(self.memory()) }
    }

    /// Drop `n_dropped` tokens of a sequence behind the first `n_kept`, and move those behind them up; `false` where that
    /// can't be done, and nothing has changed.
    pub(crate) fn shift(&mut self, sequence: u32, n_kept: usize, n_dropped: usize) -> bool {
        if !self.can_shift() || n_dropped == 0 || n_kept + n_dropped > self.n_past(sequence) {
            return false;
        }
        let (sequence, from, to) = (sequence.cast_signed(), n_kept as i32, (n_kept + n_dropped) as i32);
        // SAFETY: the context is live and used by this thread alone; the positions are the sequence's. What is moved is turned
        // by the next decode call.
        unsafe {
            if !sys::llama_memory_seq_rm(self.memory(), sequence, from, to) {
                return false;
            }
            sys::llama_memory_seq_add(self.memory(), sequence, to, -1, from - to);
        }
        true
    }

    /// Drop all positions of a sequence.
    pub(crate) fn clear(&mut self, sequence: u32) {
        // SAFETY: the context is live. The data may stay: no position refers to it. A whole sequence can always be removed.
        unsafe {
            if self.n_parallel == 1 {
                sys::llama_memory_clear(self.memory(), false);
            } else {
                sys::llama_memory_seq_rm(self.memory(), sequence.cast_signed(), -1, -1);
            }
        }
    }

    /// What an aborted decode call leaves of a sequence: whole chunks by position, nothing that can be trusted in a
    /// recurrent state. Gives the positions.
    pub(crate) fn resync_after_abort(&mut self, sequence: u32) -> usize {
        if self.is_recurrent {
            self.clear(sequence);
        }
        self.n_past(sequence)
    }

    /// A further context over the same model, made like this one but for its sizes, which are bounded alike. It must be
    /// dropped before the engine.
    pub(crate) fn context_for(&self, measure: &Measure) -> Result<Context, Failure> {
        let mut params = self.params;
        params.n_ctx = measure.n_ctx.saturating_mul(measure.n_parallel);
        if params.n_ctx > MAX_CONTEXT {
            let message = format!("a context of {} tokens is above the limit of {MAX_CONTEXT}", params.n_ctx);
            return Err(fail(FailureKind::Context, message, "ask for less depth or fewer sequences"));
        }
        params.n_batch = measure.n_batch.clamp(1, MAX_BATCH);
        params.n_ubatch = measure.n_ubatch.clamp(1, params.n_batch);
        params.n_seq_max = measure.n_parallel;
        params.n_outputs_max = measure.n_parallel;
        make_context(&self.model, params)
    }

    pub(crate) fn is_recurrent(&self) -> bool {
        self.is_recurrent
    }

    pub(crate) fn model(&self) -> &Model {
        &self.model
    }

    pub(crate) fn ledger(&self) -> Ledger {
        // SAFETY: the context is live.
        unsafe { ledger::read(self.context.0.as_ptr()) }
    }

    /// Sequences of the context.
    pub(crate) fn n_parallel(&self) -> u32 {
        self.n_parallel
    }

    /// Context length of each sequence in tokens.
    pub(crate) fn n_ctx(&self) -> usize {
        self.n_ctx
    }

    /// The most tokens that a prompt adds to a batch.
    pub(crate) fn n_chunk(&self) -> usize {
        self.n_chunk
    }

    /// Layers placed on GPUs.
    pub(crate) fn n_gpu_layers(&self) -> u32 {
        self.n_gpu_layers
    }
}

fn make_context(model: &Model, params: sys::llama_context_params) -> Result<Context, Failure> {
    let _ = log::take_error();
    // SAFETY: the model is live; the parameters hold no pointer but the callback, a function that stays.
    let context = NonNull::new(unsafe { sys::llama_init_from_model(model.as_ptr(), params) });
    Ok(Context(context.ok_or_else(|| {
        let reason = rpc::reworded(log::error_or_none_given());
        let message = format!("the context of {} tokens could not be made: {reason}", params.n_ctx);
        fail(FailureKind::Context, message, context_hint(&reason))
    })?))
}

fn context_params(load: &Load, n_ctx_train: u32) -> sys::llama_context_params {
    // SAFETY: the default parameters are plain values.
    let mut params = unsafe { sys::llama_context_default_params() };
    let n_parallel = load.n_parallel.max(1);
    let n_ctx = if load.n_ctx == 0 { n_ctx_train.min(MAX_CONTEXT / n_parallel) } else { load.n_ctx };
    let (per_call, at_once) = batch_sizes(load, n_ctx);
    // One cache for all sequences has the same room, so that each has its whole context.
    params.kv_unified = load.kv_unified && n_parallel > 1;
    params.n_ctx = n_ctx.saturating_mul(n_parallel);
    // Room for a whole chunk of a prompt next to the other sequences' tokens.
    params.n_batch = per_call + n_parallel - 1;
    // A step's tokens are computed at once, one of each sequence.
    params.n_ubatch = at_once.max(n_parallel);
    params.n_seq_max = n_parallel;
    // Layers with a sliding window keep what they can see, not the whole context: five sixths of gemma-3's cache.
    params.swa_full = false;
    // Logits are wanted of each sequence's last token in a call alone. Otherwise the compute buffer holds a row for each token of a batch:
    // 96 of 105 MiB for a small model with 49,152 tokens in its vocabulary.
    params.n_outputs_max = n_parallel;
    params.n_threads = CONTROL.n_threads().cast_signed();
    params.n_threads_batch = params.n_threads;
    params.type_k = ggml_type(load.cache_type_k);
    params.type_v = ggml_type(load.cache_type_v);
    params.flash_attn_type = match load.flash_attention {
        FlashAttention::Auto => sys::LLAMA_FLASH_ATTN_TYPE_AUTO,
        FlashAttention::On => sys::LLAMA_FLASH_ATTN_TYPE_ENABLED,
        FlashAttention::Off => sys::LLAMA_FLASH_ATTN_TYPE_DISABLED,
    };
    params.abort_callback = Some(is_interrupted);
    params
}

/// Tokens per call and tokens computed at once, within bounds and the context.
fn batch_sizes(load: &Load, n_ctx: u32) -> (u32, u32) {
    let per_call = load.n_batch.clamp(1, MAX_BATCH).min(n_ctx.max(1));
    (per_call, load.n_ubatch.clamp(1, per_call))
}

unsafe extern "C" fn is_interrupted(_data: *mut c_void) -> bool {
    CONTROL.count_step();
    CONTROL.is_interrupted()
}

fn ggml_type(cache_type: CacheType) -> sys::ggml_type {
    match cache_type {
        CacheType::F32 => sys::GGML_TYPE_F32,
        CacheType::F16 => sys::GGML_TYPE_F16,
        CacheType::BF16 => sys::GGML_TYPE_BF16,
        CacheType::Q8_0 => sys::GGML_TYPE_Q8_0,
        CacheType::Q5_1 => sys::GGML_TYPE_Q5_1,
        CacheType::Q5_0 => sys::GGML_TYPE_Q5_0,
        CacheType::Q4_1 => sys::GGML_TYPE_Q4_1,
        CacheType::Q4_0 => sys::GGML_TYPE_Q4_0,
    }
}

fn context_hint(reason: &str) -> &'static str {
    if reason.contains("flash_attn") || reason.contains("Flash Attention") {
        "a quantised value cache needs flash attention: set it to auto or on"
    } else if reason.contains("block size") {
        "this model's heads don't divide into that cache type: take f16"
    } else {
        "a smaller context or a smaller KV cache type needs less memory"
    }
}
