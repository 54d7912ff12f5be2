//! `taffrail requests`: who asks this user's server what, how long it waits, and what it costs.

mod document;

use std::collections::HashMap;
use std::io::{self, Write};

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use self::document::{Document, Line};
use super::Exit;
use super::failure::{Failure, print_error};
use super::table::{self, Column};
use super::value::whole;
use crate::app::attached::Attached;
use crate::app::front::Front;
use crate::app::socket::{LinkError, Target};
use domain::command::{Cause, What};
use domain::figure::Figure;
use domain::request::RequestId;
use domain::requests::{self, Facts, RequestDocument, RequestSort, RequestState, Row};
use domain::settings::Settings;
use domain::units::{digits, or_dash};
use domain::{Domain, Event};

/// The most characters of a name that a client gave itself.
const MAX_NAME: usize = 60;

/// How long a request that has ended waits for its energy before `--follow` shows it without, in seconds: some readings of
/// the sensors.
const MAX_UNBOOKED: u64 = 3;

/// Show the requests of a server that runs: those that wait or run, and the last that have ended.
#[derive(Debug, Args)]
pub struct Requests {
    /// Words that must all be found; also `client:laptop`, `agent:python`, `api:openai`, `model:qwen`, `state:queued`,
    /// `finish:length`, `ttft>500`, `queue`, `pp`, `tok/s`, `cached`, `prompt`, `tokens`, `j`, and behind `--`
    /// `-WORD` for what is not wanted
    filter: Vec<String>,
    /// The column to sort by
    #[arg(long, value_parser = sort_column(), default_value = RequestSort::ALL[0].0)]
    sort: RequestSort,
    /// Reverse the order
    #[arg(long)]
    reverse: bool,
    /// Print one JSON document; with `--follow` one on each line
    #[arg(long)]
    json: bool,
    /// Show each request as it arrives, begins and ends, until Ctrl-C
    #[arg(long, short)]
    follow: bool,
    /// Cancel the request of this number
    #[arg(long, value_name = "NUMBER", value_parser = whole(1..=u64::MAX), conflicts_with_all = ["filter", "follow", "json", "sort", "reverse"])]
    cancel: Option<u64>,
}

/// Reads the name of a column.
fn sort_column() -> impl TypedValueParser<Value = RequestSort> {
    PossibleValuesParser::new(RequestSort::ALL.map(|(name, _)| name))
        .map(|wanted| RequestSort::named(&wanted).unwrap_or_default())
}

/// Ask the server. `width` is the terminal's, `None` where the output is none.
pub async fn run(arguments: &Requests, settings: &Settings, width: Option<usize>) -> Exit {
    let mut front = match Attached::open(Target::Local, Vec::new(), settings, Vec::new()).await {
        Ok(attached) => Front::Attached(Box::new(attached)),
        Err(LinkError::NoServer) => {
            let failure = Failure::new(Exit::NotFound, "no server is running, and requests are not kept without one");
            let hint = "`taffrail serve --detach` starts one; `taffrail history` lists chats, runs and races of before";
            return failure.with_hint(hint).print();
        }
        Err(error) => return Failure::new(Exit::Failed, error.to_string()).print(),
    };
    let domain = &front.state().domain;
    let all = requests::all(&domain.sessions, &domain.ended_requests);
    let problem = requests::filter_problem(&arguments.filter.join(" "), all);
    let exit = match (problem, arguments.cancel) {
        (Some(problem), _) => Failure::new(Exit::Usage, problem).print(),
        (None, Some(id)) => cancel(&mut front, RequestId(id)).await,
        (None, None) if arguments.follow => follow(arguments, &mut front).await,
        (None, None) => {
            let mut out = io::stdout().lock();
            let written = list(arguments, &front.state().domain, width, &mut out).and_then(|()| out.flush());
            super::output::ended(written, Exit::Done)
        }
    };
    front.shut_down().await.iter().for_each(|reason| print_error(reason, None));
    exit
}

async fn cancel(front: &mut Front, id: RequestId) -> Exit {
    let domain = &front.state().domain;
    match requests::find(&domain.sessions, &domain.ended_requests, id) {
        None => return Failure::new(Exit::NotFound, format!("there is no request {}", id.0)).print(),
        Some(row) if !row.is_open() => {
            return Failure::new(Exit::Refused, format!("request {} has ended: {}", id.0, row.state.word())).print();
        }
        Some(_) => {}
    }
    match front.command(What::CancelRequest(id)).await {
        Ok(_) => Exit::Done,
        Err(refused) => {
            let exit = if refused.cause == Cause::NotFound { Exit::NotFound } else { Exit::Failed };
            Failure::new(exit, refused.reason).print()
        }
    }
}

fn listed<'a>(arguments: &Requests, domain: &'a Domain, is_lost: bool) -> Vec<Row<'a>> {
    let all = requests::all(&domain.sessions, &domain.ended_requests);
    let all = all.map(|row| if is_lost { row.without_server() } else { row });
    requests::listed(all, &arguments.filter.join(" "), (arguments.sort, arguments.reverse), facts(domain))
}

fn facts(domain: &Domain) -> Facts<'_> {
    Facts { now: domain.now, energy: &domain.settings.energy }
}

const fn column(title: &'static str, right: bool, least: Option<usize>, goes: u8) -> Column {
    Column { title, right, least, goes }
}

const COLUMNS: [Column; 15] = [
    column("#", true, None, 0),
    column("State", false, None, 0),
    column("Client", false, Some(8), 0),
    column("Agent", false, Some(10), 9),
    column("API", false, None, 8),
    column("Model", false, Some(12), 0),
    column("Queue ms", true, None, 5),
    column("TTFT ms", true, None, 3),
    column("pp tok/s", true, None, 6),
    column("tok/s", true, None, 1),
    column("Cached", true, None, 7),
    column("Prompt", true, None, 7),
    column("Tokens", true, None, 4),
    column("J", true, None, 2),
    column("Finish", false, None, 5),
];

