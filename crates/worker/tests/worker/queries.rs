//! Queries: vectors, tokens, templates, beside answers.

use wire::{Input, MAX_INPUTS, Query, QueryJob, QueryResult};

use super::*;

const TEXTS: [&str; 5] = [
    "Call me Ishmael.",
    "The whale",
    "Ein großer Wal 🐋",
    "Call me Ishmael.",
    "It was a long and cold night on the sea",
];

impl Worker {
    fn query(&mut self, job: QueryJob) -> Result<QueryResult, Failure> {
        self.send(&Request::Query(Query { id: 77, job }));
        match self.event() {
            Event::Queried(queried) => {
                assert_eq!(queried.id, 77);
                Ok(queried.result)
            }
            Event::Failed(failure) => {
                assert_eq!(failure.id, Some(77));
                Err(failure)
            }
            event => panic!("unexpected {event:?}"),
        }
    }

    fn embed(&mut self, inputs: Vec<Input>, normalize: bool) -> (Vec<Vec<f32>>, Vec<u32>) {
        match self.query(QueryJob::Embed { inputs, normalize, truncate: false }).unwrap() {
            QueryResult::Embedded { vectors, n_tokens } => (vectors, n_tokens),
            result => panic!("unexpected {result:?}"),
        }
    }

    fn tokenize(&mut self, text: &str, special: (bool, bool)) -> (Vec<i32>, Vec<Vec<u8>>) {
        match self.query(tokenize(text, special)).unwrap() {
            QueryResult::Tokenized { tokens, pieces } => (tokens, pieces),
            result => panic!("unexpected {result:?}"),
        }
    }

    fn detokenize(&mut self, tokens: Vec<i32>) -> String {
        match self.query(QueryJob::Detokenize { tokens }).unwrap() {
            QueryResult::Detokenized { text } => text,
            result => panic!("unexpected {result:?}"),
        }
    }
}

fn tokenize(text: &str, (add_special, parse_special): (bool, bool)) -> QueryJob {
    QueryJob::Tokenize { text: text.to_owned(), add_special, parse_special, with_pieces: true }
}

fn text(text: &str) -> Input {
    Input::Text(text.to_owned())
}

fn embed(inputs: Vec<Input>, truncate: bool) -> QueryJob {
    QueryJob::Embed { inputs, normalize: true, truncate }
}

