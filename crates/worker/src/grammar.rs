//! What an answer must look like: a grammar that forbids the tokens which would leave it.
//!
//! Owned here: llama.cpp's grammar sampler. Absent: the draw (`sampler`). The whole vocabulary is held against the grammar
//! only where the token that was drawn is forbidden, which is rare once a model has got the idea.

use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;
use wire::{Failure, FailureKind};

use crate::backend::fail;
use crate::gbnf::{self, Fault};
use crate::growth::MAX_GROWTH;
use crate::log;
use crate::model::Model;

/// The longest grammar, in bytes: longer ones take llama.cpp minutes.
const MAX_BYTES: usize = 256 << 10;

/// Where the grammar of calls starts to apply.
pub(crate) enum Start<'a> {
    /// From a text on that fits a regular expression, or from a token on.
    Triggers { patterns: Vec<String>, tokens: Vec<i32> },
    /// After this text, which the grammar starts with.
    After(&'a str),
}

/// Make a grammar that is not too costly; why not where that fails.
fn made(gbnf: &str, make: impl FnOnce() -> Option<LlamaSampler>) -> Result<Grammar, String> {
    let unread = match gbnf::check(gbnf) {
        Ok(()) => None,
        Err(Fault::Costly(reason)) => return Err(reason),
        Err(Fault::Unread(reason)) => Some(reason),
    };
    make().map(Grammar).ok_or_else(|| {
        // llama.cpp gives a reason if it can't parse a grammar, but none if it runs out of memory.
        let silent = || format!("llama.cpp gave no reason, as where one takes more than {} MiB", MAX_GROWTH >> 20);
        unread.or_else(log::take_error).unwrap_or_else(silent)
    })
}

/// A grammar, and how far into it the answer is.
pub(crate) struct Grammar(LlamaSampler);

impl Grammar {
    /// Read a grammar.
    pub(crate) fn new(model: &Model, wanted: &wire::Grammar) -> Result<Self, Failure> {
        let (wire::Grammar::Gbnf(source) | wire::Grammar::JsonSchema(source)) = wanted;
        let is_schema = matches!(wanted, wire::Grammar::JsonSchema(_));
        let refuse = |reason: &str| {
            let (what, hint) = if is_schema {
                (
                    "the JSON schema can't be converted to a grammar",
                    "a simpler schema, whose answers are checked afterwards",
                )
            } else {
                ("the grammar can't be used", "llama.cpp's grammars/README.md describes GBNF")
            };
            fail(FailureKind::Request, format!("{what}: {reason}"), hint)
        };
        if source.len() > MAX_BYTES {
            return Err(refuse(&format!("it has {} bytes, and {MAX_BYTES} are the most", source.len())));
        }
        if source.contains('\0') {
            return Err(refuse("it contains a zero byte"));
        }
        let _ = log::take_error();
        let gbnf = match wanted {
            wire::Grammar::Gbnf(text) => text.clone(),
            wire::Grammar::JsonSchema(schema) => {
                llama_cpp_2::json_schema_to_grammar(schema).map_err(|_| refuse(&log::error_or_none_given()))?
            }
        };
        made(&gbnf, || model.grammar(&gbnf)).map_err(|reason| refuse(&reason))
    }

    /// The grammar of calls of tools. Without triggers it holds from the begin on; `begin` is what comes before the answer
    /// and belongs to it.
    pub(crate) fn of_calls(model: &Model, gbnf: &str, start: &Start<'_>) -> Result<Self, Failure> {
        let refuse = |reason: &str| {
            let hint = "simpler parameters, or fewer tools";
            fail(FailureKind::Request, format!("the tools can't be converted to a grammar: {reason}"), hint)
        };
        let _ = log::take_error();
        match start {
            Start::Triggers { patterns, tokens } => {
                made(gbnf, || model.lazy_grammar(gbnf, patterns, tokens)).map_err(|reason| refuse(&reason))
            }
            Start::After(begin) => {
                let mut grammar = made(gbnf, || model.grammar(gbnf)).map_err(|reason| refuse(&reason))?;
                let starts_blank = |text: &[u8]| text.first().is_some_and(u8::is_ascii_whitespace);
                let mut piece = Vec::new();
                for (place, token) in model.tokenize_bare(begin).into_iter().enumerate() {
                    model.piece(token, true, &mut piece);
                    // Some vocabularies put a space before the first token.
                    if place == 0 && starts_blank(&piece) && !starts_blank(begin.as_bytes()) {
                        continue;
                    }
                    grammar.accept(token).map_err(|_| refuse("it does not fit the end of the prompt"))?;
                }
                Ok(grammar)
            }
        }
    }

    /// Whether the answer may go on with this token.
    pub(crate) fn allows(&mut self, token: i32) -> bool {
        let mut one = LlamaTokenDataArray::new(vec![LlamaTokenData::new(LlamaToken(token), 0.0, 0.0)], false);
        one.apply_sampler(&mut self.0);
        one.data.first().is_some_and(|token| token.logit() > f32::NEG_INFINITY)
    }

    /// Forbid all tokens that the answer may not go on with.
    pub(crate) fn mask(&mut self, logits: &mut [f32]) {
        let all = (0..).zip(logits.iter()).map(|(token, logit)| LlamaTokenData::new(LlamaToken(token), *logit, 0.0));
        let mut all = LlamaTokenDataArray::new(all.collect(), false);
        all.apply_sampler(&mut self.0);
        for token in all.data {
            if let Some(logit) = usize::try_from(token.id().0).ok().and_then(|id| logits.get_mut(id)) {
                *logit = token.logit();
            }
        }
    }

    /// Go on with a token that is allowed.
    pub(crate) fn accept(&mut self, token: i32) -> Result<(), String> {
        self.0.try_accept(LlamaToken(token)).map_err(|_| "the answer broke its grammar".to_owned())
    }
}