fn list(arguments: &Requests, domain: &Domain, width: Option<usize>, out: &mut impl Write) -> io::Result<()> {
    let rows = listed(arguments, domain, false);
    if arguments.json {
        let requests = rows.iter().map(|row| RequestDocument::new(row, domain)).collect();
        return crate::json::write(out, &Document::new(requests));
    }
    if rows.is_empty() {
        let text = if arguments.filter.is_empty() { "no requests yet" } else { "no request matches the filter" };
        return writeln!(out, "{text}");
    }
    let cells: Vec<_> = rows.iter().map(|row| cells(row, domain)).collect();
    table::write(out, &COLUMNS, &cells, width)
}

fn cells(row: &Row<'_>, domain: &Domain) -> Vec<String> {
    let name = |text: &str| gguf::clean(text, MAX_NAME);
    let count = |n: Option<u32>| or_dash(n.map(|n| n.to_string()));
    let counters = &row.figures.counters;
    vec![
        row.id.0.to_string(),
        row.state.word().to_owned(),
        name(row.client()),
        or_dash(row.agent().map(name)),
        or_dash(row.api().map(str::to_owned)),
        name(row.model),
        row.queue_time(domain.now).as_millis().to_string(),
        or_dash(row.time_to_first_token().map(|time| time.as_millis().to_string())),
        or_dash(counters.prompt_rate().map(digits)),
        or_dash(counters.generation_rate().map(digits)),
        count(row.n_cached()),
        count(row.n_prompt),
        count(row.n_generated()),
        joules(row, domain),
        or_dash(row.finish().map(str::to_owned)),
    ]
}

fn joules(row: &Row<'_>, domain: &Domain) -> String {
    match row.energy(&domain.settings.energy) {
        Figure::Known { value, grade, .. } => format!("{}{}", grade.mark(), digits(value.value)),
        Figure::Unknown { .. } => "—".to_owned(),
    }
}

/// Show each request as it changes, until Ctrl-C or the server's end.
async fn follow(arguments: &Requests, front: &mut Front) -> Exit {
    let mut shown = HashMap::new();
    let mut show = |domain: &Domain, is_lost| {
        let mut out = io::stdout().lock();
        changes(arguments, domain, is_lost, &mut shown, &mut out).and_then(|()| out.flush())
    };
    loop {
        let written = show(&front.state().domain, false);
        if written.is_err() {
            return super::output::ended(written, Exit::Done);
        }
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return Exit::Interrupted,
            advanced = front.advance(|_: &Event| {}) => if let Err(reason) = advanced {
                let written = show(&front.state().domain, true);
                return super::output::ended(written, Failure::new(Exit::Failed, reason).print());
            },
        }
    }
}

/// Write the requests whose state has changed since they were shown last, oldest first. Where the server is gone, those that
/// had not ended are lost.
fn changes(
    arguments: &Requests,
    domain: &Domain,
    is_lost: bool,
    shown: &mut HashMap<RequestId, RequestState>,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut rows = listed(arguments, domain, is_lost);
    rows.sort_by_key(|row| (row.since, row.id));
    for row in &rows {
        if shown.get(&row.id) == Some(&row.state) || (!is_lost && waits_for_energy(row, domain)) {
            continue;
        }
        shown.insert(row.id, row.state);
        if arguments.json {
            crate::json::write_compact(out, &Line::new(RequestDocument::new(row, domain)))?;
            writeln!(out)?;
        } else {
            line(row, domain, out)?;
        }
    }
    // What is no longer known comes back under no number.
    shown.retain(|id, _| requests::find(&domain.sessions, &domain.ended_requests, *id).is_some());
    Ok(())
}

/// Whether a request has just ended, and its last energy is not booked yet.
fn waits_for_energy(row: &Row<'_>, domain: &Domain) -> bool {
    let since_end = row.ended.map(|ended| domain.now.uptime.saturating_sub(ended.uptime).as_secs());
    row.started.is_some() && !row.figures.is_settled && since_end.is_some_and(|seconds| seconds < MAX_UNBOOKED)
}

fn line(row: &Row<'_>, domain: &Domain, out: &mut impl Write) -> io::Result<()> {
    let name = |text: &str| gguf::clean(text, MAX_NAME);
    let from: Vec<String> = [Some(row.client()), row.agent(), row.api()].into_iter().flatten().map(name).collect();
    write!(out, "{:<6} {:<10}  {}  {}", format!("#{}", row.id.0), row.state.word(), from.join(" · "), name(row.model))?;
    if row.started.is_some() || !row.is_open() {
        write!(out, "  queue {} ms", row.queue_time(domain.now).as_millis())?;
    }
    if let Some(time) = row.time_to_first_token() {
        write!(out, " · TTFT {} ms", time.as_millis())?;
    }
    if !row.is_open() {
        let count = |n: Option<u32>| or_dash(n.map(|n| n.to_string()));
        let rate = or_dash(row.figures.counters.generation_rate().map(digits));
        write!(
            out,
            " · prompt {} ({} cached) · {} tokens at {rate} tok/s · {} J · {}",
            count(row.n_prompt),
            count(row.n_cached()),
            count(row.n_generated()),
            joules(row, domain),
            row.error().map_or_else(|| or_dash(row.finish().map(str::to_owned)), |error| gguf::clean(error, 200))
        )?;
    }
    writeln!(out)
}
