//! Scenes by name, for snapshots and the gallery.

use std::time::Duration;

use super::{bench, busy, chats, crowded, empty, engines, hub, race, requests, suite, with_models};
use crate::ui::State;
use crate::ui::editor::Editor;
use crate::ui::{FleetSort, Focus, Form, FormPurpose, Notice, Overlay, RecordView, Screen, SessionTab};
use domain::admission::{AdmissionError, MemoryEstimate};
use domain::command::What;
use domain::energy::Idle;
use domain::machine::Process;
use domain::machine::other_processes::OtherProcess;
use domain::requests::RequestSort;
use domain::session::{Phase, SessionId};
use domain::settings::{ChatSettings, SessionSettings};
use domain::units::{Bytes, Ratio};

/// All scenes.
pub const SCENES: [&str; 63] = [
    "race",
    "race-running",
    "race-ready",
    "race-empty",
    "race-blind",
    "race-vote",
    "race-diff",
    "race-lockstep",
    "race-heat",
    "race-leaderboard",
    "fleet",
    "prompt",
    "figures",
    "memory",
    "log",
    "frozen",
    "fleet-empty",
    "unmetered",
    "crowded",
    "foreign",
    "library",
    "library-filter",
    "library-empty",
    "hub-empty",
    "hub",
    "hub-quants",
    "hub-downloads",
    "hub-failed",
    "bench-empty",
    "bench",
    "history",
    "record",
    "record-race",
    "record-bench",
    "record-chat",
    "suites",
    "suite-running",
    "suite",
    "context-full",
    "chats",
    "zoomed",
    "form-live",
    "machine",
    "machine-unmetered",
    "machine-calibrating",
    "help",
    "palette",
    "confirm",
    "refused",
    "form",
    "start",
    "usage",
    "plan",
    "split",
    "cursor",
    "fleet-filter",
    "requests",
    "requests-filter",
    "requests-empty",
    "top",
    "top-sessions",
    "engines",
    "engine",
];

