//! The way of somebody who has never seen the program: what is pressed stands on the screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::Program;
use crate::ui::{Event, Keymap, Mode, Screen, Theme, ViewState, view};
use domain::effect::Effect;
use domain::event::LibraryEvent;
use domain::model::{Model, Store};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 50)];

/// What the screen shows.
fn screen(program: &Program, (columns, rows): (u16, u16)) -> String {
    let area = Rect::new(0, 0, columns, rows);
    let mut buffer = Buffer::empty(area);
    view(&program.state, &mut ViewState::default(), &Theme::monochrome(), &Keymap::default(), area, &mut buffer);
    let lines = buffer.content.chunks(usize::from(columns));
    lines.map(|line| line.iter().map(ratatui::buffer::Cell::symbol).collect::<String>() + "\n").collect()
}

/// Press the key that the screen shows before these words.
fn press(program: &mut Program, size: (u16, u16), words: &str) -> Vec<Effect> {
    let text = screen(program, size);
    let place = text.find(words).unwrap_or_else(|| panic!("no `{words}` on the screen:\n{text}"));
    let key = text[..place].split_whitespace().next_back().unwrap_or_default();
    let chord: crate::ui::chord::Chord = match key {
        "↓" => "down".parse().unwrap(),
        key => key.parse().unwrap_or_else(|error| panic!("`{key}` before `{words}` is not a key: {error}\n{text}")),
    };
    let event = Keymap::default().resolve(&program.state, chord.event());
    program.happens(event.unwrap_or_else(|| panic!("`{key}` does nothing:\n{text}")))
}

#[test]
fn two_models_are_raced_by_keys_that_the_screen_shows() {
    for size in SIZES {
        let mut program = Program::sampled(4, 8_000_000_000);
        let models: Vec<_> = program.state.domain.library.models.clone();
        let starters =
            models.iter().map(|model| Model { store: Store::Starter, ..Model::clone(model) }.into()).collect();
        let finished =
            LibraryEvent::Finished { models: starters, stores: Vec::new(), took: std::time::Duration::from_millis(1) };
        program.happens(domain::Event::Library(finished));
        program.happens(Event::FirstStart);
        assert!(screen(&program, size).contains("Welcome"), "{}", screen(&program, size));
        press(&mut program, size, "mark models");
        press(&mut program, size, "select another");
        press(&mut program, size, "mark models");
        assert!(screen(&program, size).contains("◆ 2 marked"), "{}", screen(&program, size));
        press(&mut program, size, "race 2");
        assert_eq!((program.state.ui.screen, program.state.mode()), (Screen::Race, Mode::RacePrompt));
        program.happens(Event::Text("why?".to_owned()));
        let effects = press(&mut program, size, "run");
        assert!(program.state.domain.is_racing(), "{}", screen(&program, size));
        assert!(effects.iter().any(|effect| matches!(effect, Effect::Spawn { .. })));
    }
}

#[test]
fn the_welcome_goes_for_good_with_esc_and_never_comes_with_real_models() {
    let mut program = Program::sampled(4, 8_000_000_000);
    program.happens(Event::FirstStart);
    assert!(!screen(&program, (120, 40)).contains("Welcome"), "there are models of the user's own");
}
