//! A state to draw in tests, benches and the gallery: a workstation with sessions in every phase. Figures are invented
//! and the same each time.

use std::sync::Arc;
use std::time::Duration;

use gguf::{Kind, LayerCache, SamplingDefaults, Shape, Summary, TypeShare};
use wire::{Counters, DeviceMemory, Finish, Ledger, Loaded, Role, Sampling};

use crate::core::State;
use crate::core::event::{Moment, StoreStatus};
use crate::core::figure::{Figure, Grade};
use crate::core::machine::{Core, Disk, Domain, Gpu, Host, Memory, Power, Process, Sample, Source, Temperature};
use crate::core::model::{Model, ModelFile, Status, Store};
use crate::core::session::{End, Figures, Phase, Plan, Session, SessionId, Step, Turn, WorkerId};
use crate::core::settings::{SessionSettings, Settings};
use crate::core::state::Screen;
use crate::core::units::{Bytes, Celsius, Joules, Ratio, Watts};

#[path = "fixture_scenes.rs"]
mod scenes;

pub use scenes::{SCENES, scene};

/// The wall clock of the fixture.
const NOW: i64 = 1_764_000_000;

const fn gb(tenths: u64) -> Bytes {
    Bytes(tenths * 100_000_000)
}

/// A state before anything is known: no model, no session, no sample.
pub fn empty() -> State {
    let themes = ["dark", "light", "logbook", "mono", "terminal"].map(str::to_owned).to_vec();
    let mut state = State::new(Settings::default(), themes);
    state.settings.budget.reserve = gb(10);
    state.now = Moment { uptime: Duration::from_mins(10), unix: NOW };
    state
}

/// A workstation with a GPU, a library, and sessions in every phase.
pub fn busy() -> State {
    let mut state = with_models();
    state.screen = Screen::Fleet;
    state.machine.sample = Some(Box::new(sample(true)));
    let named = |state: &State, name: &str| state.library.models.iter().find(|m| m.name == name).cloned();
    for (index, (name, phase)) in [
        ("qwen3-8b", Phase::Busy { generation: 7, step: Step::Answer }),
        ("r1-qwen-1.5b", Phase::Busy { generation: 3, step: Step::Reasoning }),
        ("smollm2-135m", Phase::Ready),
        ("gemma-3-4b", Phase::Loading { fraction: 0.63 }),
        ("mistral-7b", Phase::Failed { reason: "worker killed by signal 9".to_owned(), hint: None }),
    ]
    .into_iter()
    .enumerate()
    {
        if let Some(model) = named(&state, name) {
            let session = session(&state, index as u64 + 1, &model, phase);
            state.fleet.sessions.push(session);
        }
    }
    state.fleet.rows = state.fleet.sessions.iter().map(|session| session.id).collect();
    state.fleet.chosen = state.fleet.rows.first().copied();
    for tick in 0..300_u16 {
        let wave = |period: f32, depth: f32| 1.0 + depth * (f32::from(tick) / period).sin();
        let throughput: f32 = state
            .fleet
            .sessions
            .iter()
            .filter_map(|session| session.throughput.window(300 - usize::from(tick), 0).next().flatten())
            .sum();
        let machine = &mut state.machine;
        machine.throughput.push(Some(throughput));
        machine.power.push(Some(150.0 * wave(11.0, 0.15)));
        machine.cpu.push(Some(60.0 * wave(9.0, 0.3)));
        machine.memory.push(Some(18.3e9 * wave(40.0, 0.02)));
    }
    state
}

/// The same workstation with many long conversations, all of them growing.
pub fn crowded(n_sessions: u64, tokens: usize) -> State {
    let mut state = busy();
    let Some(model) = state.library.models.first().cloned() else { return state };
    state.fleet.sessions = (1..=n_sessions)
        .map(|id| {
            let mut session = session(&state, id, &model, Phase::Busy { generation: id, step: Step::Answer });
            session.name = format!("{} {id}", model.name);
            session.turns = (0..20)
                .map(|index| turn(if index % 2 == 0 { Role::User } else { Role::Assistant }, &prose(tokens / 20)))
                .collect();
            if let Some(last) = session.turns.last_mut() {
                last.end = None;
            }
            session
        })
        .collect();
    state.fleet.rows = state.fleet.sessions.iter().map(|session| session.id).collect();
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
    state.library.models = models().into_iter().map(Arc::new).collect();
    state.library.rows = (0..state.library.models.len()).collect();
    state.library.measured.insert("hf:Qwen/Qwen3-8B-GGUF/qwen3-8b".to_owned(), 42.7);
    state.library.took = Some(Duration::from_millis(131));
    state.library.stores = vec![
        StoreStatus { store: Store::Starter, place: String::new(), n_models: 1, problems: vec![] },
        StoreStatus {
            store: Store::HuggingFace,
            place: "~/.cache/huggingface/hub".to_owned(),
            n_models: 6,
            problems: vec![],
        },
        StoreStatus {
            store: Store::Folder,
            place: "/srv/models".to_owned(),
            n_models: 3,
            problems: vec!["/srv/models/private: permission denied".to_owned()],
        },
    ];
    state.machine.sample = Some(Box::new(sample(false)));
    state
}

