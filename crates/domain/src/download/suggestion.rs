//! Suggestions for a first model to download.
//!
//! Sizes are those of the files on the Hub, rounded; licenses and openness are as published by the makers. The Hub's
//! own listing, shown before anything is downloaded, takes precedence.

use crate::units::Bytes;

/// A model to begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suggestion {
    /// `owner/name` on the hub.
    pub repository: &'static str,
    /// Which of its files.
    pub quant: &'static str,
    /// The file's size.
    pub size: Bytes,
    /// Its licence.
    pub license: &'static str,
    /// What its makers publish.
    pub openness: &'static str,
}

const fn suggestion(
    repository: &'static str,
    quant: &'static str,
    megabytes: u64,
    openness: &'static str,
) -> Suggestion {
    Suggestion { repository, quant, size: Bytes(megabytes * 1_000_000), license: "apache-2.0", openness }
}

/// Open weights alone.
const WEIGHTS: &str = "open weights";
/// Everything it is made of.
const ALL_OPEN: &str = "open weights, data and code";

/// From the smallest to the largest.
const ALL: [Suggestion; 9] = [
    suggestion("HuggingFaceTB/SmolLM2-360M-Instruct-GGUF", "Q8_0", 390, ALL_OPEN),
    suggestion("Qwen/Qwen3-0.6B-GGUF", "Q8_0", 640, WEIGHTS),
    suggestion("HuggingFaceTB/SmolLM2-1.7B-Instruct-GGUF", "Q4_K_M", 1_060, ALL_OPEN),
    suggestion("Qwen/Qwen3-1.7B-GGUF", "Q8_0", 1_830, WEIGHTS),
    suggestion("Qwen/Qwen3-4B-GGUF", "Q4_K_M", 2_500, WEIGHTS),
    suggestion("allenai/OLMo-2-1124-7B-Instruct-GGUF", "Q4_K_M", 4_470, ALL_OPEN),
    suggestion("Qwen/Qwen3-8B-GGUF", "Q4_K_M", 5_030, WEIGHTS),
    suggestion("Qwen/Qwen3-14B-GGUF", "Q4_K_M", 9_000, WEIGHTS),
    suggestion("Qwen/Qwen3-32B-GGUF", "Q4_K_M", 19_760, WEIGHTS),
];

/// How many are suggested.
const COUNT: usize = 3;

/// Memory that a model needs besides its file, for a context of some thousand tokens and for computing: a part of the file's
/// size and a fixed part. Rough, since a card follows before anything is started.
fn needed(size: Bytes) -> Bytes {
    Bytes(size.0 + size.0 / 4 + 400_000_000)
}

/// Three models by size, the largest that fits last; fewer where fewer fit. Without known memory none does.
pub fn suggestions(free: Bytes) -> Vec<&'static Suggestion> {
    let fitting: Vec<_> = ALL.iter().filter(|suggestion| needed(suggestion.size) <= free).collect();
    let last = fitting.len().saturating_sub(1);
    // The smallest that is of use, the largest, and what lies between them.
    let mut places: Vec<usize> = match fitting.len() {
        0 => Vec::new(),
        _ => vec![last / 4, last * 2 / 3, last],
    };
    places.dedup();
    places.into_iter().take(COUNT).map(|place| fitting[place]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_suggested_the_largest_last() {
        for (gigabytes, names) in [
            (0, &[][..]),
            (1, &["HuggingFaceTB/SmolLM2-360M-Instruct-GGUF"]),
            (4, &["Qwen/Qwen3-0.6B-GGUF", "HuggingFaceTB/SmolLM2-1.7B-Instruct-GGUF", "Qwen/Qwen3-4B-GGUF"]),
            (8, &["Qwen/Qwen3-0.6B-GGUF", "Qwen/Qwen3-4B-GGUF", "Qwen/Qwen3-8B-GGUF"]),
            (
                64,
                &[
                    "HuggingFaceTB/SmolLM2-1.7B-Instruct-GGUF",
                    "allenai/OLMo-2-1124-7B-Instruct-GGUF",
                    "Qwen/Qwen3-32B-GGUF",
                ],
            ),
        ] {
            let free = Bytes(gigabytes * 1_000_000_000);
            let found: Vec<_> = suggestions(free).iter().map(|suggestion| suggestion.repository).collect();
            assert_eq!(found, names, "{gigabytes} GB");
            assert!(suggestions(free).iter().all(|suggestion| needed(suggestion.size) <= free));
        }
        assert!(ALL.windows(2).all(|pair| pair[0].size < pair[1].size));
    }
}
