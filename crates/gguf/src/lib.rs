//! Reads the header of a GGUF file: metadata, tensor table, what the model is, and what it would need in memory.
//!
//! Owned here: the format (v2 and v3, little and big endian), its bounds against hostile files, the summary of a
//! header, split names, and the memory formulas. Absent: tensor data, tokenizer arrays (skipped, never held), mapping
//! (a truncated map raises a signal), and any knowledge of stores or of llama.cpp's processes.

mod summary;

pub use summary::{Kind, Part, SamplingDefaults, Summary, TypeShare};
