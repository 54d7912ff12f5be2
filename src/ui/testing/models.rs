//! The library of the fixture.

use gguf::{Kind, LayerCache, SamplingDefaults, Shape, Summary, TypeShare};

use super::{NOW, gb};
use domain::model::{Format, Model, ModelFile, Status, Store};
use domain::units::Bytes;

#[expect(clippy::too_many_lines, reason = "one list of models")]
pub(super) fn models() -> Vec<Model> {
    let good = |name: &str, repository: &str, params: u64, size: u64, quant: &str, layers: u64, kv: u32| {
        let mut model = Model {
            id: format!("hf:{repository}/{name}"),
            name: name.to_owned(),
            store: Store::HuggingFace,
            repository: Some(repository.to_owned()),
            files: vec![ModelFile {
                path: format!("/home/ada/.cache/huggingface/hub/{name}.gguf").into(),
                size: gb(size),
                modified: NOW - 90_000,
                digest: None,
            }],
            size: gb(size),
            status: Status::Runnable,
            used: Some(NOW - 7200 * layers.cast_signed()),
            summary: Some(summary(name, params, gb(size), quant, layers, kv)),
            note: None,
            format: Format::Gguf,
            card: None,
            overridden: None,
            tried: None,
            also: Vec::new(),
            machine: None,
            remote: None,
        };
        if let Some(summary) = &mut model.summary {
            summary.thinks = name.contains("r1") || name.contains("qwen3");
            let (license, base) = match name {
                "r1-qwen-1.5b" => ("mit", "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B"),
                "smollm2-135m" => ("apache-2.0", "HuggingFaceTB/SmolLM2-135M-Instruct"),
                "gemma-3-4b" => ("gemma", "google/gemma-3-4b-it"),
                "mistral-7b" => ("apache-2.0", "mistralai/Mistral-7B-v0.3"),
                "Llama-3.3-70B-Instruct" => ("llama3.3", "meta-llama/Llama-3.3-70B-Instruct"),
                "DeepSeek-V3-0324" => ("mit", "deepseek-ai/DeepSeek-V3-0324"),
                _ => ("apache-2.0", "Qwen/Qwen3-8B-Base"),
            };
            summary.license = Some(license.to_owned());
            summary.base_models = vec![base.to_owned()];
        }
        model
    };
    let bad = |name: &str, size: u64, status: Status| Model {
        id: format!("folder:/srv/models/{name}"),
        name: name.to_owned(),
        store: Store::Folder,
        repository: None,
        files: vec![ModelFile {
            path: format!("/srv/models/{name}").into(),
            size: gb(size),
            modified: NOW - 400_000,
            digest: None,
        }],
        size: gb(size),
        status,
        used: None,
        summary: None,
        note: None,
        format: Format::Gguf,
        card: None,
        overridden: None,
        tried: None,
        also: Vec::new(),
        machine: None,
        remote: None,
    };
    let mut starter = good("ishmael-4m", "starter", 4_200_000, 0, "F16", 4, 192);
    "starter:ishmael-4m".clone_into(&mut starter.id);
    starter.store = Store::Starter;
    starter.repository = None;
    starter.size = Bytes(8_400_000);
    starter.files = vec![ModelFile { path: "".into(), size: Bytes(8_400_000), modified: NOW, digest: None }];
    starter.note = Some(
        "Writes sea prose, not answers: it shows that everything works. `taffrail pull` fetches a useful model."
            .to_owned(),
    );
    let mut split =
        good("DeepSeek-V3-0324", "unsloth/DeepSeek-V3-0324-GGUF", 671_000_000_000, 2120, "Q2_K_XL", 61, 576);
    split.status = Status::Incomplete { found: 12, count: 15 };
    split.used = None;
    vec![
        good("qwen3-8b", "Qwen/Qwen3-8B-GGUF", 8_190_000_000, 50, "Q4_K_M", 36, 1024),
        good("r1-qwen-1.5b", "unsloth/DeepSeek-R1-Distill-Qwen-1.5B-GGUF", 1_780_000_000, 11, "Q4_K_M", 28, 256),
        good("smollm2-135m", "HuggingFaceTB/SmolLM2-135M-Instruct-GGUF", 135_000_000, 1, "Q4_1", 30, 192),
        good("gemma-3-4b", "ggml-org/gemma-3-4b-it-GGUF", 3_880_000_000, 25, "Q4_K_M", 34, 1024),
        good("mistral-7b", "mistralai/Mistral-7B-Instruct-v0.3", 7_250_000_000, 44, "Q4_K_M", 32, 1024),
        good(
            "Llama-3.3-70B-Instruct",
            "bartowski/Llama-3.3-70B-Instruct-GGUF",
            70_600_000_000,
            425,
            "Q4_K_M",
            80,
            1024,
        ),
        split,
        starter,
        bad("broken.gguf", 11, Status::Damaged("cut off at tensor 131 of 272".to_owned())),
        bad("mmproj-gemma-3-4b", 8, Status::NotAModel("a vision projector, used beside its model".to_owned())),
    ]
}

fn summary(name: &str, parameters: u64, size: Bytes, quant: &str, layers: u64, kv: u32) -> Summary {
    let share = |name: &str, n_tensors, part: u64| TypeShare {
        name: name.to_owned(),
        n_tensors,
        parameters: parameters * part / 100,
        bytes: Some(size.0 * part / 100),
    };
    Summary {
        kind: Kind::Model,
        name: Some(name.to_owned()),
        architecture: Some(if name.contains("qwen") { "qwen3" } else { "llama" }.to_owned()),
        parameters,
        tensor_bytes: size.0,
        bits_per_weight: Some(size.0 as f64 * 8.0 / parameters as f64),
        quant: Some(quant.to_owned()),
        quant_source: gguf::QuantSource::FileType,
        fatal: None,
        fatal_on_cpu: None,
        remarks: Vec::new(),
        is_aligned: true,
        types: vec![share("Q4_K", 217, 71), share("Q6_K", 37, 28), share("F32", 145, 1)],
        context_length: Some(if layers == 4 { 512 } else { 40_960 }),
        block_count: Some(layers),
        embedding_length: Some(4096),
        head_count: Some(32),
        head_count_kv: Some(8),
        experts: None,
        vocabulary: Some(151_936),
        routed_parameters: 0,
        routed_bytes: 0,
        output_parameters: 0,
        rope: None,
        tokenizer: Some("gpt2".to_owned()),
        tokenizer_pre: None,
        has_chat_template: layers > 4,
        thinks: false,
        tools: layers > 30,
        system: true,
        license: Some("apache-2.0".to_owned()),
        license_name: None,
        license_link: None,
        basename: None,
        finetune: None,
        source: None,
        size_label: None,
        quantized_by: None,
        base_models: vec!["Qwen/Qwen3-8B-Base".to_owned()],
        datasets: vec![],
        pooling: None,
        is_encoder: false,
        tags: vec![],
        languages: vec![],
        sampling: SamplingDefaults::default(),
        part: None,
        shape: Shape {
            layers: vec![LayerCache::Attention { k: kv, v: kv, window: None }; layers as usize],
            feed_forward_length: 12_288,
            query: 4096,
            inner: 0,
            latent: 0,
            embedding: None,
            amx_growth: Some(0),
        },
    }
}
