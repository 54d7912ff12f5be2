use proptest::prelude::*;
use ratatui::style::Modifier;

use super::*;
use crate::ui::theme::Meaning;
use crate::ui::widgets::text;

fn laid(source: &str, columns: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    layout::blocks(source.trim_end(), 0, Format { columns, ascii: false }, &mut rows);
    rows
}

fn shown(source: &str, columns: usize) -> String {
    let line = |row: &Row| row.iter().map(|piece| piece.text.as_str()).collect::<String>().trim_end().to_owned();
    laid(source, columns).iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The look of the first run that has this text.
fn look(source: &str, wanted: &str) -> (Meaning, Modifier) {
    let rows = laid(source, 60);
    let found = rows.iter().flatten().find(|piece| piece.text.contains(wanted));
    found.map_or_else(|| panic!("{wanted} in {rows:?}"), |piece| (piece.look.meaning, piece.look.modifier))
}

const ANSWER: &str = "\
# Sorting

Two ways, by **speed** and by *space*; see `sort_by` or [the docs](https://doc.rust-lang.org).
A second line.

1. First
   - nested, with a text that is longer than one row of this width
2. Second

   With a paragraph of its own.

```rust
fn main() {
    if true {

        println!(\"模型\");
    }
}
```

> A quote
>
> of two paragraphs

| Name | Speed | Note |
|:-----|------:|:----:|
| quick | 12.5 | good |
| 模型-merge | 7 | uses **twice** the memory of the other |

- [x] done
- [ ] open

---
The end.
";

#[test]
fn an_answer_is_laid_out() {
    insta::assert_snapshot!(shown(ANSWER, 60));
}

/// As SmolLM2-135M-Instruct answers when it is asked for a code block: it closes a fence that it has not opened.
#[test]
fn code_without_a_fence_keeps_its_indentation() {
    let code = "def add(a, b):\n    if a >= 0:\n        return a + b\n    else:\n\treturn b + a";
    let same = code.replace('\t', "    ");
    assert_eq!(shown(code, 60), same);
    let answer = format!("{code}\n\nprint(add(1, 2))\n# Output: 3\n");
    assert_eq!(shown(&answer, 60), format!("{same}\n\nprint(add(1, 2))\nOutput: 3"));
    // Inside a list the blanks belong to the list.
    assert_eq!(shown("- one\n  two", 60), "• one\n  two");
}

#[test]
fn a_narrow_answer_is_laid_out() {
    insta::assert_snapshot!(shown(ANSWER, 24));
}

#[test]
fn looks_follow_the_marks() {
    let plain = (Meaning::Text, Modifier::empty());
    for (source, wanted, expected) in [
        ("a **b** c", "b", (Meaning::Text, Modifier::BOLD)),
        ("a *b* c", "b", (Meaning::Text, Modifier::ITALIC)),
        ("***b***", "b", (Meaning::Text, Modifier::BOLD | Modifier::ITALIC)),
        ("~~b~~", "b", (Meaning::Text, Modifier::CROSSED_OUT)),
        ("a `b` c", "b", (Meaning::Key, Modifier::empty())),
        ("## b", "b", (Meaning::Accent, Modifier::BOLD)),
        ("> b", "b", (Meaning::Muted, Modifier::empty())),
        ("    b", "b", (Meaning::Key, Modifier::empty())),
        ("2 * 3 * 4", "2 * 3 * 4", plain),
        ("snake_case_name", "snake_case_name", plain),
        ("**not closed", "**not closed", plain),
        ("`", "`", plain),
        ("模**型**", "型", (Meaning::Text, Modifier::BOLD)),
        ("$a_1 + b_1$ and \\\\", "$a_1 + b_1$ and \\", plain),
        ("1 &lt; 2 &amp; <b>", "1 < 2 & <b>", plain),
        ("<https://a.b>", "https://a.b", (Meaning::Text, Modifier::UNDERLINED)),
    ] {
        assert_eq!(look(source, wanted), expected, "{source}");
    }
}

#[test]
fn code_keeps_its_indentation_while_it_comes() {
    let source = "Here:\n\n```py\ndef f():\n\n    return 1\n";
    assert_eq!(shown(source, 40), "Here:\n\n▏ def f():\n▏\n▏     return 1");
    assert_eq!(shown("```", 40), "▏");
}

#[test]
fn a_table_too_narrow_for_its_columns_is_a_list() {
    let table = "| a | b | c | d |\n|-|-|-|-|\n| one | two | three | four |\n| 1 | 2 | 3 | 4 |";
    assert_eq!(shown(table, 12), "a: one\nb: two\nc: three\nd: four\n\na: 1\nb: 2\nc: 3\nd: 4");
    assert!(shown(table, 40).starts_with("a   │ b   │ c     │ d\n"));
}

#[test]
fn nothing_that_steers_a_terminal_is_drawn() {
    let all = shown("&#27;[2J `\u{1b}` \u{202e}\n\n```\n\u{1b}]0;x\u{7}\n```\n\n| &#7; |\n|-|\n| \u{9b} |", 40);
    assert!(!all.chars().any(|c| c != '\n' && gguf::is_harmful(c)), "{all:?}");
}

#[test]
fn deep_nesting_leaves_room_for_the_text() {
    let rows = laid(&format!("{}deep", "> ".repeat(500)), 20);
    assert!(rows.iter().any(|row| row.iter().any(|piece| piece.text == "deep")), "{rows:?}");
    assert!(rows.iter().all(|row| row.iter().map(|piece| text::width(&piece.text)).sum::<usize>() <= 20));
}

/// Lay out every beginning of a text, as it comes.
fn streamed(source: &str, columns: usize, steps: impl Iterator<Item = usize>) -> Vec<Row> {
    let format = Format { columns, ascii: false };
    let mut laid = Laid::new(format);
    for end in steps.filter(|end| source.is_char_boundary(*end)) {
        laid.update(source.get(..end).unwrap_or_default().trim_end(), format);
    }
    laid.update(source.trim_end(), format);
    laid.rows
}

#[test]
fn a_streamed_answer_ends_as_a_whole_one() {
    for step in [1, 2, 3, 7, 50] {
        assert_eq!(streamed(ANSWER, 40, (0..ANSWER.len()).step_by(step)), laid(ANSWER, 40), "{step}");
    }
    // What was a table until its second line went on.
    let source = "*11>>aa-1|#\n-|1*\n`*1>-->\n##a\n||\n|-1*";
    assert_eq!(streamed(source, 30, 0..source.len()), laid(source, 30));
}

#[test]
fn what_is_complete_is_not_laid_out_again() {
    let format = Format { columns: 40, ascii: false };
    let mut laid = Laid::new(format);
    laid.update("one\n\ntwo\n\nthr", format);
    let before = laid.last;
    assert_eq!((before.byte, before.row), (5, 1), "the third may still become part of the second");
    laid.update("one\n\ntwo\n\nthree\n\nfour", format);
    assert!(laid.last.byte > before.byte);
    // Another text, and another width.
    laid.update("other", format);
    assert_eq!(laid.rows.len(), 1);
    laid.update("other", Format { columns: 3, ..format });
    assert_eq!(laid.rows.len(), 2);
}

proptest! {
    #[test]
    fn any_text_is_drawable_at_any_width(source in "[a-c*`#~ 模é|>:\\[\\]()<$&;\n0-9.-]{0,80}", columns in 1_usize..30) {
        let rows = laid(&source, columns);
        for row in &rows {
            let width: usize = row.iter().map(|piece| text::width(&piece.text)).sum();
            // A wide character takes two columns where there is one, a mark of a code line two more, a table three.
            prop_assert!(columns < 12 || width <= columns, "{row:?}");
        }
    }

    #[test]
    fn any_streamed_text_ends_as_a_whole_one(source in "[ab*`# |>\n1.-]{0,60}", step in 1_usize..9) {
        prop_assert_eq!(streamed(&source, 30, (0..source.len()).step_by(step)), laid(&source, 30), "{:?}", source);
    }

    #[test]
    fn no_letter_is_lost(source in "[a-z é模\n]{0,80}") {
        let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace() && *c != '▏').collect::<String>();
        prop_assert_eq!(letters(&shown(&source, 20)), letters(&source));
    }
}
