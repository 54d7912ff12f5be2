//! Carries out what the server wants, and follows the requests that its clients wait for.
//!
//! What a worker says of a followed request is handed on as it comes, and its end as the domain has it, so that a worker
//! that dies, a session that is stopped and a request that is cancelled all end an answer in the same way. A client that
//! has gone, or that reads nothing, has its request cancelled.

use std::collections::HashMap;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::App;
use super::deleting::Deleting;
use crate::server::{AnswerEvent, AnswerSender, Call, Ending, QueryEnd, Sent};
use domain::ask::Ask;
use domain::command::{Cause, Refused, Value, What};
use domain::event::WorkerEvent;
use domain::query::Query;
use domain::request::RequestId;
use domain::session::{End, WorkerId};
use domain::{Domain, Event};
use wire::Finish;

/// What the clients of the server wait for.
pub(super) struct Serving {
    calls: mpsc::Receiver<Call>,
    followed: HashMap<RequestId, Followed>,
    queries: HashMap<RequestId, mpsc::Sender<QueryEnd>>,
    deleting: Deleting,
    /// Each ends when the client of a request has gone.
    readers: JoinSet<RequestId>,
}

/// A request that a client waits for.
struct Followed {
    events: AnswerSender,
    /// What kind of failure the worker told, before the domain has ended the request.
    failure: Option<wire::FailureKind>,
}

impl Followed {
    fn end(&self, ending: Ending) {
        // Whoever is gone needs none.
        let _ = self.events.send(AnswerEvent::Ended(Box::new(ending)));
    }
}

/// Something to be done for the server's clients.
pub(super) enum Wanted {
    /// A call.
    Call(Call),
    /// Nobody waits for this request any more.
    Gone(RequestId),
}

impl Serving {
    /// Serve these calls.
    pub(super) fn new(calls: mpsc::Receiver<Call>) -> Self {
        Self {
            calls,
            followed: HashMap::new(),
            queries: HashMap::new(),
            deleting: Deleting::default(),
            readers: JoinSet::new(),
        }
    }

    /// Wait for the next thing to do. Nothing is lost where this is given up.
    pub(super) async fn next(&mut self) -> Wanted {
        tokio::select! {
            biased;
            Some(gone) = self.readers.join_next() => match gone {
                Ok(request) => Wanted::Gone(request),
                // None is ever cancelled, and they can't panic.
                Err(_) => std::future::pending().await,
            },
            Some(call) = self.calls.recv() => Wanted::Call(call),
            else => std::future::pending().await,
        }
    }

    /// Do it.
    pub(super) fn handle(&mut self, app: &mut App, wanted: Wanted) {
        match wanted {
            Wanted::Call(Call::Command(what, reply)) => {
                // Whoever asked may have left; the command is carried out all the same.
                let _ = reply.send(app.command(what));
            }
            Wanted::Call(Call::Read(read)) => read(&app.state().domain),
            Wanted::Call(Call::Ask(make, events, reply)) => {
                let asked = make(&app.state().domain).and_then(|asked| ask(app, asked));
                if let Ok(request) = &asked {
                    self.follow(*request, events);
                }
                let _ = reply.send(asked);
            }
            Wanted::Call(Call::Query(query, end)) => self.query(app, *query, end),
            Wanted::Call(Call::ListFiles(repository, revision, reply)) => app.list_files(repository, revision, reply),
            Wanted::Call(Call::DeleteModels(models, reply)) => self.deleting.start(app, models, reply),
            Wanted::Gone(request) => {
                if self.followed.remove(&request).is_some() || self.queries.remove(&request).is_some() {
                    cancel(app, request);
                }
            }
        }
        self.end_those_that_ended(app);
    }

    /// Take something that happened: hand on what it says to the clients, and let the program handle it.
    pub(super) fn happened(&mut self, app: &mut App, event: Event) {
        if let Event::Worker(worker, WorkerEvent::Message(said)) = &event {
            self.said(app, *worker, said);
        }
        let news = Deleting::news(&event);
        app.handle(event);
        if let Some(news) = news {
            self.deleting.happened(app, news);
        }
        self.end_those_that_ended(app);
    }

