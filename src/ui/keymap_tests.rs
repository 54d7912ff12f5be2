use crossterm::event::{KeyCode, KeyModifiers};

use super::*;
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

#[test]
fn the_table_is_right() {
    assert_eq!(Keymap::new(&BTreeMap::new()).1, []);
    for (name, _, keys) in BUILT_IN {
        assert!(NAMED.iter().any(|named| named.name == *name), "{name}");
        for key in *keys {
            key.parse::<Chord>().unwrap();
        }
    }
    for named in NAMED {
        assert!(BUILT_IN.iter().any(|(name, ..)| *name == named.name), "{} has no key", named.name);
    }
}

#[test]
fn a_plain_character_is_text_where_text_is_typed() {
    let mut state = fixture::busy();
    let keys = Keymap::default();
    assert_eq!(keys.resolve(&state, press('q')), Some(Action::Quit));
    state.ui.fleet.focus = Focus::Prompt;
    assert_eq!(keys.resolve(&state, press('q')), Some(Action::Edit(Edit::Insert("q".to_owned()))));
    let enter = |modifiers| KeyEvent::new(KeyCode::Enter, modifiers);
    assert_eq!(keys.resolve(&state, enter(KeyModifiers::NONE)), Some(Action::Send));
    assert_eq!(keys.resolve(&state, enter(KeyModifiers::ALT)), Some(Action::Edit(Edit::Newline)));
    let ctrl_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(keys.resolve(&state, ctrl_c), Some(Action::Quit));
    assert_eq!(
        keys.resolve(&state, KeyEvent::new_with_kind(KeyCode::Esc, KeyModifiers::NONE, KeyEventKind::Release)),
        None
    );
}

#[test]
fn a_changed_key_replaces_the_built_in_ones_and_shows() {
    let (keys, problems) = keymap(&[("stop", &["ctrl-q"]), ("up", &["w"])]);
    assert!(problems.is_empty(), "{problems:?}");
    let state = fixture::busy();
    assert_eq!(keys.resolve(&state, press('x')), None);
    assert_eq!(keys.hint(Context::Fleet, "stop").as_deref(), Some("ctrl-q"));
    assert_eq!(keys.resolve(&state, press('w')), Some(Action::Move(-1)));
    // A character can't move about in the palette, so the built-in key stays there.
    assert_eq!(keys.hint(Context::Palette, "up").as_deref(), Some("↑"));
    let (keys, _) = keymap(&[("theme", &[])]);
    assert_eq!(keys.hint(Context::Fleet, "theme"), None);
}

#[test]
fn faults_say_which_key_and_what_would_be_right() {
    for (changes, expected) in [
        (&[("stopp", &["x"][..])][..], "keys: `stopp` is no action; did you mean `stop`?"),
        (&[("zzzzzz", &["x"])], "keys: `zzzzzz` is no action"),
        (&[("stop", &["hyper-x"])], "keys: stop: `hyper` is no modifier: use ctrl, alt or shift"),
        (&[("stop", &["r"])], "keys: `r` is given to both `stop` and `restart`; it does `stop`"),
        (
            &[("restart", &["ctrl-r"]), ("stop", &["ctrl-r"])],
            "keys: `ctrl-r` is given to both `stop` and `restart`; it does `stop`",
        ),
    ] {
        assert_eq!(keymap(changes).1, [expected]);
    }
}
