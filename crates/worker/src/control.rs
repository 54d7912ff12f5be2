//! What the reader thread tells the engine's thread while that is busy.
//!
//! Owned here: cancel, stop, the number of threads, the counts of decode calls and of steps, which generation is running,
//! and how many tokens one that goes step by step may draw. One static, since llama.cpp calls back from C.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, PoisonError};

/// The one control block of this process.
pub(crate) static CONTROL: Control = Control {
    cancelled: AtomicBool::new(false),
    stopping: AtomicBool::new(false),
    n_threads: AtomicU32::new(1),
    n_decodes: AtomicU64::new(0),
    n_steps: AtomicU64::new(0),
    waits: AtomicBool::new(true),
    running: Mutex::new(None),
    credits: Mutex::new(0),
    freed: Condvar::new(),
};

pub(crate) struct Control {
    cancelled: AtomicBool,
    stopping: AtomicBool,
    n_threads: AtomicU32,
    n_decodes: AtomicU64,
    /// Steps of work: what proves that the engine's thread gets on.
    n_steps: AtomicU64,
    /// The engine's thread waits for something to do.
    waits: AtomicBool,
    /// The generation that is queued or running.
    running: Mutex<Option<u64>>,
    /// Tokens that a generation which goes step by step may draw.
    credits: Mutex<u32>,
    /// That number has grown, or nothing is worth waiting for any more.
    freed: Condvar,
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
        *self.credits.lock().unwrap_or_else(PoisonError::into_inner) = 0;
        true
    }

    /// Let this generation draw so many tokens more, if it is the one.
    pub(crate) fn go(&self, id: u64, n_tokens: u32) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if *running == Some(id) {
            let mut credits = self.credits.lock().unwrap_or_else(PoisonError::into_inner);
            *credits = credits.saturating_add(n_tokens);
            self.freed.notify_all();
        }
    }

    /// Wait until a token may be drawn, and take it off; `false` where the generation is to end.
    pub(crate) fn take_free(&self) -> bool {
        let mut credits = self.credits.lock().unwrap_or_else(PoisonError::into_inner);
        self.waits.store(true, Relaxed);
        while *credits == 0 && !self.is_interrupted() {
            credits = self.freed.wait(credits).unwrap_or_else(PoisonError::into_inner);
        }
        self.waits.store(false, Relaxed);
        *credits = credits.saturating_sub(1);
        !self.is_interrupted()
    }

    /// Wake who waits for a token. With the lock, so that none is between looking and waiting.
    fn wake(&self) {
        let _n_free = self.credits.lock().unwrap_or_else(PoisonError::into_inner);
        self.freed.notify_all();
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
            self.wake();
        }
    }

    /// Stop whatever is going on, for good.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Relaxed);
        self.wake();
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
        self.count_step();
    }

    /// Something was done, or is about to be.
    pub(crate) fn count_step(&self) {
        self.n_steps.fetch_add(1, Relaxed);
    }

    /// Steps so far; `None` while the engine's thread waits for something to do.
    pub(crate) fn n_steps(&self) -> Option<u64> {
        (!self.waits.load(Relaxed)).then(|| self.n_steps.load(Relaxed))
    }

    /// The engine's thread waits for its next task, or has got it.
    pub(crate) fn set_waits(&self, waits: bool) {
        self.waits.store(waits, Relaxed);
    }

    pub(crate) fn n_decodes(&self) -> u64 {
        self.n_decodes.load(Relaxed)
    }
}

/// ggml's own limit.
const MAX_THREADS: u32 = 512;
