//! A loaded model: its vocabulary, its template, its metadata.
//!
//! Owned here: the load, and what it refuses; text to tokens and back. It is `llama-cpp-2`'s model, with the sys crate
//! where that lacks a call or panics over what a file may claim. Absent: the context (`engine`).

use std::ops::Range;
use std::ptr::NonNull;

use llama_cpp_2::LlamaModelLoadError;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_sys_2 as sys;
use wire::{Failure, FailureKind, Load};

use crate::backend::{self, fail};
use crate::mapping::Mapping;
use crate::{ledger, log, rpc};

/// How the rows of a text's tokens become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pooling {
    Mean,
    First,
    Last,
    /// A score rather than a vector.
    Rank,
}

pub(crate) struct Model {
    inner: LlamaModel,
    n_vocab: usize,
    /// The mapped file, where there is one.
    mapping: Option<Mapping>,
}

impl Pooling {
    /// The indices of the rows that are pooled, for this many tokens.
    pub(crate) fn rows(self, n_tokens: usize) -> Range<usize> {
        match self {
            Self::Mean | Self::Rank => 0..n_tokens,
            Self::First => 0..1,
            Self::Last => n_tokens.saturating_sub(1)..n_tokens,
        }
    }

    /// What the sum of these rows is divided by.
    pub(crate) fn divisor(self, n_tokens: usize) -> f64 {
        self.rows(n_tokens).len().max(1) as f64
    }
}

impl Model {
    /// Load a model. `progress` is called with the fraction loaded, 0 to 1, and returns whether to continue.
    pub(crate) fn load(
        llama: &LlamaBackend,
        load: &Load,
        mut progress: impl FnMut(f32) -> bool + 'static,
    ) -> Result<Self, Failure> {
        let opened = std::fs::File::open(&load.path).and_then(|file| file.metadata());
        if let Some(reason) = match opened {
            Ok(metadata) if metadata.is_file() => None,
            Ok(_) => Some("it is no file".to_owned()),
            Err(error) => Some(error.to_string()),
        } {
            let message = format!("the model's file can't be opened: {reason}");
            return Err(fail(FailureKind::Load, message, "it may have been moved, or belong to another user"));
        }
        let mapping = Mapping::new(load, load.n_gpu_layers != Some(0) && backend::can_offload(load));
        let mut watch = mapping.as_ref().map(Mapping::watch);
        let progress = move |fraction| {
            if let Some(watch) = &mut watch {
                watch(fraction);
            }
            progress(fraction)
        };
        let mut params = LlamaModelParams::default()
            .with_use_mmap(load.mmap)
            .with_use_mlock(load.mlock)
            .with_progress_callback(progress);
        if let Some(n_layers) = load.n_gpu_layers {
            params = params.with_n_gpu_layers(n_layers);
        }
        let params = rpc::with_devices(params, load)?;
        backend::allow_amx(load.amx);
        let _ = log::take_error();
        let inner = LlamaModel::load_from_file(llama, &load.path, &params).map_err(|error| {
            let reason = match error {
                LlamaModelLoadError::NullResult => rpc::reworded(log::error_or_none_given()),
                error => error.to_string(),
            };
            let hint = load_hint(&reason);
            fail(FailureKind::Load, format!("the model could not be loaded: {reason}"), hint)
        })?;
        let model = Self { n_vocab: usize::try_from(inner.n_vocab()).unwrap_or(0), inner, mapping };
        model.check()?;
        model.settle_pages();
        Ok(model)
    }

    /// Give back the pages of the mapped file that were copied elsewhere, and have the others in memory.
    pub(crate) fn settle_pages(&self) {
        if let Some(mapping) = &self.mapping {
            // SAFETY: the model is live.
            mapping.settle(&unsafe { ledger::weights(self.as_ptr()) });
        }
    }

    /// Refuse what loads but can't go on from a text.
    fn check(&self) -> Result<(), Failure> {
        let pointer = self.as_ptr();
        // SAFETY: the model is live; these calls only read it. (`LlamaVocab::vocab_type` panics over most types.)
        let (encodes, decodes, diffuses, vocab) = unsafe {
            (
                sys::llama_model_has_encoder(pointer),
                sys::llama_model_has_decoder(pointer),
                sys::llama_model_is_diffusion(pointer),
                sys::llama_vocab_type(sys::llama_model_get_vocab(pointer)),
            )
        };
        let what = if !decodes {
            "it is an encoder of a kind that is not supported yet"
        } else if self.pooling() == Some(Pooling::Rank) {
            "it ranks texts, which is not supported yet"
        } else if encodes {
            "it is an encoder and decoder in one, which is not supported yet"
        } else if diffuses {
            "it is a diffusion model, which is not supported yet"
        } else if vocab == sys::LLAMA_VOCAB_TYPE_NONE {
            "it has no vocabulary"
        } else {
            return Ok(());
        };
        let hint = "choose a model for text generation or for embeddings";
        Err(fail(FailureKind::Load, format!("the model can't be used: {what}"), hint))
    }

