//! A text field of one or many lines, by graphemes, with undo.
//!
//! Absent: keys and drawing. The text is as it was typed or pasted, but for control characters, which a field can't
//! show: line ends become `\n`, a tab four blanks, the rest is left out.

use unicode_segmentation::UnicodeSegmentation;

/// The most bytes that a field holds; what goes beyond is left out.
const MAX_BYTES: usize = 1 << 20;

/// The most steps that undo goes back.
const MAX_UNDO: usize = 100;

/// A text field.
#[derive(Debug, Clone, Default)]
pub struct Editor {
    text: String,
    /// Byte offset of the cursor, always at a grapheme's begin or at the end.
    cursor: usize,
    /// The column that moving up and down tries to keep, in graphemes.
    goal: Option<usize>,
    undo: Vec<(String, usize)>,
    redo: Vec<(String, usize)>,
    /// The last edit typed a character, so that the next one joins its undo step.
    typing: bool,
}

/// One change of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Put text in at the cursor.
    Insert(String),
    /// Begin a new line.
    Newline,
    /// Delete one grapheme before the cursor.
    Backspace,
    /// Delete one grapheme behind the cursor.
    Delete,
    /// Delete back to the begin of the word.
    DeleteWord,
    /// Delete to the end of the line.
    DeleteToEnd,
    /// Delete to the begin of the line.
    DeleteToStart,
    /// One grapheme left.
    Left,
    /// One grapheme right.
    Right,
    /// To the begin of the word.
    WordLeft,
    /// Behind the end of the word.
    WordRight,
    /// One line up.
    Up,
    /// One line down.
    Down,
    /// To the begin of the line.
    Home,
    /// To the end of the line.
    End,
    /// Take back.
    Undo,
    /// Do again.
    Redo,
}

impl Editor {
    /// A field with text in it, the cursor at its end.
    pub fn with_text(text: &str) -> Self {
        let text = clean(text);
        Self { cursor: text.len(), text, ..Self::default() }
    }

    /// What stands in it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether nothing stands in it.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Delete all of it; undo brings it back.
    pub fn clear(&mut self) {
        self.replace("");
    }

    /// Put another text in the place of all of it; undo brings the old one back.
    pub fn replace(&mut self, text: &str) {
        self.remember();
        self.text = clean(text);
        let end = self.text.floor_char_boundary(MAX_BYTES);
        self.text.truncate(end);
        self.cursor = self.text.len();
        (self.goal, self.typing) = (None, false);
    }

    /// Take the text out and leave the field empty.
    pub fn take(&mut self) -> String {
        std::mem::take(self).text
    }

    /// The cursor: line, and the text of that line before it.
    pub fn cursor(&self) -> (usize, &str) {
        let before = self.before();
        (before.matches('\n').count(), before.rsplit('\n').next().unwrap_or_default())
    }

    /// Change it. Returns whether anything changed.
    pub fn apply(&mut self, edit: &Edit) -> bool {
        let cursor = self.cursor;
        let typing = std::mem::take(&mut self.typing);
        let goal = self.goal.take();
        match edit {
            Edit::Insert(text) => return self.insert(&clean(text), typing),
            Edit::Newline => return self.insert("\n", false),
            Edit::Backspace => return self.delete(self.left(), cursor),
            Edit::Delete => return self.delete(cursor, self.right()),
            Edit::DeleteWord => return self.delete(self.word_left(), cursor),
            Edit::DeleteToEnd => {
                let end = self.line_end();
                return self.delete(cursor, if end == cursor { self.right() } else { end });
            }
            Edit::DeleteToStart => return self.delete(self.line_start(), cursor),
            Edit::Left => self.cursor = self.left(),
            Edit::Right => self.cursor = self.right(),
            Edit::WordLeft => self.cursor = self.word_left(),
            Edit::WordRight => self.cursor = self.word_right(),
            Edit::Up => self.step_line(-1, goal),
            Edit::Down => self.step_line(1, goal),
            Edit::Home => self.cursor = self.line_start(),
            Edit::End => self.cursor = self.line_end(),
            Edit::Undo => {
                let Some(step) = self.undo.pop() else { return false };
                self.redo.push((std::mem::replace(&mut self.text, step.0), cursor));
                self.cursor = step.1;
                return true;
            }
            Edit::Redo => {
                let Some(step) = self.redo.pop() else { return false };
                self.undo.push((std::mem::replace(&mut self.text, step.0), cursor));
                self.cursor = step.1;
                return true;
            }
        }
        self.cursor != cursor
    }

