//! What the tabs of a session say: its figures and its memory, as lines. How they are laid out is the view's business.

use std::time::Duration;

use domain::Domain;
use domain::energy::{Report, per_session};
use domain::engine_metrics::EngineSilence;
use domain::figure::{Figure, Grade, Uncertain};
use domain::model::preset;
use domain::model::remote::Remote;
use domain::session::memory_account::account;
use domain::session::placement::misplaced;
use domain::session::roofline::{Roofline, roofline};
use domain::session::{Job, JobState, NO_TEMPLATE, Session};
use domain::settings::SESSION_FIELDS;
use domain::units::{Bytes, Ratio, counted, digits, span, tokens};

/// A line of a tab.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Line {
    Heading(String),
    Gap,
    /// A value on one row.
    Text(&'static str, String),
    /// A value over as many rows as it takes.
    Long(&'static str, String),
    /// A value as its grade is written, or why it is not known.
    Figure(&'static str, Figure<String>),
    /// Bytes, and what is to be said of them; `None` is not known.
    Amount(&'static str, Option<Bytes>, String),
    /// A sentence over as many rows as it takes.
    Warning(String),
}

/// The lines of a tab, one after the other.
#[derive(Debug, Default)]
struct Lines(Vec<Line>);

impl Lines {
    fn heading(&mut self, text: impl Into<String>) {
        if !self.0.is_empty() {
            self.0.push(Line::Gap);
        }
        self.0.push(Line::Heading(text.into()));
    }

    fn text(&mut self, label: &'static str, value: impl Into<String>) {
        self.0.push(Line::Text(label, value.into()));
    }

    fn long(&mut self, label: &'static str, value: impl Into<String>) {
        self.0.push(Line::Long(label, value.into()));
    }

    fn figure<T: std::fmt::Display>(&mut self, label: &'static str, figure: &Figure<T>) {
        self.0.push(Line::Figure(label, with_text(figure, figure.to_string())));
    }

    /// With its unit, and how far it may be off.
    fn graded(&mut self, label: &'static str, figure: &Figure<Uncertain>, unit: &str) {
        self.0.push(graded(label, figure, unit));
    }

    fn amount(&mut self, label: &'static str, bytes: impl Into<Option<Bytes>>, note: impl Into<String>) {
        self.0.push(Line::Amount(label, bytes.into(), note.into()));
    }

    fn warning(&mut self, text: String) {
        self.0.push(Line::Warning(text));
    }
}

/// A figure's line, with its unit and how far it may be off.
pub(super) fn graded(label: &'static str, figure: &Figure<Uncertain>, unit: &str) -> Line {
    let text = match figure {
        // The grade's own mark says less than is known.
        Figure::Known { value, grade: Grade::Apportioned, .. } => {
            format!("{} ±{}", figure.graded(unit), Ratio(value.relative))
        }
        _ => figure.graded(unit),
    };
    Line::Figure(label, with_text(figure, text))
}

fn with_text<T>(figure: &Figure<T>, text: String) -> Figure<String> {
    match figure {
        Figure::Known { grade, source, .. } => Figure::Known { value: text, grade: *grade, source: source.clone() },
        Figure::Unknown { reason, remedy } => Figure::Unknown { reason: reason.clone(), remedy: remedy.clone() },
    }
}

fn micros(time: u64) -> String {
    span(Duration::from_micros(time))
}

/// Speed and energy of the last answer and of all.
pub(super) fn answers(domain: &Domain, session: &Session) -> Vec<Line> {
    let mut lines = Lines::default();
    let figures = session.figures();
    let counters = figures.counters;
    let rate = |rate: Option<f64>| rate.map_or_else(|| "—".to_owned(), |rate| format!("{} tok/s", digits(rate)));
    lines.heading(if session.is_busy() { "This answer" } else { "Last answer" });
    lines.text("first token", counters.ttft_us.map_or_else(|| "—".to_owned(), micros));
    let cached = match figures.n_cached {
        0 => String::new(),
        n_cached => format!(", {} more cached", tokens(u64::from(n_cached))),
    };
    lines.text("prompt", format!("{} tok{cached}", tokens(u64::from(counters.n_prompt))));
    lines.text("prompt speed", rate(counters.prompt_rate()));
    lines.text("generated", format!("{} tok", tokens(u64::from(counters.n_generated))));
    lines.text("speed", rate(counters.generation_rate()));
    lines.text("reasoning", format!("{} tok of these", tokens(u64::from(counters.n_reasoning))));
    lines.text("busy", micros(counters.decode_us));
    energy(&mut lines, domain, session);
    lines.0.push(Line::Gap);
    lines.0.extend(memory_bandwidth(roofline(domain, session, figures)));
    lines.0
}

/// Its state and its settings.
pub(super) fn state(domain: &Domain, session: &Session) -> Vec<Line> {
    let mut lines = Lines::default();
    lines.heading("Session");
    let since = domain.now.uptime.saturating_sub(session.since.uptime);
    lines.text("in this state", span(since));
    lines.text("generated", format!("{} tok total", tokens(session.n_generated)));
    if let Some(job) = &session.job {
        job_lines(&mut lines, domain, job);
    }
    if let Some(loaded) = &session.loaded {
        lines.text("loaded in", micros(loaded.load_us));
    }
    if let Some(remote) = &session.model.remote {
        engine(&mut lines, domain, session, remote);
    } else if let Some(loaded) = &session.loaded {
        lines.text("GPU layers", format!("{} of {}", loaded.n_gpu_layers, loaded.n_layers));
    }
    if session.lacks_template() {
        lines.warning(format!("! the model {NO_TEMPLATE}"));
    }
    if let Some(misplaced) = misplaced(domain, session) {
        let reason = misplaced.reason();
        lines.warning(format!("! {reason}: see its log; `taffrail doctor` says what this build can use"));
    }
    if session.is_joined {
        lines.long("", format!("a session of {}'s own server, with its settings", session.model.on()));
    } else if session.is_here() && session.model.remote.is_none() {
        let limit = domain.thread_limit_on(session.machine());
        lines.text("threads", format!("{} of {limit}", session.threads));
    }
    lines.heading("Settings");
    for field in SESSION_FIELDS {
        lines.text(field.name, session.settings.get(field.name).unwrap_or_default());
    }
    let has_no_stop = session.newest().is_none_or(|request| request.stop.is_empty());
    for line in preset::lines(&session.model, &session.settings, true, has_no_stop) {
        lines.long("", line);
    }
    lines.0
}

/// The engine of another program that runs it, and how much that does for whomever.
fn engine(lines: &mut Lines, domain: &Domain, session: &Session, remote: &Remote) {
    lines.heading(format!("Engine {} ({})", remote.engine, remote.kind.name()));
    lines.long("address", remote.url.as_str());
    let Some(engine) = domain.engine_of(session) else {
        return lines.text("counters", "not asked yet");
    };
    let reading = match &engine.answer {
        Ok(reading) if reading.is_asleep => return lines.long("counters", engine.line()),
        Ok(reading) => reading,
        Err(EngineSilence::NotReported { reason, remedy }) => {
            let (reason, remedy) = (format!("not reported, {reason}"), remedy.clone());
            return lines.figure("counters", &Figure::<String>::Unknown { reason, remedy });
        }
        Err(EngineSilence::Failed { reason }) => return lines.warning(format!("! {reason}")),
    };
    let told = |text: Option<String>| text.unwrap_or_else(|| "not reported".to_owned());
    let requests = [(reading.n_running, "running"), (reading.n_waiting, "waiting")];
    let requests: Vec<_> = requests.iter().filter_map(|(n, word)| Some(format!("{} {word}", (*n)?))).collect();
    lines.text("requests", told((!requests.is_empty()).then(|| requests.join(", "))));
    lines.text("KV cache", told(reading.kv_cache.map(|used| format!("{used} in use"))));
    let rate = |rate: Option<f64>, count: Option<f64>| match (rate, count) {
        (Some(rate), _) => format!("{} tok/s", digits(rate)),
        // It was asked once, or was restarted.
        (None, Some(_)) => "—".to_owned(),
        (None, None) => "not reported".to_owned(),
    };
    lines.text("reads", rate(engine.prompt_rate, reading.n_prompt));
    lines.text("writes", rate(engine.generation_rate, reading.n_generated));
    if let Some(n) = reading.n_loaded {
        let memory = reading.memory.map_or_else(String::new, |memory| format!(", {memory}"));
        let gpu = reading.gpu_memory.map_or_else(String::new, |gpu| format!(", {gpu} on GPUs"));
        lines.text("loaded there", format!("{}{memory}{gpu}", counted(n as usize, "model")));
    }
    lines.text("asked", format!("{} ago", span(engine.age(domain.now))));
}

/// The job of a cluster that it runs in.
fn job_lines(lines: &mut Lines, domain: &Domain, job: &Job) {
    let partition = job.partition.as_ref().map_or_else(String::new, |name| format!(" in {name}"));
    lines.text("Slurm job", format!("{}{partition}, {}", job.id, job.word()));
    if let JobState::Pending { reason, hint } = &job.state {
        lines.long("reason", reason.as_str());
        if let Some(hint) = hint {
            lines.long("", hint.as_str());
        }
    }
    if let Some(expected) = job.begins_in(domain.now).filter(|_| job.why_waiting().is_some()) {
        lines.text("", expected);
    }
    if job.n_requeued > 0 {
        lines.text("requeued", format!("{} times", job.n_requeued));
    }
    if let Some(node) = &job.node {
        lines.text("node", node.as_str());
    }
    if let Some(left) = job.left(domain.now) {
        lines.text("time left", span(left));
    }
}

/// How near to what the memory bandwidth allows, and what limits it.
pub(super) fn memory_bandwidth(roofline: Result<Roofline, String>) -> Vec<Line> {
    let mut lines = Lines::default();
    lines.heading("Memory bandwidth");
    match roofline {
        Err(reason) => lines.figure("used", &Figure::<String>::unknown(reason)),
        Ok(roofline) => {
            let (weights, context) = roofline.per_token;
            lines.long("used", roofline.reached());
            lines.long("", roofline.bound.word());
            lines.long("read", format!("{}/s", Bytes(roofline.bytes_per_second as u64)));
            lines.long("per token", format!("{weights} weights, {context} context"));
        }
    }
    lines.0
}

/// The energy of the answer and of all answers.
fn energy(lines: &mut Lines, domain: &Domain, session: &Session) {
    let settings = &domain.settings.energy;
    let report = Report::of_answer(session.figures(), settings);
    let currency = settings.currency.as_str();
    if report.energy.value().is_none() {
        lines.heading("Energy");
        lines.graded("answer", &report.energy, "J");
    } else {
        lines.heading(format!("Energy {}", report.boundary));
        lines.graded("per token", &session.per_token(settings), "J/tok");
        lines.graded("dynamic", &report.dynamic_per_token, "J/tok");
        lines.graded("per prompt tok", &report.per_prompt_token, "J/tok");
        lines.graded("answer", &report.energy, "J");
        lines.graded("", &report.watt_hours, "Wh");
        lines.graded("carbon", &report.carbon, "gCO2e");
        lines.graded("cost", &report.cost, currency);
        if report.metered > 0.0 {
            lines.text("metered", span(Duration::from_secs_f64(report.metered)));
        }
        lines.long("by grade", report.coverage);
    }
    lines.figure("power now", &session.watts);
    let all = per_session(session, settings);
    if all.energy.value().is_some() {
        lines.heading("All answers");
        lines.graded("per token", &all.per_token, "J/tok");
        lines.graded("per prompt tok", &all.per_prompt_token, "J/tok");
        lines.graded("energy", &all.energy, "J");
        lines.graded("", &all.watt_hours, "Wh");
        // Why there is none stands above.
        if all.carbon.value().is_some() {
            lines.graded("carbon", &all.carbon, "gCO2e");
        }
        if all.cost.value().is_some() {
            lines.graded("cost", &all.cost, currency);
        }
    }
    if session.standby.0 > 0.0 {
        lines.text("standby", format!("≈{}, not counted above", session.standby));
    }
}

/// Where a session's memory is.
pub(super) struct Memory {
    /// What speaks against it, if anything.
    pub(super) warning: Option<String>,
    /// Weights, context and compute buffers: as they were estimated, then as llama.cpp allocated them on each device.
    pub(super) devices: Vec<(String, [Bytes; 3])>,
    /// How the system counts it.
    pub(super) lines: Vec<Line>,
}

/// The most devices that are listed.
const MAX_DEVICES: usize = 8;

/// What a session holds of which memory, and what was estimated.
pub(super) fn memory(domain: &Domain, session: &Session) -> Memory {
    let estimate = session.planned;
    let label = if estimate.by_size { "by size" } else { "estimated" };
    let mut devices = vec![(label.to_owned(), [estimate.weights, estimate.context, estimate.compute])];
    let loaded = session.loaded.iter().flat_map(|loaded| &loaded.ledger.devices).take(MAX_DEVICES);
    devices.extend(
        loaded.map(|device| {
            (device.device.clone(), [Bytes(device.weights), Bytes(device.context), Bytes(device.compute)])
        }),
    );
    let mut lines = Lines::default();
    process(&mut lines, session);
    settled(&mut lines, session);
    lines.0.push(Line::Gap);
    let all = session.n_ctx();
    let all = if all == 0 { "—".to_owned() } else { tokens(u64::from(all)) };
    let used = tokens(u64::from(session.n_past));
    lines.text("context", format!("{used} of {all} tokens in use"));
    if estimate.prompt_cache > Bytes(0) {
        lines.amount("prompt cache", estimate.prompt_cache, "at most");
    }
    let warning = misplaced(domain, session).map(|misplaced| format!("! {}", misplaced.reason()));
    Memory { warning, devices, lines: lines.0 }
}

fn process(lines: &mut Lines, session: &Session) {
    lines.heading("According to the system");
    match session.process {
        Some(process) => {
            lines.amount("resident", process.resident, "");
            lines.amount("anonymous", process.anonymous, "");
            lines.amount("mapped", process.resident.saturating_sub(process.anonymous), "can be dropped");
            if let Some(shared) = process.shared {
                lines.amount("shared", shared, if process.proportional.is_some() { "" } else { "at most" });
            }
            if let Some(proportional) = process.proportional {
                lines.amount("proportional", proportional, "(PSS)");
            }
            lines.amount("swapped out", process.swapped, "");
        }
        None => lines.amount("resident", None, ""),
    }
    lines.amount("on GPUs", session.gpu_memory, if session.gpu_memory.is_some() { "by the driver" } else { "" });
}

/// What llama.cpp allocated against what the system counts.
fn settled(lines: &mut Lines, session: &Session) {
    let Some(account) = account(session) else { return };
    lines.heading("Breakdown");
    let (all, present) = account.mapped;
    if all > Bytes(0) {
        lines.amount("weights mapped", present, format!("of {all}"));
    }
    let unused =
        if account.untouched > Bytes(0) { format!("{} not used yet", account.untouched) } else { String::new() };
    lines.amount("allocated", account.taken, unused);
    // Libraries and the vocabulary are part of it.
    lines.amount("unexplained", account.unexplained, "program");
    if account.elsewhere > Bytes(0) {
        lines.amount("other machines", account.elsewhere, "");
    }
    if let Some(unexplained) = account.unexplained_on_gpus {
        // Its context for this process, and kernels.
        lines.amount("", unexplained, "GPU driver");
    }
}
