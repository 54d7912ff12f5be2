//! A table of text: aligned, and cut to the terminal's width where there is one.

use std::io::{self, Write};

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

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
    let widths = fit(columns, &natural, width.unwrap_or(usize::MAX));
    let titles: Vec<_> = columns.iter().map(|column| column.title.to_owned()).collect();
    let mut line = String::new();
    for row in std::iter::once(&titles).chain(rows) {
        line.clear();
        for ((column, cell), width) in columns.iter().zip(row).zip(&widths) {
            let Some(width) = *width else { continue };
            if !line.is_empty() {
                line.push_str("  ");
            }
            push(&mut line, cell, width, column.right);
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// The columns' widths; `None` for those that go.
fn fit(columns: &[Column], natural: &[usize], limit: usize) -> Vec<Option<usize>> {
    let mut widths: Vec<_> = natural.iter().copied().map(Some).collect();
    loop {
        let kept: Vec<usize> = widths.iter().flatten().copied().collect();
        let excess = (kept.iter().sum::<usize>() + GAP * kept.len().saturating_sub(1)).saturating_sub(limit);
        let spare = |(column, width): (&Column, &Option<usize>)| {
            width.zip(column.least).map_or(0, |(width, least)| width.saturating_sub(least))
        };
        let total: usize = columns.iter().zip(&widths).map(spare).sum();
        if excess <= total {
            // The last columns give first: the first one is the name.
            let mut excess = excess;
            for (column, width) in columns.iter().zip(&mut widths).rev() {
                let given = spare((column, width)).min(excess);
                excess -= given;
                *width = width.map(|width| width - given);
            }
            return widths;
        }
        let goes = (0..columns.len())
            .filter(|&index| widths[index].is_some() && columns[index].goes > 0)
            .max_by_key(|&index| columns[index].goes);
        let Some(goes) = goes else {
            // Narrower than anything: what may be cut is cut, and the terminal wraps the rest.
            for (column, width) in columns.iter().zip(&mut widths) {
                *width = width.map(|width| column.least.map_or(width, |least| least.min(width)));
            }
            return widths;
        };
        widths[goes] = None;
    }
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
        Column { title: "Licence", right: false, least: Some(4), goes: 1 },
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
        Model            Size  Licence
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
    fn no_width_is_too_small() {
        for width in 0..60 {
            assert_eq!(text(Some(width)).lines().count(), 3, "{width}");
        }
        for width in 14..60 {
            assert!(text(Some(width)).lines().all(|line| line.width() <= width), "{width}: {}", text(Some(width)));
        }
    }
}
