//! The mouse on frames as they are drawn.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::ui::hits::{self, Gesture, List, Target};
use crate::ui::testing as fixture;
use crate::ui::update::update;
use crate::ui::{Action, Keymap, Mode, Overlay, Screen, SessionTab, State, Theme, ViewState, view};

/// Draw, and point at the first place where `is_it` holds for what lies there.
fn point(state: &mut State, gesture: Gesture, is_it: impl Fn(Target, u16) -> bool) -> Option<()> {
    let area = Rect::new(0, 0, 120, 40);
    let (mut view_state, mut buffer) = (ViewState::default(), Buffer::empty(area));
    view(state, &mut view_state, &Theme::monochrome(), &Keymap::default(), area, &mut buffer);
    let place = area.positions().find_map(|position| {
        let hit = hits::at(&view_state.hits, position.x, position.y)?;
        is_it(hit.target, position.y - hit.area.y).then(|| hit.pointed(gesture, position.x, position.y))
    })?;
    let now = state.domain.now;
    update(state, now, crate::ui::Event::Mouse(place));
    Some(())
}

fn row_of(list: List, row: usize) -> impl Fn(Target, u16) -> bool {
    move |target, y| matches!(target, Target::Rows { list: other, first, .. } if other == list && first + usize::from(y) == row)
}

fn button(action: Action) -> impl Fn(Target, u16) -> bool {
    move |target, _| target == Target::Action(action)
}

#[test]
fn a_click_selects_a_double_click_acts_and_the_wheel_scrolls() {
    let mut state = fixture::busy();
    let ids: Vec<_> = state.ui.fleet.rows.clone();
    point(&mut state, Gesture::Click, row_of(List::Sessions, 2)).unwrap();
    assert_eq!((state.ui.fleet.chosen, state.mode()), (Some(ids[2]), Mode::Fleet));
    point(&mut state, Gesture::DoubleClick, row_of(List::Sessions, 0)).unwrap();
    assert_eq!((state.ui.fleet.chosen, state.mode()), (Some(ids[0]), Mode::Prompt));
    point(&mut state, Gesture::Click, |target, _| target == Target::Tab(SessionTab::Memory)).unwrap();
    assert_eq!(state.ui.fleet.tab, SessionTab::Memory);
    point(&mut state, Gesture::Click, |target, _| target == Target::Field(Mode::Prompt)).unwrap();
    assert_eq!(state.mode(), Mode::Prompt);
    point(&mut state, Gesture::Wheel(1), row_of(List::Sessions, 0)).unwrap();
    assert_eq!(state.ui.fleet.chosen, Some(ids[3]), "a notch is three rows");
    state.ui.screen = Screen::Library;
    let count = state.ui.library.rows.len();
    point(&mut state, Gesture::Click, row_of(List::Models, count - 1)).unwrap();
    assert_eq!(state.ui.library.chosen, count - 1);
    point(&mut state, Gesture::Wheel(-1), row_of(List::Models, 0)).unwrap();
    assert_eq!(state.ui.library.chosen, count - 4);
}

#[test]
fn buttons_do_what_their_keys_do() {
    let mut state = fixture::busy();
    point(&mut state, Gesture::Click, button(Action::Machine)).unwrap();
    assert_eq!(state.ui.screen, Screen::Machine);
    point(&mut state, Gesture::Click, button(Action::Help)).unwrap();
    assert!(matches!(state.ui.overlay, Some(Overlay::Help { .. })));
    point(&mut state, Gesture::Wheel(1), |target, _| target == Target::Text(Mode::Help)).unwrap();
    assert!(matches!(state.ui.overlay, Some(Overlay::Help { scroll: 3 })));
    point(&mut state, Gesture::Click, button(Action::Back)).unwrap();
    assert!(state.ui.overlay.is_none());
    point(&mut state, Gesture::Click, button(Action::Library)).unwrap();
    assert_eq!(state.ui.screen, Screen::Library);
}

#[test]
fn a_click_beside_a_dialog_closes_what_has_nothing_to_lose() {
    for (scene, closes) in [("help", true), ("palette", true), ("form", false)] {
        let mut state = fixture::scene(scene).unwrap();
        point(&mut state, Gesture::Click, |target, _| target == Target::Beside).unwrap();
        assert_eq!(state.ui.overlay.is_none(), closes, "{scene}");
    }
}

#[test]
fn a_drag_over_a_graph_moves_the_cursor() {
    let mut state = fixture::busy();
    point(&mut state, Gesture::Click, |target, _| target == Target::Graph).unwrap();
    // The left edge of a graph is its oldest instant.
    let oldest = state.ui.machine.cursor.unwrap();
    assert!(oldest > state.ui.machine.span * 9 / 10, "{oldest}");
    let hit = hits::Hit { area: Rect::new(10, 10, 60, 5), target: Target::Graph };
    let now = state.domain.now;
    for (column, expected) in [(10, 118), (40, 58), (69, 0), (200, 0)] {
        update(&mut state, now, crate::ui::Event::Mouse(hit.pointed(Gesture::Drag, column, 12)));
        assert_eq!(state.ui.machine.cursor, Some(expected), "column {column}");
    }
}

#[test]
fn nothing_is_reached_through_a_dialog() {
    let mut state = fixture::busy();
    state.ui.overlay = Some(Overlay::Help { scroll: 0 });
    assert!(point(&mut state, Gesture::Click, row_of(List::Sessions, 2)).is_none());
    let mut palette = fixture::busy();
    palette.ui.overlay = Some(Overlay::Palette { input: crate::ui::editor::Editor::with_text("theme"), chosen: 0 });
    point(&mut palette, Gesture::Click, row_of(List::Palette, 1)).unwrap();
    assert!(matches!(palette.ui.overlay, Some(Overlay::Palette { chosen: 1, .. })));
}

#[test]
fn a_click_selects_a_conversation_and_buttons_answer_questions() {
    let mut state = fixture::scene("chats").unwrap();
    point(&mut state, Gesture::Click, row_of(List::Chats, 2)).unwrap();
    assert_eq!((state.ui.chats.chosen, state.mode()), (2, Mode::Chats));
    point(&mut state, Gesture::Click, button(Action::DeleteSelected)).unwrap();
    assert_eq!(state.mode(), Mode::Confirm);
    point(&mut state, Gesture::Click, button(Action::No)).unwrap();
    assert_eq!(state.mode(), Mode::Chats);
    point(&mut state, Gesture::Click, button(Action::Filter)).unwrap();
    assert_eq!(state.mode(), Mode::ChatFilter);
    point(&mut state, Gesture::Click, row_of(List::Chats, 0)).unwrap();
    assert_eq!((state.ui.chats.chosen, state.mode()), (0, Mode::Chats));
}

#[test]
fn a_click_goes_to_each_row_of_a_form() {
    let mut state = fixture::scene("form-live").unwrap();
    let Some(Overlay::Form(form)) = &state.ui.overlay else { panic!("no form") };
    let last = form.fields().len() - 1;
    for _ in 0..2 {
        point(&mut state, Gesture::Wheel(9), |target, _| matches!(target, Target::Rows { list: List::Fields, .. }));
    }
    point(&mut state, Gesture::Click, row_of(List::Fields, last)).unwrap();
    assert!(matches!(&state.ui.overlay, Some(Overlay::Form(form)) if form.chosen == last));
}
