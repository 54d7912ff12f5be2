//! Where a worker runs: on this machine, on another one, as a job, or as an engine of another program.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{App, machines, prepare, prompts};
use crate::engine::Program;
use crate::{engine, library};
use domain::Event;
use domain::event::{LibraryEvent, WorkerEvent};
use domain::machine::remote::LinkState;
use domain::model::Model;
use domain::session::{JobRequest, WorkerId};
use domain::settings::{Machine, SchedulingPolicy};

/// How long other machines are waited for before a command begins without their sensors.
const FIRST_SAMPLE: Duration = Duration::from_secs(15);

impl App {
    /// Put the models into the state without a scan, as a command does that needs one of them only.
    pub fn adopt(&mut self, models: Vec<Arc<Model>>) {
        self.connect(models.iter().filter_map(|model| model.machine.clone()).collect());
        self.handle(Event::Library(LibraryEvent::Found(models)));
    }

    /// Connect to all machines of the settings.
    pub fn connect_all(&mut self) {
        self.connect(self.state.domain.settings.machines.keys().cloned().collect());
    }

    /// Wait until the machines that are used were read once: admission needs to know their memory, and workers their cores.
    /// Another machine is waited for as long as it may still answer.
    pub async fn first_sample(&mut self) {
        let until = Instant::now() + FIRST_SAMPLE;
        while self.state.domain.machine.sample.is_none() || (self.waits_for_machines() && Instant::now() < until) {
            match timeout_at(until, self.next()).await {
                Ok(event) => self.handle(event),
                Err(_) if self.state.domain.machine.sample.is_some() => return,
                // This machine always answers.
                Err(_) => {
                    let event = self.next().await;
                    self.handle(event);
                }
            }
        }
    }

    /// Whether one of the machines that are connected to has not reported yet and may still.
    fn waits_for_machines(&self) -> bool {
        let mut used = self.machines.names().filter_map(|name| self.state.domain.remote(name));
        used.any(|machine| {
            let may_answer = machine.differs.is_none() && !matches!(machine.link, LinkState::Lost { .. });
            machine.sample.is_none() && may_answer
        })
    }

    /// Connect to these machines, but for those that it is connected to already.
    pub(super) fn connect(&mut self, names: BTreeSet<String>) {
        for name in names {
            if let Some(machine) = self.state.domain.settings.machines.get(&name) {
                let interval = self.state.domain.settings.telemetry.interval;
                self.machines.connect(&name, machine, interval, self.clock);
            }
        }
    }

    /// Start a worker where its model is to run.
    pub(super) fn spawn(
        &mut self,
        worker: WorkerId,
        model: Arc<Model>,
        mut load: wire::Load,
        scheduling: SchedulingPolicy,
        job: Option<Box<JobRequest>>,
    ) {
        if model.machine.is_some() {
            return self.spawn_there(worker, &model, load, scheduling);
        }
        let settings = &self.state.domain.settings;
        if let Some(remote) = &model.remote {
            let access = engine::remote::Access::of(remote, settings);
            return self.engine.spawn_remote(worker, load, access, remote.model.clone());
        }
        load.kept_prompts = prompts::kept(settings);
        load.amx &= settings.engine.amx;
        let has_device = load.devices.as_ref().map_or(library::HAS_GPU_ENGINE, |devices| !devices.is_empty());
        let on_cpu = !has_device || load.n_gpu_layers == Some(0);
        let job = job.map(|job| *job);
        self.engine.spawn(worker, load, scheduling, job, move || prepare::prepare(&model, on_cpu));
    }

    /// Start a worker on the machine of its model, by ssh. What is checked before is checked there.
    fn spawn_there(&mut self, worker: WorkerId, model: &Model, load: wire::Load, scheduling: SchedulingPolicy) {
        let program = self.reached(worker, model, |name, machine| machines::worker(name, machine, model, scheduling));
        if let Some(program) = program {
            self.spawn_by_ssh(program, worker, load);
        }
    }

    /// Be a client of the session that the server of the model's machine has: by a process there that speaks like a worker.
    pub(super) fn join(&mut self, worker: WorkerId, model: &Model, load: wire::Load) {
        if let Some(program) = self.reached(worker, model, |name, machine| machines::joined(name, machine, model)) {
            self.spawn_by_ssh(program, worker, load);
        }
    }

    /// The program for a model's machine; where that is set no more, the worker's end is told.
    fn reached(
        &mut self,
        worker: WorkerId,
        model: &Model,
        program: impl FnOnce(&str, &Machine) -> Program,
    ) -> Option<Program> {
        let name = model.machine.clone().unwrap_or_default();
        if let Some(machine) = self.state.domain.settings.machines.get(&name) {
            return Some(program(&name, machine));
        }
        let reason = format!("config.toml has no machine `{name}` any more");
        let hint = Some(format!("write [machine.{name}] with `ssh = \"host\"`"));
        self.handle(Event::Worker(worker, WorkerEvent::Exited { reason, expected: false, hint }));
        None
    }

    fn spawn_by_ssh(&mut self, program: Program, worker: WorkerId, mut load: wire::Load) {
        // Folders of this machine.
        load.kept_prompts = None;
        // The worker there takes the path that its own machine has for the model, and that machine's own niceness is given
        // to it on its command line.
        self.engine.spawn_by(program, worker, load, SchedulingPolicy::default(), None, || Ok(PathBuf::new()));
    }
}
