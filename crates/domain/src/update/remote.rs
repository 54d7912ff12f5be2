//! What follows from news of another machine.

use super::bench;
use super::energy::attribute_on;
use super::sample::take_process;
use super::start::share_threads;
use super::watch::watch;
use crate::effect::Effect;
use crate::figure::Figure;
use crate::machine::remote::{LinkState, RemoteEvent};
use crate::state::Domain;

/// Take news of a machine. One that is not set is nobody's.
pub(super) fn on_event(domain: &mut Domain, name: &str, event: RemoteEvent) -> Vec<Effect> {
    let now = domain.now.uptime;
    let Some(machine) = domain.machines.iter_mut().find(|machine| machine.name == name) else { return Vec::new() };
    match event {
        RemoteEvent::Connecting => {
            // Why it was lost shows until it answers again.
            if machine.link == LinkState::Connected {
                machine.link = LinkState::Connecting;
            }
        }
        RemoteEvent::Connected { version, differs } => {
            (machine.link, machine.version, machine.differs) = (LinkState::Connected, version, differs);
            // Who watches there has forgotten.
            return vec![watch(domain, name.to_owned())];
        }
        RemoteEvent::Figures(figures) => machine.figures = Some(figures),
        RemoteEvent::Sessions(sessions) => machine.sessions = sessions,
        RemoteEvent::Models(models) => {
            machine.n_models = models.len();
            let library = &mut domain.library;
            library.models.retain(|model| model.machine.as_deref() != Some(name));
            library.models.extend(models.into_iter().filter(|model| model.machine.as_deref() == Some(name)));
            library.openness.keep(&library.models);
            return super::judge::judge(library, None).into_iter().collect();
        }
        RemoteEvent::Sample(sample) => {
            attribute_on(domain, Some(name), &sample, now);
            for session in domain.sessions.iter_mut().filter(|session| session.machine() == Some(name)) {
                take_process(session, &sample);
            }
            if let Some(machine) = domain.machines.iter_mut().find(|machine| machine.name == name) {
                machine.sample = Some(sample);
            }
            let mut effects = share_threads(domain);
            effects.extend(bench::sampled(domain, Some(name)));
            return effects;
        }
        RemoteEvent::Lost { reason, hint, again } => {
            // What it said before is not so any more.
            (machine.figures, machine.sample) = (None, None);
            machine.sessions.clear();
            for session in domain.sessions.iter_mut().filter(|session| session.machine() == Some(name)) {
                (session.process, session.gpu_memory) = (None, None);
                session.watts = Figure::unknown(format!("{name} is not connected"));
            }
            machine.link = LinkState::Lost { reason, hint, again };
        }
    }
    Vec::new()
}
