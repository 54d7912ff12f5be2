//! Reads the header of a GGUF file: metadata, tensor table, what the model is, and what it would need in memory.
//!
//! Owned here: the format (v2 and v3, little and big endian), its limits against hostile files, the summary of a
//! header, split names, and the memory formulas. Absent: tensor data, tokenizer arrays (skipped, never held), mapping
//! (a truncated map raises a signal), and any knowledge of stores or of llama.cpp's processes.
//!
//! Start with [`Header::open`]: it reads anything well-formed. [`Header::findings`] lists what llama.cpp is known to
//! abort on, and what is odd; whether to load the file anyway is up to the caller.

mod amx;
mod attention;
mod check;
mod describe;
mod error;
mod estimate;
mod facts;
mod header;
mod quant;
mod repack;
mod shape;
mod source;
pub mod split;
mod summary;
#[cfg(feature = "testing")]
pub mod testing;
mod text;
mod types;
mod value;
mod vocabulary;

pub use check::Findings;
pub use error::{Error, HeaderPosition};
pub use estimate::{CacheKind, Estimate, Needs};
pub use header::{Header, Tensor};
pub use quant::quant_in_name;
pub use repack::Processor;
pub use source::{Endian, ReadAt};
pub use summary::{
    Attention, Kind, LayerCache, Matrix, Mix, Pooling, QuantSource, RopeScaling, SamplingDefaults, Shape, SplitPart,
    Summary, TypeShare,
};
pub use text::{clean, is_harmful};
pub use types::{TensorType, file_type_label};
pub use value::{Array, Metadata, Value, ValueType};
