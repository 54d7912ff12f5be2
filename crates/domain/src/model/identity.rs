//! What a model claims to be, and what it is: family, size in a person's terms, and distills that carry R1's name.

use gguf::Summary;

use crate::model::Model;
use crate::units::parameters;

/// The badge of a model that has the name of R1 and is one of those distilled from it.
pub const DISTILL: &str = "distill, not R1";
/// The badge of a model made from such a one.
pub const FROM_DISTILL: &str = "made from an R1 distill, not R1";

/// Who made the model below, by the architecture alone where that is one family's own. `llama` and `deepseek2` are not
/// here: many families use them.
const ARCHITECTURES: &[(&str, &str)] = &[
    ("llama4", "llama"),
    ("qwen", "qwen"),
    ("gemma", "gemma"),
    ("mistral", "mistral"),
    ("phi", "phi"),
    ("granite", "granite"),
    ("falcon", "falcon"),
    ("olmo", "olmo"),
    ("cohere", "command"),
    ("command-r", "command"),
    ("gpt-oss", "gpt-oss"),
    ("glm", "glm"),
    ("chatglm", "glm"),
    ("internlm", "internlm"),
    ("starcoder", "starcoder"),
    ("smollm", "smollm"),
    ("mamba", "mamba"),
    ("rwkv", "rwkv"),
    ("lfm2", "lfm"),
    ("exaone", "exaone"),
    ("nemotron", "nemotron"),
    ("minicpm", "minicpm"),
    ("stablelm", "stablelm"),
    ("jamba", "jamba"),
    ("hunyuan", "hunyuan"),
    ("ernie", "ernie"),
    ("deepseek4", "deepseek"),
    ("deepseek32", "deepseek"),
    ("kimi", "kimi"),
    ("minimax", "minimax"),
    ("bloom", "bloom"),
    ("mpt", "mpt"),
];

/// The same by words of the name. A word matches where it starts so.
const NAMES: &[(&str, &str)] = &[
    ("smollm", "smollm"),
    ("tinyllama", "llama"),
    ("codellama", "llama"),
    ("llama", "llama"),
    ("qwen", "qwen"),
    ("qwq", "qwen"),
    ("mistral", "mistral"),
    ("mixtral", "mistral"),
    ("ministral", "mistral"),
    ("magistral", "mistral"),
    ("codestral", "mistral"),
    ("devstral", "mistral"),
    ("deepseek", "deepseek"),
    ("granite", "granite"),
    ("solar", "solar"),
    ("vicuna", "llama"),
    ("gigachat", "gigachat"),
    ("kimi", "kimi"),
    ("moonlight", "kimi"),
    ("glm", "glm"),
    ("ishmael", "ishmael"),
];

/// What a model is recognised as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Identity {
    /// Its family, such as `qwen`; `None` if unknown.
    pub family: Option<&'static str>,
    /// What it could be mistaken for.
    pub badge: Option<&'static str>,
    /// It reasons as R1 does, and wants R1's sampling: R1 itself and the distills.
    pub is_r1: bool,
}

/// Recognise a model by its architecture, its names, its repository and what it was made from.
pub fn identify(model: &Model) -> Identity {
    let Some(summary) = &model.summary else { return Identity::default() };
    let architecture = summary.architecture.as_deref().unwrap_or_default();
    let own = [Some(model.name.as_str()), summary.name.as_deref(), summary.basename.as_deref()];
    let own = own.into_iter().flatten().chain(model.repository.as_deref()).chain(summary.source.as_deref());
    let own: Vec<String> = own.map(words).collect();
    let card = model.card.iter().flat_map(|card| &card.base_models);
    let base: Vec<String> = summary.base_models.iter().chain(card).map(|name| words(name)).collect();

    // DeepSeek's own models of that time are deepseek2; whatever else has R1's name is another model, taught by it.
    let is_deepseek = architecture.starts_with("deepseek");
    let named = own.iter().any(|name| claims_r1(name));
    let from = base.iter().any(|name| claims_r1(name));
    let is_mix = own.iter().any(|name| name.contains("-merge-") || name.contains("-fuse"))
        || summary.tags.iter().any(|tag| tag == "merge" || tag == "mergekit");
    let badge = match (is_deepseek || architecture.is_empty(), named, from) {
        (false, true, _) if !is_mix => Some(DISTILL),
        (false, true, _) | (false, _, true) => Some(FROM_DISTILL),
        _ => None,
    };
    let is_r1 = badge == Some(DISTILL) || (is_deepseek && own.iter().chain(&base).any(|name| claims_r1(name)));
    Identity { family: family(architecture, &own, badge.is_some()), badge, is_r1 }
}

/// A name in lower case, its words between dashes.
fn words(name: &str) -> String {
    let dashed = name.chars().map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
    std::iter::once('-').chain(dashed).chain(std::iter::once('-')).collect()
}

/// Whether a name contains R1, of `DeepSeek` or of models derived from it.
fn claims_r1(words: &str) -> bool {
    words.contains("-deepseek-r1-")
        || words.contains("-deepseekr1-")
        || words.contains("-r1-1776-")
        || (words.contains("-r1-") && words.contains("-distill-"))
}

