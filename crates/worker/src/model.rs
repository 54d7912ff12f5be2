//! A loaded model: its vocabulary, its template, its metadata.
//!
//! Owned here: the load, and what it refuses; text to tokens and back. Absent: the context (`engine`).

use std::ffi::{CStr, CString, c_void};
use std::path::Path;
use std::ptr::NonNull;

use llama_cpp_sys_2 as sys;
use wire::{Failure, FailureKind, Load};

use crate::backend::fail;
use crate::log;

/// The longest metadata value that is read, in bytes.
const MAX_METADATA: usize = 1 << 20;

/// Hears how far a load has come, 0 to 1, and says whether it is to go on.
pub(crate) type Progress<'a> = &'a mut dyn FnMut(f32) -> bool;

pub(crate) struct Model {
    pointer: NonNull<sys::llama_model>,
    /// A part of the model.
    vocab: NonNull<sys::llama_vocab>,
    n_vocab: usize,
}

impl Model {
    /// Load a model, telling `progress` how far it is.
    pub(crate) fn load(load: &Load, mut progress: Progress<'_>) -> Result<Self, Failure> {
        let opened = std::fs::File::open(&load.path).and_then(|file| file.metadata());
        if let Some(reason) = match opened {
            Ok(metadata) if metadata.is_file() => None,
            Ok(_) => Some("it is no file".to_owned()),
            Err(error) => Some(error.to_string()),
        } {
            let message = format!("the model's file can't be opened: {reason}");
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
        params.progress_callback_user_data = (&raw mut progress).cast();
        let _ = log::take_error();
        // SAFETY: the path ends in a zero; the callback's data is `progress`, which outlives this call, and llama.cpp
        // calls it on this thread alone, only during this call.
        let model = unsafe { sys::llama_model_load_from_file(path.as_ptr(), params) };
        let pointer = NonNull::new(model).ok_or_else(|| {
            let reason = log::error_or_none_given();
            let hint = load_hint(&reason);
            fail(FailureKind::Load, format!("the model could not be loaded: {reason}"), hint)
        })?;
        // SAFETY: the model is live, and its vocabulary is a part of it, never null.
        let (vocab, n_vocab) = unsafe {
            let vocab = sys::llama_model_get_vocab(pointer.as_ptr());
            (NonNull::new_unchecked(vocab.cast_mut()), sys::llama_vocab_n_tokens(vocab))
        };
        let model = Self { pointer, vocab, n_vocab: usize::try_from(n_vocab).unwrap_or(0) };
        model.check()?;
        Ok(model)
    }

    /// Refuse what loads but can't go on from a text.
    fn check(&self) -> Result<(), Failure> {
        let pointer = self.pointer.as_ptr();
        // SAFETY: the model is live; these calls only read it.
        let (encodes, decodes, diffuses, vocab) = unsafe {
            (
                sys::llama_model_has_encoder(pointer),
                sys::llama_model_has_decoder(pointer),
                sys::llama_model_is_diffusion(pointer),
                sys::llama_vocab_type(self.vocab.as_ptr()),
            )
        };
        let what = if !decodes {
            ONLY_ENCODES
        } else if encodes {
            "it is an encoder and decoder in one, which is not supported yet"
        } else if diffuses {
            "it is a diffusion model, which is not supported yet"
        } else if vocab == sys::LLAMA_VOCAB_TYPE_NONE {
            "it has no vocabulary"
        } else {
            return Ok(());
        };
        Err(cannot_chat(what))
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

    /// Whether a number is a token of this vocabulary.
    pub(crate) fn is_token(&self, token: i32) -> bool {
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
            let source = sys::llama_model_chat_template(self.pointer.as_ptr(), std::ptr::null());
            (!source.is_null()).then(|| CStr::from_ptr(source).to_string_lossy().into_owned())
        }
    }

    /// A metadata value as text.
    pub(crate) fn metadata(&self, key: &CStr) -> Option<String> {
        let mut value = vec![0_u8; 128];
        for _ in 0..2 {
            // SAFETY: the model is live; pointer and length are the buffer's.
            let n_bytes = unsafe {
                sys::llama_model_meta_val_str(
                    self.pointer.as_ptr(),
                    key.as_ptr(),
                    value.as_mut_ptr().cast(),
                    value.len(),
                )
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

    /// Tokens that the model's makers never want to see.
    pub(crate) fn suppressed(&self) -> Vec<i32> {
        let mut n_tokens = 0;
        // SAFETY: the vocabulary is live; the tokens belong to it and are copied.
        unsafe {
            let tokens = sys::llama_vocab_get_suppress_tokens(self.vocab.as_ptr(), &raw mut n_tokens);
            match usize::try_from(n_tokens) {
                Ok(n_tokens) if !tokens.is_null() => std::slice::from_raw_parts(tokens, n_tokens).to_vec(),
                _ => Vec::new(),
            }
        }
    }

    /// A token for the warm-up.
    pub(crate) fn any_token(&self) -> i32 {
        // SAFETY: the vocabulary is live.
        let bos = unsafe { sys::llama_vocab_bos(self.vocab.as_ptr()) };
        if self.is_token(bos) { bos } else { 0 }
    }

    /// Tokens in the vocabulary.
    pub(crate) fn n_vocab(&self) -> usize {
        self.n_vocab
    }

    /// Context length that the model was trained for, in tokens.
    pub(crate) fn n_ctx_train(&self) -> u32 {
        // SAFETY: the model is live.
        unsafe { sys::llama_model_n_ctx_train(self.pointer.as_ptr()) }.max(0).cast_unsigned()
    }

    /// Layers, the output layer counted as one.
    pub(crate) fn n_layers(&self) -> u32 {
        // SAFETY: the model is live.
        unsafe { sys::llama_model_n_layer(self.pointer.as_ptr()) }.max(0).cast_unsigned() + 1
    }

    /// Whether the model's state is a sum over the text, which can't be cut at a position.
    pub(crate) fn is_recurrent(&self) -> bool {
        let model = self.pointer.as_ptr();
        // SAFETY: the model is live.
        unsafe { sys::llama_model_is_recurrent(model) || sys::llama_model_is_hybrid(model) }
    }

    /// For llama.cpp's calls; null never.
    pub(crate) fn as_ptr(&self) -> *mut sys::llama_model {
        self.pointer.as_ptr()
    }
}

/// Why a model for embeddings is refused.
pub(crate) const ONLY_ENCODES: &str = "it only encodes: it is a model for embeddings";

/// The refusal of a model that can't go on from a text.
pub(crate) fn cannot_chat(why: &str) -> Failure {
    fail(FailureKind::Load, format!("the model can't chat: {why}"), "choose a text generation model")
}

impl Drop for Model {
    fn drop(&mut self) {
        // SAFETY: live, owned, freed once.
        unsafe { sys::llama_model_free(self.pointer.as_ptr()) }
    }
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
