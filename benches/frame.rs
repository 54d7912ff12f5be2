//! What a frame costs: eight sessions that stream, each with a conversation of 10,000 tokens, on 200×50 cells.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use taffrail::core::state::Screen;
use taffrail::ui::{Keymap, Theme, ViewState, fixture, view};

fn frame(criterion: &mut Criterion) {
    let area = Rect::new(0, 0, 200, 50);
    let theme = Theme::load_all(None).0.remove("dark").unwrap_or_else(Theme::monochrome);
    let keys = Keymap::default();
    let mut group = criterion.benchmark_group("frame");
    let streaming = fixture::crowded(8, 10_000);
    let mut one_paragraph = streaming.clone();
    for session in &mut one_paragraph.fleet.sessions {
        if let Some(turn) = session.turns.last_mut() {
            turn.text = "token ".repeat(10_000);
        }
    }
    let mut scrolled = streaming.clone();
    scrolled.fleet.scroll = 500;
    let mut library = streaming.clone();
    library.screen = Screen::Library;
    let mut machine = streaming.clone();
    machine.screen = Screen::Machine;
    for (name, state) in [
        ("fleet", &streaming),
        ("one paragraph of 10,000 tokens", &one_paragraph),
        ("scrolled back", &scrolled),
        ("library", &library),
        ("machine", &machine),
    ] {
        group.bench_function(name, |bencher| {
            let mut view_state = ViewState::default();
            let mut buffer = Buffer::empty(area);
            bencher.iter(|| {
                buffer.reset();
                view(black_box(state), &mut view_state, &theme, &keys, area, &mut buffer)
            });
        });
    }
    group.bench_function("fleet, and what changed since the frame before", |bencher| {
        let mut view_state = ViewState::default();
        let Ok(mut terminal) = Terminal::new(TestBackend::new(200, 50));
        let mut state = streaming.clone();
        let mut count = 0_u32;
        bencher.iter(|| {
            count += 1;
            if let Some(turn) = state.fleet.sessions.first_mut().and_then(|session| session.turns.last_mut()) {
                turn.text.truncate(20_000);
                turn.text.push_str(if count.is_multiple_of(2) { "odd" } else { "even" });
            }
            terminal
                .draw(|frame| {
                    let area = frame.area();
                    view(&state, &mut view_state, &theme, &keys, area, frame.buffer_mut());
                })
                .is_ok()
        });
    });
    group.finish();
}

criterion_group!(benches, frame);
criterion_main!(benches);