fn family(architecture: &str, own: &[String], is_distill: bool) -> Option<&'static str> {
    if let Some((_, family)) = ARCHITECTURES.iter().find(|(start, _)| architecture.starts_with(start)) {
        return Some(family);
    }
    // The model's names speak before the repository's; of one name, all words have to agree.
    own.iter().find_map(|name| {
        let mut found = name.split('-').filter_map(|word| {
            let (_, family) = NAMES.iter().find(|(start, _)| word.starts_with(start))?;
            // A distill has the name of its teacher too.
            (!is_distill || *family != "deepseek").then_some(*family)
        });
        let first = found.next()?;
        found.all(|other| other == first).then_some(first)
    })
}

/// The size in a person's terms: `8.2 B`, or `671 B, 37 B active` for a mixture of experts; `None` without tensors.
pub fn size(summary: &Summary) -> Option<String> {
    let count = summary.parameters;
    let all = (count > 0).then(|| parameters(count))?;
    Some(match summary.active_parameters() {
        // As their makers count: without decimals where they are two digits.
        Some(active) if active >= 9_950_000_000 => format!("{all}, {:.0} B active", active as f64 / 1e9),
        Some(active) => format!("{all}, {} active", parameters(active)),
        None => all,
    })
}

/// The context in a user's terms: `128K`, or `4K, extended to 160K by yarn x40`; `None` if the file doesn't say.
pub fn context(summary: &Summary) -> Option<String> {
    use crate::units::tokens;
    let longest = summary.longest_context()?;
    Some(match &summary.rope {
        Some(rope) => match rope.original.filter(|original| *original < longest) {
            Some(original) => format!("{} trained, extended to {} by {rope}", tokens(original), tokens(longest)),
            None => format!("{}, positions scaled by {rope}", tokens(longest)),
        },
        None => format!("{} trained", tokens(longest)),
    })
}

/// What the chat template supports, or that it makes embeddings; `None` without one.
pub fn capabilities(summary: &Summary) -> Option<Vec<&'static str>> {
    if summary.embeds_only() {
        return Some(vec!["embeddings"]);
    }
    let all =
        [(true, "chat"), (summary.system, "system prompt"), (summary.thinks, "thinking"), (summary.tools, "tools")];
    summary.has_chat_template.then(|| all.into_iter().filter_map(|(can, word)| can.then_some(word)).collect())
}

/// The license with its name and link if the file has them; `None` if it states none.
pub fn license(summary: &Summary) -> Option<String> {
    let license = summary.license.as_ref()?;
    let name = summary.license_name.as_ref().filter(|name| *name != license);
    let more: Vec<&str> = name.into_iter().chain(&summary.license_link).map(String::as_str).collect();
    Some(if more.is_empty() { license.clone() } else { format!("{license} ({})", more.join(", ")) })
}

#[cfg(test)]
mod tests {
    use gguf::Header;
    use gguf::testing::{Builder, deepseek_v3};

    use super::*;
    use crate::testing::model;

    fn named(name: &str, architecture: &str, header: &str, repository: &str, base: &str) -> Model {
        let mut summary = Header::read(Builder::tiny_llama().build().as_slice()).unwrap().summary();
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        summary.architecture = some(architecture);
        summary.name = some(header);
        summary.base_models = some(base).into_iter().collect();
        Model { name: name.to_owned(), repository: some(repository), summary: Some(summary), ..model("x") }
    }

