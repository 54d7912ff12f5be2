//! The reducer, driven as the program drives it: events in, effects and state out.

mod attached;
mod bench;
mod chats;
mod command;
mod draft;
mod energy;
mod foreign;
mod hub;
mod leaving;
mod marks;
mod measure;
mod mouse;
mod perplexity;
mod race;
mod requests;
mod screen_path;
mod spoken;
mod storage;
mod suite;
mod tries;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use wire::{Channel, Counters, Event as Said, Finish, Loaded, Piece, Prompt, Request, Role};

use crate::ui::update::update;
use crate::ui::{Action, State};
use crate::ui::{Focus, Overlay, Screen};
use domain::command::{Force, What};
use domain::event::{LibraryEvent, WorkerEvent};
use domain::machine::{Core, Host, Memory, Process, Sample};
use domain::model::{Format, Model, ModelFile, Outcome, Status, Store};
use domain::request::Step;
use domain::session::{End, Phase, WorkerId};
use domain::settings::Settings;
use domain::units::{Bytes, Ratio};
use domain::{Effect, Event, Moment};

pub(super) struct Program {
    pub(super) state: State,
    pub(super) effects: Vec<Effect>,
    /// What the screen itself wanted done.
    pub(super) screen: Vec<crate::ui::Effect>,
    seconds: u64,
}

impl Program {
    pub(super) fn new() -> Self {
        let state = State::new(Settings::default(), vec!["dark".into(), "light".into()]);
        let mut program = Self { state, effects: Vec::new(), screen: Vec::new(), seconds: 0 };
        let models = vec![model("alpha", 100), model("beta", 200)];
        program.happens(Event::Library(LibraryEvent::Found(models)));
        program
    }

    /// With the machine's memory and cores known.
    pub(super) fn sampled(cores: usize, available: u64) -> Self {
        let mut program = Self::new();
        program.happens(Event::Sample(Box::new(sample(cores, available))));
        program
    }

    pub(super) fn happens(&mut self, event: impl Into<crate::ui::Event>) -> Vec<Effect> {
        self.seconds += 1;
        let now = Moment { uptime: Duration::from_secs(self.seconds), unix: self.seconds.cast_signed() };
        let mut effects = Vec::new();
        for effect in update(&mut self.state, now, event) {
            match effect {
                crate::ui::Effect::Domain(effect) => effects.push(effect),
                effect => self.screen.push(effect),
            }
        }
        self.effects.extend(effects.clone());
        // What is written down meanwhile has tests of its own.
        effects.retain(|effect| {
            !matches!(effect, Effect::SaveDraft { .. } | Effect::DiscardDraft(_) | Effect::SaveConversation(_))
        });
        effects
    }

    pub(super) fn act(&mut self, action: Action) -> Vec<Effect> {
        self.happens(crate::ui::Event::Action(action))
    }

    /// A command, with what becomes of it in the dashboard.
    pub(super) fn command(&mut self, what: What) -> Vec<Effect> {
        self.state.ui.overlay = Some(Overlay::Confirm { question: String::new(), then: what.into() });
        self.act(Action::Yes)
    }

    pub(super) fn said(&mut self, worker: WorkerId, said: Said) -> Vec<Effect> {
        self.happens(Event::Worker(worker, WorkerEvent::Message(said)))
    }

    pub(super) fn type_in(&mut self, text: &str) {
        self.happens(crate::ui::Event::Text(text.into()));
    }

    /// Start the model of this name and have it load; gives its worker.
    pub(super) fn ready(&mut self, name: &str) -> WorkerId {
        self.command(start(name));
        let worker = self.state.domain.sessions.last().unwrap().worker;
        self.happens(Event::Worker(worker, WorkerEvent::Spawned { pid: 1000 + worker.0 as u32 }));
        self.said(worker, loaded());
        worker
    }

    /// Ask the chosen session; gives the generation.
    pub(super) fn ask(&mut self, text: &str) -> u64 {
        self.type_in(text);
        let effects = self.act(Action::Send);
        generate(&effects).expect("a generation").id
    }

    fn step(&self, worker: WorkerId) -> Option<Step> {
        self.state.domain.session_of(worker).unwrap().step()
    }

    fn phase(&self, worker: WorkerId) -> &Phase {
        &self.state.domain.session_of(worker).unwrap().phase
    }
}

