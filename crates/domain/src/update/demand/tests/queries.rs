//! Queries of models that are loaded for them.

use wire::{Input, QueryJob, QueryResult};

use super::*;
use crate::query::{Query, QueryError, Target};

fn embed(text: &str) -> QueryJob {
    QueryJob::Embed { inputs: vec![Input::Text(text.into())], normalize: true, truncate: false }
}

fn tokenize(text: &str) -> QueryJob {
    let text = text.to_owned();
    QueryJob::Tokenize { text, add_special: false, parse_special: false, with_pieces: false }
}

fn result() -> QueryResult {
    QueryResult::Tokenized { tokens: vec![1], pieces: Vec::new() }
}

impl Bed {
    fn query(&mut self, model: &str, job: QueryJob) -> Result<RequestId, Refused> {
        let target = Target::Model { id: format!("folder:{model}"), settings: None, keep_alive: None };
        match self.give(What::Query(Box::new(Query { target, job })))? {
            Value::Request(id) => Ok(id),
            value => panic!("{value:?}"),
        }
    }

    fn said(&mut self, model: &str, message: Message) {
        let worker = self.worker(model);
        self.says(worker, message);
    }

    /// Queries that the last event gave to workers.
    fn asked(&self) -> Vec<u64> {
        let asked = |effect: &Effect| match effect {
            Effect::Tell { request: wire::Request::Query(query), .. } => Some(query.id),
            _ => None,
        };
        self.effects.iter().filter_map(asked).collect()
    }

    /// Queries that the last event ended.
    fn ended(&self) -> Vec<(RequestId, Result<QueryResult, QueryError>)> {
        let ended = |effect: &Effect| match effect {
            Effect::EndQuery { id, result } => Some((*id, result.clone().map(|result| *result))),
            _ => None,
        };
        self.effects.iter().filter_map(ended).collect()
    }
}

#[test]
fn a_query_loads_its_model_and_ends_once() {
    let mut bed = Bed::new();
    let id = bed.query("tiny", tokenize("a")).unwrap();
    assert!(bed.asked().is_empty());
    bed.load("tiny");
    assert_eq!(bed.asked(), [id.0]);
    let queried = || Message::Queried(Box::new(wire::Queried { id: id.0, result: result() }));
    bed.said("tiny", queried());
    assert_eq!(bed.ended(), [(id, Ok(result()))]);
    bed.said("tiny", queried());
    assert!(bed.ended().is_empty(), "it ended once");
    assert_eq!(bed.query("gone", tokenize("a")).unwrap_err().cause, Cause::NotFound);
}

#[test]
fn queries_wait_for_no_sequence_and_what_is_too_much_is_refused() {
    let mut bed = Bed::new();
    bed.ask("tiny");
    bed.load("tiny");
    let first = bed.query("tiny", embed("a")).unwrap();
    assert_eq!(bed.asked(), [first.0], "an answer runs in the only sequence");
    let more: Vec<RequestId> = (1..64).map(|_| bed.query("tiny", embed("a")).unwrap()).collect();
    let refused = bed.query("tiny", embed("a")).unwrap_err();
    assert!(matches!(refused.cause, Cause::Busy { retry_after: Some(_) }), "{refused:?}");
    bed.said("tiny", Message::Queried(Box::new(wire::Queried { id: first.0, result: result() })));
    assert_eq!(bed.asked(), [more[7].0], "eight at once");
    let long = "x".repeat(40 << 20);
    bed.query("small", tokenize(&long)).unwrap();
    let refused = bed.query("small", tokenize(&long)).unwrap_err();
    assert!(matches!(refused.cause, Cause::Busy { .. }), "{refused:?}");
}

#[test]
fn queries_end_with_what_becomes_of_them() {
    for (name, reason) in [
        ("cancelled while it waits", "the request was cancelled"),
        ("cancelled by the worker", "the request was cancelled"),
        ("failed", "it is too long"),
        ("stopped", "the session was stopped"),
        ("died", "killed by signal 9"),
    ] {
        let mut bed = Bed::new();
        let id = bed.query("tiny", embed("a")).unwrap();
        let session = bed.machine.sessions[0].id;
        if name != "cancelled while it waits" {
            bed.load("tiny");
        }
        match name {
            "cancelled while it waits" => _ = bed.give(What::CancelRequest(id)).unwrap(),
            "cancelled by the worker" => {
                bed.give(What::CancelRequest(id)).unwrap();
                assert!(bed.ended().is_empty());
                let counters = Counters::default();
                bed.said("tiny", Message::Finished { id: id.0, finish: Finish::Cancelled, counters });
            }
            "failed" => {
                let (kind, message) = (FailureKind::PromptTooLong, "it is too long".to_owned());
                bed.said("tiny", Message::Failed(Failure { id: Some(id.0), kind, message, hint: None }));
            }
            "stopped" => _ = bed.give(What::StopSession(session)).unwrap(),
            _ => bed.exits(bed.worker("tiny"), false),
        }
        let [(ended, Err(error))]: [(RequestId, Result<QueryResult, QueryError>); 1] = bed.ended().try_into().unwrap()
        else {
            panic!("{name}")
        };
        assert_eq!((ended, error.reason.as_str()), (id, reason), "{name}");
        assert_eq!(error.kind.is_some(), name == "failed");
        assert!(bed.machine.sessions.iter().all(|session| session.queries.is_empty()));
    }
}
