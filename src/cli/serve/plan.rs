//! `taffrail serve plan MODEL`: whether a model fits, and which ones are unloaded or waited for where a request loads it.

use std::io::{self, Write};
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use crate::app::attached::Attached;
use crate::app::socket::{LinkError, Target};
use crate::app::{probe, remotes};
use crate::cli::Exit;
use crate::cli::failure::{Failure, print_error};
use crate::cli::table::{self, Column};
use crate::library;
use domain::admission::MemoryEstimate;
use domain::eviction::{Candidate, Hold, LoadPlan, Outcome, plan_load};
use domain::model::Model;
use domain::session::SessionId;
use domain::settings::{SessionSettings, Settings};
use domain::units::{Bytes, span};
use domain::{Domain, StateMachine, alias};

/// Show what a request for a model would do: whether it fits, and which models make room for it.
#[derive(Debug, Args)]
pub(super) struct Plan {
    /// A name of the library or one of your own, a unique part of one, `store:name`, `owner/repo[:quant]` or a path
    model: String,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// Show it: of the server that runs, or of this machine as it is.
pub(super) async fn show(arguments: &Plan, settings: &Settings, out: &mut impl Write) -> io::Result<Exit> {
    let attached = match Attached::open(Target::Local, Vec::new(), settings, Vec::new()).await {
        Ok(attached) => Some(attached),
        Err(LinkError::NoServer) => None,
        Err(error) => return Ok(Failure::new(Exit::Failed, error.to_string()).print()),
    };
    let own;
    let domain = if let Some(attached) = &attached {
        &attached.state().domain
    } else {
        own = of_machine(settings).await;
        &own
    };
    let exit = match find(domain, &arguments.model) {
        Ok((model, settings)) => {
            let plan = plan_load(domain, &model, settings);
            write(&plan, attached.is_some(), arguments.json, out)?;
            if matches!(plan.outcome, Outcome::Refused { .. }) { Exit::Refused } else { Exit::Done }
        }
        Err(failure) => failure.print(),
    };
    if let Some(attached) = attached {
        attached.close().await.iter().for_each(|reason| print_error(reason, None));
    }
    Ok(exit)
}

/// What a server would know that has just been started.
async fn of_machine(settings: &Settings) -> StateMachine {
    let mut domain = probe(settings.clone());
    let mut models = library::list(&settings.library, &library::Env::read()).models;
    models.extend(remotes::find(settings).await.models);
    let now = domain.now;
    domain.update(now, domain::Event::Library(domain::event::LibraryEvent::Found(models)));
    domain
}

/// The model of a name, as a request would find it, else as other commands do; and how it is loaded.
fn find(domain: &Domain, name: &str) -> Result<(Arc<Model>, SessionSettings), Failure> {
    let session = domain.settings.session;
    if let Ok(target) = alias::resolve(domain, name) {
        let settings = target.alias.map_or(session, |(_, alias)| alias.over(session));
        return Ok((Arc::clone(target.model), settings));
    }
    // Of engines elsewhere as well, by a part of the name.
    if let Ok(model) = library::resolve::resolve(&domain.library.models, name) {
        return Ok((model, session));
    }
    let found = library::find(name, &domain.settings.library, &library::Env::read());
    let model =
        found.map_err(|error| Failure::new(Exit::NotFound, error.to_string()).or_hint(error.hint().as_deref()))?;
    Ok((model, session))
}

/// The longest name that is shown, characters.
const NAME_CHARS: usize = 60;

/// What `--json` prints. Amounts are bytes, times seconds.
#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: &'static str,
    /// Whether a server runs; else it is what one would do that is started now.
    running: bool,
    model: &'a str,
    name: &'a str,
    /// `loaded`, `fits`, `unloads`, `waits`, `refused` or `unknown`.
    outcome: &'static str,
    /// The same as a clause.
    summary: String,
    needed: Needed,
    free: Option<Bytes>,
    sessions: Vec<Session<'a>>,
    devices: Vec<Device<'a>>,
}

#[derive(Debug, Serialize)]
struct Needed {
    total: Bytes,
    weights: Bytes,
    context: Bytes,
    compute: Bytes,
    program: Bytes,
    /// Whether it is the size of the files, since the header can't be read.
    is_by_size: bool,
}

#[derive(Debug, Serialize)]
struct Session<'a> {
    id: SessionId,
    name: &'a str,
    frees: Bytes,
    held: Option<Bytes>,
    idle_s: Option<f64>,
    load_s: Option<f64>,
    score: f64,
    /// Why it does not go yet: `busy`, `loading`, `recent`, `stopping` or `job`.
    hold: Option<&'static str>,
    reason: String,
}

