//! What all reports are made of: text, tables and the frame of the file.

use std::fmt::Write as _;

use serde_json::Value;

use crate::figure::Graded;
use crate::units::{counted, digits};

/// The begin of the file. A policy forbids whatever could load or run something, besides that nothing here does.
pub(super) fn open(title: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <title>{0}</title><style>\n{1}</style></head><body>\n<h1>{0}</h1>\n",
        escape(title),
        include_str!("style.css"),
    )
}

/// Text as HTML shows it, wherever it stands; without what a terminal would obey.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if gguf::is_harmful(c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// A table. Cells of the first column are text, the others figures.
pub(super) fn table(page: &mut String, heads: &[&str], rows: &[Vec<String>]) {
    let class = |place: usize| if place == 0 { "" } else { " class=\"n\"" };
    page.push_str("<div class=\"wide\"><table><thead><tr>");
    for (place, head) in heads.iter().enumerate() {
        let _ = write!(page, "<th{}>{}</th>", class(place), escape(head));
    }
    page.push_str("</tr></thead><tbody>\n");
    for row in rows {
        page.push_str("<tr>");
        for (place, cell) in row.iter().enumerate() {
            let _ = write!(page, "<td{}>{}</td>", class(place), escape(cell));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody></table></div>\n");
}

/// A text of its own in a panel; nothing where there is none.
pub(super) fn panel(page: &mut String, label: &str, text: &str) {
    if !text.trim().is_empty() {
        let _ = writeln!(
            page,
            "<div class=\"panel\"><span class=\"muted\">{}</span><pre>{}</pre></div>",
            escape(label),
            escape(text.trim())
        );
    }
}

/// What was thought, folded.
pub(super) fn thoughts(page: &mut String, text: &str, count: Option<u64>) {
    if !text.trim().is_empty() {
        let count = count.map_or_else(String::new, |count| format!(" for {}", counted(count as usize, "token")));
        let text = escape(text.trim());
        let _ = writeln!(page, "<details><summary>thought{count}</summary><pre class=\"muted\">{text}</pre></details>");
    }
}

/// The text of a value, empty where it is none.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The items of a list, none where it is no list.
pub(crate) fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A number in so many digits as it needs.
pub(super) fn number(value: &Value) -> String {
    value.as_f64().map_or_else(|| "—".to_owned(), digits)
}

/// An energy with its grade and what it may be off by; a record of an earlier version knows no grade and says so.
pub(crate) fn graded(value: &Value, grade: &Value, relative: &Value) -> String {
    energy(value, grade, relative).map_or_else(|| "—".to_owned(), |energy| energy.text(""))
}

/// The same as a value.
pub(super) fn energy(value: &Value, grade: &Value, relative: &Value) -> Option<Graded> {
    Graded::kept(value.as_f64(), grade.as_str(), relative.as_f64())
}

/// A whole number.
pub(super) fn count(value: &Value) -> String {
    value.as_u64().map_or_else(|| "—".to_owned(), |count| count.to_string())
}
