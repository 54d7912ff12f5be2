//! For tests alone: a writer of GGUF files, headers of well-known models, and a table of broken files made from a good
//! one.

mod builder;
mod known;
mod mutations;
mod sized;

pub use builder::Builder;
pub use known::{Distill, Sparse, deepseek_v3};
pub use mutations::{Mutation, mutations};
pub use sized::{Mixture, Sized};
