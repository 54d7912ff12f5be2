//! Draws a scene of the fixture in the terminal until a key is pressed, or as a picture (SVG) on standard output:
//! `gallery SCENE [THEME] [GRAPHS] [--svg COLUMNSxROWS]`. Scenes are named in `taffrail::ui::testing::SCENES`.

use std::io::{self, Write as _};

use crossterm::event::{Event, KeyEventKind, read};
use domain::settings::GraphStyle;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use taffrail::ui::testing as fixture;
use taffrail::ui::{Keymap, State, Theme, ViewState, view};

fn main() -> io::Result<()> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let picture = arguments.iter().position(|argument| argument == "--svg");
    let picture = picture.map(|at| arguments.drain(at..).nth(1).and_then(|size| size_of(&size)));
    let mut arguments = arguments.into_iter();
    let name = arguments.next().unwrap_or_else(|| "fleet".to_owned());
    let theme = arguments.next().unwrap_or_else(|| "dark".to_owned());
    let Some(mut state) = fixture::scene(&name) else {
        return Err(io::Error::other(format!("no such scene; there are {}", fixture::SCENES.join(", "))));
    };
    state.domain.settings.ui.graphs = match arguments.next().as_deref() {
        Some("ascii") => GraphStyle::Ascii,
        Some("block") => GraphStyle::Block,
        _ => GraphStyle::Braille,
    };
    let (themes, _) = Theme::load_all(None);
    let theme = themes.get(&theme).cloned().unwrap_or_else(Theme::monochrome);
    match picture {
        None => show(&state, &theme),
        Some(Some(area)) => {
            let mut buffer = Buffer::empty(area);
            draw(&state, &mut ViewState::default(), &theme, area, &mut buffer);
            io::stdout().write_all(fixture::svg(&buffer, &format!("taffrail: the scene {name}")).as_bytes())
        }
        Some(None) => Err(io::Error::other("--svg takes a size in columns and rows, such as 120x36")),
    }
}

fn size_of(text: &str) -> Option<Rect> {
    let (columns, rows) = text.split_once('x')?;
    Some(Rect::new(0, 0, columns.parse().ok()?, rows.parse().ok()?))
}

fn draw(state: &State, view_state: &mut ViewState, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let cursor = view(state, view_state, theme, &Keymap::default(), area, buffer);
    // A picture of the terminal has no cursor of its own.
    if let Some(cell) = cursor.and_then(|cursor| buffer.cell_mut(cursor)) {
        cell.set_style(Style::new().add_modifier(Modifier::REVERSED));
    }
}

fn show(state: &State, theme: &Theme) -> io::Result<()> {
    let mut view_state = ViewState::default();
    let mut terminal = ratatui::init();
    loop {
        terminal.draw(|frame| {
            let area = frame.area();
            draw(state, &mut view_state, theme, area, frame.buffer_mut());
        })?;
        if matches!(read()?, Event::Key(key) if key.kind == KeyEventKind::Press) {
            break;
        }
    }
    ratatui::restore();
    Ok(())
}
