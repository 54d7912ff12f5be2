//! An answer as a document and as a record: what `run --json` prints and the history keeps.

use wire::{Finish, Role};

use crate::energy::Report;
use crate::figure::{Figure, Graded, UNKNOWN, Uncertain};
use crate::machine::{Sample, driver};
use crate::record::{
    self, AnswerEnergy, Body, Finished, LoadEnergy, Measured, MemoryUse, ModelRef, Provenance, Record, RooflineResult,
    RunDocument, RunRecord, RunSettings, SchemaResult, Series, TokenCounts, TurnRecord,
};
use crate::request::form::Form;
use crate::request::{Client, Figures, Request, Stage};
use crate::session::memory_account::account;
use crate::session::placement::misplaced;
use crate::session::roofline::roofline;
use crate::session::{End, Session, Turn};
use crate::settings::{self, WaitPolicy};
use crate::state::Domain;

/// An answer shorter than this tells little about a model's speed, in tokens.
const MIN_TOKENS_MEASURED: u32 = 16;

/// The longest title, in characters.
const MAX_TITLE: usize = 200;

/// How the last answer ended: the word for programs, and what a person should know.
pub fn finish(request: &Request) -> Option<(&'static str, &'static str)> {
    match request.answer.end.as_ref()? {
        End::Finished(Finish::Stop) => Some(("stop", "")),
        End::Finished(Finish::StopText(_)) => Some(("stop", " · stopped at a stop text")),
        End::Finished(Finish::Length) => Some(("length", " · stopped at the token limit")),
        End::Finished(Finish::ContextFull) => Some(("context_full", " · stopped: the context is full")),
        End::Finished(Finish::Cancelled) => Some(("cancelled", " · cancelled")),
        End::Failed { .. } => None,
    }
}

/// What the last answer breaks of the schema that it was held to, in one clause.
pub fn breach(request: &Request) -> Option<String> {
    let schema = request.form.as_ref()?.schema()?;
    schema.breach(&request.answer.text)
}

/// Why the last answer has no text, in one clause with what could be done; `None` where it has some.
pub fn why_empty(request: &Request) -> Option<String> {
    let turn = &request.answer;
    let Some(End::Finished(finish)) = turn.end.as_ref().filter(|_| turn.text.trim().is_empty()) else { return None };
    let within = !turn.reasoning.trim().is_empty() || request.figures.counters.n_reasoning > 0;
    Some(match (within, finish) {
        (true, Finish::Length) => {
            "the answer ended within its reasoning, at the token limit: a higher --max-tokens leaves room for an answer"
                .to_owned()
        }
        (true, Finish::ContextFull) => {
            "the answer ended within its reasoning: the context is full, and nothing is left for an answer".to_owned()
        }
        (true, _) => "the answer ended within its reasoning".to_owned(),
        (false, Finish::StopText(_)) => "the answer is empty: it began with a stop text".to_owned(),
        (false, Finish::Stop) => "the answer is empty: the model ended its turn at once".to_owned(),
        (false, _) => "the answer is empty".to_owned(),
    })
}

/// Why the last answer failed.
fn error(request: &Request) -> Option<&str> {
    match request.answer.end.as_ref()? {
        End::Failed { reason, .. } => Some(reason),
        End::Finished(_) => None,
    }
}

/// The answer that comes as a record, as if the program ended now.
pub fn draft(domain: &Domain, session: &Session, request: &Request, at: i64) -> Record {
    let mut body = run_record(domain, session, request);
    body.document.finish = Some(Finished::Interrupted);
    // Half a speed compares with nothing.
    kept(session, request, at, body, Vec::new())
}

/// Generation speed of the last answer, where it was long enough to tell, in tokens per second.
pub fn speed(figures: &Figures) -> Option<f64> {
    let counters = &figures.counters;
    counters.generation_rate().filter(|_| counters.n_generated >= MIN_TOKENS_MEASURED)
}

/// The last answer as a document: the schema `taffrail/run/1`.
pub fn document(domain: &Domain, session: &Session, request: &Request) -> RunDocument {
    let counters = &request.figures.counters;
    let turn = &request.answer;
    let was_asked = request.stage != Stage::Queued;
    let loaded = session.loaded.as_ref();
    let finish = if let Some(End::Finished(finish)) = turn.end { Some(finish) } else { None };
    RunDocument {
        model: ModelRef::of(&session.model),
        text: was_asked.then(|| turn.text.clone()),
        reasoning: was_asked.then(|| turn.reasoning.clone()),
        tool_calls: turn.tool_calls.clone(),
        finish: finish.map(Finished::of),
        stopped_at_stop_text: matches!(finish, Some(Finish::StopText(_))),
        json_schema: request.form.as_ref().and_then(Form::schema).map(|schema| {
            let breach = breach(request);
            SchemaResult { obeyed: breach.is_none(), breach, not_held: schema.loose.clone() }
        }),
        error: error(request).map(str::to_owned),
        tokens: TokenCounts {
            prompt: Some(counters.n_prompt),
            cached: Some(request.figures.n_cached),
            generated: Some(counters.n_generated),
            reasoning: Some(counters.n_reasoning),
        },
        load_ms: loaded.map(|loaded| loaded.load_us as f64 / 1e3),
        ttft_ms: counters.ttft_us.map(|micros| micros as f64 / 1e3),
        ttft_engine_ms: counters.engine_ttft_us.map(|micros| micros as f64 / 1e3),
        cost: crate::cost::cost(&session.model, &request.figures),
        prompt_tokens_per_second: counters.prompt_rate(),
        generation_tokens_per_second: counters.generation_rate(),
        memory: memory_use(domain, session),
        roofline: Some(match roofline(domain, session, &request.figures) {
            Ok(roofline) => RooflineResult::Known(roofline),
            Err(reason) => RooflineResult::Unknown { share: None, reason },
        }),
        energy: energy(session, request, &domain.settings.energy),
        settings: RunSettings {
            context: session.known_context(),
            gpu_layers: loaded.map(|loaded| loaded.n_gpu_layers),
            sampling: request.figures.sampling,
        },
        ..RunDocument::default()
    }
}

