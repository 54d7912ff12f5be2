//! Budgets: who gets how many threads, and whether one more model fits in memory.

pub mod advice;
mod elsewhere;
mod error;
mod estimate;
pub mod fit;
mod memory;
mod threads;

pub use elsewhere::{NoRoomElsewhere, fits_elsewhere, free_elsewhere, layers, planned};
pub use error::AdmissionError;
pub use estimate::{MemoryEstimate, context, estimate, longer_context_hint, memory_estimate, settings_for, shortened};
pub use memory::{Free, admit, admit_on, free_memory, free_memory_on, free_memory_without, readmit};
pub use threads::{ThreadRequest, share_threads};
