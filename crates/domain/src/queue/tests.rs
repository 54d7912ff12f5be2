use std::sync::Arc;

use proptest::prelude::*;

use super::served::{GENERATED, MAX_CLIENTS};
use super::*;
use crate::ask::{Api, Asker};
use crate::moment::Moment;
use crate::request::{Client, Step};
use crate::session::{End, SessionId, WorkerId};
use crate::settings::SessionSettings;
use wire::Counters;

fn session() -> Session {
    let model = Arc::new(crate::testing::model("m"));
    Session::new(SessionId(1), WorkerId(1), model, "m".into(), SessionSettings::default(), 1)
}

/// A client asks.
fn ask(session: &mut Session, id: u64, client: &str, priority: Priority) {
    let mut request = Request::new(RequestId(id), Client::Api, Vec::new(), Moment::default());
    request.asker = Some(Asker { name: client.to_owned(), agent: String::new(), api: Api::Native });
    request.priority = priority;
    enter(session, &request);
    session.requests.push(request);
}

/// Start the next request, generate this many tokens and end it. Returns its client.
fn serve(session: &mut Session, n_generated: u32) -> Option<String> {
    let id = next(session)?;
    let request = session.request_mut(id)?;
    request.stage = Stage::Running(Step::Answer);
    let (name, priority) = (client(request).to_owned(), request.priority);
    started(session, priority);
    let counters = Counters { n_generated, ..Counters::default() };
    session.demand.served.charge(&name, &Counters::default(), &counters);
    session.request_mut(id)?.end(End::failed("done"), Moment::default());
    Some(name)
}

#[test]
fn a_client_that_floods_gets_no_more_than_its_share() {
    let mut session = session();
    for id in 0..100 {
        ask(&mut session, id, "many", Priority::Interactive);
    }
    for _ in 0..50 {
        serve(&mut session, 10);
    }
    // A client that comes late goes next, and from then on every other time.
    let mut order = Vec::new();
    for id in 100..110 {
        ask(&mut session, id, "one", Priority::Interactive);
    }
    for _ in 0..20 {
        order.extend(serve(&mut session, 10));
    }
    assert_eq!(order.iter().filter(|name| *name == "one").count(), 10);
    assert!(order[..2].contains(&"one".to_owned()), "{order:?}");
    // A client with longer answers starts fewer.
    for id in 200..300 {
        ask(&mut session, id, "long", Priority::Interactive);
    }
    let mut n_long = 0;
    for _ in 0..40 {
        let is_long = next(&session).and_then(|id| session.request(id)).is_some_and(|one| client(one) == "long");
        n_long += usize::from(is_long);
        serve(&mut session, if is_long { 30 } else { 10 });
    }
    assert!((9..=11).contains(&n_long), "{n_long}");
}

proptest! {
    /// Among clients that always have something waiting, what each has had differs by two of the largest answers at most.
    #[test]
    fn nobody_who_waits_falls_behind(sizes in proptest::collection::vec((0usize..4, 1u32..100), 1..200)) {
        let mut session = session();
        let names = ["a", "b", "c", "d"];
        let mut id = 0;
        for name in names {
            id += 1;
            ask(&mut session, id, name, Priority::Interactive);
        }
        for (_, size) in sizes {
            let name = serve(&mut session, size);
            id += 1;
            ask(&mut session, id, &name.unwrap(), Priority::Interactive);
            let served = names.map(|name| session.demand.served.of(name));
            let (least, most) = (served.iter().min().unwrap(), served.iter().max().unwrap());
            prop_assert!(most - least <= 2 * GENERATED * 100, "{served:?}");
        }
    }

    /// A batch request starts after a bounded number of others, however many come.
    #[test]
    fn no_batch_request_waits_for_ever(bursts in proptest::collection::vec(0usize..6, 1..50)) {
        let mut session = session();
        ask(&mut session, 0, "night", Priority::Batch);
        let (mut id, mut n_before) = (0, 0);
        for burst in bursts {
            for _ in 0..burst {
                id += 1;
                ask(&mut session, id, "day", Priority::Interactive);
            }
            if serve(&mut session, 10).is_some_and(|name| name == "night") {
                break;
            }
            n_before += 1;
        }
        prop_assert!(n_before <= MAX_AHEAD as usize, "{n_before}");
    }
}

#[test]
fn what_is_remembered_of_clients_is_bounded() {
    let mut session = session();
    for id in 0..1000 {
        ask(&mut session, id, &format!("key {id}"), Priority::Interactive);
        serve(&mut session, 1);
    }
    assert_eq!(session.demand.served.clients.len(), MAX_CLIENTS);
}
