//! `taffrail ps`: the sessions of this user's server, and of those on other machines.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use super::Exit;
use super::elsewhere::{self, MachineView};
use super::failure::{Failure, print_error};
use super::table::{self, Column};
use crate::app::attached::Attached;
use crate::app::front::Front;
use crate::app::machines::{Wants, named};
use crate::app::socket::{LinkError, Target};
use domain::Domain;
use domain::engine_metrics::EngineDocument;
use domain::filter::{Field, Filter, Kind, Row};
use domain::session::{JobId, Session, SessionStatus};
use domain::settings::Settings;
use domain::units::{Bytes, digits, or_dash, tokens};

/// The most characters of a name.
const MAX_NAME: usize = 120;

/// List the sessions that run.
#[derive(Debug, Args)]
pub struct Ps {
    /// Words that must all be found in a name or a state; also `name:qwen`, `state:ready`, `on:NAME` for another machine,
    /// `on:here` for this one, and behind `--` `-WORD` for what is not wanted
    filter: Vec<String>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Document {
    schema: &'static str,
    sessions: Vec<View>,
    /// The other machines that were asked, and why some of them show nothing.
    machines: Vec<MachineView>,
}

/// A session.
#[derive(Serialize)]
struct View {
    /// Its number; `None` for one of another machine's server.
    number: Option<u64>,
    /// The machine whose server has it: `here` is this one.
    server: String,
    /// The machine that it runs on: `here` is this one.
    machine: String,
    name: String,
    model: String,
    state: String,
    context_used: Option<u32>,
    /// Tokens; null where an engine elsewhere does not tell it.
    context: Option<u32>,
    memory_bytes: Option<u64>,
    tokens_per_second: Option<f64>,
    requests: Option<usize>,
    /// Seconds until it is unloaded unless it is asked; `None` where that is not to come.
    unloads_in_s: Option<u64>,
    pid: Option<u32>,
    /// The job of a cluster that it runs in.
    job: Option<JobView>,
    /// The engine of another program that runs it, with how much that does for whomever.
    engine: Option<EngineDocument>,
}

/// A job of Slurm.
#[derive(Serialize)]
struct JobView {
    id: u64,
    /// Its task, where it is one of an array.
    task: Option<u32>,
    state: &'static str,
    /// How often it was put back into the queue.
    requeued: u32,
    /// Why it waits, and what could be done.
    reason: Option<String>,
    partition: Option<String>,
    node: Option<String>,
    /// Seconds until its time is up.
    ends_in_s: Option<u64>,
}

impl View {
    fn new(domain: &Domain, session: &Session) -> Self {
        let job = session.job.as_ref().map(|job| JobView {
            id: job.id.job,
            task: job.id.task,
            state: job.word(),
            requeued: job.n_requeued,
            reason: session.queue_reason(),
            partition: job.partition.clone(),
            node: job.node.clone(),
            ends_in_s: job.left(domain.now).map(|left| left.as_secs()),
        });
        Self {
            number: Some(session.id.0),
            machine: session.model.on().to_owned(),
            state: session.word().to_owned(),
            job,
            engine: domain.engine_of(session).map(|engine| EngineDocument::new(engine, domain.now)),
            ..Self::told(HERE, SessionStatus::of(session, domain.now))
        }
    }

    /// One that a machine's server tells of.
    fn told(server: &str, session: SessionStatus) -> Self {
        let SessionStatus { name, model, phase, pid, context_used, context, memory_bytes, .. } = session;
        Self {
            number: None,
            server: server.to_owned(),
            machine: server.to_owned(),
            name,
            model,
            state: phase,
            context_used,
            context,
            memory_bytes,
            tokens_per_second: session.tokens_per_second,
            requests: session.requests,
            unloads_in_s: session.unloads_in_s,
            pid,
            job: None,
            engine: None,
        }
    }

