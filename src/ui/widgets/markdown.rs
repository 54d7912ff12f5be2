//! Markdown as rows of cells: headings, bold, italic, code, lists, quotes, rules. Tables stay as they are written.
//!
//! An answer grows while it is read, so every state of it must be drawable: what is not closed yet is plain. Absent:
//! links, images, HTML, which stay text.

use std::ops::Range;

use ratatui::style::{Modifier, Style};

use super::super::canvas::{Canvas, Span, Spans};
use super::super::theme::Meaning;
use super::text;

/// The rows of a text at a width.
pub(crate) fn rows(canvas: &Canvas<'_>, source: &str, columns: usize) -> Vec<Spans<'static>> {
    let clean = text::clean_block(source.trim_end());
    let mut rows = Vec::new();
    let mut in_code = false;
    for line in clean.split('\n') {
        let trimmed = line.trim_start();
        if trimmed.starts_with("```") || trimmed.starts_with("~~~") {
            in_code = !in_code;
            continue;
        }
        if in_code {
            code(canvas, &mut rows, line, columns);
        } else {
            block(canvas, &mut rows, line, columns);
        }
    }
    rows
}

/// What stands before a line's text and under it, and how the text looks.
struct Lead {
    first: String,
    rest: String,
    meaning: Meaning,
    style: Style,
}

fn block(canvas: &Canvas<'_>, rows: &mut Vec<Spans<'static>>, line: &str, columns: usize) {
    let trimmed = line.trim_start();
    let indent = " ".repeat((line.len() - trimmed.len()).min(8));
    let plain = canvas.style(Meaning::Text);
    let lead = |first: String, rest: String, meaning| Lead { first, rest, meaning, style: plain };
    let level = trimmed.bytes().take_while(|byte| *byte == b'#').count();
    if (1..=6).contains(&level) && trimmed.as_bytes().get(level) == Some(&b' ') {
        let style = canvas.style(Meaning::Accent).add_modifier(Modifier::BOLD);
        let head = Lead { first: String::new(), rest: String::new(), meaning: Meaning::Text, style };
        return flow(canvas, rows, &head, trimmed.get(level..).unwrap_or_default().trim(), columns);
    }
    if trimmed.len() >= 3 && ["-", "*", "_"].iter().any(|mark| trimmed.trim_end().replace(mark, "").is_empty()) {
        let glyph = if canvas.is_ascii() { "-" } else { "─" };
        rows.push(vec![canvas.span(Meaning::Border, glyph.repeat(columns))]);
        return;
    }
    if let Some(quoted) = trimmed.strip_prefix('>') {
        let mark = format!("{indent}{} ", if canvas.is_ascii() { '|' } else { '│' });
        let mut quote = lead(mark.clone(), mark, Meaning::Border);
        quote.style = canvas.style(Meaning::Muted);
        return flow(canvas, rows, &quote, quoted.trim_start(), columns);
    }
    if let Some(item) = ["- ", "* ", "+ "].iter().find_map(|mark| trimmed.strip_prefix(mark)) {
        let mark = if canvas.is_ascii() { "-" } else { "•" };
        let item_lead = lead(format!("{indent}{mark} "), format!("{indent}  "), Meaning::Accent);
        return flow(canvas, rows, &item_lead, item, columns);
    }
    let digits = trimmed.bytes().take_while(u8::is_ascii_digit).count();
    if (1..=3).contains(&digits)
        && let Some(item) = trimmed.get(digits..).and_then(|rest| rest.strip_prefix(". "))
    {
        let number = trimmed.get(..digits).unwrap_or_default();
        let item_lead =
            lead(format!("{indent}{number}. "), format!("{indent}{}", " ".repeat(digits + 2)), Meaning::Accent);
        return flow(canvas, rows, &item_lead, item, columns);
    }
    if trimmed.starts_with('|') {
        // A table's columns only line up where nothing is taken out of them.
        for range in text::wrap(line, columns) {
            rows.push(vec![canvas.span(Meaning::Text, line.get(range).unwrap_or_default().to_owned())]);
        }
        return;
    }
    flow(canvas, rows, &lead(indent.clone(), indent, Meaning::Text), trimmed, columns);
}

fn code(canvas: &Canvas<'_>, rows: &mut Vec<Spans<'static>>, line: &str, columns: usize) {
    let mark = if canvas.is_ascii() { "| " } else { "▏ " };
    for range in text::wrap(line, columns.saturating_sub(2)) {
        let piece = line.get(range).unwrap_or_default().to_owned();
        rows.push(vec![canvas.span(Meaning::Border, mark), canvas.span(Meaning::Key, piece)]);
    }
}

/// Text with marks inside it, wrapped behind what leads it.
fn flow(canvas: &Canvas<'_>, rows: &mut Vec<Spans<'static>>, lead: &Lead, source: &str, columns: usize) {
    let (plain, marks) = inline(source);
    let room = columns.saturating_sub(text::width(&lead.first)).max(1);
    let code = canvas.style(Meaning::Key);
    for (index, range) in text::wrap(&plain, room).into_iter().enumerate() {
        let before = if index == 0 { &lead.first } else { &lead.rest };
        let mut row = vec![canvas.span(lead.meaning, before.clone())];
        let mut at = range.start;
        let mut put = |from: usize, to: usize, style: Style| {
            if from < to {
                row.push(Span { text: plain.get(from..to).unwrap_or_default().to_owned().into(), style });
            }
        };
        for (mark, look) in marks.iter().filter(|(mark, _)| mark.start < range.end && mark.end > range.start) {
            let (from, to) = (mark.start.max(range.start), mark.end.min(range.end));
            put(at, from, lead.style);
            put(
                from,
                to,
                match look {
                    Look::Code => code,
                    Look::Bold => lead.style.add_modifier(Modifier::BOLD),
                    Look::Italic => lead.style.add_modifier(Modifier::ITALIC),
                },
            );
            at = to;
        }
        put(at, range.end, lead.style);
        rows.push(row);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Code,
    Bold,
    Italic,
}

/// A line without its marks, and where they applied; in order, none within another.
fn inline(source: &str) -> (String, Vec<(Range<usize>, Look)>) {
    let mut plain = String::with_capacity(source.len());
    let mut marks = Vec::new();
    let mut rest = source;
    while !rest.is_empty() {
        let marked =
            [("`", Look::Code), ("**", Look::Bold), ("__", Look::Bold), ("*", Look::Italic), ("_", Look::Italic)]
                .into_iter()
                .find_map(|(mark, look)| Some((inside(rest, mark, plain.chars().next_back())?, mark, look)));
        if let Some((text, mark, look)) = marked {
            let start = plain.len();
            plain.push_str(text);
            marks.push((start..plain.len(), look));
            rest = rest.get(text.len() + 2 * mark.len()..).unwrap_or_default();
        } else {
            let next = rest.chars().next().map_or(1, char::len_utf8);
            plain.push_str(rest.get(..next).unwrap_or_default());
            rest = rest.get(next..).unwrap_or_default();
        }
    }
    (plain, marks)
}

/// The text between this mark at the begin of `rest` and the next one; `None` where it is no pair.
fn inside<'a>(rest: &'a str, mark: &str, before: Option<char>) -> Option<&'a str> {
    let behind = rest.strip_prefix(mark)?;
    let end = behind.find(mark)?;
    let text = behind.get(..end)?;
    let after = behind.get(end + mark.len()..)?.chars().next();
    let is_word = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    let stands_alone =
        mark.starts_with('`') || !(is_word(before) && mark.starts_with('_') || is_word(after) && mark.starts_with('_'));
    let is_tight = mark == "`" || !(text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace));
    (!text.is_empty() && stands_alone && is_tight).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_taken_out_where_they_are_pairs() {
        for (source, plain, marks) in [
            ("a **b c** d", "a b c d", vec![(2..5, Look::Bold)]),
            ("`x * y` and *z*", "x * y and z", vec![(0..5, Look::Code), (10..11, Look::Italic)]),
            ("2 * 3 * 4", "2 * 3 * 4", vec![]),
            ("snake_case_name", "snake_case_name", vec![]),
            ("_so_ it is", "so it is", vec![(0..2, Look::Italic)]),
            ("**not closed", "**not closed", vec![]),
            ("`", "`", vec![]),
            ("**** ``", "**** ``", vec![]),
            ("模**型**", "模型", vec![(3..6, Look::Bold)]),
        ] {
            assert_eq!(inline(source), (plain.to_owned(), marks), "{source}");
        }
    }

    proptest::proptest! {
        /// Nothing but marks is lost, and every mark lies in the text.
        #[test]
        fn any_line_is_drawable(source in "[a_*`# 模é|>-]{0,40}") {
            let (plain, marks) = inline(&source);
            let letters = |text: &str| text.chars().filter(|character| !"*_`".contains(*character)).collect::<String>();
            proptest::prop_assert_eq!(letters(&plain), letters(&source));
            for (range, _) in marks {
                proptest::prop_assert!(plain.get(range).is_some());
            }
        }
    }
}
