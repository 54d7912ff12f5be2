//! What tests of workers load.

use std::path::PathBuf;

use wire::Load;

pub(super) fn load() -> Load {
    Load {
        path: PathBuf::new(),
        n_ctx: 512,
        n_batch: 512,
        n_ubatch: 512,
        n_threads: 1,
        n_gpu_layers: None,
        devices: None,
        cache_type_k: wire::CacheType::F16,
        cache_type_v: wire::CacheType::F16,
        flash_attention: wire::FlashAttention::Auto,
        mmap: true,
        mlock: false,
        n_parallel: 1,
        kv_unified: false,
        amx: true,
        prompt_cache: 0,
        kept_prompts: None,
    }
}
