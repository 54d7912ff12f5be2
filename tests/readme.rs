//! The README is true: its picture is what the view draws, its keys are bound, its commands are understood.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use taffrail::ui::testing as fixture;
use taffrail::ui::{Keymap, Mode, Screen, Theme, ViewState, view};

fn readme() -> (PathBuf, String) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = std::fs::read_to_string(&path).unwrap();
    (path, text)
}

/// The Fleet screen, as text of 120 columns.
fn picture() -> String {
    let area = Rect::new(0, 0, 120, 26);
    let mut buffer = Buffer::empty(area);
    view(&fixture::busy(), &mut ViewState::default(), &Theme::monochrome(), &Keymap::default(), area, &mut buffer);
    let line = |y| (0..area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..area.height).map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_picture_is_what_the_view_draws() {
    let (path, text) = readme();
    let (before, rest) = text.split_once("```\n").unwrap();
    let (shown, after) = rest.split_once("\n```").unwrap();
    let drawn = picture();
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(path, format!("{before}```\n{drawn}\n```{after}")).unwrap();
        return;
    }
    assert!(shown == drawn, "draw the README's picture anew: UPDATE_README=1 ./dev test --test readme\n{drawn}");
}

#[test]
fn every_key_in_the_table_is_bound() {
    use Mode::{Bench, Confirm, Fleet, Form, Help, Library, LibraryFilter, Machine, Palette, Prompt, Refused};
    let keymap = Keymap::default();
    let bound: BTreeSet<String> =
        [Fleet, Library, Bench, Machine, Prompt, LibraryFilter, Palette, Form, Confirm, Refused, Help]
            .into_iter()
            .flat_map(|mode| keymap.all(mode))
            .flat_map(|(_, keys)| keys.split(' ').map(str::to_owned).collect::<Vec<_>>())
            .collect();
    let (_, text) = readme();
    let table = text.split_once("| Key |").unwrap().1.split_once("\n\n").unwrap().0;
    let keys: Vec<&str> = table.split('`').skip(1).step_by(2).collect();
    assert!(keys.len() > 15, "{keys:?}");
    for key in keys {
        assert!(bound.contains(key), "`{key}` does nothing");
    }
}

#[test]
fn the_screens_are_those_that_the_digits_open() {
    let (_, text) = readme();
    let (before, passage) =
        text.split_once("\n## The dashboard\n").unwrap().1.split_once(" screens on `1` to `5`").unwrap();
    assert_eq!(before.trim(), "Five");
    let passage = passage.split_once("| Key |").unwrap().0;
    let named: Vec<&str> = passage.split("**").skip(1).step_by(2).collect();
    let keymap = Keymap::default();
    let there: Vec<String> = Screen::ALL
        .iter()
        .map(|(_, action, name)| format!("{} {name}", keymap.key(Mode::Fleet, *action).unwrap()))
        .collect();
    assert_eq!(named, there);
}
