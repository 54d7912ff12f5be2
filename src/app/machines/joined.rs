//! A session of this machine's server, for another machine: what its worker says of the requests from there goes there, in the
//! worker's own protocol.
//!
//! Whoever asks sees a worker that has loaded its model. What it asks becomes commands to the server, like those of any other
//! client: they wait in the same queue and are cancelled alike. Absent: what only a worker of one's own can do, such as a
//! measurement.

use std::collections::BTreeMap;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::app::socket::{FromClient, FromServer, Link, LinkError, Target, first_command};
use domain::ask::{Api, Ask, Asker, Generation, Priority};
use domain::command::{Command, CommandId, Refused, Value, What};
use domain::event::WorkerEvent;
use domain::query::{Query, QueryError, Target as Of};
use domain::request::form::Form;
use domain::request::schema::Schema;
use domain::request::{Request as DomainRequest, RequestId};
use domain::session::{End, Phase, Session, SessionId};
use domain::{Domain, Effect, Event, Moment, StateMachine, eviction};
use wire::{Counters, Event as Said, Failure, FailureKind, Grammar, Hello, Queried, Request};

/// The most requests that are open at once: as many as a worker takes.
const MAX_OPEN: usize = 256;

/// What is read of the other machine's requests at once, bytes.
const CHUNK: usize = 64 << 10;

/// The name that its requests have among the server's clients.
const AGENT: &str = "taffrail of another machine";

/// Speak for the session that the server has of a model, until whoever asks has gone.
///
/// # Errors
///
/// A sentence: why it can't, or how the session ended.
pub(super) async fn join(model: &str) -> Result<(), String> {
    let (link, _, domain) = Link::attach(&Target::Local).await.map_err(|error| match error {
        LinkError::NoServer => "no server is running there any more".to_owned(),
        error => error.to_string(),
    })?;
    let session = eviction::serving(&domain, model).ok_or("the server there has it loaded no more")?;
    let hello = Hello {
        version: wire::VERSION,
        pid: session.pid.unwrap_or_default(),
        engine: session.engine.clone(),
        devices: Vec::new(),
    };
    let (session, first) = (session.id, first_command(link.server.client));
    let mut joined = Joined {
        model: model.to_owned(),
        session,
        domain,
        next_command: first,
        commands: BTreeMap::new(),
        open: BTreeMap::new(),
        queries: BTreeMap::new(),
        wants_load: false,
        said: Vec::new(),
    };
    joined.say(&Said::Hello(hello));
    joined.run(link).await
}

/// A session, and what is asked of it from there.
struct Joined {
    /// The model's id.
    model: String,
    session: SessionId,
    /// The server's domain.
    domain: Box<StateMachine>,
    next_command: u64,
    /// Commands without a reply, with the number that the request has there.
    commands: BTreeMap<CommandId, u64>,
    /// Requests that have not ended, with their numbers there.
    open: BTreeMap<RequestId, u64>,
    /// Queries likewise.
    queries: BTreeMap<RequestId, u64>,
    /// It was asked to load, and has not said yet that it has.
    wants_load: bool,
    /// What is to be written.
    said: Vec<u8>,
}

impl Joined {
    async fn run(mut self, mut link: Link) -> Result<(), String> {
        let (mut input, mut output) = (tokio::io::stdin(), tokio::io::stdout());
        let (mut decoder, mut buffer) = (wire::Decoder::default(), vec![0; CHUNK]);
        let mut ending = None;
        let gone = "the server there has ended";
        loop {
            let written = output.write_all(&self.said).await;
            self.said.clear();
            if written.is_err() || output.flush().await.is_err() {
                return Ok(());
            }
            tokio::select! {
                said = link.next() => match said {
                    Some(Ok(FromServer::Event(now, event))) => self.take(now, event)?,
                    Some(Ok(FromServer::Snapshot(_, domain))) => self.domain = domain,
                    Some(Ok(FromServer::Answer(_))) => {}
                    Some(Ok(FromServer::Ending(reason))) => ending = Some(reason),
                    Some(Err(error)) => return Err(format!("{gone}: {error}")),
                    None => return Err(ending.map_or_else(|| gone.to_owned(), |reason| format!("{gone}: {reason}"))),
                },
                read = input.read(&mut buffer) => {
                    let count = read.unwrap_or(0);
                    if count == 0 {
                        break;
                    }
                    decoder.push(buffer.get(..count).unwrap_or_default());
                    while let Some(request) = decoder.next().map_err(|error| error.to_string())? {
                        if request == Request::Shutdown {
                            link.close().await;
                            return Ok(());
                        }
                        if let Some(what) = self.asked(request) {
                            self.give(&link, what);
                        }
                    }
                }
            }
        }
        // What it still waits for is no one's any more.
        for id in std::mem::take(&mut self.open).into_keys() {
            self.give(&link, (None, What::CancelRequest(id)));
        }
        link.close().await;
        Ok(())
    }

