//! Budgets: who gets how many threads, and whether one more model fits in memory.

use std::collections::BTreeMap;

use crate::machine::Sample;
use crate::model::Model;
use crate::session::{Phase, Plan, Session, SessionId};
use crate::settings::SessionSettings;
use crate::state::Domain;
use crate::units::Bytes;

/// Why a session was not admitted, with the figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Refusal {
    /// What it would need.
    pub needed: Plan,
    /// What is left for it.
    pub free: Bytes,
    /// What the machine has available, before what the others are still to take.
    pub available: Bytes,
    /// What running sessions have been promised and do not hold yet.
    pub promised: Bytes,
    /// Weights in memory that other programs run with.
    pub others: Bytes,
    /// What is left alone.
    pub reserve: Bytes,
}

impl Refusal {
    /// What would need less, in one clause: a shorter context only where the rest fits.
    pub fn remedy(&self) -> &'static str {
        if self.needed.weights + self.needed.compute > self.free {
            "a smaller model or quantization needs less"
        } else {
            "a smaller context needs less"
        }
    }
}

impl std::fmt::Display for Refusal {
    /// The figures as one sentence without its subject.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Plan { weights, context, compute, program, by_size } = self.needed;
        let (total, free) = (self.needed.total(), self.free);
        if by_size {
            write!(f, "would need about {total} (an estimate by the size of its file; its header can't be read)")?;
        } else {
            write!(
                f,
                "would need about {total} (weights {weights}, context {context}, compute {compute}, program {program})"
            )?;
        }
        write!(f, ", but {free} are free")?;
        let Self { available, promised, others, reserve, .. } = self;
        write!(f, ": {available} available less {promised} promised to running sessions")?;
        if *others > Bytes(0) {
            write!(f, ", {others} that other programs run with")?;
        }
        write!(f, " and {reserve} kept in reserve")
    }
}

/// What a session asks of the threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Which session.
    pub session: SessionId,
    /// Threads that its settings fix; `None` takes a share.
    pub fixed: Option<u32>,
}

/// Share `limit` threads among those who work at the same time: fixed claims first, as far as the others keep one
/// each; the rest evenly, the longest-running first where it does not divide. Every one gets at least one, so with more
/// sessions than threads the sum exceeds the limit by the excess: single threads don't wait for each other, and the
/// system shares the cores among them fairly.
pub fn share_threads(limit: u32, claims: &[Claim]) -> Vec<(SessionId, u32)> {
    let mut shares: Vec<(SessionId, u32)> = claims.iter().map(|claim| (claim.session, 1)).collect();
    // Each has one; what is over goes round.
    let mut over = limit.saturating_sub(claims.len() as u32);
    for (share, claim) in shares.iter_mut().zip(claims) {
        let more = claim.fixed.map_or(0, |fixed| fixed.saturating_sub(1)).min(over);
        share.1 += more;
        over -= more;
    }
    let mut open: u32 = claims.iter().filter(|claim| claim.fixed.is_none()).count() as u32;
    for (share, _) in shares.iter_mut().zip(claims).filter(|(_, claim)| claim.fixed.is_none()) {
        let more = over.div_ceil(open);
        share.1 += more;
        over -= more;
        open -= 1;
    }
    shares
}

/// What a model is expected to take with these settings: the header's formulas, the upper bound where they give a range.
/// What a header does not tell counts as nothing, since refusing on a guess would be worse; without a header it is the size
/// of the files, for a model that is started all the same takes about that.
pub fn plan(model: &Model, settings: &SessionSettings) -> Plan {
    let Some(estimate) = estimate(model, settings) else {
        return Plan { weights: model.size, by_size: model.size > Bytes(0), ..Plan::default() };
    };
    Plan {
        weights: Bytes(estimate.weights),
        context: Bytes(estimate.kv.unwrap_or(0)),
        compute: Bytes(estimate.compute_high),
        program: Bytes(estimate.program),
        by_size: false,
    }
}

