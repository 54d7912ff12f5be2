//! Models that only make vectors of texts: encoders, and decoders whose file says how they pool.

use gguf::testing::{EMBEDDER_CONTEXT, embedder};
use wire::{Input, MAX_INPUTS, Query, QueryJob, QueryResult};

use super::*;

const TEXTS: [&str; 3] = ["call me", "the white whale is a ship .", "call me"];

fn ready(folder: &Path, architecture: &str, pooling: u32) -> (Worker, Loaded) {
    let path = folder.join(format!("{architecture}-{pooling}.gguf"));
    std::fs::write(&path, embedder(architecture, pooling).build()).unwrap();
    Worker::ready(&Load { path, n_parallel: 2, ..small() })
}

fn embed(worker: &mut Worker, inputs: Vec<Input>, truncate: bool) -> Result<(Vec<Vec<f32>>, Vec<u32>), Failure> {
    worker.send(&Request::Query(Query { id: 5, job: QueryJob::Embed { inputs, normalize: true, truncate } }));
    match worker.event() {
        Event::Queried(queried) => match queried.result {
            QueryResult::Embedded { vectors, n_tokens } => Ok((vectors, n_tokens)),
            result => panic!("unexpected {result:?}"),
        },
        Event::Failed(failure) => Err(failure),
        event => panic!("unexpected {event:?}"),
    }
}

fn text(text: &str) -> Input {
    Input::Text(text.to_owned())
}

fn is_close(one: &[f32], other: &[f32]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| (one - other).abs() < 1e-3)
}

#[test]
fn each_kind_gives_vectors_by_its_files_pooling_and_no_answers() {
    let folder = tempfile::tempdir().unwrap();
    let mut seen: Vec<Vec<f32>> = Vec::new();
    for (architecture, pooling) in
        [("bert", 1), ("bert", 2), ("bert", 3), ("nomic-bert", 1), ("nomic-bert", 2), ("qwen2", 1), ("qwen2", 3)]
    {
        let name = format!("{architecture} {pooling}");
        let (mut worker, loaded) = ready(folder.path(), architecture, pooling);
        assert!(loaded.embeds_only, "{name}");
        assert_eq!((loaded.n_ctx, loaded.n_ctx_train), (EMBEDDER_CONTEXT, EMBEDDER_CONTEXT), "{name}");
        let (together, n_tokens) = embed(&mut worker, TEXTS.map(text).to_vec(), false).unwrap();
        assert_eq!((together[0].len(), together.len(), n_tokens.len()), (32, 3, 3), "{name}");
        assert!(is_close(&together[0], &together[2]) && !is_close(&together[0], &together[1]), "{name}");
        // An encoder reads them in one call, which is a sum of the same numbers in another order.
        let alone = embed(&mut worker, vec![text(TEXTS[1])], false).unwrap().0.remove(0);
        assert!(is_close(&alone, &together[1]), "{name}: alone");
        let many: Vec<Input> = (0..MAX_INPUTS).map(|place| text(TEXTS[place % 3])).collect();
        let (many, _) = embed(&mut worker, many, false).unwrap();
        assert!((0..MAX_INPUTS).all(|place| is_close(&many[place], &together[place % 3])), "{name}: in several calls");
        for vector in &together {
            let length = vector.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt();
            assert!((length - 1.0).abs() < 1e-5, "{name}: {length}");
        }
        assert!(!seen.contains(&together[1]), "{name}: another kind gives the same");
        seen.push(together[1].clone());

        let long = text(&"whale ".repeat(200));
        let failure = embed(&mut worker, vec![long.clone()], false).unwrap_err();
        assert_eq!(failure.kind, FailureKind::PromptTooLong, "{name}: {failure:?}");
        assert!(failure.message.contains("and 64 are the most"), "{name}: {failure:?}");
        assert_eq!(embed(&mut worker, vec![long], true).unwrap().1, [EMBEDDER_CONTEXT], "{name}");

        let failure = worker.answer(&raw(9, "call me", 4)).end.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Request, "{name}");
        assert!(failure.message.contains("an embedding model"), "{name}: {failure:?}");
    }
}

#[test]
fn a_text_that_is_cut_ends_as_a_whole_one() {
    // The vector is the last token's, which the vocabulary puts behind every text.
    let folder = tempfile::tempdir().unwrap();
    let (mut worker, _) = ready(folder.path(), "bert", 3);
    let n_words = EMBEDDER_CONTEXT as usize - 2;
    let whole = embed(&mut worker, vec![text(&"whale ".repeat(n_words))], false).unwrap();
    let cut = embed(&mut worker, vec![text(&"whale ".repeat(n_words + 50))], true).unwrap();
    assert_eq!(whole, cut);
}

#[test]
fn a_model_that_ranks_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rank.gguf");
    std::fs::write(&path, embedder("bert", 4).build()).unwrap();
    let failure = Worker::start().load(&Load { path, ..small() }).unwrap_err();
    assert!(failure.message.contains("it ranks texts"), "{failure:?}");
}