    /// How the tokens' vectors are pooled, if the file specifies it.
    pub(crate) fn pooling(&self) -> Option<Pooling> {
        match self.of_architecture("pooling_type")?.trim().parse().ok()? {
            1 => Some(Pooling::Mean),
            2 => Some(Pooling::First),
            3 => Some(Pooling::Last),
            4 => Some(Pooling::Rank),
            _ => None,
        }
    }

    /// Whether each token sees those after it too.
    pub(crate) fn sees_ahead(&self) -> bool {
        self.of_architecture("attention.causal").is_some_and(|value| value.trim() == "false")
    }

    /// The metadata value of a key under the architecture's name.
    fn of_architecture(&self, key: &str) -> Option<String> {
        let architecture = self.metadata("general.architecture")?;
        self.metadata(&format!("{architecture}.{key}"))
    }

    /// Whether this is the token that the vocabulary appends to every text.
    pub(crate) fn closes_text(&self, token: i32) -> bool {
        let vocab = self.inner.vocab();
        (vocab.should_add_eos() && token == vocab.eos().0) || (vocab.should_add_sep() && token == vocab.sep().0)
    }

    /// The tokens of a text, special tokens read as such, with the begin-of-text token where the vocabulary wants one and
    /// the text doesn't have it.
    pub(crate) fn tokenize(&self, text: &str) -> Vec<i32> {
        let vocab = self.inner.vocab();
        let bos = self.bos_text();
        let is_wanted =
            vocab.should_add_bos() && self.is_token(vocab.bos().0) && (bos.is_empty() || !text.starts_with(&bos));
        self.tokens(text, is_wanted.then(|| vocab.bos()))
    }

    /// Tokenize plain text, with the begin and end tokens of the vocabulary.
    pub(crate) fn tokenize_text(&self, text: &str) -> Vec<i32> {
        self.tokenize_as(text, true, false)
    }

    /// Tokenize a text. `add_special` adds the vocabulary's begin and end tokens, `parse_special` parses special
    /// tokens in the text.
    pub(crate) fn tokenize_as(&self, text: &str, add_special: bool, parse_special: bool) -> Vec<i32> {
        let mut tokens = Vec::with_capacity(text.len() + 16);
        self.inner.vocab().tokenize_into(text.as_bytes(), &mut tokens, add_special, parse_special);
        tokens.into_iter().map(|token| token.0).collect()
    }

    /// The text of tokens, special ones shown; all must be of the vocabulary.
    pub(crate) fn detokenize(&self, tokens: &[i32]) -> String {
        let tokens: Vec<LlamaToken> = tokens.iter().copied().map(LlamaToken).collect();
        String::from_utf8_lossy(&self.inner.vocab().detokenize(&tokens, false, true)).into_owned()
    }

    /// Dimensions of an embedding.
    pub(crate) fn n_embd(&self) -> usize {
        // SAFETY: the model is live.
        usize::try_from(unsafe { sys::llama_model_n_embd_out(self.as_ptr()) }).unwrap_or(0)
    }

    /// The begin-of-text token, where the vocabulary wants one.
    pub(crate) fn begin_of_text(&self) -> Option<i32> {
        let vocab = self.inner.vocab();
        let token = vocab.bos().0;
        (vocab.should_add_bos() && self.is_token(token)).then_some(token)
    }

    /// Tokenize a text as is, with special tokens parsed.
    pub(crate) fn tokenize_bare(&self, text: &str) -> Vec<i32> {
        self.tokens(text, None)
    }

    /// The tokens that are these bytes, in their order; those that no token is are left out.
    pub(crate) fn tokens_of(&self, texts: &[&[u8]]) -> Vec<i32> {
        let mut found = vec![None; texts.len()];
        let mut bytes = Vec::new();
        for token in 0..i32::try_from(self.n_vocab).unwrap_or(i32::MAX) {
            self.piece(token, false, &mut bytes);
            if let Some(place) = texts.iter().position(|text| *text == bytes.as_slice()) {
                found[place].get_or_insert(token);
            }
        }
        found.into_iter().flatten().collect()
    }

    /// A token that ends the model's turn.
    pub(crate) fn end(&self) -> Option<i32> {
        let token = self.inner.vocab().eos().0;
        (self.is_token(token) && self.is_end(token)).then_some(token)
    }

    /// The token that a text is, where it is one alone.
    pub(crate) fn single_token(&self, text: &str) -> Option<i32> {
        <[i32; 1]>::try_from(self.tokenize_bare(text)).ok().map(|[token]| token)
    }

    fn tokens(&self, text: &str, first: Option<LlamaToken>) -> Vec<i32> {
        // Room for the most that there can be: with too little, the whole text is tokenised again. A frame bounds the
        // text, far below the 2 GiB over which llama-cpp-2 panics.
        let mut tokens = Vec::with_capacity(text.len() + 16);
        tokens.extend(first);
        self.inner.vocab().tokenize_into(text.as_bytes(), &mut tokens, false, true);
        tokens.into_iter().map(|token| token.0).collect()
    }

