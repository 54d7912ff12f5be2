//! Why a worker is not started.

/// Why a worker is not started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartError {
    /// One clause.
    pub reason: String,
    /// What could be done.
    pub hint: Option<String>,
}

impl StartError {
    pub(super) fn panicked() -> Self {
        Self { reason: "the file could not be checked".to_owned(), hint: None }
    }
}
