//! `taffrail machine-agent`: what another machine's taffrail starts here by ssh.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::Exit;
use super::failure::{Failure, print_error};
use super::progress::Progress;
use crate::app::machines::{self, Agent, Found};
use crate::library;
use domain::model::Model;
use domain::settings::{SchedulingPolicy, Settings, WaitPolicy};

/// Tell another machine's taffrail of this one, or run a worker for it.
#[derive(Debug, Args)]
pub struct MachineAgent {
    /// Tell the sessions and the models once, and end
    #[arg(long)]
    list: bool,
    /// Be a worker for the model of this id
    #[arg(long, value_name = "ID", conflicts_with = "list")]
    worker: Option<String>,
    /// Speak like a worker for the session that this machine's server has of the model of this id
    #[arg(long, value_name = "ID", conflicts_with_all = ["list", "worker"])]
    join: Option<String>,
    /// Run a file that the check refuses
    #[arg(long, requires = "worker")]
    force: bool,
    /// The worker's niceness
    #[arg(long, requires = "worker", value_parser = clap::value_parser!(u32).range(0..=19))]
    nice: Option<u32>,
    /// What the worker's threads do while they wait
    #[arg(long, requires = "worker", value_parser = wait_policy())]
    wait_policy: Option<WaitPolicy>,
    /// The time between two samples
    #[arg(long, value_name = "MS")]
    interval: Option<u64>,
}

/// Reads the name of a policy.
fn wait_policy() -> impl TypedValueParser<Value = WaitPolicy> {
    PossibleValuesParser::new(WaitPolicy::ALL.map(WaitPolicy::name))
        .map(|wanted| WaitPolicy::ALL.into_iter().find(|policy| policy.name() == wanted).unwrap_or_default())
}

/// Do what the other machine wants.
pub fn run(arguments: &MachineAgent, mut settings: Settings, verbose: bool) -> ExitCode {
    if let Some(interval) = arguments.interval {
        settings.telemetry.interval = Duration::from_millis(interval);
    }
    let own = settings.engine.scheduling();
    let agent = Agent::new(settings);
    if let Some(id) = &arguments.worker {
        let wait_policy = arguments.wait_policy.unwrap_or(own.wait_policy);
        let scheduling = SchedulingPolicy { wait_policy, nice: arguments.nice.unwrap_or(own.nice) };
        let reason = agent.become_worker(id, arguments.force, scheduling, verbose);
        return Failure::new(Exit::Failed, reason).print().into();
    }
    if let Some(id) = &arguments.join {
        return match agent.join(id) {
            Ok(()) => Exit::Done.into(),
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

/// The model of another machine that an argument means; says why there is none. `None` where it begins with no machine's name.
pub fn find(argument: &str, settings: &Settings) -> Option<Result<Arc<Model>, Exit>> {
    let (name, _) = argument.split_once('/').filter(|(name, _)| settings.machines.contains_key(*name))?;
    let asked = format!("asking {name} for its models");
    let (reason, hint, exit) = match Progress::during(&asked, || machines::find(argument, &settings.machines))? {
        Found::On(rest, models) => match library::resolve::resolve(&models, &rest) {
            Ok(model) => return Some(Ok(model)),
            Err(error) => (error.to_string(), error.hint(), Exit::NotFound),
        },
        Found::Failed { reason, hint } => (reason, hint, Exit::Failed),
    };
    print_error(&reason, hint.as_deref());
    Some(Err(exit))
}