/// The header's formulas with these settings; `None` without a header.
pub fn estimate(model: &Model, settings: &SessionSettings) -> Option<gguf::Estimate> {
    Some(model.summary.as_ref()?.estimate(&gguf::Needs {
        n_ctx: settings.context.saturating_mul(settings.parallel.max(1)),
        n_seq: settings.parallel.max(1),
        n_ubatch: settings.ubatch,
        n_outputs: settings.parallel.max(1),
        cache_k: cache_kind(settings.cache_type_k),
        cache_v: cache_kind(settings.cache_type_v),
        flash_attention: settings.flash_attention != wire::FlashAttention::Off,
        // As the worker has it.
        full_windows: false,
        processor: gguf::Processor::this(),
    }))
}

fn cache_kind(kind: wire::CacheType) -> gguf::CacheKind {
    match kind {
        wire::CacheType::F32 => gguf::CacheKind::F32,
        wire::CacheType::F16 => gguf::CacheKind::F16,
        wire::CacheType::BF16 => gguf::CacheKind::BF16,
        wire::CacheType::Q8_0 => gguf::CacheKind::Q8_0,
        wire::CacheType::Q5_1 => gguf::CacheKind::Q5_1,
        wire::CacheType::Q5_0 => gguf::CacheKind::Q5_0,
        wire::CacheType::Q4_1 => gguf::CacheKind::Q4_1,
        wire::CacheType::Q4_0 => gguf::CacheKind::Q4_0,
    }
}

/// What memory there is for one more session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Free {
    /// What it may take.
    pub free: Bytes,
    /// What the machine has available.
    pub available: Bytes,
    /// Of that, what running sessions were promised and do not hold yet.
    pub promised: Bytes,
    /// Of that, weights that other programs run with: the system would drop them, and they would read them again.
    pub others: Bytes,
    /// Of that, what is left alone.
    pub reserve: Bytes,
}

/// What is left alone. It is for the rest of the machine: what the machine has beyond a limit of ours counts, and within
/// the limit a tenth of it is enough, for a small container would have nothing left.
fn reserve(wanted: Bytes, sample: &Sample) -> Bytes {
    let Some(limit) = &sample.allowed.memory else { return wanted };
    let Some(memory) = &sample.memory else { return wanted };
    let beyond = limit.available.saturating_sub(memory.available);
    wanted.min(Bytes(memory.total.0 / 10)).max(wanted.saturating_sub(beyond))
}

/// The context that a model gets: what was asked for, within what it was trained for or extended to; 0 asks for what it
/// was trained for.
pub fn context(model: &Model, wanted: u32) -> u32 {
    let tokens = |count: Option<u64>| count.map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    let summary = model.summary.as_ref();
    let trained = tokens(summary.and_then(|summary| summary.context_length));
    let longest = tokens(summary.and_then(gguf::Summary::longest_context));
    match wanted {
        0 => trained.unwrap_or(SessionSettings::default().context),
        wanted => wanted.min(longest.unwrap_or(u32::MAX)),
    }
}

/// Settings as they are in force for a model: with the context that its store wants where nobody chose one, and within
/// what the model can.
pub fn settings_for(model: &Model, mut settings: SessionSettings) -> SessionSettings {
    if let Some(wanted) = model.preset().and_then(|preset| preset.context).filter(|_| !settings.is_context_chosen.0) {
        settings.context = wanted;
    }
    settings.context = context(model, settings.context);
    settings
}

/// That a context which somebody chose is more than the model can, in one clause; `None` where it is not.
pub fn shortened(model: &Model, wanted: &SessionSettings) -> Option<String> {
    let got = context(model, wanted.context);
    (wanted.is_context_chosen.0 && wanted.context > got).then(|| {
        format!(
            "the context is {got} tokens, the most that the model was made for, and not {} as asked",
            wanted.context
        )
    })
}

/// What could be done where a prompt does not fit a session's context.
pub fn longer_context_hint(model: &Model, n_ctx: u32, can_begin_anew: bool) -> String {
    let instead = if can_begin_anew { "shorten the prompt or begin a new chat" } else { "shorten the prompt" };
    match context(model, u32::MAX) {
        longest if n_ctx >= longest => format!("the model was made for no longer context: {instead}"),
        u32::MAX => format!("raise `context`, or {instead}"),
        longest => format!("raise `context` (at most {longest}), or {instead}"),
    }
}

