//! What can't be provoked from outside the process.

use std::fs::File;
use std::io::{BufReader, Seek as _};
use std::path::Path;

use wire::{CacheType, FlashAttention, Generate, Prompt, Sampling};

use super::*;

fn load() -> Load {
    Load {
        path: Path::new(env!("CARGO_MANIFEST_DIR")).join("../../starter/ishmael-1m-Q8_0.gguf"),
        n_ctx: 256,
        n_batch: 64,
        n_ubatch: 64,
        n_threads: 1,
        n_gpu_layers: Some(0),
        devices: None,
        cache_type_k: CacheType::F16,
        cache_type_v: CacheType::F16,
        flash_attention: FlashAttention::Auto,
        mmap: true,
        mlock: false,
        n_parallel: 3,
        kv_unified: false,
        amx: true,
        prompt_cache: 0,
        kept_prompts: None,
    }
}

fn request(id: u64, credits: Option<u32>) -> Generate {
    Generate {
        id,
        prompt: Prompt::Raw("Call me Ishmael. Some years ago".to_owned()),
        max_tokens: Some(12),
        sampling: Sampling { temperature: Some(0.0), ..Sampling::default() },
        grammar: None,
        stop: Vec::new(),
        n_top_logprobs: 0,
        logit_bias: Vec::new(),
        credits,
        min_room: 0,
        context_shift: false,
    }
}

/// The requests that failed, and those that came to their end.
fn ended(mut events: &File) -> (Vec<u64>, Vec<u64>) {
    events.rewind().unwrap();
    let mut reader = BufReader::new(events);
    let (mut failed, mut finished) = (Vec::new(), Vec::new());
    while let Some(event) = wire::read::<Event>(&mut reader).unwrap() {
        match event {
            Event::Failed(failure) => {
                assert_eq!(failure.kind, FailureKind::Decode, "{failure:?}");
                assert!(failure.message.contains("llama.cpp failed while decoding"), "{failure:?}");
                failed.extend(failure.id);
            }
            Event::Finished { id, finish, .. } => {
                assert_eq!(finish, Finish::Length);
                finished.push(id);
            }
            _ => {}
        }
    }
    failed.sort_unstable();
    (failed, finished)
}

#[test]
fn an_error_of_a_batch_fails_its_requests_and_no_more() {
    let events = tempfile::tempfile().unwrap();
    let out: &'static Out = Box::leak(Box::new(Out::new(events.try_clone().unwrap())));
    log::capture(false);
    let llama = LlamaBackend::init().unwrap();
    CONTROL.set_parallel(3);
    let (mut scheduler, _) = Scheduler::load(&llama, &load(), out).unwrap();
    let admit = |scheduler: &mut Scheduler, request: Generate| {
        assert!(CONTROL.begin(request.id));
        scheduler.admit(request, Instant::now());
    };
    admit(&mut scheduler, request(1, None));
    admit(&mut scheduler, request(2, None));
    // It waits, and so is in none of the next batches.
    admit(&mut scheduler, request(3, Some(0)));
    for _ in 0..4 {
        assert!(scheduler.step());
    }
    assert!(scheduler.session.engine.keep(0, 2), "which leaves a gap that llama.cpp refuses");
    assert!(scheduler.step());
    assert_eq!(ended(&events), (vec![1, 2], vec![]));
    CONTROL.add_credits(3, 100);
    admit(&mut scheduler, request(4, None));
    while scheduler.step() {}
    let (failed, mut finished) = ended(&events);
    finished.sort_unstable();
    assert_eq!((failed, finished), (vec![1, 2], vec![3, 4]));
}
