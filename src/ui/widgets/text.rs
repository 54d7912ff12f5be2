//! Text from outside made fit for cells: cleaned, measured, cut and wrapped by the columns it takes.
//!
//! Every text that is drawn passes [`clean`] or [`clean_block`]: what a model, a file name or a template says can never
//! reach the terminal as a command.

use std::borrow::Cow;
use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The most marks of no width that may pile up on one character.
const MAX_MARKS: usize = 6;

/// One line of harmless text: line breaks and tabs become blanks; what steers a terminal or hides is dropped.
pub fn clean(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| (b' '..0x7f).contains(&byte)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(harmless(text, false))
}

/// Lines of harmless text: line breaks stay, a tab becomes four blanks.
pub fn clean_block(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte == b'\n' || (b' '..0x7f).contains(&byte)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(harmless(text, true))
}

fn harmless(text: &str, keep_lines: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut marks = 0;
    for character in text.chars() {
        match character {
            '\n' if keep_lines => out.push('\n'),
            '\n' => out.push(' '),
            '\t' => out.push_str(if keep_lines { "    " } else { " " }),
            _ if gguf::is_harmful(character) => continue,
            _ => {
                let is_mark = character.width() == Some(0);
                marks = if is_mark { marks + 1 } else { 0 };
                if marks <= MAX_MARKS {
                    out.push(character);
                }
                continue;
            }
        }
        marks = 0;
    }
    out
}

/// Columns that a clean text takes.
pub fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.width() }
}

/// Cut a clean text to so many columns; `…` stands for what is cut off.
pub fn fit(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let Some(room) = columns.checked_sub(1) else { return Cow::Borrowed("") };
    let mut used = 0;
    let end = text
        .grapheme_indices(true)
        .find(|(_, grapheme)| {
            used += width(grapheme);
            used > room
        })
        .map_or(text.len(), |(start, _)| start);
    Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default()))
}

/// Cut a clean sentence to so many columns, behind a word where that leaves half of them.
pub fn fit_words(text: &str, columns: usize) -> Cow<'_, str> {
    let Cow::Owned(cut) = fit(text, columns) else { return Cow::Borrowed(text) };
    let words = cut.trim_end_matches('…');
    // A blank behind the cut: the last word is whole.
    if text.get(words.len()..).is_some_and(|rest| rest.starts_with(' ')) {
        return Cow::Owned(cut);
    }
    match words.rfind(' ').filter(|at| width(words.get(..*at).unwrap_or_default()) * 2 >= columns) {
        Some(at) => {
            let words = words.get(..at).unwrap_or_default().trim_end_matches([',', ';', ':', ' ']);
            Cow::Owned(format!("{words} …"))
        }
        None => Cow::Owned(cut),
    }
}

/// Bytes of a piece of [`pieces`], and how far back a blank is looked for.
const PIECE: usize = 4096;
const SEARCH: usize = 256;

/// A paragraph in pieces of bounded length, cut behind a blank where there is one, so that the end of a very long one
/// can be wrapped without its begin. The cuts stay where they are while it grows.
pub fn pieces(paragraph: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = paragraph;
    while rest.len() > PIECE {
        let limit = rest.floor_char_boundary(PIECE);
        let from = rest.floor_char_boundary(PIECE - SEARCH);
        let blank = rest.get(from..limit).and_then(|text| text.rfind(' ')).map(|at| from + at + 1);
        let (piece, behind) = rest.split_at(blank.unwrap_or(limit));
        pieces.push(piece);
        rest = behind;
    }
    pieces.push(rest);
    pieces
}

/// Break a clean text without line breaks into rows of at most `columns`, at blanks where it can, beside wide
/// characters, else inside a word. The blank at a break belongs to no row. At least one row.
pub fn wrap(text: &str, columns: usize) -> Vec<Range<usize>> {
    let columns = columns.max(1);
    if text.is_ascii() {
        let units = text.bytes().enumerate().map(|(at, byte)| Unit {
            at,
            end: at + 1,
            columns: 1,
            blank: byte == b' ',
            ends: byte == b'/',
        });
        return wrap_units(text.len(), units, columns);
    }
    let units = text.grapheme_indices(true).map(|(at, grapheme)| Unit {
        at,
        end: at + grapheme.len(),
        columns: grapheme.width(),
        blank: grapheme == " ",
        ends: grapheme == "/" || grapheme.width() > 1,
    });
    wrap_units(text.len(), units, columns)
}

struct Unit {
    at: usize,
    end: usize,
    columns: usize,
    blank: bool,
    /// A row may end behind it: wide characters, and the parts of a path.
    ends: bool,
}

