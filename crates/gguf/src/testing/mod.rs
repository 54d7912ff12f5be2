//! For tests alone: a writer of GGUF files, and a table of broken ones made from a good one.

mod builder;
mod mutations;

pub use builder::Builder;
pub use mutations::{Mutation, mutations};
