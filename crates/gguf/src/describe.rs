//! Makes the summary of a header.

use std::collections::BTreeMap;

use crate::{
    facts::{arch_number, is_aligned, kind, part},
    header::{Header, Tensor},
    quant, shape,
    summary::{Pooling, RopeScaling, SamplingDefaults, Summary, TypeShare},
    text::clean,
    types::TensorType,
    value::Metadata,
};

/// The longest name in a summary, in characters.
const NAME_CHARS: usize = 128;
/// The most base models, data sets, tags or languages that are listed.
const MAX_SOURCES: u64 = 32;
/// What a template has of reasoning: the tags themselves, or the switch for it.
const REASONING: &[&str] = &[
    "<think>",
    "[THINK]",
    "enable_thinking",
    "reasoning_content",
    "<|channel|>analysis",
    "<|channel>thought",
    "<|START_THINKING|>",
    "<|inner_prefix|>",
    "<thought>",
    "◁think▷",
    "<|begin_of_thought|>",
    "Here are my reasoning steps:",
];

impl Header {
    /// Summarize what the header says about the model.
    pub fn summary(&self) -> Summary {
        summary(self)
    }
}

fn summary(header: &Header) -> Summary {
    let metadata = &header.metadata;
    let text = |key: &str| metadata.str(key).map(|text| clean(text.trim(), NAME_CHARS)).filter(|text| !text.is_empty());
    let number = |key: &str| arch_number(header, key);

    let parameters = sum(header.tensors.iter());
    let tensor_bytes = header.tensors.iter().filter_map(Tensor::bytes).fold(0, u64::saturating_add);
    let all_known = header.tensors.iter().all(|tensor| tensor.bytes().is_some());
    let (quant, quant_source) = quant::of_header(header);
    let findings = header.findings();
    let per_token = |tensor: &&Tensor| tensor.name.contains("_exps.") || is_single_expert(&tensor.name);
    let templates: Vec<_> = metadata
        .iter()
        .filter(|(key, _)| key.starts_with("tokenizer.chat_template"))
        .filter_map(|(_, value)| value.as_str())
        .collect();

    Summary {
        kind: kind(header),
        name: text("general.name"),
        architecture: text("general.architecture"),
        parameters,
        tensor_bytes,
        bits_per_weight: (parameters > 0 && all_known).then(|| 8.0 * tensor_bytes as f64 / parameters as f64),
        quant,
        quant_source,
        is_aligned: is_aligned(header),
        fatal: findings.fatal,
        fatal_on_cpu: findings.fatal_on_cpu,
        remarks: findings.remarks,
        types: types(header),
        context_length: number("context_length").filter(|&tokens| tokens > 0),
        block_count: number("block_count"),
        embedding_length: number("embedding_length"),
        head_count: number("attention.head_count"),
        head_count_kv: number("attention.head_count_kv"),
        experts: number("expert_count")
            .filter(|&count| count > 0)
            .map(|count| (count, number("expert_used_count").unwrap_or(0))),
        vocabulary: vocabulary(header),
        routed_parameters: sum(header.tensors.iter().filter(per_token)),
        routed_bytes: header.tensors.iter().filter(per_token).filter_map(Tensor::bytes).fold(0, u64::saturating_add),
        output_parameters: sum(header.tensor("output.weight").into_iter()),
        rope: rope(header),
        tokenizer: text("tokenizer.ggml.model"),
        tokenizer_pre: text("tokenizer.ggml.pre"),
        has_chat_template: metadata.has("tokenizer.chat_template") || !templates.is_empty(),
        thinks: templates.iter().any(|template| REASONING.iter().any(|mark| template.contains(mark))),
        tools: templates.iter().any(|template| template.contains("tools")),
        system: templates.iter().any(|template| takes_system(template)),
        license: text("general.license").or_else(|| text("general.license.name")),
        license_name: text("general.license.name"),
        license_link: text("general.license.link"),
        basename: text("general.basename"),
        finetune: text("general.finetune"),
        source: text("general.source.repo_url").or_else(|| text("general.repo_url")).map(|url| on_hub(&url).to_owned()),
        size_label: text("general.size_label"),
        quantized_by: text("general.quantized_by"),
        base_models: sources(metadata, "general.base_model"),
        datasets: sources(metadata, "general.dataset"),
        tags: list(metadata, "general.tags"),
        languages: list(metadata, "general.languages"),
        sampling: sampling(metadata),
        part: part(metadata),
        shape: shape::shape(header),
        pooling: number("pooling_type").and_then(pooling),
        is_encoder: shape::is_encoder(header.architecture().unwrap_or_default()),
    }
}

/// llama.cpp's numbers of the ways.
fn pooling(number: u64) -> Option<Pooling> {
    match number {
        0 => Some(Pooling::None),
        1 => Some(Pooling::Mean),
        2 => Some(Pooling::Cls),
        3 => Some(Pooling::Last),
        4 => Some(Pooling::Rank),
        _ => None,
    }
}

fn sum<'a>(tensors: impl Iterator<Item = &'a Tensor>) -> u64 {
    tensors.map(Tensor::parameters).fold(0, u64::saturating_add)
}

