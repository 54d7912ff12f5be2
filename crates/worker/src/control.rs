//! What the reader thread tells the engine's thread while that is busy.
//!
//! Owned here: cancel, stop, the number of threads, the count of decode calls, and which generation is running. One
//! static, since llama.cpp calls back from C.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// The one control block of this process.
pub(crate) static CONTROL: Control = Control {
    cancelled: AtomicBool::new(false),
    stopping: AtomicBool::new(false),
    n_threads: AtomicU32::new(1),
    n_decodes: AtomicU64::new(0),
    running: Mutex::new(None),
};

pub(crate) struct Control {
    cancelled: AtomicBool,
    stopping: AtomicBool,
    n_threads: AtomicU32,
    n_decodes: AtomicU64,
    /// The generation that is queued or running.
    running: Mutex<Option<u64>>,
}

impl Control {
    /// Take the engine for a generation; `false` where another has it.
    pub(crate) fn begin(&self, id: u64) -> bool {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if running.is_some() {
            return false;
        }
        *running = Some(id);
        self.cancelled.store(false, Relaxed);
        true
    }

    /// The generation has ended: another may begin.
    pub(crate) fn end(&self) {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Cancel this generation if it is the one.
    pub(crate) fn cancel(&self, id: u64) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if *running == Some(id) {
            self.cancelled.store(true, Relaxed);
        }
    }

    /// Stop whatever is going on, for good.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Relaxed);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }

    /// Whether the running generation is to end now. Asked by llama.cpp before each node of a graph.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.cancelled.load(Relaxed) || self.is_stopping()
    }

    pub(crate) fn set_threads(&self, n_threads: u32) {
        self.n_threads.store(n_threads.clamp(1, MAX_THREADS), Relaxed);
    }

    pub(crate) fn n_threads(&self) -> u32 {
        self.n_threads.load(Relaxed)
    }

    pub(crate) fn count_decode(&self) {
        self.n_decodes.fetch_add(1, Relaxed);
    }

    pub(crate) fn n_decodes(&self) -> u64 {
        self.n_decodes.load(Relaxed)
    }
}

/// ggml's own limit.
const MAX_THREADS: u32 = 512;
