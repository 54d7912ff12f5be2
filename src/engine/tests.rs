//! Workers that misbehave, as real processes: shell scripts that say what a broken worker would say.
#![cfg(unix)]

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use wire::{Event as Said, Hello, Request};

use super::testing::load;
use super::{Engine, MAX_COMMANDS, Program, StartError, Stuck};
use domain::event::WorkerEvent;
use domain::session::WorkerId;
use domain::settings;

/// Nothing here takes as long, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

const WORKER: WorkerId = WorkerId(7);

struct Stage {
    engine: Engine,
    news: mpsc::Receiver<(WorkerId, WorkerEvent)>,
    folder: tempfile::TempDir,
}

impl Stage {
    /// An engine whose workers run this script; `$HELLO` and `$LOADED` are files with such frames.
    fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hello = |version| Said::Hello(Hello { version, pid: 1, engine: "a script".into(), devices: Vec::new() });
        let loaded = Said::Loaded(Box::new(wire::Loaded {
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
        }));
        let mut text = String::new();
        let stuck = Said::Pong { nonce: 1, n_decodes: 1, n_steps: Some(7) };
        let idle = Said::Pong { nonce: 1, n_decodes: 1, n_steps: None };
        for (name, frame) in
            [("HELLO", hello(wire::VERSION)), ("OLD", hello(99)), ("LOADED", loaded), ("STUCK", stuck), ("IDLE", idle)]
        {
            let path = folder.path().join(name);
            std::fs::write(&path, wire::encode(&frame).unwrap()).unwrap();
            text = format!("{text}{name}='{}'\n", path.display());
        }
        let program =
            Program { path: "/bin/sh".into(), arguments: vec!["-c".into(), (text + script).into()], machine: None };
        Self::with(program, folder)
    }

    fn with(program: Program, folder: tempfile::TempDir) -> Self {
        let (sender, news) = mpsc::channel(64);
        let settings = settings::Engine {
            start_timeout: Duration::from_millis(700),
            hang_timeout: Duration::from_secs(2),
            stop_timeout: Duration::from_millis(300),
            prompt_cache_disk: domain::units::Bytes(0),
            ..settings::Engine::default()
        };
        Self { engine: Engine::new(program, settings, sender), news, folder }
    }

    fn spawn(&mut self) {
        self.engine
            .spawn(WORKER, load(), settings::SchedulingPolicy::default(), None, || Ok(PathBuf::from("model.gguf")));
    }

    async fn next(&mut self) -> WorkerEvent {
        let (worker, event) = timeout(PATIENCE, self.news.recv()).await.expect("news in time").expect("a worker");
        assert_eq!(worker, WORKER);
        event
    }

    /// How it ends, and what it logged before.
    async fn end(&mut self) -> (String, bool, Option<String>, Vec<String>) {
        let mut log = Vec::new();
        loop {
            match self.next().await {
                WorkerEvent::Exited { reason, expected, hint } => return (reason, expected, hint, log),
                WorkerEvent::Logged(line) => log.push(line),
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn every_end_has_its_reason() {
    let cases = [
        ("exit 3", "worker ended with status 3", false),
        ("kill -9 $$", "worker killed by signal 9 (KILL)", false),
        ("printf '\\377\\377\\377\\377'; sleep 60", "is above the limit", false),
        ("printf '\\002\\000\\000\\000{}'; sleep 60", "is not a message of this protocol", false),
        ("cat \"$OLD\"; sleep 60", "worker speaks protocol 99, this program ", false),
        ("sleep 60", "loading made no progress for", false),
        ("cat \"$HELLO\"; sleep 60", "loading made no progress for", false),
        ("cat \"$HELLO\" \"$LOADED\"; exec sleep 60", "worker stopped answering for 2 s and was killed", false),
        // One that waits for work is not stuck, one whose engine takes no step is, whoever answers the pings.
        (
            "cat \"$HELLO\" \"$LOADED\"; for n in $(seq 40); do cat \"$IDLE\"; done; while cat \"$STUCK\"; do sleep 0.05; done",
            "worker made no progress for 12 s and was killed",
            false,
        ),
        // It closes its output and goes on.
        ("cat \"$HELLO\"; exec >&-; sleep 60", "worker killed by signal 9 (KILL)", false),
    ];
    for (script, expected_reason, expected) in cases {
        let mut stage = Stage::new(script);
        stage.spawn();
        let end = stage.end().await;
        assert!(end.0.contains(expected_reason), "{script}: {}", end.0);
        assert_eq!(end.1, expected, "{script}");
    }
}

#[tokio::test]
async fn a_worker_that_is_refused_memory_says_so() {
    let mut stage = Stage::new(
        "cat \"$HELLO\" \"$LOADED\"; echo \"terminate called after throwing an instance of 'std::bad_alloc'\" >&2; kill -ABRT $$",
    );
    stage.spawn();
    let (reason, _, hint, _) = stage.end().await;
    assert!(reason.contains("signal 6"), "{reason}");
    assert!(hint.is_some_and(|hint| hint.contains("memory")));
}

#[tokio::test]
async fn a_worker_that_does_not_stop_when_asked_is_killed() {
    let mut stage = Stage::new("trap '' TERM; cat \"$HELLO\" \"$LOADED\"; exec sleep 60");
    stage.spawn();
    while !matches!(stage.next().await, WorkerEvent::Message(Said::Loaded(_))) {}
    stage.engine.stop(WORKER).unwrap();
    let (reason, expected, ..) = stage.end().await;
    assert_eq!(reason, "worker was killed: it did not stop when asked");
    assert!(expected);
}

#[tokio::test]
async fn a_worker_that_reads_its_input_ends_with_it() {
    let mut stage = Stage::new("cat \"$HELLO\" \"$LOADED\"; cat >/dev/null");
    stage.spawn();
    while !matches!(stage.next().await, WorkerEvent::Message(Said::Loaded(_))) {}
    stage.engine.stop(WORKER).unwrap();
    let (reason, expected, ..) = stage.end().await;
    assert_eq!((reason.as_str(), expected), ("stopped", true));
}

#[tokio::test]
async fn the_log_is_cleaned_and_its_last_line_explains() {
    let mut stage = Stage::new("printf '\\033[31mred\\007 line\\n\\nlast words' >&2; exit 1");
    stage.spawn();
    let (reason, _, hint, log) = stage.end().await;
    assert_eq!(reason, "worker ended with status 1");
    assert_eq!(log.last().map(String::as_str), Some("last words"));
    assert!(!log.iter().any(|line| line.chars().any(char::is_control)), "{log:?}");
    assert_eq!(hint.as_deref(), Some("last words"));
}

#[tokio::test]
async fn a_program_that_is_missing_and_a_file_that_is_refused_are_told() {
    let missing = Program { path: "/nonexistent/taffrail".into(), arguments: Vec::new(), machine: None };
    let mut stage = Stage::with(missing, tempfile::tempdir().unwrap());
    stage.spawn();
    assert!(stage.end().await.0.starts_with("worker did not start: "));

    let mut stage = Stage::new("exit 0");
    let problem = StartError { reason: "cut off at tensor 3 of 4".into(), hint: Some("fetch it again".into()) };
    stage.engine.spawn(WORKER, load(), settings::SchedulingPolicy::default(), None, || Err(problem));
    let (reason, expected, hint, _) = stage.end().await;
    assert_eq!((reason.as_str(), expected), ("cut off at tensor 3 of 4", false));
    assert_eq!(hint.as_deref(), Some("fetch it again"));
}

#[tokio::test]
async fn no_worker_is_left_after_shutting_down() {
    let mut stage = Stage::new("echo $$ > \"$HELLO.pid\"; cat \"$HELLO\" \"$LOADED\"; exec sleep 60");
    stage.spawn();
    while !matches!(stage.next().await, WorkerEvent::Message(Said::Loaded(_))) {}
    let pid = std::fs::read_to_string(stage.folder.path().join("HELLO.pid")).unwrap();
    let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    let lives = || rustix::process::test_kill_process(pid).is_ok();
    assert!(lives());
    stage.news.close();
    stage.engine.shut_down(false).await;
    assert!(!lives());
}

#[tokio::test]
async fn a_command_that_is_dropped_is_an_error() {
    let mut stage = Stage::new("exit 0");
    let (go, wait) = std::sync::mpsc::channel::<()>();
    // While the file is checked, no command is taken.
    let prepare = move || {
        let _ = wait.recv_timeout(PATIENCE);
        Ok(PathBuf::from("model.gguf"))
    };
    stage.engine.spawn(WORKER, load(), settings::SchedulingPolicy::default(), None, prepare);
    for n in 0..MAX_COMMANDS {
        assert_eq!(stage.engine.tell(WORKER, Request::ClearCache), Ok(()), "{n}");
    }
    assert_eq!(stage.engine.tell(WORKER, Request::ClearCache), Err(Stuck));
    assert_eq!(stage.engine.stop(WORKER), Err(Stuck));
    drop(go);
    stage.end().await;
    // One that has ended has reported it.
    assert_eq!(stage.engine.tell(WORKER, Request::ClearCache), Ok(()));
}
