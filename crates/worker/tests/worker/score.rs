//! A text is weighed: chunk by chunk, in halves or whole.

use wire::{Event, Request};

use super::{Worker, small};

#[test]
fn a_text_is_weighed_and_compared() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("distributions");
    let (mut worker, _) = Worker::ready(&small());
    let text = "Call me Ishmael. Some years ago, never mind how long precisely. ".repeat(8);
    let ask = |id, text: Option<&str>, chunk, distributions| {
        Request::Score(wire::Score {
            id,
            text: text.map(str::to_owned),
            n_chunk: 32,
            chunk,
            every: false,
            distributions,
        })
    };
    let mut scored = |request: &Request| {
        worker.send(request);
        match worker.event() {
            Event::Scored(scored) => Ok(*scored),
            Event::Failed(failure) => Err(failure),
            event => panic!("unexpected {event:?}"),
        }
    };
    let written = scored(&ask(1, Some(&text), 0, wire::Distributions::Write(file.clone()))).unwrap();
    // Of 32 tokens the second half's is weighed, but for the first of it, which nothing in the half predicts.
    assert_eq!((written.id, written.tokens.len()), (1, 15));
    assert!(written.n_chunks >= 3);
    let bytes: Vec<u8> = written.tokens.iter().flat_map(|token| token.bytes.clone()).collect();
    let whole = [written.before.clone(), bytes].concat();
    assert!(text.contains(String::from_utf8_lossy(&whole).trim_start()), "{:?}", String::from_utf8_lossy(&whole));
    let alike = scored(&ask(2, None, 0, wire::Distributions::Compare(file.clone()))).unwrap();
    assert_eq!(alike.vocabulary, written.vocabulary);
    for token in &alike.tokens {
        assert!(token.divergence.unwrap().abs() < 1e-4, "{token:?}");
        assert_eq!(token.agrees, Some(true));
    }
    // Another chunk's distributions are not these.
    let other = scored(&ask(3, None, 1, wire::Distributions::Compare(file.clone()))).unwrap();
    assert!(other.tokens.iter().any(|token| token.divergence.unwrap() > 0.01));
    // Every token: what is weighed and each chunk's first are the whole text.
    let mut all = Vec::new();
    let short = "Call me Ishmael. Some years ago, never mind how long precisely, having little or no money in my purse";
    let every = |id, text: Option<&str>, chunk| {
        let text = text.map(str::to_owned);
        let distributions = wire::Distributions::Drop;
        Request::Score(wire::Score { id, text, n_chunk: 8, chunk, every: true, distributions })
    };
    let first = scored(&every(10, Some(short), 0)).unwrap();
    let n_chunks = first.n_chunks;
    assert!(n_chunks >= 2, "{n_chunks}");
    let rest = (1..n_chunks).map(|chunk| scored(&every(u64::from(10 + chunk), None, chunk)).unwrap());
    for chunk in std::iter::once(first).chain(rest.collect::<Vec<_>>()) {
        all.extend(chunk.before);
        all.extend(chunk.tokens.into_iter().flat_map(|token| token.bytes));
    }
    assert_eq!(String::from_utf8_lossy(&all).trim_start(), short);
    scored(&ask(30, Some(&text), 0, wire::Distributions::Drop)).unwrap();
    for (request, what) in [
        (every(31, Some(""), 0), "too few for a chunk"),
        (ask(4, Some(&text), 999, wire::Distributions::Drop), "too few for a chunk"),
        (ask(5, None, 0, wire::Distributions::Compare(folder.path().join("none"))), "can't be kept on disk"),
    ] {
        assert!(scored(&request).unwrap_err().message.contains(what));
    }
}