    fn cells(&self) -> Vec<String> {
        let clean = |text: &str| gguf::clean(text, MAX_NAME);
        let context = self.context.filter(|context| *context > 0).map(|context| {
            let used = or_dash(self.context_used.map(|used| tokens(u64::from(used))));
            format!("{used}/{}", tokens(u64::from(context)))
        });
        let time = self.unloads_in_s.map(|seconds| domain::units::span(std::time::Duration::from_secs(seconds)));
        vec![
            clean(&self.name),
            self.machine.clone(),
            clean(&self.state),
            or_dash(context),
            or_dash(self.memory_bytes.map(|bytes| Bytes(bytes).to_string())),
            or_dash(self.tokens_per_second.map(digits)),
            or_dash(self.requests),
            match time {
                Some(time) => format!("in {time}"),
                // One that does not tell its requests tells this no more.
                None if self.requests.is_none() => "—".to_owned(),
                None => "stays".to_owned(),
            },
            match &self.job {
                Some(JobView { id, task, .. }) => format!("job {}", JobId { job: *id, task: *task }),
                None => or_dash(self.pid.map(|pid| pid.to_string())),
            },
        ]
    }
}

/// How this machine is called.
const HERE: &str = "here";

/// The column that shows once other machines are set.
const ON: usize = 1;

const COLUMNS: [Column; 9] = [
    Column { title: "Session", right: false, least: Some(16), goes: 0 },
    Column { title: "On", right: false, least: Some(4), goes: 0 },
    Column { title: "State", right: false, least: None, goes: 0 },
    Column { title: "Context", right: true, least: None, goes: 3 },
    Column { title: "Memory", right: true, least: None, goes: 1 },
    Column { title: "tok/s", right: true, least: None, goes: 2 },
    Column { title: "Requests", right: true, least: None, goes: 4 },
    Column { title: "Unloads", right: false, least: None, goes: 5 },
    Column { title: "PID", right: true, least: None, goes: 6 },
];

/// What the filter can ask.
#[derive(Debug, Clone, Copy)]
enum Asked {
    Name,
    State,
    On,
}

const FIELDS: &[Field<Asked>] = &[
    Field { field: Asked::Name, names: &["name", "model", "session"], kind: Kind::Text },
    Field { field: Asked::State, names: &["state", "is"], kind: Kind::Text },
    Field { field: Asked::On, names: &["on", "machine"], kind: Kind::Text },
];

impl Row<Asked> for View {
    fn has(&self, part: &str) -> bool {
        [&self.name, &self.model, &self.state].iter().any(|text| text.to_lowercase().contains(part))
    }

    fn is(&self, field: Asked, part: &str) -> bool {
        match field {
            Asked::Name => self.name.to_lowercase().contains(part) || self.model.to_lowercase().contains(part),
            Asked::State => self.state.starts_with(part),
            Asked::On => self.machine.to_lowercase().contains(part),
        }
    }

    fn figure(&self, _: Asked) -> Option<f64> {
        None
    }
}

/// Ask the server, and those of other machines. `width` is the terminal's, `None` where the output is none.
pub async fn run(arguments: &Ps, settings: &Settings, width: Option<usize>) -> Exit {
    let text = arguments.filter.join(" ");
    let filter = Filter::parse(&text, FIELDS).settle(|_| false);
    if let Some(problem) = filter.problem() {
        return Failure::new(Exit::Usage, problem).print();
    }
    let asked = settings.clone();
    let there = tokio::task::spawn_blocking(move || elsewhere::ask(&asked, Wants::Sessions, &text));
    let front = match Attached::open(Target::Local, Vec::new(), settings, Vec::new()).await {
        Ok(attached) => Some(Front::Attached(Box::new(attached))),
        Err(LinkError::NoServer) => None,
        Err(error) => return Failure::new(Exit::Failed, error.to_string()).print(),
    };
    let (machines, there) = match elsewhere::split(there.await.unwrap_or_default(), &mut io::stderr()) {
        Ok(split) => split,
        Err(error) => return super::output::ended(Err(error), Exit::Done),
    };
    let own = front.iter().flat_map(|front| {
        let domain = &front.state().domain;
        domain.sessions.iter().map(|session| View::new(domain, session))
    });
    let told = there.into_iter().flat_map(|(machine, listing)| {
        listing.sessions.into_iter().map(move |session| View {
            name: named(&machine, &session.name),
            model: named(&machine, &session.model),
            ..View::told(&machine, session)
        })
    });
    let sessions = own.chain(told).filter(|view| filter.fits(view)).collect();
    let document = Document { schema: "taffrail/ps/1", sessions, machines };
    let mut out = io::stdout().lock();
    let written = write(&document, arguments, front.is_some(), width, &mut out).and_then(|()| out.flush());
    if let Some(front) = front {
        front.shut_down().await.iter().for_each(|reason| print_error(reason, None));
    }
    super::output::ended(written, Exit::Done)
}

fn write(
    document: &Document,
    arguments: &Ps,
    is_served: bool,
    width: Option<usize>,
    out: &mut impl Write,
) -> io::Result<()> {
    if arguments.json {
        return crate::json::write(out, document);
    }
    let is_any = !document.sessions.is_empty();
    if is_any {
        let mut rows: Vec<_> = document.sessions.iter().map(View::cells).collect();
        let mut columns = COLUMNS.to_vec();
        if document.machines.is_empty() && document.sessions.iter().all(|session| session.machine == HERE) {
            columns.remove(ON);
            for row in &mut rows {
                row.remove(ON);
            }
        }
        return table::write(out, &columns, &rows, width);
    }
    match (is_served, arguments.filter.is_empty()) {
        (_, false) => writeln!(out, "no session fits the filter"),
        (false, true) => {
            writeln!(out, "no server is running, so nothing is loaded; `taffrail serve --detach` starts one")
        }
        (true, true) => writeln!(out, "nothing is loaded"),
    }
}
