//! One model and one context of llama.cpp, behind a safe interface.
//!
//! Owned here: every call of llama.cpp but the log's and the ledger's, the bounds that keep a call from aborting the
//! process, and its error codes. Absent: what to decode and when. `llama-cpp-2` would stand between, but it hides the
//! abort callback and the pointers, and forces a part of llama.cpp to be built that nothing here uses.

use std::ffi::{CStr, CString, c_void};
use std::path::Path;
use std::ptr::NonNull;

use llama_cpp_sys_2 as sys;
use wire::{CacheType, Device, DeviceKind, Failure, FailureKind, FlashAttention, Ledger, Load};

use crate::control::CONTROL;
use crate::{ledger, log};

/// The longest context that is tried, in tokens: ten times what the longest model was trained for. llama.cpp goes on
/// allocating at 2·10⁹.
const MAX_CONTEXT: u32 = 1 << 24;
/// The largest batch, in tokens. Larger ones gain nothing and cost compute buffers.
const MAX_BATCH: u32 = 1 << 14;
/// The longest metadata value that is read, in bytes.
const MAX_METADATA: usize = 1 << 20;

/// A loaded model with its context. The sequence is always 0.
pub(crate) struct Engine {
    model: NonNull<sys::llama_model>,
    context: NonNull<sys::llama_context>,
    vocab: NonNull<sys::llama_vocab>,
    n_vocab: usize,
    n_ctx: usize,
    n_threads: u32,
    /// Tokens per call of `decode`.
    n_chunk: usize,
    n_layers: u32,
    n_gpu_layers: u32,
    /// The state can't be cut at a position: recurrent models.
    is_recurrent: bool,
    /// Tokens that the model's makers never want to see.
    suppressed: Vec<i32>,
}

/// How a decode call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decoded {
    Done,
    /// The abort callback said so; see [`Engine::n_past`] for what the context holds now.
    Aborted,
    /// No room in the KV cache.
    Full,
    /// Another error, by llama.cpp's number.
    Failed(i32),
}

/// Start llama.cpp. Once per process, before anything else of this module.
pub(crate) fn start() {
    // SAFETY: called once, from one thread, before any other call.
    unsafe { sys::llama_backend_init() }
}

/// llama.cpp's version and the processor features it was built with.
pub(crate) fn version() -> String {
    // SAFETY: both return strings that live as long as the program.
    let (version, features) =
        unsafe { (CStr::from_ptr(sys::llama_version()), CStr::from_ptr(sys::llama_print_system_info())) };
    format!("llama.cpp {}, {}", version.to_string_lossy(), features.to_string_lossy().trim_end_matches([' ', '|']))
}

/// The devices that llama.cpp found.
pub(crate) fn devices() -> Vec<Device> {
    // SAFETY: the devices are registered by now and stay; their names live as long as the program.
    let device = |idx| unsafe {
        let device = sys::ggml_backend_dev_get(idx);
        let (mut free, mut total) = (0, 0);
        sys::ggml_backend_dev_memory(device, &raw mut free, &raw mut total);
        Device {
            name: CStr::from_ptr(sys::ggml_backend_dev_name(device)).to_string_lossy().into_owned(),
            description: CStr::from_ptr(sys::ggml_backend_dev_description(device)).to_string_lossy().into_owned(),
            kind: match sys::ggml_backend_dev_type(device) {
                sys::GGML_BACKEND_DEVICE_TYPE_CPU => DeviceKind::Cpu,
                sys::GGML_BACKEND_DEVICE_TYPE_GPU => DeviceKind::Gpu,
                sys::GGML_BACKEND_DEVICE_TYPE_IGPU => DeviceKind::IntegratedGpu,
                _ => DeviceKind::Accelerator,
            },
            total: total as u64,
            free: free as u64,
        }
    };
    // SAFETY: no argument, no state.
    (0..unsafe { sys::ggml_backend_dev_count() }).map(device).collect()
}

