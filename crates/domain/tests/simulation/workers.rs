//! Worker processes that load, answer, fail, hang, die and lie.

use std::collections::VecDeque;
use std::path::PathBuf;

use domain::event::WorkerEvent;
use domain::session::{JobId, JobState, WorkerId};
use wire::{
    Channel, Counters, Event as Message, Failure, FailureKind, Finish, Hello, Ledger, Loaded, Measured, Piece, Queried,
    QueryResult, Request, Sampling, Scored, Started, Token, ToolCallDelta, TopLogprob, Weight,
};

use crate::dice::Dice;

/// Where a process is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Starting,
    Spawned,
    Loading(u8),
    Ready,
    Ended,
}

/// Where it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runs {
    /// As a process of this machine.
    Here,
    /// As a job of a cluster.
    Job,
    /// With an engine of another program.
    Remote,
}

/// A request that it works on.
#[derive(Debug, Clone)]
enum Job {
    Answer { id: u64, n_prompt: u32, left: u32, credits: Option<u32>, tokens: bool, counters: Counters, step: u8 },
    Measure { id: u64, n: usize },
    Score { id: u64, chunk: u32, compares: Option<PathBuf> },
    Query { id: u64, is_cancelled: bool },
}

/// One process.
#[derive(Debug, Clone)]
pub(crate) struct Worker {
    pub(crate) id: WorkerId,
    pub(crate) pid: u32,
    pub(crate) asked_to_stop: bool,
    life: Life,
    hangs: bool,
    runs: Runs,
    jobs: Vec<Job>,
    n_chunks: u32,
    vocabulary: u8,
    /// What it has written and nobody has read yet.
    queue: VecDeque<WorkerEvent>,
}

impl Worker {
    pub(crate) fn new(id: WorkerId, pid: u32, runs: Runs, dice: &mut Dice) -> Self {
        Self {
            id,
            pid,
            asked_to_stop: false,
            life: Life::Starting,
            hangs: false,
            runs,
            jobs: Vec::new(),
            n_chunks: 1 + dice.below(3) as u32,
            vocabulary: u8::from(dice.permille(50)),
            queue: VecDeque::new(),
        }
    }

    /// Whether its process runs, which the sensors then show.
    pub(crate) fn is_running(&self) -> bool {
        self.runs == Runs::Here && !matches!(self.life, Life::Starting | Life::Ended)
    }

    /// Whether it has said its last and all of it was read.
    pub(crate) fn is_gone(&self) -> bool {
        self.life == Life::Ended && self.queue.is_empty()
    }

    /// Whether nothing more comes of it by itself.
    pub(crate) fn is_quiet(&self) -> bool {
        self.queue.is_empty()
            && !self.asked_to_stop
            && (self.life == Life::Ended || (self.life == Life::Ready && self.jobs.iter().all(Job::waits)))
    }

    /// The next event that is read of it.
    pub(crate) fn read(&mut self) -> Option<WorkerEvent> {
        self.queue.pop_front()
    }

    pub(crate) fn ask(&mut self, request: Request, dice: &mut Dice) {
        match request {
            Request::Generate(generate) => {
                let most = generate.max_tokens.unwrap_or(30).min(30);
                let left = 1 + dice.below(u64::from(most.max(1))) as u32;
                let n_prompt = 1 + dice.below(50) as u32;
                let (id, credits, tokens) = (generate.id, generate.credits, generate.n_top_logprobs > 0);
                let counters = Counters::default();
                self.jobs.push(Job::Answer { id, n_prompt, left, credits, tokens, counters, step: 0 });
            }
            Request::Cancel { id: cancelled } => {
                for job in &mut self.jobs {
                    match job {
                        Job::Answer { id, step, .. } if *id == cancelled => *step = Job::CANCELLED,
                        Job::Query { id, is_cancelled } if *id == cancelled => *is_cancelled = true,
                        _ => {}
                    }
                }
            }
            Request::Continue { id: continued, n_tokens } => {
                for job in &mut self.jobs {
                    if let Job::Answer { id, credits: Some(credits), .. } = job
                        && *id == continued
                    {
                        *credits = credits.saturating_add(n_tokens);
                    }
                }
            }
            Request::Score(score) => {
                let compares = match score.distributions {
                    wire::Distributions::Compare(file) => Some(file),
                    _ => None,
                };
                self.jobs.push(Job::Score { id: score.id, chunk: score.chunk, compares });
            }
            Request::Measure(measure) => {
                self.jobs.push(Job::Measure { id: measure.id, n: measure.n_generate.min(20) as usize });
            }
            Request::Query(query) => self.jobs.push(Job::Query { id: query.id, is_cancelled: false }),
            Request::Load(_)
            | Request::Threads { .. }
            | Request::Ping { .. }
            | Request::ClearCache
            | Request::Shutdown => {}
        }
    }

