//! Whether the models of a bench fit, on this machine and on those whose devices they use.

use std::sync::Arc;

use crate::admission::{self, estimate};
use crate::lab::bench::{Plan, TestCase};
use crate::model::Model;
use crate::settings::{SessionSettings, WaitPolicy};
use crate::state::Domain;
use crate::units::Bytes;

/// What the models of a bench need.
pub(super) struct Needs {
    /// What each takes of this machine.
    pub(super) here: Vec<Bytes>,
    /// Why each can't be measured.
    pub(super) obstacles: Vec<Option<String>>,
    /// Why they are measured one after the other; `None` where they are loaded together.
    pub(super) apart: Option<String>,
}

/// What a model takes at most while it is benched: its own small context, and the largest of a cell.
struct Needed<'a> {
    /// The machine that it runs on; `None` for this one.
    machine: Option<&'a str>,
    here: Bytes,
    /// On the devices of other machines.
    elsewhere: Bytes,
    /// Why that does not fit there.
    no_room: Option<String>,
}

fn needed<'a>(domain: &Domain, plan: &Plan, cells: &[TestCase], model: &'a Model) -> Needed<'a> {
    let most = cells.iter().map(|cell| plan.n_context(cells, cell.parallel).saturating_mul(cell.parallel)).max();
    let settings = SessionSettings { context: most.unwrap_or(0), ..plan.settings };
    let all = estimate(model, &settings).map_or(Bytes(0), |estimate| Bytes(estimate.total() + estimate.compute_high));
    let elsewhere = admission::planned(domain, model, &settings).elsewhere.min(all);
    let no_room = admission::fits_elsewhere(domain, model, &settings).err();
    let no_room = no_room.map(|error| format!("{error}: {}", error.remedy()));
    let machine = model.machine.as_deref();
    Needed { machine, here: all.saturating_sub(elsewhere), elsewhere, no_room }
}

/// What the models need, and what speaks against some.
pub(super) fn needs(domain: &Domain, plan: &Plan, cells: &[TestCase], models: &[Arc<Model>]) -> Needs {
    let needs: Vec<Needed> = models.iter().map(|model| needed(domain, plan, cells, model)).collect();
    // In a job of a cluster the memory of this machine counts for nothing.
    let free = |needed: &Needed<'_>| {
        admission::free_on(domain, needed.machine).map(|memory| memory.free).filter(|_| plan.settings.on.is_here())
    };
    // What can't be measured keeps nobody from measuring the rest.
    let obstacle = |(model, needed): (&Arc<Model>, &Needed)| {
        match (free(needed).filter(|free| needed.here > *free), &needed.no_room) {
            _ if !model.is_runnable() => Some(format!("it can't be run: {}", model.status)),
            _ if model.embeds_only() => {
                Some("it is a model for embeddings, which generates nothing to measure".to_owned())
            }
            (Some(free), _) => {
                Some(format!("it would need about {} for this bench, but {free} are free", needed.here))
            }
            (None, no_room) => no_room.clone(),
        }
    };
    let obstacles: Vec<Option<String>> = models.iter().zip(&needs).map(obstacle).collect();
    let apart = apart(domain, plan, &free, needs.iter().zip(&obstacles).filter(|one| one.1.is_none()).map(|one| one.0));
    Needs { here: needs.iter().map(|needed| needed.here).collect(), obstacles, apart }
}

/// Why these can't be loaded together.
fn apart<'a>(
    domain: &Domain,
    plan: &Plan,
    free: &impl Fn(&Needed<'_>) -> Option<Bytes>,
    needs: impl Iterator<Item = &'a Needed<'a>> + Clone,
) -> Option<String> {
    if needs.clone().count() < 2 {
        return None;
    }
    let on = |machine| needs.clone().filter(move |needed| needed.machine == machine).map(|needed| needed.here);
    let short = needs.clone().find(|needed| free(needed).is_some_and(|free| on(needed.machine).sum::<Bytes>() > free));
    let elsewhere: Bytes = needs.clone().map(|needed| needed.elsewhere).sum();
    if domain.settings.bench.wait_policy == WaitPolicy::Active {
        let why = "with wait_policy active, waiting workers would take the cores";
        return Some(format!("one model after the other: {why}"));
    }
    if let Some(Needed { machine, .. }) = short {
        let on_machine = machine.map_or_else(String::new, |name| format!(" on {name}"));
        let needed: Bytes = on(*machine).sum();
        return Some(format!("one model after the other: together they would need {needed}{on_machine}"));
    }
    let there = admission::free_elsewhere(domain, &plan.settings);
    (there.is_some_and(|free| elsewhere > free))
        .then(|| format!("one model after the other: together they would need {elsewhere} on {}", plan.settings.devices))
}
