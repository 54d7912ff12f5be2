//! Constraining an answer to a grammar, for models that may reason first.
//!
//! Owned here: from which token on the grammar applies, and when reasoning is closed early. Absent: the grammar itself
//! (`grammar`), decoding (`scheduler`).
//!
//! The grammar applies to the answer only; reasoning is free but gets at most half of the room, since a model that
//! never closes it would leave nothing for the answer. Then the closing tag is inserted as if the model had written
//! it. A JSON document near the limit is steered to a valid end, because a truncated one is useless.

use wire::{Failure, Finish, Generate, Grammar as Wanted};

use crate::chat::Hold;
use crate::chat::common::Trigger;
use crate::grammar::{Grammar, Start};
use crate::model::Model;
use crate::stream::Stream;
use crate::think::Format;

/// What ends a JSON document soonest: an object's end, a list's, a text's.
const CLOSERS: [&[u8]; 3] = [b"}", b"]", b"\""];
/// The part of the room that is kept for a document's end, and its bounds in tokens.
const CLOSING_PART: u32 = 6;
const CLOSING: (u32, u32) = (8, 32);
/// The tokens that are kept for the end of a call.
const CLOSING_CALL: u32 = 12;

/// Tokens of white space that may stand between the reasoning and what the grammar holds.
const MAX_BLANKS: u32 = 4;

pub(crate) struct Constraint {
    grammar: Grammar,
    scope: Scope,
    /// The most tokens of reasoning.
    n_reasoning: u32,
    /// The grammar has taken a token.
    has_begun: bool,
    n_blanks: u32,
    /// The tokens of [`CLOSERS`] that there are; none for another grammar.
    closers: Vec<i32>,
    /// They are inserted when this many tokens are left.
    n_closing: u32,
    /// It holds calls of tools.
    is_of_calls: bool,
    /// It was brought to its end before the model did that.
    is_cut: bool,
}

/// Which part of an answer a grammar is about.
enum Scope {
    /// What comes after the reasoning. Where the answer opens a call of a tool instead, this other grammar holds.
    Answer { calls: Option<Calls>, opening: Option<String> },
    /// Calls of tools, from a trigger on.
    Calls,
    /// All of it. What opens a call is put in place of what the grammar forbids before the call.
    Whole { opening: Option<String> },
}

/// The grammar of calls, which hold once a call is opened.
struct Calls {
    grammar: Grammar,
    openings: Vec<String>,
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
    /// The same as far as the grammar allows it, which goes on with it.
    PutHeld(String),
}

impl Constraint {
    /// The constraint for a request or its tools, if either wants a grammar, given the room in tokens. A forced call
    /// takes precedence over the request's own grammar.
    pub(crate) fn new(
        model: &Model,
        request: &Generate,
        hold: Option<&Hold>,
        n_room: usize,
    ) -> Result<Option<Self>, Failure> {
        let (grammar, scope) = match (&request.grammar, hold) {
            (None, None) => return Ok(None),
            (Some(wanted), None) => (Grammar::new(model, wanted)?, Scope::Answer { calls: None, opening: None }),
            (None, Some(Hold::Lazy { gbnf, triggers })) => (lazy(model, gbnf, triggers)?, Scope::Calls),
            (Some(wanted), Some(Hold::Lazy { gbnf, triggers })) => {
                let openings = triggers.iter().filter_map(Trigger::word).map(str::to_owned).collect();
                let calls = Calls { grammar: lazy(model, gbnf, triggers)?, openings };
                (Grammar::new(model, wanted)?, Scope::Answer { calls: Some(calls), opening: None })
            }
            (_, Some(Hold::Whole { gbnf, begin, opening })) => {
                let opening = opening.clone();
                (Grammar::of_calls(model, gbnf, &Start::After(begin))?, Scope::Whole { opening })
            }
            (_, Some(Hold::Answer { gbnf, begin, opening })) => {
                let opening = opening.clone();
                (Grammar::of_calls(model, gbnf, &Start::After(begin))?, Scope::Answer { calls: None, opening })
            }
        };
        let n_room = u32::try_from(n_room).unwrap_or(u32::MAX).min(request.max_tokens.unwrap_or(u32::MAX));
        let is_forced = matches!(hold, Some(Hold::Whole { .. } | Hold::Answer { .. }));
        let is_json = is_forced || matches!(request.grammar, Some(Wanted::JsonSchema(_)));
        let n_closing = if is_forced { CLOSING_CALL } else { (n_room / CLOSING_PART).clamp(CLOSING.0, CLOSING.1) };
        Ok(Some(Self {
            grammar,
            scope,
            n_reasoning: n_room / 2,
            has_begun: false,
            n_blanks: 0,
            closers: if is_json { model.tokens_of(&CLOSERS) } else { Vec::new() },
            n_closing,
            is_of_calls: is_forced || matches!(hold, Some(Hold::Lazy { .. })) && request.grammar.is_none(),
            is_cut: false,
        }))
    }

