//! `taffrail ps`: the sessions of this user's server.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use super::Exit;
use super::failure::{Failure, print_error};
use super::table::{self, Column};
use crate::app::attached::Attached;
use crate::app::front::Front;
use crate::app::socket::{LinkError, Target};
use domain::Domain;
use domain::engine_metrics::EngineDocument;
use domain::session::Session;
use domain::settings::Settings;
use domain::units::{Bytes, digits, or_dash, tokens};

/// The most characters of a name.
const MAX_NAME: usize = 120;

/// List the sessions that run.
#[derive(Debug, Args)]
pub struct Ps {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Document {
    schema: &'static str,
    sessions: Vec<View>,
}

/// A session.
#[derive(Serialize)]
struct View {
    number: u64,
    name: String,
    model: String,
    state: &'static str,
    context_used: u32,
    /// Tokens; null where an engine elsewhere does not tell it.
    context: Option<u32>,
    memory_bytes: Option<u64>,
    tokens_per_second: Option<f64>,
    requests: usize,
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
    state: &'static str,
    /// Why it waits, and what could be done.
    reason: Option<String>,
    partition: Option<String>,
    node: Option<String>,
    /// Seconds until its time is up.
    ends_in_s: Option<u64>,
}

impl View {
    fn new(domain: &Domain, session: &Session) -> Self {
        Self {
            number: session.id.0,
            name: session.name.clone(),
            model: session.model.id.clone(),
            state: session.word(),
            context_used: session.n_past,
            context: session.known_context(),
            memory_bytes: session.memory_held().map(|held| held.0),
            tokens_per_second: session.rate(),
            requests: session.requests.iter().filter(|request| request.is_open()).count(),
            unloads_in_s: session.expires_in(domain.now).map(|time| time.as_secs()),
            pid: session.pid,
            job: session.job.as_ref().map(|job| JobView {
                id: job.id,
                state: job.word(),
                reason: session.queue_reason(),
                partition: job.partition.clone(),
                node: job.node.clone(),
                ends_in_s: job.left(domain.now).map(|left| left.as_secs()),
            }),
            engine: domain.engine_of(session).map(|engine| EngineDocument::new(engine, domain.now)),
        }
    }

    fn cells(&self) -> Vec<String> {
        let clean = |text: &str| gguf::clean(text, MAX_NAME);
        let all = |context: u32| format!("{}/{}", tokens(u64::from(self.context_used)), tokens(u64::from(context)));
        let context = or_dash(self.context.map(all));
        let time = self.unloads_in_s.map(|seconds| domain::units::span(std::time::Duration::from_secs(seconds)));
        vec![
            clean(&self.name),
            self.state.to_owned(),
            context,
            or_dash(self.memory_bytes.map(|bytes| Bytes(bytes).to_string())),
            or_dash(self.tokens_per_second.map(digits)),
            self.requests.to_string(),
            time.map_or_else(|| "stays".to_owned(), |time| format!("in {time}")),
            match &self.job {
                Some(job) => format!("job {}", job.id),
                None => or_dash(self.pid.map(|pid| pid.to_string())),
            },
        ]
    }
}

const COLUMNS: [Column; 8] = [
    Column { title: "Session", right: false, least: Some(16), goes: 0 },
    Column { title: "State", right: false, least: None, goes: 0 },
    Column { title: "Context", right: true, least: None, goes: 3 },
    Column { title: "Memory", right: true, least: None, goes: 1 },
    Column { title: "tok/s", right: true, least: None, goes: 2 },
    Column { title: "Requests", right: true, least: None, goes: 4 },
    Column { title: "Unloads", right: false, least: None, goes: 5 },
    Column { title: "PID", right: true, least: None, goes: 6 },
];

/// Ask the server. `width` is the terminal's, `None` where the output is none.
pub async fn run(arguments: &Ps, settings: &Settings, width: Option<usize>) -> Exit {
    let front = match Attached::open(Target::Local, Vec::new(), settings, Vec::new()).await {
        Ok(attached) => Some(Front::Attached(Box::new(attached))),
        Err(LinkError::NoServer) => None,
        Err(error) => return Failure::new(Exit::Failed, error.to_string()).print(),
    };
    let sessions = front.iter().flat_map(|front| {
        let domain = &front.state().domain;
        domain.sessions.iter().map(|session| View::new(domain, session))
    });
    let document = Document { schema: "taffrail/ps/1", sessions: sessions.collect() };
    let mut out = io::stdout().lock();
    let written = write(&document, arguments.json, front.is_some(), width, &mut out).and_then(|()| out.flush());
    if let Some(front) = front {
        front.shut_down().await.iter().for_each(|reason| print_error(reason, None));
    }
    super::output::ended(written, Exit::Done)
}

fn write(
    document: &Document,
    json: bool,
    is_served: bool,
    width: Option<usize>,
    out: &mut impl Write,
) -> io::Result<()> {
    if json {
        return crate::json::write(out, document);
    }
    match (is_served, document.sessions.is_empty()) {
        (false, _) => writeln!(out, "no server is running, so nothing is loaded; `taffrail serve --detach` starts one"),
        (true, true) => writeln!(out, "nothing is loaded"),
        (true, false) => {
            table::write(out, &COLUMNS, &document.sessions.iter().map(View::cells).collect::<Vec<_>>(), width)
        }
    }
}
