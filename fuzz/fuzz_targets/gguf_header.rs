//! Any bytes as a GGUF file: refused in one harmless line, or described.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match gguf::Header::read(bytes) {
        Ok(header) => {
            let summary = header.summary();
            for flash_attention in [false, true] {
                let needs = gguf::Needs { n_ctx: u32::MAX, n_seq: 7, flash_attention, ..gguf::Needs::default() };
                let estimate = summary.estimate(&needs);
                assert!(estimate.compute_low <= estimate.compute_high);
            }
            for text in summary.name.iter().chain(&summary.license).chain(&summary.base_models) {
                assert_eq!(*text, gguf::clean(text, 128));
            }
        }
        Err(error) => {
            let text = error.to_string();
            assert_eq!(text, gguf::clean(&text, 300));
        }
    }
});
