//! Makes text from outside fit for a terminal.

/// Keep the first `max_chars` harmless characters of `text`, and mark a cut with `…`.
///
/// Dropped are NUL, the C0 and C1 controls (so escape sequences lose their ESC), DEL, the bidirectional controls,
/// zero-width characters, line and paragraph separators, and the byte-order mark. A line break or tab becomes a space.
pub fn clean(text: &str, max_chars: usize) -> String {
    let mut kept = String::new();
    let mut harmless = text
        .chars()
        .map(|character| if matches!(character, '\n' | '\t') { ' ' } else { character })
        .filter(|&character| !is_harmful(character));
    kept.extend(harmless.by_ref().take(max_chars));
    if harmless.next().is_some() {
        kept.pop();
        kept.push('…');
    }
    kept
}

/// Whether a character can change how a terminal shows the text around it.
pub fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{00AD}' // soft hyphen
            | '\u{061C}' // Arabic letter mark
            | '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}' // fillers
            | '\u{180B}'..='\u{180F}' // Mongolian selectors and vowel separator
            | '\u{200B}'..='\u{200F}' // zero widths and directional marks
            | '\u{2028}'..='\u{202E}' // separators and embeddings
            | '\u{2060}'..='\u{206F}' // joiner, invisible operators, isolates
            | '\u{FE00}'..='\u{FE0F}' // variation selectors
            | '\u{FEFF}' // byte-order mark
            | '\u{FFF9}'..='\u{FFFB}' // interlinear annotation
            | '\u{E0000}'..='\u{E0FFF}' // tags and further selectors
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strips_what_a_terminal_would_obey() {
        for (text, expected) in [
            ("Llama 3.1 8B", "Llama 3.1 8B"),
            ("naïve 模型 🐳", "naïve 模型 🐳"),
            ("a\0b", "ab"),
            ("\x1b[31mred\x1b[0m", "[31mred[0m"),
            ("\u{9b}31mred", "31mred"),
            ("del\x7f", "del"),
            ("two\nlines\tand\rmore", "two lines andmore"),
            ("evil\u{202e}txt.exe", "eviltxt.exe"),
            ("\u{2066}isolate\u{2069}", "isolate"),
            ("zero\u{200b}width\u{feff}", "zerowidth"),
            ("line\u{2028}paragraph\u{2029}", "lineparagraph"),
            ("tag\u{e0041}", "tag"),
            ("", ""),
        ] {
            assert_eq!(clean(text, 100), expected, "{text:?}");
        }
    }

    #[test]
    fn cuts_with_an_ellipsis() {
        for (text, max_chars, expected) in
            [("abcdef", 6, "abcdef"), ("abcdef", 5, "abcd…"), ("äöüß", 2, "ä…"), ("abc", 1, "…"), ("abc\0\0", 3, "abc")]
        {
            assert_eq!(clean(text, max_chars), expected, "{text:?} to {max_chars}");
        }
    }
}