    /// Whether the answer ends when the model continues with something the grammar forbids: after complete calls, any
    /// other token means that there are no more.
    pub(crate) fn is_over(&mut self, model: &Model) -> bool {
        self.is_of_calls && model.end().is_some_and(|end| self.grammar.allows(end))
    }

    /// Why an answer ends that is at its end near the limit: a document could have gone on, and so could calls that were brought
    /// to their end.
    pub(crate) fn closed(&self) -> Finish {
        if self.is_of_calls && !self.is_cut { Finish::Stop } else { Finish::Length }
    }

    /// Go on in the grammar with a text, as far as it allows that; what of it that is, if anything.
    pub(crate) fn accept_text(&mut self, text: &str, model: &Model) -> Result<Option<String>, String> {
        let (mut accepted, mut piece, mut n_accepted) = (Vec::new(), Vec::new(), 0);
        let tokens = model.tokenize_bare(text);
        for token in &tokens {
            if !self.grammar.allows(*token) {
                break;
            }
            self.accept(*token)?;
            model.piece(*token, true, &mut piece);
            accepted.extend_from_slice(&piece);
            n_accepted += 1;
        }
        Ok(match n_accepted {
            0 => None,
            n if n == tokens.len() => Some(text.to_owned()),
            _ => Some(String::from_utf8_lossy(&accepted).into_owned()),
        })
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
        self.is_cut |= closer.is_some();
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
    #[expect(clippy::too_many_lines, reason = "rules in their order; each of them returns")]
    pub(crate) fn judge(
        &mut self,
        token: i32,
        bytes: &[u8],
        model: &Model,
        stream: &Stream<'_>,
        formats: &[&'static Format],
    ) -> Verdict {
        let text = String::from_utf8_lossy(bytes);
        match &mut self.scope {
            Scope::Calls if stream.splitter().is_within_reasoning() => return Verdict::Free,
            Scope::Calls => return allowed(&mut self.grammar, token),
            Scope::Whole { opening } => {
                let is_open = stream.splitter().is_within_reasoning();
                let is_over = model.is_end(token) || stream.counters.n_reasoning >= self.n_reasoning;
                if let Some(closing) = stream.splitter().closing().filter(|_| is_open && is_over) {
                    return Verdict::PutHeld(closing.trim_end().to_owned());
                }
                if self.grammar.allows(token) {
                    let begins_reasoning =
                        stream.splitter().opening(&text).is_some_and(|(format, _)| formats.contains(&format));
                    if !is_open && !begins_reasoning && !text.trim().is_empty() {
                        *opening = None;
                    }
                    return Verdict::Allowed;
                }
                // The model would answer in words.
                let opening = if is_open { None } else { opening.take() };
                return opening.map_or(Verdict::Forbidden, Verdict::PutHeld);
            }
            Scope::Answer { calls, .. } => {
                let begins = !self.has_begun && stream.splitter().closing().is_none() && !text.trim().is_empty();
                let opens =
                    |calls: &mut Calls| calls.openings.iter().any(|opening| opening.starts_with(text.trim_start()));
                if begins
                    && calls.as_mut().is_some_and(opens)
                    && !self.grammar.allows(token)
                    && let Some(calls) = calls.take()
                {
                    self.grammar = calls.grammar;
                    self.scope = Scope::Calls;
                    self.is_of_calls = true;
                    self.closers.clear();
                    return allowed(&mut self.grammar, token);
                }
            }
        }
        if let Some(closing) = stream.splitter().closing() {
            let is_over = model.is_end(token) || stream.counters.n_reasoning >= self.n_reasoning;
            // What a token holds behind the tag would be answer that the grammar has not seen.
            if is_over || stream.would_answer(bytes) {
                return Verdict::Put(closing);
            }
            return Verdict::Free;
        }
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
            if !text.trim().is_empty() {
                self.take_opening();
            }
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
        self.take_opening().map_or(Verdict::Forbidden, Verdict::PutHeld)
    }

    /// What opens a call, where none was opened yet.
    fn take_opening(&mut self) -> Option<String> {
        match &mut self.scope {
            Scope::Answer { opening, .. } | Scope::Whole { opening } => opening.take(),
            Scope::Calls => None,
        }
    }
}

fn allowed(grammar: &mut Grammar, token: i32) -> Verdict {
    if grammar.allows(token) { Verdict::Allowed } else { Verdict::Forbidden }
}

/// A grammar that begins at a trigger. A trigger word that is a single token is matched as that token.
fn lazy(model: &Model, gbnf: &str, triggers: &[Trigger]) -> Result<Grammar, Failure> {
    let (mut patterns, mut tokens) = (Vec::new(), Vec::new());
    for trigger in triggers {
        match trigger.word().and_then(|word| model.single_token(word)) {
            Some(token) => tokens.push(token),
            None => patterns.push(trigger.pattern()),
        }
    }
    Grammar::of_calls(model, gbnf, &Start::Triggers { patterns, tokens })
}
