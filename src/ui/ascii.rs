//! A frame for terminals that show ASCII alone: each glyph becomes the letter that is most like it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// What stands for a letter that has no likeness.
const OTHER: &str = "?";

/// The glyphs of the screen, by what stands for them.
const LIKE: [(&str, &str); 24] = [
    ("*", "◆●★•"),
    ("o", "○◐◔☐"),
    (".", "◌·…░"),
    ("x", "✕✗×☑"),
    ("+", "✓±┼┤├┬┴╭╮╰╯┌┐└┘┏┓┗┛"),
    ("-", "—–─━╸▱−"),
    ("|", "│┃▌▏▎▍❚"),
    ("#", "■█▰▇▆▅▄▉▊▋"),
    // Patterns tell series apart where there are no colours.
    ("@", "▓"),
    (":", "▒"),
    ("%", "▚"),
    ("&", "▞"),
    ("$", "⏎"),
    ("_", "▁▂▃"),
    (">", "▸›→»▶⇥"),
    ("<", "‹←«◂"),
    ("^", "▲▴↑"),
    ("v", "▼▾↓"),
    ("!", "⚠"),
    ("~", "≈∼"),
    ("=", "‖"),
    ("'", "’‘′°"),
    ("\"", "“”„"),
    ("u", "µμ"),
];

/// What only ornaments: a word says the same beside it.
const ORNAMENTS: &str = "◆●○◐◔◌■▌▸▾▴▶★•·─│┃━█▒▚▓▞";

/// Leave out glyphs that a screen reader would read as `black circle`.
pub(super) fn without_ornaments(buffer: &mut Buffer, area: Rect) {
    for position in area.intersection(buffer.area).positions() {
        let cell = &mut buffer[position];
        if !cell.symbol().is_ascii() && ORNAMENTS.contains(cell.symbol()) {
            cell.set_symbol(" ");
        }
    }
}

/// Replace all glyphs of an area that are not ASCII.
pub(super) fn replace(buffer: &mut Buffer, area: Rect) {
    for position in area.intersection(buffer.area).positions() {
        let cell = &mut buffer[position];
        if cell.symbol().is_ascii() {
            continue;
        }
        let like = LIKE.iter().find(|(_, glyphs)| glyphs.contains(cell.symbol())).map_or(OTHER, |(like, _)| *like);
        cell.set_symbol(like);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stay_apart() {
        let area = Rect::new(0, 0, 6, 1);
        let mut buffer = Buffer::with_lines(["█▚▓▞▒░"]);
        replace(&mut buffer, area);
        assert_eq!(buffer, Buffer::with_lines(["#%@&:."]));
    }

    /// What is drawn has a likeness; only letters of other scripts have none.
    #[test]
    fn every_glyph_of_the_scenes_has_a_likeness() {
        use crate::ui::testing::{SCENES, scene};
        use crate::ui::{Keymap, Theme, ViewState, view};
        let area = Rect::new(0, 0, 120, 40);
        for name in SCENES {
            let mut state = scene(name).unwrap();
            state.ui.graphs = domain::settings::GraphStyle::Ascii;
            let mut buffer = Buffer::empty(area);
            view(&state, &mut ViewState::default(), &Theme::monochrome(), &Keymap::default(), area, &mut buffer);
            for cell in &buffer.content {
                let symbol = cell.symbol();
                let is_letter = symbol.chars().any(char::is_alphanumeric);
                let has_one = LIKE.iter().any(|(_, glyphs)| glyphs.contains(symbol));
                assert!(symbol.is_ascii() || is_letter || has_one, "{name}: {symbol:?}");
            }
        }
    }

    #[test]
    fn nothing_but_ascii_is_left() {
        let area = Rect::new(0, 0, 12, 1);
        let mut buffer = Buffer::empty(area);
        buffer.set_string(0, 0, "◆ ▌模é ⣿ —ok", ratatui::style::Style::new());
        replace(&mut buffer, area);
        let text: String = buffer.content.iter().map(ratatui::buffer::Cell::symbol).collect();
        assert!(text.is_ascii(), "{text}");
        assert!(text.starts_with("* |? "), "{text}");
    }
}
