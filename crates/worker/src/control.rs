//! Shared state through which the reader thread reaches the engine thread while that is busy.
//!
//! Owned here: which requests wait or run, and for each whether it is cancelled and how many tokens it may draw; stop, the
//! number of threads, the counts of decode calls and of steps. One static, since llama.cpp calls back from C.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The one control block of this process.
pub(crate) static CONTROL: Control = Control {
    stopping: AtomicBool::new(false),
    finishing: AtomicBool::new(false),
    finishes: AtomicBool::new(false),
    is_pointless: AtomicBool::new(false),
    n_threads: AtomicU32::new(1),
    n_decodes: AtomicU64::new(0),
    n_steps: AtomicU64::new(0),
    waits: AtomicBool::new(false),
    state: Mutex::new(State { requests: Vec::new(), n_parallel: 1, is_alone: false, n_changes: 0 }),
    changed: Condvar::new(),
};

pub(crate) struct Control {
    stopping: AtomicBool,
    /// What is to be kept for the next load is being kept: the end waits for it.
    finishing: AtomicBool,
    /// The end is to wait for that.
    finishes: AtomicBool,
    /// Every request of the decode call that runs is cancelled. Read from within the call, so it takes no lock.
    is_pointless: AtomicBool,
    n_threads: AtomicU32,
    n_decodes: AtomicU64,
    /// Steps of work: what proves that the engine's thread makes progress.
    n_steps: AtomicU64,
    /// The engine's thread waits for something to do.
    waits: AtomicBool,
    state: Mutex<State>,
    /// `n_changes` has grown.
    changed: Condvar,
}

struct State {
    /// The requests that are queued or running.
    requests: Vec<Running>,
    /// The most of them.
    n_parallel: usize,
    /// The running request has the engine to itself.
    is_alone: bool,
    /// Changes that the engine's thread may have to act on.
    n_changes: u64,
}

struct Running {
    id: u64,
    is_cancelled: bool,
    /// Tokens that it may draw, where it needs credits to.
    credits: u32,
    /// It is in the decode call that runs.
    is_decoding: bool,
    /// It is a query, which needs no sequence.
    is_query: bool,
}

impl State {
    fn push(&mut self, id: u64, is_decoding: bool, is_query: bool) {
        self.requests.push(Running { id, is_cancelled: false, credits: 0, is_decoding, is_query });
    }

    /// Requests that are queries, or those that are none.
    fn count(&self, queries: bool) -> usize {
        self.requests.iter().filter(|request| request.is_query == queries).count()
    }

    fn of(&mut self, id: u64) -> Option<&mut Running> {
        self.requests.iter_mut().find(|request| request.id == id)
    }
}

impl Control {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many requests may run at once.
    pub(crate) fn set_parallel(&self, n_parallel: u32) {
        self.state().n_parallel = n_parallel.clamp(1, MAX_PARALLEL) as usize;
    }

    /// Admit a request; `false` if the maximum number is running.
    pub(crate) fn begin(&self, id: u64) -> bool {
        let mut state = self.state();
        let is_full = state.is_alone || state.count(false) >= state.n_parallel;
        if is_full || state.of(id).is_some() {
            return false;
        }
        state.push(id, false, false);
        true
    }

    /// Admit a query; `false` if the maximum number is waiting.
    pub(crate) fn begin_query(&self, id: u64) -> bool {
        let mut state = self.state();
        if state.count(true) >= MAX_QUERIES || state.of(id).is_some() {
            return false;
        }
        state.push(id, false, true);
        true
    }

    /// Admit a request that has the engine for itself but for queries; `false` where any other runs.
    pub(crate) fn begin_alone(&self, id: u64) -> bool {
        let mut state = self.state();
        if state.count(false) > 0 || state.of(id).is_some() {
            return false;
        }
        state.is_alone = true;
        state.push(id, true, false);
        self.update_pointless(&state);
        true
    }

    /// This request has ended: another may begin.
    pub(crate) fn end(&self, id: u64) {
        let mut state = self.state();
        state.requests.retain(|request| request.id != id);
        state.is_alone &= state.count(false) > 0;
        self.update_pointless(&state);
    }

    /// Let this request draw this many more tokens.
    pub(crate) fn add_credits(&self, id: u64, n_tokens: u32) {
        if let Some(request) = self.state().of(id) {
            request.credits = request.credits.saturating_add(n_tokens);
        }
        self.notify();
    }

    /// Take a credit for one token, where this request has any.
    pub(crate) fn take_credit(&self, id: u64) -> bool {
        let mut state = self.state();
        let Some(request) = state.of(id).filter(|request| request.credits > 0) else { return false };
        request.credits -= 1;
        true
    }

    /// Cancel this request.
    pub(crate) fn cancel(&self, id: u64) {
        let mut state = self.state();
        if let Some(request) = state.of(id) {
            request.is_cancelled = true;
            self.update_pointless(&state);
        }
        drop(state);
        self.notify();
    }

    /// Whether this request is to end now.
    pub(crate) fn is_cancelled(&self, id: u64) -> bool {
        self.is_stopping() || self.state().of(id).is_none_or(|request| request.is_cancelled)
    }

    /// A decode call with tokens of these requests is starting.
    pub(crate) fn begin_decode(&self, ids: &[u64]) {
        let mut state = self.state();
        let is_alone = state.is_alone;
        for request in &mut state.requests {
            request.is_decoding = ids.contains(&request.id) || is_alone && !request.is_query;
        }
        self.update_pointless(&state);
    }

