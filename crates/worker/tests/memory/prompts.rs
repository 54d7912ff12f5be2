//! Prompts that are not read again: states in memory and on disk, for models of every kind.

use std::path::PathBuf;
use std::process::{ChildStdin, ChildStdout};

use sha2::{Digest as _, Sha256};
use wire::KeptPrompts;

use super::*;

/// A worker that is asked one thing after the other.
struct Session {
    worker: Worker,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    n_asked: u64,
}

/// An answer, with the likeliest tokens at each step.
#[derive(Debug, Clone, PartialEq)]
struct Reply {
    n_cached: u32,
    text: String,
    likeliest: Vec<Vec<(Vec<u8>, f32)>>,
}

impl Session {
    fn start(load: &Load) -> Self {
        let mut worker = start();
        let output = BufReader::new(worker.0.stdout.take().unwrap());
        let input = worker.0.stdin.take().unwrap();
        let mut session = Self { worker, input, output, n_asked: 0 };
        session.send(&Request::Load(load.clone()));
        while !matches!(session.event(), Event::Loaded(_)) {}
        session
    }

    fn send(&mut self, request: &Request) {
        wire::write(&mut self.input, request).unwrap();
    }

    fn event(&mut self) -> Event {
        match wire::read(&mut self.output).unwrap() {
            Some(Event::Failed(failure)) => panic!("{failure:?}"),
            Some(event) => event,
            None => panic!("the worker is gone"),
        }
    }

    /// Answer a prompt with so many tokens.
    fn ask(&mut self, prompt: &str, max_tokens: u32) -> Reply {
        self.n_asked += 1;
        self.send(&Request::Generate(Generate {
            id: self.n_asked,
            prompt: Prompt::Raw(prompt.to_owned()),
            max_tokens: Some(max_tokens),
            sampling: Sampling { temperature: Some(0.0), ..Sampling::default() },
            grammar: None,
            stop: Vec::new(),
            n_top_logprobs: 50,
            logit_bias: Vec::new(),
            credits: None,
            min_room: 0,
            context_shift: false,
        }));
        let mut reply = Reply { n_cached: 0, text: String::new(), likeliest: Vec::new() };
        loop {
            match self.event() {
                Event::Started(started) => reply.n_cached = started.n_cached,
                Event::Text { pieces, tokens, .. } => {
                    reply.text.extend(pieces.into_iter().map(|piece| piece.text));
                    let all = |token: wire::Token| {
                        token.top_logprobs.into_iter().map(|top| (top.bytes, top.probability)).collect()
                    };
                    reply.likeliest.extend(tokens.into_iter().map(all));
                }
                Event::Finished { .. } => return reply,
                _ => {}
            }
        }
    }

    /// The same in an empty context.
    fn ask_anew(&mut self, prompt: &str, max_tokens: u32) -> Reply {
        self.send(&Request::ClearCache);
        self.ask(prompt, max_tokens)
    }

    /// Unload the model as a supervisor does.
    fn stop(mut self) {
        self.send(&Request::Shutdown);
        drop(self.input);
        assert!(self.worker.0.wait().unwrap().success());
    }
}

fn words(n_x: usize, n_y: usize) -> String {
    models::WORD.repeat(n_x) + &models::OTHER.repeat(n_y)
}

fn built(folder: &Path, wanted: &str) -> PathBuf {
    let (_, build) = models::KINDS.iter().find(|(kind, _)| kind.starts_with(wanted)).unwrap();
    let path = folder.join(format!("{wanted}.gguf"));
    std::fs::write(&path, build()).unwrap();
    path
}

/// Files with a state, oldest first.
fn kept(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort_by_key(|file| std::fs::metadata(file).unwrap().modified().unwrap());
    files
}

fn with_folder(load: Load, folder: &Path) -> Load {
    let kept_prompts = Some(KeptPrompts { folder: folder.to_owned(), max_bytes: 1 << 30 });
    Load { kept_prompts, ..load }
}

