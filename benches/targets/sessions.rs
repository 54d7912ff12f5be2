//! Sessions without a face: the library's own driver with real workers.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use domain::command::{Force, Value, What};
use domain::session::{End, Phase, Session, SessionId};
use domain::settings::{SessionSettings, Settings};
use taffrail::app::App;
use taffrail::engine::Program;
use taffrail::library;
use taffrail::ui::State;
use wire::{Finish, Message, Prompt, Role};

use crate::support::{PATIENCE, starter};
use crate::{Given, NO_MODEL, median, milliseconds, skip, tell};

const ROUNDS: u32 = 6;

/// Two sessions at once by the plan, against one thread each.
pub(crate) fn together(given: &Given) {
    // Answers of the starter model are short, but a few dozen tokens of it tell.
    let starter = starter("ishmael-4m");
    let file = given.model.as_deref().unwrap_or(&starter);
    let n_tokens = if given.model.is_some() { 128 } else { 40 };
    let ratios = drive(async |stage| {
        let planned = [stage.start(file, None).await, stage.start(file, None).await];
        let fixed = [stage.start(file, Some(1)).await, stage.start(file, Some(1)).await];
        let mut rates = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            let (ours, alone) = (stage.race(planned, n_tokens).await, stage.race(fixed, n_tokens).await);
            for (all, rate) in rates.iter_mut().zip(ours.into_iter().chain(alone)) {
                all.push(rate);
            }
        }
        rates
    });
    let ratio = |index: usize| median(ratios[index].iter().zip(&ratios[index + 2]).map(|(a, b)| a / b).collect());
    let (first, second) = (ratio(0), ratio(1));
    let [a, b, c, d] = ratios.map(median);
    tell(
        "two sessions at once, by the plan against one thread each",
        &format!("{first:.3} and {second:.3}: {a:.0} and {b:.0} / {c:.0} and {d:.0} tok/s"),
        "≥ 0.9 each",
        first >= 0.9 && second >= 0.9,
    );
}

/// An answer beside a program that keeps one core busy, with the threads of the plan and with one less than the cores.
pub(crate) fn beside(given: &Given) {
    let Some(file) = &given.model else { return skip("an answer beside a busy program", NO_MODEL) };
    let cores = std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap());
    if cores < 2 {
        return skip("an answer beside a busy program", "there is one core");
    }
    let is_done = AtomicBool::new(false);
    let rates = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        let rates = drive(async |stage| {
            let (planned, fixed) = (stage.start(file, None).await, stage.start(file, Some(cores - 1)).await);
            let mut rates = [Vec::new(), Vec::new()];
            for _ in 0..ROUNDS {
                rates[0].push(stage.race([planned], 128).await[0]);
                rates[1].push(stage.race([fixed], 128).await[0]);
            }
            rates
        });
        is_done.store(true, Ordering::Relaxed);
        rates
    });
    let ratio = median(rates[0].iter().zip(&rates[1]).map(|(planned, fixed)| planned / fixed).collect());
    let [planned, fixed] = rates.map(median);
    tell(
        "an answer beside a busy program, against a thread less",
        &format!("{ratio:.3}: {planned:.0} / {fixed:.0} tok/s"),
        "≥ 0.8",
        ratio >= 0.8,
    );
}

/// From the wish to silence.
pub(crate) fn cancel(given: &Given) {
    const BOUND: f64 = 300.0;
    let Some(file) = &given.model else { return skip("cancel to silence", NO_MODEL) };
    let (in_prompt, in_answer, is_answered) = drive(async |stage| {
        let session = stage.start(file, None).await;
        let (mut in_prompt, mut in_answer) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            // Each begins differently, so that nothing of the last one is in the context.
            let text = format!("{round} {}", "and the ship sailed on over the wide and empty sea ".repeat(300));
            stage.prompt(session, Prompt::Raw(text));
            stage.wait(|state| is_past(state, session, |session| session.n_past >= 512)).await;
            in_prompt.push(milliseconds(stage.cancel(session).await));
            stage.prompt(session, Prompt::Raw("Once upon a time".to_owned()));
            stage.wait(|state| is_past(state, session, |session| session.figures().counters.n_generated >= 20)).await;
            in_answer.push(milliseconds(stage.cancel(session).await));
        }
        let question = Message::new(Role::User, "Say hello.");
        stage.prompt(session, Prompt::from(vec![question]));
        stage.wait(|state| is_past(state, session, |session| !session.is_busy())).await;
        let turn = &stage.session(session).newest().unwrap().answer;
        let is_answered = matches!(turn.end, Some(End::Finished(Finish::Stop | Finish::Length)));
        (in_prompt, in_answer, is_answered && !turn.text.is_empty())
    });
    for (what, times) in [("a long prompt", in_prompt), ("generation", in_answer)] {
        let most = times.iter().copied().fold(0.0, f64::max);
        let figure = format!("median {:.1} ms, most {most:.1} ms", median(times));
        tell(&format!("cancel to silence, in {what}"), &figure, "< 300 ms", most < BOUND);
    }
    tell("the worker stays usable", if is_answered { "answers" } else { "does not" }, "answers", is_answered);
}