/// Hears how far a load has come, 0 to 1, and says whether it is to go on.
type Progress<'a> = &'a mut dyn FnMut(f32) -> bool;

impl Engine {
    /// Load a model, make its context and run one token through it, so that the first prompt finds weights and buffers
    /// in place.
    pub(crate) fn load(load: &Load, mut progress: Progress<'_>) -> Result<Self, Failure> {
        if load.n_ctx > MAX_CONTEXT {
            let message = format!("a context of {} tokens is above the limit of {MAX_CONTEXT}", load.n_ctx);
            return Err(fail(FailureKind::Context, message, "ask for what the model was trained for, or less"));
        }
        let model = Model::load(load, &mut progress)?;
        let n_ctx_train = model.n_ctx_train();
        // SAFETY: the default parameters are plain values.
        let mut params = unsafe { sys::llama_context_default_params() };
        params.n_ctx = if load.n_ctx == 0 { n_ctx_train.min(MAX_CONTEXT) } else { load.n_ctx };
        params.n_batch = load.n_batch.clamp(1, MAX_BATCH).min(params.n_ctx.max(1));
        params.n_ubatch = load.n_ubatch.clamp(1, params.n_batch);
        params.n_seq_max = 1;
        CONTROL.set_threads(load.n_threads);
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
        let _ = log::take_error();
        // SAFETY: the model is live; the parameters hold no pointer but the callback, a function that stays.
        let context =
            NonNull::new(unsafe { sys::llama_init_from_model(model.0.as_ptr(), params) }).ok_or_else(|| {
                let reason = log::take_error().unwrap_or_else(|| "llama.cpp gave no reason".to_owned());
                let message = format!("the context of {} tokens could not be made: {reason}", params.n_ctx);
                fail(FailureKind::Context, message, context_hint(&reason))
            })?;
        let mut engine = Self::assemble(model, context, load, params.n_ubatch as usize, params.n_batch as usize);
        engine.warm_up()?;
        Ok(engine)
    }

    fn assemble(
        model: Model,
        context: NonNull<sys::llama_context>,
        load: &Load,
        n_ubatch: usize,
        n_batch: usize,
    ) -> Self {
        let vocab = model.vocab();
        let pointer = model.0.as_ptr();
        // The engine frees the model from here on.
        std::mem::forget(model);
        // SAFETY: model, context and vocabulary are live; these calls only read them. The suppressed tokens belong to
        // the vocabulary and are copied.
        unsafe {
            let n_layers = sys::llama_model_n_layer(pointer).max(0).cast_unsigned() + 1;
            let on_gpu = devices().iter().any(|device| device.kind != DeviceKind::Cpu);
            let n_gpu_layers = if on_gpu { load.n_gpu_layers.unwrap_or(n_layers).min(n_layers) } else { 0 };
            let mut n_suppressed = 0;
            let suppressed = sys::llama_vocab_get_suppress_tokens(vocab.as_ptr(), &raw mut n_suppressed);
            let n_suppressed = usize::try_from(n_suppressed).unwrap_or(0);
            Self {
                model: NonNull::new_unchecked(pointer),
                context,
                vocab,
                n_vocab: usize::try_from(sys::llama_vocab_n_tokens(vocab.as_ptr())).unwrap_or(0),
                n_ctx: sys::llama_n_ctx(context.as_ptr()) as usize,
                n_threads: CONTROL.n_threads(),
                // On the processor a larger call gains nothing, and a change of threads would wait for its end.
                n_chunk: if n_gpu_layers > 0 { n_batch } else { n_ubatch }
                    .min(sys::llama_n_batch(context.as_ptr()) as usize),
                n_layers,
                n_gpu_layers,
                is_recurrent: sys::llama_model_is_recurrent(pointer) || sys::llama_model_is_hybrid(pointer),
                suppressed: if suppressed.is_null() || n_suppressed == 0 {
                    Vec::new()
                } else {
                    std::slice::from_raw_parts(suppressed, n_suppressed).to_vec()
                },
            }
        }
    }

