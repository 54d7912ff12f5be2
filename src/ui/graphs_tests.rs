use std::time::Duration;

use super::*;
use crate::ui::Screen;
use crate::ui::State;
use crate::ui::{Action, update};
use domain::machine::{Domain, Power, Sample, Temperature};
use domain::moment::Moment;
use domain::settings::Settings;
use domain::units::{Celsius, Watts};
use domain::{Event, figure::Figure};

fn sampled(state: &mut State, second: u64, watts: Option<f64>, celsius: f32) {
    let now = Moment { uptime: Duration::from_secs(second), unix: 1_000_000 + second.cast_signed() };
    let watts = watts.map_or_else(|| Figure::unknown("no sensor"), |watts| Figure::measured(Watts(watts), "test"));
    let power = Power {
        domain: Domain::Package(0),
        name: "package-0".to_owned(),
        watts,
        energy: None,
        counted: None,
        adds: true,
    };
    let heat = |label: &str, celsius| Temperature { label: label.to_owned(), celsius, critical: None };
    let sample = Sample {
        at: now,
        elapsed: Duration::from_secs(1),
        power: vec![power],
        temperatures: vec![heat("chip", Celsius(celsius)), heat("chip", Celsius(20.0))],
        ..Sample::default()
    };
    update(state, now, Event::Sample(Box::new(sample)));
}

fn acted(state: &mut State, action: Action) {
    let now = state.domain.now;
    update(state, now, crate::ui::Event::Action(action));
}

#[test]
fn all_graphs_share_window_and_cursor() {
    let mut state = State::new(Settings::default(), Vec::new());
    state.ui.screen = Screen::Machine;
    for second in 0..3_000 {
        sampled(&mut state, second, (second != 2_990).then_some(second as f64), 40.0 + (second % 5) as f32);
    }
    acted(&mut state, Action::Earlier);
    acted(&mut state, Action::Earlier);
    let power = graph(&state.domain, &state.ui, Quantity::Power);
    assert_eq!((power.step, power.cursor(&state.ui)), (1, Some(4)), "a step is a sixtieth of the window");
    assert_eq!(power.reading(&state.ui).map(|bucket| bucket.mean), Some(2_995.0));
    let heat = graph(&state.domain, &state.ui, Quantity::Temperature);
    assert_eq!(heat.reading(&state.ui).map(|bucket| bucket.mean), Some(40.0));
    assert_eq!(heat.parts.len(), 2, "two sensors of one label are two");
    // The cursor stays on its instant while time goes on, and while the graphs stand.
    sampled(&mut state, 3_000, Some(3_000.0), 40.0);
    assert_eq!(
        graph(&state.domain, &state.ui, Quantity::Power).reading(&state.ui).map(|bucket| bucket.mean),
        Some(2_995.0)
    );
    acted(&mut state, Action::PauseGraphs);
    acted(&mut state, Action::Earlier);
    let before = graph(&state.domain, &state.ui, Quantity::Power);
    for second in 3_001..3_030 {
        sampled(&mut state, second, Some(9.0), 90.0);
    }
    let after = graph(&state.domain, &state.ui, Quantity::Power);
    assert_eq!((after.reading(&state.ui), &after.total), (before.reading(&state.ui), &before.total));
    // Zoomed out over an hour it reads out buckets, and the unknown tick is part of none.
    for _ in 0..4 {
        acted(&mut state, Action::ZoomOut);
    }
    assert_eq!(state.ui.machine.span, 3_600);
    let hour = graph(&state.domain, &state.ui, Quantity::Power);
    assert_eq!((hour.step, hour.span), (12, 300));
    acted(&mut state, Action::Back);
    assert_eq!((state.ui.machine.cursor, hour.extent().map(|extent| extent.least)), (None, Some(0.0)));
}

/// The key that resumes is named where it does so: in a prompt it is a letter.
#[test]
fn paused_graphs_name_the_key_that_resumes_them() {
    let legend = |state: &State| {
        let area = ratatui::layout::Rect::new(0, 0, 160, 40);
        let mut buffer = ratatui::buffer::Buffer::empty(area);
        let (theme, keys) = (crate::ui::Theme::monochrome(), crate::ui::Keymap::default());
        crate::ui::view(state, &mut crate::ui::ViewState::default(), &theme, &keys, area, &mut buffer);
        let lines =
            buffer.content.chunks(160).map(|cells| cells.iter().map(ratatui::buffer::Cell::symbol).collect::<String>());
        lines.into_iter().find(|line| line.contains("paused")).unwrap_or_default()
    };
    let mut state = crate::ui::testing::busy();
    acted(&mut state, Action::PauseGraphs);
    assert!(legend(&state).contains("p resumes"), "{}", legend(&state));
    state.ui.fleet.focus = crate::ui::Focus::Prompt;
    assert!(legend(&state).contains("paused") && !legend(&state).contains("resumes"), "{}", legend(&state));
}

#[test]
fn zoom_goes_from_a_minute_to_the_history() {
    let mut state = State::new(Settings::default(), Vec::new());
    let mut spans = Vec::new();
    for zoom in std::iter::repeat_n(Action::ZoomOut, 20).chain(std::iter::repeat_n(Action::ZoomIn, 20)) {
        acted(&mut state, zoom);
        spans.push(state.ui.machine.span);
    }
    assert_eq!((spans[19], spans[39]), (86_400, 60));
}

#[test]
fn an_axis_gives_way_late() {
    let mut state = State::new(Settings::default(), Vec::new());
    sampled(&mut state, 0, Some(101.0), 40.0);
    let mut tops = Vec::new();
    for second in 1..400 {
        sampled(&mut state, second, Some(99.0), 40.0);
        tops.push(graph(&state.domain, &state.ui, Quantity::Power).top);
    }
    let gives_way = tops.iter().position(|top| *top < 100.0);
    assert_eq!(gives_way, Some(239), "two windows after the peak, and only once");
    assert!(tops[239..].iter().all(|top| *top < 100.0));
}

#[test]
fn the_csv_has_every_point_and_no_unknown() {
    let mut state = State::new(Settings::default(), Vec::new());
    sampled(&mut state, 1, Some(5.0), 40.0);
    sampled(&mut state, 2, None, 41.5);
    state.domain.machine.sensors[1].0 = "=chip, \"x\"\u{1b}".to_owned();
    let text = csv(&state.domain, &state.ui);
    let rows: Vec<_> = text.lines().collect();
    assert_eq!(rows[0], "unix_s,seconds_ago,graph,unit,series,least,mean,most");
    assert!(rows.contains(&"1000001,1,power,W,all,5,5,5") && rows.contains(&"1000001,1,power,W,rest,5,5,5"), "{text}");
    assert!(!text.contains("1000002,0,power"), "{text}");
    assert!(rows.contains(&"1000002,0,temperature,°C,\"'=chip, \"\"x\"\"\",20,20,20"), "{text}");
    for action in [Action::Split, Action::ExportGraphs] {
        let now = state.domain.now;
        let effects = update(&mut state, now, crate::ui::Event::Action(action));
        assert_eq!(effects.len(), usize::from(action == Action::ExportGraphs));
    }
}
