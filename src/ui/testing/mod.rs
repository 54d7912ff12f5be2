//! A state to draw in tests, benches and the gallery: a workstation with sessions in every phase. Figures are invented
//! and the same each time.

use std::sync::Arc;
use std::time::Duration;

use wire::{Counters, DeviceMemory, Finish, Ledger, Loaded, Role, Sampling};

use crate::ui::Screen;
use crate::ui::State;
use domain::admission::MemoryEstimate;
use domain::figure::{Figure, Grade};
use domain::machine::Process;
use domain::model::{Model, Store, StoreStatus};
use domain::moment::Moment;
use domain::record::trace::PhaseSnapshot;
use domain::request::{Client, Figures, Request, RequestId, Stage, Step};
use domain::session::{End, Session, SessionId, Turn, WorkerId};
use domain::settings::{SessionSettings, Settings};
use domain::units::{Bytes, Joules, Ratio, Watts};

mod bench;
mod chats;
mod cleanup;
mod energy;
mod engines;
mod hub;
mod machine;
mod models;
mod race;
mod requests;
mod scenes;
mod suite;
mod svg;

pub use scenes::{SCENES, scene};
pub use svg::svg;

use machine::sample;
use models::models;

/// The wall clock of the fixture.
const NOW: i64 = 1_764_000_000;

const fn gb(tenths: u64) -> Bytes {
    Bytes(tenths * 100_000_000)
}

/// Those effects that are the domain's.
pub fn of_domain(effects: Vec<crate::ui::Effect>) -> Vec<domain::Effect> {
    let domain = |effect| if let crate::ui::Effect::Domain(effect) = effect { Some(effect) } else { None };
    effects.into_iter().filter_map(domain).collect()
}

/// A state before anything is known: no model, no session, no sample.
pub fn empty() -> State {
    let themes = ["dark", "light", "logbook", "mono", "terminal"].map(str::to_owned).to_vec();
    let mut state = State::new(Settings::default(), themes);
    state.domain.settings.budget.reserve = gb(10);
    state.domain.now = Moment { uptime: Duration::from_mins(10), unix: NOW };
    state
}

/// A workstation with a GPU, a library, and sessions in every phase.
pub fn busy() -> State {
    let mut state = with_models();
    state.ui.screen = Screen::Fleet;
    state.domain.machine.sample = Some(Box::new(sample(true)));
    energy::baselines(&mut state, NOW);
    let named = |state: &State, name: &str| state.domain.library.models.iter().find(|m| m.name == name).cloned();
    for (index, (name, phase)) in [
        ("qwen3-8b", PhaseSnapshot::Busy { generation: 7, step: Step::Answer }),
        ("r1-qwen-1.5b", PhaseSnapshot::Busy { generation: 3, step: Step::Reasoning }),
        ("smollm2-135m", PhaseSnapshot::Ready),
        ("gemma-3-4b", PhaseSnapshot::Loading { fraction: 0.63 }),
        ("mistral-7b", PhaseSnapshot::Failed { reason: "worker killed by signal 9".to_owned(), hint: None }),
    ]
    .into_iter()
    .enumerate()
    {
        if let Some(model) = named(&state, name) {
            let session = session(&state, index as u64 + 1, &model, &phase);
            state.domain.sessions.push(session);
        }
    }
    state.ui.fleet.rows = state.domain.sessions.iter().map(|session| session.id).collect();
    state.ui.fleet.chosen = state.ui.fleet.rows.first().copied();
    let history = state.domain.history();
    state.domain.machine.own_watts =
        Figure::Known { value: Watts(0.3), grade: Grade::Apportioned, source: "powercap".to_owned() };
    state.domain.machine.sensors =
        ["gpu 0", "Tctl", "nvme"].map(|label| (label.to_owned(), domain::ring::Ring::new(history))).to_vec();
    let held = state.domain.sessions.iter().filter_map(|session| session.memory.last()).sum::<f32>();
    for tick in 0..300_u16 {
        let wave = |period: f32, depth: f32| 1.0 + depth * (f32::from(tick) / period).sin();
        let throughput: f32 = state
            .domain
            .sessions
            .iter()
            .filter_map(|session| session.throughput.window(300 - usize::from(tick), 0).next().flatten())
            .sum();
        let machine = &mut state.domain.machine;
        machine.throughput.push(Some(throughput));
        machine.power.push(Some(150.0 * wave(11.0, 0.15)));
        machine.cpu.push(Some(60.0 * wave(9.0, 0.3)));
        machine.memory.push(Some(18.3e9 * wave(40.0, 0.02)));
        machine.gpu.push(Some(88.0 * wave(7.0, 0.1)));
        machine.disk.push(Some(60e6 * wave(13.0, 0.9)));
        machine.network.push(Some(2e6 * wave(17.0, 0.8)));
        machine.held.push(Some(held));
        machine.temperature.push(Some(71.0 * wave(60.0, 0.1)));
        for (ring, celsius) in machine.sensors.iter_mut().map(|(_, ring)| ring).zip([71.0, 68.0, 44.0]) {
            ring.push(Some(celsius * wave(60.0, 0.1)));
        }
    }
    state
}

