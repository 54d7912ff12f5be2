//! What a frame costs: eight sessions that stream, each with a conversation of 10,000 tokens, and a library of 10,000
//! models, on 200×50 cells.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use domain::Event;
use domain::event::LibraryEvent;
use domain::model::Model;
use domain::moment::Moment;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use taffrail::ui::Screen;
use taffrail::ui::hits::{self, Gesture, Target};
use taffrail::ui::testing as fixture;
use taffrail::ui::{Action, State, update};
use taffrail::ui::{Keymap, Theme, ViewState, view};

type Group<'a> = BenchmarkGroup<'a, WallTime>;

fn frame(criterion: &mut Criterion) {
    let area = Rect::new(0, 0, 200, 50);
    let theme = Theme::load_all(None).0.remove("dark").unwrap_or_else(Theme::monochrome);
    let keys = Keymap::default();
    let mut group = criterion.benchmark_group("frame");
    let streaming = fixture::crowded(8, 10_000);
    let mut one_paragraph = streaming.clone();
    for session in &mut one_paragraph.domain.sessions {
        if let Some(turn) = session.requests.last_mut().map(|request| &mut request.answer) {
            turn.text = "token ".repeat(10_000);
        }
    }
    let mut scrolled = streaming.clone();
    scrolled.ui.fleet.scroll = 500;
    let mut library = streaming.clone();
    library.ui.screen = Screen::Library;
    let mut machine = streaming.clone();
    machine.ui.screen = Screen::Machine;
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
            let first = state.domain.sessions.first_mut().and_then(|session| session.requests.last_mut());
            if let Some(turn) = first.map(|request| &mut request.answer) {
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
    moving(&mut group, &streaming, &theme, &keys);
    growing(&mut group, &streaming, &theme, &keys);
    library_of_many(&mut group, &streaming, &theme, &keys);
    group.finish();
}

/// The mouse is dragged over a graph: a frame for each column that it passes.
fn moving(group: &mut Group<'_>, streaming: &State, theme: &Theme, keys: &Keymap) {
    let area = Rect::new(0, 0, 200, 50);
    group.bench_function("fleet, the mouse dragged over a graph", |bencher| {
        let (mut state, mut view_state, mut buffer) = (streaming.clone(), ViewState::default(), Buffer::empty(area));
        view(&state, &mut view_state, theme, keys, area, &mut buffer);
        let graph = view_state.hits.iter().copied().find(|hit| hit.target == Target::Graph);
        let Some(graph) = graph else { return };
        let mut column = 0;
        bencher.iter(|| {
            column = (column + 1) % graph.area.width;
            let (x, y) = (graph.area.x + column, graph.area.y);
            // The part under the mouse is looked for as for a press.
            let hit = hits::at(&view_state.hits, x, y).unwrap_or(graph);
            let now = state.domain.now;
            update(&mut state, now, taffrail::ui::Event::Mouse(hit.pointed(Gesture::Drag, x, y)));
            buffer.reset();
            view(&state, &mut view_state, theme, keys, area, &mut buffer)
        });
    });
}

/// The frame after a token of an answer of 10,000 that is all one block, so that none of its rows are complete, and of one
/// in paragraphs.
fn growing(group: &mut Group<'_>, state: &State, theme: &Theme, keys: &Keymap) {
    let area = Rect::new(0, 0, 200, 50);
    for (name, text) in [
        ("one paragraph of 10,000 tokens, and one more", "token ".repeat(10_000)),
        ("code of 10,000 tokens, and one more", format!("```\n{}", "    let x = 1;\n".repeat(2000))),
        (
            "paragraphs of 10,000 tokens, and one more",
            "Ten **words** and `code`, as an answer has it.\n\n".repeat(1000),
        ),
    ] {
        let mut state = state.clone();
        group.bench_function(name, |bencher| {
            let mut view_state = ViewState::default();
            let mut buffer = Buffer::empty(area);
            let mut count = 0_u32;
            bencher.iter(|| {
                count += 1;
                if let Some(request) = state.domain.sessions.first_mut().and_then(|session| session.requests.last_mut())
                {
                    let answer = &mut request.answer.text;
                    answer.clear();
                    answer.push_str(&text);
                    answer.push_str(if count.is_multiple_of(2) { "odd" } else { "even" });
                }
                buffer.reset();
                view(black_box(&state), &mut view_state, theme, keys, area, &mut buffer)
            });
        });
    }
}

/// Models on the Library screen.
const MODELS: usize = 10_000;

/// Scrolling through 10,000 models, and typing a filter for them: the update and the frame that follows.
fn library_of_many(group: &mut Group<'_>, state: &State, theme: &Theme, keys: &Keymap) {
    let area = Rect::new(0, 0, 200, 50);
    let mut state = state.clone();
    state.ui.screen = Screen::Library;
    let Some(model) = state.domain.library.models.first().cloned() else { return };
    let models = (0..MODELS).map(|number| {
        let name = format!("{}-{number:05}", model.name);
        Arc::new(Model { id: format!("folder:/models/{name}.gguf"), name, ..Model::clone(&model) })
    });
    let models = LibraryEvent::Finished { models: models.collect(), stores: Vec::new(), took: Duration::ZERO };
    update(&mut state, Moment::default(), Event::Library(models));
    let mut view_state = ViewState::default();
    let mut buffer = Buffer::empty(area);
    let mut act = |state: &mut State, event: taffrail::ui::Event| {
        update(state, Moment::default(), event);
        buffer.reset();
        view(black_box(state), &mut view_state, theme, keys, area, &mut buffer)
    };
    let mut scrolled = state.clone();
    group.bench_function("library of 10,000, a step down", |bencher| {
        bencher.iter(|| {
            let is_last = scrolled.ui.library.chosen + 1 >= scrolled.ui.library.rows.len();
            act(&mut scrolled, if is_last { Action::First } else { Action::Down }.into())
        });
    });
    update(&mut state, Moment::default(), taffrail::ui::Event::Action(Action::Filter));
    let mut is_typed = false;
    group.bench_function("library of 10,000, a key of the filter", |bencher| {
        bencher.iter(|| {
            is_typed = !is_typed;
            let event = if is_typed { taffrail::ui::Event::Text("9".to_owned()) } else { Action::Backspace.into() };
            act(&mut state, event)
        });
    });
}

criterion_group!(benches, frame);
criterion_main!(benches);
