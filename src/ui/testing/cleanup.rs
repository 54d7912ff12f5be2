//! Housekeeping of the fixture: what a year of downloads leaves behind.

use super::gb;
use crate::ui::State;
use crate::ui::{LibraryTab, Overlay, Screen};
use domain::model::Store;
use domain::storage::{
    CleanupCandidate, CleanupPlan, DiskUsageReport, Item, Kind, Operation, Piece, Request, Skipped, Step, Usage, family,
};
use domain::units::Bytes;

/// Show what the models take of the disks.
pub(super) fn look(state: &mut State) {
    let piece = |(index, model): (usize, &std::sync::Arc<domain::model::Model>)| Piece {
        identity: (1, index as u64),
        allocated: model.size,
        store: if index % 3 == 1 { Store::Ollama } else { model.store },
        id: model.id.clone(),
        name: model.name.clone(),
        family: family(model),
    };
    let pieces: Vec<_> = state.domain.library.models.iter().enumerate().map(piece).collect();
    let reclaimable = |kind, count, frees| {
        let request = Request::Prune { kinds: vec![kind], unused: Vec::new() };
        CleanupCandidate { kind, count, frees, request }
    };
    state.domain.cleanup.disk_usage = Some(DiskUsageReport {
        usage: Usage::new(&pieces),
        reclaimable: vec![
            reclaimable(Kind::Orphan, 3, gb(93)),
            reclaimable(Kind::Partial, 1, Bytes(812_000_000)),
            reclaimable(Kind::Detached, 2, gb(50)),
            reclaimable(Kind::Duplicate, 4, gb(172)),
            reclaimable(Kind::LikelyDuplicate, 2, gb(91)),
            reclaimable(Kind::Trash, 1, gb(3)),
        ],
        undo: Some("rm gemma-3-270m".to_owned()),
        problems: vec![
            "Ollama's store: the manifest library/llama3.2/3b can't be read (EOF while parsing), so what is used is unknown"
                .to_owned(),
        ],
    });
    state.ui.usage.chosen = 2;
    state.ui.screen = Screen::Library;
    state.ui.library.tab = LibraryTab::DiskUsage;
}

/// What deleting a model would do.
pub(super) fn question(state: &State) -> Overlay {
    let root = std::path::PathBuf::from("/home/ada/.cache/huggingface/hub");
    let folder = root.join("models--Qwen--Qwen3-8B-GGUF");
    let step = |name: &str, frees| Step { act: Operation::Move, path: folder.join(name), frees };
    let item = Item {
        what: "qwen3-8b".to_owned(),
        kind: Kind::Model,
        store: Store::HuggingFace,
        root,
        steps: vec![
            step("snapshots/7c41481f57cb95916b40956ab2f0b139b296d974/Qwen3-8B-Q4_K_M.gguf", Bytes(0)),
            step("snapshots/0c4ab1b1a7d4e5fdf4a3d3d5f4d8a5d1d0f0b6a1/Qwen3-8B-Q4_K_M.gguf", Bytes(0)),
            step("blobs/d98cdcbd03e17ce47681435b5150e34c1417f50b5c0019dd560e4882c5745785", gb(50)),
            step("refs/pr/1", Bytes(0)),
        ],
        note: None,
    };
    let refusal = Skipped {
        what: "qwen3:8b".to_owned(),
        reason: "it is used by ollama runner, pid 4711".to_owned(),
        hint: Some("stop that first".to_owned()),
    };
    let plan = CleanupPlan { items: vec![item], refusals: vec![refusal], remarks: Vec::new() };
    Overlay::Plan {
        request: Box::new(Request::Remove { models: state.domain.library.models.iter().take(1).cloned().collect() }),
        plan: Box::new(plan),
        scroll: 0,
    }
}