fn memory_use(domain: &Domain, session: &Session) -> MemoryUse {
    // What an engine elsewhere takes is not reported, and not nothing.
    let loaded = session.loaded.as_ref().filter(|_| session.model.remote.is_none());
    let devices = loaded.map(|loaded| &loaded.ledger.devices);
    let sum = |part: fn(&wire::DeviceMemory) -> u64| devices.map(|all| all.iter().map(part).sum::<u64>());
    MemoryUse {
        weights: sum(|device| device.weights),
        context: sum(|device| device.context),
        compute: sum(|device| device.compute),
        total: session.engine_memory(),
        resident: session.process.map(|process| process.resident),
        devices: devices.cloned(),
        account: account(session),
        misplaced: misplaced(domain, session),
    }
}

/// The energy of the session's last answer, as its document tells it.
pub(crate) fn energy(session: &Session, request: &Request, settings: &settings::Energy) -> AnswerEnergy {
    let report = Report::of_answer(&request.figures, settings);
    let number = |figure: &Figure<Uncertain>| figure.value().map(|quantity| quantity.value);
    // Loading the model is no answer's.
    let load = Graded::of(&session.load.answer(settings, &Figure::unknown("it was not metered")));
    AnswerEnergy {
        joules: number(&report.energy),
        joules_per_token: number(&report.per_token),
        dynamic_joules_per_token: number(&report.dynamic_per_token),
        joules_per_prompt_token: number(&report.per_prompt_token),
        watt_hours: number(&report.watt_hours),
        g_co2e: number(&report.carbon),
        cost: number(&report.cost),
        currency: Some(settings.currency.clone()),
        load: LoadEnergy {
            joules: load.map(|load| load.value),
            grade: load.map_or(UNKNOWN, Graded::word).to_owned(),
            relative_uncertainty: load.and_then(|load| load.relative),
        },
        provenance: Provenance::of(&report),
    }
}

/// An answer as a record, with the conversation before it. `at` is now, milliseconds since 1970.
pub fn record(domain: &Domain, session: &Session, request: &Request, at: i64) -> Record {
    let (wait, sample) = (domain.settings.engine.wait_policy, domain.sample_on(session.machine()));
    let body = run_record(domain, session, request);
    kept(session, request, at, body, vec![measured(session, request, wait, sample)])
}

fn kept(session: &Session, request: &Request, at: i64, body: RunRecord, figures: Vec<Measured>) -> Record {
    let prompt = request.prompt.iter().rev().find(|turn| turn.role == Role::User).map_or("", |turn| turn.text.as_str());
    Record {
        models: vec![session.model.id.clone()],
        figures,
        ..Record::new(at, title(prompt), Body::Run(Box::new(body)))
    }
}

fn run_record(domain: &Domain, session: &Session, request: &Request) -> RunRecord {
    let turns = request.prompt.iter().filter(|turn| !turn.is_empty());
    // An empty system prompt leaves out that of the model's store.
    let is_empty = |turn: &Turn| turn.role == Role::System && turn.text.is_empty();
    RunRecord {
        document: document(domain, session, request),
        turns: turns.map(turn_record).collect(),
        options: record::options(&session.settings),
        grammar: request.form.as_ref().map(Form::source),
        stop: request.stop.clone(),
        no_system: request.prompt.iter().any(is_empty),
        raw: request.is_raw,
        conversation: session.thread.key.filter(|_| request.client == Client::Chat),
        ..RunRecord::default()
    }
}

fn turn_record(turn: &Turn) -> TurnRecord {
    TurnRecord {
        role: turn.role,
        text: turn.text.clone(),
        tool_calls: turn.tool_calls.clone(),
        tool_call_id: turn.tool_call_id.clone(),
    }
}

/// The speed of the session's last answer, and under which circumstances.
pub fn measured(session: &Session, request: &Request, wait: WaitPolicy, sample: Option<&Sample>) -> Measured {
    let series = Series {
        model: session.model.id.clone(),
        hash: record::file_hash(&session.model),
        build: format!("taffrail {} · {}", env!("CARGO_PKG_VERSION"), session.engine),
        driver: sample.map(driver).unwrap_or_default(),
        settings: record::settings_key(&session.settings, request.figures.threads, wait),
    };
    let rate = speed(&request.figures);
    let joules =
        Graded::of(&session.per_token_of(&request.figures, &settings::Energy::default())).filter(|_| rate.is_some());
    Measured { series, what: "tg".to_owned(), rate, spread: None, n: 1, joules }
}

/// The beginning of a prompt in one line.
pub fn title(prompt: &str) -> String {
    let line = prompt.split_whitespace().collect::<Vec<_>>().join(" ");
    gguf::clean(&line, MAX_TITLE)
}
