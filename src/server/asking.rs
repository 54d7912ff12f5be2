//! From a model's name and what is to be generated to an answer.

use domain::ask::{Api, Asker, Generation, Priority};
use domain::command::Refused;
use domain::keep_alive::KeepAlive;
use domain::settings::{Chosen, SessionSettings};
use domain::{Domain, alias};

use super::energy::Wanted;
use super::error::Result;
use super::guard::Caller;
use super::handle::{Answer, Meter};
use super::models::Served;
use super::shared::Shared;

/// How a model is asked.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    /// Who asks.
    pub(super) asker: Asker,
    /// Context length in tokens, where the client wants one.
    pub(super) context: Option<u32>,
    /// How long the model stays loaded afterwards, where the client says so.
    pub(super) keep_alive: Option<KeepAlive>,
    /// Whether the client is told what its answers took of energy.
    pub(super) energy: Wanted,
}

impl Asking {
    /// By this caller through this API, with all else as the settings have it.
    pub(super) fn new(caller: Caller, api: Api) -> Self {
        let energy = caller.energy;
        let asker = Asker { name: caller.name, agent: caller.agent, api };
        Self { asker, context: None, keep_alive: None, energy }
    }
}

impl Shared {
    /// Have a model answer.
    pub(super) async fn ask(&self, served: &Served, generation: Generation, asking: &Asking) -> Result<Answer> {
        let (name, asking) = (served.name.clone(), asking.clone());
        let meter = Meter::new(&self.handle, asking.energy);
        let make = move |domain: &Domain| {
            let target = alias::resolve(domain, &name)?;
            let mut ask = target.ask(domain, generation, asking.asker, Priority::Interactive, asking.keep_alive);
            if let Some(context) = asking.context {
                let settings = ask.settings.map_or(domain.settings.session, |settings| *settings);
                ask.settings = Some(Box::new(with_context(settings, context)));
            }
            Ok::<_, Refused>(ask)
        };
        let mut answer = self.handle.ask(make).await?;
        answer.meter = meter;
        Ok(answer)
    }
}

/// These settings with another context.
pub(super) fn with_context(settings: SessionSettings, context: u32) -> SessionSettings {
    SessionSettings { context, is_context_chosen: Chosen(true), ..settings }
}

/// The same for one of several answers: one seed for all would give the same answer again and again.
pub(super) fn of_choice(generation: &Generation, choice: u32) -> Generation {
    let mut generation = generation.clone();
    generation.sampling.seed = generation.sampling.seed.map(|seed| seed.wrapping_add(choice));
    generation
}
