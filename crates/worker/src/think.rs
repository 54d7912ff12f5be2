//! Reasoning split from the answer, as it streams.
//!
//! Owned here: where reasoning begins and ends, in any of the [`FORMATS`], also when a tag is spread over tokens. A model
//! opens its reasoning first or not at all, so an opening tag counts only before any other text: an answer may write
//! about the tag. In formats whose tags are special tokens, reasoning may come again later.
//! Absent: a `</think>` that was never opened. What came before it has been streamed as the answer and can't be taken
//! back, so the tag stays as text; templates that open the tag themselves are the common case, and start inside.

mod formats;

use std::sync::Arc;

use formats::{ASSISTANT, CHANNEL, END, FINAL, MESSAGE, TO_FINAL};
pub use formats::{FORMATS, Format, Later};
use wire::Channel;

/// White space before an opening tag that is waited through, in bytes.
const MAX_LEADING: usize = 256;

/// The longest header of a message in Harmony, in bytes.
const MAX_HEADER: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing but white space so far.
    Start,
    Reasoning(&'static Format),
    /// The reasoning has ended, and the tag before the answer may come.
    Between(&'static Format),
    /// Where a message of Harmony's says what it is; whether reasoning came before it.
    Header(bool),
    /// The answer, in a format where that matters.
    Answer(Option<&'static Format>),
}

/// Splits one answer. The split doesn't depend on how the text was cut into pieces.
#[derive(Debug, Clone)]
pub struct Splitter {
    formats: Arc<[&'static Format]>,
    state: State,
    /// Text that may yet turn out to be a tag.
    held: String,
    /// A tag has just gone by: white space after it is dropped.
    trimming: bool,
}

/// Whether there is more to do with the text that is held.
#[derive(PartialEq, Eq)]
enum Step {
    Again,
    Wait,
}

impl Splitter {
    /// A splitter for the answer to `prompt`, as rendered: one that ends in an opening tag starts inside the reasoning.
    /// `is_signed` says whether the model has a format's [`Format::sign`].
    pub fn after(prompt: &str, is_signed: impl Fn(&Format) -> bool) -> Self {
        let formats: Arc<[_]> = FORMATS.iter().filter(|format| !format.guarded || is_signed(format)).collect();
        let prompt = prompt.trim_end();
        let find = |ends: &dyn Fn(&Format) -> bool| formats.iter().copied().find(|format| ends(format));
        let within =
            |format: &Format| format.around.is_some_and(|(begin, _)| !begin.is_empty() && prompt.ends_with(begin));
        let state = if let Some(format) = find(&|format| prompt.ends_with(format.open)) {
            State::Reasoning(format)
        } else if let Some(format) = find(&|format| within(format) && is_signed(format)) {
            State::Answer(Some(format))
        } else if find(&|format| format.later == Later::Messages && is_signed(format)).is_some()
            && prompt.ends_with(ASSISTANT)
        {
            State::Header(false)
        } else {
            State::Start
        };
        Self { formats, state, held: String::new(), trimming: state != State::Start }
    }

    /// Whether what comes next is reasoning, as far as is known.
    pub fn is_reasoning(&self) -> bool {
        matches!(self.state, State::Reasoning(_) | State::Header(true))
    }

    /// Whether a reasoning is open for certain.
    pub fn is_within_reasoning(&self) -> bool {
        matches!(self.state, State::Reasoning(_))
    }

    /// Whether nothing but white space, and perhaps the begin of a tag, has come.
    pub fn is_start(&self) -> bool {
        self.state == State::Start
    }

    /// What is still to be written for the answer to begin; `None` where no reasoning and no header is open.
    pub fn closing(&self) -> Option<String> {
        match self.state {
            State::Reasoning(format) => {
                let seen = tag_prefix(&self.held, format.close);
                Some(format!("{}{}", format.close.get(seen..).unwrap_or_default(), format.then))
            }
            State::Header(follows) => {
                let headers = if follows { [TO_FINAL, FINAL] } else { [FINAL, TO_FINAL] };
                let header = headers.into_iter().find_map(|header| header.strip_prefix(self.held.trim_start()));
                // Another header is completed, and its message left empty.
                Some(header.map_or_else(|| format!("{MESSAGE}{END}{TO_FINAL}"), str::to_owned))
            }
            _ => None,
        }
    }

    /// What is still to be written of the tag before the answer that has seen to come; empty where none has. `None`
    /// where none may come.
    pub fn opening_of_answer(&self) -> Option<&'static str> {
        let State::Between(format) = self.state else { return None };
        let (begin, _) = format.around?;
        let seen = self.held.trim_start();
        if seen.is_empty() { Some("") } else { begin.strip_prefix(seen) }
    }

    /// The format whose opening tag `text`, as the first of an answer, begins or is, and how much of it that is in bytes.
    pub fn opening(&self, text: &str) -> Option<(&'static Format, usize)> {
        let seen = text.trim_start();
        let is_first = self.is_start() && self.held.trim_start().is_empty() && !seen.is_empty();
        let format = self.formats.iter().filter(|_| is_first).find(|format| format.open.starts_with(seen))?;
        Some((format, seen.len()))
    }

    /// Take text and give it by channel, except for an end that may be the begin of a tag.
    pub fn push(&mut self, text: &str, mut emit: impl FnMut(Channel, &str)) {
        if self.state == State::Answer(None) {
            self.emit(Channel::Answer, text, &mut emit);
            return;
        }
        self.held.push_str(text);
        while self.step(&mut emit) == Step::Again {}
    }

    /// Do what the held text calls for.
    fn step(&mut self, emit: &mut impl FnMut(Channel, &str)) -> Step {
        match self.state {
            State::Start => self.start(),
            State::Reasoning(format) => self.reason(format, emit),
            State::Between(format) => self.between(format),
            State::Header(_) => self.header(),
            State::Answer(None) => {
                self.release(Channel::Answer, emit);
                Step::Wait
            }
            State::Answer(Some(format)) => self.answer(format, emit),
        }
    }

    fn start(&mut self) -> Step {
        let seen = self.held.trim_start();
        let may_open = self.held.len() - seen.len() <= MAX_LEADING;
        let opened = self.formats.iter().copied().find_map(|format| Some((format, seen.strip_prefix(format.open)?)));
        if let Some((format, rest)) = opened.filter(|_| may_open) {
            self.held = rest.to_owned();
            self.enter(State::Reasoning(format))
        } else if may_open && self.formats.iter().any(|format| format.open.starts_with(seen)) {
            Step::Wait
        } else if may_open && seen.starts_with(CHANNEL) {
            self.enter(State::Header(false))
        } else {
            self.state = State::Answer(None);
            Step::Again
        }
    }

    fn reason(&mut self, format: &'static Format, emit: &mut impl FnMut(Channel, &str)) -> Step {
        let held = std::mem::take(&mut self.held);
        let Some((reasoning, rest)) = held.split_once(format.close) else {
            let (sure, unsure) = held.split_at(held.len() - tag_prefix(&held, format.close));
            self.emit(Channel::Reasoning, sure, emit);
            self.held.push_str(unsure);
            return Step::Wait;
        };
        self.emit(Channel::Reasoning, reasoning, emit);
        self.held.push_str(rest);
        self.enter(match (format.later, format.around) {
            (Later::Messages, _) => State::Header(true),
            (Later::Reasoning, _) => State::Answer(Some(format)),
            (Later::Nothing, Some(_)) => State::Between(format),
            (Later::Nothing, None) => State::Answer(None),
        })
    }

    fn between(&mut self, format: &'static Format) -> Step {
        let (begin, _) = format.around.unwrap_or_default();
        let seen = self.held.trim_start();
        if let Some(rest) = seen.strip_prefix(begin) {
            self.held = rest.to_owned();
            self.enter(State::Answer(Some(format)))
        } else if begin.starts_with(seen) {
            self.held = seen.to_owned();
            Step::Wait
        } else {
            self.enter(State::Answer(None))
        }
    }

    /// A header of Harmony's says of which channel the message is, and perhaps to whom it goes. What is in no channel
    /// for reasoning is shown as the answer, since it is shown nowhere else.
    fn header(&mut self) -> Step {
        let seen = self.held.trim_start();
        let may_be = ["<|", "to=", "assistant"].iter().any(|mark| seen.starts_with(mark) || mark.starts_with(seen));
        let end = self.held.find(MESSAGE).map(|at| at + MESSAGE.len());
        if !may_be || end.unwrap_or(self.held.len()) >= MAX_HEADER {
            return self.enter(State::Answer(None));
        }
        let Some((header, rest)) = self.held.split_once(MESSAGE) else { return Step::Wait };
        let channel = header.rsplit_once(CHANNEL).map_or("", |(_, channel)| channel.trim_start());
        let next = match self.formats.iter().copied().find(|format| format.later == Later::Messages) {
            Some(harmony) if channel.starts_with("analysis") => State::Reasoning(harmony),
            harmony => State::Answer(harmony),
        };
        self.held = rest.to_owned();
        self.enter(next)
    }

    fn answer(&mut self, format: &'static Format, emit: &mut impl FnMut(Channel, &str)) -> Step {
        let held = std::mem::take(&mut self.held);
        let end = format.around.map_or(format.close, |(_, end)| end);
        let marks = [end, if format.later == Later::Reasoning { format.open } else { end }];
        let first = marks.iter().filter_map(|mark| Some((held.find(mark)?, *mark))).min();
        let Some((at, mark)) = first else {
            let seen = marks.iter().map(|mark| tag_prefix(&held, mark)).max().unwrap_or(0);
            let (sure, unsure) = held.split_at(held.len() - seen);
            self.emit(Channel::Answer, sure, emit);
            self.held.push_str(unsure);
            return Step::Wait;
        };
        let (text, rest) = held.split_at(at);
        let behind = rest.strip_prefix(mark).unwrap_or_default();
        self.emit(Channel::Answer, text, emit);
        match format.later {
            // Only at the answer's very end it is a tag.
            Later::Nothing if behind.trim().is_empty() => {
                self.held.push_str(rest);
                Step::Wait
            }
            Later::Nothing => {
                self.emit(Channel::Answer, mark, emit);
                self.held.push_str(behind);
                Step::Again
            }
            Later::Reasoning => {
                self.held.push_str(behind);
                self.enter(if mark == format.open { State::Reasoning(format) } else { self.state })
            }
            Later::Messages => {
                self.held.push_str(behind);
                self.enter(State::Header(false))
            }
        }
    }

    /// Give what was held back: no more text comes.
    pub fn finish(&mut self, mut emit: impl FnMut(Channel, &str)) {
        let seen = self.held.trim();
        let is_mark = match self.state {
            State::Header(_) => [CHANNEL, ASSISTANT].iter().any(|m| seen.starts_with(m) || m.starts_with(seen)),
            State::Answer(Some(format)) => format.around.is_some_and(|(_, end)| seen == end),
            _ => false,
        };
        if is_mark {
            self.held.clear();
        }
        let channel = if matches!(self.state, State::Reasoning(_)) { Channel::Reasoning } else { Channel::Answer };
        self.release(channel, &mut emit);
    }

    /// Go on in another state, behind a tag.
    fn enter(&mut self, state: State) -> Step {
        self.state = state;
        self.trimming = true;
        Step::Again
    }

    fn release(&mut self, channel: Channel, emit: &mut impl FnMut(Channel, &str)) {
        let held = std::mem::take(&mut self.held);
        self.emit(channel, &held, emit);
    }

    fn emit(&mut self, channel: Channel, text: &str, emit: &mut impl FnMut(Channel, &str)) {
        let text = if self.trimming { text.trim_start() } else { text };
        if !text.is_empty() {
            self.trimming = false;
            emit(channel, text);
        }
    }
}

/// How many bytes at the end of `text` are the begin of the closing tag.
fn tag_prefix(text: &str, close: &str) -> usize {
    (1..close.len()).rev().find(|n| close.get(..*n).is_some_and(|seen| text.ends_with(seen))).unwrap_or(0)
}

#[cfg(test)]
mod tests;