#[test]
fn a_prompt_that_made_room_comes_back_and_is_answered_as_in_a_fresh_context() {
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for (index, (kind, build)) in models::KINDS.iter().enumerate() {
        let path = folder.path().join(format!("{index}.gguf"));
        std::fs::write(&path, build()).unwrap();
        // Prompts are cut where chunks end, so that the rest is computed as in a fresh context.
        let (n_chunk, n_tokens) = if kind.contains("sliding") { (256, 1280) } else { (128, 256) };
        let load = load(&path, 2048, CacheType::F16, index % 2 == 0);
        let load = Load { prompt_cache: 256 << 20, n_ubatch: n_chunk as u32, ..load };
        let (mut session, mut other) = (Session::start(&load), Session::start(&load));
        session.ask(&words(n_tokens, 0), 4);
        session.ask(&words(0, n_tokens), 4);
        // To the end of the first prompt, from memory; to the end of a chunk; the other one, which made room for them.
        let part = n_tokens - n_chunk;
        for (prompt, least) in
            [(words(n_tokens + 60, 0), n_tokens), (words(part, 40), part), (words(0, n_tokens + 20), n_tokens)]
        {
            let reply = session.ask(&prompt, 6);
            let least = if kind.starts_with("jamba") { 0 } else { least };
            if (reply.n_cached as usize) < least {
                wrong.push(format!("{kind}: {} cached of {least}", reply.n_cached));
            }
            let fresh = other.ask_anew(&prompt, 6);
            assert_eq!(fresh.n_cached, 0);
            // MLA computes a short rest in another way.
            if reply.text != fresh.text && !kind.contains("MLA") {
                wrong.push(format!("{kind}, {} cached: {:?} is {:?} anew", reply.n_cached, reply.text, fresh.text));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_state_from_disk_gives_the_logits_of_a_fresh_prefill() {
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for (index, (kind, build)) in models::KINDS.iter().enumerate() {
        let path = folder.path().join(format!("{index}.gguf"));
        std::fs::write(&path, build()).unwrap();
        let is_plain = kind.contains("grouped") || kind.starts_with("gemma3");
        for (cache, n_x) in [(CacheType::F16, 512), (CacheType::Q8_0, 1024)] {
            if cache != CacheType::F16 && !is_plain {
                continue;
            }
            let states = folder.path().join(format!("states-{index}-{n_x}"));
            let load = with_folder(load(&path, 2048, cache, true), &states);
            let mut session = Session::start(&load);
            session.ask(&words(n_x, 0), 0);
            session.stop();
            let prompt = words(n_x, 100);
            let mut session = Session::start(&load);
            let restored = session.ask(&prompt, 6);
            let fresh = session.ask_anew(&prompt, 6);
            let what = format!("{kind}, {cache:?}");
            if (restored.n_cached, fresh.n_cached) != (n_x as u32, 0) {
                wrong.push(format!("{what}: {} cached, then {}", restored.n_cached, fresh.n_cached));
            }
            let farthest = farthest(&restored, &fresh);
            // Windows lie elsewhere in the cache, and are added up in another order.
            let most = if kind.contains("sliding") { 1e-3 } else { 0.0 };
            if farthest > most {
                wrong.push(format!("{what}: {farthest} apart: {:?} is {:?} anew", restored.text, fresh.text));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The largest difference of the likeliest tokens' probabilities.
fn farthest(one: &Reply, other: &Reply) -> f32 {
    assert_eq!((one.likeliest.len(), one.likeliest[0].len()), (other.likeliest.len(), 50));
    let mut farthest = 0.0_f32;
    for (step, other) in one.likeliest.iter().zip(&other.likeliest) {
        for (token, probability) in step {
            // One that is not listed is at most as likely as the last that is.
            let found =
                other.iter().find(|(other, _)| other == token).or(other.last()).map_or(0.0, |(_, found)| *found);
            farthest = farthest.max((probability - found).abs());
        }
    }
    farthest
}

#[test]
fn a_damaged_file_is_removed_and_the_prompt_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = built(folder.path(), "llama, a small vocabulary");
    let states = folder.path().join("states");
    let load = with_folder(load(&path, 2048, CacheType::F16, true), &states);
    let prompt = words(512, 20);
    let written = |load: &Load| {
        let mut session = Session::start(load);
        session.ask(&words(512, 0), 0);
        session.stop();
        let file = kept(&states).pop().unwrap();
        let bytes = std::fs::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        (file, bytes)
    };
    let (file, whole) = written(&load);
    // A file is complete or not there, and nobody else's business.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::write(&file, &whole).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&states), 0o700);
    }
    let (_, of_settings) = written(&Load { cache_type_k: CacheType::Q8_0, ..load.clone() });
    let other = built(folder.path(), "qwen2");
    let (_, of_model) = written(&Load { path: other, ..load.clone() });
    let signed = |mut bytes: Vec<u8>| {
        let at = bytes.len() - 32;
        let sum = Sha256::digest(&bytes[..at]);
        bytes[at..].copy_from_slice(&sum);
        bytes
    };
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 16;
    // With a sum that is right: what is in it is not what was written, as after an upgrade that misreads it.
    let mut wrong_numbers = whole.clone();
    let (from, to) = (whole.len() / 2, whole.len() - 32);
    wrong_numbers[from..to].reverse();
    let mut header = whole.clone();
    header[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut session = Session::start(&Load { kept_prompts: None, ..load.clone() });
    let fresh = session.ask(&prompt, 6);
    for (name, bytes, n_cached) in [
        ("whole", whole.clone(), 512),
        ("empty", Vec::new(), 0),
        ("cut", whole[..whole.len() - 1000].to_vec(), 0),
        ("cut in its header", whole[..40].to_vec(), 0),
        ("a flipped bit", flipped, 0),
        ("a huge declared length", header, 0),
        ("of other settings", of_settings, 0),
        ("of another model", of_model, 0),
        ("other numbers", signed(wrong_numbers), 0),
    ] {
        std::fs::write(&file, bytes).unwrap();
        let mut session = Session::start(&load);
        let reply = session.ask(&prompt, 6);
        assert_eq!((reply.n_cached, &reply.text), (n_cached, &fresh.text), "{name}");
        assert_eq!(kept(&states).len(), usize::from(n_cached > 0), "{name}: what is wrong is removed");
        drop(session);
        let _ = std::fs::remove_file(&file);
    }
}

#[test]
fn the_oldest_files_make_room_and_what_a_dead_worker_left_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = built(folder.path(), "llama, a small vocabulary");
    let states = folder.path().join("states");
    let mut load = with_folder(load(&path, 2048, CacheType::F16, true), &states);
    let keep = |load: &Load, prompt: &str| {
        let mut session = Session::start(load);
        session.ask(prompt, 0);
        session.stop();
    };
    keep(&load, &words(300, 0));
    let size = std::fs::metadata(&kept(&states)[0]).unwrap().len();
    load.kept_prompts.as_mut().unwrap().max_bytes = 2 * size + size / 2;
    keep(&load, &words(0, 300));
    keep(&load, &words(1, 1).repeat(150));
    let files = kept(&states);
    assert_eq!(files.len(), 2);
    #[cfg(unix)]
    for file in &files {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let mut session = Session::start(&load);
    assert_eq!(session.ask(&words(300, 20), 1).n_cached, 0, "the oldest is gone");
    assert_eq!(session.ask(&words(0, 320), 1).n_cached, 300);
    drop(session);
    let left = states.join("left.part");
    std::fs::write(&left, b"half").unwrap();
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_hours(2);
    std::fs::File::options().append(true).open(&left).unwrap().set_modified(long_ago).unwrap();
    drop(Session::start(&load));
    assert!(!left.exists());
}

#[test]
fn what_made_room_is_on_disk_as_well() {
    let folder = tempfile::tempdir().unwrap();
    for kind in ["llama, a small vocabulary", "gemma3", "mamba"] {
        let path = built(folder.path(), kind);
        let load = with_folder(load(&path, 2048, CacheType::F16, true), &folder.path().join("states"));
        // Marks are kept with the state, so that a model that can't be cut goes back from behind its answer.
        let load = Load { prompt_cache: 64 << 20, ..load };
        let mut session = Session::start(&load);
        session.ask(&words(512, 0), 2);
        session.ask(&words(0, 512), 2);
        session.stop();
        let mut session = Session::start(&load);
        for (prompt, least) in [(words(540, 0), 512), (words(0, 540), 512)] {
            let reply = session.ask(&prompt, 4);
            assert!(reply.n_cached >= least, "{kind}: {} cached", reply.n_cached);
            assert_eq!(reply.text, Session::start(&load).ask_anew(&prompt, 4).text, "{kind}");
        }
    }
}
