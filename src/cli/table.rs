//! A table of text: aligned, and cut to the terminal's width where there is one.

use std::io::{self, Write};

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use crate::columns;

/// Between two columns, in columns of the terminal.
const GAP: usize = 2;

/// A column.
pub(super) struct Column {
    pub(super) title: &'static str,
    /// Numbers stand to the right.
    pub(super) right: bool,
    /// How narrow it may be cut; `None` is never cut.
    pub(super) least: Option<usize>,
    /// What goes first where the width does not do, highest first; 0 never goes.
    pub(super) goes: u8,
}

/// Write the head and the rows; each row has a cell for each column.
pub(super) fn write(
    out: &mut impl Write,
    columns: &[Column],
    rows: &[Vec<String>],
    width: Option<usize>,
) -> io::Result<()> {
    let natural: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(index, column)| rows.iter().map(|row| row[index].width()).max().unwrap_or(0).max(column.title.width()))
        .collect();
    let asked: Vec<_> = columns
        .iter()
        .zip(natural)
        .map(|(column, most)| columns::Column {
            least: column.least.map_or(most, |least| least.min(most)),
            most,
            rank: column.goes,
        })
        .collect();
    let widths = columns::widths(&asked, width.unwrap_or(usize::MAX), GAP);
    let titles: Vec<_> = columns.iter().map(|column| column.title.to_owned()).collect();
    let mut line = String::new();
    for row in std::iter::once(&titles).chain(rows) {
        line.clear();
        for ((column, cell), width) in columns.iter().zip(row).zip(&widths) {
            let Some(width) = *width else { continue };
            if !line.is_empty() {
                line.extend(std::iter::repeat_n(' ', GAP));
            }
            push(&mut line, cell, width, column.right);
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// A cell of this width: filled up with blanks, or cut.
pub(super) fn cell(text: &str, width: usize) -> String {
    let mut line = String::new();
    push(&mut line, text, width, false);
    line
}

/// A text whose lines are broken between words where they are wider than the terminal. Words that are wider themselves are
/// left to it.
pub(super) fn wrapped(text: &str, width: Option<usize>) -> String {
    let Some(width) = width else { return text.to_owned() };
    let mut all = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let mut column = 0;
        for word in line.split_inclusive(' ') {
            let taken = word.trim_end().width();
            if column > 0 && column + taken > width {
                all.truncate(all.trim_end_matches(' ').len());
                all.push('\n');
                column = 0;
            }
            all.push_str(word);
            column += word.trim_end_matches('\n').width();
        }
    }
    all
}

fn push(line: &mut String, cell: &str, width: usize, right: bool) {
    let taken = cell.width();
    if taken > width {
        let mut left = width.saturating_sub(1);
        for cluster in cell.graphemes(true) {
            let Some(rest) = left.checked_sub(cluster.width()) else { break };
            left = rest;
            line.push_str(cluster);
        }
        line.push('…');
        line.extend(std::iter::repeat_n(' ', left));
    } else if right {
        line.extend(std::iter::repeat_n(' ', width - taken));
        line.push_str(cell);
    } else {
        line.push_str(cell);
        line.extend(std::iter::repeat_n(' ', width - taken));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [
        Column { title: "Model", right: false, least: Some(6), goes: 0 },
        Column { title: "Size", right: true, least: None, goes: 0 },
        Column { title: "License", right: false, least: Some(4), goes: 1 },
    ];

    fn text(width: Option<usize>) -> String {
        let rows = [
            vec!["qwen3-8b".to_owned(), "5.0 GB".to_owned(), "apache-2.0".to_owned()],
            vec!["模型-長い名前".to_owned(), "1 B".to_owned(), "—".to_owned()],
        ];
        let mut out = Vec::new();
        write(&mut out, &COLUMNS, &rows, width).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn is_aligned_and_cut_to_the_width() {
        insta::assert_snapshot!(text(None), @r"
        Model            Size  License
        qwen3-8b       5.0 GB  apache-2.0
        模型-長い名前     1 B  —
        ");
        insta::assert_snapshot!(text(Some(28)), @r"
        Model            Size  Lice…
        qwen3-8b       5.0 GB  apac…
        模型-長い名前     1 B  —
        ");
        insta::assert_snapshot!(text(Some(17)), @r"
        Model        Size
        qwen3-8b   5.0 GB
        模型-長…      1 B
        ");
    }

    #[test]
    fn lines_are_broken_between_words() {
        for (text, width, expected) in [
            ("one two three\n", Some(8), "one two\nthree\n"),
            ("one two three\nfour", None, "one two three\nfour"),
            ("  one two\n\nthree", Some(7), "  one\ntwo\n\nthree"),
            ("averylongword x", Some(5), "averylongword\nx"),
            ("模型 模型", Some(6), "模型\n模型"),
            ("exactly ten", Some(11), "exactly ten"),
        ] {
            assert_eq!(wrapped(text, width), expected, "{text:?}");
        }
    }

    #[test]
    fn a_cell_is_filled_up_and_cut_by_what_it_takes_on_the_screen() {
        for (text, width, expected) in
            [("模型", 6, "模型  "), ("abc", 3, "abc"), ("abcd", 3, "ab…"), ("模型", 3, "模…")]
        {
            assert_eq!(cell(text, width), expected);
        }
    }

    #[test]
    fn no_width_is_too_small() {
        for width in 0..60 {
            assert_eq!(text(Some(width)).lines().count(), 3, "{width}");
        }
        for width in 14..60 {
            assert!(text(Some(width)).lines().all(|line| line.width() <= width), "{width}: {}", text(Some(width)));
        }
    }
}
