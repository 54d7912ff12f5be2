//! The text of one generation on its way out.
//!
//! Owned here: bytes to text, text to channels and calls of tools, the answer up to a stop text, channels to events at a
//! bounded rate, and the counters that go along.
//! Absent: where the tokens come from.

use std::time::{Duration, Instant};

use wire::{Channel, Counters, Event, Piece, Token, ToolCallDelta};

use crate::chat::follow::{Follower, News};
use crate::out::Out;
use crate::stop::Stopper;
use crate::think::Splitter;
use crate::utf8::Decoder;

/// Between two events of a fast model; a model slower than this has one per token.
const BETWEEN_EVENTS: Duration = Duration::from_millis(33);
/// Without text to send, as for tokens that show none, the counters alone go this often.
const BETWEEN_COUNTERS: Duration = Duration::from_millis(250);

pub(crate) struct Stream<'a> {
    out: &'a Out,
    id: u64,
    decoder: Decoder,
    splitter: Splitter,
    stopper: Stopper,
    follow: Option<Follow>,
    /// Text of the token at hand; kept for its memory.
    text: String,
    pieces: Vec<Piece>,
    tool_calls: Vec<ToolCallDelta>,
    tokens: Vec<Token>,
    sent: Option<Instant>,
    pub(crate) counters: Counters,
}

/// What reads an answer that may call tools.
pub(crate) struct Follow {
    pub(crate) follower: Follower,
    /// Texts of the template's that end the answer wherever they stand, calls included.
    pub(crate) ends: Stopper,
}

/// While an answer is looked through for stop texts it is parsed before it is sent too, each time that it has grown by
/// such a part.
const PART_BETWEEN_LOOKS: usize = 512;

impl<'a> Stream<'a> {
    pub(crate) fn new(out: &'a Out, id: u64, splitter: Splitter, stopper: Stopper) -> Self {
        Self {
            out,
            id,
            decoder: Decoder::default(),
            splitter,
            stopper,
            follow: None,
            text: String::new(),
            pieces: Vec::new(),
            tool_calls: Vec::new(),
            tokens: Vec::new(),
            sent: None,
            counters: Counters::default(),
        }
    }

    /// The same of an answer that may call tools.
    pub(crate) fn following(self, follow: Option<Follow>) -> Self {
        Self { follow, ..self }
    }

