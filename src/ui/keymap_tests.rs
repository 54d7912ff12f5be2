use crossterm::event::{KeyCode, KeyModifiers};

use super::*;
use crate::ui::Focus;
use crate::ui::testing as fixture;

fn keymap(changes: &[(&str, &[&str])]) -> (Keymap, Vec<String>) {
    let changes = changes
        .iter()
        .map(|(name, keys)| ((*name).to_owned(), keys.iter().map(|key| (*key).to_owned()).collect()))
        .collect();
    let (keymap, problems) = Keymap::new(&changes);
    (keymap, problems.iter().map(KeymapError::to_string).collect())
}

fn press(letter: char) -> KeyEvent {
    KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE)
}

/// What a key does, as text: events can't be compared.
fn resolved(keys: &Keymap, state: &State, key: KeyEvent) -> String {
    format!("{:?}", keys.resolve(state, key))
}

#[test]
fn the_built_in_keys_are_right() {
    assert_eq!(Keymap::new(&BTreeMap::new()).1, []);
    for mode in Mode::VARIANTS {
        for key in bindings::of(*mode).flat_map(|binding| binding.keys) {
            key.parse::<Chord>().unwrap();
        }
    }
}

#[test]
fn a_plain_character_is_text_where_text_is_typed() {
    let mut state = fixture::busy();
    let keys = Keymap::default();
    assert_eq!(resolved(&keys, &state, press('q')), format!("{:?}", Some(Event::Action(Action::Quit))));
    state.ui.fleet.focus = Focus::Prompt;
    assert_eq!(resolved(&keys, &state, press('q')), format!("{:?}", Some(Event::Text("q".to_owned()))));
    let enter = |modifiers| KeyEvent::new(KeyCode::Enter, modifiers);
    assert_eq!(resolved(&keys, &state, enter(KeyModifiers::NONE)), format!("{:?}", Some(Event::Action(Action::Send))));
    assert_eq!(
        resolved(&keys, &state, enter(KeyModifiers::ALT)),
        format!("{:?}", Some(Event::Action(Action::Newline)))
    );
    let ctrl_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(resolved(&keys, &state, ctrl_c), format!("{:?}", Some(Event::Action(Action::Quit))));
    let release = KeyEvent::new_with_kind(KeyCode::Esc, KeyModifiers::NONE, KeyEventKind::Release);
    assert!(keys.resolve(&state, release).is_none());
}

#[test]
fn a_changed_key_replaces_the_built_in_ones_and_shows() {
    let (keys, problems) = keymap(&[("stop", &["ctrl-q"]), ("up", &["J"])]);
    assert!(problems.is_empty(), "{problems:?}");
    let state = fixture::busy();
    assert!(keys.resolve(&state, press('x')).is_none());
    assert_eq!(keys.key(Mode::Fleet, Action::Stop).as_deref(), Some("ctrl-q"));
    assert_eq!(resolved(&keys, &state, press('J')), format!("{:?}", Some(Event::Action(Action::Up))));
    // A character can't move about in the palette, so the built-in key stays there.
    assert_eq!(keys.key(Mode::Palette, Action::Up).as_deref(), Some("↑"));
    let (keys, _) = keymap(&[("theme", &[])]);
    assert_eq!(keys.key(Mode::Fleet, Action::Theme), None);
}

#[test]
fn faults_say_which_key_and_what_would_be_right() {
    for (changes, expected) in [
        (&[("stopp", &["x"][..])][..], "keys: there is no action `stopp`; did you mean `stop`?"),
        (&[("zzzzzz", &["x"])], "keys: there is no action `zzzzzz`"),
        (&[("stop", &["hyper-x"])], "keys: stop: `hyper` is not a modifier: use ctrl, alt or shift"),
        (&[("stop", &["r"])], "keys: `r` is bound to both `stop` and `restart`; it does `stop`"),
        (
            &[("restart", &["ctrl-r"]), ("stop", &["ctrl-r"])],
            "keys: `ctrl-r` is bound to both `stop` and `restart`; it does `stop`",
        ),
    ] {
        assert_eq!(keymap(changes).1, [expected]);
    }
}

#[test]
fn an_action_without_a_built_in_key_can_be_given_one_and_old_names_are_understood() {
    let (keys, problems) = keymap(&[("unmark-all", &["M"]), ("take-back", &["Z"])]);
    assert!(problems.is_empty(), "{problems:?}");
    for (mode, action, expected) in [
        (Mode::Library, Action::UnmarkAll, Some("M")),
        (Mode::Machine, Action::UnmarkAll, Some("M")),
        (Mode::Prompt, Action::UnmarkAll, None),
        (Mode::Library, Action::UndoCleanup, Some("Z")),
        (Mode::Fleet, Action::UndoCleanup, None),
    ] {
        assert_eq!(keys.key(mode, action).as_deref(), expected, "{mode:?} {}", action.name());
    }
}

/// What the footer offers does something.
#[test]
fn hints_are_of_keys_that_work_in_their_mode() {
    let keys = Keymap::default();
    for scene in fixture::SCENES {
        let state = fixture::scene(scene).unwrap();
        let mode = state.mode();
        let bound: Vec<_> =
            keys.all(mode).flat_map(|(_, keys)| keys.split(' ').map(str::to_owned).collect::<Vec<_>>()).collect();
        let hints = keys.hints(mode, &state);
        assert!(!hints.is_empty(), "{scene}");
        for KeyHint { key, label, .. } in hints {
            assert!(bound.contains(&key) && !label.is_empty(), "{scene}: {key} {label}");
        }
    }
}

/// A session of a model that only makes embeddings offers no chat.
#[test]
fn a_session_offers_chat_where_its_model_can() {
    for (embeds_only, expected) in [(false, true), (true, false)] {
        let mut state = fixture::busy();
        let loaded = state.domain.sessions.first_mut().and_then(|session| session.loaded.as_mut()).unwrap();
        loaded.embeds_only = embeds_only;
        let hints = Keymap::default().hints(Mode::Fleet, &state);
        let offers = hints.iter().any(|hint| hint.action == Action::Choose);
        assert_eq!(offers, expected, "{embeds_only}");
    }
}
