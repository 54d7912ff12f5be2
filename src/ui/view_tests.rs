#[path = "view_tests/hostile.rs"]
mod hostile;
#[path = "view_tests/scrolls.rs"]
mod scrolls;

use hostile::hostile;
use ratatui::layout::Position;
use ratatui::style::{Color, Modifier};

use super::*;
use crate::ui::Action;
use crate::ui::testing::{self as fixture, SCENES};
use crate::ui::{FleetSort, Notice, SessionTab};
use domain::figure::Figure;
use domain::session::{End, Phase, SessionId};
use domain::settings::GraphStyle;
use domain::units::{Bytes, Ratio};

fn theme(name: &str) -> Theme {
    Theme::load_all(None).0.remove(name).unwrap()
}

fn draw_with(
    state: &State,
    theme: &Theme,
    keys: &Keymap,
    columns: u16,
    rows: u16,
) -> (Buffer, ViewState, Option<Position>) {
    let area = Rect::new(0, 0, columns, rows);
    let mut buffer = Buffer::empty(area);
    let mut view_state = ViewState::default();
    let cursor = view(state, &mut view_state, theme, keys, area, &mut buffer);
    (buffer, view_state, cursor)
}

pub(super) fn draw(state: &State, columns: u16, rows: u16) -> Buffer {
    draw_with(state, &theme("dark"), &Keymap::default(), columns, rows).0
}

