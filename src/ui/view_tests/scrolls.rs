//! What is longer than its panel scrolls.

use super::*;

#[test]
fn a_conversation_scrolls_to_its_begin_and_no_further() {
    let mut state = fixture::crowded(1, 2_000);
    let (theme, keys) = (theme("dark"), Keymap::default());
    let (end, view_state, _) = draw_with(&state, &theme, &keys, 120, 40);
    assert_eq!(view_state.scroll_limit, None);
    state.ui.fleet.scroll = 1_000_000;
    let (begin, view_state, _) = draw_with(&state, &theme, &keys, 120, 40);
    let limit = view_state.scroll_limit.unwrap();
    assert!(text_of(&begin).contains("│ You") && text_of(&begin) != text_of(&end));
    state.ui.fleet.scroll = limit;
    assert_eq!(text_of(&draw_with(&state, &theme, &keys, 120, 40).0), text_of(&begin));
    state.ui.fleet.scroll = limit - 1;
    assert_ne!(text_of(&draw_with(&state, &theme, &keys, 120, 40).0), text_of(&begin));
}

#[test]
fn a_models_card_scrolls_to_its_end() {
    let mut state = fixture::scene("library").unwrap();
    let id = state.chosen_model().unwrap().id.clone();
    for (width, height) in [(80, 24), (120, 24)] {
        let mut at = |rows: usize| {
            state.ui.library.scrolled = Some((id.clone(), rows));
            let (drawn, view_state, _) = draw_with(&state, &theme("dark"), &Keymap::default(), width, height);
            (text_of(&drawn), view_state.scroll_limit.unwrap())
        };
        let (top, limit) = at(0);
        assert!(top.contains("↓ more: ]") && !top.contains("↑ back"), "{top}");
        let (end, _) = at(limit);
        assert!(end.contains("↑ back: [") && !end.contains("↓ more"), "{end}");
        assert_eq!(at(1_000_000).0, end);
        for wanted in ["openness", "weights", "report", "tensors"] {
            assert!((0..=limit).any(|rows| at(rows).0.contains(wanted)), "{wanted} at {width}x{height}");
        }
        // The card of another model begins at its top.
        state.ui.library.scrolled = Some(("another".to_owned(), limit));
        let (drawn, ..) = draw_with(&state, &theme("dark"), &Keymap::default(), width, height);
        assert_eq!(text_of(&drawn), top);
    }
}

#[test]
fn what_top_has_no_room_for_is_reached_by_keys() {
    let mut state = fixture::scene("top-sessions").unwrap();
    let first = text_of(&draw(&state, 80, 24));
    // How many of them show stands there.
    assert!(first.contains("Session  2/5") && first.contains("other processes 1/3"), "{first}");
    assert!(!first.contains("mistral-7b             ") && !first.contains("llama-server"), "{first}");
    let mut seen = String::new();
    for _ in 0..8 {
        let (now, action) = (state.domain.now, Action::Down);
        crate::ui::update(&mut state, now, action);
        seen += &text_of(&draw(&state, 80, 24));
    }
    for name in ["smollm2", "mistral-7b  ", "python train.py", "llama-server"] {
        assert!(seen.lines().any(|line| line.contains('▌') && line.contains(name)), "{name}");
    }
}

#[test]
fn the_figures_scroll_to_their_end() {
    let mut state = fixture::scene("figures").unwrap();
    for (width, height) in [(80, 24), (120, 24), (200, 20), (60, 14)] {
        state.ui.fleet.scroll = 0;
        let (begin, view_state, _) = draw_with(&state, &theme("dark"), &Keymap::default(), width, height);
        assert!(text_of(&begin).contains("This answer") && !text_of(&begin).contains("repeat_penalty"), "{width}");
        let limit = view_state.scroll_limit.unwrap();
        // Two columns of unlike length scroll together, so what one ends with may have gone by at the other's end.
        for last in ["repeat_penalty  ", " seed  "] {
            let shows = |scroll| {
                state.ui.fleet.scroll = scroll;
                let (drawn, ..) = draw_with(&state, &theme("dark"), &Keymap::default(), width, height);
                text_of(&drawn).contains(last)
            };
            assert!((0..=limit).any(shows), "{last} at {width}x{height}");
        }
    }
}

/// Two engines may have models of one name: then the column that tells them apart shows, whatever else has to go.
#[test]
fn models_of_one_name_show_where_they_are() {
    let has_column = |state: &State| {
        let drawn = text_of(&draw(state, 72, 30));
        drawn.lines().any(|line| line.contains("Quant") && line.contains("Store"))
    };
    let mut state = fixture::scene("library").unwrap();
    assert!(!has_column(&state), "there is no room for it otherwise");
    let models = &mut state.domain.library.models;
    let (first, other) =
        (models[0].name.clone(), models.iter().position(|model| model.store != models[0].store).unwrap());
    std::sync::Arc::make_mut(&mut models[other]).name = first;
    assert!(has_column(&state));
}
