//! Lines that break between words, of text that comes in pieces.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Breaks lines of at most so many columns. A word is held back until its end has come. Code blocks stay as they are, since
/// they are copied.
#[derive(Debug)]
pub(super) struct Wrap {
    columns: usize,
    /// Columns of the line that are written.
    at: usize,
    /// The blanks and the word behind them that have not been given yet.
    blanks: String,
    word: String,
    /// Whether the text is within a code block, and what of the line so far could begin or end one.
    is_code: bool,
    begin: Option<String>,
}

/// What begins and ends a code block.
const FENCE: &str = "```";

impl Wrap {
    /// For a terminal of so many columns.
    pub(super) fn new(columns: usize) -> Self {
        let (blanks, word) = (String::new(), String::new());
        Self { columns: columns.max(1), at: 0, blanks, word, is_code: false, begin: Some(String::new()) }
    }

    /// Take a piece; gives what can be written of the text so far.
    pub(super) fn feed(&mut self, piece: &str) -> String {
        let mut out = String::new();
        for c in piece.chars() {
            if c == '\n' {
                self.give(&mut out);
                // Blanks at the end of a line.
                out.push_str(&std::mem::take(&mut self.blanks));
                out.push('\n');
                if self.begin.take().is_some_and(|line| line.trim_start().starts_with(FENCE)) {
                    self.is_code = !self.is_code;
                }
                (self.at, self.begin) = (0, Some(String::new()));
                continue;
            }
            if let Some(begin) = &mut self.begin {
                begin.push(c);
                let line = begin.trim_start();
                if !FENCE.starts_with(line) && !line.starts_with(FENCE) {
                    self.begin = None;
                }
            }
            if c.is_whitespace() {
                self.give(&mut out);
                self.blanks.push(c);
            } else {
                self.word.push(c);
            }
        }
        out
    }

    /// What is still held back.
    pub(super) fn finish(&mut self) -> String {
        let mut out = String::new();
        self.give(&mut out);
        out.push_str(&std::mem::take(&mut self.blanks));
        out
    }

    /// Write the word with the blanks before it, or on a line of its own.
    fn give(&mut self, out: &mut String) {
        if self.word.is_empty() {
            return;
        }
        let (blanks, word) = (std::mem::take(&mut self.blanks), std::mem::take(&mut self.word));
        let is_code = self.is_code || self.begin.as_ref().is_some_and(|line| line.trim_start().starts_with(FENCE));
        let room = self.columns.saturating_sub(self.at);
        if !is_code && self.at > 0 && blanks.width() + word.width() > room && !blanks.is_empty() {
            out.push('\n');
            self.at = 0;
        } else {
            out.push_str(&blanks);
            self.at += blanks.width();
        }
        out.push_str(&word);
        // What is wider than a line is broken by the terminal.
        for c in word.chars() {
            let width = c.width().unwrap_or(0);
            self.at = if self.at + width > self.columns { width } else { self.at + width };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words() {
        for (columns, text, expected) in [
            (10, "one two three four", "one two\nthree four"),
            (10, "one  two three\n\nfour ", "one  two\nthree\n\nfour "),
            (5, "abcdefgh ij", "abcdefgh\nij"),
            (9, "  - a list of words", "  - a\nlist of\nwords"),
            (8, "日本 日本語 x", "日本\n日本語 x"),
            (8, "```\nlet a = 1 + 2;\n```\nand then this", "```\nlet a = 1 + 2;\n```\nand then\nthis"),
        ] {
            for size in [1, 3, 100] {
                let mut wrap = Wrap::new(columns);
                let letters: Vec<char> = text.chars().collect();
                let pieces = letters.chunks(size).map(String::from_iter);
                let mut out: String = pieces.map(|piece| wrap.feed(&piece)).collect();
                out.push_str(&wrap.finish());
                assert_eq!(out, expected, "{text:?} in pieces of {size}");
            }
        }
    }
}
