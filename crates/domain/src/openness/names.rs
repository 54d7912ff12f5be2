//! Names of models, made comparable.
//!
//! Owned here: what of a name is the model, and what is size, variant, release stamp or quantisation. Absent: guesses. A
//! name that differs in any other word is another model.

/// The longest name that is compared, bytes; names on the hub have at most 96 characters.
const MAX_BYTES: usize = 200;

/// Words that describe how the weights were stored, not which model they are.
const STORED: [&str; 25] = [
    "gguf",
    "ggml",
    "imat",
    "imatrix",
    "i1",
    "ud",
    "f16",
    "fp16",
    "bf16",
    "f32",
    "fp32",
    "awq",
    "gptq",
    "mlx",
    "4bit",
    "8bit",
    "6bit",
    "int4",
    "int8",
    "fp8",
    "mxfp4",
    "nvfp4",
    "moe4",
    "qat",
    "safetensors",
];

/// Words that may follow the first of a quantisation: `q4_k_m` is `q4`, `k`, `m` here.
const QUANT_TAIL: [&str; 12] = ["k", "s", "m", "l", "xl", "xs", "xxs", "nl", "p", "0", "1", "g128"];

/// Words for a stage of training, which leave a model in its family.
const STAGES: [&str; 12] =
    ["instruct", "chat", "it", "base", "pt", "hf", "sft", "dpo", "think", "thinking", "reasoning", "latest"];

/// The words of a model's name in lower case, `-` between them, without its quantisation: `qwen2.5-0.5b-instruct`.
pub(super) fn slug(name: &str) -> String {
    let words = words(name);
    let mut slug = String::with_capacity(words.len());
    let mut in_quant = false;
    let mut words = words.split('-').filter(|word| !word.is_empty()).peekable();
    let mut is_first = true;
    while let Some(word) = words.next() {
        in_quant = is_quant(word) || (in_quant && QUANT_TAIL.contains(&word));
        let is_meta = is_first && word == "meta" && words.peek().is_some_and(|next| next.starts_with("llama"));
        is_first = false;
        if !in_quant && !is_meta && !STORED.contains(&word) {
            if !slug.is_empty() {
                slug.push('-');
            }
            slug.push_str(word);
        }
    }
    slug
}

/// What is left of a slug without sizes, stages and release stamps: `qwen2.5`. `None` where no word is left that could
/// be a name.
pub(super) fn family(slug: &str) -> Option<String> {
    let is_stamp = |word: &str| matches!(word.len(), 4 | 6 | 8) && word.bytes().all(|byte| byte.is_ascii_digit());
    let kept: Vec<&str> =
        slug.split('-').filter(|word| !is_size(word) && !is_stamp(word) && !STAGES.contains(word)).collect();
    let family = kept.join("-");
    family.contains(|character: char| character.is_alphabetic()).then_some(family)
}

/// The sizes in a slug: `8b`, `8x7b`, `a3b`.
pub(super) fn sizes(slug: &str) -> impl Iterator<Item = &str> {
    slug.split('-').filter(|word| is_size(word))
}

/// `owner/name` in the form in which repositories are compared; the name alone where there is no owner. Takes the
/// addresses and the prose (`Meta Llama/Llama 3.1 8B`) that headers hold as well.
pub(super) fn repository(text: &str) -> String {
    let text = text.strip_prefix("https://huggingface.co/").unwrap_or(text);
    match text.split_once('/') {
        Some((owner, name)) => format!("{}/{}", words(owner), slug(name)),
        None => slug(text),
    }
}

/// The name in what [`repository`] gives.
pub(super) fn tail(repository: &str) -> &str {
    repository.rsplit_once('/').map_or(repository, |(_, name)| name)
}

fn words(name: &str) -> String {
    let end = (0..=name.len().min(MAX_BYTES)).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
    let name = name.get(..end).unwrap_or_default();
    if name.is_ascii() {
        // Nearly all are, and thousands of models have several names each.
        words_of(name.bytes().map(|byte| char::from(byte.to_ascii_lowercase())), end)
    } else {
        words_of(name.chars().flat_map(char::to_lowercase), end)
    }
}

