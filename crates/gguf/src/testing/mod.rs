//! For tests alone: a writer of GGUF files, headers of well-known models, and a table of broken files made from a good
//! one.

mod builder;
mod embedder;
mod known;
mod mutations;
mod sized;
mod sparse;

pub use builder::Builder;
pub use embedder::{EMBEDDER_CONTEXT, embedder};
pub use known::{Distill, deepseek_v3};
pub use mutations::{Mutation, mutations};
pub use sized::{Mixture, Sized};
pub use sparse::Sparse;