    fn before(&self) -> &str {
        self.text.get(..self.cursor).unwrap_or_default()
    }

    fn behind(&self) -> &str {
        self.text.get(self.cursor..).unwrap_or_default()
    }

    fn left(&self) -> usize {
        self.cursor - self.before().graphemes(true).next_back().map_or(0, str::len)
    }

    fn right(&self) -> usize {
        self.cursor + self.behind().graphemes(true).next().map_or(0, str::len)
    }

    fn word_left(&self) -> usize {
        let mut words = self.before().unicode_word_indices();
        words.next_back().map_or(0, |(start, _)| self.boundary(start, false))
    }

    fn word_right(&self) -> usize {
        let mut words = self.behind().unicode_word_indices();
        words.next().map_or(self.text.len(), |(start, word)| self.boundary(self.cursor + start + word.len(), true))
    }

    /// The place itself, or where the grapheme ends or begins that it lies in: a word can end inside of one.
    fn boundary(&self, at: usize, behind: bool) -> usize {
        let mut starts = self.text.grapheme_indices(true).map(|(start, _)| start);
        if behind {
            starts.find(|start| *start >= at).unwrap_or(self.text.len())
        } else {
            starts.take_while(|start| *start <= at).last().unwrap_or(0)
        }
    }

    fn line_start(&self) -> usize {
        self.before().rfind('\n').map_or(0, |at| at + 1)
    }

    fn line_end(&self) -> usize {
        self.behind().find('\n').map_or(self.text.len(), |at| self.cursor + at)
    }

    fn step_line(&mut self, by: i32, goal: Option<usize>) {
        let start = self.line_start();
        let column = goal.unwrap_or_else(|| self.text.get(start..self.cursor).map_or(0, |t| t.graphemes(true).count()));
        let target = if by < 0 {
            let Some(end) = start.checked_sub(1) else {
                self.cursor = 0;
                return;
            };
            self.text.get(..end).and_then(|text| text.rfind('\n')).map_or(0, |at| at + 1)
        } else {
            let end = self.line_end();
            if end == self.text.len() {
                self.cursor = end;
                return;
            }
            end + 1
        };
        let line = self.text.get(target..).and_then(|rest| rest.split('\n').next()).unwrap_or_default();
        self.cursor = target + line.graphemes(true).take(column).map(str::len).sum::<usize>();
        self.goal = Some(column);
    }

    fn remember(&mut self) {
        if self.undo.len() == MAX_UNDO {
            self.undo.remove(0);
        }
        self.undo.push((self.text.clone(), self.cursor));
        self.redo.clear();
    }

    fn insert(&mut self, text: &str, joins: bool) -> bool {
        let room = MAX_BYTES.saturating_sub(self.text.len());
        let text = text.get(..text.floor_char_boundary(room)).unwrap_or_default();
        if text.is_empty() {
            return false;
        }
        let is_word = text.graphemes(true).count() == 1 && text.chars().all(char::is_alphanumeric);
        if !(joins && is_word) {
            self.remember();
        }
        self.text.insert_str(self.cursor, text);
        self.cursor += text.len();
        self.snap();
        self.typing = is_word;
        true
    }

    fn delete(&mut self, from: usize, to: usize) -> bool {
        if from >= to {
            return false;
        }
        self.remember();
        self.text.replace_range(from..to, "");
        self.cursor = from;
        self.snap();
        true
    }

    /// What was put in may have joined its neighbours into one grapheme: go to its end.
    fn snap(&mut self) {
        let mut ends = self.text.grapheme_indices(true).map(|(start, text)| start + text.len());
        if self.cursor > 0 {
            self.cursor = ends.find(|end| *end >= self.cursor).unwrap_or(self.text.len());
        }
    }
}

