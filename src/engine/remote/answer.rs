//! One answer of an engine, as it comes.

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Duration, Instant, timeout};

use super::RemoteError;
use super::client::Client;
use super::events::{self, Delta, Usage};
use super::lines::Lines;
use super::question::{Question, Target, question};
use crate::engine::command::News;
use domain::event::WorkerEvent;
use domain::session::WorkerId;
use wire::{Counters, Event as Said, Failure, FailureKind, Finish, Generate, Piece, Started};

/// The longest wait for the first bytes: an engine may load the model, and read a long prompt, first.
const FIRST: Duration = Duration::from_mins(10);

/// The longest wait for the next ones. A call of a tool may come at once at its end.
const NEXT: Duration = Duration::from_mins(2);

/// The time between two reports of text: several pieces of a fast engine come in one.
const REPORT: Duration = Duration::from_millis(16);

/// An answer so far.
struct Answer {
    id: u64,
    asked: Instant,
    first: Option<Instant>,
    last: Option<Instant>,
    /// Pieces of text, each a token or some.
    n_pieces: u32,
    usage: Usage,
    finish: Option<Finish>,
    stop: Vec<String>,
    waiting: Delta,
    reported: Option<Instant>,
}

/// Have an engine answer, and tell what comes; `cancelled` ends it.
pub(super) async fn answer(
    worker: WorkerId,
    client: Client,
    (model, n_ctx): (String, u32),
    generate: Generate,
    mut cancelled: oneshot::Receiver<()>,
    news: News,
) {
    let id = generate.id;
    let started = Started { id, n_prompt: 0, n_cached: 0, sampling: generate.sampling };
    let _ = news.send((worker, WorkerEvent::Message(Said::Started(started)))).await;
    let mut answer = Answer::new(&generate);
    let target = Target { kind: client.kind(), model: &model, n_ctx, is_openai: client.host() == "api.openai.com" };
    let told = {
        let ask = async {
            let question = question(target, &generate)?;
            answer.read(worker, &client, &question, &news).await
        };
        tokio::select! {
            biased;
            _ = &mut cancelled => None,
            result = ask => Some(result),
        }
    };
    answer.report(worker, &news).await;
    let counters = answer.counters();
    let end = match told {
        None => Said::Finished { id, finish: Finish::Cancelled, counters },
        Some(Ok(())) => {
            // What was cached is known at the end only.
            let n_cached = answer.usage.n_cached.unwrap_or(0);
            let n_prompt = answer.usage.n_prompt.unwrap_or(0);
            let started = Started { id, n_prompt, n_cached, sampling: generate.sampling };
            let _ = news.send((worker, WorkerEvent::Message(Said::Started(started)))).await;
            Said::Finished { id, finish: answer.finish.unwrap_or(Finish::Stop), counters }
        }
        Some(Err(RemoteError { reason, hint, .. })) => {
            let message = format!("{}: {reason}", client.name);
            let hint = hint.or_else(|| Some("the session stays: ask again".to_owned()));
            Said::Failed(Failure { id: Some(id), kind: FailureKind::Request, message, hint })
        }
    };
    let _ = news.send((worker, WorkerEvent::Message(end))).await;
}

/// Have an engine answer, and give its figures alone.
pub(super) async fn timed(client: &Client, question: &Question, generate: &Generate) -> Result<Counters, RemoteError> {
    // No one reads along.
    let (news, _) = mpsc::channel(1);
    let mut answer = Answer::new(generate);
    answer.read(WorkerId(0), client, question, &news).await?;
    Ok(answer.counters())
}

impl Answer {
    fn new(generate: &Generate) -> Self {
        Self {
            id: generate.id,
            asked: Instant::now(),
            first: None,
            last: None,
            n_pieces: 0,
            usage: Usage::default(),
            finish: None,
            stop: generate.stop.clone(),
            waiting: Delta::default(),
            reported: None,
        }
    }

