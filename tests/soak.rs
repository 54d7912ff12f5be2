//! A day of readings, replayed at speed: the memory of the program stays where it was after the first hour.
//!
//! Alone in its binary, so that nothing else takes memory meanwhile.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use domain::machine::Process;
use domain::trace::Frame;
use domain::units::{Bytes, Ratio, Watts};
use domain::{Event, Moment};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use taffrail::ui::testing as fixture;
use taffrail::ui::{Action, State, update};
use taffrail::ui::{Keymap, Theme, ViewState, view};

const HOUR: u64 = 3600;

/// Bytes that the process holds.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[test]
fn a_day_of_readings_keeps_the_memory_flat() {
    let recorded = Frame::of(&fixture::crowded(8, 100).domain).unwrap();
    let mut state = State::new(fixture::empty().domain.settings.clone(), Vec::new());
    let (theme, keys, area) = (Theme::monochrome(), Keymap::default(), Rect::new(0, 0, 200, 60));
    let (mut view_state, mut buffer) = (ViewState::default(), Buffer::empty(area));
    let mut after_an_hour = 0;
    for second in 0..24 * HOUR {
        let now = Moment { uptime: Duration::from_secs(second), unix: 1_764_000_000 + second.cast_signed() };
        let mut frame = recorded.clone();
        (frame.uptime_ms, frame.unix) = (second * 1000, now.unix);
        frame.sample.cpu = Some(Ratio((second % 100) as f64 / 100.0));
        for power in &mut frame.sample.power {
            power.watts = power.watts.clone().map(|watts: Watts| Watts(watts.0 + (second % 37) as f64));
        }
        for (index, session) in frame.sessions.iter_mut().enumerate() {
            session.pid = Some(4000 + index as u32);
            session.n_generated = second * (index as u64 + 1);
            frame.sample.processes.push(Process {
                pid: 4000 + index as u32,
                resident: Bytes(5_000_000_000 + second),
                cpu_share: Some(Ratio(0.1)),
                ..Process::default()
            });
        }
        update(&mut state, now, Event::Frame(Box::new(frame)));
        // The screen is looked at now and then, at every zoom.
        if second % 900 == 0 {
            let zoom = if second / 900 % 24 < 12 { Action::ZoomOut } else { Action::ZoomIn };
            update(&mut state, now, taffrail::ui::Event::Action(zoom));
            buffer.reset();
            view(&state, &mut view_state, &theme, &keys, area, &mut buffer);
        }
        if second == HOUR {
            after_an_hour = resident();
        }
    }
    let at_the_end = resident();
    let grown = at_the_end.saturating_sub(after_an_hour);
    assert!(after_an_hour > 0 && state.domain.machine.cpu.ticks() == 24 * HOUR);
    assert!(grown <= 1_000_000, "{grown} bytes more than after an hour: {after_an_hour}, then {at_the_end}");
}