    /// Take one token's bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let was_reasoning = self.splitter.is_reasoning();
        self.take(bytes);
        self.counters.n_generated += 1;
        // The closing tag is the reasoning's last token.
        self.counters.n_reasoning += u32::from(was_reasoning || self.splitter.is_reasoning());
    }

    /// Take text that the model did not write, but is to go on from. It counts as nothing generated.
    pub(crate) fn put(&mut self, text: &str) {
        self.take(text.as_bytes());
    }

    fn take(&mut self, bytes: &[u8]) {
        self.text.clear();
        self.decoder.push(bytes, &mut self.text);
        self.split(false);
        if let Some(follow) = &self.follow
            && self.stopper.has_texts()
        {
            let (n_new, n_all) = follow.follower.n_bytes();
            if n_new * PART_BETWEEN_LOOKS >= n_all {
                self.look();
            }
        }
    }

    /// Give the text at hand on: to its channels, or to what reads calls as well.
    fn split(&mut self, is_end: bool) {
        let Self { follow, splitter, pieces, stopper, text, .. } = self;
        let mut give = |channel: Channel, text: &str| match &mut *follow {
            None => emit(pieces, stopper, channel, text),
            Some(Follow { follower, .. }) if !follower.is_answer_alone() => {}
            Some(_) if channel == Channel::Reasoning => append(pieces, channel, text),
            Some(Follow { follower, ends }) => ends.push(text, |text| follower.push(text)),
        };
        splitter.push(text, &mut give);
        if is_end {
            splitter.finish(&mut give);
        }
        if let Some(Follow { follower, ends }) = follow
            && !follower.is_answer_alone()
        {
            ends.push(text, |text| follower.push(text));
        }
    }

    /// Take what has come by now, where an answer may call tools.
    fn look(&mut self) {
        if let Some(news) = self.follow.as_mut().map(|follow| follow.follower.news()) {
            self.tell(news);
        }
    }

    fn tell(&mut self, news: News) {
        for (channel, text) in news.pieces {
            emit(&mut self.pieces, &mut self.stopper, channel, &text);
        }
        // What comes after a stop text is no part of the answer.
        if !self.stopper.has_stopped() {
            self.tool_calls.extend(news.calls);
        }
    }

    /// Whether a text of the template's that ends an answer has come.
    pub(crate) fn has_ended(&self) -> bool {
        self.follow.as_ref().is_some_and(|follow| follow.ends.has_stopped() || follow.follower.is_over())
    }

    /// The state of the reasoning.
    pub(crate) fn splitter(&self) -> &Splitter {
        &self.splitter
    }

    /// Whether these bytes, in the middle of reasoning, would close it and go on with something of the answer.
    pub(crate) fn would_answer(&self, bytes: &[u8]) -> bool {
        let (mut splitter, mut decoder, mut text) = (self.splitter.clone(), self.decoder.clone(), String::new());
        decoder.push(bytes, &mut text);
        let mut answers = false;
        splitter.push(&text, |channel, text| answers |= channel == Channel::Answer && !text.trim().is_empty());
        answers
    }

    /// The place of the stop text that has come.
    pub(crate) fn stopped_by(&self) -> Option<u32> {
        self.stopper.stopped_by()
    }

    /// Report a token along with the text.
    pub(crate) fn report(&mut self, token: Token) {
        self.tokens.push(token);
    }

    /// Send what has been collected, if it is time.
    pub(crate) fn tick(&mut self, now: Instant) {
        let due = self.sent.is_none_or(|sent| {
            let since = now.saturating_duration_since(sent);
            let waits = self.follow.as_ref().is_some_and(|follow| follow.follower.n_bytes().0 > 0);
            since >= if self.pieces.is_empty() && !waits { BETWEEN_COUNTERS } else { BETWEEN_EVENTS }
        });
        if due {
            self.look();
            self.send(now);
        }
    }

    /// Send what has been collected.
    pub(crate) fn flush(&mut self) {
        self.look();
        if !self.pieces.is_empty() || !self.tokens.is_empty() || !self.tool_calls.is_empty() {
            self.send(Instant::now());
        }
    }

    /// Send the rest, including held-back text. The last token may have ended inside a character. `is_whole` is
    /// whether the model ended the answer itself.
    pub(crate) fn finish(&mut self, is_whole: bool) {
        self.text.clear();
        self.decoder.finish(&mut self.text);
        self.split(true);
        if let Some(Follow { follower, ends }) = &mut self.follow {
            ends.finish(|text| follower.push(text));
            let news = follower.finish(is_whole);
            self.tell(news);
            self.follow = None;
        }
        let pieces = &mut self.pieces;
        self.stopper.finish(|text| append(pieces, Channel::Answer, text));
        self.flush();
    }

    fn send(&mut self, now: Instant) {
        self.sent = Some(now);
        let pieces = std::mem::take(&mut self.pieces);
        let tool_calls = std::mem::take(&mut self.tool_calls);
        let tokens = std::mem::take(&mut self.tokens);
        self.out.send(&Event::Text { id: self.id, pieces, tool_calls, counters: self.counters, tokens });
    }
}

/// Only an answer is looked through for stop texts: what a model thinks may name them.
fn emit(pieces: &mut Vec<Piece>, stopper: &mut Stopper, channel: Channel, text: &str) {
    match channel {
        Channel::Reasoning => append(pieces, channel, text),
        Channel::Answer => stopper.push(text, |text| append(pieces, channel, text)),
    }
}

fn append(pieces: &mut Vec<Piece>, channel: Channel, text: &str) {
    match pieces.last_mut() {
        Some(last) if last.channel == channel => last.text.push_str(text),
        _ => pieces.push(Piece { channel, text: text.to_owned() }),
    }
}