/// Before experts stood in one tensor, each had its own: `blk.0.ffn_up.3.weight`.
fn is_single_expert(name: &str) -> bool {
    let Some((_, rest)) = name.split_once(".ffn_") else { return false };
    let mut words = rest.split('.').skip(1);
    words.next().is_some_and(|word| word.parse::<u16>().is_ok()) && words.next().is_some()
}

/// Whether a template renders a system prompt rather than refusing it.
fn takes_system(template: &str) -> bool {
    let names_it = ["'system'", "\"system\"", "system_message"].iter().any(|name| template.contains(name));
    names_it && !template.to_ascii_lowercase().contains("system role not supported")
}

/// `owner/name` of a repository on the hub; other addresses stay.
fn on_hub(url: &str) -> &str {
    url.strip_prefix("https://huggingface.co/").unwrap_or(url).trim_end_matches('/')
}

/// Short texts of a list, or one text as a list of one.
fn list(metadata: &Metadata, key: &str) -> Vec<String> {
    let texts = metadata.strs(key).into_iter().chain(metadata.str(key)).take(MAX_SOURCES as usize);
    texts.map(|text| clean(text.trim(), NAME_CHARS)).filter(|text| !text.is_empty()).collect()
}

fn rope(header: &Header) -> Option<RopeScaling> {
    let architecture = header.architecture()?;
    let metadata = &header.metadata;
    let key = |key: &str| format!("{architecture}.rope.scaling.{key}");
    let original = metadata.u64(&key("original_context_length")).filter(|&tokens| tokens > 0);
    let reaches_further = || original.is_some_and(|original| arch_number(header, "context_length") > Some(original));
    let kind = match metadata.str(&key("type")) {
        Some("none") => return None,
        Some(kind) => clean(kind, NAME_CHARS),
        // Written without a type for Phi, whose factors are tensors.
        None if reaches_further() => "longrope".to_owned(),
        None => return None,
    };
    // Linear scaling used to have a separate key.
    let factor = metadata.f64(&key("factor")).or_else(|| metadata.f64(&format!("{architecture}.rope.scale_linear")));
    let factor = factor.filter(|factor| *factor > 1.0 && factor.is_finite());
    (factor.is_some() || reaches_further()).then_some(RopeScaling { kind, factor, original })
}

fn vocabulary(header: &Header) -> Option<u64> {
    header
        .tensor("token_embd.weight")
        .and_then(|tensor| tensor.dims.get(1).copied())
        .or_else(|| header.metadata.array("tokenizer.ggml.tokens").map(|tokens| tokens.count))
        .or_else(|| arch_number(header, "vocab_size"))
}

fn types(header: &Header) -> Vec<TypeShare> {
    let mut shares = BTreeMap::<TensorType, TypeShare>::new();
    for tensor in &header.tensors {
        let share = shares.entry(tensor.tensor_type).or_insert_with(|| TypeShare {
            name: tensor.tensor_type.name().into_owned(),
            n_tensors: 0,
            parameters: 0,
            bytes: Some(0),
        });
        share.n_tensors += 1;
        share.parameters = share.parameters.saturating_add(tensor.parameters());
        share.bytes = share.bytes.and_then(|sum| sum.checked_add(tensor.bytes()?));
    }
    let mut shares: Vec<_> = shares.into_values().collect();
    shares.sort_by_key(|share| std::cmp::Reverse(share.bytes));
    shares
}

/// `{prefix}.{i}.*`: where a model comes from.
fn sources(metadata: &Metadata, prefix: &str) -> Vec<String> {
    let count = metadata.u64(&format!("{prefix}.count")).unwrap_or(0).min(MAX_SOURCES);
    let numbered = (0..count).filter_map(|index| {
        let text = |key: &str| metadata.str(&format!("{prefix}.{index}.{key}")).map(str::trim);
        let repository = text("repo_url").filter(|url| on_hub(url) != *url).map(on_hub);
        let named = || match (text("organization"), text("name")) {
            (Some(organization), Some(name)) => Some(format!("{organization}/{name}")),
            (None, Some(name)) => Some(name.to_owned()),
            _ => text("repo_url").map(str::to_owned),
        };
        repository.map(str::to_owned).or_else(named)
    });
    // Before there were numbered keys, data sets stood in one array.
    let plain = metadata.strs(&format!("{prefix}s")).into_iter().take(MAX_SOURCES as usize).map(str::to_owned);
    let mut sources: Vec<_> =
        numbered.chain(plain).map(|source| clean(&source, NAME_CHARS)).filter(|source| !source.is_empty()).collect();
    sources.dedup();
    sources
}

fn sampling(metadata: &Metadata) -> SamplingDefaults {
    let float = |key: &str| {
        metadata.f64(&format!("general.sampling.{key}")).map(|value| value as f32).filter(|value| value.is_finite())
    };
    SamplingDefaults {
        temperature: float("temp").filter(|&temperature| temperature >= 0.0),
        top_k: metadata.u64("general.sampling.top_k").and_then(|top_k| top_k.try_into().ok()),
        top_p: float("top_p").filter(|top_p| (0.0..=1.0).contains(top_p)),
        min_p: float("min_p").filter(|min_p| (0.0..=1.0).contains(min_p)),
        repeat_penalty: float("penalty_repeat").filter(|&penalty| penalty > 0.0),
    }
}
