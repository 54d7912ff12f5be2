//! Reasoning split from the answer, as it streams.
//!
//! Owned here: where `<think>` … `</think>`, or another pair of [`TAGS`], begins and ends, also when a tag is spread over
//! tokens. A model opens its reasoning first or not at all, so an opening tag counts only before any other text: an answer
//! may write about the tag.
//! Absent: a `</think>` that was never opened. What came before it has been streamed as the answer and can't be taken
//! back, so the tag stays as text; templates that open the tag themselves are the common case, and start inside.

use wire::Channel;

/// The tags around reasoning: what opens it and what closes it.
#[derive(Debug, PartialEq, Eq)]
pub struct Tag {
    /// Opens the reasoning.
    pub open: &'static str,
    /// Closes it.
    pub close: &'static str,
}

/// The tags that models are known to use; the first is by far the most common.
pub const TAGS: [Tag; 5] = [
    Tag { open: "<think>", close: "</think>" },
    // Magistral and Ministral.
    Tag { open: "[THINK]", close: "[/THINK]" },
    // Seed-OSS.
    Tag { open: "<seed:think>", close: "</seed:think>" },
    // Command A and R7B.
    Tag { open: "<|START_THINKING|>", close: "<|END_THINKING|>" },
    // Apertus.
    Tag { open: "<|inner_prefix|>", close: "<|inner_suffix|>" },
];

/// White space before an opening tag that is waited through, in bytes.
const MAX_LEADING: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing but white space so far.
    Start,
    Reasoning(&'static Tag),
    Answer,
}

/// Splits one answer. The split doesn't depend on how the text was cut into pieces.
#[derive(Debug, Clone)]
pub struct Splitter {
    state: State,
    /// Text that may yet turn out to be a tag.
    held: String,
    /// A tag has just gone by: white space after it is dropped.
    trimming: bool,
}

impl Splitter {
    /// A splitter for the answer to `prompt`, as rendered: one that ends in an opening tag starts inside the reasoning.
    pub fn after(prompt: &str) -> Self {
        let prompt = prompt.trim_end();
        let opened = TAGS.iter().find(|tag| prompt.ends_with(tag.open));
        let state = opened.map_or(State::Start, State::Reasoning);
        Self { state, held: String::new(), trimming: opened.is_some() }
    }

    /// Whether what comes next is reasoning, as far as is known.
    pub fn is_reasoning(&self) -> bool {
        matches!(self.state, State::Reasoning(_))
    }

    /// Whether nothing but white space, and perhaps the begin of a tag, has come.
    pub fn is_start(&self) -> bool {
        self.state == State::Start
    }