    #[test]
    fn names_of_the_real_world() {
        let none = None;
        let distill = Some(DISTILL);
        #[rustfmt::skip]
        let cases = [
            ("DeepSeek-R1-Distill-Qwen-7B-Q4_K_M", "qwen2", "DeepSeek R1 Distill Qwen 7B", "unsloth/DeepSeek-R1-Distill-Qwen-7B-GGUF", "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", Some("qwen"), distill, true),
            ("DeepSeek-R1-Distill-Llama-70B-Q4_K_M", "llama", "DeepSeek R1 Distill Llama 70B", "", "", Some("llama"), distill, true),
            ("DeepSeek-R1-0528-Qwen3-8B-Q4_K_M", "qwen3", "Deepseek-R1-0528-Qwen3-8B", "", "", Some("qwen"), distill, true),
            ("deepseek-r1:8b", "qwen3", "", "", "", Some("qwen"), distill, true),
            ("deepseek-r1:8b", "llama", "DeepSeek R1 Distill Llama 8B", "", "", Some("llama"), distill, true),
            ("deepseek-r1:8b", "llama", "", "", "", none, distill, true),
            ("deepseek-r1:671b", "deepseek2", "", "", "", Some("deepseek"), none, true),
            ("DeepSeek-R1-UD-IQ1_S", "deepseek2", "DeepSeek R1 BF16", "unsloth/DeepSeek-R1-GGUF", "deepseek-ai/DeepSeek-R1", Some("deepseek"), none, true),
            ("DeepSeek-V3-0324-UD-Q2_K_XL", "deepseek2", "DeepSeek V3 0324", "unsloth/DeepSeek-V3-0324-GGUF", "", Some("deepseek"), none, false),
            ("r1-1776-distill-llama-70b-Q4_K_M", "llama", "R1 1776 Distill Llama 70b", "", "", Some("llama"), distill, true),
            ("model", "qwen2", "", "bartowski/DeepSeek-R1-Distill-Qwen-14B-GGUF", "", Some("qwen"), distill, true),
            ("Tiefling-7B", "qwen2", "Tiefling 7B", "", "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", Some("qwen"), Some(FROM_DISTILL), false),
            ("DeepSeekR1-QwQ-Fuse-32B", "qwen2", "", "", "", Some("qwen"), Some(FROM_DISTILL), false),
            // Their own makers taught these.
            ("Light-R1-32B-Q4_K_M", "qwen2", "Light R1 32B", "", "Qwen/Qwen2.5-32B-Instruct", Some("qwen"), none, false),
            ("Skywork-R1V-38B", "qwen2", "", "", "", Some("qwen"), none, false),
            ("OpenR1-Qwen-7B", "qwen2", "", "", "", Some("qwen"), none, false),
            ("deepseek-coder-6.7b-instruct.Q4_K_M", "llama", "deepseek-ai_deepseek-coder-6.7b-instruct", "", "", Some("deepseek"), none, false),
            ("DeepSeek-V2-Lite-Chat", "deepseek2", "", "", "", Some("deepseek"), none, false),
            ("Kimi-K2-Instruct-UD-Q2", "deepseek2", "Kimi K2 Instruct", "", "", Some("kimi"), none, false),
            ("SmolLM2-135M-Instruct.Q4_1", "llama", "SmolLM2 135M Instruct", "", "", Some("smollm"), none, false),
            ("gemma-3-4b-it-Q4_0", "gemma3", "Gemma 3 4b It", "", "", Some("gemma"), none, false),
            ("Mistral-7B-Instruct-v0.3.Q4_K_M", "llama", "", "", "", Some("mistral"), none, false),
            ("mixtral-8x7b-instruct-v0.1", "llama", "", "", "", Some("mistral"), none, false),
            ("Phi-3-mini-4k-instruct-q4", "phi3", "Phi3", "", "", Some("phi"), none, false),
            ("Meta-Llama-3.1-8B-Instruct-Q8_0", "llama", "", "", "", Some("llama"), none, false),
            ("Hermes-3-Llama-3.1-8B", "llama", "", "", "", Some("llama"), none, false),
            // No clue, or contradictory clues.
            ("dolphin-2.9-Q4_K_M", "llama", "", "", "", none, none, false),
            ("Llama-Mistral-merge-12B", "llama", "", "", "", none, none, false),
            ("gpt-oss-20b-mxfp4", "gpt-oss", "", "", "", Some("gpt-oss"), none, false),
            ("ishmael-1m", "llama", "ishmael 1M", "", "", Some("ishmael"), none, false),
        ];
        for (name, architecture, header, repository, base, family, badge, is_r1) in cases {
            let found = identify(&named(name, architecture, header, repository, base));
            assert_eq!(found, Identity { family, badge, is_r1 }, "{name} of {architecture}");
        }
        let unread = Model { summary: None, ..named("DeepSeek-R1-Distill-Qwen-7B", "qwen2", "", "", "") };
        assert_eq!(identify(&unread), Identity::default());
    }

    #[test]
    fn deepseek_in_a_persons_terms() {
        for is_mla in [true, false] {
            let summary = Header::read(&deepseek_v3("DeepSeek V3", is_mla).sparse()).unwrap().summary();
            assert_eq!(size(&summary).unwrap(), "671 B, 37 B active");
            assert_eq!(context(&summary).unwrap(), "4K trained, extended to 160K by yarn x40");
            assert_eq!(capabilities(&summary).unwrap(), ["chat", "system prompt", "thinking"]);
        }
    }

    #[test]
    fn contexts() {
        let of = |change: fn(Builder) -> Builder| {
            let summary = Header::read(change(Builder::tiny_llama()).build().as_slice()).unwrap().summary();
            context(&summary).unwrap()
        };
        for (said, expected) in [
            (of(|b| b), "128 trained"),
            (
                of(|b| {
                    b.string("llama.rope.scaling.type", "yarn")
                        .f32("llama.rope.scaling.factor", 4.0)
                        .u32("llama.rope.scaling.original_context_length", 32_768)
                }),
                "32K trained, extended to 128K by yarn x4",
            ),
            (
                of(|b| b.string("llama.rope.scaling.type", "linear").f32("llama.rope.scaling.factor", 2.5)),
                "128, positions scaled by linear x2.5",
            ),
            (of(|b| b.string("llama.rope.scaling.type", "none").f32("llama.rope.scaling.factor", 4.0)), "128 trained"),
            (
                of(|b| b.u32("llama.rope.scaling.original_context_length", 64)),
                "64 trained, extended to 128 by longrope",
            ),
        ] {
            assert_eq!(said, expected);
        }
    }
}