fn models() -> Vec<Model> {
    let good = |name: &str, repository: &str, params: u64, size: u64, quant: &str, layers: u64, kv: u32| {
        let mut model = Model {
            id: format!("hf:{repository}/{name}"),
            name: name.to_owned(),
            store: Store::HuggingFace,
            repository: Some(repository.to_owned()),
            files: vec![ModelFile {
                path: format!("/home/ada/.cache/huggingface/hub/{name}.gguf").into(),
                size: gb(size),
                modified: NOW - 90_000,
            }],
            size: gb(size),
            status: Status::Runnable,
            used: Some(NOW - 7200 * layers.cast_signed()),
            summary: Some(summary(name, params, gb(size), quant, layers, kv)),
            note: None,
        };
        if let Some(summary) = &mut model.summary {
            summary.thinks = name.contains("r1") || name.contains("qwen3");
        }
        model
    };
    let bad = |name: &str, size: u64, status: Status| Model {
        id: format!("folder:/srv/models/{name}"),
        name: name.to_owned(),
        store: Store::Folder,
        repository: None,
        files: vec![ModelFile { path: format!("/srv/models/{name}").into(), size: gb(size), modified: NOW - 400_000 }],
        size: gb(size),
        status,
        used: None,
        summary: None,
        note: None,
    };
    let mut starter = good("ishmael-4m", "starter", 4_200_000, 0, "F16", 4, 192);
    "starter:ishmael-4m".clone_into(&mut starter.id);
    starter.store = Store::Starter;
    starter.repository = None;
    starter.size = Bytes(8_400_000);
    starter.files = vec![ModelFile { path: "".into(), size: Bytes(8_400_000), modified: NOW }];
    starter.note = Some(
        "Writes sea prose, not answers: it shows that everything works. `hf download` fetches a useful model."
            .to_owned(),
    );
    let mut split =
        good("DeepSeek-V3-0324", "unsloth/DeepSeek-V3-0324-GGUF", 671_000_000_000, 2120, "Q2_K_XL", 61, 576);
    split.status = Status::Incomplete { found: 12, count: 15 };
    split.used = None;
    vec![
        good("qwen3-8b", "Qwen/Qwen3-8B-GGUF", 8_190_000_000, 50, "Q4_K_M", 36, 1024),
        good("r1-qwen-1.5b", "unsloth/DeepSeek-R1-Distill-Qwen-1.5B-GGUF", 1_780_000_000, 11, "Q4_K_M", 28, 256),
        good("smollm2-135m", "HuggingFaceTB/SmolLM2-135M-Instruct-GGUF", 135_000_000, 1, "Q4_1", 30, 192),
        good("gemma-3-4b", "ggml-org/gemma-3-4b-it-GGUF", 3_880_000_000, 25, "Q4_K_M", 34, 1024),
        good("mistral-7b", "mistralai/Mistral-7B-Instruct-v0.3", 7_250_000_000, 44, "Q4_K_M", 32, 1024),
        good(
            "Llama-3.3-70B-Instruct",
            "bartowski/Llama-3.3-70B-Instruct-GGUF",
            70_600_000_000,
            425,
            "Q4_K_M",
            80,
            1024,
        ),
        split,
        starter,
        bad("broken.gguf", 11, Status::Damaged("cut off at tensor 131 of 272".to_owned())),
        bad("mmproj-gemma-3-4b", 8, Status::NotAModel("a vision projector, used beside its model".to_owned())),
    ]
}

