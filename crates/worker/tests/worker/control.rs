//! What is told to a worker while it works: cancels, pings, thread counts, the end.

use super::*;

#[test]
fn cancels_in_the_prompt_and_in_generation_and_goes_on() {
    let (mut worker, _) = Worker::ready(&long());
    let expected = worker.answer(&raw(1, "Call me", 20)).text;
    let text = "the whale and the sea ".repeat(4000);
    worker.send(&Request::ClearCache);
    worker.send(&Request::Generate(raw(2, &text, 5)));
    let Event::Started(started) = worker.event() else { panic!("no start") };
    assert!(started.n_prompt > 10_000, "{started:?}");
    assert!(matches!(worker.event(), Event::Prompt { .. }));
    worker.send(&Request::Cancel { id: 1 });
    worker.send(&Request::Cancel { id: 2 });
    let (finish, counters) = loop {
        match worker.event() {
            Event::Finished { finish, counters, .. } => break (finish, counters),
            Event::Prompt { .. } => {}
            event => panic!("unexpected {event:?}"),
        }
    };
    assert_eq!(finish, Finish::Cancelled);
    assert!(counters.n_prompt < started.n_prompt, "{counters:?}");
    assert_eq!(counters.n_prompt, counters.n_past);

    let resumed = worker.answer(&raw(3, &text[..text.len() / 100], 3));
    assert!(resumed.started.as_ref().unwrap().n_cached > 0, "what was evaluated before the cancel is kept");

    worker.send(&Request::Generate(Generate { max_tokens: None, ..raw(4, "It was", 0) }));
    loop {
        if matches!(worker.event(), Event::Text { .. }) {
            break;
        }
    }
    worker.send(&Request::Cancel { id: 4 });
    let cancelled = loop {
        match worker.event() {
            Event::Finished { finish, .. } => break finish,
            Event::Text { .. } => {}
            event => panic!("unexpected {event:?}"),
        }
    };
    assert_eq!(cancelled, Finish::Cancelled);
    assert_eq!(worker.answer(&raw(5, "Call me", 20)).text, expected, "and answers as if nothing had been");
}

#[test]
fn answers_pings_and_refuses_a_second_generation_while_busy() {
    let (mut worker, _) = Worker::ready(&long());
    worker.send(&Request::Generate(raw(1, &"the whale and the sea ".repeat(4000), 5)));
    assert!(matches!(worker.event(), Event::Started(_)));
    worker.send(&Request::Ping { nonce: 42 });
    worker.send(&Request::Generate(raw(2, "x", 5)));
    let (mut ponged, mut refused) = (false, false);
    while !(ponged && refused) {
        match worker.event() {
            Event::Pong { nonce, n_decodes, .. } => {
                assert_eq!(nonce, 42);
                assert!(n_decodes >= 1, "the warm-up is counted");
                ponged = true;
            }
            Event::Failed(failure) => {
                assert_eq!((failure.kind, failure.id), (FailureKind::Busy, Some(2)));
                refused = true;
            }
            Event::Prompt { .. } => {}
            event => panic!("the answer was over before the ping's: {event:?}"),
        }
    }
    worker.send(&Request::Cancel { id: 1 });
    assert_eq!(worker.listen_from_started(1), Finish::Cancelled);
}

#[test]
fn a_prompt_is_told_in_chunks() {
    let (mut worker, _) = Worker::ready(&small());
    let answer = worker.answer(&raw(1, &"the whale ".repeat(100), 1));
    let n_prompt = answer.started.as_ref().unwrap().n_prompt as usize;
    assert!(n_prompt > 128);
    assert_eq!(answer.n_prompt_events, n_prompt.div_ceil(64));
}

#[test]
fn ends_when_its_input_closes_even_while_busy() {
    for busy in [false, true] {
        let (mut worker, _) = Worker::ready(&long());
        if busy {
            worker.send(&Request::Generate(raw(1, &"the whale and the sea ".repeat(4000), 5)));
            assert!(matches!(worker.event(), Event::Started(_)));
        }
        worker.hang_up();
        assert_eq!(worker.wait().code(), Some(0));
    }
}

#[test]
fn shuts_down_when_told_even_while_busy() {
    for busy in [false, true] {
        let (mut worker, _) = Worker::ready(&long());
        if busy {
            worker.send(&Request::Generate(raw(1, &"the whale and the sea ".repeat(4000), 5)));
            assert!(matches!(worker.event(), Event::Started(_)));
        }
        worker.send(&Request::Shutdown);
        assert_eq!(worker.wait().code(), Some(0));
    }
}

#[test]
fn ends_at_a_frame_that_is_none() {
    for bytes in [&[0xff; 16][..], b"\x02\x00\x00\x00{}"] {
        let mut worker = Worker::start();
        worker.input.as_mut().unwrap().write_all(bytes).unwrap();
        let Event::Failed(failure) = worker.event() else { panic!("no failure") };
        assert_eq!((failure.kind, failure.id), (FailureKind::Request, None));
        assert_eq!(worker.wait().code(), Some(2));
    }
}