    async fn read(
        &mut self,
        worker: WorkerId,
        client: &Client,
        question: &Question,
        news: &News,
    ) -> Result<(), RemoteError> {
        let slow = |time: Duration| RemoteError::new(format!("nothing came for {} s", time.as_secs()));
        let stream = timeout(FIRST, client.stream(question.path, &question.body)).await;
        let mut response = stream.unwrap_or_else(|_late| Err(slow(FIRST)))?;
        let mut lines = Lines::default();
        loop {
            let patience = if self.first.is_some() { NEXT } else { FIRST };
            let chunk = timeout(patience, response.chunk()).await.map_err(|_late| slow(patience))?;
            let chunk = chunk.map_err(|error| self.broken(&client.failure(&error).reason))?;
            let said = match &chunk {
                Some(chunk) => lines.push(chunk)?,
                None => lines.rest().into_iter().collect(),
            };
            for line in said {
                let Some(delta) = events::read(client.kind(), &line) else { continue };
                if let Some(error) = delta.error {
                    return Err(RemoteError::new(format!("it says: {}", client.clean(&error))));
                }
                let is_last = delta.is_last;
                self.take(delta);
                if is_last {
                    return Ok(());
                }
            }
            if self.reported.is_none_or(|reported| reported.elapsed() >= REPORT) {
                self.report(worker, news).await;
            }
            if chunk.is_none() {
                return if self.finish.is_some() { Ok(()) } else { Err(self.broken("it ended the connection")) };
            }
        }
    }

    /// The connection ended too early.
    fn broken(&self, reason: &str) -> RemoteError {
        let when = if self.first.is_some() { "in the middle of the answer" } else { "before it answered" };
        RemoteError::new(format!("{reason} {when}"))
    }

    fn take(&mut self, delta: Delta) {
        if !delta.pieces.is_empty() || !delta.tool_calls.is_empty() {
            let now = Instant::now();
            self.first.get_or_insert(now);
            self.last = Some(now);
            self.n_pieces = self.n_pieces.saturating_add(delta.pieces.len().max(1) as u32);
        }
        self.usage.take(delta.usage);
        let place = delta.stop_text.and_then(|text| self.stop.iter().position(|stop| *stop == text));
        let stopped = place.map(|place| Finish::StopText(place as u32));
        self.finish = stopped.or(delta.finish).or(self.finish);
        self.waiting.pieces.extend(delta.pieces);
        self.waiting.tool_calls.extend(delta.tool_calls);
    }

    /// Tell what has come since the last time.
    async fn report(&mut self, worker: WorkerId, news: &News) {
        let Delta { pieces, tool_calls, .. } = std::mem::take(&mut self.waiting);
        if pieces.is_empty() && tool_calls.is_empty() {
            return;
        }
        self.reported = Some(Instant::now());
        let pieces = pieces.into_iter().map(|(channel, text)| Piece { channel, text }).collect();
        let said = Said::Text { id: self.id, pieces, tool_calls, counters: self.counters(), tokens: Vec::new() };
        let _ = news.send((worker, WorkerEvent::Message(said))).await;
    }

    /// The figures so far: the engine's own where it tells them, else what is seen from here.
    fn counters(&self) -> Counters {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let seen = self.first.zip(self.last).map(|(first, last)| micros(last - first));
        let Usage { n_prompt, n_cached, n_generated, n_reasoning, prompt_us, generation_us, ttft_us } = self.usage;
        let ttft = self.first.map(|first| micros(first - self.asked));
        let n_generated = n_generated.unwrap_or(self.n_pieces);
        let n_prompt = n_prompt.unwrap_or(0);
        Counters {
            n_prompt: n_prompt.saturating_sub(n_cached.unwrap_or(0)),
            prompt_us: prompt_us.unwrap_or(0),
            ttft_us: ttft,
            n_generated,
            n_reasoning: n_reasoning.unwrap_or(0),
            generation_us: generation_us.or(seen).unwrap_or(0),
            decode_us: 0,
            n_past: n_prompt.saturating_add(n_generated),
            n_shifted: 0,
            // An engine that says it took longer than it was seen to is not believed.
            n_decodes: 0,
            engine_ttft_us: ttft_us.filter(|own| ttft.is_some_and(|ttft| *own <= ttft)),
        }
    }
}
