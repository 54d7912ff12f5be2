//! `taffrail machine-agent`: what another machine's taffrail starts here by ssh.

use std::process::ExitCode;

use clap::Args;

use super::Exit;
use super::failure::Failure;
use crate::app::machines::Agent;
use domain::settings::Settings;

/// Tell another machine's taffrail of this one, or run a worker for it.
#[derive(Debug, Args)]
pub struct MachineAgent {
    /// Tell the models once, and end
    #[arg(long)]
    list: bool,
    /// Be a worker for the model of this id
    #[arg(long, value_name = "ID", conflicts_with = "list")]
    worker: Option<String>,
    /// Run a file that the check refuses
    #[arg(long, requires = "worker")]
    force: bool,
}

/// Do what the other machine wants.
pub fn run(arguments: &MachineAgent, settings: Settings, verbose: bool) -> ExitCode {
    let agent = Agent::new(settings);
    if let Some(id) = &arguments.worker {
        return match agent.file(id, arguments.force) {
            Ok(path) => worker::run(&worker::Options { verbose, path: Some(path), ..worker::Options::default() }),
            Err(reason) => Failure::new(Exit::Failed, reason).print().into(),
        };
    }
    if arguments.list {
        agent.list();
        return Exit::Done.into();
    }
    match agent.run() {
        Ok(()) => Exit::Done.into(),
        Err(error) => Failure::new(Exit::Failed, error.to_string()).print().into(),
    }
}