    /// What is still to be written for the reasoning to be closed; `None` where it is not open.
    pub fn closing(&self) -> Option<&'static str> {
        let State::Reasoning(tag) = self.state else { return None };
        tag.close.strip_prefix(&self.held[self.held.len() - begun_tag(&self.held, tag.close)..])
    }

    /// The tag that `text`, as the first of an answer, begins or is, and how much of the tag that is in bytes.
    pub fn opening(&self, text: &str) -> Option<(&'static Tag, usize)> {
        let begun = text.trim_start();
        let is_first = self.is_start() && self.held.trim_start().is_empty() && !begun.is_empty();
        let tag = TAGS.iter().filter(|_| is_first).find(|tag| tag.open.starts_with(begun))?;
        Some((tag, begun.len()))
    }

    /// Take text and give it by channel, except for an end that may be the begin of a tag.
    pub fn push(&mut self, text: &str, mut emit: impl FnMut(Channel, &str)) {
        if self.state == State::Answer {
            self.emit(Channel::Answer, text, &mut emit);
            return;
        }
        self.held.push_str(text);
        if self.state == State::Start {
            let begun = self.held.trim_start();
            let may_open = self.held.len() - begun.len() <= MAX_LEADING;
            let opened = TAGS.iter().find_map(|tag| Some((tag, begun.strip_prefix(tag.open)?)));
            match opened.filter(|_| may_open) {
                Some((tag, rest)) => {
                    self.held = rest.to_owned();
                    self.state = State::Reasoning(tag);
                    self.trimming = true;
                }
                None if may_open && TAGS.iter().any(|tag| tag.open.starts_with(begun)) => return,
                None => {
                    self.state = State::Answer;
                    self.release(Channel::Answer, &mut emit);
                    return;
                }
            }
        }
        let State::Reasoning(tag) = self.state else { return };
        let held = std::mem::take(&mut self.held);
        if let Some((reasoning, rest)) = held.split_once(tag.close) {
            self.emit(Channel::Reasoning, reasoning, &mut emit);
            self.state = State::Answer;
            self.trimming = true;
            self.emit(Channel::Answer, rest, &mut emit);
        } else {
            let (sure, unsure) = held.split_at(held.len() - begun_tag(&held, tag.close));
            self.emit(Channel::Reasoning, sure, &mut emit);
            self.held.push_str(unsure);
        }
    }

    /// Give what was held back: no more text comes.
    pub fn finish(&mut self, mut emit: impl FnMut(Channel, &str)) {
        let channel = if self.is_reasoning() { Channel::Reasoning } else { Channel::Answer };
        self.release(channel, &mut emit);
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
fn begun_tag(text: &str, close: &str) -> usize {
    (1..close.len()).rev().find(|n| close.get(..*n).is_some_and(|begun| text.ends_with(begun))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split<'a>(prompt: &str, pieces: impl IntoIterator<Item = &'a str>) -> (String, String) {
        let (mut reasoning, mut answer) = (String::new(), String::new());
        let mut emit = |channel, text: &str| match channel {
            Channel::Reasoning => reasoning.push_str(text),
            Channel::Answer => answer.push_str(text),
        };
        let mut splitter = Splitter::after(prompt);
        for piece in pieces {
            splitter.push(piece, &mut emit);
        }
        splitter.finish(&mut emit);
        (reasoning, answer)
    }

    #[test]
    fn reasoning_and_answer() {
        for (prompt, text, reasoning, answer) in [
            ("", "Call me Ishmael.", "", "Call me Ishmael."),
            ("", "<think>\nHm.</think>\n\nYes.", "Hm.", "Yes."),
            ("", " \n<think>Hm.</think>Yes.", "Hm.", "Yes."),
            ("<|assistant|><think>\n", "Hm.</think>\n\nYes.", "Hm.", "Yes."),
            ("<|assistant|><think>", "Hm.", "Hm.", ""),
            ("<think>\n\n</think>\n\n", "Yes.", "", "Yes."),
            ("", "<think>\n\n</think>\n\nYes.", "", "Yes."),
            ("", "The tag <think> opens it.", "", "The tag <think> opens it."),
            ("", "<thinking> is another tag", "", "<thinking> is another tag"),
            ("", "<thi", "", "<thi"),
            ("", "<think>a </thin b</think", "a </thin b</think", ""),
            ("", "<think>a <</think>b", "a <", "b"),
            ("", "<think>a</think>b</think>c", "a", "b</think>c"),
            ("", "Yes.</think> No.", "", "Yes.</think> No."),
            ("", "\n\n Yes.", "", "\n\n Yes."),
            ("", "[THINK]Hm.[/THINK]Yes.", "Hm.", "Yes."),
            ("", "[THINK]Hm.</think>No.[/THINK]Yes.", "Hm.</think>No.", "Yes."),
            ("", "[1, 2]", "", "[1, 2]"),
            ("<seed:think>", "Hm.</seed:think>Yes.", "Hm.", "Yes."),
            ("", "<|START_THINKING|>Hm.<|END_THINKING|>Yes.", "Hm.", "Yes."),
            ("", "", "", ""),
        ] {
            let bytes: Vec<_> = text.split_inclusive(|_: char| true).collect();
            let expected = (reasoning.to_owned(), answer.to_owned());
            assert_eq!(split(prompt, [text]), expected, "{text:?} whole");
            assert_eq!(split(prompt, bytes), expected, "{text:?} by character");
        }
    }

    #[test]
    fn what_closes_the_reasoning_is_known_at_each_point() {
        for (text, closing) in [("", "</think>"), ("Hm.", "</think>"), ("Hm. </th", "ink>"), ("a <", "/think>")] {
            let mut splitter = Splitter::after("<think>");
            splitter.push(text, |_, _| {});
            assert_eq!(splitter.closing(), Some(closing), "{text}");
        }
        assert_eq!(Splitter::after("").closing(), None);
    }

    #[test]
    fn the_first_text_may_open_a_tag() {
        let opened = |text| Splitter::after("").opening(text).map(|(tag, n)| (tag.open, n));
        for (text, expected) in [
            ("<think>", Some(("<think>", 7))),
            ("\n<th", Some(("<think>", 3))),
            ("<s", Some(("<seed:think>", 2))),
            ("[", Some(("[THINK]", 1))),
            (" \n", None),
            ("{", None),
            ("<think>x", None),
        ] {
            assert_eq!(opened(text), expected, "{text:?}");
        }
        assert_eq!(Splitter::after("<think>").opening("<think>"), None);
    }

    #[test]
    fn white_space_without_end_is_not_held_for_ever() {
        let mut streamed = String::new();
        let mut splitter = Splitter::after("");
        for _ in 0..=MAX_LEADING {
            splitter.push("\n", |_, text| streamed.push_str(text));
        }
        assert_eq!(streamed.len(), MAX_LEADING + 1);
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_split(
            parts in proptest::collection::vec(
                prop_oneof![
                    Just("<think>"), Just("</think>"), Just("</"), Just("<"), Just("think>"), Just("<th"), Just("\n"), Just(" "),
                    Just("é"), Just("x"),
                    Just("                                                                                                    "),
                ],
                0..12,
            ),
            opened in any::<bool>(),
            size in 1_usize..9,
        ) {
            let text = parts.concat();
            let prompt = if opened { "<think>\n" } else { "" };
            let characters: Vec<char> = text.chars().collect();
            let chunks: Vec<String> = characters.chunks(size).map(|chunk| chunk.iter().collect()).collect();
            prop_assert_eq!(split(prompt, [text.as_str()]), split(prompt, chunks.iter().map(String::as_str)));
        }

        #[test]
        fn an_answer_without_tags_passes_unchanged(text in "[a-z<>/ \n]{0,40}") {
            prop_assume!(!text.trim_start().starts_with(TAGS[0].open));
            prop_assert_eq!(split("", [text.as_str()]), (String::new(), text.clone()));
        }
    }
}
