//! The way of events to the supervisor.

use std::fs::File;
use std::sync::{Mutex, PoisonError};

use wire::Event;

use crate::process;

/// The pipe to the supervisor, shared by the reader and the engine's thread.
pub(crate) struct Out(Mutex<File>);

impl Out {
    pub(crate) fn new(pipe: File) -> Self {
        Self(Mutex::new(pipe))
    }

    /// Send an event. Waits while the pipe is full; a supervisor that is gone ends this process.
    pub(crate) fn send(&self, event: &Event) {
        let mut pipe = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = wire::write(&mut *pipe, event) {
            crate::note::note(&format!("the supervisor can't be reached: {error}"));
            process::end(1);
        }
    }
}
