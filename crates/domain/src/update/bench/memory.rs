//! Whether the models of a bench fit, on this machine and on those whose devices they use.

use std::sync::Arc;

use crate::admission::{self, MemoryEstimate};
use crate::lab::bench::{Plan, TestCase};
use crate::model::Model;
use crate::settings::{SessionSettings, WaitPolicy};
use crate::state::Domain;
use crate::units::Bytes;

/// What the models of a bench need.
pub(super) struct Needs {
    /// The most memory that each takes.
    pub(super) memory: Vec<MemoryEstimate>,
    /// Why each can't be measured.
    pub(super) obstacles: Vec<Option<String>>,
    /// Why they are measured one after the other; `None` where they are loaded together.
    pub(super) apart: Option<String>,
}

/// What a model takes at most while it is benched: its own small context, and the largest of a cell.
struct Needed<'a> {
    /// The machine that it runs on; `None` for this one.
    machine: Option<&'a str>,
    memory: MemoryEstimate,
    /// Why that does not fit there.
    no_room: Option<String>,
}

fn needed<'a>(domain: &Domain, plan: &Plan, cells: &[TestCase], model: &'a Model) -> Needed<'a> {
    let most = cells.iter().map(|cell| plan.n_context(cells, cell.parallel).saturating_mul(cell.parallel)).max();
    let settings = SessionSettings { context: most.unwrap_or(0), ..plan.settings };
    let planned = admission::planned(domain, model, &settings);
    // Two contexts compute, and none keeps prompts.
    let memory = MemoryEstimate { compute: planned.compute + planned.compute, prompt_cache: Bytes(0), ..planned };
    let no_room = admission::fits_elsewhere(domain, model, &settings).err();
    let no_room = no_room.map(|error| format!("{error}: {}", error.remedy()));
    let machine = model.machine.as_deref();
    Needed { machine, memory, no_room }
}

/// What the models need, and what speaks against some.
pub(super) fn needs(domain: &Domain, plan: &Plan, cells: &[TestCase], models: &[Arc<Model>]) -> Needs {
    let needs: Vec<Needed> = models.iter().map(|model| needed(domain, plan, cells, model)).collect();
    // In a job of a cluster the memory of this machine counts for nothing.
    let free = |needed: &Needed<'_>| {
        admission::free_memory_on(domain, needed.machine)
            .map(|memory| memory.free)
            .filter(|_| plan.settings.on.is_here())
    };
    // What can't be measured keeps no one from measuring the rest.
    let obstacle = |(model, needed): (&Arc<Model>, &Needed)| match (
        free(needed).filter(|free| needed.memory.here() > *free),
        &needed.no_room,
    ) {
        _ if !model.is_runnable() => Some(format!("it can't be run: {}", model.status)),
        _ if model.embeds_only() => Some("it is a model for embeddings, which generates nothing to measure".to_owned()),
        (Some(free), _) => {
            let there = needed.machine.map_or_else(String::new, |machine| format!(" on {machine}"));
            Some(format!("it would need about {} for this bench, but {free} are free{there}", needed.memory.here()))
        }
        (None, no_room) => no_room.clone(),
    };
    let obstacles: Vec<Option<String>> = models.iter().zip(&needs).map(obstacle).collect();
    let measurable = needs.iter().zip(&obstacles).filter(|(_, obstacle)| obstacle.is_none());
    let measurable: Vec<&Needed<'_>> = measurable.map(|(needed, _)| needed).collect();
    let apart = apart(domain, plan, &free, &measurable);
    Needs { memory: needs.iter().map(|needed| needed.memory).collect(), obstacles, apart }
}

/// Why these can't be loaded together.
fn apart(
    domain: &Domain,
    plan: &Plan,
    free: &impl Fn(&Needed<'_>) -> Option<Bytes>,
    needs: &[&Needed<'_>],
) -> Option<String> {
    if needs.len() < 2 {
        return None;
    }
    let on = |machine| needs.iter().filter(move |needed| needed.machine == machine).map(|needed| needed.memory.here());
    let short = needs.iter().find(|needed| free(needed).is_some_and(|free| on(needed.machine).sum::<Bytes>() > free));
    let elsewhere: Bytes = needs.iter().map(|needed| needed.memory.elsewhere).sum();
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
    (there.is_some_and(|free| elsewhere > free)).then(|| {
        format!("one model after the other: together they would need {elsewhere} on {}", plan.settings.devices)
    })
}

#[cfg(test)]
mod tests {
    use gguf::Header;
    use gguf::testing::deepseek_v3;

    use super::*;
    use crate::machine::{Memory, RpcDevice, RpcMachine, Sample};
    use crate::settings::Settings;

    const ENOUGH: u64 = 1 << 40;

    fn domain(here: u64, there: u64) -> Domain {
        let mut settings = Settings::default();
        settings.budget.reserve = Bytes(0);
        let mut domain = Domain::new(settings);
        let device = RpcDevice { name: "CPU".to_owned(), free: Some(Bytes(there)), ..RpcDevice::default() };
        let machine = RpcMachine { name: "box".to_owned(), devices: vec![device], ..RpcMachine::default() };
        let memory = Some(Memory { total: Bytes(here), available: Bytes(here), ..Memory::default() });
        domain.machine.sample = Some(Box::new(Sample { memory, rpc: vec![machine], ..Sample::default() }));
        domain
    }

    fn model(name: &str) -> Arc<Model> {
        let mut summary = Header::read(&deepseek_v3("x", true).sparse()).unwrap().summary();
        summary.block_count = Some(9);
        Arc::new(Model { summary: Some(summary), ..crate::testing::model(name) })
    }

    #[test]
    fn memory_is_counted_on_the_machine_that_has_it() {
        let models = [model("one"), model("two")];
        let plan = |devices: &str, gpu_layers| Plan {
            settings: SessionSettings { devices: devices.parse().unwrap(), gpu_layers, ..SessionSettings::default() },
            ..Plan::default()
        };
        let needs = |here, there, plan: &Plan| {
            let domain = domain(here, there);
            super::needs(&domain, plan, &plan.cells().unwrap(), &models)
        };
        let (alone, together) = (plan("auto", None), plan("box:CPU", None));
        let whole = needs(ENOUGH, ENOUGH, &alone).memory[0].here().0;
        let rest = needs(ENOUGH, ENOUGH, &together).memory[0].here().0;
        assert!(rest < whole, "{rest} of {whole} stay here");
        // What does not fit here does where the other machine takes its part.
        let is_free = |needs: Needs| needs.obstacles.iter().all(Option::is_none);
        assert!(is_free(needs(2 * whole, ENOUGH, &alone)));
        assert!(!is_free(needs(whole - 1, ENOUGH, &alone)));
        assert!(is_free(needs(2 * rest, ENOUGH, &together)));
        assert!(!is_free(needs(rest - 1, ENOUGH, &together)));
        // The other machine has room for one of them at a time.
        let there = whole - rest + (whole - rest) / 2 + (1 << 31);
        let apart = needs(2 * rest, there, &together).apart;
        assert!(apart.as_ref().is_some_and(|why| why.contains("on box:CPU")), "{apart:?}");
        assert_eq!(needs(2 * rest, ENOUGH, &together).apart, None);
        // Layers that were asked for and don't fit there are refused with the figures.
        let asked = needs(ENOUGH, 1 << 20, &plan("box:CPU", Some(9))).obstacles;
        assert!(asked[0].as_ref().is_some_and(|why| why.contains("9 layers on box:CPU would need about")), "{asked:?}");
    }
}
