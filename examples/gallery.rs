//! Draws a scene of the fixture in the terminal until a key is pressed: `gallery SCENE [THEME] [GRAPHS]`.
//! Scenes are named in `taffrail::ui::testing::SCENES`.

use std::io;

use crossterm::event::{Event, KeyEventKind, read};
use domain::settings::GraphStyle;
use ratatui::style::{Modifier, Style};
use taffrail::ui::testing as fixture;
use taffrail::ui::{Keymap, Theme, ViewState, view};

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
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
    let keys = Keymap::default();
    let mut view_state = ViewState::default();
    let mut terminal = ratatui::init();
    loop {
        terminal.draw(|frame| {
            let area = frame.area();
            let cursor = view(&state, &mut view_state, &theme, &keys, area, frame.buffer_mut());
            // A picture of the terminal has no cursor of its own.
            if let Some(cell) = cursor.and_then(|cursor| frame.buffer_mut().cell_mut(cursor)) {
                cell.set_style(Style::new().add_modifier(Modifier::REVERSED));
            }
        })?;
        if matches!(read()?, Event::Key(key) if key.kind == KeyEventKind::Press) {
            break;
        }
    }
    ratatui::restore();
    Ok(())
}