    fn say(&mut self, said: &Said) {
        match wire::encode(said) {
            Ok(frame) => self.said.extend(frame),
            Err(error) => tracing::error!("an event can't be told: {error}"),
        }
    }

    /// Give the server a command; the request that it is for has this number there.
    fn give(&mut self, link: &Link, (number, what): (Option<u64>, What)) {
        self.next_command += 1;
        let id = CommandId(self.next_command);
        self.commands.extend(number.map(|number| (id, number)));
        link.say(&FromClient::Command(Command { id, what }));
    }

    /// What a request from there comes to: a command, or an answer at once.
    fn asked(&mut self, request: Request) -> Option<(Option<u64>, What)> {
        match request {
            Request::Ping { nonce } => self.say(&Said::Pong { nonce, n_decodes: 0, n_steps: None }),
            Request::Load(_) => {
                self.wants_load = true;
                self.tell_load();
            }
            Request::Generate(generate) if self.open.len() + self.commands.len() < MAX_OPEN => {
                let id = generate.id;
                match self.ask(generate) {
                    Ok(ask) => return Some((Some(id), What::Ask(Box::new(ask)))),
                    Err(reason) => self.fail(Some(id), FailureKind::Request, reason, None),
                }
            }
            Request::Generate(generate) => {
                let reason = format!("{MAX_OPEN} requests wait already");
                self.fail(Some(generate.id), FailureKind::Busy, reason, None);
            }
            Request::Query(query) => {
                let what = What::Query(Box::new(Query { target: Of::Session(self.session), job: query.job }));
                return Some((Some(query.id), what));
            }
            Request::Cancel { id } => {
                let named = self.open.iter().chain(&self.queries).find(|(_, number)| **number == id);
                return named.map(|(request, _)| (None, What::CancelRequest(*request)));
            }
            Request::Measure(wire::Measure { id, .. }) | Request::Score(wire::Score { id, .. }) => {
                let reason = "a session that others use as well can't be measured".to_owned();
                let hint = Some("start the model there".to_owned());
                self.fail(Some(id), FailureKind::Request, reason, hint);
            }
            // The server gives threads, and decides what it caches; its answers wait for no one's credits.
            Request::Threads { .. } | Request::ClearCache | Request::Continue { .. } | Request::Shutdown => {}
        }
        None
    }

    /// A request from there as the server takes it.
    fn ask(&self, generate: wire::Generate) -> Result<Ask, String> {
        let form = match generate.grammar {
            None => None,
            Some(Grammar::Gbnf(text)) => Some(Form::Gbnf(text)),
            Some(Grammar::JsonSchema(text)) => {
                let schema = Schema::parse(&text).map_err(|error| error.to_string())?;
                Some(Form::Schema(schema.into()))
            }
        };
        let generation = Generation {
            sampling: generate.sampling,
            logit_bias: generate.logit_bias,
            max_tokens: generate.max_tokens,
            form,
            stop: generate.stop,
            n_top_logprobs: generate.n_top_logprobs,
            ..Generation::new(generate.prompt)
        };
        Ok(Ask {
            model: self.model.clone(),
            settings: None,
            generation,
            asker: Asker { name: "local".to_owned(), agent: AGENT.to_owned(), api: Api::Native },
            priority: Priority::Interactive,
            keep_alive: None,
        })
    }