/// The scene of this name.
#[expect(clippy::too_many_lines, reason = "one arm for each scene, and none is long")]
pub fn scene(name: &str) -> Option<State> {
    let mut state = match name {
        "fleet"
        | "prompt"
        | "figures"
        | "memory"
        | "log"
        | "frozen"
        | "unmetered"
        | "machine"
        | "machine-calibrating"
        | "help"
        | "palette"
        | "confirm"
        | "split"
        | "cursor"
        | "fleet-filter"
        | "top-sessions"
        | "context-full"
        | "zoomed"
        | "form-live"
        | "engines"
        | "engine"
        | "foreign" => busy(),
        "top" | "fleet-empty" | "library" | "library-filter" | "machine-unmetered" | "refused" | "form" | "usage"
        | "plan" | "requests-empty" => with_models(),
        "crowded" => crowded(8, 10_000),
        "library-empty" | "start" => empty(),
        "bench-empty" => bench::empty(),
        "bench" => bench::done(),
        "history" | "record" | "record-race" | "record-bench" | "record-chat" => bench::history(),
        "chats" => chats::list(),
        "suites" => suite::list(),
        "suite-running" => suite::running(),
        "suite" => suite::done(),
        "requests" | "requests-filter" => requests::list(),
        "hub-empty" => hub::empty(),
        "hub" => hub::found(),
        "hub-quants" => hub::quants(),
        "hub-downloads" => hub::downloads(),
        "hub-failed" => hub::failed(),
        "race-empty" => race::empty(),
        "race-ready" => race::ready(),
        "race-running" => race::running(),
        "race" => race::over(),
        "race-blind" => race::blind(),
        "race-vote" => race::voting(),
        "race-lockstep" => race::lockstep(),
        "race-heat" => race::heat(),
        "race-diff" => race::diff(),
        "race-leaderboard" => race::leaderboard(),
        _ => return None,
    };
    match name {
        "prompt" => {
            state.ui.fleet.focus = Focus::Prompt;
            state
                .ui
                .fleet
                .prompts
                .insert(SessionId(1), Editor::with_text("And why is it red\nwhen the moon is eclipsed? 月食について"));
        }
        "figures" => state.ui.fleet.tab = SessionTab::Figures,
        "memory" => state.ui.fleet.tab = SessionTab::Memory,
        "log" => state.ui.fleet.tab = SessionTab::Log,
        "foreign" => with_others(&mut state),
        "engines" | "engine" => {
            engines::add(&mut state);
            if name == "engine" {
                state.ui.fleet.tab = SessionTab::Figures;
            }
        }
        "frozen" => state.ui.machine.frozen = Some(75),
        "fleet-empty" => state.ui.screen = Screen::Fleet,
        "unmetered" => without_meters(&mut state),
        "library-filter" => {
            state.ui.library.filtering = true;
            state.ui.library.filter = Editor::with_text("qwen");
            state.ui.library.rows = vec![0, 1];
            state.ui.library.chosen = 1;
            state.domain.library.scanning = true;
        }
        "requests-filter" => {
            state.ui.requests.filtering = true;
            state.ui.requests.filter = Editor::with_text("laptop tok/s>10");
            (state.ui.requests.sort, state.ui.requests.reverse) = (RequestSort::Ttft, true);
            requests::relist(&mut state);
        }
        "requests-empty" => (state.ui.screen, state.ui.requests.shown) = (Screen::Fleet, true),
        "split" => state.ui.machine.split = true,
        "cursor" => state.ui.machine.cursor = Some(42),
        "fleet-filter" => {
            state.ui.fleet.filtering = true;
            state.ui.fleet.filter = Editor::with_text("qwen tok/s>20");
            state.ui.fleet.sort = FleetSort::PerAnswer;
            let filter = crate::ui::fleet_view::parse(state.ui.fleet.filter.text(), &state.domain.sessions, &[]);
            let (sort, reverse) = (state.ui.fleet.sort, state.ui.fleet.reverse);
            state.ui.fleet.rows = crate::ui::fleet_view::rows(&state.domain.sessions, &filter, sort, reverse);
        }
        "top" | "top-sessions" => {
            with_others(&mut state);
            state.ui.fleet.foreign.chosen = None;
            state.ui.screen = Screen::Top;
        }
        "machine" | "machine-unmetered" => state.ui.screen = Screen::Machine,
        "machine-calibrating" => {
            state.ui.screen = Screen::Machine;
            calibrating(&mut state);
        }
        "record" => {
            let text = "run 12 · why is the sky blue?\nmodel hf:qwen3-8b\n\nuser\nwhy is the sky blue?\n\nanswer\nSunlight is scattered by the molecules of the air, and blue light far more than red.\n";
            state.ui.overlay = Some(Overlay::Record {
                title: "run 12".to_owned(),
                text: text.repeat(9),
                view: RecordView::Text,
                scroll: 0,
            });
        }
        "record-race" => state.ui.overlay = Some(chats::race()),
        "record-bench" => state.ui.overlay = Some(chats::bench()),
        "record-chat" => state.ui.overlay = Some(chats::conversation()),
        "zoomed" => {
            state.ui.fleet.is_zoomed = true;
            state.ui.fleet.chosen = state.domain.sessions.first().map(|session| session.id);
        }
        "form-live" => {
            if let Some(session) = state.domain.sessions.first() {
                let (model, purpose) = (session.model.id.clone(), FormPurpose::Session(session.id));
                let form = Form::new(model, session.settings, session.chat.clone(), purpose);
                state.ui.overlay = Some(Overlay::Form(Box::new(form)));
            }
        }
        "context-full" => {
            if let Some(session) = state.domain.sessions.first_mut() {
                let more = session.turns.clone();
                session.n_dropped = more.len();
                session.turns.extend(more);
            }
        }
        "help" => state.ui.overlay = Some(Overlay::Help { scroll: 0 }),
        "palette" => state.ui.overlay = Some(Overlay::Palette { input: Editor::with_text("th"), chosen: 1 }),
        "confirm" => {
            state.ui.overlay = Some(Overlay::Confirm {
                question: "qwen3-8b is answering. Stop it?".to_owned(),
                then: What::StopSession(SessionId(1)).into(),
            });
        }
        "refused" => state.ui.overlay = Some(refused(&state)),
        "form" => {
            let mut form = Form {
                model: state.domain.library.models.first().map(|model| model.id.clone()).unwrap_or_default(),
                settings: SessionSettings::default(),
                chat: ChatSettings::default(),
                purpose: FormPurpose::Start,
                chosen: 0,
                input: Editor::default(),
                is_fresh: false,
                error: None,
            };
            form.chosen = form.fields().iter().position(|field| field.name == "cache_type_k").unwrap_or(0);
            form.input = Editor::with_text("q6_k");
            form.take();
            state.ui.overlay = Some(Overlay::Form(Box::new(form)));
        }
        "usage" | "plan" => {
            super::cleanup::look(&mut state);
            if name == "plan" {
                state.ui.overlay = Some(super::cleanup::question(&state));
            }
        }
        "start" => {
            state.domain.library.scanning = true;
            state.ui.notices.push_back(Notice {
                text: "config.toml:3: `thems` is not a setting; did you mean `theme`?".to_owned(),
                is_error: true,
                at: state.domain.now,
                actions: &[],
            });
        }
        _ => {}
    }
    Some(state)
}