fn model(name: &str, size: u64) -> Arc<Model> {
    Arc::new(Model {
        id: name.into(),
        name: name.into(),
        store: Store::Folder,
        repository: None,
        files: vec![ModelFile {
            path: PathBuf::from(format!("/models/{name}.gguf")),
            size: Bytes(size),
            modified: 0,
            digest: None,
        }],
        size: Bytes(size),
        status: Status::Runnable,
        used: None,
        summary: None,
        note: None,
        format: Format::Gguf,
        card: None,
        overridden: None,
        tried: None,
        also: Vec::new(),
        machine: None,
        remote: None,
    })
}

pub(super) fn sample(cores: usize, available: u64) -> Sample {
    Sample {
        at: Moment::default(),
        elapsed: Duration::from_secs(1),
        host: Host::default(),
        cpu: Some(Ratio(0.5)),
        cores: vec![Core { usage: Some(Ratio(0.5)), mhz: None }; cores],
        memory: Some(Memory { total: Bytes(available), available: Bytes(available), ..Memory::default() }),
        ..Sample::default()
    }
}

pub(super) fn loaded() -> Said {
    Said::Loaded(Box::new(Loaded {
        n_ctx: 512,
        n_ctx_train: 512,
        n_gpu_layers: 0,
        n_layers: 5,
        ledger: wire::Ledger::default(),
        has_template: true,
        embeds_only: false,
        sampling: wire::Sampling::default(),
        load_us: 1000,
        load_cpu_us: None,
    }))
}

pub(super) fn text(id: u64, channel: Channel, text: &str, n_generated: u32) -> Said {
    let counters = Counters { n_generated, generation_us: 1_000_000, ..Counters::default() };
    Said::Text {
        id,
        pieces: vec![Piece { channel, text: text.into() }],
        tool_calls: Vec::new(),
        counters,
        tokens: Vec::new(),
    }
}

pub(super) fn finished(id: u64, finish: Finish) -> Said {
    Said::Finished { id, finish, counters: Counters::default() }
}

pub(super) fn generate(effects: &[Effect]) -> Option<wire::Generate> {
    effects.iter().find_map(|effect| match effect {
        Effect::Send { request: Request::Generate(generate), .. } => Some(generate.clone()),
        _ => None,
    })
}

#[test]
fn a_conversation_from_the_library_to_the_answer() {
    let mut program = Program::sampled(2, 64_000_000_000);
    program.act(Action::Library);
    program.act(Action::Down);
    let effects = program.act(Action::Choose);
    assert!(matches!(&effects[..], [Effect::Spawn { model, load, .. }] if model.name == "beta" && load.n_threads == 2));
    assert_eq!(program.state.ui.screen, Screen::Fleet);
    assert_eq!(program.state.ui.fleet.focus, Focus::Prompt);
    let worker = program.state.domain.sessions[0].worker;

    // What is sent while the model loads is answered when it is ready.
    program.type_in("hello");
    assert!(program.act(Action::Send).is_empty());
    program.said(worker, Said::Loading { fraction: 0.5 });
    assert_eq!(program.phase(worker), &Phase::Loading { fraction: 0.5 });
    let effects = program.said(worker, loaded());
    let asked = generate(&effects).unwrap();
    let Prompt::Chat(wire::Chat { messages, .. }) = &asked.prompt else { panic!("no chat") };
    assert_eq!(messages[0].text(), "hello");
    assert_eq!(program.state.domain.sessions[0].threads, 2);

    program.said(worker, text(asked.id, Channel::Reasoning, "hm", 1));
    assert_eq!(program.step(worker), Some(Step::Reasoning));
    program.said(worker, text(asked.id, Channel::Answer, "hi", 2));
    program.said(worker, text(asked.id + 100, Channel::Answer, "from another generation", 2));
    program.said(worker, finished(asked.id, Finish::Stop));
    let session = &program.state.domain.sessions[0];
    assert_eq!(session.phase, Phase::Ready);
    assert_eq!(session.threads, 0);
    let turn = session.turns.last().unwrap();
    assert_eq!((turn.text.as_str(), turn.reasoning.as_str()), ("hi", "hm"));
    let folds = |program: &Program| {
        let (session, settings) = (&program.state.domain.sessions[0], &program.state.domain.settings);
        program.state.ui.fleet.folds(session.id, session.turns.last().unwrap(), settings)
    };
    assert!(folds(&program), "the reasoning folds when the answer begins");
    program.act(Action::Fold);
    assert!(!folds(&program));
    program.act(Action::Fold);
    assert!(folds(&program));
    let session = &program.state.domain.sessions[0];
    let turn = session.turns.last().unwrap();
    assert_eq!(turn.end, Some(End::Finished(Finish::Stop)));

    // The next prompt carries the conversation, without the reasoning.
    program.type_in("and now?");
    let asked = generate(&program.act(Action::Send)).unwrap();
    let Prompt::Chat(wire::Chat { messages, .. }) = asked.prompt else { panic!("no chat") };
    let said: Vec<_> = messages.iter().map(|message| (message.role, message.text())).collect();
    let expected = [(Role::User, "hello"), (Role::Assistant, "hi"), (Role::User, "and now?")];
    assert_eq!(said, expected.map(|(role, text)| (role, text.into())));
}