    /// Do something. `calm` workers neither die nor lie, and hang no longer: whoever hangs is killed.
    pub(crate) fn act(&mut self, calm: bool, dice: &mut Dice) {
        if self.life == Life::Ended {
            return;
        }
        if self.asked_to_stop && (calm || dice.permille(300)) {
            return self.end(true, "stopped");
        }
        if self.hangs {
            if calm || dice.permille(20) {
                self.end(self.asked_to_stop, "stopped answering for 10 s");
            }
            return;
        }
        if !calm && dice.permille(6) {
            return self.end(self.asked_to_stop, "killed by signal 9");
        }
        if !calm && dice.permille(4) {
            self.hangs = true;
            return;
        }
        if !calm && self.life != Life::Starting && dice.permille(15) {
            let lie = self.lie(dice);
            self.say(lie);
            return;
        }
        match self.life {
            Life::Starting if self.runs == Runs::Job && dice.permille(300) => self.job(dice),
            Life::Starting => {
                self.life = Life::Spawned;
                // One elsewhere has no process here.
                if self.runs == Runs::Here {
                    self.queue.push_back(WorkerEvent::Spawned { pid: self.pid });
                }
            }
            Life::Spawned => {
                self.life = Life::Loading(0);
                let pid = if self.runs == Runs::Remote { 0 } else { self.pid };
                let hello = Hello { version: wire::VERSION, pid, engine: "sim 1".into(), devices: Vec::new() };
                self.say(Message::Hello(hello));
            }
            Life::Loading(steps) if steps < 3 => {
                self.life = Life::Loading(steps + 1);
                self.say(Message::Loading { fraction: f32::from(steps) / 3.0 });
                self.queue.push_back(WorkerEvent::Logged(format!("loading, step {steps}")));
            }
            Life::Loading(_) if !calm && dice.permille(100) => {
                self.say(failed(None, FailureKind::Load));
                self.end(false, "exit status 1");
            }
            Life::Loading(_) => {
                self.life = Life::Ready;
                // An engine elsewhere tells no memory, and its context where it likes.
                let there = Loaded { n_ctx: dice.below(2) as u32 * 512, ledger: Ledger::default(), ..loaded() };
                self.say(Message::Loaded(Box::new(if self.runs == Runs::Remote { there } else { loaded() })));
            }
            Life::Ready if self.runs == Runs::Job && !calm && dice.permille(20) => {
                self.life = Life::Starting;
                self.jobs.clear();
                self.queue.push_back(WorkerEvent::Requeued { reason: "its node failed".to_owned() });
            }
            Life::Ready => self.work(calm, dice),
            Life::Ended => {}
        }
    }

    /// News of its job.
    fn job(&mut self, dice: &mut Dice) {
        let pending = JobState::Pending { reason: "waits".to_owned(), hint: None };
        let state = if dice.permille(500) { pending } else { JobState::Starting };
        let id = JobId { job: 7, task: dice.permille(500).then_some(1) };
        let (partition, node, expected, n_requeued) = (None, None, None, 0);
        let job = domain::session::Job { id, state, partition, node, ends: Some(9), expected, n_requeued };
        self.queue.push_back(WorkerEvent::Job(job));
    }

