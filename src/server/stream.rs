//! Answers as they go to a client: streamed event by event, or whole.
//!
//! Each API says with a [`Translate`] what it writes of each event; how events are waited for, what keeps a silent
//! connection alive and what becomes of an early failure is the same for all.

use std::convert::Infallible;
use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use wire::{Channel, Started, Token, ToolCall, ToolCallDelta};

use super::error::{ApiError, Result};
use super::handle::{Answer, AnswerEvent, Ending};
use super::settle::Settling;

/// How long nothing may be written into a stream: proxies and clients give up on one that stays silent longer.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// How long an answer's first event is waited for before its response begins. An error until then has a status of its own;
/// a longer wait, for a model that is loaded or for others to end, must not look like a dead server.
const FIRST_EVENT: Duration = Duration::from_secs(20);

/// The most calls of tools in an answer, and the longest arguments of one in bytes: what the domain keeps of one is less.
const MAX_CALLS: usize = 1024;
const MAX_ARGUMENTS: usize = 16 << 20;

/// What an API writes of an answer.
pub(super) trait Translate: Send + 'static {
    /// The type of the stream: `text/event-stream` or another.
    const CONTENT_TYPE: &'static str;

    /// What keeps a silent stream alive; nothing where the API has nothing for it.
    fn keep_alive(&mut self, out: &mut String);
    /// What comes before anything.
    fn begin(&mut self, out: &mut String);
    /// What an event of the choice of this index becomes. The end of an answer that failed is not among them.
    fn event(&mut self, choice: usize, event: AnswerEvent, out: &mut String);
    /// What an error in the middle becomes; nothing follows it.
    fn error(&mut self, error: &ApiError, out: &mut String);
    /// What comes after the ends of all choices.
    fn finish(&mut self, out: &mut String);
    /// The answers as one document instead.
    fn document(&mut self, answers: &[Whole]) -> Value;
}

/// The answers to one request, one for each choice.
pub(super) struct Answers {
    open: Vec<Option<Answer>>,
    /// Which is looked at first, so that none is starved.
    turn: usize,
    first: Option<(usize, AnswerEvent)>,
    /// The answer that has ended last, while its energy is waited for.
    settling: Option<Settling>,
}

impl Answers {
    pub(super) fn new(answers: Vec<Answer>) -> Self {
        Self { open: answers.into_iter().map(Some).collect(), turn: 0, first: None, settling: None }
    }

    /// Wait for the first event, for a while. An error that ends a choice before anything was written is one of the whole
    /// request.
    pub(super) async fn first(&mut self) -> Result<()> {
        if let Ok(event) = tokio::time::timeout(FIRST_EVENT, self.next()).await {
            self.first = event?;
        }
        Ok(())
    }

    /// What happens next, and to which choice; `None` once all have ended.
    async fn next(&mut self) -> Result<Option<(usize, AnswerEvent)>> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        if let Some(ended) = self.settled().await {
            return Ok(Some(ended));
        }
        let Some((choice, event)) = poll_fn(|context| self.poll(context)).await else { return Ok(None) };
        match event {
            Some(AnswerEvent::Ended(ending)) => {
                if let Some(error) = ApiError::of_end(&ending.end, ending.kind) {
                    return Err(error);
                }
                let answer = self.open[choice].take();
                let Some((request, meter)) = answer.and_then(|answer| Some((answer.request, answer.meter?))) else {
                    return Ok(Some((choice, AnswerEvent::Ended(ending))));
                };
                self.settling = Some(Settling { choice, ending, request, meter, since: Instant::now() });
                Ok(self.settled().await)
            }
            Some(event) => Ok(Some((choice, event))),
            None => Err(ApiError::new(super::error::Kind::Failed, "the server is shutting down")),
        }
    }

    /// The answer whose energy is waited for, once that is booked. Nothing is lost where this is given up.
    async fn settled(&mut self) -> Option<(usize, AnswerEvent)> {
        self.settling.as_mut()?.settle().await;
        let Settling { choice, ending, .. } = self.settling.take()?;
        Some((choice, AnswerEvent::Ended(ending)))
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<(usize, Option<AnswerEvent>)>> {
        let n = self.open.len();
        let mut are_all_over = true;
        for place in 0..n {
            let choice = (self.turn + place) % n;
            let Some(answer) = &mut self.open[choice] else { continue };
            are_all_over = false;
            if let Poll::Ready(event) = answer.poll_next(context) {
                self.turn = choice + 1;
                return Poll::Ready(Some((choice, event)));
            }
        }
        if are_all_over { Poll::Ready(None) } else { Poll::Pending }
    }

    /// Stream them.
    pub(super) async fn stream<T: Translate>(mut self, mut translate: T) -> Result<Response> {
        self.first().await?;
        let mut begin = String::new();
        translate.begin(&mut begin);
        let streaming = Streaming { answers: self, translate, begin: Some(begin), is_over: false, silence: KEEP_ALIVE };
        let body = stream::unfold(streaming, |mut streaming| async {
            let part = streaming.next().await?;
            Some((Ok::<_, Infallible>(Bytes::from(part)), streaming))
        });
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static(T::CONTENT_TYPE)),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
            // What nginx holds back otherwise.
            (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
        ];
        Ok((headers, Body::from_stream(body)).into_response())
    }

    /// Wait for all of them.
    pub(super) async fn whole(mut self) -> Result<Vec<Whole>> {
        let mut all: Vec<Whole> = self.open.iter().map(|_| Whole::default()).collect();
        while let Some((choice, event)) = self.next().await? {
            all[choice].take(event);
        }
        Ok(all)
    }
}

