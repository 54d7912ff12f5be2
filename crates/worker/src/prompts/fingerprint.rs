//! What a state on disk belongs to: model file, settings and build. Another one gives other numbers.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use sha2::{Digest as _, Sha256};
use wire::Load;

/// How much of a file's beginning is read, bytes: its header has all that two builds of a model differ in.
const HEAD: u64 = 1 << 20;
/// The most files of one model.
const MAX_PARTS: usize = 1000;

/// The SHA-256 of everything that a sequence's numbers depend on; `n_ctx` and `n_gpu_layers` as they are in force.
pub(super) fn fingerprint(load: &Load, engine: &str, n_ctx: usize, n_gpu_layers: u32) -> io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    for path in parts(&load.path) {
        let file = File::open(&path)?;
        let metadata = file.metadata()?;
        let changed = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        hash.update(metadata.len().to_le_bytes());
        hash.update(changed.as_nanos().to_le_bytes());
        let mut head = Vec::new();
        file.take(HEAD).read_to_end(&mut head)?;
        hash.update(&head);
    }
    // What the worker makes of these is part of its version.
    let settings = (
        (n_ctx, n_gpu_layers, load.n_parallel, load.kv_unified, load.amx),
        (load.cache_type_k, load.cache_type_v, load.flash_attention),
        (load.n_batch, load.n_ubatch),
        (engine, env!("CARGO_PKG_VERSION"), wire::VERSION),
    );
    hash.update(format!("{settings:?}"));
    Ok(hash.finalize().into())
}

/// The files of a model, of which the first is given.
fn parts(path: &Path) -> Vec<PathBuf> {
    let whole = || vec![path.to_owned()];
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return whole() };
    let Some((prefix, rest)) = name.split_once("-00001-of-") else { return whole() };
    let count = rest.strip_suffix(".gguf").and_then(|count| count.parse::<usize>().ok());
    match count.filter(|count| (2..=MAX_PARTS).contains(count)) {
        Some(count) => (1..=count).map(|part| path.with_file_name(format!("{prefix}-{part:05}-of-{rest}"))).collect(),
        None => whole(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, SystemTime};

    use wire::{CacheType, FlashAttention};

    use super::*;

    fn load(path: PathBuf) -> Load {
        Load {
            path,
            n_ctx: 512,
            n_batch: 256,
            n_ubatch: 64,
            n_threads: 1,
            n_gpu_layers: None,
            devices: None,
            cache_type_k: CacheType::F16,
            cache_type_v: CacheType::F16,
            flash_attention: FlashAttention::Auto,
            mmap: true,
            mlock: false,
            n_parallel: 1,
            kv_unified: false,
            amx: true,
            prompt_cache: 0,
            kept_prompts: None,
        }
    }

    #[test]
    fn what_gives_other_numbers_has_another_fingerprint() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            File::open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
            path
        };
        let first = load(file("a.gguf", "one"));
        let of = |load: &Load| fingerprint(load, "engine", 512, 0).unwrap();
        assert_eq!(of(&first), of(&Load { n_threads: 2, mmap: false, ..first.clone() }));
        let touched = file("b.gguf", "one");
        File::open(&touched).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        for (name, other) in [
            ("content", load(file("c.gguf", "two"))),
            ("length", load(file("d.gguf", "one more"))),
            ("time", load(touched)),
            ("keys", Load { cache_type_k: CacheType::Q8_0, ..first.clone() }),
            ("values", Load { cache_type_v: CacheType::Q8_0, ..first.clone() }),
            ("flash attention", Load { flash_attention: FlashAttention::Off, ..first.clone() }),
            ("one cache for all", Load { kv_unified: true, ..first.clone() }),
            ("AMX", Load { amx: false, ..first.clone() }),
            ("batch", Load { n_ubatch: 32, ..first.clone() }),
        ] {
            assert_ne!(of(&first), of(&other), "{name}");
        }
        assert_ne!(of(&first), fingerprint(&first, "another engine", 512, 0).unwrap());
        assert_ne!(of(&first), fingerprint(&first, "engine", 1024, 0).unwrap());
        assert_ne!(of(&first), fingerprint(&first, "engine", 512, 1).unwrap());
        let (one, two) = (file("s-00001-of-00002.gguf", "one"), file("s-00002-of-00002.gguf", "two"));
        let before = of(&load(one.clone()));
        fs::write(&two, "other").unwrap();
        assert_ne!(before, of(&load(one)));
    }
}