/// The driver and what runs on it.
struct Stage {
    app: App,
}

/// Run a play on this thread, which workers want to be the one that started them, and end the workers after it.
fn drive<T>(play: impl AsyncFnOnce(&mut Stage) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let path = env!("CARGO_BIN_EXE_taffrail").into();
        let program = Program { path, arguments: vec!["worker".into()], machine: None };
        let mut stage = Stage { app: App::new(Settings::default(), Vec::new(), program).unwrap() };
        // Admission needs to know the memory.
        stage.wait(|state| state.domain.machine.sample.is_some()).await;
        let outcome = play(&mut stage).await;
        stage.app.shut_down().await;
        outcome
    })
}

impl Stage {
    async fn wait(&mut self, is_so: impl Fn(&State) -> bool) {
        while !is_so(self.app.state()) {
            let event = tokio::time::timeout(PATIENCE, self.app.next()).await.unwrap();
            self.app.handle(event);
        }
    }

    fn session(&self, id: SessionId) -> &Session {
        self.app.state().domain.session(id).unwrap()
    }

    async fn start(&mut self, file: &Path, threads: Option<u32>) -> SessionId {
        let model = Arc::new(library::at_path(file, &library::Env::read()).unwrap());
        self.app.adopt(vec![Arc::clone(&model)]);
        let settings = Box::new(SessionSettings { threads, context: 4096, ..SessionSettings::default() });
        let what = What::StartSession { model: model.id.clone(), settings, force: Force::No };
        let Ok(Value::Session(id)) = self.app.command(what) else { panic!("no session") };
        self.wait(|state| is_past(state, id, |session| session.phase == Phase::Ready)).await;
        id
    }

    fn prompt(&mut self, session: SessionId, prompt: Prompt) {
        self.app
            .command(What::Generate { session, prompt, form: None, stop: Vec::new(), options: None, record: true })
            .unwrap();
    }

    /// Cancel, and the time until the worker is ready again.
    async fn cancel(&mut self, session: SessionId) -> Duration {
        let start = Instant::now();
        self.app.command(What::CancelAnswer(session)).unwrap();
        self.wait(|state| is_past(state, session, |session| !session.is_busy())).await;
        start.elapsed()
    }

    /// Have sessions answer at once, and their rates while all do.
    async fn race<const N: usize>(&mut self, sessions: [SessionId; N], n_tokens: u32) -> [f64; N] {
        for _ in 0..50 {
            for session in sessions {
                self.prompt(session, Prompt::Raw("Once upon a time".to_owned()));
            }
            let has_enough = move |session: &Session| session.figures().counters.n_generated >= n_tokens;
            self.wait(|state| {
                let all = |is_so: &dyn Fn(&Session) -> bool| sessions.iter().all(|id| is_past(state, *id, is_so));
                all(&has_enough) || !all(&Session::is_busy)
            })
            .await;
            let counters = sessions.map(|id| self.session(id).figures().counters);
            for session in sessions {
                self.cancel(session).await;
            }
            // Where one ended early, another had the machine to itself, or there is too little to tell.
            if counters.iter().all(|counters| counters.n_generated >= n_tokens / 2) {
                return counters.map(|counters| counters.generation_rate().unwrap());
            }
        }
        panic!("the answers are too short")
    }
}

/// Whether a session is so; one that failed never is.
fn is_past(state: &State, id: SessionId, is_so: impl Fn(&Session) -> bool) -> bool {
    let session = state.domain.session(id).unwrap();
    if let Phase::Failed { reason, .. } = &session.phase {
        panic!("{}: {reason}", session.name);
    }
    is_so(session)
}