/// Text without what a field can't show.
fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\r' if rest.peek() == Some(&'\n') => {}
            '\r' | '\n' => clean.push('\n'),
            '\t' => clean.push_str("    "),
            c if c.is_control() => {}
            c => clean.push(c),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `|` marks the cursor.
    fn check(start: &str, edits: &[Edit], end: &str) {
        let at = start.find('|').unwrap();
        let mut editor = Editor { text: start.replace('|', ""), cursor: at, ..Editor::default() };
        for edit in edits {
            editor.apply(edit);
        }
        let mut shown = editor.text.clone();
        shown.insert(editor.cursor, '|');
        assert_eq!(shown, end, "{start} {edits:?}");
    }

    #[test]
    fn edits() {
        use Edit::*;
        check("ab|c", &[Insert("x\r\ny\tz\x1b".into())], "abx\ny    z|c");
        check("ab|c", &[Newline], "ab\n|c");
        check("👨‍👩‍👧|c", &[Backspace], "|c");
        check("|👨‍👩‍👧c", &[Delete], "|c");
        check("one two|", &[DeleteWord], "one |");
        check("one two,  |", &[DeleteWord], "one |");
        check("on|e\ntwo", &[DeleteToEnd, DeleteToEnd], "on|two");
        check("one\ntw|o", &[DeleteToStart], "one\n|o");
        check("one| two", &[WordRight], "one two|");
        check("one two|", &[WordLeft, WordLeft], "|one two");
        check("abcd|\nx\nabcd", &[Down, Down], "abcd\nx\nabcd|");
        check("abcd\nx\nab|cd", &[Up, Up], "ab|cd\nx\nabcd");
        // A sign that stands before another makes one grapheme with it, though a word ends between them.
        check("|\u{11d46}[", &[WordRight], "\u{11d46}[|");
        check("ab|cd", &[Up], "|abcd");
        check("ab|cd", &[Down], "abcd|");
        check("one\ntw|o", &[Home], "one\n|two");
        check("one\nt|wo", &[End], "one\ntwo|");
        check("|", &[Insert("a".into()), Insert("b".into()), Undo], "|");
        check("|", &[Insert("a".into()), Left, Insert("b".into()), Undo, Redo], "b|a");
    }

    fn any_edit() -> impl Strategy<Value = Edit> {
        use Edit::*;
        prop_oneof![
            "\\PC{0,5}".prop_map(Insert),
            prop::sample::select(vec!["e", "\u{301}", "🇩", "🇪", "\n", "\r\n", "\x07"])
                .prop_map(|text| Insert(text.into())),
            prop::sample::select(vec![
                Newline,
                Backspace,
                Delete,
                DeleteWord,
                DeleteToEnd,
                DeleteToStart,
                Left,
                Right,
                WordLeft,
                WordRight,
                Up,
                Down,
                Home,
                End,
                Undo,
                Redo,
            ]),
        ]
    }

    proptest! {
        #[test]
        fn the_cursor_stays_at_a_grapheme(edits in prop::collection::vec(any_edit(), 0..60)) {
            let mut editor = Editor::default();
            for edit in &edits {
                editor.apply(edit);
                let mut starts = editor.text.grapheme_indices(true).map(|(start, _)| start);
                prop_assert!(editor.cursor == editor.text.len() || starts.any(|start| start == editor.cursor));
                prop_assert!(!editor.text.chars().any(|c| c.is_control() && c != '\n'));
            }
        }

        #[test]
        fn undo_goes_back_to_the_start(edits in prop::collection::vec(any_edit(), 0..60)) {
            let mut editor = Editor::with_text("start");
            for edit in edits.iter().filter(|edit| !matches!(edit, Edit::Undo | Edit::Redo)) {
                editor.apply(edit);
            }
            while editor.apply(&Edit::Undo) {}
            prop_assert_eq!(editor.text(), "start");
        }
    }
}
