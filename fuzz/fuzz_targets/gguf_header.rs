//! Any bytes as a GGUF file: refused in one harmless line, or described.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match gguf::Header::read(bytes) {
        Ok(header) => {
            let summary = header.summary();
            for (flash_attention, full_windows) in [(false, true), (true, false)] {
                let needs =
                    gguf::Needs { n_ctx: u32::MAX, n_seq: 7, flash_attention, full_windows, ..gguf::Needs::default() };
                let estimate = summary.estimate(&needs);
                assert!(estimate.compute_low <= estimate.compute_high);
            }
            for text in summary.fatal.iter().chain(&summary.remarks) {
                assert_eq!(*text, gguf::clean(text, 200));
            }
            assert!(summary.active_parameters() <= Some(summary.parameters));
            assert!(summary.longest_context() >= summary.context_length);
            let _ = summary.latent_overhead();
            let said = summary.mix().map(|mix| mix.to_string());
            let scaled = summary.rope.as_ref().map(|rope| rope.to_string());
            let texts = [
                &summary.name,
                &summary.license,
                &summary.license_name,
                &summary.license_link,
                &summary.tokenizer_pre,
                &summary.basename,
                &summary.finetune,
                &summary.source,
                &said,
            ];
            let lists = [&summary.base_models, &summary.datasets, &summary.tags, &summary.languages];
            for text in texts.into_iter().flatten().chain(lists.into_iter().flatten()) {
                assert_eq!(*text, gguf::clean(text, 128));
            }
            if let Some(text) = scaled {
                assert_eq!(text, gguf::clean(&text, 300));
            }
        }
        Err(error) => {
            let text = error.to_string();
            assert_eq!(text, gguf::clean(&text, 300));
        }
    }
});