    /// The bytes of a token, put into `bytes`; those of a special token only if `special`.
    pub(crate) fn piece(&self, token: i32, special: bool, bytes: &mut Vec<u8>) {
        bytes.clear();
        self.inner.vocab().token_to_piece_into(LlamaToken(token), bytes, special, None);
    }

    /// Whether a token ends the model's turn.
    pub(crate) fn is_end(&self, token: i32) -> bool {
        self.inner.vocab().is_eog(LlamaToken(token))
    }

    /// Whether a number is a token of this vocabulary.
    pub(crate) fn is_token(&self, token: i32) -> bool {
        usize::try_from(token).is_ok_and(|token| token < self.n_vocab)
    }

    /// The begin-of-text token as text; empty where there is none.
    pub(crate) fn bos_text(&self) -> String {
        self.token_text(self.inner.vocab().bos().0)
    }

    /// The end-of-text token as text; empty where there is none.
    pub(crate) fn eos_text(&self) -> String {
        self.token_text(self.inner.vocab().eos().0)
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
        let source = self.inner.chat_template(None).ok()?;
        Some(source.as_c_str().to_string_lossy().into_owned())
    }

    /// A metadata value as text.
    pub(crate) fn metadata(&self, key: &str) -> Option<String> {
        self.inner.meta_val_str(key).ok()
    }

    /// Tokens that the model's makers never want to see.
    pub(crate) fn suppressed(&self) -> Vec<i32> {
        self.inner.vocab().suppress_tokens().iter().map(|token| token.0).collect()
    }

    /// A token for the warm-up.
    pub(crate) fn any_token(&self) -> i32 {
        let bos = self.inner.vocab().bos().0;
        if self.is_token(bos) { bos } else { 0 }
    }

    /// Tokens in the vocabulary.
    pub(crate) fn n_vocab(&self) -> usize {
        self.n_vocab
    }

    /// Context length that the model was trained for, in tokens.
    pub(crate) fn n_ctx_train(&self) -> u32 {
        // SAFETY: the model is live. It hands out a `uint32_t` as `int32_t`; `LlamaModel::n_ctx_train` panics over those
        // of 2³¹ or more, which a file may claim.
        unsafe { sys::llama_model_n_ctx_train(self.as_ptr()) }.cast_unsigned()
    }

    /// Layers, the output layer counted as one.
    pub(crate) fn n_layers(&self) -> u32 {
        self.inner.n_layer() + 1
    }

    /// Whether the model's state is a sum over the text, which can't be cut at a position.
    pub(crate) fn is_recurrent(&self) -> bool {
        self.inner.is_recurrent() || self.inner.is_hybrid()
    }

    /// llama.cpp's sampler for a GBNF grammar; `None` where it can't be read.
    pub(crate) fn grammar(&self, gbnf: &str) -> Option<LlamaSampler> {
        LlamaSampler::grammar(&self.inner, gbnf, "root").ok()
    }

    /// Like the above, but the grammar applies only after a text that matches one of these regular expressions, or one
    /// of these tokens.
    pub(crate) fn lazy_grammar(&self, gbnf: &str, patterns: &[String], tokens: &[i32]) -> Option<LlamaSampler> {
        let tokens: Vec<LlamaToken> = tokens.iter().copied().map(LlamaToken).collect();
        LlamaSampler::grammar_lazy_patterns(&self.inner, gbnf, "root", patterns, &tokens).ok()
    }

    /// How far back layers with a sliding window look, in tokens; 0 where none does.
    pub(crate) fn n_window(&self) -> usize {
        // SAFETY: the model is live.
        usize::try_from(unsafe { sys::llama_model_n_swa(self.as_ptr()) }).unwrap_or(0)
    }

    /// For the calls that llama-cpp-2 lacks; null never.
    pub(crate) fn as_ptr(&self) -> *mut sys::llama_model {
        const { assert!(size_of::<LlamaModel>() == size_of::<NonNull<sys::llama_model>>()) }
        // SAFETY: llama-cpp-2 keeps its pointer to itself, but in the version that Cargo.toml pins `LlamaModel` is
        // `repr(transparent)` over its `Ptr`, and that over a `NonNull` of this type. It's copied, and lives as `self`.
        unsafe { std::ptr::from_ref(&self.inner).cast::<NonNull<sys::llama_model>>().read() }.as_ptr()
    }
}

fn load_hint(reason: &str) -> &'static str {
    if reason.contains("unknown model architecture") {
        "this kind of model is newer than the built-in llama.cpp; look for a newer taffrail"
    } else if reason.contains("not within the file bounds") || reason.contains("read") || reason.contains("magic") {
        "the file is damaged or incomplete; download it again"
    } else if reason.contains("alloc") || reason.contains("memory") {
        "close other sessions, or choose a smaller model or quantisation"
    } else {
        "the session's log has llama.cpp's own messages"
    }
}
