//! A source that hangs, beside the real loop: keys are answered and tokens come, and it is shown as late.
#![cfg(unix)]

use std::path::Path;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tokio::time::timeout;

use super::*;
use crate::ui::{Keymap, Screen, Theme, ViewState, view};
use domain::machine::Source;
use domain::units::span;

/// Nothing here takes as long, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(15);

/// For how long the source hangs.
const HANGS: Duration = Duration::from_secs(5);

const WORKER: WorkerId = WorkerId(7);

/// A battery that discharges; gives the file with its power.
fn battery(root: &Path) -> PathBuf {
    let folder = root.join("sys/class/power_supply/BAT0");
    std::fs::create_dir_all(&folder).unwrap();
    for (file, content) in [("type", "Battery"), ("status", "Discharging"), ("power_now", "12000000")] {
        std::fs::write(folder.join(file), content).unwrap();
    }
    folder.join("power_now")
}

/// Put a pipe in the place of a file: who opens it waits until somebody writes. Gives another name of the pipe.
fn block(file: &Path) -> PathBuf {
    let (pipe, other) = (file.with_extension("pipe"), file.with_extension("other"));
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    std::fs::hard_link(&pipe, &other).unwrap();
    std::fs::rename(pipe, file).unwrap();
    other
}

/// Let go who waits at the pipe; from then on the file is one.
fn release(file: &Path, other: &Path) {
    let plain = file.with_extension("plain");
    std::fs::write(&plain, "12000000").unwrap();
    std::fs::rename(plain, file).unwrap();
    std::fs::write(other, "12000000").unwrap();
}

/// A worker that says a token every hundredth of a second, without end.
fn talker(folder: &Path) -> Program {
    let hello = wire::Hello { version: wire::VERSION, pid: 1, engine: "a script".to_owned(), devices: Vec::new() };
    let loaded = wire::Loaded {
        n_ctx: 512,
        n_ctx_train: 512,
        n_gpu_layers: 0,
        n_layers: 1,
        ledger: wire::Ledger::default(),
        has_template: false,
        embeds_only: false,
        sampling: wire::Sampling::default(),
        load_us: 1,
        load_cpu_us: None,
    };
    let token = wire::Event::Text {
        id: 1,
        pieces: vec![],
        tool_calls: vec![],
        counters: wire::Counters::default(),
        tokens: vec![],
    };
    let said =
        [("hello", wire::Event::Hello(hello)), ("loaded", wire::Event::Loaded(Box::new(loaded))), ("token", token)];
    for (name, event) in said {
        std::fs::write(folder.join(name), wire::encode(&event).unwrap()).unwrap();
    }
    let script = format!("cd '{}'; cat hello loaded; while cat token; do sleep 0.01; done", folder.display());
    Program { path: "/bin/sh".into(), arguments: vec!["-c".into(), script.into()] }
}

/// What the loop has seen.
#[derive(Default)]
struct Seen {
    tokens: usize,
    samples: usize,
    keys: usize,
}

/// Let the loop go on until a condition holds; between two events a key is pressed.
async fn run(app: &mut App, what: &str, until: impl Fn(&Source, &Seen) -> bool) {
    // Tokens come without end: the whole has its time, not each of them.
    timeout(PATIENCE, go_on(app, until)).await.unwrap_or_else(|_| panic!("waited in vain for {what}"));
}

async fn go_on(app: &mut App, until: impl Fn(&Source, &Seen) -> bool) {
    let mut seen = Seen::default();
    loop {
        let event = app.next().await;
        seen.tokens += usize::from(matches!(
            event,
            crate::ui::Event::Domain(Event::Worker(_, WorkerEvent::Message(wire::Event::Text { .. })))
        ));
        seen.samples += usize::from(matches!(event, crate::ui::Event::Domain(Event::Sample(_))));
        app.handle(event);
        app.act(Action::Help);
        assert!(app.state.ui.overlay.is_some(), "the key does what it does");
        app.act(Action::Back);
        seen.keys += 1;
        if battery_row(&app.state).is_some_and(|row| until(row, &seen)) {
            return;
        }
    }
}

fn battery_row(state: &State) -> Option<&Source> {
    state.domain.machine.sample.as_ref()?.sources.iter().find(|row| row.name == "battery")
}

/// The row of the battery as the Machine screen draws it.
fn drawn(state: &State) -> String {
    let area = Rect::new(0, 0, 160, 60);
    let mut buffer = Buffer::empty(area);
    let (keymap, _) = Keymap::new(&state.domain.settings.keys);
    view(state, &mut ViewState::default(), &Theme::monochrome(), &keymap, area, &mut buffer);
    let rows = buffer.content.chunks(usize::from(area.width));
    let mut rows = rows.map(|cells| cells.iter().map(ratatui::buffer::Cell::symbol).collect::<String>());
    rows.find(|row| row.contains(" battery ")).unwrap_or_default()
}

#[tokio::test]
async fn a_source_that_hangs_delays_no_key_and_no_token_and_shows_as_late() {
    let folder = tempfile::tempdir().unwrap();
    let file = battery(folder.path());
    let mut settings = Settings::default();
    settings.telemetry.interval = Duration::from_millis(250);
    settings.engine.hang_timeout = PATIENCE;
    settings.history.keep = false;
    let (root, program) = (folder.path().to_owned(), talker(folder.path()));
    let mut app = App::over(root, Clock::start(), settings, Vec::new(), program).unwrap();
    app.state.ui.screen = Screen::Machine;
    let load = wire::Load {
        path: PathBuf::new(),
        n_ctx: 512,
        n_batch: 512,
        n_ubatch: 512,
        n_threads: 1,
        n_gpu_layers: None,
        devices: None,
        cache_type_k: wire::CacheType::F16,
        cache_type_v: wire::CacheType::F16,
        flash_attention: wire::FlashAttention::Auto,
        mmap: true,
        mlock: false,
        n_parallel: 1,
        kv_unified: false,
        amx: true,
        prompt_cache: 0,
        kept_prompts: None,
    };
    app.engine.spawn(WORKER, load, domain::settings::SchedulingPolicy::default(), || Ok(PathBuf::from("model.gguf")));
    run(&mut app, "a fresh reading and a token", |row, seen| row.reading.value().is_some() && seen.tokens > 0).await;
    assert!(drawn(&app.state).contains("12.0 W"), "{}", drawn(&app.state));

    let other = block(&file);
    let goes_on = |seen: &Seen| seen.tokens >= 50 && seen.samples >= 10 && seen.keys >= 100;
    run(&mut app, "a late source", |row, seen| row.age >= HANGS && row.is_late() && goes_on(seen)).await;
    let row = drawn(&app.state);
    assert!(row.contains(&span(battery_row(&app.state).unwrap().age)), "its age stands there: {row}");

    release(&file, &other);
    run(&mut app, "a reading after it", |row, _| !row.is_late() && row.age < HANGS / 5).await;
    app.shut_down().await;
}
