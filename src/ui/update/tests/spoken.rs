//! The screen as it is read out.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::ui::testing as fixture;
use crate::ui::{Action, Keymap, Theme, ViewState, view};

/// What only ornaments, and what no screen reader should meet.
const ORNAMENTS: &str = "─│┃━╭╮╰╯┏┓┗┛●○◐◔◌■▌▁▂▃▄▅▆▇█⣿⣀╸▒┤└▶◆";

#[test]
fn a_screen_that_is_read_out_has_words_alone_and_the_cursor_where_the_focus_is() {
    let area = Rect::new(0, 0, 120, 40);
    for scene in ["fleet", "library", "machine", "race", "bench", "usage", "palette", "help", "requests", "form"] {
        let Some(mut state) = fixture::scene(scene) else { continue };
        state.ui.screen_reader = true;
        let mut buffer = Buffer::empty(area);
        let cursor =
            view(&state, &mut ViewState::default(), &Theme::monochrome(), &Keymap::default(), area, &mut buffer);
        let text: String = buffer.content.iter().map(ratatui::buffer::Cell::symbol).collect();
        let found: Vec<char> = text.chars().filter(|glyph| ORNAMENTS.contains(*glyph)).collect();
        assert!(found.is_empty(), "{scene}: {found:?}");
        let is_list = matches!(scene, "fleet" | "library" | "bench" | "usage" | "palette" | "requests");
        assert!(cursor.is_some() || !is_list, "{scene} has no cursor");
    }
}

/// What lies under a dialog is not read in the same lines.
#[test]
fn a_dialog_has_its_lines_for_itself() {
    let area = Rect::new(0, 0, 120, 40);
    for scene in ["help", "palette", "form"] {
        let mut state = fixture::scene(scene).unwrap();
        state.ui.screen_reader = true;
        let mut buffer = Buffer::empty(area);
        view(&state, &mut ViewState::default(), &Theme::monochrome(), &Keymap::default(), area, &mut buffer);
        // The middle of the screen is the dialog's.
        let row = area.height / 2;
        let line: String = (0..area.width).map(|x| buffer[(x, row)].symbol()).collect();
        let margin = line.get(..12).unwrap_or_default();
        assert!(margin.trim().is_empty(), "{scene}: {line}");
    }
}

#[test]
fn changes_are_lines() {
    let mut program = super::Program::sampled(4, 8_000_000_000);
    program.state.ui.screen_reader = true;
    let said = |program: &super::Program| -> Vec<String> {
        program.state.ui.messages.iter().map(|(_, text)| text.clone()).collect()
    };
    program.act(Action::Machine);
    assert!(said(&program).contains(&"screen Machine".to_owned()), "{:?}", said(&program));
    program.act(Action::Library);
    program.act(Action::Choose);
    assert!(said(&program).contains(&"alpha: loading".to_owned()), "{:?}", said(&program));
}