    /// Take what the server's domain took, and tell there what follows.
    fn take(&mut self, now: Moment, event: Event) -> Result<(), String> {
        if let Event::Worker(_, WorkerEvent::Message(message)) = &event
            && let Some(message) = self.mapped(message)
        {
            self.say(&message);
        }
        for effect in self.domain.update(now, event) {
            match effect {
                Effect::Reply(reply) => self.replied(reply.id, reply.result),
                Effect::EndQuery { id, result } => self.end_query(id, result),
                _ => {}
            }
        }
        self.settle();
        self.tell_load();
        match self.domain.session(self.session).map(|session| &session.phase) {
            None | Some(Phase::Stopping) => Err("the server there has unloaded it".to_owned()),
            Some(Phase::Failed { reason, .. }) => Err(reason.clone()),
            Some(_) => Ok(()),
        }
    }

    /// A message of a worker with the request's number there; `None` where it is none from there.
    fn mapped(&mut self, message: &Said) -> Option<Said> {
        let number = |id: &u64| self.open.get(&RequestId(*id)).copied();
        let mut message = message.clone();
        let mut ended = None;
        match &mut message {
            Said::Started(started) => started.id = number(&started.id)?,
            Said::Prompt { id, .. } | Said::Text { id, .. } => *id = number(id)?,
            Said::Finished { id, .. } | Said::Failed(Failure { id: Some(id), .. }) => {
                ended = Some(*id);
                *id = number(id)?;
            }
            _ => return None,
        }
        if let Some(id) = ended {
            self.open.remove(&RequestId(id));
        }
        Some(message)
    }

    fn replied(&mut self, id: CommandId, result: Result<Value, Refused>) {
        let Some(number) = self.commands.remove(&id) else { return };
        match result {
            Ok(Value::Request(request)) => {
                let is_query = self
                    .domain
                    .session(self.session)
                    .is_some_and(|session| session.queries.iter().any(|query| query.id == request));
                let known = if is_query { &mut self.queries } else { &mut self.open };
                known.insert(request, number);
            }
            Ok(_) => {}
            Err(refused) => self.fail(Some(number), FailureKind::Request, refused.reason, refused.hint),
        }
    }

    fn end_query(&mut self, id: RequestId, result: Result<Box<wire::QueryResult>, QueryError>) {
        let Some(number) = self.queries.remove(&id) else { return };
        match result {
            Ok(result) => self.say(&Said::Queried(Box::new(Queried { id: number, result: *result }))),
            Err(QueryError { reason, hint, kind }) => {
                self.fail(Some(number), kind.unwrap_or(FailureKind::Request), reason, hint);
            }
        }
    }

    /// Tell the end of requests that ended without a word of their worker.
    fn settle(&mut self) {
        let ended = self.open.iter().filter_map(|(id, number)| {
            let request = find(&self.domain, *id);
            let is_open = request.is_some_and(DomainRequest::is_open);
            (!is_open).then(|| (*id, *number, request.and_then(|request| request.answer.end.clone())))
        });
        for (id, number, end) in ended.collect::<Vec<_>>() {
            self.open.remove(&id);
            match end {
                Some(End::Finished(finish)) => {
                    self.say(&Said::Finished { id: number, finish, counters: Counters::default() });
                }
                Some(End::Failed { reason, hint }) => self.fail(Some(number), FailureKind::Request, reason, hint),
                None => self.fail(Some(number), FailureKind::Request, "its session is gone".to_owned(), None),
            }
        }
    }

    /// Say that the model is loaded, once it is.
    fn tell_load(&mut self) {
        let loaded = self.domain.session(self.session).filter(|session| session.phase == Phase::Ready);
        let loaded = loaded.and_then(|session: &Session| session.loaded.clone());
        if let Some(loaded) = loaded.filter(|_| self.wants_load) {
            self.wants_load = false;
            self.say(&Said::Loaded(loaded));
        }
    }

    fn fail(&mut self, id: Option<u64>, kind: FailureKind, message: String, hint: Option<String>) {
        self.say(&Said::Failed(Failure { id, kind, message, hint }));
    }
}

/// A request of any session: a model may have several.
fn find(domain: &Domain, id: RequestId) -> Option<&DomainRequest> {
    domain.sessions.iter().find_map(|session| session.request(id))
}
