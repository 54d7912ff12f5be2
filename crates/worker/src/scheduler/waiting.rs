//! Requests that were checked, and those that wait for the text of another one.

use std::time::Instant;

use wire::{Generate, Sampling};

use crate::session::Rendered;

/// A request that can be carried out.
pub(super) struct Checked {
    pub(super) request: Generate,
    pub(super) arrived: Instant,
    pub(super) sampling: Sampling,
    pub(super) rendered: Rendered,
    pub(super) prompt: Vec<i32>,
}

/// A request that waits until another one has read what both begin with.
pub(super) struct Waiting {
    pub(super) checked: Checked,
    pub(super) shared: Shared,
}

/// What a request takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shared {
    /// The number of the request that reads it, by order of admission.
    pub(super) reader: u64,
    /// Tokens.
    pub(super) n_tokens: usize,
}