fn words_of(characters: impl Iterator<Item = char>, n_bytes: usize) -> String {
    let mut words = String::with_capacity(n_bytes);
    let mut characters = characters.peekable();
    let mut before = ' ';
    while let Some(character) = characters.next() {
        let next = characters.peek().copied().unwrap_or(' ');
        let is_decimal = before.is_ascii_digit() && next.is_ascii_digit();
        match character {
            '.' | '_' if is_decimal => words.push('.'),
            '+' => words.push('+'),
            _ if character.is_alphanumeric() => words.push(character),
            _ if words.ends_with('-') || words.is_empty() => {}
            _ => words.push('-'),
        }
        before = character;
    }
    words.truncate(words.trim_end_matches('-').len());
    words
}

fn is_quant(word: &str) -> bool {
    let rest = word.strip_prefix('i').unwrap_or(word).strip_prefix('q').or_else(|| word.strip_prefix("tq"));
    rest.is_some_and(|rest| {
        rest.starts_with(|c: char| ('1'..='8').contains(&c))
            && rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    })
}

/// `7b`, `0.5b`, `135m`, `8k`, `8x7b`, `a3b`, `e4b`, `16e`.
fn is_size(word: &str) -> bool {
    let Some((number, unit)) = word.split_at_checked(word.len().saturating_sub(1)) else { return false };
    let number = number.strip_prefix(['a', 'e']).unwrap_or(number);
    matches!(unit, "b" | "m" | "k" | "t" | "e")
        && number.starts_with(|c: char| c.is_ascii_digit())
        && number.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'x'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_without_their_quantisation() {
        for (name, expected) in [
            ("Qwen3-8B-Q4_K_M", "qwen3-8b"),
            ("qwen2.5-0.5b-instruct-q4_k_m.gguf", "qwen2.5-0.5b-instruct"),
            ("mistral-7b-instruct-v0.2.Q4_K_M", "mistral-7b-instruct-v0.2"),
            ("Meta-Llama-3.1-8B-Instruct-IQ4_XS", "llama-3.1-8b-instruct"),
            ("Llama-3_3-Nemotron-Super-49B-v1_5", "llama-3.3-nemotron-super-49b-v1.5"),
            ("gpt-oss-20b-MXFP4", "gpt-oss-20b"),
            ("gemma-3-4b-it-qat-Q4_0", "gemma-3-4b-it"),
            ("DeepSeek-V3-0324-UD-Q2_K_XL", "deepseek-v3-0324"),
            ("Qwen3 8B Base", "qwen3-8b-base"),
            ("gpt2", "gpt2"),
            ("q8", ""),
            ("", ""),
        ] {
            assert_eq!(slug(name), expected, "{name}");
        }
    }

    #[test]
    fn families() {
        for (name, expected) in [
            ("Qwen3-8B-Q4_K_M", Some("qwen3")),
            ("Qwen2.5-7B-Instruct", Some("qwen2.5")),
            ("Qwen3-30B-A3B-Instruct-2507", Some("qwen3")),
            ("Olmo-3-1125-32B", Some("olmo-3")),
            ("gemma-3-27b-it", Some("gemma-3")),
            ("gemma-2b", Some("gemma")),
            ("Mixtral-8x7B-Instruct-v0.1", Some("mixtral-v0.1")),
            ("Llama-4-Scout-17B-16E-Instruct", Some("llama-4-scout")),
            ("DeepSeek-R1-Distill-Llama-8B", Some("deepseek-r1-distill-llama")),
            ("SmolLM2-135M-Instruct", Some("smollm2")),
            ("Qwen3-8B-abliterated", Some("qwen3-abliterated")),
            ("7b-chat", None),
            ("", None),
        ] {
            assert_eq!(family(&slug(name)).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn repositories() {
        for (text, expected) in [
            ("Qwen/Qwen3-8B-GGUF", "qwen/qwen3-8b"),
            ("https://huggingface.co/Qwen/Qwen3-8B-Base", "qwen/qwen3-8b-base"),
            ("Deepseek Ai/DeepSeek R1 Distill Llama 8B", "deepseek-ai/deepseek-r1-distill-llama-8b"),
            ("Meta Llama/Llama 3.1 8B", "meta-llama/llama-3.1-8b"),
            ("Qwen3 8B", "qwen3-8b"),
        ] {
            assert_eq!(repository(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_slug_is_its_own_slug(name in "\\PC{0,40}|([A-Za-z]{1,6}[-_. ]?[0-9.]{0,3}[bB]?[-_. ]){0,5}(Q[1-8]_[K01](_[SML])?)?") {
            let once = slug(&name);
            prop_assert_eq!(slug(&once), once);
        }
    }
}
