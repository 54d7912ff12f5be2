//! The tokens of one decode call, in llama.cpp's arrays.
//!
//! Owned here: the arrays and the pointers into them. Absent: which tokens go into a call (`scheduler`, `bench`).

use llama_cpp_sys_2 as sys;

/// Tokens with their positions and sequences. The arrays are kept from call to call for their memory.
#[derive(Default)]
pub(crate) struct Batch {
    tokens: Vec<i32>,
    positions: Vec<i32>,
    counts: Vec<i32>,
    sequences: Vec<i32>,
    outputs: Vec<i8>,
    pointers: Vec<*mut i32>,
}

impl Batch {
    /// Add a token; `is_output` asks for the logits after it.
    pub(crate) fn push(&mut self, token: i32, position: u32, sequence: u32, is_output: bool) {
        self.tokens.push(token);
        self.positions.push(position.cast_signed());
        self.counts.push(1);
        self.sequences.push(sequence.cast_signed());
        self.outputs.push(i8::from(is_output));
    }

    pub(crate) fn clear(&mut self) {
        self.tokens.clear();
        self.positions.clear();
        self.counts.clear();
        self.sequences.clear();
        self.outputs.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }

    pub(crate) fn tokens(&self) -> &[i32] {
        &self.tokens
    }

    /// Whether each sequence is below `n_sequences`, and no more rows of logits are asked for than there are sequences.
    pub(crate) fn is_within(&self, n_sequences: u32) -> bool {
        let is_known = |sequence: &i32| u32::try_from(*sequence).is_ok_and(|sequence| sequence < n_sequences);
        let n_outputs = self.outputs.iter().filter(|output| **output != 0).count();
        self.sequences.iter().all(is_known) && n_outputs <= n_sequences as usize
    }

    /// The arrays as llama.cpp takes them. They hold as long as this batch is neither changed nor dropped.
    pub(crate) fn raw(&mut self) -> sys::llama_batch {
        self.pointers.clear();
        self.pointers.extend(self.sequences.iter_mut().map(std::ptr::from_mut));
        sys::llama_batch {
            n_tokens: self.tokens.len() as i32,
            token: self.tokens.as_mut_ptr(),
            embd: std::ptr::null_mut(),
            pos: self.positions.as_mut_ptr(),
            n_seq_id: self.counts.as_mut_ptr(),
            seq_id: self.pointers.as_mut_ptr(),
            logits: self.outputs.as_mut_ptr(),
        }
    }
}
