//! A real worker over real pipes, running the starter models.
#![cfg(feature = "llama")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

mod control;
mod embedders;
mod files;
mod formats;
mod forms;
mod ledger;
mod queries;
mod rpc;
mod score;
mod sequences;
mod templates;
mod tools;

use std::io::{BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use wire::{
    CacheType, Channel, Counters, Event, Failure, FailureKind, Finish, FlashAttention, Generate, Grammar, Load, Loaded,
    LogitBias, Measure, Message, Prompt, Request, Role, Sampling, Started, Token, ToolCall,
};

/// No event of a test takes this long, even on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

struct Worker {
    child: Child,
    input: Option<ChildStdin>,
    events: Receiver<Event>,
}

/// What one generation gave.
struct Answer {
    started: Option<Started>,
    text: String,
    reasoning: String,
    calls: Vec<ToolCall>,
    /// The arguments of each delta, in order.
    deltas: Vec<String>,
    n_prompt_events: usize,
    end: Result<(Finish, Counters), Failure>,
}

impl Answer {
    fn finish(&self) -> Finish {
        self.end.as_ref().unwrap().0
    }

    fn counters(&self) -> Counters {
        self.end.as_ref().unwrap().1
    }
}

impl Worker {
    fn start() -> Self {
        Self::spawn(&mut Command::new(env!("CARGO_BIN_EXE_taffrail-worker")), Stdio::null())
    }

    fn spawn(command: &mut Command, log: Stdio) -> Self {
        command.env("OMP_WAIT_POLICY", "passive").env("GGML_NO_BACKTRACE", "1");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let (send, events) = channel();
        std::thread::spawn(move || {
            while let Ok(Some(event)) = wire::read(&mut output) {
                if send.send(event).is_err() {
                    break;
                }
            }
        });
        let mut worker = Self { input: child.stdin.take(), child, events };
        let Event::Hello(hello) = worker.event() else { panic!("no greeting") };
        assert_eq!((hello.version, hello.pid), (wire::VERSION, worker.child.id()));
        assert!(hello.engine.starts_with("llama.cpp "), "{}", hello.engine);
        assert!(hello.devices.iter().any(|device| device.total.is_some_and(|total| total > 0)));
        worker
    }

    fn ready(load: &Load) -> (Self, Loaded) {
        let mut worker = Self::start();
        let loaded = worker.load(load).unwrap();
        (worker, loaded)
    }

    fn send(&mut self, request: &Request) {
        wire::write(self.input.as_mut().unwrap(), request).unwrap();
    }

    fn event(&mut self) -> Event {
        self.events.recv_timeout(PATIENCE).expect("an event")
    }

    fn load(&mut self, load: &Load) -> Result<Loaded, Failure> {
        self.send(&Request::Load(load.clone()));
        let mut last = 0.0;
        loop {
            match self.event() {
                Event::Loading { fraction } => {
                    assert!(fraction > last && fraction <= 1.0, "{fraction} after {last}");
                    last = fraction;
                }
                Event::Loaded(loaded) => return Ok(*loaded),
                Event::Failed(failure) => return Err(failure),
                event => panic!("unexpected {event:?}"),
            }
        }
    }

    fn answer(&mut self, generate: &Generate) -> Answer {
        self.send(&Request::Generate(generate.clone()));
        self.listen(generate.id)
    }

    fn listen(&mut self, wanted: u64) -> Answer {
        let (mut started, mut text, mut reasoning, mut n_prompt_events) = (None, String::new(), String::new(), 0);
        let (mut calls, mut deltas) = (Vec::new(), Vec::new());
        loop {
            match self.event() {
                Event::Started(begun) => started = Some(begun),
                Event::Prompt { id, n_done } => {
                    assert_eq!(id, wanted);
                    assert!(n_done <= started.as_ref().unwrap().n_prompt);
                    n_prompt_events += 1;
                }
                Event::Text { id, pieces, tool_calls, .. } => {
                    assert_eq!(id, wanted);
                    deltas.extend(tool_calls.iter().map(|delta| delta.arguments.clone()));
                    wire::add_deltas(&mut calls, tool_calls, (99, 1 << 20));
                    for piece in pieces {
                        match piece.channel {
                            Channel::Answer => text.push_str(&piece.text),
                            Channel::Reasoning => reasoning.push_str(&piece.text),
                        }
                    }
                }
                Event::Finished { id, finish, counters } => {
                    assert_eq!(id, wanted);
                    let end = Ok((finish, counters));
                    return Answer { started, text, reasoning, calls, deltas, n_prompt_events, end };
                }
                Event::Failed(failure) => {
                    let end = Err(failure);
                    return Answer { started, text, reasoning, calls, deltas, n_prompt_events, end };
                }
                event => panic!("unexpected {event:?}"),
            }
        }
    }

    /// Close the worker's input.
    fn hang_up(&mut self) {
        self.input = None;
    }

    fn wait(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "the worker is still there");
            std::thread::yield_now();
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn starter(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../starter").join(name)
}

fn small() -> Load {
    Load {
        path: starter("ishmael-1m-Q8_0.gguf"),
        n_ctx: 512,
        n_batch: 256,
        n_ubatch: 64,
        n_threads: 1,
        n_gpu_layers: None,
        devices: None,
        cache_type_k: CacheType::F16,
        cache_type_v: CacheType::F16,
        flash_attention: FlashAttention::Auto,
        mmap: true,
        mlock: false,
        n_parallel: 1,
        kv_unified: false,
        amx: true,
        prompt_cache: 0,
        kept_prompts: None,
    }
}

/// A context long enough that a prompt takes seconds.
fn long() -> Load {
    Load { path: starter("ishmael-4m-Q8_0.gguf"), n_ctx: 32_768, n_batch: 2048, n_ubatch: 512, ..small() }
}

fn raw(id: u64, text: &str, max_tokens: u32) -> Generate {
    Generate {
        id,
        prompt: Prompt::Raw(text.to_owned()),
        max_tokens: Some(max_tokens),
        sampling: Sampling { seed: Some(7), ..Sampling::default() },
        grammar: None,
        stop: Vec::new(),
        n_top_logprobs: 0,
        logit_bias: Vec::new(),
        credits: None,
        min_room: 0,
        context_shift: false,
    }
}

fn chat(id: u64, turns: &[(Role, &str)], max_tokens: u32) -> Generate {
    let message = |(role, text): &(Role, &str)| Message::new(*role, *text);
    Generate { prompt: turns.iter().map(message).collect(), ..raw(id, "", max_tokens) }
}

#[test]
fn tokens_are_told_with_what_else_was_likely() {
    let (mut worker, _) = Worker::ready(&small());
    let greedy = Sampling { temperature: Some(0.0), ..Sampling::default() };
    worker.send(&Request::Generate(Generate { n_top_logprobs: 5, sampling: greedy, ..raw(1, "It was", 12) }));
    let (mut text, mut told) = (String::new(), Vec::new());
    loop {
        match worker.event() {
            Event::Text { pieces, tokens, .. } => {
                text.extend(pieces.into_iter().map(|piece| piece.text));
                told.extend(tokens);
            }
            Event::Finished { .. } => break,
            Event::Started(_) | Event::Prompt { .. } => {}
            event => panic!("unexpected {event:?}"),
        }
    }
    assert_eq!(told.len(), 12);
    let bytes: Vec<u8> = told.iter().flat_map(|token| token.bytes.clone()).collect();
    assert_eq!(String::from_utf8_lossy(&bytes), text);
    for token in &told {
        assert_eq!(token.top_logprobs.len(), 5);
        assert_eq!(token.top_logprobs[0].bytes, token.bytes, "the likeliest token is the one that is taken");
        assert!(token.top_logprobs.is_sorted_by(|one, other| one.probability >= other.probability));
        let sum: f32 = token.top_logprobs.iter().map(|other| other.probability).sum();
        assert!(sum > 0.0 && sum <= 1.0 + 1e-5, "{sum}");
    }
}

#[test]
fn the_ledger_is_what_llama_cpp_prints() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_taffrail-worker"));
    let mut worker = Worker::spawn(command.env("TAFFRAIL_WORKER_VERBOSE", "1"), Stdio::piped());
    let mut log = worker.child.stderr.take().unwrap();
    let read = std::thread::spawn(move || {
        let mut text = Vec::new();
        log.read_to_end(&mut text).map(|_| String::from_utf8_lossy(&text).into_owned())
    });
    // Of a mapped file llama.cpp prints all that lies between the first weight and the last.
    let loaded = worker.load(&Load { mmap: false, ..small() }).unwrap();
    worker.send(&Request::Shutdown);
    worker.wait();
    let log = read.join().unwrap().unwrap();
    let printed = |what: &str| -> f64 {
        let figures = log.lines().filter_map(|line| line.split_once(what)?.1.trim().strip_suffix(" MiB"));
        figures.map(|figure| figure.trim().parse::<f64>().unwrap()).sum()
    };
    let told = |part: fn(&wire::DeviceMemory) -> u64| {
        loaded.ledger.devices.iter().map(part).sum::<u64>() as f64 / f64::from(1 << 20)
    };
    for (what, told) in [
        ("model buffer size =", told(|device| device.weights)),
        ("KV buffer size =", told(|device| device.context)),
        ("compute buffer size =", told(|device| device.compute)),
    ] {
        assert!(told > 0.0, "{what}");
        assert!((told - printed(what)).abs() < 0.006, "{what} {} is told as {told}", printed(what));
    }
}

#[test]
fn every_cache_type_loads_and_answers_or_says_why() {
    use CacheType::{BF16, F16, F32, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0};
    for cache_type in [F32, F16, BF16, Q8_0, Q5_1, Q5_0, Q4_1, Q4_0] {
        for flash_attention in [FlashAttention::Auto, FlashAttention::On, FlashAttention::Off] {
            let load = Load { cache_type_k: cache_type, cache_type_v: cache_type, flash_attention, ..small() };
            let mut worker = Worker::start();
            match worker.load(&load) {
                Ok(_) => assert_eq!(worker.answer(&raw(1, "Call me", 3)).counters().n_generated, 3),
                Err(failure) => {
                    assert_eq!((failure.kind, failure.id), (FailureKind::Context, None));
                    assert!(failure.message.contains("flash"), "{failure:?}");
                    assert!(failure.hint.unwrap().contains("flash attention"));
                    assert_eq!(flash_attention, FlashAttention::Off, "{cache_type:?}");
                    assert_eq!(worker.wait().code(), Some(1));
                }
            }
        }
    }
}

#[test]
fn a_seed_gives_the_same_text_and_another_seed_another() {
    let (mut worker, _) = Worker::ready(&small());
    let first = worker.answer(&raw(1, "Call me", 40));
    assert_eq!(first.finish(), Finish::Length);
    let counters = first.counters();
    assert_eq!((counters.n_generated, counters.n_reasoning), (40, 0));
    assert!(
        counters.ttft_us.is_some_and(|micros| micros > 0)
            && counters.generation_us > 0
            && counters.decode_us > 0
            && counters.prompt_us > 0
    );
    assert_eq!(counters.n_past, first.started.as_ref().unwrap().n_prompt + 39);
    assert!(!first.text.is_empty());
    assert_eq!(worker.answer(&raw(2, "Call me", 40)).text, first.text, "in the same worker, cache and all");
    let (mut other, _) = Worker::ready(&small());
    assert_eq!(other.answer(&raw(1, "Call me", 40)).text, first.text, "in another worker");
    let mut seeded = raw(3, "Call me", 40);
    seeded.sampling.seed = Some(8);
    assert_ne!(worker.answer(&seeded).text, first.text);
    seeded.sampling.seed = None;
    let drawn = worker.answer(&seeded).started.unwrap().sampling;
    assert!(drawn.seed.is_some() && drawn.temperature.is_some() && drawn.top_k.is_some());
    seeded.sampling.temperature = Some(0.0);
    let greedy = worker.answer(&seeded).text;
    assert_eq!(worker.answer(&seeded).text, greedy, "temperature 0 needs no seed");
}

#[test]
fn the_next_turn_reuses_what_the_context_holds() {
    let (mut worker, _) = Worker::ready(&small());
    let first = worker.answer(&chat(1, &[(Role::User, "Call me")], 20));
    let begun = first.started.as_ref().unwrap();
    assert_eq!(begun.n_cached, 0);
    assert_eq!(first.counters().n_prompt, begun.n_prompt);
    let turns = [(Role::User, "Call me"), (Role::Assistant, &first.text), (Role::User, " and the whale")];
    let second = worker.answer(&chat(2, &turns, 5));
    let begun = second.started.as_ref().unwrap();
    // Text that is cut into tokens anew may part from the generated tokens, but not before the first prompt's end.
    assert!(begun.n_cached >= first.counters().n_prompt, "{begun:?}");
    assert_eq!(second.counters().n_prompt, begun.n_prompt - begun.n_cached);

    let again = worker.answer(&chat(3, &turns, 5));
    let begun = again.started.as_ref().unwrap();
    assert_eq!(begun.n_cached, begun.n_prompt - 1, "the last token is evaluated anew");
    assert_eq!(again.text, second.text, "a reused context answers as a fresh one");

    worker.send(&Request::ClearCache);
    let forgotten = worker.answer(&chat(4, &turns, 5));
    assert_eq!(forgotten.started.as_ref().unwrap().n_cached, 0);
    assert_eq!(forgotten.text, second.text);
}

#[test]
fn ends_at_the_context_and_refuses_a_longer_prompt() {
    let (mut worker, loaded) = Worker::ready(&small());
    let full = worker.answer(&Generate { max_tokens: None, ..raw(1, "Call me", 0) });
    assert_eq!(full.finish(), Finish::ContextFull);
    assert_eq!(full.counters().n_past, loaded.n_ctx);
    for text in ["the whale ".repeat(600), "x".repeat(1 << 20)] {
        let failure = worker.answer(&raw(2, &text, 5)).end.unwrap_err();
        assert_eq!((failure.kind, failure.id), (FailureKind::PromptTooLong, Some(2)));
        assert!(failure.message.contains("512 tokens"), "{}", failure.message);
        assert!(failure.hint.is_some());
    }
    assert_eq!(worker.answer(&raw(3, "Call me", 5)).finish(), Finish::Length, "the worker stays usable");
    // llama.cpp makes it longer than this; what was asked for holds all the same.
    let (mut worker, loaded) = Worker::ready(&Load { n_ctx: 64, ..small() });
    assert_eq!(loaded.n_ctx, 64);
    let full = worker.answer(&Generate { max_tokens: None, ..raw(1, "Call me", 0) });
    assert_eq!((full.finish(), full.counters().n_past), (Finish::ContextFull, 64));
}

#[test]
fn refuses_what_can_not_be_carried_out_and_stays_usable() {
    let mut worker = Worker::start();
    let failure = worker.answer(&raw(1, "Call me", 5)).end.unwrap_err();
    assert_eq!((failure.kind, failure.id), (FailureKind::Request, Some(1)), "before a load");
    worker.load(&small()).unwrap();
    for (name, generate) in [
        ("an empty prompt", chat(2, &[], 5)),
        ("hot", Generate { sampling: Sampling { temperature: Some(-1.0), ..Sampling::default() }, ..raw(2, "x", 5) }),
        ("top-p", Generate { sampling: Sampling { top_p: Some(7.0), ..Sampling::default() }, ..raw(2, "x", 5) }),
    ] {
        let end = worker.answer(&generate).end;
        // A vocabulary with a begin-of-text token makes an empty prompt one token long.
        if name == "an empty prompt" && end.is_ok() {
            continue;
        }
        let failure = end.unwrap_err();
        assert_eq!((failure.kind, failure.id), (FailureKind::Request, Some(2)), "{name}");
        assert!(failure.hint.is_some(), "{name}");
    }
    assert_eq!(worker.answer(&raw(3, "Call me", 0)).finish(), Finish::Length);
    assert_eq!(worker.answer(&raw(4, "Call me", 1)).counters().n_generated, 1);
    worker.send(&Request::Load(small()));
    let Event::Failed(failure) = worker.event() else { panic!("a second load") };
    assert_eq!((failure.kind, failure.id), (FailureKind::Request, None));
    assert_eq!(worker.wait().code(), Some(1));
}

#[test]
fn cancels_inside_a_decode_step() {
    // One step that takes seconds.
    let (mut worker, _) = Worker::ready(&Load { n_batch: 16_384, n_ubatch: 16_384, ..long() });
    worker.send(&Request::Generate(raw(1, &"the whale and the sea ".repeat(4000), 5)));
    assert!(matches!(worker.event(), Event::Started(_)));
    worker.send(&Request::Cancel { id: 1 });
    let Event::Finished { finish, counters, .. } = worker.event() else { panic!("the step went on to its end") };
    // How soon is measured in `benches/targets`; that nothing of the step was kept shows that it was left inside.
    assert_eq!((finish, counters.n_past), (Finish::Cancelled, 0));
    assert_eq!(worker.answer(&raw(2, "Call me", 5)).finish(), Finish::Length);
}

impl Worker {
    fn listen_from_started(&mut self, wanted: u64) -> Finish {
        loop {
            match self.event() {
                Event::Finished { id, finish, .. } if id == wanted => return finish,
                Event::Prompt { .. } | Event::Text { .. } => {}
                event => panic!("unexpected {event:?}"),
            }
        }
    }
}

#[test]
fn threads_change_between_decode_steps_without_changing_the_text() {
    let (mut worker, _) = Worker::ready(&small());
    let expected = worker.answer(&raw(1, "Call me", 200)).text;
    worker.send(&Request::Generate(raw(2, "Call me", 200)));
    for n_threads in [2, 1, 0, u32::MAX, 2, 1] {
        worker.send(&Request::Threads { n_threads: n_threads.min(4) });
    }
    assert_eq!(worker.listen(2).text, expected);
}

#[cfg(target_os = "linux")]
#[test]
fn a_stray_print_goes_to_the_log_and_a_crash_leaves_no_core() {
    let worker = Worker::start();
    let process = PathBuf::from(format!("/proc/{}", worker.child.id()));
    let target = |fd: u32| std::fs::read_link(process.join(format!("fd/{fd}"))).unwrap();
    assert_eq!(target(1), target(2));
    let limits = std::fs::read_to_string(process.join("limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
}

/// The small starter with its bytes changed, written to `folder`.
fn changed(folder: &tempfile::TempDir, change: impl FnOnce(&mut Vec<u8>)) -> Load {
    let mut bytes = std::fs::read(small().path).unwrap();
    change(&mut bytes);
    let path = folder.path().join("changed.gguf");
    std::fs::write(&path, bytes).unwrap();
    Load { path, ..small() }
}

/// Where the value of a metadata key begins, after its type.
fn value_at(bytes: &[u8], key: &str) -> usize {
    bytes.windows(key.len()).position(|window| window == key.as_bytes()).unwrap() + key.len() + 4
}

/// Put another chat template in place of the starter's, made as long by spaces inside its last tag.
fn set_template(bytes: &mut [u8], template: &str) {
    let at = value_at(bytes, "tokenizer.chat_template");
    let length = usize::try_from(u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())).unwrap();
    let (head, tail) = template.split_at(template.len() - 2);
    let padded = format!("{head}{}{tail}", " ".repeat(length - template.len()));
    bytes[at + 8..at + 8 + length].copy_from_slice(padded.as_bytes());
}
