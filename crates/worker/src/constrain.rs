//! An answer that is held to a grammar, by a model that may reason first.
//!
//! Owned here: from which token on the grammar holds, and when reasoning is closed although the model goes on. Absent: the
//! grammar itself (`grammar`), decoding (`scheduler`).
//!
//! A grammar is about the answer, so reasoning is free. It gets half of the room at most: a model that never closes it
//! would leave nothing for the answer. Then the closing tag is put into the text as if the model had written it. A JSON
//! document that comes near the end of the room is brought to its own end: one that is cut off is of no use.

use wire::{Failure, Generate, Grammar as Wanted};

use crate::grammar::Grammar;
use crate::model::Model;
use crate::stream::Stream;
use crate::think::Format;

/// What ends a JSON document soonest: an object's end, a list's, a text's.
const CLOSERS: [&[u8]; 3] = [b"}", b"]", b"\""];
/// The part of the room that is kept for a document's end, and its bounds in tokens.
const CLOSING_PART: u32 = 6;
const CLOSING: (u32, u32) = (8, 32);

/// Tokens of white space that may stand between the reasoning and what the grammar holds.
const MAX_BLANKS: u32 = 4;

pub(crate) struct Constraint {
    grammar: Grammar,
    /// The most tokens of reasoning.
    n_reasoning: u32,
    /// The grammar has taken a token.
    has_begun: bool,
    n_blanks: u32,
    /// The tokens of [`CLOSERS`] that there are; none for another grammar.
    closers: Vec<i32>,
    /// With so many tokens left they are taken.
    n_closing: u32,
}

/// How a document comes to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closing {
    /// It goes on, since there is room, or since nothing that ends it may come here.
    Open,
    /// By this token, for one.
    By(i32),
    /// It is at its end.
    Closed,
}

/// What becomes of a token that was drawn.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is taken as it is: the grammar doesn't hold here.
    Free,
    /// The grammar allows it.
    Allowed,
    /// The grammar forbids it: another one is to be drawn.
    Forbidden,
    /// This text takes its place.
    Put(String),
}

impl Constraint {
    /// What a request wants, where it wants a grammar. There is room for so many tokens.
    pub(crate) fn new(model: &Model, request: &Generate, n_room: usize) -> Result<Option<Self>, Failure> {
        let Some(wanted) = &request.grammar else { return Ok(None) };
        let grammar = Grammar::new(model, wanted).map_err(|failure| Failure { id: Some(request.id), ..failure })?;
        let n_room = u32::try_from(n_room).unwrap_or(u32::MAX).min(request.max_tokens.unwrap_or(u32::MAX));
        let is_json = matches!(wanted, Wanted::JsonSchema(_));
        Ok(Some(Self {
            grammar,
            n_reasoning: n_room / 2,
            has_begun: false,
            n_blanks: 0,
            closers: if is_json { model.tokens_of(&CLOSERS) } else { Vec::new() },
            n_closing: (n_room / CLOSING_PART).clamp(CLOSING.0, CLOSING.1),
        }))
    }

    /// Whether a document is to be brought to its end, since there is room for so few more tokens.
    pub(crate) fn closing(&mut self, model: &Model, n_left: usize) -> Closing {
        if self.closers.len() < CLOSERS.len() || !self.has_begun || n_left > self.n_closing as usize {
            return Closing::Open;
        }
        if model.end().is_some_and(|end| self.grammar.allows(end)) {
            return Closing::Closed;
        }
        let allowed: Vec<bool> = self.closers.iter().map(|token| self.grammar.allows(*token)).collect();
        // Where an object and a list could end alike, this is within a text, where neither ends anything.
        let is_text = allowed.first() == Some(&true) && allowed.get(1) == Some(&true);
        let skipped = if is_text { CLOSERS.len() - 1 } else { 0 };
        let closer = self.closers.iter().zip(allowed).skip(skipped).find(|(_, allowed)| *allowed);
        closer.map_or(Closing::Open, |(token, _)| Closing::By(*token))
    }

    pub(crate) fn grammar(&mut self) -> &mut Grammar {
        &mut self.grammar
    }

    /// Go on in the grammar with a token that it allows.
    pub(crate) fn accept(&mut self, token: i32) -> Result<(), String> {
        self.has_begun = true;
        self.grammar.accept(token)
    }

    /// Judge a token, with its text, that would come next. `formats` are those that this model is known to write.
    pub(crate) fn judge(
        &mut self,
        token: i32,
        bytes: &[u8],
        model: &Model,
        stream: &Stream<'_>,
        formats: &[&'static Format],
    ) -> Verdict {
        if let Some(closing) = stream.splitter().closing() {
            let is_over = model.is_end(token) || stream.counters.n_reasoning >= self.n_reasoning;
            // What a token holds behind the tag would be answer that the grammar has not seen.
            if is_over || stream.would_answer(bytes) {
                return Verdict::Put(closing);
            }
            return Verdict::Free;
        }
        let text = String::from_utf8_lossy(bytes);
        if !self.has_begun
            && stream.counters.n_reasoning == 0
            && self.n_reasoning > 0
            && let Some((format, n_bytes)) = stream.splitter().opening(&text)
            && formats.contains(&format)
        {
            if n_bytes == format.open.len() {
                return Verdict::Free;
            }
            // One character may begin what the grammar wants as well.
            if n_bytes > 1 || !self.grammar.allows(token) {
                return Verdict::Put(format.open.to_owned());
            }
        }
        if self.grammar.allows(token) {
            return Verdict::Allowed;
        }
        if !self.has_begun
            && let Some(opening) = stream.splitter().opening_of_answer()
            && !text.trim().is_empty()
        {
            if !stream.would_answer(bytes) {
                return Verdict::Free;
            }
            if !opening.is_empty() {
                return Verdict::Put(opening.to_owned());
            }
        }
        let follows_reasoning = !self.has_begun && !stream.splitter().is_start();
        if follows_reasoning && self.n_blanks < MAX_BLANKS && !text.is_empty() && text.trim().is_empty() {
            self.n_blanks += 1;
            return Verdict::Free;
        }
        Verdict::Forbidden
    }
}
