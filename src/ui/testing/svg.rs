//! A screen as a picture (SVG), for the README and the book: every cell where a terminal has it, whatever font is at hand.
//!
//! Blocks, Braille dots and lines of frames are drawn as shapes, since fonts leave gaps between them.

use std::fmt::Write as _;

use maud::{Markup, html};
use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr as _;

/// A cell, in pixels.
const CELL: (f32, f32) = (8.0, 17.0);
/// Around the screen.
const MARGIN: f32 = 12.0;
/// From a cell's top to the line on which its letters stand.
const BASELINE: f32 = 13.0;
const FONT: &str = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', 'Liberation Mono', monospace";

/// The colours of a terminal that the theme leaves to it.
const FOREGROUND: &str = "#d3d7de";
const BACKGROUND: &str = "#16181d";

/// The picture of a screen. `title` is what it shows, for those who don't see it.
pub fn svg(buffer: &Buffer, title: &str) -> String {
    let (columns, rows) = (f32::from(buffer.area.width), f32::from(buffer.area.height));
    let (width, height) = (columns * CELL.0 + 2.0 * MARGIN, rows * CELL.1 + 2.0 * MARGIN);
    let ground = buffer.content().first().map_or(BACKGROUND.to_owned(), back);
    let size = format!("0 0 {} {}", number(width), number(height));
    let picture = html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox=(size) width=(number(width)) height=(number(height)) role="img"
            font-family=(FONT) font-size="13.3" {
            title { (title) }
            rect width="100%" height="100%" rx="8" fill=(ground) {}
            @for y in 0..buffer.area.height { (row(buffer, y, &ground)) }
        }
    };
    format!("{}\n", picture.into_string().replace("><g", ">\n<g"))
}

/// A row: what lies behind, then shapes and texts.
fn row(buffer: &Buffer, y: u16, ground: &str) -> Markup {
    let cells: Vec<&Cell> = (0..buffer.area.width).filter_map(|x| buffer.cell((x, y))).collect();
    let mut behind: Vec<(usize, usize, String)> = Vec::new();
    let mut shapes: Vec<(String, String)> = Vec::new();
    let mut texts: Vec<(usize, String, &Cell)> = Vec::new();
    let mut skip = 0;
    for (x, cell) in cells.iter().enumerate() {
        if skip > 0 {
            skip -= 1;
            continue;
        }
        let symbol = cell.symbol();
        let width = symbol.width().max(1);
        skip = width - 1;
        let colour = back(cell);
        if colour != ground {
            match behind.last_mut() {
                Some((from, length, last)) if *last == colour && *from + *length == x => *length += width,
                _ => behind.push((x, width, colour)),
            }
        }
        if symbol.trim().is_empty() {
            continue;
        }
        if let Some(path) = symbol.chars().next().filter(|_| symbol.chars().count() == 1).and_then(|c| shape(c, x)) {
            let colour = front(cell);
            match shapes.last_mut() {
                Some((last, all)) if *last == colour => all.push_str(&path),
                _ => shapes.push((colour, path)),
            }
            continue;
        }
        let is_word = |text: &str| text.is_ascii();
        match texts.last_mut() {
            Some((from, text, first))
                if *from + text.width() == x
                    && first.fg == cell.fg
                    && first.modifier == cell.modifier
                    && first.bg == cell.bg
                    && is_word(text)
                    && is_word(symbol) =>
            {
                text.push_str(symbol);
            }
            _ => texts.push((x, symbol.to_owned(), cell)),
        }
    }
    let top = MARGIN + f32::from(y) * CELL.1;
    let place = format!("translate({} {})", number(MARGIN), number(top));
    html! {
        @if !(behind.is_empty() && shapes.is_empty() && texts.is_empty()) {
            g transform=(place) {
                @for (x, length, colour) in &behind {
                    rect x=(at(*x)) width=(at(*length)) height=(number(CELL.1)) fill=(colour) {}
                }
                @for (colour, path) in &shapes { path d=(path) fill=(colour) {} }
                @for (x, text, cell) in &texts { (words(*x, text, cell)) }
            }
        }
    }
}

fn words(x: usize, text: &str, cell: &Cell) -> Markup {
    let has = |modifier| cell.modifier.contains(modifier);
    html! {
        text x=(at(x)) y=(number(BASELINE)) fill=(front(cell)) textLength=(at(text.width())) lengthAdjust="spacingAndGlyphs"
            font-weight=[has(Modifier::BOLD).then_some("bold")]
            font-style=[has(Modifier::ITALIC).then_some("italic")]
            opacity=[has(Modifier::DIM).then_some("0.6")]
            text-decoration=[has(Modifier::UNDERLINED).then_some("underline")] { (text) }
    }
}

