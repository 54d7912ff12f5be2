//! Frames over a pipe that splits, ends and corrupts them at will.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::io::{self, Read};

use proptest::prelude::*;
use wire::{
    Channel, Counters, Decoder, Error, Event, Generate, MAX_FRAME, Message, Piece, Prompt, Request, Role, Sampling,
};

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::System), Just(Role::User), Just(Role::Assistant), Just(Role::Tool)]
}

fn sampling() -> impl Strategy<Value = Sampling> {
    (proptest::option::of(0.0_f32..2.0), proptest::option::of(any::<u32>()), proptest::option::of(any::<u32>()))
        .prop_map(|(temperature, top_k, seed)| Sampling { temperature, top_k, seed, ..Sampling::default() })
}

fn request() -> impl Strategy<Value = Request> {
    let turn = (role(), any::<String>()).prop_map(|(role, text)| Message::new(role, text));
    let prompt = prop_oneof![
        proptest::collection::vec(turn, 0..5).prop_map(Prompt::from),
        any::<String>().prop_map(Prompt::Raw),
    ];
    prop_oneof![
        (any::<u64>(), prompt, proptest::option::of(any::<u32>()), sampling()).prop_map(
            |(id, prompt, max_tokens, sampling)| {
                Request::Generate(Generate {
                    id,
                    prompt,
                    max_tokens,
                    sampling,
                    grammar: None,
                    stop: Vec::new(),
                    n_top_logprobs: 0,
                    logit_bias: Vec::new(),
                    credits: None,
                    min_room: 0,
                    context_shift: false,
                })
            }
        ),
        any::<u64>().prop_map(|id| Request::Cancel { id }),
        any::<u64>().prop_map(|nonce| Request::Ping { nonce }),
        Just(Request::ClearCache),
        Just(Request::Shutdown),
    ]
}

/// Yields bytes in pieces of these sizes, in a cycle.
struct Pieces<'a> {
    bytes: &'a [u8],
    sizes: std::iter::Cycle<std::slice::Iter<'a, usize>>,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.sizes.next().copied().unwrap_or(1).min(buffer.len()).min(self.bytes.len());
        let (now, later) = self.bytes.split_at(size);
        buffer[..size].copy_from_slice(now);
        self.bytes = later;
        Ok(size)
    }
}

fn stream(requests: &[Request]) -> Vec<u8> {
    requests.iter().flat_map(|request| wire::encode(request).unwrap()).collect()
}

proptest! {
    #[test]
    fn messages_survive_any_cut(
        requests in proptest::collection::vec(request(), 0..6),
        sizes in proptest::collection::vec(1_usize..200, 1..8),
    ) {
        let bytes = stream(&requests);

        let mut reader = Pieces { bytes: &bytes, sizes: sizes.iter().cycle() };
        let mut read = Vec::new();
        while let Some(request) = wire::read::<Request>(&mut reader).unwrap() {
            read.push(request);
        }
        prop_assert_eq!(&read, &requests);

        let mut decoder = Decoder::default();
        let (mut decoded, mut rest) = (Vec::new(), bytes.as_slice());
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at((*size).min(rest.len()));
            decoder.push(now);
            rest = later;
            while let Some(request) = decoder.next::<Request>().unwrap() {
                decoded.push(request);
            }
        }
        prop_assert_eq!(&decoded, &requests);
        prop_assert!(decoder.is_empty());
    }

    #[test]
    fn events_survive_with_any_text(texts in proptest::collection::vec(any::<String>(), 0..4)) {
        let pieces = texts.into_iter().map(|text| Piece { channel: Channel::Answer, text }).collect();
        let event = Event::Text { id: 1, pieces, tool_calls: Vec::new(), counters: Counters::default(), tokens: Vec::new() };
        let frame = wire::encode(&event).unwrap();
        prop_assert_eq!(wire::read::<Event>(&mut frame.as_slice()).unwrap(), Some(event));
    }

    #[test]
    fn an_end_inside_a_frame_is_an_error_and_between_frames_is_none(
        requests in proptest::collection::vec(request(), 1..3),
        cut in any::<prop::sample::Index>(),
    ) {
        let bytes = stream(&requests);
        let cut = cut.index(bytes.len());
        let first = wire::encode(&requests[0]).unwrap().len();
        let mut reader = &bytes[..cut];
        let end = loop {
            match wire::read::<Request>(&mut reader) {
                Ok(Some(_)) => {}
                end => break end,
            }
        };
        if cut == 0 || cut == first {
            prop_assert!(matches!(end, Ok(None)), "{:?}", end);
        } else {
            let kind = match end { Err(Error::Io(error)) => Some(error.kind()), _ => None };
            prop_assert_eq!(kind, Some(io::ErrorKind::UnexpectedEof));
        }
    }

    #[test]
    fn noise_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut decoder = Decoder::default();
        decoder.push(&bytes);
        while let Ok(Some(_)) = decoder.next::<Request>() {}
        let mut reader = bytes.as_slice();
        while let Ok(Some(_)) = wire::read::<Event>(&mut reader) {}
    }
}

