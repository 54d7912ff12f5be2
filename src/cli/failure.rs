//! What went wrong with a command: one printer for all of them, and the exit codes that follow from the reasons.

use std::fmt::Display;
use std::io::{self, Write};

use super::Exit;
use domain::admission::AdmissionError;
use domain::command::{Cause, Refused};
use domain::download::hub;

/// The most characters of one line of an error. Names and reasons come from files, servers and other programs.
const MAX_CHARS: usize = 4000;

/// What went wrong, what could be done about it, and how the command ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// Why, in one clause; further lines are details.
    pub reason: String,
    /// What could be done.
    pub hint: Option<String>,
}

impl Failure {
    /// One without a hint.
    pub fn new(exit: Exit, reason: impl Into<String>) -> Self {
        Self { exit, reason: reason.into(), hint: None }
    }

    /// The same with a hint.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The same with a hint if there is one.
    #[must_use]
    pub fn or_hint(self, hint: Option<&str>) -> Self {
        Self { hint: hint.map(str::to_owned), ..self }
    }

    /// Print it on standard error; gives the exit code.
    pub fn print(&self) -> Exit {
        print_error(&self.reason, self.hint.as_deref());
        self.exit
    }
}

/// How a command ends that may have failed: a failure is printed.
pub fn exit_of(result: Result<Exit, Failure>) -> Exit {
    result.unwrap_or_else(|failure| failure.print())
}

/// Print an error or a remark, which does not end the command, on standard error.
pub fn print_error(what: &dyn Display, hint: Option<&str>) {
    // Nobody is left who could be told that this failed.
    let _ = write(&mut io::stderr().lock(), what, hint);
}

/// The same on `out`.
pub(super) fn write(out: &mut impl Write, what: &dyn Display, hint: Option<&str>) -> io::Result<()> {
    for (number, line) in what.to_string().lines().enumerate() {
        let start = if number == 0 { "taffrail: " } else { "" };
        writeln!(out, "{start}{}", gguf::clean(line, MAX_CHARS))?;
    }
    hint.map_or(Ok(()), |hint| writeln!(out, "  hint: {}", gguf::clean(hint, MAX_CHARS)))
}

/// What could be done where a model does not fit.
fn too_large_hint(refusal: &AdmissionError) -> &'static str {
    let without_context = refusal.needed.weights + refusal.needed.compute;
    if without_context > refusal.free {
        "a smaller model or quantization needs less; --force starts it anyway"
    } else {
        "a smaller --context or --cache-type-k q8_0 needs less; --force starts it anyway"
    }
}

impl From<Refused> for Failure {
    /// The exit code by the cause, and the hint as the command line has it.
    fn from(refused: Refused) -> Self {
        let exit = match refused.cause {
            Cause::Invalid => Exit::Usage,
            Cause::NotFound => Exit::NotFound,
            Cause::Busy { .. } | Cause::NotRunnable => Exit::Failed,
            Cause::Unsafe | Cause::Memory(_) | Cause::MemoryTogether => Exit::Refused,
        };
        let hint = match &refused.cause {
            Cause::Memory(refusal) => Some(too_large_hint(refusal).to_owned()),
            _ => refused.hint,
        };
        Self { exit, reason: refused.reason, hint }
    }
}

impl From<hub::Failure> for Failure {
    fn from(failure: hub::Failure) -> Self {
        let exit = match failure.kind {
            hub::FailureKind::NotFound => Exit::NotFound,
            hub::FailureKind::Refused => Exit::Refused,
            hub::FailureKind::Failed => Exit::Failed,
        };
        Self { exit, reason: failure.reason, hint: failure.hint }
    }
}

/// Why a session ended, with the last lines of its log.
pub(super) fn with_log(reason: &str, log: &[String]) -> String {
    let mut text = reason.to_owned();
    let ended = format!("ended: {reason}");
    for line in log.iter().skip(log.len().saturating_sub(3)).filter(|line| **line != ended) {
        text.push_str("\n  log: ");
        text.push_str(line);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(what: &str, hint: Option<&str>) -> String {
        let mut out = Vec::new();
        write(&mut out, &what, hint).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_error_is_a_sentence_with_its_hint_and_obeys_no_foreign_text() {
        assert_eq!(printed("it is gone", None), "taffrail: it is gone\n");
        assert_eq!(
            printed("a\u{1b}[2J failed\n  log: b\u{7}", Some("try\u{1b} c")),
            format!(
                "taffrail: {}\n{}\n  hint: {}\n",
                gguf::clean("a\u{1b}[2J failed", 99),
                gguf::clean("  log: b\u{7}", 99),
                gguf::clean("try\u{1b} c", 99)
            )
        );
        assert!(!printed("a\u{1b}[2J\u{9b}b", Some("\u{7}")).chars().any(|c| c.is_control() && c != '\n'));
    }

    #[test]
    fn the_cause_decides_the_exit_code() {
        for (cause, exit) in [
            (Cause::Invalid, Exit::Usage),
            (Cause::NotFound, Exit::NotFound),
            (Cause::BUSY, Exit::Failed),
            (Cause::Unsafe, Exit::Refused),
        ] {
            let failure = Failure::from(Refused::new(cause, "no").with_hint("do"));
            assert_eq!(failure, Failure::new(exit, "no").with_hint("do"));
        }
        assert_eq!(exit_of(Ok(Exit::Interrupted)), Exit::Interrupted);
    }
}
