//! Models of other machines: how they are called here, and how one is found by its name.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::time::{Instant, timeout, timeout_at};

use super::protocol::{Line, MAX_LINE, MAX_MODELS, MAX_SESSIONS};
use super::ssh::{self, LAST_WORDS, read_stderr};
use domain::machine::Sample;
use domain::model::Model;
use domain::session::SessionStatus;
use domain::settings::Machine;

/// How long a machine may take to list its models for a command that needs one of them.
const LIST_TIMEOUT: Duration = Duration::from_secs(40);

/// How long one may take to say who it is to a command that shows other things as well. A login over ssh takes less than
/// two seconds across an ocean.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);

/// How long it may then take to list its models, from the beginning: it may have to look through slow disks first.
const LOOK_ALL_TIMEOUT: Duration = Duration::from_secs(20);

/// What stands between a machine's name and what a thing is called there.
const SEPARATOR: char = '/';

/// A model as a machine tells it, under the machine's name; `None` where it can't be read.
pub(super) fn there(name: &str, model: Value) -> Option<Arc<Model>> {
    let model: Model = serde_json::from_value(model).ok()?;
    let clean = |text: &str, most| gguf::clean(text, most);
    let called = |text: &str| format!("{name}{SEPARATOR}{}", clean(text, 400));
    // An id that cleaning changes would be another one there.
    (clean(&model.id, 4096) == model.id).then(|| {
        Arc::new(Model {
            id: format!("{name}{SEPARATOR}{}", model.id),
            name: called(&model.name),
            machine: Some(name.to_owned()),
            // Its other places are that machine's own affair.
            also: Vec::new(),
            ..model
        })
    })
}

/// What a thing of a machine is called here.
pub fn named(machine: &str, name: &str) -> String {
    format!("{machine}{SEPARATOR}{name}")
}

/// A model's id on its machine.
pub(super) fn id_there<'a>(name: &str, model: &'a Model) -> &'a str {
    let rest = model.id.strip_prefix(name).and_then(|rest| rest.strip_prefix(SEPARATOR));
    rest.unwrap_or(&model.id)
}

/// What an argument means that begins with the name of a machine.
#[derive(Debug)]
pub enum Found {
    /// The model's own name there, and all models of the machine.
    On(String, Vec<Arc<Model>>),
    /// The machine can't be asked.
    Failed {
        /// Why.
        reason: String,
        /// What could be done.
        hint: Option<String>,
    },
}

/// The models of the machine that `argument` begins with; `None` where it names none.
pub fn find(argument: &str, machines: &BTreeMap<String, Machine>) -> Option<Found> {
    let (name, rest) = argument.split_once(SEPARATOR)?;
    let machine = machines.get(name)?;
    let patience = Patience { hello: LIST_TIMEOUT, all: LIST_TIMEOUT };
    let listed = ask(&[(name, machine)], Wants::Models, patience).pop()?;
    Some(match listed.listing {
        Ok(listing) => Found::On(rest.to_owned(), listing.models),
        Err(Unreached { reason, hint }) => Found::Failed { reason: format!("{name} can't be asked: {reason}"), hint },
    })
}

/// What a command wants of a machine that it asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    /// Its models, and the sessions of its server.
    Models,
    /// The sessions alone, which are there at once.
    Sessions,
    /// What its sensors say at once: its memory, and no rates.
    Sample,
}

/// What a machine has.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// Its models, under the machine's name.
    pub models: Vec<Arc<Model>>,
    /// The sessions of its server, under the names that they have there.
    pub sessions: Vec<SessionStatus>,
    /// What its sensors say at once.
    pub sample: Option<Box<Sample>>,
}

/// Why a machine could not be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreached {
    /// Why, in one clause.
    pub reason: String,
    /// What could be done.
    pub hint: Option<String>,
}

impl Unreached {
    fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), hint: None }
    }
}

/// What came of asking a machine.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The machine's name.
    pub name: String,
    /// What it has.
    pub listing: Result<Listing, Unreached>,
}

/// How long a machine is waited for.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// Until it says who it is.
    hello: Duration,
    /// Until it has said all.
    all: Duration,
}