    fn warm_up(&mut self) -> Result<(), Failure> {
        // SAFETY: the vocabulary is live.
        let bos = unsafe { sys::llama_vocab_bos(self.vocab.as_ptr()) };
        let token = if self.is_token(bos) { bos } else { 0 };
        match self.decode(&mut [token]) {
            Decoded::Done | Decoded::Aborted => {
                self.clear();
                Ok(())
            }
            Decoded::Full | Decoded::Failed(_) => {
                let reason = log::take_error().unwrap_or_else(|| "llama.cpp gave no reason".to_owned());
                let message = format!("the model could not compute its first token: {reason}");
                Err(fail(FailureKind::Context, message, context_hint(&reason)))
            }
        }
    }

    /// Run tokens through the model, after those that the context holds. At most [`Engine::n_chunk`] at once.
    pub(crate) fn decode(&mut self, tokens: &mut [i32]) -> Decoded {
        if tokens.is_empty() || tokens.len() > self.n_chunk || !tokens.iter().all(|token| self.is_token(*token)) {
            return Decoded::Failed(-1);
        }
        let n_threads = CONTROL.n_threads();
        let context = self.context.as_ptr();
        // SAFETY: the context is live and used by this thread alone; the batch borrows the tokens for the call. Its
        // length is within `n_batch` and each token within the vocabulary, which llama.cpp would otherwise abort over.
        let code = unsafe {
            if n_threads != self.n_threads {
                self.n_threads = n_threads;
                sys::llama_set_n_threads(context, n_threads.cast_signed(), n_threads.cast_signed());
            }
            let batch = sys::llama_batch_get_one(tokens.as_mut_ptr(), tokens.len() as i32);
            let code = sys::llama_decode(context, batch);
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

    /// The logits after the last decoded token, one per token of the vocabulary; `None` before any.
    pub(crate) fn logits(&mut self) -> Option<&mut [f32]> {
        // SAFETY: the context is live; the row has `n_vocab` numbers and stays until the next decode call, which needs
        // `self` mutably and so ends this borrow.
        let logits = unsafe {
            let row = NonNull::new(sys::llama_get_logits_ith(self.context.as_ptr(), -1))?;
            std::slice::from_raw_parts_mut(row.as_ptr(), self.n_vocab)
        };
        for token in &self.suppressed {
            if let Some(logit) = usize::try_from(*token).ok().and_then(|token| logits.get_mut(token)) {
                *logit = f32::NEG_INFINITY;
            }
        }
        Some(logits)
    }

    /// How many positions the context holds.
    pub(crate) fn n_past(&self) -> usize {
        // SAFETY: the context is live.
        let last = unsafe { sys::llama_memory_seq_pos_max(sys::llama_get_memory(self.context.as_ptr()), 0) };
        usize::try_from(last + 1).unwrap_or(0)
    }

    /// Keep the first `n_tokens` positions and forget the others; `false` where the model's state can't be cut, which is
    /// then cleared.
    pub(crate) fn keep(&mut self, n_tokens: usize) -> bool {
        if n_tokens == self.n_past() {
            return true;
        }
        // SAFETY: the context is live. Cutting a part is tried only where the state is by position.
        let kept = n_tokens > 0
            && !self.is_recurrent
            && unsafe {
                let memory = sys::llama_get_memory(self.context.as_ptr());
                sys::llama_memory_seq_rm(memory, 0, n_tokens as i32, -1)
            };
        if !kept {
            self.clear();
        }
        kept
    }

    /// Forget all positions.
    pub(crate) fn clear(&mut self) {
        // SAFETY: the context is live. The data may stay: no position refers to it.
        unsafe { sys::llama_memory_clear(sys::llama_get_memory(self.context.as_ptr()), false) }
    }

    /// What an aborted decode call leaves: whole chunks by position, nothing that can be trusted in a recurrent state.
    pub(crate) fn settle(&mut self) -> usize {
        if self.is_recurrent {
            self.clear();
        }
        self.n_past()
    }

    /// The tokens of a text, special tokens read as such, with the begin-of-text token where the vocabulary wants one and
    /// the text doesn't have it.
    pub(crate) fn tokenize(&self, text: &str) -> Vec<i32> {
        let bos = self.bos_text();
        // SAFETY: the vocabulary is live.
        let (token, wanted) =
            unsafe { (sys::llama_vocab_bos(self.vocab.as_ptr()), sys::llama_vocab_get_add_bos(self.vocab.as_ptr())) };
        let mut tokens = Vec::new();
        if wanted && self.is_token(token) && (bos.is_empty() || !text.starts_with(&bos)) {
            tokens.push(token);
        }
        self.tokenize_onto(text, &mut tokens);
        tokens
    }

    /// The tokens of a text as it stands, special tokens read as such.
    pub(crate) fn tokenize_bare(&self, text: &str) -> Vec<i32> {
        let mut tokens = Vec::new();
        self.tokenize_onto(text, &mut tokens);
        tokens
    }

    fn tokenize_onto(&self, text: &str, tokens: &mut Vec<i32>) {
        let Ok(length) = i32::try_from(text.len()) else { return };
        let n_before = tokens.len();
        let mut room = text.len() + 16;
        for _ in 0..2 {
            tokens.resize(n_before + room, 0);
            // SAFETY: pointer and length are those of the text and of the room behind `n_before`.
            let n_tokens = unsafe {
                sys::llama_tokenize(
                    self.vocab.as_ptr(),
                    text.as_ptr().cast(),
                    length,
                    tokens[n_before..].as_mut_ptr(),
                    i32::try_from(room).unwrap_or(i32::MAX),
                    false,
                    true,
                )
            };
            match usize::try_from(n_tokens) {
                Ok(n_tokens) => {
                    tokens.truncate(n_before + n_tokens);
                    return;
                }
                // The room was too small by its own account: negative is what it needs.
                Err(_) => room = n_tokens.unsigned_abs() as usize,
            }
        }
        tokens.truncate(n_before);
    }

    /// The bytes of a token, put into `bytes`; those of a special token only if `special`.
    pub(crate) fn piece(&self, token: i32, special: bool, bytes: &mut Vec<u8>) {
        for _ in 0..2 {
            bytes.resize(bytes.capacity().max(64), 0);
            // SAFETY: the token comes from this vocabulary; pointer and length are the buffer's.
            let n_bytes = unsafe {
                sys::llama_token_to_piece(
                    self.vocab.as_ptr(),
                    token,
                    bytes.as_mut_ptr().cast(),
                    bytes.len() as i32,
                    0,
                    special,
                )
            };
            if let Ok(n_bytes) = usize::try_from(n_bytes) {
                bytes.truncate(n_bytes);
                return;
            }
            bytes.reserve(n_bytes.unsigned_abs() as usize);
        }
        bytes.clear();
    }

    /// Whether a token ends the model's turn.
    pub(crate) fn is_end(&self, token: i32) -> bool {
        // SAFETY: the vocabulary is live; llama.cpp looks the number up in a set.
        unsafe { sys::llama_vocab_is_eog(self.vocab.as_ptr(), token) }
    }

    fn is_token(&self, token: i32) -> bool {
        usize::try_from(token).is_ok_and(|token| token < self.n_vocab)
    }

    /// The begin-of-text token as text; empty where there is none.
    pub(crate) fn bos_text(&self) -> String {
        // SAFETY: the vocabulary is live.
        self.token_text(unsafe { sys::llama_vocab_bos(self.vocab.as_ptr()) })
    }

    /// The end-of-text token as text; empty where there is none.
    pub(crate) fn eos_text(&self) -> String {
        // SAFETY: the vocabulary is live.
        self.token_text(unsafe { sys::llama_vocab_eos(self.vocab.as_ptr()) })
    }

    fn token_text(&self, token: i32) -> String {
        let mut bytes = Vec::new();
        if self.is_token(token) {
            self.piece(token, true, &mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The model's chat template.
    pub(crate) fn template(&self) -> Option<String> {
        // SAFETY: the model is live; the string belongs to it and is copied.
        unsafe {
            let source = sys::llama_model_chat_template(self.model.as_ptr(), std::ptr::null());
            (!source.is_null()).then(|| CStr::from_ptr(source).to_string_lossy().into_owned())
        }
    }

    /// A metadata value as text.
    pub(crate) fn metadata(&self, key: &CStr) -> Option<String> {
        let mut value = vec![0_u8; 128];
        for _ in 0..2 {
            // SAFETY: the model is live; pointer and length are the buffer's.
            let n_bytes = unsafe {
                sys::llama_model_meta_val_str(self.model.as_ptr(), key.as_ptr(), value.as_mut_ptr().cast(), value.len())
            };
            let n_bytes = usize::try_from(n_bytes).ok().filter(|n_bytes| *n_bytes < MAX_METADATA)?;
            if n_bytes < value.len() {
                value.truncate(n_bytes);
                return Some(String::from_utf8_lossy(&value).into_owned());
            }
            value.resize(n_bytes + 1, 0);
        }
        None
    }

    pub(crate) fn ledger(&self) -> Ledger {
        // SAFETY: the context is live.
        unsafe { ledger::read(self.context.as_ptr()) }
    }

    /// Context length in tokens.
    pub(crate) fn n_ctx(&self) -> usize {
        self.n_ctx
    }

    /// Context length that the model was trained for, in tokens.
    pub(crate) fn n_ctx_train(&self) -> u32 {
        // SAFETY: the model is live.
        unsafe { sys::llama_model_n_ctx_train(self.model.as_ptr()) }.max(0).cast_unsigned()
    }

    /// The most tokens that [`Engine::decode`] takes.
    pub(crate) fn n_chunk(&self) -> usize {
        self.n_chunk
    }

    /// Layers on GPUs, and layers in all.
    pub(crate) fn layers(&self) -> (u32, u32) {
        (self.n_gpu_layers, self.n_layers)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // SAFETY: both are live, owned, and freed once: the context before the model it refers to.
        unsafe {
            sys::llama_free(self.context.as_ptr());
            sys::llama_model_free(self.model.as_ptr());
        }
    }
}

/// A model without a context yet.
struct Model(NonNull<sys::llama_model>);

impl Model {
    fn load(load: &Load, progress: &mut Progress<'_>) -> Result<Self, Failure> {
        if let Err(error) = std::fs::File::open(&load.path) {
            let message = format!("the model's file can't be opened: {error}");
            return Err(fail(FailureKind::Load, message, "it may have been moved, or belong to another user"));
        }
        let path = c_path(&load.path)?;
        // SAFETY: the default parameters are plain values.
        let mut params = unsafe { sys::llama_model_default_params() };
        params.n_gpu_layers = load.n_gpu_layers.map_or(-1, |n_layers| i32::try_from(n_layers).unwrap_or(i32::MAX));
        params.load_mode = match (load.mmap, load.mlock) {
            (true, true) => sys::LLAMA_LOAD_MODE_MMAP_MLOCK,
            (true, false) => sys::LLAMA_LOAD_MODE_MMAP,
            (false, true) => sys::LLAMA_LOAD_MODE_MLOCK,
            (false, false) => sys::LLAMA_LOAD_MODE_NONE,
        };
        params.progress_callback = Some(on_progress);
        params.progress_callback_user_data = std::ptr::from_mut(progress).cast();
        let _ = log::take_error();
        // SAFETY: the path ends in a zero; the callback's data is `progress`, which outlives this call, and llama.cpp
        // calls it on this thread alone, only during this call.
        let model = unsafe { sys::llama_model_load_from_file(path.as_ptr(), params) };
        let model = Self(NonNull::new(model).ok_or_else(|| {
            let reason = log::take_error().unwrap_or_else(|| "llama.cpp gave no reason".to_owned());
            let hint = load_hint(&reason);
            fail(FailureKind::Load, format!("the model could not be loaded: {reason}"), hint)
        })?);
        model.check()?;
        Ok(model)
    }

    /// Refuse what loads but can't go on from a text.
    fn check(&self) -> Result<(), Failure> {
        let pointer = self.0.as_ptr();
        // SAFETY: the model is live; these calls only read it.
        let (encodes, decodes, diffuses, vocab) = unsafe {
            (
                sys::llama_model_has_encoder(pointer),
                sys::llama_model_has_decoder(pointer),
                sys::llama_model_is_diffusion(pointer),
                sys::llama_vocab_type(self.vocab().as_ptr()),
            )
        };
        let what = if !decodes {
            "it only encodes: it is a model for embeddings"
        } else if encodes {
            "it is an encoder and decoder in one, which is not supported yet"
        } else if diffuses {
            "it is a diffusion model, which is not supported yet"
        } else if vocab == sys::LLAMA_VOCAB_TYPE_NONE {
            "it has no vocabulary"
        } else {
            return Ok(());
        };
        Err(fail(FailureKind::Load, format!("the model can't chat: {what}"), "choose a text generation model"))
    }

    fn vocab(&self) -> NonNull<sys::llama_vocab> {
        // SAFETY: the model is live, and its vocabulary is a part of it, never null.
        unsafe { NonNull::new_unchecked(sys::llama_model_get_vocab(self.0.as_ptr()).cast_mut()) }
    }

    fn n_ctx_train(&self) -> u32 {
        // SAFETY: the model is live.
        unsafe { sys::llama_model_n_ctx_train(self.0.as_ptr()) }.max(0).cast_unsigned()
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // SAFETY: live, owned, freed once.
        unsafe { sys::llama_model_free(self.0.as_ptr()) }
    }
}

unsafe extern "C" fn is_interrupted(_data: *mut c_void) -> bool {
    CONTROL.is_interrupted()
}

unsafe extern "C" fn on_progress(fraction: f32, data: *mut c_void) -> bool {
    // SAFETY: `Model::load` passes its `progress`, which lives during the load and is used nowhere else meanwhile.
    let progress = unsafe { &mut *data.cast::<Progress<'_>>() };
    progress(fraction)
}

fn c_path(path: &Path) -> Result<CString, Failure> {
    #[cfg(unix)]
    let bytes = std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()).to_vec();
    #[cfg(not(unix))]
    let bytes = path.to_string_lossy().into_owned().into_bytes();
    CString::new(bytes)
        .map_err(|error| fail(FailureKind::Load, format!("the path is none: {error}"), "rename the file"))
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

/// A failure of the worker as a whole.
pub(crate) fn fail(kind: FailureKind, message: String, hint: &str) -> Failure {
    Failure { id: None, kind, message, hint: Some(hint.to_owned()) }
}

fn load_hint(reason: &str) -> &'static str {
    if reason.contains("unknown model architecture") {
        "this kind of model is newer than the built-in llama.cpp; look for a newer taffrail"
    } else if reason.contains("not within the file bounds") || reason.contains("read") || reason.contains("magic") {
        "the file is damaged or incomplete; download it again"
    } else if reason.contains("alloc") || reason.contains("memory") {
        "close other sessions, or choose a smaller model or quantisation"
    } else {
        "the session's log has llama.cpp's own words"
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
