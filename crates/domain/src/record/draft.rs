//! What is written down of a record while its text still comes.

/// What is written down of a record while its text still comes.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Draft {
    /// Its name for the program's life.
    pub id: u64,
    /// Bytes of text when it was written last; `None` before.
    pub n_bytes: Option<usize>,
    /// When that was, after the program's start.
    pub at: std::time::Duration,
}

impl Draft {
    /// A draft that has not been saved yet.
    pub fn new(id: u64) -> Self {
        Self { id, n_bytes: None, at: std::time::Duration::ZERO }
    }
}
