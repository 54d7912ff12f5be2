//! Where a worker runs: on this machine, on another one, as a job, or as an engine of another program.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::{App, machines, prepare, prompts};
use crate::{engine, library};
use domain::Event;
use domain::event::{LibraryEvent, WorkerEvent};
use domain::model::Model;
use domain::session::{JobRequest, WorkerId};
use domain::settings::SchedulingPolicy;

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

    /// Connect to these machines, but for those that it is connected to already.
    pub(super) fn connect(&mut self, names: BTreeSet<String>) {
        for name in names {
            if let Some(machine) = self.state.domain.settings.machines.get(&name) {
                self.machines.connect(&name, machine, self.clock);
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
    fn spawn_there(&mut self, worker: WorkerId, model: &Model, mut load: wire::Load, scheduling: SchedulingPolicy) {
        let name = model.machine.clone().unwrap_or_default();
        let Some(machine) = self.state.domain.settings.machines.get(&name) else {
            let reason = format!("config.toml has no machine `{name}` any more");
            let hint = Some(format!("write [machine.{name}] with `ssh = \"host\"`"));
            return self.handle(Event::Worker(worker, WorkerEvent::Exited { reason, expected: false, hint }));
        };
        let program = machines::worker(&name, machine, model);
        // Folders of this machine.
        load.kept_prompts = None;
        // The worker there takes the path that its own machine has for the model.
        self.engine.spawn_by(program, worker, load, scheduling, None, || Ok(PathBuf::new()));
    }
}
