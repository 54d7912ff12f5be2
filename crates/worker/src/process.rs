//! What a worker asks of the system before it does anything else.
//!
//! Owned here: limits, the tie to the parent, and a standard output that nothing else can write to. Absent: the
//! environment (OpenMP's wait policy, `GGML_NO_BACKTRACE`), which the supervisor sets before the start.

use std::fs::File;
use std::io;

/// Take standard output for frames alone: the returned file is the pipe, and what llama.cpp or a library of its prints
/// goes to standard error from here on.
#[cfg(unix)]
pub(crate) fn take_stdout() -> io::Result<File> {
    use std::os::fd::AsFd as _;

    let pipe = io::stdout().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdout(io::stderr())?;
    Ok(File::from(pipe))
}

/// No core files, the memory limit in bytes if there is one, and an end with the parent where the system offers it.
#[cfg(unix)]
pub(crate) fn confine(memory_limit: Option<u64>) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};

    let limit = |bytes| Rlimit { current: Some(bytes), maximum: Some(bytes) };
    setrlimit(Resource::Core, limit(0))?;
    if let Some(bytes) = memory_limit {
        setrlimit(Resource::As, limit(bytes))?;
    }
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    Ok(())
}

/// End this process at once, without the destructors of a library that is in the middle of its work.
pub(crate) fn end(status: i32) -> ! {
    unsafe extern "C" {
        fn _exit(status: std::ffi::c_int) -> !;
    }
    // SAFETY: `_exit` takes any status, runs no code of ours and doesn't return.
    unsafe { _exit(status) }
}
