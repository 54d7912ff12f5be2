//! Lines for the log.

/// A line for the log.
pub(crate) fn note(line: &str) {
    use std::io::Write as _;
    // A log that can't be written can't be reported either.
    let _ = writeln!(std::io::stderr(), "worker: {line}");
}
