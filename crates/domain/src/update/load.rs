//! How a worker is to load a model: the one place that says it, for sessions and benches.

use wire::Load;

use crate::model::Model;
use crate::settings::{RpcServers, SessionSettings};

/// The request to load a model that runs with these settings. The driver fills in the path of a model that is written out
/// first, and where states of prompts are kept, and takes AMX away where it is set so.
pub(super) fn load(model: &Model, settings: &SessionSettings, servers: &RpcServers, n_threads: u32) -> Load {
    Load {
        path: model.path().cloned().unwrap_or_default(),
        // An engine elsewhere has a context of its own, and would load its model again for another one.
        n_ctx: if model.remote.is_some() && !settings.is_context_chosen.0 { 0 } else { settings.context },
        n_batch: settings.batch,
        n_ubatch: settings.ubatch.min(settings.batch),
        n_threads,
        n_gpu_layers: settings.gpu_layers,
        devices: settings.devices.to_load(servers),
        cache_type_k: settings.cache_type_k,
        cache_type_v: settings.cache_type_v,
        flash_attention: settings.flash_attention,
        mmap: settings.mmap && model.can_be_mapped(),
        mlock: settings.mlock,
        n_parallel: settings.parallel.max(1),
        kv_unified: settings.kv_unified,
        amx: model.summary.as_ref().is_some_and(|summary| summary.shape.amx_growth.is_some()),
        prompt_cache: settings.prompt_cache.0,
        kept_prompts: None,
    }
}