#[test]
fn threads_are_shared_out_anew_when_one_begins_and_when_one_ends() {
    let mut program = Program::sampled(2, 64_000_000_000);
    let one = program.ready("alpha");
    let first = program.ask("a");
    let two = program.ready("beta");
    let threads =
        |program: &Program| program.state.domain.sessions.iter().map(|session| session.threads).collect::<Vec<_>>();
    assert_eq!(threads(&program), [2, 0]);
    program.type_in("b");
    let effects = program.act(Action::Send);
    let tell = |worker, n_threads| Effect::Send { worker, request: Request::Threads { n_threads } };
    assert_eq!(effects[..2], [tell(one, 1), tell(two, 1)]);
    assert_eq!(threads(&program), [1, 1]);
    let effects = program.said(one, finished(first, Finish::Stop));
    assert!(matches!(effects[0], Effect::SaveRecord { .. }), "{effects:?}");
    assert_eq!(effects[1..], [tell(two, 2)]);
    assert_eq!(threads(&program), [0, 2]);

    let effects = program.act(Action::FewerThreads);
    assert_eq!(effects, [tell(two, 1)]);
    program.act(Action::FewerThreads);
    assert_eq!(program.state.domain.thread_limit(), 1);
    for _ in 0..9 {
        program.act(Action::MoreThreads);
    }
    assert_eq!(program.state.domain.thread_limit(), 2);
}

#[test]
fn memory_is_admitted_against_what_is_left() {
    let mut program = Program::sampled(2, 64_000_000_000);
    program.state.domain.settings.budget.reserve = Bytes(64_000_000_000 + 1);
    // The test's models have no header, so they are expected to need nothing: only a budget that is overdrawn refuses.
    program.state.domain.settings.budget.reserve = Bytes(0);
    program.ready("alpha");
    program.state.domain.sessions[0].planned.weights = Bytes(60_000_000_000);
    let needed = domain::admission::MemoryEstimate { weights: Bytes(5_000_000_000), ..Default::default() };
    let refusal = domain::admission::admit(&program.state.domain, needed).unwrap_err();
    assert_eq!((refusal.free, refusal.promised), (Bytes(4_000_000_000), Bytes(60_000_000_000)));
    // What the session already holds is no longer available, and so is not promised once more.
    let mut sample = sample(2, 20_000_000_000);
    sample.processes = vec![Process {
        pid: 1000 + program.state.domain.sessions[0].worker.0 as u32,
        anonymous: Bytes(50_000_000_000),
        ..Process::default()
    }];
    program.happens(Event::Sample(Box::new(sample)));
    assert_eq!(domain::admission::free_memory(&program.state.domain).unwrap().free, Bytes(10_000_000_000));
    assert!(domain::admission::admit(&program.state.domain, needed).is_ok());
    program.state.domain.settings.budget.memory = Some(Bytes(64_000_000_000));
    assert!(domain::admission::admit(&program.state.domain, needed).is_err());
}

#[test]
fn a_session_waits_for_the_first_reading_of_the_memory() {
    let mut program = Program::new();
    let effects = program.act(Action::Choose);
    assert!(effects.is_empty());
    assert_eq!(program.state.domain.sessions[0].phase, Phase::Queued);
    let effects = program.happens(Event::Sample(Box::new(sample(2, 64_000_000_000))));
    assert!(matches!(&effects[..], [Effect::Spawn { .. }]));
}