#[test]
fn a_length_above_the_limit_is_refused_before_its_body_is_read() {
    for length in [MAX_FRAME + 1, u32::MAX as usize] {
        let head = u32::try_from(length).unwrap().to_le_bytes();
        let mut decoder = Decoder::default();
        decoder.push(&head);
        assert!(matches!(decoder.next::<Request>(), Err(Error::TooLong(found)) if found == length));
        assert!(matches!(wire::read::<Request>(&mut head.as_slice()), Err(Error::TooLong(_))));
    }
    let mut decoder = Decoder::default();
    decoder.push(&u32::try_from(MAX_FRAME).unwrap().to_le_bytes());
    assert!(matches!(decoder.next::<Request>(), Ok(None)), "the limit itself is allowed");
}

#[test]
fn a_message_above_the_limit_is_not_sent() {
    let prompt = Prompt::Raw("x".repeat(MAX_FRAME));
    let generate = Generate {
        id: 1,
        prompt,
        max_tokens: None,
        sampling: Sampling::default(),
        grammar: None,
        stop: Vec::new(),
        n_top_logprobs: 0,
        logit_bias: Vec::new(),
        credits: None,
        min_room: 0,
        context_shift: false,
    };
    let mut sent = Vec::new();
    assert!(matches!(wire::write(&mut sent, &Request::Generate(generate)), Err(Error::TooLong(_))));
    assert!(sent.is_empty());
}

#[test]
fn what_is_no_message_is_malformed() {
    for body in [
        &b""[..],
        b"{}",
        b"null",
        b"\xff\xfe",
        br#"{"request":"sing"}"#,
        br#"{"request":"ping"}"#,
        br#"{"request":"ping","nonce":-1}"#,
        br#"{"request":"forget"}x"#,
    ] {
        let mut frame = u32::try_from(body.len()).unwrap().to_le_bytes().to_vec();
        frame.extend_from_slice(body);
        let read = wire::read::<Request>(&mut frame.as_slice());
        assert!(matches!(read, Err(Error::Malformed(_))), "{:?}: {read:?}", String::from_utf8_lossy(body));
    }
}

#[test]
fn a_pipe_that_fails_or_is_interrupted() {
    struct Scripted(Vec<io::Result<u8>>);
    impl Read for Scripted {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.pop().map_or(Ok(0), |step| step.map(|byte| (buffer[0] = byte, 1).1))
        }
    }
    let frame = wire::encode(&Request::ClearCache).unwrap();
    let mut script: Vec<io::Result<u8>> = frame.iter().copied().map(Ok).collect();
    script.insert(3, Err(io::ErrorKind::Interrupted.into()));
    script.reverse();
    assert_eq!(wire::read::<Request>(&mut Scripted(script)).unwrap(), Some(Request::ClearCache));
    let script = vec![Err(io::ErrorKind::BrokenPipe.into()), Ok(frame[0])];
    assert!(matches!(wire::read::<Request>(&mut Scripted(script)), Err(Error::Io(_))));
}