    fn end(&mut self, expected: bool, reason: &str) {
        let hint = (!expected).then(|| "restart it".to_owned());
        self.life = Life::Ended;
        self.jobs.clear();
        self.queue.push_back(WorkerEvent::Exited { reason: reason.to_owned(), expected, hint });
    }

    fn say(&mut self, message: Message) {
        self.queue.push_back(WorkerEvent::Message(message));
    }

    /// One step of a request that can be worked on.
    fn work(&mut self, calm: bool, dice: &mut Dice) {
        let open: Vec<usize> = (0..self.jobs.len()).filter(|place| !self.jobs[*place].waits()).collect();
        let Some(place) = dice.pick(&open).copied() else { return };
        if !calm && dice.permille(10) {
            let kind = if dice.permille(500) { FailureKind::Decode } else { FailureKind::PromptTooLong };
            let id = self.jobs.remove(place).id();
            return self.say(failed(Some(id), kind));
        }
        let (message, is_done) = match &mut self.jobs[place] {
            Job::Answer { .. } => self.jobs[place].answer(dice),
            Job::Measure { id, n } => {
                let step_us = (0..*n).map(|_| 1000 + dice.below(500) as u32).collect();
                let is_whole = calm || dice.permille(950);
                (
                    Message::Measured(Measured { id: *id, is_whole, prompt_us: 5000, step_us, ..Measured::default() }),
                    true,
                )
            }
            Job::Query { id, is_cancelled: true } => {
                (Message::Finished { id: *id, finish: Finish::Cancelled, counters: Counters::default() }, true)
            }
            Job::Query { id, .. } => (queried(*id), true),
            Job::Score { id, chunk, compares } => {
                let divergence = compares.as_ref().map(|_| 0.1);
                let weight =
                    Weight { bytes: b"x".to_vec(), surprise: 1.5, divergence, agrees: divergence.map(|_| true) };
                let scored = Scored {
                    id: *id,
                    chunk: *chunk,
                    n_chunks: self.n_chunks,
                    vocabulary: [self.vocabulary; 32],
                    before: Vec::new(),
                    tokens: vec![weight; 3],
                };
                (Message::Scored(Box::new(scored)), true)
            }
        };
        if is_done {
            self.jobs.remove(place);
        }
        self.say(message);
    }

    /// Something out of turn.
    fn lie(&self, dice: &mut Dice) -> Message {
        // Of requests that are its own, others' and nobody's; none of them runs here any more or yet.
        let own: Vec<u64> = self.jobs.iter().map(Job::id).collect();
        let id = loop {
            let id = dice.below(4000);
            if !own.contains(&id) {
                break id;
            }
        };
        let counters = Counters { n_generated: 7, n_prompt: 9, decode_us: 1_000_000, ..Counters::default() };
        match dice.below(13) {
            11 => queried(id),
            0 => Message::Hello(Hello { version: 99, pid: 1, engine: "liar".into(), devices: Vec::new() }),
            1 => Message::Loading { fraction: 7.5 },
            2 => Message::Loaded(Box::new(loaded())),
            3 => Message::Started(Started { id, n_prompt: 3, n_cached: 9, sampling: Sampling::default() }),
            4 => Message::Prompt { id, n_done: u32::MAX },
            5 => {
                let pieces = vec![Piece { channel: Channel::Answer, text: "a lie".into() }];
                let delta = ToolCallDelta { index: dice.below(3) as u32, ..ToolCallDelta::default() };
                Message::Text { id, pieces, tool_calls: vec![delta], counters, tokens: Vec::new() }
            }
            6 => Message::Finished { id, finish: Finish::Stop, counters },
            7 => failed(Some(id), FailureKind::PromptTooLong),
            8 => Message::Measured(Measured {
                id,
                is_whole: true,
                prompt_us: 1,
                step_us: vec![1],
                ttft_us: Some(2),
                ..Measured::default()
            }),
            9 => {
                let tokens = Vec::new();
                let scored = Scored { id, chunk: 0, n_chunks: 0, vocabulary: [9; 32], before: Vec::new(), tokens };
                Message::Scored(Box::new(scored))
            }
            10 => failed(None, FailureKind::Load),
            _ => Message::Pong { nonce: 1, n_decodes: 2, n_steps: None },
        }
    }
}