fn refused(state: &State) -> Overlay {
    Overlay::Refused {
        model: state.domain.library.models.get(5).map(|model| model.id.clone()).unwrap_or_default(),
        settings: Box::new(SessionSettings::default()),
        refusal: AdmissionError {
            needed: MemoryEstimate {
                weights: Bytes(42_500_000_000),
                context: Bytes(2_680_000_000),
                compute: Bytes(680_000_000),
                ..MemoryEstimate::default()
            },
            free: Bytes(39_600_000_000),
            available: Bytes(45_700_000_000),
            promised: Bytes(5_100_000_000),
            others: Bytes(0),
            reserve: Bytes(1_000_000_000),
        },
    }
}

/// Other programs beside the sessions, one of them chosen, and a session that did not get to its GPU.
fn with_others(state: &mut State) {
    let foreign = |pid: u32, engine: &str, model: Option<&str>, cores: f64, resident: u64, gpu: Option<u64>| {
        let (resident, anonymous) = (Bytes(resident), Bytes(600_000_000));
        let cpu_share = Some(Ratio(cores / 12.0));
        let process = Process { pid, cores, cpu_share, resident, anonymous, ..Process::default() };
        OtherProcess {
            process,
            started: u64::from(pid),
            engine: engine.to_owned(),
            model: model.map(str::to_owned),
            name: None,
            mapped: Bytes(2_000_000_000),
            gpu_memory: gpu.map(Bytes),
            closed: false,
        }
    };
    let blob = "/usr/share/ollama/.ollama/models/blobs/sha256-dde5aa3fc5ffc17176b5e8bdc82f587b24b2678c6c66101bf7da77af9f7ccdff";
    let domain: &mut domain::Domain = &mut state.domain;
    if let Some(sample) = &mut domain.machine.sample {
        let mut ollama = foreign(5120, "ollama runner", Some(blob), 0.37, 2_600_000_000, Some(400_000_000));
        ollama.name = Some("llama3.2:3b".to_owned());
        let gemma = Some("/srv/models/gemma-3-4b-it-Q4_K_M.gguf");
        sample.foreign = vec![
            ollama,
            foreign(5311, "python train.py", None, 1.92, 900_000_000, None),
            foreign(5422, "llama-server", gemma, 0.81, 2_400_000_000, None),
        ];
        let ids: Vec<_> = sample.foreign.iter().map(OtherProcess::id).collect();
        state.ui.fleet.foreign.chosen = ids.first().copied();
        state.ui.fleet.foreign.rows = ids;
        // What goes to whom stays as it is.
        let (elapsed, tally) = (sample.elapsed, domain.attribution.tally);
        domain.attribution.tick(sample, &[], elapsed);
        domain.attribution.tally = tally;
    }
    state.ui.fleet.chosen = None;
    let Some(session) = state.domain.sessions.get_mut(2) else { return };
    session.gpu_memory = None;
    if let Some((loaded, process)) = session.loaded.as_mut().zip(session.process.as_mut()) {
        loaded.n_gpu_layers = 0;
        loaded.ledger.devices.truncate(1);
        if let Some(device) = loaded.ledger.devices.first_mut() {
            device.weights = session.model.size.0;
        }
        process.resident = session.model.size + process.anonymous;
    }
}

/// A third of a calibration, while no session answers.
fn calibrating(state: &mut State) {
    for session in state.domain.sessions.iter_mut().filter(|session| session.is_busy()) {
        session.phase = Phase::Ready;
        for request in &mut session.requests {
            request.stage = domain::request::Stage::Ended;
            session.turns.push(request.answer.clone());
        }
    }
    let now = state.domain.now.uptime;
    state.domain.attribution.baselines.calibrate(Idle::Loaded, now);
    if let Some(calibration) = &mut state.domain.attribution.baselines.calibration {
        calibration.watched = Duration::from_secs(11);
    }
}

/// Sessions on a machine where nothing measures power.
fn without_meters(state: &mut State) {
    state.domain.machine.sample.clone_from(&with_models().domain.machine.sample);
    state.domain.machine.power = domain::ring::Ring::new(600);
    state.domain.attribution = domain::energy::Attribution::default();
    for session in &mut state.domain.sessions {
        session.energy_account = domain::energy::EnergyAccount::default();
        for request in &mut session.requests {
            request.figures.energy_account = domain::energy::EnergyAccount::default();
            request.figures.energy = domain::figure::Figure::unknown("energy counters may only be read by root");
        }
        session.power = domain::ring::Ring::new(600);
        session.watts = domain::figure::Figure::unknown("energy counters may only be read by root");
        for turn in &mut session.turns {
            if let Some(figures) = &mut turn.figures {
                figures.energy = domain::figure::Figure::unknown("energy counters may only be read by root");
                figures.energy_account = domain::energy::EnergyAccount::default();
            }
        }
    }
}