/// The memory that is left for one more session.
///
/// The system counts mapped weights as available, since it can drop them; yet dropping the weights of a running model
/// stops it dead. So what sessions were promised and do not hold as anonymous memory is taken off. GPU memory that the
/// drivers call free adds, since layers are placed there first.
pub fn free_memory(domain: &Domain) -> Option<Free> {
    free_memory_without(domain, &[], true)
}

/// The same if these sessions were gone, with the memory on GPUs or without it.
pub fn free_memory_without(domain: &Domain, without: &[SessionId], with_gpus: bool) -> Option<Free> {
    let sample = domain.machine.sample.as_ref()?;
    let held = |session: &Session| {
        let on_gpus = session.gpu_memory.filter(|_| with_gpus).unwrap_or_default();
        session.process.map_or(Bytes(0), |process| process.anonymous) + on_gpus
    };
    let is_gone = |session: &&Session| without.contains(&session.id);
    let gpus: Bytes = sample.gpus.iter().filter_map(crate::machine::Gpu::free_memory).filter(|_| with_gpus).sum();
    let freed: Bytes = domain.sessions.iter().filter(is_gone).map(held).sum();
    let available = sample.available_memory() + gpus + domain.machine.released + freed;
    let live = domain
        .sessions
        .iter()
        .filter(|session| !matches!(session.phase, Phase::Failed { .. } | Phase::Queued | Phase::Stopping));
    let (mut promised, mut planned) = (Bytes(0), Bytes(0));
    for session in live.filter(|session| !is_gone(session)) {
        let held = held(session);
        promised = promised + session.planned.total().saturating_sub(held);
        planned = planned + session.planned.total();
    }
    // What a bench's workers have not taken yet is not free, nor is what they have mapped.
    if domain.bench.phase == crate::bench::Phase::Running {
        for lane in domain.bench.lanes.iter().filter(|lane| lane.is_loaded()) {
            let held = sample.processes.iter().find(|process| Some(process.pid) == lane.pid);
            let held = held.map_or(Bytes(0), |process| process.anonymous);
            promised = promised + lane.needed.saturating_sub(held);
            planned = planned + lane.needed;
        }
    }
    let others = others(domain);
    let reserve = reserve(domain.settings.budget.reserve, sample);
    let by_machine = available.saturating_sub(promised).saturating_sub(others).saturating_sub(reserve);
    let by_budget = domain.settings.budget.memory.map(|limit| limit.saturating_sub(planned));
    let free = by_budget.map_or(by_machine, |free| free.min(by_machine));
    Some(Free { free, available, promised, others, reserve })
}

/// Resident weights of other programs' mapped models. What they hold otherwise is not available to begin with, nor is
/// what they hold on GPUs. A file that several have mapped is in memory once, and one that a session of ours runs with is
/// promised to it already.
fn others(domain: &Domain) -> Bytes {
    let Some(sample) = &domain.machine.sample else { return Bytes(0) };
    let is_ours = |path: &str| {
        let live = domain.sessions.iter().filter(|session| session.is_live());
        live.flat_map(|session| &session.model.files).any(|file| file.path == std::path::Path::new(path))
    };
    let mut by_model: BTreeMap<&str, Bytes> = BTreeMap::new();
    for foreign in &sample.foreign {
        let model = foreign.model.as_deref().unwrap_or_default();
        let held = by_model.entry(model).or_default();
        *held = (*held).max(foreign.weights_in_memory());
    }
    by_model.into_iter().filter(|(model, _)| !is_ours(model)).map(|(_, held)| held).sum()
}

/// Whether one more session fits.
pub fn admit(domain: &Domain, needed: Plan) -> Result<(), Refusal> {
    let Some(Free { free, available, promised, others, reserve }) = free_memory(domain) else { return Ok(()) };
    if needed.total() <= free {
        return Ok(());
    }
    Err(Refusal { needed, free, available, promised, others, reserve })
}

