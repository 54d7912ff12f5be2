//! Whether a model's layers went where they were meant to.

use super::Session;
use super::memory_account::{Kind, Misplaced, kind};
use crate::settings::Devices;
use crate::state::Domain;

/// Whether a loaded model runs on the processor although it was meant for a GPU: layers were asked for there, or left to
/// llama.cpp while the machine has a GPU with memory of its own, or devices were named. Layers count as placed only where weights are.
pub fn misplaced(domain: &Domain, session: &Session) -> Option<Misplaced> {
    let loaded = session.loaded.as_ref()?;
    let sample = domain.sample_on(session.machine());
    let has_gpu = sample.is_some_and(|sample| sample.gpus.iter().any(|gpu| gpu.memory_total.is_some()));
    let devices = session.settings.devices;
    let named = matches!(devices, Devices::Named(_));
    // What GPUs a cluster's node has is not known here.
    let has_device = named || (devices == Devices::Auto && has_gpu && session.is_here());
    let asked = session.settings.gpu_layers.filter(|_| devices != Devices::None);
    let wanted = asked.unwrap_or(if has_device { u32::MAX } else { 0 }).min(loaded.n_layers);
    // On Apple's chips the GPU computes on the mapped file itself.
    let is_there = |device: &str| {
        matches!(kind(device), Kind::Gpu | Kind::Elsewhere) || device.starts_with("MTL") || device.starts_with("Metal")
    };
    let on_gpus = loaded.ledger.devices.iter().any(|row| row.weights > 0 && is_there(&row.device));
    let placed = if on_gpus { loaded.n_gpu_layers } else { 0 };
    (placed < wanted).then_some(Misplaced { wanted, placed, n_layers: loaded.n_layers, named })
}