impl Job {
    /// The step of an answer that was cancelled.
    const CANCELLED: u8 = 9;

    fn id(&self) -> u64 {
        match self {
            Self::Answer { id, .. } | Self::Measure { id, .. } | Self::Score { id, .. } | Self::Query { id, .. } => *id,
        }
    }

    /// Whether it waits for the supervisor.
    fn waits(&self) -> bool {
        matches!(self, Self::Answer { credits: Some(0), step: 2, left: 1.., .. })
    }

    /// The next message of an answer, and whether it is the last.
    fn answer(&mut self, dice: &mut Dice) -> (Message, bool) {
        let Self::Answer { id, n_prompt, left, credits, tokens, counters, step } = self else {
            return (failed(None, FailureKind::Busy), true);
        };
        let (id, n_prompt) = (*id, *n_prompt);
        match *step {
            0 => {
                *step = 1;
                let n_cached = dice.below(u64::from(n_prompt)) as u32;
                (Message::Started(Started { id, n_prompt, n_cached, sampling: Sampling::default() }), false)
            }
            1 => {
                *step = 2;
                *counters =
                    Counters { n_prompt, prompt_us: 40_000, ttft_us: Some(50_000), decode_us: 40_000, ..*counters };
                (Message::Prompt { id, n_done: n_prompt }, false)
            }
            2 if *left > 0 => {
                *left -= 1;
                if let Some(credits) = credits {
                    *credits = credits.saturating_sub(1);
                }
                counters.n_generated += 1;
                counters.generation_us += 20_000 + dice.below(60_000);
                counters.decode_us += 20_000;
                counters.n_past = n_prompt + counters.n_generated;
                let channel = if dice.permille(200) { Channel::Reasoning } else { Channel::Answer };
                // Columns that are decoded together say the same for a while.
                let text = if *tokens { format!("{} ", dice.below(40) / 39) } else { format!("{id}.{left} ") };
                let top = TopLogprob { bytes: text.clone().into_bytes(), probability: 0.5 };
                let token = Token { bytes: text.clone().into_bytes(), top_logprobs: vec![top] };
                let tokens = if *tokens { vec![token] } else { Vec::new() };
                let n_deltas = if dice.permille(100) { 2 } else { 0 };
                let delta = |_| ToolCallDelta {
                    index: dice.below(3) as u32,
                    id: dice.permille(300).then(|| format!("call_{left}")),
                    name: dice.permille(300).then(|| "tool".to_owned()),
                    arguments: text.clone(),
                };
                let tool_calls = (0..n_deltas).map(delta).collect();
                let pieces = vec![Piece { channel, text: text.clone() }];
                (Message::Text { id, pieces, tool_calls, counters: *counters, tokens }, false)
            }
            step => {
                let all = [Finish::Stop, Finish::StopText(0), Finish::Length, Finish::ContextFull];
                let finish = if step == Self::CANCELLED { Finish::Cancelled } else { all[dice.index(all.len())] };
                (Message::Finished { id, finish, counters: *counters }, true)
            }
        }
    }
}

fn queried(id: u64) -> Message {
    let result = QueryResult::Embedded { vectors: vec![vec![0.5, 0.25]], n_tokens: vec![1] };
    Message::Queried(Box::new(Queried { id, result }))
}

fn failed(id: Option<u64>, kind: FailureKind) -> Message {
    Message::Failed(Failure { id, kind, message: "it failed".into(), hint: None })
}

fn loaded() -> Loaded {
    Loaded {
        n_ctx: 512,
        n_ctx_train: 512,
        n_gpu_layers: 0,
        n_layers: 2,
        ledger: Ledger::default(),
        has_template: true,
        embeds_only: false,
        sampling: Sampling::default(),
        load_us: 1_000_000,
        load_cpu_us: Some(900_000),
    }
}
