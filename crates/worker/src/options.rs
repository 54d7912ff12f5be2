//! How a worker is started.

/// How a worker is started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// The most address space that this process may have, in bytes, mapped weights included; `None` sets no limit.
    pub memory_limit: Option<u64>,
    /// Log all that llama.cpp says rather than its warnings and errors.
    pub verbose: bool,
}
