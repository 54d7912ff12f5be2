//! Two texts word by word: what both say, what one says alone.
//!
//! The shortest edit from one to the other; blanks between words don't count.

use similar::{Algorithm, DiffTag, capture_diff_slices};

/// The most words of a side that are compared: the work grows with the words times those that differ.
const MAX_WORDS: usize = 2000;

/// Who says a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Both.
    Both,
    /// The first text alone.
    Left,
    /// The second text alone.
    Right,
}

/// Words in order, each with who says it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diff {
    /// Runs of words of one side, joined by blanks; a line break stands as `\n` of its own run.
    pub runs: Vec<(Side, String)>,
    /// Words that both say.
    pub n_both: usize,
    /// Words of the first text alone.
    pub n_left: usize,
    /// Words of the second text alone.
    pub n_right: usize,
    /// The texts were longer than what is compared.
    pub is_cut: bool,
}

/// The words of a text; each line break is one.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for (index, line) in text.trim().lines().enumerate() {
        if index > 0 {
            words.push("\n");
        }
        words.extend(line.split_whitespace());
    }
    words
}

/// Compare two texts.
pub fn diff(left: &str, right: &str) -> Diff {
    let (mut left, mut right) = (words(left), words(right));
    let is_cut = left.len() > MAX_WORDS || right.len() > MAX_WORDS;
    left.truncate(MAX_WORDS);
    right.truncate(MAX_WORDS);
    let mut diff = Diff { is_cut, ..Diff::default() };
    for operation in capture_diff_slices(Algorithm::Myers, &left, &right) {
        let (tag, old, new) = operation.as_tag_tuple();
        if tag == DiffTag::Equal {
            diff.extend(Side::Both, &left[old]);
        } else {
            diff.extend(Side::Left, &left[old]);
            diff.extend(Side::Right, &right[new]);
        }
    }
    diff
}

impl Diff {
    fn extend(&mut self, side: Side, words: &[&str]) {
        for word in words {
            self.push(side, word);
        }
    }

    fn push(&mut self, side: Side, word: &str) {
        if word != "\n" {
            match side {
                Side::Both => self.n_both += 1,
                Side::Left => self.n_left += 1,
                Side::Right => self.n_right += 1,
            }
        }
        match self.runs.last_mut() {
            Some((last, text)) if *last == side && word != "\n" && text != "\n" => {
                text.push(' ');
                text.push_str(word);
            }
            _ => self.runs.push((side, word.to_owned())),
        }
    }
}