fn summary(name: &str, parameters: u64, size: Bytes, quant: &str, layers: u64, kv: u32) -> Summary {
    let share = |name: &str, n_tensors, part: u64| TypeShare {
        name: name.to_owned(),
        n_tensors,
        parameters: parameters * part / 100,
        bytes: Some(size.0 * part / 100),
    };
    Summary {
        kind: Kind::Model,
        name: Some(name.to_owned()),
        architecture: Some(if name.contains("qwen") { "qwen3" } else { "llama" }.to_owned()),
        parameters,
        tensor_bytes: size.0,
        bits_per_weight: Some(size.0 as f64 * 8.0 / parameters as f64),
        quant: Some(quant.to_owned()),
        types: vec![share("Q4_K", 217, 71), share("Q6_K", 37, 28), share("F32", 145, 1)],
        context_length: Some(if layers == 4 { 512 } else { 40_960 }),
        block_count: Some(layers),
        embedding_length: Some(4096),
        head_count: Some(32),
        head_count_kv: Some(8),
        experts: None,
        vocabulary: Some(151_936),
        tokenizer: Some("gpt2".to_owned()),
        has_chat_template: layers > 4,
        thinks: false,
        tools: layers > 30,
        license: Some("apache-2.0".to_owned()),
        size_label: None,
        quantized_by: None,
        base_models: vec!["Qwen/Qwen3-8B-Base".to_owned()],
        datasets: vec![],
        sampling: SamplingDefaults::default(),
        part: None,
        shape: Shape {
            layers: vec![LayerCache::Attention { k: kv, v: kv, window: None }; layers as usize],
            feed_forward_length: 12_288,
        },
    }
}

fn turn(role: Role, text: &str) -> Turn {
    let end = (role == Role::Assistant).then_some(End::Finished(Finish::Stop));
    Turn { role, text: text.to_owned(), reasoning: String::new(), folded: true, end, figures: None }
}

fn figures(n_generated: u32, n_reasoning: u32, rate: u32, joules: f64) -> Figures {
    Figures {
        counters: Counters {
            n_prompt: 148,
            prompt_us: 160_000,
            ttft_us: 184_000,
            n_generated,
            n_reasoning,
            generation_us: u64::from(n_generated) * 1_000_000 / u64::from(rate),
            decode_us: 6_900_000,
            n_past: 2_130,
        },
        n_cached: 96,
        sampling: Sampling::default(),
        energy: Figure::Known {
            value: Joules(joules),
            grade: Grade::Apportioned,
            source: "NVML, powercap package-0".to_owned(),
        },
        metered: Duration::from_secs(7),
    }
}

fn session(state: &State, id: u64, model: &Arc<Model>, phase: Phase) -> Session {
    let name = model.name.clone();
    let mut session = Session::new(
        SessionId(id),
        WorkerId(id),
        model.clone(),
        name,
        SessionSettings { context: 16_384, ..SessionSettings::default() },
        state.history(),
    );
    let size = model.size;
    session.since = Moment { uptime: Duration::from_mins(9), unix: NOW - 60 };
    session.planned = Plan { weights: size, context: Bytes(size.0 / 5), compute: gb(3) };
    session.log = vec![
        "llama_model_loader: loaded meta data with 32 key-value pairs and 399 tensors".to_owned(),
        "load_tensors: offloaded 37/37 layers to GPU".to_owned(),
        "llama_context: n_ctx = 16384".to_owned(),
    ];
    let held = Bytes((size.0 as f64 * 1.2) as u64);
    match &phase {
        Phase::Loading { .. } | Phase::Failed { .. } | Phase::Queued => {}
        _ => {
            session.process = Some(Process {
                pid: 4000 + id as u32,
                cores: 1.4,
                cpu_share: Ratio(0.3),
                resident: held,
                anonymous: Bytes(held.0 / 6),
                swapped: Bytes(0),
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
                sampling: Sampling::default(),
                load_us: 2_300_000,
            }));
        }
    }
    let is_busy = matches!(phase, Phase::Busy { .. });
    session.phase = phase;
    if is_busy {
        talk(&mut session, id);
    }
    for tick in 0..300_u64 {
        let wave = 1.0 + 0.2 * ((tick * id) as f32 / 7.0).sin();
        let works = is_busy && ((tick + 20) / 40) % 4 != id % 4;
        session.throughput.push(Some(if works { wave * 43.0 * id.min(3) as f32 } else { 0.0 }));
        session.memory.push(session.process.map(|process| process.resident.0 as f32));
        session.power.push(Some(if works { wave * 70.0 / id as f32 } else { 1.0 }));
    }
    if session.process.is_some() {
        let watts = Watts(if is_busy { 118.0 / id as f64 } else { 1.2 });
        session.watts = Figure::Known { value: watts, grade: Grade::Apportioned, source: "NVML".to_owned() };
    }
    session
}

