//! What the models take of the disks, and what could be tidied up.

use std::collections::HashSet;
use std::sync::Arc;

use super::files::{self, allocated, identity};
use super::journal::Phase;
use super::plan;
use super::stores::CleanupContext;
use domain::model::{Model, Store};
use domain::storage::{CleanupCandidate, DiskUsageReport, Item, Kind, Piece, Request, Usage, family};
use domain::units::Bytes;

/// A model that nothing has read for so many days counts as unused.
pub const UNUSED_DAYS: i64 = 30;
/// Seconds of a day.
const DAY: i64 = 24 * 60 * 60;

pub(super) fn disk_usage(cleanup: &CleanupContext, models: &[Arc<Model>]) -> DiskUsageReport {
    let mut reclaimable = Vec::new();
    // One look at the stores for all kinds.
    let pruned = cleanup.plan(&Request::Prune { kinds: Kind::PRUNED.to_vec(), unused: Vec::new() });
    for kind in Kind::PRUNED {
        let of_kind = || pruned.items.iter().filter(|item| item.kind == kind);
        let request = Request::Prune { kinds: vec![kind], unused: Vec::new() };
        let (count, frees) = (of_kind().count(), of_kind().map(Item::frees).sum());
        reclaimable
            .extend(Some(CleanupCandidate { kind, count, frees, request }).filter(|reclaimable| reclaimable.count > 0));
    }
    let mut problems: Vec<_> =
        pruned.refusals.iter().map(|refusal| format!("{}: {}", refusal.what, refusal.reason)).collect();
    problems.extend(pruned.remarks.iter().cloned());
    let mut offer = |kind: Kind, request: Request| {
        let plan = cleanup.plan(&request);
        if kind == Kind::Trash {
            problems.extend(plan.refusals.iter().map(|refusal| refusal.reason.clone()));
        }
        if !plan.items.is_empty() {
            reclaimable.push(CleanupCandidate { kind, count: plan.items.len(), frees: plan.frees(), request });
        }
    };
    let dedupe = |read| Request::Dedupe { models: models.to_vec(), read, link_folders: false };
    offer(Kind::Duplicate, dedupe(false));
    let unused = unused(models, UNUSED_DAYS, cleanup.now);
    if !unused.is_empty() {
        offer(Kind::Unused, Request::Prune { kinds: Vec::new(), unused });
    }
    offer(Kind::Trash, Request::Empty { before: None });
    // What comparing may bring beyond what is known.
    let known = reclaimable.iter().find(|reclaimable| reclaimable.kind == Kind::Duplicate);
    let (count, frees) = known.map_or((0, Bytes(0)), |known| (known.count, known.frees));
    let likely = plan::identical(cleanup, models);
    let (count, frees) = (likely.items.len().saturating_sub(count), Bytes(likely.frees().0.saturating_sub(frees.0)));
    if count > 0 {
        let place = reclaimable.partition_point(|reclaimable| reclaimable.kind < Kind::LikelyDuplicate);
        reclaimable
            .insert(place, CleanupCandidate { kind: Kind::LikelyDuplicate, count, frees, request: dedupe(true) });
    }
    let (records, _) = cleanup.records();
    let undo = records.iter().rev().find(|record| record.phase == Phase::Done).filter(|record| record.can_undo());
    DiskUsageReport {
        usage: Usage::new(&pieces(models)),
        reclaimable,
        undo: undo.map(|record| record.title.clone()),
        problems,
    }
}

/// The models that nothing has read for so many days, as far as the file system tells: not since, or never and they came
/// before.
pub fn unused(models: &[Arc<Model>], days: i64, now: i64) -> Vec<Arc<Model>> {
    let before = now.saturating_sub(days.saturating_mul(DAY));
    let is_place_unused = |place: &Model| match place.used {
        Some(used) => used < before,
        None => !place.files.is_empty() && place.files.iter().all(|file| files::never_read_since(&file.path, before)),
    };
    let is_unused = |model: &&Arc<Model>| model.store != Store::Starter && model.places().all(is_place_unused);
    models.iter().filter(is_unused).cloned().collect()
}

fn pieces(models: &[Arc<Model>]) -> Vec<Piece> {
    let mut seen = HashSet::new();
    let mut pieces = Vec::new();
    for model in models {
        for place in model.places() {
            for file in &place.files {
                let Ok(metadata) = file.path.metadata() else { continue };
                let is_new = seen.insert(identity(&metadata));
                let allocated = Bytes(if is_new { allocated(&metadata) } else { 0 });
                pieces.push(Piece {
                    identity: identity(&metadata),
                    allocated,
                    store: place.store,
                    id: model.id.clone(),
                    name: model.name.clone(),
                    family: family(model),
                });
            }
        }
    }
    pieces
}
