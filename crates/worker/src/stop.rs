//! Stop texts: an answer ends where the model writes one of them.
//!
//! Owned here: finding one that is split over tokens, by holding back text that may be its start. Absent: tokens that
//! end the model's turn.

/// Looks for stop texts in an answer as it streams.
#[derive(Debug, Default)]
pub struct Stopper {
    /// Each with its place in the list that was given.
    texts: Vec<(u32, String)>,
    /// The begin of a stop text, perhaps.
    held: String,
    stopped: Option<u32>,
}

impl Stopper {
    /// Look for these; empty ones would stop everything and don't count.
    pub fn new(texts: &[String]) -> Self {
        let texts = (0..).zip(texts).filter(|(_, text)| !text.is_empty());
        Self { texts: texts.map(|(place, text)| (place, text.clone())).collect(), held: String::new(), stopped: None }
    }

    /// Whether there are any to look for.
    pub fn has_texts(&self) -> bool {
        !self.texts.is_empty()
    }

    /// Whether one was found: what comes after is not emitted.
    pub fn has_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    /// The index of the stop text that was found.
    pub fn stopped_by(&self) -> Option<u32> {
        self.stopped
    }

    /// Take text and give it on, except for a stop text, what comes after one, and an end that may be the begin of one.
    pub fn push(&mut self, text: &str, mut emit: impl FnMut(&str)) {
        if self.has_stopped() {
            return;
        }
        if self.texts.is_empty() {
            return emit(text);
        }
        self.held.push_str(text);
        // The first to be complete counts, as if the text came character by character; of several, the one that started first.
        let found = self.texts.iter().filter_map(|(place, text)| {
            let at = self.held.find(text.as_str())?;
            Some((at + text.len(), at, *place))
        });
        let found = found.min();
        let n_sure = found.map_or_else(|| self.held.len() - self.n_begun(), |(_, at, _)| at);
        let sure: String = self.held.drain(..n_sure).collect();
        if !sure.is_empty() {
            emit(&sure);
        }
        if let Some((.., place)) = found {
            self.stopped = Some(place);
            self.held.clear();
        }
    }

    /// Give what was held back: no more text comes.
    pub fn finish(&mut self, mut emit: impl FnMut(&str)) {
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            emit(&held);
        }
    }

    /// How many bytes at the end may be the begin of a stop text.
    fn n_begun(&self) -> usize {
        let longest = self.texts.iter().map(|(_, text)| text.len()).max().unwrap_or(0);
        let is_begin = |n: &usize| {
            let end = self.held.as_bytes().get(self.held.len() - n..).unwrap_or_default();
            self.texts.iter().any(|(_, text)| text.as_bytes().starts_with(end))
        };
        // A tail that starts inside a character is not the start of any stop text.
        (1..=self.held.len().min(longest)).rev().find(is_begin).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answer(stops: &[&str], pieces: impl IntoIterator<Item = String>) -> (String, Option<u32>) {
        let stops: Vec<_> = stops.iter().map(|stop| (*stop).to_owned()).collect();
        let (mut stopper, mut text) = (Stopper::new(&stops), String::new());
        for piece in pieces {
            stopper.push(&piece, |sure| text.push_str(sure));
        }
        stopper.finish(|sure| text.push_str(sure));
        (text, stopper.stopped_by())
    }

    #[test]
    fn an_answer_ends_before_a_stop_text() {
        for (stops, text, expected, stopped) in [
            (&["whale"][..], "the white whale swims", "the white ", Some(0)),
            (&["whale"], "the white wha", "the white wha", None),
            (&["\n\n", "###"], "one\ntwo###\n\n", "one\ntwo", Some(1)),
            (&["aab"], "aaab", "a", Some(0)),
            (&["é!"], "caféé!", "café", Some(0)),
            (&["", "x"], "abc", "abc", None),
            (&["", "x"], "axc", "a", Some(1)),
            (&["bc", "b"], "abc", "a", Some(1)),
            (&[], "abc", "abc", None),
            (&["abc", "b"], "abd", "a", Some(1)),
        ] {
            assert_eq!(answer(stops, [text.to_owned()]), (expected.to_owned(), stopped), "{text} whole");
            let characters = text.chars().map(String::from);
            assert_eq!(answer(stops, characters), (expected.to_owned(), stopped), "{text} by character");
        }
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_answer(text in "[abé]{0,24}", stops in proptest::collection::vec("[abé]{1,4}", 0..3), size in 1_usize..5) {
            let stops: Vec<&str> = stops.iter().map(String::as_str).collect();
            let characters: Vec<char> = text.chars().collect();
            let chunks = characters.chunks(size).map(|chunk| chunk.iter().collect::<String>());
            let (found, stopped) = answer(&stops, chunks);
            prop_assert_eq!(stopped.is_some(), stops.iter().any(|stop| text.contains(stop)));
            // With several stop texts, the first to be complete wins over the first to start.
            prop_assert!(text.starts_with(&found));
            prop_assert!(stops.iter().all(|stop| !found.contains(stop)));
        }
    }
}
