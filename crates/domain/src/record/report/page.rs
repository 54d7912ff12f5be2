//! What all reports are made of: text, tables and the frame of the file.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::figure::Graded;
use crate::units::{counted, digits, or_dash};

/// The whole file. A policy forbids whatever could load or run something, besides that nothing here does. What a
/// terminal would obey is taken out of it.
pub(super) fn document(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { (title) }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                h1 { (title) }
                (body)
            }
        }
    };
    page.into_string().replace(|c: char| !matches!(c, '\n' | '\t') && gguf::is_harmful(c), "\u{fffd}")
}

/// A paragraph in the background's color.
pub(super) fn muted(text: &str) -> Markup {
    html! { p.muted { (text) } }
}

/// A table. Cells of the first column are text, the others figures.
pub(super) fn table(heads: &[&str], rows: &[Vec<String>]) -> Markup {
    html! {
        div.wide {
            table {
                thead { tr { @for (place, head) in heads.iter().enumerate() { th.n[place > 0] { (head) } } } }
                tbody {
                    @for row in rows {
                        tr { @for (place, cell) in row.iter().enumerate() { td.n[place > 0] { (cell) } } }
                    }
                }
            }
        }
    }
}

/// A separate text in a panel; nothing if it is empty.
pub(super) fn panel(label: &str, text: &str) -> Markup {
    html! {
        @if !text.trim().is_empty() {
            div.panel {
                span.muted { (label) }
                pre { (text.trim()) }
            }
        }
    }
}

/// Reasoning, folded.
pub(super) fn reasoning(text: &str, count: Option<u32>) -> Markup {
    let count = count.map_or_else(String::new, |count| format!(" for {}", counted(count as usize, "token")));
    html! {
        @if !text.trim().is_empty() {
            details {
                summary { "thought" (count) }
                pre.muted { (text.trim()) }
            }
        }
    }
}

/// A number with as many digits as it needs.
pub(super) fn number(value: Option<f64>) -> String {
    or_dash(value.map(digits))
}

/// An energy with its grade and what it may be off by; a record of an earlier version knows no grade and says so.
pub(crate) fn graded(energy: Option<Graded>) -> String {
    or_dash(energy.map(|energy| energy.text("")))
}

/// A whole number.
pub(super) fn count(value: Option<u32>) -> String {
    or_dash(value)
}
