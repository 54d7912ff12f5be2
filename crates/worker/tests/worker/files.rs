//! Model files: what does not load, and what the metadata of one changes.

use super::*;

#[test]
fn says_why_a_file_does_not_load() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(small().path).unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    for (name, path, said) in [
        ("missing", folder.path().join("nothing.gguf"), "can't be opened"),
        ("empty", write("empty.gguf", b""), "could not be loaded"),
        ("text", write("text.gguf", b"Call me Ishmael. Some years ago"), "could not be loaded"),
        ("truncated", write("truncated.gguf", &whole[..whole.len() / 2]), "could not be loaded"),
        ("a folder", folder.path().to_owned(), ""),
    ] {
        let mut worker = Worker::start();
        let failure = worker.load(&Load { path, ..small() }).expect_err(name);
        assert_eq!((failure.kind, failure.id), (FailureKind::Load, None), "{name}");
        assert!(failure.message.contains(said), "{name}: {}", failure.message);
        assert!(!failure.message.contains("no reason"), "{name}: {}", failure.message);
        assert!(failure.hint.is_some(), "{name}");
        assert_eq!(worker.wait().code(), Some(1), "{name}");
    }
}

#[test]
fn refuses_a_context_beyond_all_reason_and_clamps_batches() {
    let mut worker = Worker::start();
    let failure = worker.load(&Load { n_ctx: 2_000_000_000, ..small() }).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Context);
    assert!(failure.hint.is_some());
    for (n_batch, n_ubatch) in [(0, 0), (u32::MAX, u32::MAX), (1, 512)] {
        let (mut worker, loaded) = Worker::ready(&Load { n_ctx: 0, n_batch, n_ubatch, n_threads: 0, ..small() });
        assert_eq!(loaded.n_ctx, loaded.n_ctx_train, "0 takes the trained length");
        assert_eq!(worker.answer(&raw(1, "Call me Ishmael. Some years ago", 3)).finish(), Finish::Length);
    }
}

#[test]
fn a_file_may_claim_any_trained_length() {
    let folder = tempfile::tempdir().unwrap();
    let claim = |bytes: &mut Vec<u8>| {
        let at = value_at(bytes, ".context_length");
        bytes[at..at + 4].fill(0xff);
    };
    let (_worker, loaded) = Worker::ready(&changed(&folder, claim));
    assert_eq!((loaded.n_ctx, loaded.n_ctx_train), (512, u32::MAX));
}

#[test]
fn a_template_that_fails_costs_the_answer_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    for (template, said) in [
        ("{{ raise_exception('only whales may speak') }}", "only whales may speak"),
        ("{% for message in messages %}", "can't be read"),
        ("{{ messages[0].nothing.at.all }}", "failed"),
    ] {
        let (mut worker, loaded) = Worker::ready(&changed(&folder, |bytes| set_template(bytes, template)));
        assert!(loaded.has_template);
        let failure = worker.answer(&chat(1, &[(Role::User, "Call me")], 5)).end.unwrap_err();
        assert_eq!((failure.kind, failure.id), (FailureKind::Template, Some(1)));
        assert!(failure.message.contains(said), "{}", failure.message);
        assert!(failure.hint.is_some());
        assert_eq!(worker.answer(&raw(2, "Call me", 5)).finish(), Finish::Length, "raw prompts need no template");
    }
}

#[test]
fn the_begin_of_text_stands_once() {
    let folder = tempfile::tempdir().unwrap();
    let counts =
        ["{%for m in messages%}{{m.content}}{%endfor%}", "{{bos_token}}{%for m in messages%}{{m.content}}{%endfor%}"]
            .map(|template| {
                let (mut worker, _) = Worker::ready(&changed(&folder, |bytes| set_template(bytes, template)));
                worker.answer(&chat(1, &[(Role::User, "Call me")], 1)).started.unwrap().n_prompt
            });
    assert_eq!(counts[0], counts[1]);
}

#[test]
fn the_end_token_ends_the_turn_and_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let (mut worker, _) = Worker::ready(&small());
    let text = worker.answer(&raw(1, "Call me", 60)).text;
    let before = text.split(',').next().unwrap();
    assert_ne!(before, text, "the text has a comma");
    // Byte tokens come first: one of them is the comma.
    let ends = |token: u32| {
        let load = changed(&folder, |bytes| {
            let at = value_at(bytes, "tokenizer.ggml.eos_token_id");
            bytes[at..at + 4].copy_from_slice(&token.to_le_bytes());
        });
        let (mut worker, _) = Worker::ready(&load);
        let answer = worker.answer(&raw(1, "Call me", 60));
        (answer.finish() == Finish::Stop).then_some(answer)
    };
    let answer = (1..64).filter_map(ends).find(|answer| answer.text == before).expect("a token for the comma");
    assert_eq!(answer.counters().n_past, answer.started.unwrap().n_prompt + answer.end.unwrap().1.n_generated);
}

#[test]
fn sampling_defaults_come_from_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let load = changed(&folder, |bytes| {
        let mut added = Vec::new();
        let mut add = |key: &str, kind: u32, value: &[u8]| {
            added.extend_from_slice(&(key.len() as u64).to_le_bytes());
            added.extend_from_slice(key.as_bytes());
            added.extend_from_slice(&kind.to_le_bytes());
            added.extend_from_slice(value);
        };
        add("general.sampling.temp", 6, &0.25_f32.to_le_bytes());
        add("general.sampling.top_k", 5, &7_i32.to_le_bytes());
        add("general.sampling.min_p", 6, &9.0_f32.to_le_bytes());
        // Filled up to the tensor data's alignment of 32 bytes.
        let filler = 32 - (added.len() + 8 + 6 + 4 + 8) % 32;
        let value = [&(filler as u64).to_le_bytes()[..], " ".repeat(filler).as_bytes()].concat();
        added.extend_from_slice(&6_u64.to_le_bytes());
        added.extend_from_slice(b"filler");
        added.extend_from_slice(&8_u32.to_le_bytes());
        added.extend_from_slice(&value);
        let n_keys = u64::from_le_bytes(bytes[16..24].try_into().unwrap()) + 4;
        bytes[16..24].copy_from_slice(&n_keys.to_le_bytes());
        bytes.splice(24..24, added);
    });
    let (mut worker, loaded) = Worker::ready(&load);
    let sampling = loaded.sampling;
    assert_eq!((sampling.temperature, sampling.top_k), (Some(0.25), Some(7)));
    assert_eq!(sampling.min_p, Some(0.05), "what is out of range is left out");
    let mut generate = raw(1, "Call me", 1);
    generate.sampling.top_k = Some(3);
    let used = worker.answer(&generate).started.unwrap().sampling;
    assert_eq!((used.temperature, used.top_k, used.seed), (Some(0.25), Some(3), Some(7)), "the request wins");
}

#[test]
fn a_prompt_that_opens_the_reasoning_is_answered_in_it() {
    let (mut worker, _) = Worker::ready(&small());
    worker.send(&Request::Generate(raw(1, "Call me <think>\n", 20)));
    let mut channels = Vec::new();
    let counters = loop {
        match worker.event() {
            Event::Text { pieces, .. } => channels.extend(pieces.iter().map(|piece| piece.channel)),
            Event::Finished { counters, .. } => break counters,
            _ => {}
        }
    };
    assert!(!channels.is_empty());
    assert!(channels.iter().all(|channel| *channel == wire::Channel::Reasoning));
    assert_eq!((counters.n_generated, counters.n_reasoning), (20, 20));
}