fn length(vector: &[f32]) -> f64 {
    vector.iter().map(|number| f64::from(*number).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn a_text_has_one_vector_whatever_is_asked_with_it() {
    let (mut worker, _) = Worker::ready(&small());
    let (together, n_tokens) = worker.embed(TEXTS.map(text).to_vec(), true);
    assert_eq!((together.len(), n_tokens.len()), (5, 5));
    for (place, (one, vector)) in TEXTS.iter().zip(&together).enumerate() {
        let (single, n_single) = worker.embed(vec![text(one)], true);
        assert_eq!((&single[0], n_single[0]), (vector, n_tokens[place]), "{one}");
        assert!((length(vector) - 1.0).abs() < 1e-5, "{}", length(vector));
        // Its tokens are what it is made of.
        let (tokens, _) = worker.tokenize(one, (true, true));
        assert_eq!(tokens.len(), n_tokens[place] as usize);
        assert_eq!(worker.embed(vec![Input::Tokens(tokens)], true).0[0], *vector, "{one}");
        // As it is, it points the same way.
        let bare = worker.embed(vec![text(one)], false).0.remove(0);
        let of_length = length(&bare);
        assert!(
            bare.iter().zip(vector).all(|(bare, unit)| (f64::from(*bare) / of_length - f64::from(*unit)).abs() < 1e-6)
        );
    }
    assert_eq!(together[0], together[3], "equal texts");
    assert!(together.iter().skip(1).take(2).all(|vector| *vector != together[0]), "different texts");
    let (mut other, _) = Worker::ready(&Load { n_ctx: 256, n_parallel: 2, ..small() });
    assert_eq!(other.embed(TEXTS.map(text).to_vec(), true).0, together, "another process with other settings");
}

#[test]
fn long_inputs_are_read_in_chunks_and_too_long_ones_are_cut_or_refused() {
    let (mut worker, _) = Worker::ready(&small());
    let (tokens, _) = worker.tokenize(&"The whale swam. ".repeat(200), (true, true));
    assert!(tokens.len() > 600, "{}", tokens.len());
    // A prefix of whole chunks has the same rows: the mean of it is what the chunks make.
    for count in [127, 128, 129, 256, 300, 512] {
        let input = || Input::Tokens(tokens[..count].to_vec());
        let (vectors, n_tokens) = worker.embed(vec![input(), text("short"), input()], true);
        assert_eq!(n_tokens[0] as usize, count);
        assert_eq!(vectors[0], vectors[2], "{count}");
    }
    let cut = worker.embed(vec![Input::Tokens(tokens[..512].to_vec())], true).0;
    let result = worker.query(embed(vec![Input::Tokens(tokens.clone())], true)).unwrap();
    let QueryResult::Embedded { vectors, n_tokens } = result else { panic!("{result:?}") };
    assert_eq!((vectors, n_tokens), (cut, vec![512]));
    for (name, job, kind, message) in [
        ("too long", embed(vec![text("a"), Input::Tokens(tokens)], false), FailureKind::PromptTooLong, "input 1 has"),
        ("none", embed(Vec::new(), true), FailureKind::Request, "there are 0 inputs"),
        ("too many", embed(vec![text("a"); MAX_INPUTS + 1], true), FailureKind::Request, "there are 65 inputs"),
        ("no token", embed(vec![Input::Tokens(vec![1, -1])], true), FailureKind::Request, "-1 is not a token"),
        ("beyond", embed(vec![Input::Tokens(vec![i32::MAX])], true), FailureKind::Request, "is not a token"),
        ("no tokens", embed(vec![Input::Tokens(Vec::new())], true), FailureKind::Request, "input 0 is empty"),
        (
            "text",
            tokenize(&"a".repeat((2 << 20) + 1), (true, true)),
            FailureKind::Request,
            "the text has 2097153 bytes",
        ),
        ("text of no token", QueryJob::Detokenize { tokens: vec![1 << 30] }, FailureKind::Request, "is not a token"),
    ] {
        let failure = worker.query(job).unwrap_err();
        assert_eq!(failure.kind, kind, "{name}: {failure:?}");
        assert!(failure.message.contains(message), "{name}: {failure:?}");
    }
    assert_eq!(worker.answer(&raw(1, "The whale", 3)).finish(), Finish::Length, "it goes on");
}

#[test]
fn tokens_of_a_text_give_it_back() {
    let (mut worker, _) = Worker::ready(&small());
    for text in [
        "Call me Ishmael.",
        "  two spaces, a tab\t and\nlines\r\n",
        "Ein großer Wal: 🐋🏳️‍🌈 — ζῷον, 鯨, कौन",
        "\u{0}\u{1b}[31m",
        "",
        "a",
    ] {
        let (tokens, pieces) = worker.tokenize(text, (false, false));
        assert_eq!(worker.detokenize(tokens.clone()), text, "{tokens:?}");
        assert_eq!(tokens.len(), pieces.len());
        assert_eq!(String::from_utf8(pieces.concat()).unwrap(), text);
    }
    // A character of which only a part is there.
    let (tokens, pieces) = worker.tokenize("🐋", (false, false));
    assert!(tokens.len() > 1 && std::str::from_utf8(&pieces[0]).is_err());
    assert_eq!(worker.detokenize(tokens[..1].to_vec()), "\u{fffd}");
}

#[test]
fn special_tokens_are_added_and_read_as_asked() {
    let (mut worker, _) = Worker::ready(&small());
    let (bare, _) = worker.tokenize("Call me", (false, false));
    let (whole, pieces) = worker.tokenize("Call me", (true, false));
    let special = String::from_utf8(pieces[0].clone()).unwrap();
    if whole.len() > bare.len() {
        assert_eq!(worker.tokenize(&special, (false, true)).0, [whole[0]]);
        assert_ne!(worker.tokenize(&special, (false, false)).0, [whole[0]]);
    }
    assert!(whole.ends_with(&bare) || whole.starts_with(&bare), "{whole:?} {bare:?}");
}

#[test]
fn a_template_is_applied_as_an_answer_has_it() {
    let (mut worker, _) = Worker::ready(&small());
    let generate = chat(1, &[(Role::User, "Who are you? 🐋")], 1);
    let Prompt::Chat(asked) = generate.prompt.clone() else { panic!("no chat") };
    let result = worker.query(QueryJob::ApplyTemplate(Box::new(asked))).unwrap();
    let QueryResult::Applied { prompt, n_tokens } = result else { panic!("{result:?}") };
    assert!(prompt.contains("Who are you? 🐋"), "{prompt}");
    assert_eq!(worker.answer(&generate).started.unwrap().n_prompt, n_tokens);
    let wrong = wire::Chat { template_options: Some("[]".into()), ..wire::Chat::default() };
    let failure = worker.query(QueryJob::ApplyTemplate(Box::new(wrong))).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Template);
}

#[test]
fn queries_go_on_beside_an_answer_and_leave_it_as_it_is() {
    let (mut worker, _) = Worker::ready(&small());
    let alone = worker.answer(&raw(1, "Call me Ishmael", 200));
    let vectors = worker.embed(TEXTS.map(text).to_vec(), true).0;
    worker.send(&Request::ClearCache);
    worker.send(&Request::Generate(raw(2, "Call me Ishmael", 200)));
    worker.send(&Request::Query(Query { id: 3, job: tokenize("The whale", (false, false)) }));
    worker.send(&Request::Query(Query { id: 4, job: embed(TEXTS.map(text).to_vec(), false) }));
    let (mut said, mut order) = (String::new(), Vec::new());
    while order.last() != Some(&2) {
        match worker.event() {
            Event::Queried(queried) => {
                if let QueryResult::Embedded { vectors: beside, .. } = &queried.result {
                    assert_eq!(*beside, vectors);
                }
                order.push(queried.id);
            }
            Event::Text { pieces, .. } => said.extend(pieces.into_iter().map(|piece| piece.text)),
            Event::Finished { id, .. } => order.push(id),
            Event::Started(_) | Event::Prompt { .. } => {}
            event => panic!("unexpected {event:?}"),
        }
    }
    assert_eq!(order, [3, 4, 2], "neither waited for the answer");
    assert_eq!(said, alone.text);
}

#[test]
fn a_query_is_cancelled_and_one_too_many_is_refused() {
    let (mut worker, _) = Worker::ready(&long());
    let (tokens, _) = worker.tokenize(&"The whale swam. ".repeat(2000), (true, true));
    let long = || embed(vec![Input::Tokens(tokens[..4000].to_vec()); 8], false);
    for id in 1..=40 {
        worker.send(&Request::Query(Query { id, job: long() }));
    }
    for id in 1..=40 {
        worker.send(&Request::Cancel { id });
    }
    let (mut cancelled, mut refused) = (0, 0);
    while cancelled + refused < 40 {
        match worker.event() {
            Event::Finished { finish: Finish::Cancelled, .. } => cancelled += 1,
            Event::Failed(failure) if failure.kind == FailureKind::Busy => refused += 1,
            event => panic!("unexpected {event:?}"),
        }
    }
    assert!(cancelled >= 1 && refused >= 1, "{cancelled} {refused}");
    assert_eq!(worker.embed(vec![text("a")], true).1.len(), 1);
}
