//! Two texts word by word: what both say, what one says alone.
//!
//! The longest common subsequence of words; blanks between words don't count.

/// The most words of a side that are compared: the table of both has at most this squared cells.
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
    let columns = right.len() + 1;
    // `common[i][j]`: the longest common subsequence of what follows `i` and `j`.
    let mut common = vec![0_u16; (left.len() + 1) * columns];
    for i in (0..left.len()).rev() {
        for j in (0..right.len()).rev() {
            common[i * columns + j] = if left[i] == right[j] {
                common[(i + 1) * columns + j + 1] + 1
            } else {
                common[(i + 1) * columns + j].max(common[i * columns + j + 1])
            };
        }
    }
    let mut diff = Diff { is_cut, ..Diff::default() };
    let (mut i, mut j) = (0, 0);
    while i < left.len() || j < right.len() {
        if i < left.len() && j < right.len() && left[i] == right[j] {
            diff.push(Side::Both, left[i]);
            (i, j) = (i + 1, j + 1);
        } else if j == right.len() || (i < left.len() && common[(i + 1) * columns + j] >= common[i * columns + j + 1]) {
            diff.push(Side::Left, left[i]);
            i += 1;
        } else {
            diff.push(Side::Right, right[j]);
            j += 1;
        }
    }
    diff
}

impl Diff {
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
