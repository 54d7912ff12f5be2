//! Other machines with taffrail: a connection to each over the user's own ssh, and what is said on it.
//!
//! Owned here: the connections with their deadlines and pauses, the protocol, and its far end. A machine that hangs holds up
//! its own connection alone. Absent: what follows from what a machine says, which is the domain's; the workers there, which
//! the engine runs like its own, by ssh.

mod agent;
mod joined;
mod link;
mod models;
mod protocol;
mod ssh;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::Clock;
use crate::engine::Program;
use domain::machine::remote::RemoteEvent;
use domain::model::Model;
use domain::settings::{Machine, SchedulingPolicy};

pub use agent::Agent;
pub use models::{Found, Listed, Listing, Unreached, Wants, find, look, named};

/// News of machines that may wait; behind it their connections wait.
const MAX_NEWS: usize = 64;

/// The connections to all machines.
#[derive(Debug)]
pub(super) struct Links {
    by_name: BTreeMap<String, Link>,
    sender: mpsc::Sender<(String, RemoteEvent)>,
    news: mpsc::Receiver<(String, RemoteEvent)>,
}

/// A connection, and the processes that are watched by it.
#[derive(Debug)]
struct Link {
    pids: watch::Sender<Vec<u32>>,
    task: JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        // Its ssh is killed with it.
        self.task.abort();
    }
}

impl Links {
    /// No connections yet.
    pub(super) fn new() -> Self {
        let (sender, news) = mpsc::channel(MAX_NEWS);
        Self { by_name: BTreeMap::new(), sender, news }
    }

    /// Connect to a machine, and again whenever the connection is lost. Events report on it; its sensors are read with this
    /// time between two samples.
    pub(super) fn connect(&mut self, name: &str, machine: &Machine, interval: Duration, clock: Clock) {
        if self.by_name.contains_key(name) {
            return;
        }
        let (pids, watched) = watch::channel(Vec::new());
        let task =
            tokio::spawn(link::keep(name.to_owned(), (machine.clone(), interval), clock, watched, self.sender.clone()));
        self.by_name.insert(name.to_owned(), Link { pids, task });
    }

    /// The machines that are connected to, or are to be.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// Watch these processes on a machine from now on.
    pub(super) fn watch(&self, machine: &str, pids: Vec<u32>) {
        if let Some(link) = self.by_name.get(machine) {
            link.pids.send_replace(pids);
        }
    }

    /// Wait for the next news.
    pub(super) async fn next(&mut self) -> Option<(String, RemoteEvent)> {
        self.news.recv().await
    }

    /// News that have come already.
    pub(super) fn try_next(&mut self) -> Option<(String, RemoteEvent)> {
        self.news.try_recv().ok()
    }
}

/// The program that is a worker for a model on another machine.
pub(super) fn worker(name: &str, machine: &Machine, model: &Model, scheduling: SchedulingPolicy) -> Program {
    let SchedulingPolicy { wait_policy, nice } = scheduling;
    let words = ["machine-agent", "--nice", &nice.to_string(), "--wait-policy", wait_policy.name(), "--worker"];
    let mut remote: Vec<String> = words.map(str::to_owned).to_vec();
    remote.push(ssh::quoted(models::id_there(name, model)));
    if model.overridden.is_some() {
        remote.push("--force".to_owned());
    }
    by_ssh(name, machine, &remote)
}

/// The program that speaks like a worker for the session that a machine's server has of a model.
pub(super) fn joined(name: &str, machine: &Machine, model: &Model) -> Program {
    let id = ssh::quoted(models::id_there(name, model));
    by_ssh(name, machine, &["machine-agent".to_owned(), "--join".to_owned(), id])
}

fn by_ssh(name: &str, machine: &Machine, remote: &[String]) -> Program {
    let mut words = ssh::words(machine, remote).into_iter();
    let path = words.next().unwrap_or_default().into();
    Program { path, arguments: words.map(Into::into).collect(), machine: Some(name.to_owned()) }
}