/// What a reader sees: the second half of a wide character is no cell of its own.
pub(super) fn text_of(buffer: &Buffer) -> String {
    let mut text = String::new();
    for y in buffer.area.top()..buffer.area.bottom() {
        let mut line = String::new();
        let mut x = buffer.area.left();
        while x < buffer.area.right() {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            x += crate::ui::widgets::text::width(symbol).max(1) as u16;
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn find(buffer: &Buffer, wanted: &str) -> Option<(u16, u16)> {
    let area = buffer.area;
    let letters: Vec<String> = wanted.chars().map(String::from).collect();
    area.positions().map(|at| (at.x, at.y)).find(|(x, y)| {
        letters.iter().zip(*x..).all(|(letter, x)| x < area.right() && buffer[(x, *y)].symbol() == letter)
    })
}

#[test]
fn scenes_look_as_they_did() {
    for scene in SCENES {
        let state = fixture::scene(scene).unwrap();
        for (columns, rows) in [(80, 24), (120, 40), (200, 50)] {
            // Overlays and faces look alike on a larger screen.
            if columns == 200
                && !["fleet", "library", "machine", "crowded", "race", "requests", "suite"].contains(&scene)
            {
                continue;
            }
            insta::assert_snapshot!(format!("{scene}-{columns}x{rows}"), text_of(&draw(&state, columns, rows)));
        }
    }
}

#[test]
fn graphs_fall_back_to_blocks_and_ascii() {
    let mut state = fixture::busy();
    for (style, name) in [(GraphStyle::Block, "block"), (GraphStyle::Ascii, "ascii")] {
        state.ui.graphs = style;
        insta::assert_snapshot!(format!("fleet-{name}"), text_of(&draw(&state, 120, 40)));
    }
}

#[test]
fn every_size_is_drawn_inside_its_area() {
    let (theme, keys) = (theme("dark"), Keymap::default());
    let states: Vec<_> = SCENES.iter().map(|scene| fixture::scene(scene).unwrap()).collect();
    for columns in 0..=220_u16 {
        for rows in 0..=60_u16 {
            let state = &states[(usize::from(columns) * 7 + usize::from(rows)) % states.len()];
            let area = Rect::new(2, 1, columns, rows);
            let mut buffer = Buffer::filled(Rect::new(0, 0, columns + 4, rows + 2), ratatui::buffer::Cell::new("~"));
            let cursor = view(state, &mut ViewState::default(), &theme, &keys, area, &mut buffer);
            assert!(cursor.is_none_or(|cursor| area.contains(cursor)), "{columns}×{rows}: {cursor:?}");
            for position in buffer.area.positions().filter(|position| !area.contains(*position)) {
                assert_eq!(buffer[position].symbol(), "~", "{columns}×{rows} at {position}");
            }
        }
    }
}

#[test]
fn no_two_panels_share_a_cell() {
    let (theme, keys) = (theme("dark"), Keymap::default());
    for scene in SCENES {
        let state = fixture::scene(scene).unwrap();
        for (columns, rows) in
            (40..=210).step_by(10).flat_map(|columns| (8..=64).step_by(4).map(move |rows| (columns, rows)))
        {
            let area = Rect::new(0, 0, columns, rows);
            let mut buffer = Buffer::empty(area);
            let mut canvas = Canvas::new(&mut buffer, &theme, &keys, state.mode(), state.ui.graphs);
            frame(&mut canvas, area, &state, &mut ViewState::default());
            let panels = &canvas.panels;
            assert!(panels.len() >= 2, "{scene}: {panels:?}");
            for (index, (name, area_of)) in panels.iter().enumerate() {
                assert_eq!(area_of.intersection(area), *area_of, "{scene} {columns}×{rows}: {name} is inside");
                for (other, area_of_other) in &panels[..index] {
                    let shared = area_of.intersection(*area_of_other);
                    assert!(shared.is_empty(), "{scene} {columns}×{rows}: {name} and {other} share {shared}");
                }
            }
        }
    }
}

/// Several cards stand in the header as long as there is room, and as one where there is not.
#[test]
fn the_header_tells_all_cards() {
    for (columns, n_cards, expected) in [
        (80, 1, "G  88%  19G 143W  cpu  71%  ram 18.3G   177 W"),
        (80, 2, "gpu 2×  97%  41G  cpu  71%  ram 18.3G   177 W"),
        (80, 8, "gpu 8×  97% 174G  cpu  71%  ram 18.3G   177 W"),
        (99, 2, "G0  88%  19G 143W  G1  97%  22G  cpu  71%  ram 18.3G   177 W"),
        (120, 1, "gpu  88%  19.1/24 GB  cpu  71%  ram 18.3/64 GB   177 W"),
        (120, 2, "G0  88%  19G  G1  97%  22G  cpu  71%  ram 18.3G   177 W"),
        (120, 8, "gpu 8×  97% 174G  cpu  71%  ram 18.3G   177 W"),
        (200, 2, "gpu0  88%  19.1/24 GB  gpu1  97%  22.1/24 GB  cpu  71%  ram 18.3/64 GB   177 W"),
    ] {
        let mut state = fixture::busy();
        // Of the longest names.
        state.ui.screen = Screen::Machine;
        let sample = state.domain.machine.sample.as_mut().unwrap();
        for index in 1..n_cards {
            let mut gpu = sample.gpus[0].clone();
            gpu.index = index;
            gpu.usage = Figure::measured(Ratio(0.97), "nvml");
            gpu.memory_used = Some(Bytes(22_100_000_000));
            sample.gpus.push(gpu);
        }
        let buffer = draw(&state, columns, 24);
        let line = text_of(&buffer).lines().next().unwrap().trim_end().to_owned();
        assert!(line.ends_with(expected), "{n_cards} cards in {columns} columns: {line}");
    }
}

#[test]
fn memory_that_a_card_does_not_report_is_no_zero() {
    for columns in [80, 120] {
        let mut state = fixture::busy();
        let sample = state.domain.machine.sample.as_mut().unwrap();
        (sample.gpus[0].memory_total, sample.gpus[0].memory_used) = (None, None);
        let text = text_of(&draw(&state, columns, 24));
        let line = text.lines().next().unwrap();
        assert!(line.contains("gpu  88%  —  cpu"), "{columns} columns: {line}");
    }
}

#[test]
fn what_holds_a_card_back_shows() {
    let mut state = fixture::busy();
    state.domain.machine.sample.as_mut().unwrap().gpus[0].held_by = "heat, power limit".to_owned();
    for screen in [Screen::Machine, Screen::Top] {
        state.ui.screen = screen;
        let text = text_of(&draw(&state, 80, 24));
        assert!(text.contains("71 °C   143 W   throttled by heat"), "{text}");
    }
}

#[test]
fn a_bar_in_a_reversed_row_is_not_reversed() {
    let state = fixture::busy();
    let area = Rect::new(0, 0, 120, 40);
    for name in ["mono", "terminal"] {
        let mut buffer = Buffer::empty(area);
        view(&state, &mut ViewState::default(), &theme(name), &Keymap::default(), area, &mut buffer);
        let (_, y) = find(&buffer, "● answer").unwrap();
        let row = (4..70).map(|x| buffer[(x, y)].clone());
        let is_reversed = |cell: &ratatui::buffer::Cell| cell.modifier.contains(Modifier::REVERSED);
        let (bars, rest): (Vec<_>, Vec<_>) = row.partition(|cell| ("▁"..="█").contains(&cell.symbol()));
        assert_eq!(bars.len(), 8, "{name}: the sparkline");
        assert!(!bars.iter().any(is_reversed) && rest.iter().all(is_reversed), "{name}");
    }
}

#[test]
fn the_column_that_sorts_shows_in_the_smallest_terminal() {
    let mut state = fixture::busy();
    for (_, sort) in FleetSort::ALL {
        state.ui.fleet.sort = sort;
        // Two sort the table of other programs alone, and the order of starts has no column.
        let has_none = matches!(sort, FleetSort::Started | FleetSort::Processor | FleetSort::GpuMemory);
        assert_eq!(text_of(&draw(&state, 80, 24)).contains('▴'), !has_none, "{sort:?}");
    }
}

#[test]
fn a_list_that_was_long_may_become_short() {
    let mut state = fixture::with_models();
    let (theme, keys, area) = (theme("dark"), Keymap::default(), Rect::new(0, 0, 80, 12));
    let mut view_state = ViewState::default();
    state.ui.library.chosen = 9;
    view(&state, &mut view_state, &theme, &keys, area, &mut Buffer::empty(area));
    state.ui.library.rows.truncate(1);
    let mut buffer = Buffer::empty(area);
    view(&state, &mut view_state, &theme, &keys, area, &mut buffer);
    assert!(text_of(&buffer).contains("qwen3-8b"));
}

#[test]
fn nothing_is_drawn_across_the_line_between_two_parts() {
    let mut state = hostile();
    // The Bench screen has one part; the columns of a race have frames of their own.
    for (screen, ..) in Screen::ALL.into_iter().filter(|(screen, ..)| !matches!(screen, Screen::Race | Screen::Bench)) {
        state.ui.screen = screen;
        for (columns, rows) in [(132, 40), (140, 30), (167, 45), (200, 50), (220, 60)] {
            let buffer = draw(&state, columns, rows);
            let body = 2..rows - 4;
            let whole = |x: &u16| {
                body.clone().filter(|y| ["│", "┤"].contains(&buffer[(*x, *y)].symbol())).count() + 2 >= body.len()
            };
            assert!((30..columns).any(|x| whole(&x)), "{screen:?} {columns}×{rows}\n{}", text_of(&buffer));
        }
    }
}

#[test]
fn the_chosen_row_and_states_have_their_look() {
    let buffer = draw(&fixture::busy(), 120, 40);
    let dark = theme("dark");
    let (x, y) = find(&buffer, "▌").unwrap();
    assert_eq!(buffer[(x, y)].fg, dark.style(Meaning::Focus).fg.unwrap());
    assert_eq!(buffer[(x + 3, y)].bg, dark.style(Meaning::Selection).bg.unwrap());
    let failed = find(&buffer, "✕ failed").unwrap();
    assert_eq!(buffer[failed].fg, dark.style(Meaning::Bad).fg.unwrap());
    assert_eq!(buffer[failed].bg, dark.style(Meaning::Background).bg.unwrap());
    let thought = find(&buffer, "thought for").unwrap();
    assert!(buffer[thought].modifier.contains(Modifier::ITALIC));
    let shown = find(&buffer, "1 Fleet").unwrap();
    assert!(buffer[shown].modifier.contains(Modifier::BOLD));
}

#[test]
fn without_colour_everything_is_told_by_glyphs_and_modifiers() {
    for scene in SCENES {
        let state = fixture::scene(scene).unwrap();
        let (buffer, ..) = draw_with(&state, &Theme::monochrome(), &Keymap::default(), 120, 40);
        for cell in &buffer.content {
            assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset), "{scene}: {:?}", cell.symbol());
        }
    }
    let (buffer, ..) = draw_with(&fixture::busy(), &Theme::monochrome(), &Keymap::default(), 120, 40);
    let (x, y) = find(&buffer, "▌").unwrap();
    assert!(buffer[(x + 2, y)].modifier.contains(Modifier::REVERSED));
    assert!(!buffer[(x + 2, y + 1)].modifier.contains(Modifier::REVERSED));
}

#[test]
fn power_without_a_sensor_is_a_sentence_and_never_zero() {
    let state = fixture::scene("unmetered").unwrap();
    for (columns, rows) in [(120, 40), (200, 50)] {
        let text = text_of(&draw(&state, columns, rows));
        assert!(text.contains("power —"), "{text}");
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(!words.contains(" 0 W") && !words.contains("0.0 W") && !words.contains("0.00 W"), "{text}");
    }
    let machine = fixture::scene("machine-unmetered").unwrap();
    assert!(text_of(&draw(&machine, 120, 40)).contains("sudo chmod o+r"));
}

#[test]
fn a_changed_key_shows_in_the_footer_and_the_help() {
    let changes = [("stop".to_owned(), vec!["ctrl-q".to_owned()])].into();
    let (keys, problems) = Keymap::new(&changes);
    assert_eq!(problems, []);
    let (buffer, ..) = draw_with(&fixture::busy(), &theme("dark"), &keys, 120, 40);
    assert!(text_of(&buffer).contains("ctrl-q stop"));
    let mut help = fixture::scene("help").unwrap();
    help.ui.overlay = Some(crate::ui::Overlay::Help { scroll: 0 });
    help.ui.screen = Screen::Fleet;
    let (buffer, ..) = draw_with(&help, &theme("dark"), &keys, 120, 120);
    let text = text_of(&buffer);
    assert!(text.lines().any(|line| line.contains("ctrl-q") && line.contains("Stop the session")), "{text}");
}

#[test]
fn the_machine_tells_what_its_energy_means() {
    let mut state = fixture::scene("machine").unwrap();
    assert!(text_of(&draw(&state, 120, 40)).contains("since the start 26.0 Wh ±5%   [cpu+gpu] in 10 min"));
    (state.domain.settings.energy.g_per_kwh, state.domain.settings.energy.price_per_kwh) = (Some(56.0), Some(0.25));
    for (columns, rows) in [(120, 40), (200, 60)] {
        let text = text_of(&draw(&state, columns, rows));
        assert!(text.contains("26.0 Wh ±5% · 1.46 gCO2e · 0.0065 EUR   [cpu+gpu] in 10 min"), "{text}");
    }
}

/// Other programs' rows alone: that nothing runs here stands below taffrail's own row, not on it.
#[test]
fn nothing_runs_beside_other_programs() {
    let mut state = fixture::scene("foreign").unwrap();
    state.domain.sessions.clear();
    state.ui.fleet.rows.clear();
    for (columns, rows) in [(80, 24), (120, 40), (200, 60)] {
        let text = text_of(&draw(&state, columns, rows));
        let at = |wanted: &str| text.lines().position(|line| line.contains(wanted)).expect(wanted);
        assert_eq!(at("No sessions yet."), at("taffrail itself") + 1, "{text}");
        assert!(at("other processes") > at("No sessions yet."), "{text}");
    }
}

#[test]
fn the_cursor_stands_in_the_field_that_has_the_keys() {
    for (scene, wanted) in [
        ("prompt", true),
        ("palette", true),
        ("form", true),
        ("library-filter", true),
        ("fleet", false),
        ("confirm", false),
    ] {
        let state = fixture::scene(scene).unwrap();
        let (_, _, cursor) = draw_with(&state, &theme("dark"), &Keymap::default(), 80, 24);
        assert_eq!(cursor.is_some(), wanted, "{scene}");
    }
}

#[test]
fn frozen_graphs_say_so_and_stand() {
    let mut state = fixture::scene("frozen").unwrap();
    let before = text_of(&draw(&state, 120, 40));
    assert!(before.contains("paused"), "{before}");
    // A tick later everything has moved on by one, and the graphs look back by one more.
    for session in &mut state.domain.sessions {
        for ring in [&mut session.throughput, &mut session.memory, &mut session.power] {
            ring.push(Some(500.0));
        }
    }
    let machine = &mut state.domain.machine;
    for ring in [&mut machine.throughput, &mut machine.held, &mut machine.power, &mut machine.temperature] {
        ring.push(Some(500.0));
    }
    let graph = |text: &str| {
        text.lines()
            .skip_while(|line| !line.contains("throughput"))
            .skip(1)
            // The ends of the time go on.
            .filter(|line| !line.contains('└'))
            .map(|line| line.chars().take(25).collect::<String>())
            .collect::<Vec<_>>()
    };
    state.ui.machine.frozen = state.ui.machine.frozen.map(|ticks| ticks + 1);
    assert_eq!(graph(&text_of(&draw(&state, 120, 40))), graph(&before));
}