/// The outline of a character that fills its cell to the edges; `None` for letters.
fn shape(character: char, x: usize) -> Option<String> {
    let left = x as f32 * CELL.0;
    let code = u32::from(character);
    let mut path = String::new();
    match character {
        // From below, in eighths; then the whole, and from the left.
        '\u{2581}'..='\u{2588}' => {
            let height = CELL.1 * (code - 0x2580) as f32 / 8.0;
            rect(&mut path, left, CELL.1 - height, CELL.0, height);
        }
        '\u{2589}'..='\u{258f}' => rect(&mut path, left, 0.0, CELL.0 * (0x2590 - code) as f32 / 8.0, CELL.1),
        '\u{2580}' => rect(&mut path, left, 0.0, CELL.0, CELL.1 / 2.0),
        '\u{2590}' => rect(&mut path, left + CELL.0 / 2.0, 0.0, CELL.0 / 2.0, CELL.1),
        '\u{2801}'..='\u{28ff}' => {
            // The dots of the left column from above, those of the right one, and the two below.
            for (bit, (column, line)) in
                [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)].iter().enumerate()
            {
                if (code - 0x2800) >> bit & 1 == 1 {
                    let (step_x, step_y) = (CELL.0 / 2.0, CELL.1 / 4.0);
                    let (dot_x, dot_y) = (left + *column as f32 * step_x, *line as f32 * step_y);
                    rect(&mut path, dot_x + 0.9, dot_y + 1.0, step_x - 1.6, step_y - 1.8);
                }
            }
        }
        _ => {
            // Which of the four edges a line reaches: left, right, above, below.
            let arms = match character {
                '─' | '╌' => [true, true, false, false],
                '│' | '╎' => [false, false, true, true],
                '┌' | '╭' => [false, true, false, true],
                '┐' | '╮' => [true, false, false, true],
                '└' | '╰' => [false, true, true, false],
                '┘' | '╯' => [true, false, true, false],
                '├' => [false, true, true, true],
                '┤' => [true, false, true, true],
                '┬' => [true, true, false, true],
                '┴' => [true, true, true, false],
                '┼' => [true, true, true, true],
                _ => return None,
            };
            let (middle_x, middle_y, thick) = (left + CELL.0 / 2.0, CELL.1 / 2.0, 1.0);
            let [to_left, to_right, up, down] = arms;
            if to_left || to_right {
                let (from, to) =
                    (if to_left { left } else { middle_x }, if to_right { left + CELL.0 } else { middle_x });
                rect(&mut path, from, middle_y - thick / 2.0, to - from, thick);
            }
            if up || down {
                let (from, to) = (if up { 0.0 } else { middle_y }, if down { CELL.1 } else { middle_y });
                rect(&mut path, middle_x - thick / 2.0, from, thick, to - from);
            }
        }
    }
    Some(path)
}

fn rect(path: &mut String, x: f32, y: f32, width: f32, height: f32) {
    let (x, y, width, height) = (number(x), number(y), number(width), number(height));
    let _ = write!(path, "M{x} {y}h{width}v{height}h-{width}z");
}

fn at(cells: usize) -> String {
    number(cells as f32 * CELL.0)
}

/// With two digits at most, and none that says nothing.
fn number(value: f32) -> String {
    format!("{value:.2}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The colour of a cell's character.
fn front(cell: &Cell) -> String {
    if cell.modifier.contains(Modifier::REVERSED) { colour(cell.bg, BACKGROUND) } else { colour(cell.fg, FOREGROUND) }
}

/// The colour behind it.
fn back(cell: &Cell) -> String {
    if cell.modifier.contains(Modifier::REVERSED) { colour(cell.fg, FOREGROUND) } else { colour(cell.bg, BACKGROUND) }
}

fn colour(colour: Color, terminal: &str) -> String {
    match colour {
        Color::Rgb(red, green, blue) => {
            format!("#{}", data_encoding::HEXLOWER.encode(&[red, green, blue]))
        }
        // The sixteen colours of a terminal are its own; a picture takes the usual ones.
        Color::Black => "#1c1f26".to_owned(),
        Color::Red | Color::LightRed => "#ec7a7a".to_owned(),
        Color::Green | Color::LightGreen => "#7bc990".to_owned(),
        Color::Yellow | Color::LightYellow => "#e2b86b".to_owned(),
        Color::Blue | Color::LightBlue => "#6cb6ff".to_owned(),
        Color::Magenta | Color::LightMagenta => "#c49bea".to_owned(),
        Color::Cyan | Color::LightCyan => "#5fc9c4".to_owned(),
        Color::DarkGray => "#7a828e".to_owned(),
        Color::Gray | Color::White => "#d3d7de".to_owned(),
        Color::Reset | Color::Indexed(_) => terminal.to_owned(),
    }
}