fn talk(session: &mut Session, id: u64) {
    session.threads = 2;
    session.n_past = 2_130 / id as u32;
    session.n_generated = 4_812;
    session.figures = figures(312, 214, 43 * id as u32, 812.0 / id as f64);
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
    last.folded = false;
    last.end = None;
    last.figures = Some(figures(41, 20, 43, 90.0));
    session.turns = vec![turn(Role::User, "Why is the sky blue?"), first, turn(Role::User, "And at sunset?"), last];
}

/// One tick of a workstation; with a GPU and energy counters, or with nothing that measures power.
fn sample(metered: bool) -> Sample {
    let known =
        |value: &str| Figure::Known { value: value.to_owned(), grade: Grade::Measured, source: "fixture".to_owned() };
    let source = |name: &str, covers: &str, reading| Source {
        name: name.to_owned(),
        covers: covers.to_owned(),
        reading,
        period: Duration::from_secs(1),
        age: Duration::from_millis(12),
    };
    let missing = |reason: &str, remedy: &str| Figure::Unknown {
        reason: reason.to_owned(),
        remedy: (!remedy.is_empty()).then(|| remedy.to_owned()),
    };
    let denied = missing(
        "energy counters may only be read by root",
        "sudo chmod o+r /sys/class/powercap/intel-rapl:*/energy_uj",
    );
    let no_gpu = missing("no NVIDIA driver is loaded", "");
    let mut sources = vec![
        source("sysinfo", "processor, memory, disks", known("16 cores, 3 disks")),
        source("hwmon", "temperatures", known("2 sensors")),
        source("powercap", "processor energy", if metered { known("34.2 W") } else { denied.clone() }),
        source("nvml", "NVIDIA GPUs: power, memory", if metered { known("143 W, 1 GPU") } else { no_gpu.clone() }),
        source("battery", "whole machine, discharging", missing("no battery is discharging", "")),
    ];
    if let Some(slow) = sources.get_mut(1) {
        slow.age = Duration::from_millis(4200);
    }
    let watts = |value: f64, source: &str| Figure::measured(Watts(value), source);
    let package = if metered { watts(34.2, "powercap package-0") } else { denied.map(|_: String| Watts(0.0)) };
    let power = |domain, name: &str, watts| Power { domain, name: name.to_owned(), watts, energy: None, adds: true };
    let mut domains = vec![power(Domain::Package(0), "package-0", package)];
    let mut gpus = Vec::new();
    if metered {
        domains.push(power(Domain::Gpu(0), "GPU 0", watts(143.0, "nvml")));
        gpus.push(Gpu {
            index: 0,
            name: "NVIDIA GeForce RTX 3090".to_owned(),
            usage: Figure::measured(Ratio(0.88), "nvml"),
            memory_total: gb(240),
            memory_used: gb(191),
            temperature: Some(Celsius(71.0)),
            processes: vec![],
        });
    }
    Sample {
        at: Moment { uptime: Duration::from_mins(10), unix: NOW },
        elapsed: Duration::from_secs(1),
        host: Host {
            name: "bounty".to_owned(),
            processor: "AMD Ryzen 7 5800X 8-Core Processor".to_owned(),
            system: "Debian GNU/Linux 13".to_owned(),
        },
        cpu: Ratio(0.71),
        cores: (0..16)
            .map(|index| Core {
                usage: Ratio(f64::from(index * 37 % 101) / 100.0),
                mhz: Some(3400 + 57 * u64::from(index as u32)),
            })
            .collect(),
        memory: Memory { total: gb(640), available: gb(457), used: gb(183), swap_total: gb(80), swap_used: Bytes(0) },
        disks: vec![
            Disk {
                name: "nvme0n1p2".to_owned(),
                mount: "/".to_owned(),
                total: gb(5000),
                free: gb(1240),
                read: gb(1),
                written: Bytes(640_000),
            },
            Disk {
                name: "sda1".to_owned(),
                mount: "/srv/models".to_owned(),
                total: gb(40_000),
                free: gb(1800),
                read: Bytes(0),
                written: Bytes(0),
            },
        ],
        temperatures: vec![
            Temperature { label: "Tctl".to_owned(), celsius: Celsius(68.0), critical: Some(Celsius(95.0)) },
            Temperature { label: "nvme".to_owned(), celsius: Celsius(44.0), critical: Some(Celsius(85.0)) },
        ],
        gpus,
        power: domains,
        processes: vec![],
        own: Process {
            pid: 3999,
            cores: 0.006,
            cpu_share: Ratio(0.0),
            resident: Bytes(31_000_000),
            anonymous: Bytes(22_000_000),
            swapped: Bytes(0),
        },
        sources,
    }
}
