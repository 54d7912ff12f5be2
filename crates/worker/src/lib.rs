//! The process that runs one model with llama.cpp.
//!
//! Owned here: everything between the wire protocol and llama.cpp: loading, chat templates, sampling, the split of
//! reasoning from answer, the memory ledger, cancelling. A worker reads [`wire::Request`]s from standard input and writes
//! [`wire::Event`]s to standard output; its log is standard error. Absent: stores, budgets, restarts, all of which are
//! the supervisor's. Only the feature `llama` links llama.cpp; the modules that need none of it build without.

pub mod clock;
pub mod sampler;
pub mod template;
pub mod think;
pub mod utf8;