/// The same workstation with many long conversations, all of them growing.
pub fn crowded(n_sessions: u64, tokens: usize) -> State {
    let mut state = busy();
    let Some(model) = state.domain.library.models.first().cloned() else { return state };
    state.domain.sessions = (1..=n_sessions)
        .map(|id| {
            let mut session = session(&state, id, &model, &PhaseSnapshot::Busy { generation: id, step: Step::Answer });
            session.name = format!("{} {id}", model.name);
            session.turns = (0..20)
                .map(|index| turn(if index % 2 == 0 { Role::User } else { Role::Assistant }, &prose(tokens / 20)))
                .collect();
            if let Some((last, request)) = session.turns.pop().zip(session.requests.last_mut()) {
                request.answer = Turn { end: None, ..last };
            }
            session
        })
        .collect();
    state.ui.fleet.rows = state.domain.sessions.iter().map(|session| session.id).collect();
    state
}

/// So many words, in paragraphs.
fn prose(words: usize) -> String {
    const WORDS: [&str; 12] =
        ["the", "ship", "answers", "slowly", "to", "her", "helm", "when", "the", "swell", "runs", "north-westerly,"];
    let mut text = String::new();
    for index in 0..words {
        text.push_str(WORDS[(index * 7 + index / 5) % WORDS.len()]);
        text.push(if index % 90 == 89 { '\n' } else { ' ' });
    }
    text
}

/// A library of every kind of model, no session, a machine without power sensors.
pub fn with_models() -> State {
    let mut state = empty();
    state.domain.library.models = models().into_iter().map(Arc::new).collect();
    let models = state.domain.library.models.clone();
    state.domain.library.openness.refresh(&models, &models);
    state.ui.library.rows = (0..state.domain.library.models.len()).collect();
    state.domain.library.measured.insert("hf:Qwen/Qwen3-8B-GGUF/qwen3-8b".to_owned(), 42.7);
    state.domain.library.took = Some(Duration::from_millis(131));
    state.domain.library.stores = vec![
        StoreStatus {
            store: Store::Starter,
            engine: None,
            place: String::new(),
            n_models: 1,
            broken_manifests: 0,
            problems: vec![],
        },
        StoreStatus {
            store: Store::HuggingFace,
            engine: None,
            place: "~/.cache/huggingface/hub".to_owned(),
            n_models: 6,
            broken_manifests: 0,
            problems: vec![],
        },
        StoreStatus {
            store: Store::Folder,
            engine: None,
            place: "/srv/models".to_owned(),
            n_models: 3,
            broken_manifests: 0,
            problems: vec!["/srv/models/private: permission denied".to_owned()],
        },
    ];
    state.domain.machine.sample = Some(Box::new(sample(false)));
    state
}

fn turn(role: Role, text: &str) -> Turn {
    let end = (role == Role::Assistant).then_some(End::Finished(Finish::Stop));
    Turn { end, ..Turn::new(role, text.to_owned()) }
}

fn figures(n_generated: u32, n_reasoning: u32, rate: u32, joules: f64) -> Figures {
    Figures {
        counters: Counters {
            n_prompt: 148,
            prompt_us: 160_000,
            ttft_us: Some(184_000),
            n_generated,
            n_reasoning,
            generation_us: u64::from(n_generated) * 1_000_000 / u64::from(rate),
            decode_us: 6_900_000,
            n_past: 2_130,
            n_shifted: 0,
            engine_ttft_us: None,
            n_decodes: 0,
        },
        n_cached: 96,
        threads: 4,
        sampling: Sampling::default(),
        energy: Figure::Known {
            value: Joules(joules),
            grade: Grade::Apportioned,
            source: "NVML, powercap package-0".to_owned(),
        },
        request: RequestId::default(),
        energy_account: energy::energy_account(joules, f64::from(n_generated) / f64::from(rate)),
        metered: Duration::from_secs(7),
        is_settled: true,
    }
}