#[derive(Debug, Serialize)]
struct Device<'a> {
    name: &'a str,
    total: Bytes,
    free: Bytes,
    sessions: Vec<Held>,
}

#[derive(Debug, Serialize)]
struct Held {
    session: SessionId,
    bytes: Bytes,
}

/// Write a plan, of a server that runs or of one that would be started.
fn write(plan: &LoadPlan, runs: bool, json: bool, out: &mut impl Write) -> io::Result<()> {
    if json {
        return crate::json::write(out, &document(plan, runs));
    }
    let name = gguf::clean(&plan.name, NAME_CHARS);
    match &plan.outcome {
        Outcome::Refused { .. } => writeln!(out, "{name} {}", plan.summary())?,
        _ => writeln!(out, "{name}: {}", plan.summary())?,
    }
    let needed = plan.needed;
    let free = plan.free.map_or_else(|| "—".to_owned(), |free| free.to_string());
    if needed.total() == Bytes(0) {
        writeln!(out, "needs no memory of this machine: an engine of another program runs it")?;
        return if runs { Ok(()) } else { writeln!(out, "no server is running: this is for one that starts now") };
    }
    write!(out, "needs {}", needed.total())?;
    if needed.by_size {
        write!(out, ", an estimate by the size of its file")?;
    } else {
        let MemoryEstimate { weights, context, compute, program, .. } = needed;
        write!(out, " (weights {weights}, context {context}, compute {compute}, program {program})")?;
    }
    writeln!(out, "; {free} free for it")?;
    for device in &plan.devices {
        let held: Bytes = device.held.iter().map(|(_, bytes)| *bytes).sum();
        let name = gguf::clean(&device.name, NAME_CHARS);
        writeln!(out, "{name}: {} free of {}, {held} held by sessions", device.free, device.total)?;
    }
    if !runs {
        writeln!(out, "no server is running: this is for one that starts now")?;
    }
    let candidates = plan.candidates();
    if candidates.is_empty() {
        return Ok(());
    }
    let column = |title, right| Column { title, right, least: None, goes: 0 };
    let columns = [
        column("Unloaded first", false),
        column("Frees", true),
        column("Load", true),
        column("Score", true),
        column("", false),
    ];
    let line = |one: &Candidate| {
        vec![
            gguf::clean(&one.name, NAME_CHARS),
            one.frees.to_string(),
            one.load.map_or_else(|| "—".to_owned(), span),
            format!("{:.0}", one.score),
            one.reason(),
        ]
    };
    writeln!(out)?;
    table::write(out, &columns, &candidates.iter().map(line).collect::<Vec<_>>(), crate::app::terminal_width())
}

fn document(plan: &LoadPlan, runs: bool) -> Document<'_> {
    let needed = plan.needed;
    let seconds = |time: Option<std::time::Duration>| time.map(|time| time.as_secs_f64());
    let sessions = plan.candidates().iter().map(|one| Session {
        id: one.session,
        name: &one.name,
        frees: one.frees,
        held: one.held,
        idle_s: seconds(one.idle),
        load_s: seconds(one.load),
        score: one.score,
        hold: one.hold.as_ref().map(hold),
        reason: one.reason(),
    });
    let held = |(session, bytes): &(SessionId, Bytes)| Held { session: *session, bytes: *bytes };
    let devices = plan.devices.iter().map(|one| Device {
        name: &one.name,
        total: one.total,
        free: one.free,
        sessions: one.held.iter().map(held).collect(),
    });
    Document {
        schema: "taffrail/serve-plan/1",
        running: runs,
        model: &plan.model,
        name: &plan.name,
        outcome: match plan.outcome {
            Outcome::Loaded(_) => "loaded",
            Outcome::Fits => "fits",
            Outcome::Evicts(_) => "unloads",
            Outcome::Waits(_) => "waits",
            Outcome::Refused { .. } => "refused",
            Outcome::Unknown => "unknown",
        },
        summary: plan.summary(),
        needed: Needed {
            total: needed.total(),
            weights: needed.weights,
            context: needed.context,
            compute: needed.compute,
            program: needed.program,
            is_by_size: needed.by_size,
        },
        free: plan.free,
        sessions: sessions.collect(),
        devices: devices.collect(),
    }
}

fn hold(hold: &Hold) -> &'static str {
    match hold {
        Hold::Busy(_) => "busy",
        Hold::Loading => "loading",
        Hold::Recent(_) => "recent",
        Hold::Stopping => "stopping",
        Hold::Job => "job",
    }
}