/// Ask machines for a command that shows this machine's things as well: all at once, and none for longer than it takes
/// others to answer. Blocks until all have answered, or their time is over.
pub fn look(machines: &[(&str, &Machine)], wants: Wants) -> Vec<Listed> {
    ask(machines, wants, Patience { hello: LOOK_TIMEOUT, all: LOOK_ALL_TIMEOUT })
}

fn ask(machines: &[(&str, &Machine)], wants: Wants, patience: Patience) -> Vec<Listed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let all = |(name, machine): &(&str, &Machine)| {
        let (name, machine) = ((*name).to_owned(), (*machine).clone());
        async move {
            let listing = list(&name, &machine, wants, patience).await;
            Listed { name, listing }
        }
    };
    match runtime {
        Ok(runtime) => runtime.block_on(join_all(machines.iter().map(all))),
        Err(error) => {
            let failed = |name: &str| Listed { name: name.to_owned(), listing: Err(Unreached::new(error.to_string())) };
            machines.iter().map(|(name, _)| failed(name)).collect()
        }
    }
}

/// Ask one machine. Its ssh is killed when this is dropped, or its time is over.
async fn list(name: &str, machine: &Machine, wants: Wants, patience: Patience) -> Result<Listing, Unreached> {
    let begun = Instant::now();
    let mut words = ssh::words(machine, &["machine-agent".to_owned(), "--list".to_owned()]).into_iter();
    let mut command = tokio::process::Command::new(words.next().unwrap_or_default());
    command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command.env("SSH_ASKPASS_REQUIRE", "never").process_group(0);
    let mut child = command.spawn().map_err(|error| Unreached::new(format!("ssh can't be started: {error}")))?;
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(Unreached::new("ssh has no pipes"));
    };
    let said = tokio::spawn(read_stderr(stderr));
    if let Some(read) = read(name, stdout, wants, (begun, patience)).await {
        return read.map_err(Unreached::new);
    }
    // It has closed its output without having said what is wanted.
    let ended = timeout(LAST_WORDS, async { (child.wait().await, said.await) }).await;
    let (code, said) = ended.map_or((None, String::new()), |(status, said)| {
        (status.ok().and_then(|status| status.code()), said.unwrap_or_default())
    });
    let (reason, hint) = ssh::why(machine, code, &said);
    Err(Unreached { reason, hint })
}

/// What a machine lists; `None` where its output ends before it has.
async fn read(
    name: &str,
    stdout: tokio::process::ChildStdout,
    wants: Wants,
    (begun, patience): (Instant, Patience),
) -> Option<Result<Listing, String>> {
    let mut lines = BufReader::new(stdout.take(MAX_LINE));
    let mut line = Vec::new();
    let mut listing = Listing::default();
    let mut wait = patience.hello;
    loop {
        line.clear();
        match timeout_at(begun + wait, lines.read_until(b'\n', &mut line)).await {
            Ok(Ok(0) | Err(_)) => return None,
            Ok(Ok(_)) => {}
            Err(_) => return Some(Err(format!("it does not answer within {} s", wait.as_secs()))),
        }
        let Ok(line) = serde_json::from_slice::<Line>(&line) else { continue };
        if let Some(hello) = line.hello {
            // Sessions are reported in every version.
            if let Some(differs) = hello.difference(name).filter(|_| wants != Wants::Sessions) {
                return Some(Err(differs));
            }
            wait = patience.all;
        }
        if let Some(sessions) = line.sessions {
            listing.sessions = sessions.into_iter().take(MAX_SESSIONS).map(SessionStatus::cleaned).collect();
            if wants == Wants::Sessions {
                return Some(Ok(listing));
            }
        }
        if let Some(sample) = line.sample {
            listing.sample = Some(sample);
            if wants == Wants::Sample {
                return Some(Ok(listing));
            }
        }
        if let Some(models) = line.models {
            listing.models = models.into_iter().take(MAX_MODELS).filter_map(|model| there(name, model)).collect();
            return Some(Ok(listing));
        }
    }
}