#[test]
fn escape_cancels_and_the_session_stays_usable() {
    let mut program = Program::sampled(2, 64_000_000_000);
    let worker = program.ready("alpha");
    let generation = program.ask("a long story");
    program.said(worker, text(generation, Channel::Answer, "Once", 1));
    let effects = program.act(Action::Back);
    assert_eq!(effects, [Effect::Send { worker, request: Request::Cancel { id: generation } }]);
    // Text that was on its way changes nothing about that.
    program.said(worker, text(generation, Channel::Answer, " upon", 2));
    assert_eq!(program.step(worker), Some(Step::Cancelling));
    program.said(worker, finished(generation, Finish::Cancelled));
    assert_eq!(program.phase(worker), &Phase::Ready);
    assert_eq!(program.state.domain.sessions[0].turns.last().unwrap().text, "Once upon");
    program.ask("again");
}

#[test]
fn a_killed_worker_costs_its_session_and_a_restart_keeps_the_conversation() {
    let mut program = Program::sampled(2, 64_000_000_000);
    let old = program.ready("alpha");
    let generation = program.ask("a");
    program.said(old, text(generation, Channel::Answer, "half an ans", 3));
    let reason = "worker killed by signal 9 (KILL)";
    program.happens(Event::Worker(old, WorkerEvent::Exited { reason: reason.into(), expected: false, hint: None }));
    let session = &program.state.domain.sessions[0];
    assert_eq!(session.phase, Phase::Failed { reason: reason.into(), hint: None });
    assert_eq!(session.turns.last().unwrap().end, Some(End::failed(reason)));
    assert_eq!(session.turns.len(), 2);

    assert_eq!(program.state.ui.fleet.focus, Focus::Table, "where it can be restarted");
    let effects = program.act(Action::Restart);
    assert!(matches!(&effects[..], [Effect::Spawn { .. }]));
    let new = program.state.domain.sessions[0].worker;
    assert_ne!(old, new);
    // The old worker's words are no longer heard.
    program.said(old, loaded());
    assert!(matches!(program.phase(new), Phase::Loading { .. }));
    program.said(new, loaded());
    let session = &program.state.domain.sessions[0];
    assert_eq!(session.phase, Phase::Ready);
    assert_eq!(session.turns.last().unwrap().text, "half an ans");
}

#[test]
fn the_palette_runs_what_it_finds() {
    let mut program = Program::sampled(2, 64_000_000_000);
    program.act(Action::Palette);
    program.type_in("theme light");
    program.act(Action::Choose);
    assert_eq!(program.state.ui.theme, "light");
    program.ready("alpha");
    program.act(Action::Palette);
    program.type_in("set temperature 0.6");
    program.act(Action::Choose);
    assert_eq!(program.state.domain.sessions[0].settings.sampling.temperature, Some(0.6));
    program.act(Action::Palette);
    program.type_in("set temperature hot");
    program.act(Action::Choose);
    let notice = program.state.ui.notices.back().unwrap();
    assert!(notice.is_error && notice.text.contains("must be a number from 0 to 10"), "{}", notice.text);
    // The same once more is not said twice.
    program.act(Action::Palette);
    program.type_in("set temperature hot");
    let n_before = program.state.ui.notices.len();
    program.act(Action::Choose);
    assert_eq!(program.state.ui.notices.len(), n_before);
}

#[test]
fn the_form_starts_with_what_it_shows() {
    let mut program = Program::sampled(2, 64_000_000_000);
    program.act(Action::Configure);
    program.act(Action::DeleteToStart);
    program.type_in("lots");
    program.act(Action::Choose);
    let Some(Overlay::Form(form)) = &program.state.ui.overlay else { panic!("no form") };
    assert!(form.error.as_ref().unwrap().starts_with("must be a whole number"));
    program.act(Action::DeleteToStart);
    program.type_in("256");
    let effects = program.act(Action::Choose);
    assert!(matches!(&effects[..], [Effect::Spawn { load, .. }] if load.n_ctx == 256));
}

