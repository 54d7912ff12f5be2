//! Answers with a form, and measurements.

use super::*;

#[test]
fn an_answer_follows_its_grammar() {
    let (mut worker, _) = Worker::ready(&small());
    let mut constrained = raw(1, "Call me", 40);
    constrained.grammar = Some(Grammar::Gbnf(r#"root ::= (" whale" | " ship") "s"* "!""#.to_owned()));
    let answer = worker.answer(&constrained);
    assert_eq!(answer.finish(), Finish::Stop, "{}", answer.text);
    let word = answer.text.trim_end_matches('!').trim_end_matches('s');
    assert!([" whale", " ship"].contains(&word) && answer.text.ends_with('!'), "{}", answer.text);
    let schema = r#"{"type": "object", "properties": {"n": {"type": "integer", "minimum": 1, "maximum": 9}}, "required": ["n"], "additionalProperties": false}"#;
    constrained = Generate { id: 2, grammar: Some(Grammar::JsonSchema(schema.to_owned())), ..raw(2, "Call me", 60) };
    let answer = worker.answer(&constrained);
    assert_eq!(answer.finish(), Finish::Stop, "{}", answer.text);
    let json: serde_json::Value = serde_json::from_str(&answer.text).unwrap();
    assert!((1..=9).contains(&json["n"].as_i64().unwrap()), "{json}");
    // What is none costs the answer and no more.
    for (id, grammar) in [
        (3, Grammar::Gbnf("root ::= (".to_owned())),
        (4, Grammar::Gbnf("trunk ::= \"a\"".to_owned())),
        (5, Grammar::Gbnf(String::new())),
        (6, Grammar::Gbnf("root ::= \"\0\"".to_owned())),
        (7, Grammar::JsonSchema("{".to_owned())),
        (8, Grammar::JsonSchema(r##"{"$ref": "#/nowhere"}"##.to_owned())),
        (9, Grammar::Gbnf("x".repeat(1 << 20))),
    ] {
        let failure = worker.answer(&Generate { grammar: Some(grammar), ..raw(id, "Call me", 5) }).end.unwrap_err();
        assert_eq!((failure.kind, failure.id), (FailureKind::Request, Some(id)), "{failure:?}");
    }
    assert_eq!(worker.answer(&raw(10, "Call me", 5)).finish(), Finish::Length);
}

#[test]
fn a_grammar_holds_from_the_end_of_the_reasoning_on() {
    let (mut worker, _) = Worker::ready(&small());
    let grammar = Some(Grammar::Gbnf(r#"root ::= "yes" | "no""#.to_owned()));
    for (id, opened, max_tokens, some_reasoning) in [
        (1, "Call me<think>\n", 60, true),
        (2, "Call me[THINK]", 60, true),
        (3, "Call me<think>", 8, true),
        // The context is the bound.
        (4, "Call me<think>", 100_000, true),
        (5, "Call me", 60, false),
    ] {
        let answer = worker.answer(&Generate { grammar: grammar.clone(), ..raw(id, opened, max_tokens) });
        assert_eq!(answer.finish(), Finish::Stop, "{opened}: {} {}", answer.reasoning, answer.text);
        assert!(["yes", "no"].contains(&answer.text.as_str()), "{opened}: {}", answer.text);
        assert_eq!(!answer.reasoning.is_empty(), some_reasoning, "{opened}");
        let counters = answer.counters();
        assert_eq!(counters.n_reasoning > 0, some_reasoning);
        assert!(counters.n_reasoning <= (max_tokens / 2).min(256), "{counters:?}");
    }
    // Without a grammar it stays open.
    let open = worker.answer(&raw(6, "Call me<think>", 20));
    assert_eq!((open.finish(), open.text.as_str()), (Finish::Length, ""));
}

#[test]
fn a_document_near_the_limit_comes_to_its_end() {
    let (mut worker, _) = Worker::ready(&small());
    let schema = r#"{"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string", "minLength": 5}, "minItems": 1}, "b": {"type": "string", "minLength": 9}}, "required": ["a", "b"]}"#;
    for id in 1..8 {
        let sampling = Sampling { seed: Some(id as u32), ..Sampling::default() };
        let grammar = Some(Grammar::JsonSchema(schema.to_owned()));
        let answer = worker.answer(&Generate { sampling, grammar, ..raw(id, "Call me", 200) });
        let json: serde_json::Value = serde_json::from_str(&answer.text).unwrap();
        assert!(json["b"].as_str().unwrap().chars().count() >= 9, "{json}");
    }
}

#[test]
fn a_stop_text_ends_an_answer_and_is_no_part_of_it() {
    let (mut worker, _) = Worker::ready(&small());
    let whole = worker.answer(&raw(1, "Call me", 40)).text;
    let stop: String = whole.chars().skip(30).take(9).collect();
    let stopped = Generate { stop: vec!["never to come".to_owned(), stop.clone()], ..raw(2, "Call me", 40) };
    let answer = worker.answer(&stopped);
    assert_eq!((answer.finish(), answer.text.as_str()), (Finish::StopText(1), &whole[..whole.find(&stop).unwrap()]));
    assert!(answer.counters().n_generated < 40);
    let many = Generate { stop: vec!["a".to_owned(); 65], ..raw(3, "Call me", 40) };
    assert_eq!(worker.answer(&many).end.unwrap_err().kind, FailureKind::Request);
    // The next one is not touched by it.
    assert_eq!(worker.answer(&raw(4, "Call me", 40)).text, whole);
}

#[test]
fn a_grammar_that_would_take_all_memory_is_refused() {
    let (mut worker, _) = Worker::ready(&small());
    let doubling = (0..40).map(|n| format!("a{n} ::= a{0} a{0}\n", n + 1)).collect::<Vec<_>>().concat();
    for (id, grammar) in (1..).zip(["root ::= \"a\"{5,2}".to_owned(), format!("root ::= a0\n{doubling}a40 ::= \"x\"?")])
    {
        let refused = Generate { grammar: Some(Grammar::Gbnf(grammar)), ..raw(id, "Call me", 5) };
        let failure = worker.answer(&refused).end.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Request, "{failure:?}");
    }
}

/// One repetition, small enough for the smallest starter.
fn measure(id: u64) -> Measure {
    Measure { id, n_prompt: 0, n_generate: 0, n_depth: 0, n_parallel: 1, n_batch: 64, n_ubatch: 32, n_ctx: 256 }
}

#[test]
fn measures_what_it_is_asked_for() {
    let (mut worker, _) = Worker::ready(&small());
    for (n, (n_prompt, n_generate, n_depth, n_parallel)) in
        [(100, 0, 0, 1), (0, 8, 0, 1), (0, 8, 100, 1), (30, 4, 100, 1), (40, 5, 20, 3), (0, 5, 20, 3)]
            .into_iter()
            .enumerate()
    {
        let id = n as u64 + 1;
        worker.send(&Request::Measure(Measure { n_prompt, n_generate, n_depth, n_parallel, ..measure(id) }));
        let Event::Measured(measured) = worker.event() else { panic!("no measurement") };
        assert_eq!((measured.id, measured.is_whole), (id, true));
        assert_eq!(measured.prompt_us > 0, n_prompt > 0);
        assert_eq!(measured.step_us.len(), n_generate as usize);
        assert!(measured.step_us.iter().all(|time| *time > 0));
    }
    // The conversation is a matter of its own.
    assert!(worker.answer(&raw(50, "Call me", 4)).end.is_ok());
}

#[test]
fn refuses_measurements_that_can_not_be_made() {
    let (mut worker, _) = Worker::ready(&small());
    for (n, wrong) in [
        measure(0),
        Measure { n_prompt: 300, ..measure(0) },
        Measure { n_prompt: 8, n_parallel: 0, ..measure(0) },
        Measure { n_prompt: 8, n_parallel: 65, ..measure(0) },
        Measure { n_prompt: 8, n_parallel: 1000, n_batch: 2000, ..measure(0) },
        Measure { n_generate: 1 << 20, n_ctx: 1 << 21, ..measure(0) },
        Measure { n_prompt: 8, n_ctx: u32::MAX, ..measure(0) },
    ]
    .into_iter()
    .enumerate()
    {
        let id = n as u64 + 1;
        worker.send(&Request::Measure(Measure { id, ..wrong }));
        let Event::Failed(failure) = worker.event() else { panic!("no failure of {wrong:?}") };
        assert_eq!(failure.id, Some(id));
    }
    worker.send(&Request::Measure(Measure { n_prompt: 8, ..measure(99) }));
    assert!(matches!(worker.event(), Event::Measured(_)));
}

#[test]
fn cancels_a_measurement() {
    let (mut worker, _) = Worker::ready(&small());
    worker.send(&Request::Measure(Measure { n_generate: 1 << 16, n_ctx: 1 << 17, ..measure(7) }));
    worker.send(&Request::Cancel { id: 7 });
    let Event::Measured(measured) = worker.event() else { panic!("no end") };
    assert_eq!((measured.id, measured.is_whole, measured.step_us.len()), (7, false, 0));
}

/// The tokens that come until the worker falls silent, which shows in a pong that nothing follows.
fn told(worker: &mut Worker, nonce: u64, n_tokens: usize) -> Vec<Token> {
    let mut told = Vec::new();
    while told.len() < n_tokens {
        match worker.event() {
            Event::Text { tokens, .. } => told.extend(tokens),
            Event::Started(_) | Event::Prompt { .. } => {}
            event => panic!("unexpected {event:?}"),
        }
    }
    worker.send(&Request::Ping { nonce });
    let Event::Pong { nonce: answered, .. } = worker.event() else { panic!("more than was allowed") };
    assert_eq!((answered, told.len()), (nonce, n_tokens));
    told
}

#[test]
fn tokens_come_as_they_are_allowed() {
    let (mut worker, _) = Worker::ready(&small());
    let greedy = Sampling { temperature: Some(0.0), ..Sampling::default() };
    let free = Generate { n_top_logprobs: 2, sampling: greedy, ..raw(1, "It was", 6) };
    let whole = worker.answer(&free).text;
    worker.send(&Request::Generate(Generate { id: 2, credits: Some(1), ..free.clone() }));
    let mut steps = told(&mut worker, 1, 1);
    // Of another generation, and of this one.
    worker.send(&Request::Continue { id: 1, n_tokens: 5 });
    worker.send(&Request::Continue { id: 2, n_tokens: 2 });
    steps.extend(told(&mut worker, 2, 2));
    let text: String = steps.iter().map(|token| String::from_utf8_lossy(&token.bytes).into_owned()).collect();
    assert!(whole.starts_with(&text), "{text} of {whole}");
    worker.send(&Request::Continue { id: 2, n_tokens: u32::MAX });
    assert_eq!(worker.listen(2).finish(), Finish::Length);
    // One that waits can be cancelled, and its worker be stopped.
    worker.send(&Request::Generate(Generate { id: 3, credits: Some(1), ..free.clone() }));
    told(&mut worker, 3, 1);
    worker.send(&Request::Cancel { id: 3 });
    assert_eq!(worker.listen(3).finish(), Finish::Cancelled);
    worker.send(&Request::Generate(Generate { id: 4, credits: Some(0), ..free }));
    worker.send(&Request::Shutdown);
    assert!(worker.wait().success());
}

/// What each sampler's setting does to an answer: which is the first token of the greedy one, by its number, and what comes
/// where the setting is.
#[test]
fn samplers_have_their_effect() {
    let (mut worker, _) = Worker::ready(&small());
    let mut id = 0;
    let mut answer = |sampling: Sampling, logit_bias: Vec<LogitBias>| {
        id += 1;
        let asked = Generate { sampling, logit_bias, ..raw(id, "It was the whale, the whale, the", 40) };
        worker.answer(&asked)
    };
    let greedy = Sampling { temperature: Some(0.0), ..Sampling::OPEN };
    let plain = answer(greedy, vec![]).text;
    assert_eq!(answer(greedy, vec![]).text, plain);
    for (name, sampling) in [
        ("repeat penalty", Sampling { repeat_penalty: Some(3.0), ..greedy }),
        ("frequency penalty", Sampling { frequency_penalty: Some(2.0), ..greedy }),
        ("presence penalty", Sampling { presence_penalty: Some(2.0), ..greedy }),
        ("negative presence penalty", Sampling { presence_penalty: Some(-9.0), ..greedy }),
    ] {
        assert_ne!(answer(sampling, vec![]).text, plain, "{name}");
        assert_eq!(
            answer(Sampling { repeat_last_n: Some(0), ..sampling }, vec![]).text,
            plain,
            "{name} without a window"
        );
    }
    // With one seed, a drawn answer changes by each of these.
    let hot = Sampling {
        temperature: Some(1.5),
        top_k: Some(0),
        top_p: Some(1.0),
        min_p: Some(0.0),
        seed: Some(3),
        ..Sampling::OPEN
    };
    let drawn = answer(hot, vec![]).text;
    for (name, sampling) in [
        ("top-k", Sampling { top_k: Some(2), ..hot }),
        ("top-p", Sampling { top_p: Some(0.3), ..hot }),
        ("min-p", Sampling { min_p: Some(0.5), ..hot }),
        ("typical-p", Sampling { typical_p: Some(0.2), ..hot }),
        ("top-n-sigma", Sampling { top_n_sigma: Some(1.0), ..hot }),
        ("xtc", Sampling { xtc_probability: Some(1.0), xtc_threshold: Some(0.02), top_k: Some(4), ..hot }),
        ("mirostat 1", Sampling { mirostat: Some(1), mirostat_tau: Some(1.0), ..hot }),
        ("mirostat 2", Sampling { mirostat: Some(2), mirostat_tau: Some(1.0), ..hot }),
        ("mirostat eta", Sampling { mirostat: Some(2), mirostat_tau: Some(1.0), mirostat_eta: Some(0.9), ..hot }),
    ] {
        assert_ne!(answer(sampling, vec![]).text, drawn, "{name}");
    }
    let started = answer(hot, vec![]).started.unwrap().sampling;
    assert_eq!((started.repeat_last_n, started.typical_p, started.mirostat), (Some(64), Some(1.0), Some(0)));
    for token in [300, 301] {
        let forced = answer(greedy, vec![LogitBias { token, bias: 100.0 }]).text;
        let banned = answer(greedy, vec![LogitBias { token, bias: -100.0 }]).text;
        assert_ne!(forced, plain, "{token}");
        assert!(
            forced.len() >= 40 && forced.as_bytes().windows(2).any(|two| two[0] == two[1]) || forced != banned,
            "{forced}"
        );
    }
    let unknown = answer(greedy, vec![LogitBias { token: 10_000_000, bias: 1.0 }]).end.unwrap_err();
    assert!(unknown.kind == FailureKind::Request && unknown.message.contains("logit_bias"), "{unknown:?}");
}
