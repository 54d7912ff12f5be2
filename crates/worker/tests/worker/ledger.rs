//! The ledger: what a loaded model takes, exactly.

use super::*;

#[test]
fn loads_with_an_exact_ledger() {
    let file = std::fs::metadata(small().path).unwrap().len();
    // The layout for AMX has more bytes than the file, and the token embedding twice.
    let most = if worker::has_amx() { file * 3 / 2 } else { file };
    for mmap in [true, false] {
        let (_worker, loaded) = Worker::ready(&Load { mmap, ..small() });
        assert_eq!((loaded.n_ctx, loaded.n_ctx_train, loaded.n_gpu_layers), (512, 512, 0));
        assert_eq!(loaded.sampling.temperature, Some(0.8));
        assert_eq!(loaded.sampling.seed, None);
        assert!(loaded.load_us > 0);
        let sum = |part: fn(&wire::DeviceMemory) -> u64| loaded.ledger.devices.iter().map(part).sum::<u64>();
        let weights = sum(|device| device.weights);
        assert!(weights > file / 2 && weights <= most, "{weights} bytes of weights in a file of {file}");
        // Two caches of 512 cells, in each layer, of 2-byte numbers.
        let context = sum(|device| device.context);
        assert_eq!(context % (2 * 512 * 2), 0);
        assert!(context > 0);
        assert!(sum(|device| device.compute) > 0);
        assert!(loaded.ledger.devices.iter().any(|device| device.device.starts_with("CPU")));
    }
}

#[test]
fn a_memory_limit_ends_in_a_failure_and_nothing_worse() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_taffrail-worker"));
    let mut worker = Worker::spawn(command.env("TAFFRAIL_WORKER_MEMORY", (1_u64 << 30).to_string()), Stdio::null());
    let failure = worker.load(&Load { n_ctx: 1 << 20, ..small() }).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Context);
    assert!(failure.message.contains("memory"), "{}", failure.message);
}

#[test]
fn the_ledger_follows_context_and_cache_type() {
    let context = |load: &Load| {
        let (_worker, loaded) = Worker::ready(load);
        loaded.ledger.devices.iter().map(|device| device.context).sum::<u64>()
    };
    let base = context(&small());
    assert_eq!(context(&Load { n_ctx: 1024, ..small() }), 2 * base);
    let f32 = Load { cache_type_k: CacheType::F32, cache_type_v: CacheType::F32, ..small() };
    assert_eq!(context(&f32), 2 * base);
    let q8 = Load { cache_type_k: CacheType::Q8_0, cache_type_v: CacheType::Q8_0, ..small() };
    // Blocks of 32 numbers in 34 bytes rather than 64.
    assert_eq!(context(&q8), base * 34 / 64);
}