#[expect(clippy::too_many_lines, reason = "one session, field by field")]
fn session(state: &State, id: u64, model: &Arc<Model>, phase: &PhaseSnapshot) -> Session {
    let name = model.name.clone();
    let mut session = Session::new(
        SessionId(id),
        WorkerId(id),
        model.clone(),
        name,
        SessionSettings { context: 16_384, ..SessionSettings::default() },
        state.domain.history(),
    );
    let size = model.size;
    session.since = Moment { uptime: Duration::from_mins(9), unix: NOW - 60 };
    session.planned =
        MemoryEstimate { weights: size, context: Bytes(size.0 / 5), compute: gb(3), ..MemoryEstimate::default() };
    session.log = vec![
        "llama_model_loader: loaded meta data with 32 key-value pairs and 399 tensors".to_owned(),
        "load_tensors: offloaded 37/37 layers to GPU".to_owned(),
        "llama_context: n_ctx = 16384".to_owned(),
    ];
    // Its weights are on the card, but for the part that stays in the file.
    let (mapped, held) = (Bytes(size.0 / 10), Bytes(90_000_000));
    session.gpu_memory = Some(Bytes(size.0 + size.0 / 5 + 490_000_000));
    match phase {
        PhaseSnapshot::Loading { .. } | PhaseSnapshot::Failed { .. } | PhaseSnapshot::Queued => {
            session.gpu_memory = None;
        }
        _ => {
            session.pid = Some(4000 + id as u32);
            session.process = Some(Process {
                pid: 4000 + id as u32,
                cores: 1.4,
                cpu_share: Some(Ratio(0.3)),
                cpu_seconds: Some(30.0),
                resident: mapped + held,
                anonymous: held,
                swapped: Bytes(0),
                shared: Some(Bytes(2_400_000)),
                proportional: Some(mapped + held),
            });
            session.loaded = Some(Box::new(Loaded {
                n_ctx: 16_384,
                n_ctx_train: 40_960,
                n_gpu_layers: 37,
                n_layers: 37,
                ledger: Ledger {
                    devices: vec![
                        DeviceMemory {
                            device: "CPU_Mapped".to_owned(),
                            weights: size.0 / 10,
                            context: 0,
                            compute: 24_000_000,
                        },
                        DeviceMemory {
                            device: "CUDA0".to_owned(),
                            weights: size.0,
                            context: size.0 / 5,
                            compute: 304_000_000,
                        },
                    ],
                },
                has_template: true,
                embeds_only: false,
                sampling: Sampling::default(),
                load_us: 2_300_000,
                load_cpu_us: None,
            }));
        }
    }
    let (phase, running) = phase.split();
    session.phase = phase;
    let is_busy = running.is_some();
    if let Some((request, step)) = running {
        talk(&mut session, id, (RequestId(request), step));
    }
    for tick in 0..300_u64 {
        let wave = 1.0 + 0.2 * ((tick * id) as f32 / 7.0).sin();
        let works = is_busy && ((tick + 20) / 40) % 4 != id % 4;
        session.throughput.push(Some(if works { wave * 43.0 * id.min(3) as f32 } else { 0.0 }));
        session.memory.push(session.memory_held().map(|bytes| bytes.0 as f32));
        session.power.push(Some(if works { wave * 70.0 / id as f32 } else { 1.0 }));
    }
    if session.process.is_some() {
        let watts = Watts(if is_busy { 118.0 / id as f64 } else { 1.2 });
        session.watts = Figure::Known { value: watts, grade: Grade::Apportioned, source: "NVML".to_owned() };
    }
    session
}

fn talk(session: &mut Session, id: u64, (request, step): (RequestId, Step)) {
    session.threads = 2;
    session.n_past = 2_130 / id as u32;
    session.n_generated = 4_812;
    session.n_prompt = 2_400;
    session.energy_account = energy::energy_account(12_500.0 / id as f64, 112.0);
    let mut first = turn(
        Role::Assistant,
        "Sunlight is scattered by the molecules of the air, and blue light far more than red, since scattering grows with the fourth power of the frequency.\n\nSo the blue reaches your eye from every direction:\n\n1. the sky looks blue,\n2. the sun itself looks yellowish.",
    );
    "The user asks about the sky. Rayleigh scattering it is. Keep it short.".clone_into(&mut first.reasoning);
    first.figures = Some(figures(312, 214, 43, 812.0));
    let mut last = turn(
        Role::Assistant,
        if id == 1 {
            "At sunset the light crosses far more air, so that most of the blue is scattered out of the way before"
        } else {
            ""
        },
    );
    last.reasoning = if id == 1 {
        String::new()
    } else {
        "Wait, the user wants to know about sunsets. The path is longer".to_owned()
    };
    last.end = None;
    last.figures = Some(figures(41, 20, 43, 90.0));
    session.turns = vec![turn(Role::User, "Why is the sky blue?"), first, turn(Role::User, "And at sunset?")];
    let mut asked = Request::new(request, Client::Chat, session.turns.clone(), session.since);
    asked.stage = Stage::Running(step);
    asked.figures = figures(312, 214, 43 * id as u32, 812.0 / id as f64);
    asked.figures.request = request;
    asked.answer = last;
    session.requests = vec![asked];
}