    /// The decode call has ended.
    pub(crate) fn end_decode(&self) {
        self.begin_decode(&[]);
    }

    /// A call is aborted only if none of its requests is wanted any more: the others' tokens would be lost with it.
    fn update_pointless(&self, state: &State) {
        let mut decoding = state.requests.iter().filter(|request| request.is_decoding).peekable();
        let is_pointless = decoding.peek().is_some() && decoding.all(|request| request.is_cancelled);
        self.is_pointless.store(is_pointless, Relaxed);
    }

    /// Stop whatever is going on, for good.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Relaxed);
        self.notify();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }

    /// Whether what runs now is to be left. Asked by llama.cpp before each node of a graph.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.is_pointless.load(Relaxed) || self.is_stopping() && !self.finishing.load(Relaxed)
    }

    /// Whether something is to be kept before the process ends.
    pub(crate) fn set_finishes(&self, finishes: bool) {
        self.finishes.store(finishes, Relaxed);
    }

    pub(crate) fn finishes(&self) -> bool {
        self.finishes.load(Relaxed)
    }

    /// All that ran has ended; from here on decode calls are for what is to be kept.
    pub(crate) fn begin_finish(&self) {
        self.finishing.store(true, Relaxed);
    }

    /// Something changed that the engine's thread may have to act on.
    pub(crate) fn notify(&self) {
        self.state().n_changes += 1;
        self.changed.notify_all();
    }

    /// Changes so far; to be read before looking for something to do.
    pub(crate) fn n_changes(&self) -> u64 {
        self.state().n_changes
    }

    /// Wait until there are more changes than `seen`.
    pub(crate) fn wait_for_change(&self, seen: u64) {
        let mut state = self.state();
        self.waits.store(true, Relaxed);
        while state.n_changes == seen {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        self.waits.store(false, Relaxed);
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

    pub(crate) fn n_decodes(&self) -> u64 {
        self.n_decodes.load(Relaxed)
    }
}

/// ggml's own limit.
const MAX_THREADS: u32 = 512;
/// Queries that wait or run. The supervisor keeps more of them back.
pub(crate) const MAX_QUERIES: usize = 32;
/// The most sequences of one context: llama.cpp's own limit.
pub(crate) const MAX_PARALLEL: u32 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn control(n_parallel: u32) -> Control {
        let state = State { requests: Vec::new(), n_parallel: 1, is_alone: false, n_changes: 0 };
        let control = Control {
            stopping: AtomicBool::new(false),
            finishing: AtomicBool::new(false),
            finishes: AtomicBool::new(false),
            is_pointless: AtomicBool::new(false),
            n_threads: AtomicU32::new(1),
            n_decodes: AtomicU64::new(0),
            n_steps: AtomicU64::new(0),
            waits: AtomicBool::new(false),
            state: Mutex::new(state),
            changed: Condvar::new(),
        };
        control.set_parallel(n_parallel);
        control
    }

    #[test]
    fn as_many_run_as_there_are_sequences() {
        let control = control(2);
        assert!(control.begin(1) && control.begin(2) && !control.begin(3) && !control.begin_alone(4));
        control.end(1);
        assert!(!control.begin(2), "an id that runs");
        assert!(control.begin(3));
        control.end(2);
        control.end(3);
        assert!(control.begin_alone(4) && !control.begin(5) && !control.begin_alone(6));
        control.end(4);
        assert!(control.begin(5));
    }

    #[test]
    fn queries_wait_for_no_sequence() {
        let control = control(1);
        assert!(control.begin(1) && control.begin_query(2) && !control.begin_query(2) && !control.begin_alone(3));
        control.end(1);
        assert!(control.begin_alone(3) && control.begin_query(4) && !control.begin(5));
        control.begin_decode(&[2]);
        control.cancel(2);
        assert!(!control.is_interrupted(), "the one that is alone is wanted");
        control.end(3);
        control.begin_decode(&[2]);
        assert!(control.is_interrupted());
        control.end(2);
        assert!(control.begin(5), "a query holds no sequence");
        for id in 10..9 + MAX_QUERIES as u64 {
            assert!(control.begin_query(id), "{id}");
        }
        assert!(!control.begin_query(99));
    }

    #[test]
    fn a_call_is_aborted_when_all_of_its_requests_are_cancelled() {
        let control = control(3);
        for id in 1..=3 {
            control.begin(id);
        }
        control.begin_decode(&[1, 2]);
        control.cancel(1);
        assert!(control.is_cancelled(1) && !control.is_cancelled(2) && !control.is_interrupted());
        control.cancel(2);
        assert!(control.is_interrupted(), "the third is not in the call");
        control.end_decode();
        assert!(!control.is_interrupted());
        control.end(1);
        control.end(2);
        control.begin_decode(&[3]);
        assert!(!control.is_interrupted());
        control.stop();
        assert!(control.is_interrupted() && control.is_cancelled(3));
    }

    #[test]
    fn credits_belong_to_their_request() {
        let control = control(2);
        control.begin(1);
        control.begin(2);
        control.add_credits(1, 1);
        control.add_credits(9, 1);
        assert!(!control.take_credit(2) && control.take_credit(1) && !control.take_credit(1));
        control.add_credits(2, u32::MAX);
        control.add_credits(2, u32::MAX);
        assert!(control.take_credit(2));
    }
}
