//! How a worker is started.

/// How a worker is started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// The most address space that this process may have, in bytes, mapped weights included; `None` sets no limit.
    pub memory_limit: Option<u64>,
    /// The file to load, whatever the request to load names: a supervisor on another machine knows no paths of this one.
    pub path: Option<std::path::PathBuf>,
    /// Log everything from llama.cpp instead of just warnings and errors.
    pub verbose: bool,
}