/// Where a row may end: the row's end, the next row's begin, and the columns up to that begin.
type Break = (usize, usize, usize);

fn wrap_units(len: usize, units: impl Iterator<Item = Unit>, columns: usize) -> Vec<Range<usize>> {
    let mut rows = Vec::new();
    let (mut start, mut used) = (0, 0);
    let mut chance: Option<Break> = None;
    for unit in units {
        if unit.blank {
            if used + 1 > columns {
                rows.push(start..unit.at);
                (start, used, chance) = (unit.end, 0, None);
            } else if used == 0 && !rows.is_empty() {
                start = unit.end;
            } else {
                used += 1;
                chance = Some((unit.at, unit.end, used));
            }
            continue;
        }
        let wide = unit.columns > 1;
        if wide && used > 0 && chance.is_none_or(|(_, next, _)| next != unit.at) {
            chance = Some((unit.at, unit.at, used));
        }
        while used > 0 && used + unit.columns > columns {
            let (end, next, columns_before) = chance.take().unwrap_or((unit.at, unit.at, used));
            rows.push(start..end);
            (start, used) = (next, used - columns_before);
        }
        used += unit.columns;
        if unit.ends {
            chance = Some((unit.end, unit.end, used));
        }
    }
    rows.push(start..len.max(start));
    rows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(text: &str, columns: usize) -> Vec<&str> {
        wrap(text, columns).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn drops_what_a_terminal_would_obey() {
        for (text, line, block) in [
            ("plain", "plain", "plain"),
            ("a\x1b[31mb\x07\u{9b}", "a[31mb", "a[31mb"),
            ("a\tb\nc\r\n", "a b c ", "a    b\nc\n"),
            ("x\u{202e}y\u{200b}z\u{2066}", "xyz", "xyz"),
            ("naïve 模型 🐳", "naïve 模型 🐳", "naïve 模型 🐳"),
        ] {
            assert_eq!(clean(text), line, "{text:?}");
            assert_eq!(clean_block(text), block, "{text:?}");
        }
        assert_eq!(clean(&format!("a{}b", "\u{301}".repeat(90))).chars().count(), 2 + MAX_MARKS);
    }

    #[test]
    fn cuts_by_columns() {
        for (text, columns, cut) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("模型模", 5, "模型…"),
            ("模型", 3, "模…"),
            ("模", 1, "…"),
            ("a", 0, ""),
        ] {
            assert_eq!(fit(text, columns), cut, "{text} to {columns}");
        }
    }

    #[test]
    fn wraps_at_blanks_and_wide_characters() {
        for (text, columns, wrapped) in [
            ("", 5, vec![""]),
            ("one two three", 7, vec!["one two", "three"]),
            ("one two three", 6, vec!["one", "two", "three"]),
            ("  indented text", 10, vec!["  indented", "text"]),
            ("abcdefgh", 3, vec!["abc", "def", "gh"]),
            ("a abcdefgh", 4, vec!["a", "abcd", "efgh"]),
            ("模型模型", 5, vec!["模型", "模型"]),
            ("ab 模型cd", 5, vec!["ab 模", "型cd"]),
            ("see /sys/class/power", 12, vec!["see /sys/", "class/power"]),
        ] {
            assert_eq!(rows(text, columns), wrapped, "{text:?} to {columns}");
        }
    }

    #[test]
    fn pieces_are_bounded_and_stay_while_the_text_grows() {
        let long = "模型 and words ".repeat(3000);
        let cut = pieces(&long);
        assert_eq!(cut.concat(), long);
        assert!(cut.iter().all(|piece| piece.len() <= PIECE));
        let grown = format!("{long} more");
        assert_eq!(pieces(&grown)[..cut.len() - 1], cut[..cut.len() - 1]);
        assert!(pieces(&"x".repeat(10_000)).iter().all(|piece| piece.len() <= PIECE));
        assert_eq!(pieces(""), [""]);
    }

    proptest! {
        #[test]
        fn no_row_is_too_wide_and_no_letter_is_lost(text in "[ a-z模é🐳]{0,60}", columns in 2_usize..20) {
            let wrapped = rows(&text, columns);
            for row in &wrapped {
                prop_assert!(width(row) <= columns, "{row:?}");
            }
            let letters = |text: &str| text.chars().filter(|c| *c != ' ').collect::<String>();
            prop_assert_eq!(letters(&wrapped.concat()), letters(&text));
        }

        #[test]
        fn clean_text_has_no_controls(text in "\\PC*|.*") {
            prop_assert!(!clean(&text).chars().any(char::is_control));
            prop_assert!(!clean_block(&text).chars().any(|c| c.is_control() && c != '\n'));
        }
    }
}
