//! What programs are promised: each request that was taken ends once, queues are bounded, a model is loaded once, and
//! nobody is passed over for ever.

use std::collections::{HashMap, HashSet};

use domain::ask::Priority;
use domain::command::{Cause, Command, Reply, Value, What};
use domain::demand::Wait;
use domain::keep_alive::KeepAlive;
use domain::queue::MAX_AHEAD;
use domain::request::{Client, Request, RequestId, Stage};
use domain::session::{Phase, Session, SessionId};
use domain::{Domain, Effect, Event, Notification};

/// What was seen of requests so far.
#[derive(Debug, Default)]
pub(crate) struct Demands {
    /// Requests that were taken, and whether they have ended.
    taken: HashMap<RequestId, bool>,
    /// Queries that were taken and have not ended.
    queries: HashSet<RequestId>,
    /// Whether the command is a query.
    is_query: bool,
    /// By session, interactive requests that began while a batch request waited.
    ahead: HashMap<SessionId, u32>,
    /// The model that the command asks.
    asks: Option<String>,
    /// The session that the command stops.
    stops: Option<SessionId>,
    /// It is no command that is handled.
    is_quiet: bool,
    /// What has happened at least once, of [`SITUATIONS`].
    pub(crate) seen: HashSet<&'static str>,
}

/// What must happen in some run, or the invariants say nothing of it.
pub(crate) const SITUATIONS: [&str; 8] = [
    "an idle model made room",
    "a busy model drained",
    "a model waited for memory",
    "a model waited for its turn",
    "a queue was full",
    "a model paused after its worker had died",
    "a model did not fit",
    "an idle model expired",
];

impl Demands {
    pub(crate) fn before(&mut self, event: &Event) {
        self.is_query = matches!(event, Event::Command(Command { what: What::Query(_), .. }));
        self.is_quiet = !matches!(event, Event::Command(_));
        (self.asks, self.stops) = match event {
            Event::Command(Command { what: What::Ask(ask), .. }) => (Some(ask.model.clone()), None),
            Event::Command(Command { what: What::StopSession(id), .. }) => (None, Some(*id)),
            _ => (None, None),
        };
    }

