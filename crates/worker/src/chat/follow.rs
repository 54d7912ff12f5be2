//! An answer with calls, as it streams: what has come, by llama.cpp's parser, becomes pieces and deltas.
//!
//! Owned here: what of the parsed answer was given already, ids for calls that have none, and what is done where the
//! parser finds no sense in the whole. Absent: the parser (`common`), stop texts (`stream`).

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};

use rand::SeedableRng as _;
use rand::distr::{Alphanumeric, SampleString as _};
use rand_pcg::Pcg64Mcg;
use wire::{Channel, ToolCallDelta};

use super::common::{Parsed, Parser};

/// Characters of a call's id: as many as templates of Mistral's insist on.
const ID_LENGTH: usize = 9;

/// Follows one answer.
#[derive(Debug)]
pub(crate) struct Follower {
    parser: Parser,
    /// It is given the answer without its reasoning, which another splits off.
    is_answer_alone: bool,
    /// All that the parser is to read.
    text: String,
    /// How much of it was parsed, in bytes.
    n_parsed: usize,
    given: Given,
    ids: Pcg64Mcg,
    /// Calls after so many are no part of the answer.
    n_calls: usize,
    /// One has come.
    is_over: bool,
}

/// What was given already.
#[derive(Debug, Default)]
struct Given {
    reasoning: String,
    content: String,
    /// The arguments of each call.
    calls: Vec<String>,
}

/// What has come since the last time.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct News {
    pub(crate) pieces: Vec<(Channel, String)>,
    pub(crate) calls: Vec<ToolCallDelta>,
}

impl Follower {
    /// Follows an answer with all that is in it.
    pub(crate) fn of_all(parser: Parser) -> Self {
        let ids = Pcg64Mcg::seed_from_u64(RandomState::new().build_hasher().finish());
        Self {
            parser,
            is_answer_alone: false,
            text: String::new(),
            n_parsed: 0,
            given: Given::default(),
            ids,
            n_calls: usize::MAX,
            is_over: false,
        }
    }

    /// The most calls that may come. Not every parser of llama.cpp's keeps to one where it is to, and none to more.
    pub(crate) fn taking(self, n_calls: usize) -> Self {
        Self { n_calls, ..self }
    }

    /// Whether what comes is no part of the answer any more.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Follows an answer whose reasoning is split off elsewhere.
    pub(crate) fn of_answer(parser: Parser) -> Self {
        Self { is_answer_alone: true, ..Self::of_all(parser) }
    }

    /// Whether it is to be given the answer without its reasoning.
    pub(crate) fn is_answer_alone(&self) -> bool {
        self.is_answer_alone
    }

    /// Take text.
    pub(crate) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Bytes that were not parsed yet, and all.
    pub(crate) fn n_bytes(&self) -> (usize, usize) {
        (self.text.len() - self.n_parsed, self.text.len())
    }

    /// What has come, as far as it is sure.
    pub(crate) fn news(&mut self) -> News {
        if self.n_parsed == self.text.len() {
            return News::default();
        }
        self.n_parsed = self.text.len();
        // While it streams, what makes no sense yet may still come to make some.
        let Ok(parsed) = self.parser.parse(&self.text, true) else { return News::default() };
        self.take(parsed, false)
    }

    /// The rest: no more text comes. `is_whole` says whether the model ended the answer itself.
    pub(crate) fn finish(&mut self, is_whole: bool) -> News {
        if self.text.is_empty() {
            return News::default();
        }
        let parsed = self.parser.parse(&self.text, !is_whole);
        match parsed {
            Ok(parsed) => self.take(parsed, true),
            // Such as a call of a tool that there is none of: the text as it is, as far as it was not given.
            Err(_) => self.rest(),
        }
    }

    fn rest(&mut self) -> News {
        let mut news = News::default();
        if let Some(last) = self.given.calls.last_mut() {
            // The call that was told has to come to an end.
            if let Some(closing) = closing(last) {
                let index = self.given.calls.len() as u32 - 1;
                news.calls.push(ToolCallDelta { index, arguments: closing.to_owned(), ..ToolCallDelta::default() });
            }
            return news;
        }
        let mut rest = self.text.as_str();
        for given in [&self.given.reasoning, &self.given.content] {
            if let Some((_, behind)) = rest.split_once(given.trim()).filter(|_| !given.trim().is_empty()) {
                rest = behind;
            }
        }
        if !rest.is_empty() {
            news.pieces.push((Channel::Answer, rest.to_owned()));
        }
        news
    }

    fn take(&mut self, mut parsed: Parsed, is_end: bool) -> News {
        if parsed.tool_calls.len() > self.n_calls {
            parsed.tool_calls.truncate(self.n_calls);
            self.is_over = true;
        }
        let mut news = News::default();
        for (channel, given, now) in [
            (Channel::Reasoning, &mut self.given.reasoning, &parsed.reasoning),
            (Channel::Answer, &mut self.given.content, &parsed.content),
        ] {
            // What was given can't be taken back: a parser that thinks better of it adds nothing.
            if let Some(new) = now.strip_prefix(given.as_str()).filter(|new| !new.is_empty()) {
                news.pieces.push((channel, new.to_owned()));
                given.push_str(new);
            }
        }
        let n_calls = parsed.tool_calls.len();
        for (index, call) in parsed.tool_calls.into_iter().enumerate() {
            // A name is whole once something follows it.
            let is_named = !call.name.is_empty() && (!call.arguments.is_empty() || index + 1 < n_calls || is_end);
            let mut delta = ToolCallDelta { index: index as u32, ..ToolCallDelta::default() };
            if index == self.given.calls.len() && is_named {
                let id =
                    if call.id.is_empty() { Alphanumeric.sample_string(&mut self.ids, ID_LENGTH) } else { call.id };
                (delta.id, delta.name) = (Some(id), Some(call.name));
                self.given.calls.push(String::new());
            }
            let Some(given) = self.given.calls.get_mut(index) else { break };
            if let Some(new) = call.arguments.strip_prefix(given.as_str()).filter(|new| !new.is_empty()) {
                new.clone_into(&mut delta.arguments);
                given.push_str(new);
            }
            if delta.name.is_some() || !delta.arguments.is_empty() {
                news.calls.push(delta);
            }
        }
        news
    }
}

/// What ends arguments that were left open, where that is one of a few.
fn closing(arguments: &str) -> Option<&'static str> {
    let is_whole = |text: &str| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    if is_whole(arguments) {
        return None;
    }
    ["}", "\"}", "]}", "}}", "{}", "\"]}", "\"}}"].into_iter().find(|end| is_whole(&format!("{arguments}{end}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_arguments_are_closed() {
        for (arguments, expected) in [
            ("{}", None),
            ("{\"a\":1", Some("}")),
            ("{\"a\":\"b", Some("\"}")),
            ("{\"a\":[1", Some("]}")),
            ("", Some("{}")),
            ("{\"a\":", None),
        ] {
            assert_eq!(closing(arguments), expected, "{arguments}");
        }
    }
}
