//! The text of one generation on its way out.
//!
//! Owned here: bytes to text, text to channels, the answer up to a stop text, channels to events at a bounded rate, and the
//! counters that go along.
//! Absent: where the tokens come from.

use std::time::{Duration, Instant};

use wire::{Channel, Counters, Event, Piece, Token};

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
    /// Text of the token at hand; kept for its memory.
    text: String,
    pieces: Vec<Piece>,
    tokens: Vec<Token>,
    sent: Option<Instant>,
    pub(crate) counters: Counters,
}

impl<'a> Stream<'a> {
    pub(crate) fn new(out: &'a Out, id: u64, splitter: Splitter, stopper: Stopper) -> Self {
        Self {
            out,
            id,
            decoder: Decoder::default(),
            splitter,
            stopper,
            text: String::new(),
            pieces: Vec::new(),
            tokens: Vec::new(),
            sent: None,
            counters: Counters::default(),
        }
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
        let (pieces, stopper) = (&mut self.pieces, &mut self.stopper);
        self.splitter.push(&self.text, |channel, text| emit(pieces, stopper, channel, text));
    }

    /// Where the reasoning stands.
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

    /// Whether a stop text has come.
    pub(crate) fn has_stopped(&self) -> bool {
        self.stopper.has_stopped()
    }

    /// Report a token along with the text.
    pub(crate) fn report(&mut self, token: Token) {
        self.tokens.push(token);
    }

    /// Send what there is, if it is time.
    pub(crate) fn tick(&mut self, now: Instant) {
        let due = self.sent.is_none_or(|sent| {
            let since = now.saturating_duration_since(sent);
            since >= if self.pieces.is_empty() { BETWEEN_COUNTERS } else { BETWEEN_EVENTS }
        });
        if due {
            self.send(now);
        }
    }

    /// Send what there is now.
    pub(crate) fn flush(&mut self) {
        if !self.pieces.is_empty() || !self.tokens.is_empty() {
            self.send(Instant::now());
        }
    }

    /// Send the rest, what was held back included. The last token may have been half a character.
    pub(crate) fn finish(&mut self) {
        self.text.clear();
        self.decoder.finish(&mut self.text);
        let (pieces, stopper) = (&mut self.pieces, &mut self.stopper);
        self.splitter.push(&self.text, |channel, text| emit(pieces, stopper, channel, text));
        self.splitter.finish(|channel, text| emit(pieces, stopper, channel, text));
        stopper.finish(|text| append(pieces, Channel::Answer, text));
        self.flush();
    }

    fn send(&mut self, now: Instant) {
        self.sent = Some(now);
        let pieces = std::mem::take(&mut self.pieces);
        let tokens = std::mem::take(&mut self.tokens);
        self.out.send(&Event::Text { id: self.id, pieces, tool_calls: Vec::new(), counters: self.counters, tokens });
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
