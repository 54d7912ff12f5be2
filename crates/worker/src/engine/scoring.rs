//! A chunk of a text through a context of its own, for the logits after each token.

use std::ptr::NonNull;

use llama_cpp_sys_2 as sys;
use wire::Load;

use super::{Context, Engine, context_params};
use crate::control::CONTROL;
use crate::log;

/// Positions whose logits are held at once while a text is scored: each is a row as long as the vocabulary.
const N_SCORED: usize = 128;

impl Engine {
    /// Run a chunk of tokens through an empty context of its own and give the logits behind each from position `first`
    /// on to `each`, which says whether to go on.
    pub(crate) fn score(
        &mut self,
        tokens: &mut [i32],
        first: usize,
        mut each: impl FnMut(&Self, usize, &[f32]) -> bool,
    ) -> Result<(), String> {
        if !tokens.iter().all(|token| self.model.is_token(*token)) {
            return Err("a token is not in the vocabulary".to_owned());
        }
        let context = self.scoring_context(tokens.len())?;
        // SAFETY: the context is live; nothing refers to what it holds.
        unsafe { sys::llama_memory_clear(sys::llama_get_memory(context), false) };
        let n_tokens = tokens.len();
        let mut position = 0;
        while position < n_tokens {
            // What is not scored goes in one piece.
            let size = if position < first { first - position } else { N_SCORED };
            let size = size.min(n_tokens - position).min(self.load.n_ubatch.max(1) as usize);
            let wanted = position >= first;
            let mut flags = vec![i8::from(wanted); size];
            flags[size - 1] = 1;
            // SAFETY: the context is live and used by this thread alone; the batch borrows tokens and flags for the
            // call. Its length is within `n_batch`, its outputs within `n_outputs_max`, its tokens within the vocabulary.
            let code = unsafe {
                let mut batch = sys::llama_batch_get_one(tokens[position..].as_mut_ptr(), size as i32);
                batch.logits = flags.as_mut_ptr();
                let code = sys::llama_decode(context, batch);
                sys::llama_synchronize(context);
                code
            };
            CONTROL.count_decode();
            if code != 0 {
                let reason = log::take_error().unwrap_or_else(|| format!("code {code}"));
                return Err(format!("llama.cpp failed while decoding: {reason}"));
            }
            for index in (0..size).filter(|_| wanted) {
                // SAFETY: logits of this position were asked for; the row has `n_vocab` numbers and stays until the
                // next decode call.
                let row = unsafe {
                    let row = NonNull::new(sys::llama_get_logits_ith(context, index as i32));
                    let row = row.ok_or("llama.cpp gave no logits")?;
                    std::slice::from_raw_parts(row.as_ptr(), self.model.n_vocab())
                };
                if !each(self, position + index, row) {
                    return Ok(());
                }
            }
            position += size;
        }
        Ok(())
    }

    fn scoring_context(&mut self, n_tokens: usize) -> Result<*mut sys::llama_context, String> {
        if self.scoring.as_ref().is_none_or(|(_, length)| *length != n_tokens) {
            self.scoring = None;
            let load = Load { n_ctx: n_tokens as u32, n_batch: n_tokens as u32, n_parallel: 1, ..self.load.clone() };
            let mut params = context_params(&load, n_tokens as u32);
            params.n_outputs_max = N_SCORED.max(1) as u32;
            let _ = log::take_error();
            // SAFETY: the model is live; the parameters hold no pointer but the callback, a function that stays.
            let context = NonNull::new(unsafe { sys::llama_init_from_model(self.model.as_ptr(), params) });
            let context = context.ok_or_else(|| format!("no context could be made: {}", log::error_or_none_given()))?;
            self.scoring = Some((Context(context), n_tokens));
        }
        self.scoring.as_ref().map(|(context, _)| context.0.as_ptr()).ok_or_else(|| "no context".to_owned())
    }
}