/// Whether a session may be loaded again with `needed`: one that has a worker gives back what it was promised.
pub fn readmit(domain: &Domain, session: &Session, needed: Plan) -> Result<(), Refusal> {
    let counts = !matches!(session.phase, Phase::Failed { .. } | Phase::Queued | Phase::Stopping);
    let own = if counts { session.planned.total() } else { Bytes(0) };
    if needed.total() <= own {
        return Ok(());
    }
    let Some(Free { free, available, promised, others, reserve }) = free_memory(domain) else { return Ok(()) };
    let (free, promised) = (free + own, promised.saturating_sub(own));
    if needed.total() <= free {
        return Ok(());
    }
    Err(Refusal { needed, free, available, promised, others, reserve })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn share(limit: u32, fixed: &[Option<u32>]) -> Vec<u32> {
        let claims: Vec<_> = fixed
            .iter()
            .enumerate()
            .map(|(index, fixed)| Claim { session: SessionId(index as u64), fixed: *fixed })
            .collect();
        share_threads(limit, &claims).into_iter().map(|(_, share)| share).collect()
    }

    #[test]
    fn shares() {
        for (limit, fixed, shares) in [
            (2, &[None][..], &[2][..]),
            (2, &[None, None], &[1, 1]),
            (8, &[None, None, None], &[3, 3, 2]),
            (8, &[Some(2), None], &[2, 6]),
            (2, &[Some(4)], &[2]),
            (4, &[Some(4), None], &[3, 1]),
            (2, &[None, None, None], &[1, 1, 1]),
            (4, &[], &[]),
        ] {
            assert_eq!(share(limit, fixed), shares, "{limit} {fixed:?}");
        }
    }

    #[test]
    fn without_a_header_the_files_size_is_planned() {
        let model = Model { size: Bytes(9_000_000_000), ..crate::testing::model("odd") };
        let needed = plan(&model, &SessionSettings::default());
        assert_eq!((needed.total(), needed.by_size), (Bytes(9_000_000_000), true));
        let [free, available, promised, others, reserve] =
            [1, 2, 0, 0, 1].map(|gigabytes| Bytes(gigabytes * 1_000_000_000));
        let refusal = Refusal { needed, free, available, promised, others, reserve };
        let text = refusal.to_string();
        assert!(
            text.starts_with(
                "would need about 9.0 GB (an estimate by the size of its file; its header can't be read), but"
            ),
            "{text}"
        );
    }

    #[test]
    fn the_reserve_leaves_a_small_container_its_memory() {
        use crate::machine::{Allowed, Memory, MemoryLimit};
        // The reserve that is set; total and available within the limit; what the machine has available; the reserve.
        for (wanted, total, available, machine, expected) in [
            (1000, 64_000, 60_000, None, 1000),
            (1000, 700, 650, Some(20_000), 70),
            (1000, 16_000, 15_000, Some(60_000), 1000),
            // The machine itself has hardly more.
            (1000, 8000, 7000, Some(7300), 800),
            (1000, 2000, 2000, Some(2000), 1000),
            (1000, 2000, 2000, Some(2300), 700),
            (0, 700, 650, Some(20_000), 0),
        ] {
            let limit = |available| MemoryLimit { available: Bytes(available), ..MemoryLimit::default() };
            let sample = Sample {
                memory: Some(Memory { total: Bytes(total), available: Bytes(available), ..Memory::default() }),
                allowed: Allowed { memory: machine.map(limit), ..Allowed::default() },
                ..Sample::default()
            };
            assert_eq!(reserve(Bytes(wanted), &sample), Bytes(expected), "{wanted} {total} {available} {machine:?}");
        }
    }

    proptest! {
        #[test]
        fn within_the_limit_and_none_starves(
            limit in 1_u32..64,
            fixed in prop::collection::vec(prop::option::of(1_u32..80), 0..12),
        ) {
            let shares = share(limit, &fixed);
            prop_assert!(shares.iter().all(|share| *share >= 1));
            let sum: u32 = shares.iter().sum();
            prop_assert!(sum <= limit.max(fixed.len() as u32));
            if !fixed.is_empty() && fixed.iter().all(Option::is_none) {
                prop_assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1);
                prop_assert_eq!(sum, limit.max(fixed.len() as u32));
            }
        }
    }
}
