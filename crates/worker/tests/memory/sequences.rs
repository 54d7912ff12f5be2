//! Models of every kind answer several requests at once as each alone.

use std::collections::BTreeMap;

use super::*;

/// Tokens of each prompt in two rounds. The second goes on from the first, or begins again, or cuts it.
const ROUNDS: [[usize; 3]; 2] = [[5, 90, 600], [40, 60, 590]];

fn request(id: u64, length: usize) -> Request {
    Request::Generate(Generate {
        id,
        prompt: Prompt::Raw(models::WORD.repeat(length)),
        max_tokens: Some(8),
        sampling: Sampling { temperature: Some(0.0), ..Sampling::default() },
        grammar: None,
        stop: Vec::new(),
        n_top_logprobs: 0,
        logit_bias: Vec::new(),
        credits: None,
        min_room: 0,
        context_shift: false,
    })
}

/// The answers to prompts of these lengths, all of a round at once or one by one with nothing kept in between.
fn texts(load: &Load, at_once: bool) -> Vec<BTreeMap<u64, String>> {
    let mut worker = start();
    let mut output = BufReader::new(worker.0.stdout.take().unwrap());
    let mut input = worker.0.stdin.take().unwrap();
    wire::write(&mut input, &Request::Load(load.clone())).unwrap();
    let mut round = |lengths: [usize; 3]| {
        let mut texts = BTreeMap::new();
        let mut n_running = 0;
        for (id, length) in (1..).zip(lengths) {
            if !at_once {
                wire::write(&mut input, &Request::ClearCache).unwrap();
            }
            wire::write(&mut input, &request(id, length)).unwrap();
            n_running += 1;
            while n_running > 0 && (!at_once || id == 3) {
                match wire::read(&mut output).unwrap().unwrap() {
                    Event::Text { id, pieces, .. } => {
                        texts.entry(id).or_insert_with(String::new).extend(pieces.into_iter().map(|piece| piece.text));
                    }
                    Event::Finished { .. } => n_running -= 1,
                    Event::Failed(failure) => panic!("{failure:?}"),
                    _ => {}
                }
            }
        }
        texts
    };
    ROUNDS.map(&mut round).into()
}

#[test]
fn answers_at_once_are_what_they_are_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for (index, (kind, build)) in models::KINDS.iter().enumerate() {
        let path = folder.path().join(format!("{index}.gguf"));
        std::fs::write(&path, build()).unwrap();
        let load = Load { n_parallel: 3, ..load(&path, 1024, CacheType::F16, index % 2 == 0) };
        let alone = texts(&Load { n_parallel: 1, ..load.clone() }, false);
        let together = texts(&load, true);
        // After a part that is reused MLA computes a short rest in another way, also where it runs alone.
        let n_exact = if kind.contains("MLA") { 1 } else { 2 };
        if together[..n_exact] != alone[..n_exact] {
            wrong.push(format!("{kind}: {together:?} is {alone:?} alone"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
