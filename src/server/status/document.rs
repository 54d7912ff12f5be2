//! What the status page shows, as JSON. Unknown is null, with its reason where there is one to tell.

use serde::Serialize;

use domain::Domain;
use domain::engine_metrics::EngineDocument;
use domain::figure::{Figure, Grade, UNKNOWN};
use domain::request::Stage;
use domain::requests::{self, Facts, RequestDocument, RequestSort};
use domain::session::{Phase, Session};
use domain::units::{Bytes, Watts};

/// Ticks of the graphs: five minutes at one a second.
const TICKS: usize = 300;

/// The most requests.
const MAX_REQUESTS: usize = 50;

#[derive(Debug, Serialize)]
pub(super) struct Document<'a> {
    schema: &'static str,
    version: &'static str,
    /// Seconds since 1970.
    at: i64,
    machine: Machine<'a>,
    graphs: Graphs,
    /// Models in the library.
    n_models: usize,
    models: Vec<Model<'a>>,
    requests: Vec<RequestDocument<'a>>,
    /// The engines of other programs, as far as they were asked of late.
    engines: Vec<EngineDocument>,
}

#[derive(Debug, Serialize)]
struct Machine<'a> {
    name: Option<&'a str>,
    processor: Option<&'a str>,
    cpu_percent: Option<f64>,
    memory_used: Option<Bytes>,
    memory_total: Option<Bytes>,
    gpus: Vec<Gpu<'a>>,
    power: Power,
}

#[derive(Debug, Serialize)]
struct Gpu<'a> {
    name: &'a str,
    usage_percent: Option<f64>,
    memory_used: Option<Bytes>,
    memory_total: Option<Bytes>,
}

#[derive(Debug, Serialize)]
struct Power {
    watts: Option<f64>,
    grade: &'static str,
    boundary: Option<String>,
    reason: Option<String>,
    remedy: Option<String>,
}

/// Oldest first, a point for each `step_s`.
#[derive(Debug, Serialize)]
struct Graphs {
    step_s: f64,
    tokens_per_second: Vec<Option<f32>>,
    power: PowerPoints,
}

#[derive(Debug, Serialize)]
struct PowerPoints {
    /// Of the machine, as `machine.power` has the newest.
    points: Vec<Option<f32>>,
    grade: &'static str,
}

#[derive(Debug, Serialize)]
struct Model<'a> {
    name: &'a str,
    state: &'static str,
    /// Why it waits or has failed.
    reason: Option<String>,
    /// The job of a cluster that it runs in, in a line.
    job: Option<String>,
    /// How far it is loaded, 0 to 1.
    loaded: Option<f32>,
    /// Tokens; null where an engine elsewhere does not tell it.
    context: Option<u32>,
    n_running: usize,
    n_waiting: usize,
    tokens_per_second: Option<f64>,
    memory_bytes: Option<Bytes>,
    watts: Option<f64>,
    watts_grade: &'static str,
    joules_per_token: Option<f64>,
    joules_per_token_grade: &'static str,
    /// When it is unloaded if nothing is asked of it until then.
    expires_in_s: Option<f64>,
}

impl<'a> Document<'a> {
    /// Of all that is known.
    pub(super) fn new(domain: &'a Domain) -> Self {
        let facts = Facts { now: domain.now, energy: &domain.settings.energy };
        let all = requests::all(&domain.sessions, &domain.ended_requests);
        let rows = requests::listed(all, "", (RequestSort::Arrived, false), facts);
        let power = Power::of(domain);
        Self {
            schema: "taffrail/status/1",
            version: env!("CARGO_PKG_VERSION"),
            at: domain.now.unix,
            graphs: Graphs {
                step_s: domain.settings.telemetry.interval.as_secs_f64(),
                tokens_per_second: domain.machine.throughput.window(TICKS, 0).collect(),
                power: PowerPoints { points: domain.machine.power.window(TICKS, 0).collect(), grade: power.grade },
            },
            machine: Machine::of(domain, power),
            n_models: domain.library.models.len(),
            models: domain.sessions.iter().map(|session| Model::of(session, domain)).collect(),
            requests: rows.iter().take(MAX_REQUESTS).map(|row| RequestDocument::new(row, domain)).collect(),
            engines: domain.engines.iter().map(|engine| EngineDocument::new(engine, domain.now)).collect(),
        }
    }
}

impl<'a> Machine<'a> {
    fn of(domain: &'a Domain, power: Power) -> Self {
        let sample = domain.machine.sample.as_deref();
        let gpu = |gpu: &'a domain::machine::Gpu| Gpu {
            name: &gpu.name,
            usage_percent: gpu.usage.value().map(|usage| usage.0 * 100.0),
            memory_used: gpu.memory_used,
            memory_total: gpu.memory_total,
        };
        let text = |text: &'a String| Some(text.as_str()).filter(|text| !text.is_empty());
        Self {
            name: sample.and_then(|sample| text(&sample.host.name)),
            processor: sample.and_then(|sample| text(&sample.host.processor)),
            cpu_percent: sample.and_then(|sample| sample.cpu).map(|cpu| cpu.0 * 100.0),
            memory_used: sample.and_then(|sample| sample.memory).map(|memory| memory.used),
            memory_total: sample.and_then(|sample| sample.memory).map(|memory| memory.total),
            gpus: sample.into_iter().flat_map(|sample| &sample.gpus).map(gpu).collect(),
            power,
        }
    }
}

impl Power {
    fn of(domain: &Domain) -> Self {
        let sample = domain.machine.sample.as_deref();
        if let Some(((Watts(watts), grade), boundary)) =
            sample.and_then(|sample| Some((sample.total()?, sample.boundary())))
        {
            let (watts, boundary) = (Some(watts), Some(boundary));
            return Self { watts, grade: grade.word(), boundary, reason: None, remedy: None };
        }
        let unread = || ("the sensors have not been read yet".to_owned(), None);
        let (reason, remedy) = sample.map_or_else(unread, domain::machine::Sample::why_no_power);
        Self { watts: None, grade: UNKNOWN, boundary: None, reason: Some(reason), remedy }
    }
}

impl<'a> Model<'a> {
    fn of(session: &'a Session, domain: &Domain) -> Self {
        let word = |grade: Option<Grade>| grade.map_or(UNKNOWN, Grade::word);
        let per_token = session.per_token(&domain.settings.energy);
        let watts = &session.watts;
        let reason = match &session.phase {
            Phase::Failed { reason, .. } => Some(reason.clone()),
            _ => session.queue_reason(),
        };
        let n_in = |is_in: fn(&Stage) -> bool| session.requests.iter().filter(|one| is_in(&one.stage)).count();
        Self {
            name: &session.name,
            state: session.word(),
            reason,
            job: session.job.as_ref().map(|job| job.line(domain.now)),
            loaded: if let Phase::Loading { fraction } = session.phase { Some(fraction) } else { None },
            context: session.known_context(),
            n_running: n_in(|stage| matches!(stage, Stage::Running(_))),
            n_waiting: n_in(|stage| *stage == Stage::Queued),
            tokens_per_second: session.rate(),
            memory_bytes: session.memory_held(),
            watts: watts.value().map(|watts| watts.0),
            watts_grade: word(watts.grade()),
            joules_per_token: if let Figure::Known { value, .. } = &per_token { Some(value.value) } else { None },
            joules_per_token_grade: word(per_token.grade()),
            expires_in_s: session.expires_in(domain.now).map(|left| left.as_secs_f64()),
        }
    }
}
