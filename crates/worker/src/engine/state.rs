//! A sequence's state: copies of it, and going back to them.

use llama_cpp_sys_2 as sys;

use super::{Decoded, Engine};
use crate::batch::Batch;
use crate::control::CONTROL;

/// `LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY`, a macro: only what can't be cut, a window or a recurrent state.
const PARTIAL_ONLY: sys::llama_state_seq_flags = 1;
/// Architectures over whose partial state llama.cpp aborts the process.
const ABORTS_OVER_PARTS: [&str; 3] = ["jamba", "nemotron_h_moe", "plamo2"];

/// How far back a sequence can be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rollback {
    Anywhere,
    /// As far as the tokens that a window of this length wants are still there.
    Window(usize),
    /// Not at all.
    Nowhere,
}

impl Engine {
    /// The first position that every layer has of a sequence; 0 of an empty one.
    pub(crate) fn first(&self, sequence: u32) -> usize {
        // SAFETY: the context is live.
        let first = unsafe { sys::llama_memory_seq_pos_min(self.memory(), sequence.cast_signed()) };
        usize::try_from(first).unwrap_or(0)
    }

    /// How far back a sequence can be cut.
    pub(crate) fn rollback(&self) -> Rollback {
        match self.n_window {
            _ if self.is_recurrent => Rollback::Nowhere,
            0 => Rollback::Anywhere,
            window => Rollback::Window(window),
        }
    }

    /// Whether the part of a state that can't be cut can be copied alone.
    pub(crate) fn has_marks(&self) -> bool {
        let architecture = self.model.metadata("general.architecture").unwrap_or_default();
        !ABORTS_OVER_PARTS.contains(&architecture.as_str())
    }

    /// Bytes of a sequence's state.
    pub(crate) fn state_size(&self, sequence: u32) -> u64 {
        // SAFETY: the context is live.
        unsafe { sys::llama_state_seq_get_size_ext(self.context.0.as_ptr(), sequence.cast_signed(), 0) as u64 }
    }

    /// A copy of a sequence's state, or of the part of it that can't be cut.
    pub(crate) fn state(&mut self, sequence: u32, is_part: bool) -> Option<Vec<u8>> {
        CONTROL.count_step();
        let (context, sequence, flags) =
            (self.context.0.as_ptr(), sequence.cast_signed(), if is_part { PARTIAL_ONLY } else { 0 });
        // SAFETY: the context is live and used by this thread alone; no more than the buffer's length is written.
        unsafe {
            let n_bytes = sys::llama_state_seq_get_size_ext(context, sequence, flags);
            // Memory may be bounded; then nothing is kept.
            let mut bytes = Vec::new();
            bytes.try_reserve_exact(n_bytes).ok()?;
            bytes.resize(n_bytes, 0);
            let n_bytes = sys::llama_state_seq_get_data_ext(context, bytes.as_mut_ptr(), bytes.len(), sequence, flags);
            (n_bytes > 0 && n_bytes == bytes.len()).then_some(bytes)
        }
    }

    /// Have a sequence hold a state, or the part of it that can't be cut, that this model wrote with these settings; `false`
    /// where llama.cpp does not take it.
    pub(crate) fn set_state(&mut self, sequence: u32, bytes: &[u8], is_part: bool) -> bool {
        CONTROL.count_step();
        let (context, flags) = (self.context.0.as_ptr(), if is_part { PARTIAL_ONLY } else { 0 });
        // SAFETY: the context is live and used by this thread alone; no more than the buffer's length is read.
        let n_bytes = unsafe {
            let sequence = sequence.cast_signed();
            sys::llama_state_seq_set_data_ext(context, bytes.as_ptr(), bytes.len(), sequence, flags)
        };
        n_bytes == bytes.len()
    }

    /// Go back to the first `n_tokens` positions of a sequence with the part that could not be cut as it was there; `false`
    /// where that failed, and nothing that it holds can be trusted.
    pub(crate) fn rewind(&mut self, sequence: u32, part: &[u8], n_tokens: usize) -> bool {
        // SAFETY: the context is live.
        self.set_state(sequence, part, true)
            && unsafe { sys::llama_memory_seq_rm(self.memory(), sequence.cast_signed(), n_tokens as i32, -1) }
            && self.n_past(sequence) == n_tokens
    }

    /// The logits behind a token that is put after the `n_tokens` of a sequence; `None` where there is no room.
    pub(crate) fn logits_after(&mut self, sequence: u32, token: i32, n_tokens: usize) -> Option<Vec<f32>> {
        if n_tokens >= self.n_ctx {
            return None;
        }
        let mut batch = Batch::default();
        batch.push(token, n_tokens as u32, sequence, true);
        let is_done = self.decode(&mut batch) == Decoded::Done;
        self.logits(0).filter(|_| is_done).map(|logits| logits.to_vec())
    }
}
