//! llama.cpp's log.
//!
//! Owned here: writing it to standard error, and the error message that explains a failed call. Absent: storing and
//! displaying it, which is up to the supervisor; the lines are untrusted and have to be cleaned there.

use std::ffi::{CStr, c_char, c_void};
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use llama_cpp_sys_2 as sys;

use crate::control::CONTROL;

/// The longest line that is kept, in bytes.
const MAX_LINE: usize = 4096;

/// How lines begin that llama.cpp logs as warnings and errors when its abort callback ends a call. Cancelling is neither.
const ABORT: [&str; 4] = ["graph_compute: ", "process_ubatch: ", "decode: removing ", "llama_decode: failed to decode"];

static STATE: Mutex<State> = Mutex::new(State { level: 0, line: String::new(), error: None, least: 0 });

struct State {
    level: sys::ggml_log_level,
    line: String,
    error: Option<String>,
    least: sys::ggml_log_level,
}

/// Take llama.cpp's log: warnings and errors, or everything.
pub(crate) fn capture(verbose: bool) {
    lock().least = if verbose { sys::GGML_LOG_LEVEL_NONE } else { sys::GGML_LOG_LEVEL_WARN };
    // SAFETY: the callback is a function that stays, and its data is not used.
    unsafe { sys::llama_log_set(Some(on_log), std::ptr::null_mut()) }
}

/// The first error since this was last asked, as one line without control characters.
pub(crate) fn take_error() -> Option<String> {
    let error = lock().error.take()?;
    // "function: " before the text is of no use to a user.
    let text =
        error.split_once(": ").map_or(error.as_str(), |(name, text)| if name.contains(' ') { &error } else { text });
    let text = text.strip_prefix("error loading model: ").unwrap_or(text);
    Some(text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(400).collect::<String>().trim().to_owned())
}

/// The same, or words for its absence.
pub(crate) fn error_or_none_given() -> String {
    take_error().unwrap_or_else(|| "llama.cpp gave no reason".to_owned())
}

fn lock() -> std::sync::MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

unsafe extern "C" fn on_log(level: sys::ggml_log_level, text: *const c_char, _data: *mut c_void) {
    if text.is_null() {
        return;
    }
    // SAFETY: llama.cpp passes a string that ends in a zero and outlives the call.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    let mut state = lock();
    if level != sys::GGML_LOG_LEVEL_CONT {
        state.level = level;
    }
    for part in text.split_inclusive('\n') {
        let room = MAX_LINE.saturating_sub(state.line.len());
        let end = part.floor_char_boundary(room);
        state.line.push_str(&part[..end]);
        if !part.ends_with('\n') {
            continue;
        }
        let line = std::mem::take(&mut state.line);
        let line = line.trim_end();
        if CONTROL.is_interrupted() && ABORT.iter().any(|start| line.starts_with(start)) {
            continue;
        }
        if state.level >= state.least && !line.is_empty() {
            // A log that can't be written can't be reported either.
            let _ = writeln!(std::io::stderr(), "{line}");
        }
        // Of several errors in a row, the first is the cause; the others are from its callers.
        if state.level == sys::GGML_LOG_LEVEL_ERROR && state.error.is_none() {
            state.error = Some(line.to_owned());
        }
    }
}
