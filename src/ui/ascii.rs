//! A frame for terminals that show ASCII alone: each glyph becomes the letter that is most like it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// What stands for a letter that has no likeness.
const OTHER: &str = "?";

/// The glyphs of the screen, by what stands for them.
const LIKE: [(&str, &str); 19] = [
    ("*", "◆●"),
    ("o", "○◐◔"),
    (".", "◌·…"),
    ("x", "✕✗×"),
    ("+", "✓±┼┤├┬┴╭╮╰╯┌┐└┘"),
    ("-", "—–─━╸▱"),
    ("|", "│┃▌▏❚"),
    ("#", "■█▒▰▇▆▅▄▓"),
    ("_", "▁▂▃"),
    (">", "▸›→»▶◂"),
    ("<", "‹←«"),
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