    fn said(&mut self, app: &mut App, worker: WorkerId, said: &wire::Event) {
        let (id, news) = match said {
            wire::Event::Started(started) => (started.id, AnswerEvent::Started(started.clone())),
            wire::Event::Text { id, pieces, tool_calls, counters, tokens } => {
                let (pieces, tool_calls, tokens) = (pieces.clone(), tool_calls.clone(), tokens.clone());
                (*id, AnswerEvent::Text { pieces, tool_calls, tokens, counters: *counters })
            }
            wire::Event::Failed(failure) => {
                if let Some(followed) = failure.id.and_then(|id| self.followed.get_mut(&RequestId(id))) {
                    followed.failure = Some(failure.kind);
                }
                return;
            }
            _ => return,
        };
        let id = RequestId(id);
        let Some(followed) = self.followed.get(&id).filter(|_| is_running(&app.state().domain, worker, id)) else {
            return;
        };
        if followed.events.send(news) == Sent::Full {
            tracing::info!(request = id.0, "its client reads too slowly: cancelled");
            followed.end(Ending::failed("the answer was cancelled: it was read too slowly"));
            self.followed.remove(&id);
            cancel(app, id);
        }
    }

    /// Nothing follows: whoever still waits is told so.
    pub(super) fn close(&mut self) {
        self.calls.close();
        for (_, end) in self.queries.drain() {
            drop(end.try_send(Err(Refused::new(Cause::BUSY, "the server is shutting down"))));
        }
        for (_, followed) in self.followed.drain() {
            followed.end(Ending::failed("the server is shutting down"));
        }
    }

    fn query(&mut self, app: &mut App, query: Query, end: mpsc::Sender<QueryEnd>) {
        // There is room for the one end; whoever is gone needs none.
        match app.command(What::Query(Box::new(query))) {
            Ok(Value::Request(id)) => {
                let reader = end.clone();
                self.readers.spawn(async move {
                    reader.closed().await;
                    id
                });
                self.queries.insert(id, end);
            }
            Ok(_) => drop(end.try_send(Err(Refused::new(Cause::Invalid, "nothing was asked")))),
            Err(refused) => drop(end.try_send(Err(refused))),
        }
    }

    fn follow(&mut self, request: RequestId, events: AnswerSender) {
        let reader = events.clone();
        self.readers.spawn(async move {
            reader.closed().await;
            request
        });
        self.followed.insert(request, Followed { events, failure: None });
    }

    fn end_those_that_ended(&mut self, app: &mut App) {
        for (id, result) in app.take_ended_queries() {
            if let Some(end) = self.queries.remove(&id) {
                drop(end.try_send(Ok(result)));
            }
        }
        let domain = &app.state().domain;
        self.followed.retain(|id, followed| match ended(domain, *id) {
            Some(ending) => {
                followed.end(Ending { kind: followed.failure, ..ending });
                false
            }
            None => true,
        });
    }
}

/// Whether this worker has been given this request: what another one says of it counts for nothing.
fn is_running(domain: &Domain, worker: WorkerId, id: RequestId) -> bool {
    let request = domain.session_of(worker).and_then(|session| session.request(id));
    request.is_some_and(domain::request::Request::is_running)
}

/// How a request ended, if it has.
fn ended(domain: &Domain, id: RequestId) -> Option<Ending> {
    let Some(request) = domain.sessions.iter().find_map(|session| session.request(id)) else {
        return Some(Ending::failed("the model was unloaded"));
    };
    if request.is_open() {
        return None;
    }
    let end = request.answer.end.clone().unwrap_or_else(|| End::failed("the request ended without an answer"));
    // One of the model's store's is none that the client knows of.
    let stop = match &end {
        End::Finished(Finish::StopText(place)) => request.stop.get(*place as usize).cloned(),
        _ => None,
    };
    Some(Ending { stop, figures: request.figures.clone(), ..Ending::of(end) })
}

fn cancel(app: &mut App, request: RequestId) {
    // One that has ended meanwhile needs none.
    let _ = app.command(What::CancelRequest(request));
}

fn ask(app: &mut App, ask: Ask) -> Result<RequestId, Refused> {
    match app.command(What::Ask(Box::new(ask)))? {
        Value::Request(request) => Ok(request),
        _ => Err(Refused::new(Cause::Invalid, "nothing was asked")),
    }
}