    pub(crate) fn after(&mut self, domain: &Domain, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Reply(reply) if self.is_query => {
                    if let Ok(Value::Request(id)) = reply.result {
                        assert!(self.queries.insert(id), "{id:?} is taken twice");
                    }
                }
                Effect::EndQuery { id, .. } => {
                    assert!(self.queries.remove(id), "{id:?} ends twice, or was never taken");
                }
                Effect::Reply(reply) if self.asks.is_some() => {
                    if let Ok(Value::Request(id)) = reply.result {
                        self.took(domain, id);
                    }
                }
                Effect::Send { request: wire::Request::Generate(generate), .. } => {
                    self.begins(domain, RequestId(generate.id));
                }
                _ => {}
            }
        }
        self.ends(domain);
        self.open(domain);
        once(domain);
        self.look(domain, effects);
    }

    /// Which of the situations this is.
    fn look(&mut self, domain: &Domain, effects: &[Effect]) {
        let [evicted, drained, memory, turn, full, paused, unfit, expired] = SITUATIONS;
        for effect in effects {
            match effect {
                Effect::Notify(Notification::Notice { text, .. }) if text.contains("to make room for") => {
                    self.seen.insert(evicted);
                }
                Effect::Reply(Reply { result: Err(refused), .. }) if self.asks.is_some() => match &refused.cause {
                    Cause::Busy { .. } if refused.reason.contains("in a row") => drop(self.seen.insert(paused)),
                    Cause::Busy { .. } if refused.reason.contains("wait") => drop(self.seen.insert(full)),
                    Cause::Memory(_) => drop(self.seen.insert(unfit)),
                    _ => {}
                },
                _ => {}
            }
        }
        for session in &domain.sessions {
            match &session.demand.wait {
                Some(Wait::Memory { .. }) => drop(self.seen.insert(memory)),
                Some(Wait::Turn(..)) => drop(self.seen.insert(turn)),
                None => {}
            }
            if session.demand.is_draining {
                self.seen.insert(drained);
            }
            let is_idle = session.requests.iter().all(|request| !request.is_open());
            let keep_alive = session.keep_alive();
            if session.phase == Phase::Stopping && is_idle && keep_alive != KeepAlive::Forever && self.is_quiet {
                self.seen.insert(expired);
            }
        }
    }

    /// Queries that were taken and have not ended are those that sessions have, within the bounds.
    fn open(&self, domain: &Domain) {
        let open: Vec<RequestId> = domain.sessions.iter().flat_map(|one| &one.queries).map(|query| query.id).collect();
        assert_eq!(open.len(), self.queries.len(), "{open:?} are open rather than {:?}", self.queries);
        assert!(open.iter().all(|id| self.queries.contains(id)), "{open:?} rather than {:?}", self.queries);
        assert!(open.len() <= 256 && domain.sessions.iter().all(|session| session.queries.len() <= 64));
    }

    /// A request is taken within the bounds.
    fn took(&mut self, domain: &Domain, id: RequestId) {
        assert!(self.taken.insert(id, false).is_none(), "{id:?} is taken twice");
        let waiting = |session: &Session| session.requests.iter().filter(|one| one.stage == Stage::Queued).count();
        let model = self.asks.as_ref();
        let of_model = domain.sessions.iter().filter(|session| Some(&session.model.id) == model).map(waiting);
        let of_model: usize = of_model.sum();
        let of_all: usize = domain.sessions.iter().map(waiting).sum();
        let budget = &domain.settings.budget;
        assert!(of_model <= budget.max_queued_per_model as usize, "{of_model} wait for {model:?}");
        assert!(of_all <= budget.max_queued as usize, "{of_all} wait");
    }

    /// A batch request is passed over so often at most.
    fn begins(&mut self, domain: &Domain, id: RequestId) {
        let Some(session) = domain.sessions.iter().find(|session| session.request(id).is_some()) else { return };
        let Some(request) = session.request(id) else { return };
        let mut waiting = session.requests.iter().filter(|request| request.stage == Stage::Queued);
        let has_batch = waiting.any(|request| request.priority == Priority::Batch);
        let n_ahead = self.ahead.entry(session.id).or_default();
        *n_ahead = if has_batch && request.priority == Priority::Interactive { *n_ahead + 1 } else { 0 };
        // Those that begin with one event are counted one by one, while all have begun.
        let n_sequences = session.n_sequences() as u32;
        assert!(*n_ahead <= MAX_AHEAD + n_sequences, "{n_ahead} are begun before a batch request in {}", session.name);
    }

    /// A request that was taken ends once, and is seen to.
    fn ends(&mut self, domain: &Domain) {
        let all = domain.sessions.iter().flat_map(|session| session.requests.iter().map(move |one| (session.id, one)));
        let all: HashMap<RequestId, (SessionId, &Request)> = all.map(|(id, one)| (one.id, (id, one))).collect();
        for (id, has_ended) in &mut self.taken {
            if let Some((_, request)) = all.get(id) {
                assert!(!*has_ended || !request.is_open(), "{id:?} goes on after its end");
                assert_eq!(request.client, Client::Api);
                *has_ended = !request.is_open();
            } else {
                // A session that waits and is stopped leaves the list at once.
                assert!(*has_ended || self.stops.is_some(), "{id:?} is gone without an end");
                *has_ended = true;
            }
        }
        // What has ended and is gone can't come back.
        self.taken.retain(|id, has_ended| !*has_ended || all.contains_key(id));
    }

    /// After all has become quiet nothing waits.
    pub(crate) fn quiet(&self) {
        let open: Vec<_> = self.taken.iter().filter(|(_, has_ended)| !**has_ended).collect();
        assert!(open.is_empty(), "requests wait for ever: {open:?}");
        assert!(self.queries.is_empty(), "queries wait for ever: {:?}", self.queries);
    }
}

/// No model is loaded for requests twice at once.
fn once(domain: &Domain) {
    let mut loaded: HashMap<&str, &Session> = HashMap::new();
    let live = |session: &&Session| matches!(session.phase, Phase::Queued | Phase::Loading { .. } | Phase::Ready);
    for session in domain.sessions.iter().filter(|session| session.demand.is_on_demand).filter(live) {
        if let Some(other) = loaded.insert(&session.model.id, session) {
            panic!("{} is loaded for requests twice: {:?} and {:?}", session.model.id, other.id, session.id);
        }
    }
}