struct Streaming<T> {
    answers: Answers,
    translate: T,
    begin: Option<String>,
    is_over: bool,
    /// How long nothing may be written.
    silence: Duration,
}

impl<T: Translate> Streaming<T> {
    /// The next bytes; `None` at the end.
    async fn next(&mut self) -> Option<String> {
        if let Some(begin) = self.begin.take().filter(|begin| !begin.is_empty()) {
            return Some(begin);
        }
        let mut out = String::new();
        while out.is_empty() && !self.is_over {
            let silent = sleep_until(Instant::now() + self.silence);
            tokio::select! {
                biased;
                event = self.answers.next() => match event {
                    Ok(Some((choice, event))) => self.translate.event(choice, event, &mut out),
                    Ok(None) => {
                        self.is_over = true;
                        self.translate.finish(&mut out);
                    }
                    Err(error) => {
                        self.is_over = true;
                        self.translate.error(&error, &mut out);
                    }
                },
                () = silent => self.translate.keep_alive(&mut out),
            }
        }
        (!out.is_empty()).then_some(out)
    }
}

/// Add what has come to the calls of an answer.
pub(super) fn add_calls(calls: &mut Vec<ToolCall>, deltas: Vec<ToolCallDelta>) {
    wire::add_deltas(calls, deltas, (MAX_CALLS, MAX_ARGUMENTS));
}

/// An answer as a whole.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Whole {
    pub(super) text: String,
    pub(super) reasoning: String,
    pub(super) tool_calls: Vec<ToolCall>,
    pub(super) tokens: Vec<Token>,
    pub(super) started: Option<Started>,
    pub(super) started_at: Option<Instant>,
    pub(super) ending: Option<Ending>,
}

impl Whole {
    fn take(&mut self, event: AnswerEvent) {
        match event {
            AnswerEvent::Started(started) => {
                self.started = Some(started);
                self.started_at = Some(Instant::now());
            }
            AnswerEvent::Text { pieces, tool_calls, tokens, .. } => {
                add_calls(&mut self.tool_calls, tool_calls);
                for piece in pieces {
                    match piece.channel {
                        Channel::Answer => self.text.push_str(&piece.text),
                        Channel::Reasoning => self.reasoning.push_str(&piece.text),
                    }
                }
                self.tokens.extend(tokens);
            }
            AnswerEvent::Ended(ending) => self.ending = Some(*ending),
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::request::RequestId;

    use super::*;
    use crate::server::handle::answer_channel;

    /// Writes a word for each thing that is to be written.
    struct Words;

    impl Translate for Words {
        const CONTENT_TYPE: &'static str = "text/plain";

        fn keep_alive(&mut self, out: &mut String) {
            out.push_str("alive ");
        }

        fn begin(&mut self, _: &mut String) {}

        fn event(&mut self, _: usize, _: AnswerEvent, out: &mut String) {
            out.push_str("event ");
        }

        fn error(&mut self, error: &ApiError, out: &mut String) {
            out.push_str(&error.message);
        }

        fn finish(&mut self, out: &mut String) {
            out.push_str("end");
        }

        fn document(&mut self, _: &[Whole]) -> Value {
            Value::Null
        }
    }

    #[tokio::test]
    async fn a_silent_stream_is_kept_alive_until_it_ends_once() {
        for (ending, expected) in
            [(Ending::default(), vec!["event ", "end"]), (Ending::failed("broken"), vec!["broken"])]
        {
            let (sender, answer) = answer_channel(RequestId(1));
            let mut streaming = Streaming {
                answers: Answers::new(vec![answer]),
                translate: Words,
                begin: None,
                is_over: false,
                silence: Duration::from_millis(1),
            };
            for _ in 0..3 {
                assert_eq!(streaming.next().await.as_deref(), Some("alive "));
            }
            sender.send(AnswerEvent::Ended(Box::new(ending)));
            let mut rest = Vec::new();
            while let Some(part) = streaming.next().await {
                rest.push(part);
            }
            rest.retain(|part| part != "alive ");
            assert_eq!(rest, expected);
        }
    }
}