#[test]
fn one_sample_is_one_point_in_every_series() {
    let mut program = Program::sampled(2, 64_000_000_000);
    let worker = program.ready("alpha");
    let generation = program.ask("a");
    program.said(worker, text(generation, Channel::Answer, "x", 30));
    program.happens(Event::Sample(Box::new(sample(2, 64_000_000_000))));
    program.said(worker, text(generation, Channel::Answer, "x", 40));
    program.happens(Event::Sample(Box::new(sample(2, 64_000_000_000))));
    let session = &program.state.domain.sessions[0];
    // The first token's time is the prompt's.
    assert_eq!(session.throughput.window(9, 0).collect::<Vec<_>>(), [Some(29.0), Some(10.0)]);
    assert_eq!(session.power.last(), None, "no sensor is no zero");
    assert_eq!(program.state.domain.machine.throughput.window(2, 0).collect::<Vec<_>>(), [Some(30.0), Some(10.0)]);
    program.act(Action::PauseGraphs);
    program.happens(Event::Sample(Box::new(sample(2, 64_000_000_000))));
    assert_eq!(program.state.ui.machine.frozen, Some(1));
}

/// Start the model of this id as it is.
pub(super) fn start(model: &str) -> What {
    What::StartSession { model: model.to_owned(), settings: Box::default(), force: Force::No }
}

fn any_input() -> impl Strategy<Value = crate::ui::Event> {
    let actions = prop::sample::select(Action::all().collect::<Vec<_>>());
    prop_oneof![
        9 => actions.prop_map(crate::ui::Event::Action),
        1 => "\\PC{0,8}".prop_map(crate::ui::Event::Text),
    ]
}

proptest! {
    /// Whatever is pressed and whatever workers say, the plan holds and the choice points at something.
    #[test]
    fn invariants(steps in prop::collection::vec((any_input(), 0_u64..12, 0_u32..7), 0..80)) {
        let mut program = Program::sampled(3, 64_000_000_000);
        for (input, number, kind) in steps {
            let worker = WorkerId(number);
            match kind {
                0 => { program.said(worker, loaded()); }
                1 => { program.said(worker, text(number + 1, Channel::Answer, "x", 1)); }
                2 => { program.said(worker, finished(number + 1, Finish::Stop)); }
                3 => {
                    let expected = number % 2 == 0;
                    let exited = WorkerEvent::Exited { reason: "gone".into(), expected, hint: None };
                    program.happens(Event::Worker(worker, exited));
                }
                4 if number == 0 => { program.command(start("alpha")); }
                _ => { program.happens(input); }
            }
            let state = &program.state;
            let busy: Vec<_> = state.domain.sessions.iter().filter(|session| session.is_busy()).collect();
            let threads: u32 = state.domain.sessions.iter().map(|session| session.threads).sum();
            prop_assert!(threads <= state.domain.thread_limit().max(busy.len() as u32));
            prop_assert!(busy.iter().all(|session| session.threads >= 1));
            prop_assert!(state.ui.fleet.chosen.is_none_or(|chosen| state.domain.session(chosen).is_some()));
            prop_assert!(state.ui.library.rows.iter().all(|row| *row < state.domain.library.models.len()));
            prop_assert!(state.ui.library.chosen <= state.ui.library.rows.len().saturating_sub(1));
        }
    }
}

#[test]
fn the_cards_of_many_models_are_made_aside_and_one_question_is_open() {
    let mut program = Program::new();
    let many: Vec<_> = (0..600).map(|number| model(&format!("many-{number}"), 1)).collect();
    let asked = |effects: &[Effect]| -> Option<(u64, usize)> {
        effects.iter().find_map(|effect| match effect {
            Effect::RateOpenness { generation, models, .. } => Some((*generation, models.len())),
            _ => None,
        })
    };
    let effects = program.happens(Event::Library(LibraryEvent::Found(many.clone())));
    let (generation, count) = asked(&effects).unwrap();
    assert_eq!(count, 602);
    // What changes meanwhile waits for the answer, which is of use all the same.
    let more = vec![model("more", 1)];
    assert_eq!(asked(&program.happens(Event::Library(LibraryEvent::Found(more)))), None);
    let table = program.state.domain.library.openness.table.clone();
    let answer = |models: &[Arc<Model>], generation| {
        let cards = domain::openness::cards(models, models, &table);
        Event::Library(LibraryEvent::Rated { generation, cards })
    };
    let (generation, count) = asked(&program.happens(answer(&many, generation))).unwrap();
    assert_eq!(count, 603);
    assert!(program.state.domain.library.openness.cards.contains_key(&many[0].id));
    let all = program.state.domain.library.models.clone();
    assert_eq!(asked(&program.happens(answer(&all, generation))), None);
    assert_eq!(program.state.domain.library.openness.cards.len(), 603);
}
